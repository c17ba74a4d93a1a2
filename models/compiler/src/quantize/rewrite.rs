//! From a float network and its quantization to an ONNX model in QDQ form.
//!
//! Names as ONNX Runtime's `quantize_static` gives them: a tensor `t` becomes `t_QuantizeLinear_Output`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::Res;
use super::network::{
    Checked, Network, OPSET_NARROW_WIDE, int_attribute, model_proto, node, raw_tensor, tensor_proto, value_info,
};
use super::plan::{Linear, Plan, plan};
use super::weights::{QuantizedWeights, Scheme, largest_of_channels, limits, quantize_weights};
use crate::emit::macs;
use crate::error::{CompileError, CompileErrorKind};
use crate::import::onnx::{import_with_values, proto};

/// Ending of the names of quantized tensors.
pub(crate) const QUANTIZED: &str = "_QuantizeLinear_Output";

/// Quantization of a point: real = scale · (q − zero_point).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PointQuant {
    pub scale: f32,
    pub zero_point: i32,
    /// 16 bits, the zero point 0.
    pub wide: bool,
}

impl PointQuant {
    /// Returns the quantization whose integers span `[low, high]`, widened to hold zero.
    pub(crate) fn of_range(low: f32, high: f32, wide: bool) -> Self {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let span = if wide { 2.0 * high.max(-low) } else { high - low };
        let steps = if wide { 65534.0 } else { 255.0 };
        let scale = (span / steps) as f32;
        if !(scale.is_finite() && scale >= f32::MIN_POSITIVE) {
            // A tensor that is always zero.
            return Self { scale: 1.0, zero_point: 0, wide };
        }
        let zero_point = if wide { 0 } else { (-128.0 - low / f64::from(scale)).round_ties_even() as i32 };
        Self { scale, zero_point: zero_point.clamp(-128, 127), wide }
    }
}

/// Numbers for everything that a [`Plan`] names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub points: HashMap<String, PointQuant>,
    /// What to add to the bias of a product, by the index in [`Plan::linears`].
    pub corrections: BTreeMap<usize, Vec<f32>>,
    /// Products with weights of four bits, by the index in [`Plan::linears`].
    pub int4: HashSet<usize>,
    /// Limits of the weights of eight bits, by the index in [`Plan::linears`]; the largest weights where they are missing.
    pub limits: Arc<Vec<Vec<f64>>>,
}

/// Returns the limits of the weights of all products, with eight bits.
pub(crate) fn limits_of(network: &Network, plan: &Plan) -> Arc<Vec<Vec<f64>>> {
    let of = |linear: &Linear| {
        network.floats(&linear.weights).map(|(shape, values)| limits(shape, values, linear.axis, 8)).unwrap_or_default()
    };
    Arc::new(plan.linears.iter().map(of).collect())
}

impl Numbers {
    /// Returns the weights and bias of product `index` as integers.
    pub(crate) fn weights(&self, network: &Network, plan: &Plan, index: usize) -> Option<QuantizedWeights> {
        let linear = plan.linears.get(index)?;
        let (shape, values) = network.floats(&linear.weights)?;
        let from = self.points.get(&linear.input)?;
        let to = self.points.get(&linear.output)?;
        let mut bias = vec![0.0f64; linear.channels];
        if let Some((_, _, name)) = &linear.bias {
            let (_, reals) = network.floats(name)?;
            for (i, slot) in bias.iter_mut().enumerate() {
                *slot = f64::from(*reals.get(i).or(reals.first()).filter(|_| i < reals.len() || reals.len() == 1)?);
            }
        }
        for (slot, &c) in bias.iter_mut().zip(self.corrections.get(&index).into_iter().flatten()) {
            *slot += f64::from(c);
        }
        let narrow = self.int4.contains(&index);
        let found;
        let limits = match self.limits.get(index).filter(|_| !narrow) {
            Some(limits) => limits,
            None => {
                found = if narrow {
                    limits(shape, values, linear.axis, 4)
                } else {
                    largest_of_channels(shape, values, linear.axis)
                };
                &found
            }
        };
        let scheme = Scheme { from: *from, to: *to, bits: if narrow { 4 } else { 8 }, limits };
        quantize_weights(shape, values, linear.axis, linear.groups, &bias, scheme)
    }
}

/// Returns what the importer finds of a network: it walks it as if each tensor were quantized, with scale 1.
pub(crate) fn checked(network: &Network) -> Res<Checked> {
    let mut network = network.clone();
    // What the passes remove, and the importer therefore does not know, leaves shapes as they are.
    let mut normalizations = Vec::new();
    for (index, node) in network.nodes.iter_mut().enumerate() {
        if node.op_type == "BatchNormalization" {
            normalizations.push((proto::place(node, index), node.input.first().cloned().unwrap_or_default()));
            node.op_type = "Identity".into();
            node.input.truncate(1);
            node.output.truncate(1);
        }
    }
    let plan = plan(&network);
    let numbers = Numbers {
        points: plan
            .points
            .iter()
            .map(|point| (point.clone(), PointQuant { scale: 1.0, zero_point: 0, wide: false }))
            .collect(),
        ..Numbers::default()
    };
    let bytes = rewrite(&network, &plan, &numbers);
    let imported = import_with_values(&bytes, &network.name)?;
    let source = |name: &str| name.strip_suffix("_DequantizeLinear_Output").unwrap_or(name).to_string();
    let mut shapes: HashMap<String, Vec<usize>> = HashMap::new();
    for (name, shape) in imported.shapes {
        shapes.insert(source(&name), shape.clone());
        shapes.insert(name, shape);
    }
    // tract 0.23 reads the second extent without asking whether there is one: undefined behaviour.
    let flat = |name: &String| shapes.get(name).is_some_and(|shape| shape.len() < 2);
    if let Some((place, _)) = normalizations.into_iter().find(|(_, input)| flat(input)) {
        return Err(CompileError::new(
            CompileErrorKind::Inconsistent,
            place,
            "its input has fewer than two axes, none of channels",
            "check the model with onnx.checker.check_model(model, full_check=True)",
        ));
    }
    let macs = macs(&imported.graph);
    network.check_size(&shapes, macs)?;
    Ok(Checked { shapes, macs })
}

/// Returns the QDQ model's bytes.
pub(crate) fn rewrite(network: &Network, plan: &Plan, numbers: &Numbers) -> Vec<u8> {
    let mut writer = Writer {
        network,
        numbers,
        nodes: Vec::new(),
        constants: BTreeMap::new(),
        outputs: network.outputs.iter().map(String::as_str).collect(),
        points: plan.points.iter().map(String::as_str).collect(),
    };
    for port in &network.inputs {
        writer.round(&port.name, &port.name);
    }
    // What each input of each node is replaced by.
    let mut replaced: HashMap<(usize, usize), String> = HashMap::new();
    for (index, linear) in plan.linears.iter().enumerate() {
        if let Some(weights) = numbers.weights(network, plan, index) {
            replaced.insert((linear.node, 1), writer.weights(&linear.weights, index, linear, &weights));
            let own = linear.bias.as_ref().map_or((linear.node, 2), |&(node, input, _)| (node, input));
            let needed = linear.bias.is_some() || numbers.corrections.contains_key(&index);
            let takes_bias = network.nodes.get(own.0).is_some_and(|node| node.op_type != "MatMul");
            if needed && takes_bias {
                let (from, name) = (numbers.points.get(&linear.input), format!("{}_bias", linear.output));
                let name = linear.bias.as_ref().map_or(name, |(_, _, name)| name.clone());
                // An Add puts the channels where the result has them; a product's own bias is a list.
                let behind = if own.0 == linear.node { 0 } else { linear.behind };
                replaced.insert(own, writer.bias(&name, index, behind, from.map_or(1.0, |q| q.scale), &weights));
            }
        }
    }
    for &n in &plan.recurrents {
        for i in [1, 2] {
            if let Some(name) = network.nodes.get(n).and_then(|node| node.input.get(i))
                && let Some(written) = writer.recurrent_weights(name)
            {
                replaced.insert((n, i), written);
            }
        }
    }
    for &(n, i) in &plan.operands {
        if let Some(name) = network.nodes.get(n).and_then(|node| node.input.get(i)) {
            replaced.insert((n, i), writer.operand(name));
        }
    }
    for (n, source) in network.nodes.iter().enumerate() {
        let mut node = source.clone();
        for i in 0..3.max(node.input.len()) {
            match replaced.get(&(n, i)) {
                Some(name) => {
                    while node.input.len() <= i {
                        node.input.push(String::new());
                    }
                    if let Some(slot) = node.input.get_mut(i) {
                        *slot = name.clone();
                    }
                }
                None => {
                    if let Some(slot) = node.input.get_mut(i) {
                        *slot = writer.read(slot);
                    }
                }
            }
        }
        for output in &mut node.output {
            *output = writer.written(output);
        }
        writer.nodes.push(node);
        for output in &source.output {
            writer.round(output, &writer.written(output));
        }
    }
    for (name, constant) in &network.constants {
        if let Some(tensor) = tensor_proto(name, constant) {
            writer.constants.entry(name.clone()).or_insert(tensor);
        }
    }
    let read: HashSet<&String> = writer.nodes.iter().flat_map(|node| &node.input).collect();
    writer.constants.retain(|name, _| read.contains(name));
    let graph = GraphProto {
        name: "quantized".into(),
        node: writer.nodes,
        initializer: writer.constants.into_values().collect(),
        input: network.inputs.iter().map(value_info).collect(),
        output: network.outputs.iter().map(|name| network.output_info(name)).collect(),
        ..Default::default()
    };
    let extended = !numbers.int4.is_empty() || numbers.points.values().any(|point| point.wide);
    model_proto(graph, if extended { network.opset().max(OPSET_NARROW_WIDE) } else { network.opset() }).encode_to_vec()
}

struct Writer<'a> {
    network: &'a Network,
    numbers: &'a Numbers,
    nodes: Vec<NodeProto>,
    constants: BTreeMap<String, TensorProto>,
    outputs: HashSet<&'a str>,
    points: HashSet<&'a str>,
}

impl Writer<'_> {
    /// Returns the name under which a tensor is written: an output of the model is what its DequantizeLinear writes.
    fn written(&self, name: &str) -> String {
        let ends = self.outputs.contains(name) && self.points.contains(name);
        if ends { format!("{name}_QuantizeLinear_Input") } else { name.into() }
    }

    /// Returns the name under which a tensor is read.
    fn read(&self, name: &str) -> String {
        if !self.points.contains(name) || self.outputs.contains(name) {
            return name.into();
        }
        format!("{name}_DequantizeLinear_Output")
    }

    /// Writes the QuantizeLinear and DequantizeLinear of a point.
    fn round(&mut self, name: &str, source: &str) {
        let Some(quant) = self.numbers.points.get(name) else { return };
        let (scale, zero) = (format!("{name}_scale"), format!("{name}_zero_point"));
        self.constants.insert(scale.clone(), f32_tensor(&scale, &[], &[quant.scale]));
        let zero_tensor = if quant.wide {
            raw_tensor(&zero, DataType::Int16, &[], 0i16.to_le_bytes().to_vec())
        } else {
            raw_tensor(&zero, DataType::Int8, &[], vec![quant.zero_point as u8])
        };
        self.constants.insert(zero.clone(), zero_tensor);
        let integers = format!("{name}{QUANTIZED}");
        let (q, dq) = (format!("{name}_QuantizeLinear"), format!("{name}_DequantizeLinear"));
        self.nodes.push(node("QuantizeLinear", &q, &[source, &scale, &zero], &integers, vec![]));
        self.nodes.push(node("DequantizeLinear", &dq, &[&integers, &scale, &zero], &self.read(name), vec![]));
    }

    fn weights(&mut self, name: &str, index: usize, linear: &Linear, weights: &QuantizedWeights) -> String {
        let base = self.unshared(name, index);
        let shape = self.network.floats(name).map(|(shape, _)| shape.to_vec()).unwrap_or_default();
        let (kind, raw, zeros) = if weights.bits == 4 {
            (DataType::Int4, pack4(&weights.data), pack4(&vec![0; weights.axis_scales.len()]))
        } else {
            (DataType::Int8, weights.data.iter().map(|&q| q as u8).collect(), vec![0; weights.axis_scales.len()])
        };
        let count = [weights.axis_scales.len()];
        let (integers, scale, zero) =
            (format!("{base}_quantized"), format!("{base}_scale"), format!("{base}_zero_point"));
        self.constants.insert(integers.clone(), raw_tensor(&integers, kind, &shape, raw));
        self.constants.insert(scale.clone(), f32_tensor(&scale, &count, &weights.axis_scales));
        self.constants.insert(zero.clone(), raw_tensor(&zero, kind, &count, zeros));
        self.dequantized(&base, [&integers, &scale, &zero], linear.axis)
    }

    fn bias(&mut self, name: &str, index: usize, behind: usize, from: f32, weights: &QuantizedWeights) -> String {
        let base = self.unshared(name, index);
        let scales: Vec<f32> = weights.scales.iter().map(|s| s * from).collect();
        let raw = weights.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        let count = [weights.bias.len()];
        let (integers, scale, zero) =
            (format!("{base}_quantized"), format!("{base}_quantized_scale"), format!("{base}_quantized_zero_point"));
        let shape: Vec<usize> = count.iter().copied().chain(std::iter::repeat_n(1, behind)).collect();
        self.constants.insert(integers.clone(), raw_tensor(&integers, DataType::Int32, &shape, raw));
        self.constants.insert(scale.clone(), f32_tensor(&scale, &count, &scales));
        let zeros = vec![0; 4 * weights.bias.len()];
        self.constants.insert(zero.clone(), raw_tensor(&zero, DataType::Int32, &count, zeros));
        self.dequantized(&base, [&integers, &scale, &zero], 0)
    }

    /// Writes the weights of a recurrent layer, `[directions, gates · units, ..]`, with a scale per gate and unit.
    fn recurrent_weights(&mut self, name: &str) -> Option<String> {
        let (shape, values) = self.network.floats(name)?;
        let one = PointQuant { scale: 1.0, zero_point: 0, wide: false };
        let least = PointQuant { scale: f32::MIN_POSITIVE, ..one };
        let limits = limits(shape, values, 1, 8);
        let scheme = Scheme { from: one, to: least, bits: 8, limits: &limits };
        let weights = quantize_weights(shape, values, 1, 1, &[], scheme)?;
        if self.constants.contains_key(&format!("{name}_quantized")) {
            return Some(format!("{name}_DequantizeLinear_Output"));
        }
        let count = [weights.axis_scales.len()];
        let (integers, scale, zero) =
            (format!("{name}_quantized"), format!("{name}_scale"), format!("{name}_zero_point"));
        let raw = weights.data.iter().map(|&q| q as u8).collect();
        let shape = shape.to_vec();
        self.constants.insert(integers.clone(), raw_tensor(&integers, DataType::Int8, &shape, raw));
        self.constants.insert(scale.clone(), f32_tensor(&scale, &count, &weights.axis_scales));
        let zeros = vec![0; weights.axis_scales.len()];
        self.constants.insert(zero.clone(), raw_tensor(&zero, DataType::Int8, &count, zeros));
        Some(self.dequantized(name, [&integers, &scale, &zero], 1))
    }

    /// Writes a constant operand as int8.
    fn operand(&mut self, name: &str) -> String {
        let Some((shape, values)) = self.network.floats(name) else { return name.into() };
        let (low, high) = values.iter().fold((0.0f32, 0.0f32), |(low, high), &v| (low.min(v), high.max(v)));
        let quant = PointQuant::of_range(low, high, false);
        let integer = |&v: &f32| tanbo_quant::quantize(v, quant.scale, quant.zero_point, -128, 127) as u8;
        let (integers, scale, zero) =
            (format!("{name}_quantized"), format!("{name}_scale"), format!("{name}_zero_point"));
        let output = format!("{name}_DequantizeLinear_Output");
        let raw = values.iter().map(integer).collect();
        let tensor = raw_tensor(&integers, DataType::Int8, shape, raw);
        let zero_tensor = raw_tensor(&zero, DataType::Int8, &[], vec![quant.zero_point as u8]);
        if self.constants.insert(integers.clone(), tensor).is_none() {
            self.constants.insert(scale.clone(), f32_tensor(&scale, &[], &[quant.scale]));
            self.constants.insert(zero.clone(), zero_tensor);
            let name = format!("{name}_DequantizeLinear");
            self.nodes.push(node("DequantizeLinear", &name, &[&integers, &scale, &zero], &output, vec![]));
        }
        output
    }

    fn dequantized(&mut self, base: &str, inputs: [&String; 3], axis: usize) -> String {
        let output = format!("{base}_DequantizeLinear_Output");
        let inputs = inputs.map(String::as_str);
        let axis = int_attribute("axis", i64::try_from(axis).unwrap_or(0));
        self.nodes.push(node("DequantizeLinear", &format!("{base}_DequantizeLinear"), &inputs, &output, vec![axis]));
        output
    }

    /// Returns a name of its own for a constant that two products may read.
    fn unshared(&self, name: &str, index: usize) -> String {
        if self.constants.contains_key(&format!("{name}_quantized")) { format!("{name}_{index}") } else { name.into() }
    }
}

fn f32_tensor(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    raw_tensor(name, DataType::Float, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// Returns 4-bit integers, two to a byte, the first in the low half.
fn pack4(values: &[i8]) -> Vec<u8> {
    let half = |v: &i8| (*v as u8) & 15;
    values.chunks(2).map(|pair| pair.first().map_or(0, half) | pair.get(1).map_or(0, half) << 4).collect()
}
