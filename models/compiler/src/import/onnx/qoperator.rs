//! The operator format (`QuantFormat.QOperator`, and integer products with an int32 result).
//!
//! A QLinear node is its float operator between DequantizeLinear and QuantizeLinear, so it is imported as
//! those nodes: what the QDQ form of an operator can do, its QLinear form can. ConvInteger and MatMulInteger
//! become the float product of operands at scale 1; the Cast, Mul and Add behind them are its scale and bias.
//!
//! Specification: <https://onnx.ai/onnx/operators/> and
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>.

use std::rc::Rc;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto};

use super::constant::{Data, Dequantized};
use super::operators::{self, Outputs};
use super::proto::Op;
use super::value::{Quant, Table, Value};
use super::{Importer, Res};

/// ONNX's numbers of the types a QuantizeLinear gives.
const UINT8: i64 = 2;
const INT8: i64 = 3;

/// The nodes that stand for one QLinear node.
struct Steps<'a> {
    op: &'a Op<'a>,
    output: &'a str,
    nodes: Vec<NodeProto>,
}

impl<'a> Steps<'a> {
    fn new(op: &'a Op<'a>) -> Res<Self> {
        Ok(Self { op, output: op.output_name(0)?, nodes: Vec::new() })
    }

    /// Adds a node that gives `output`, or a name of its own.
    fn add(&mut self, kind: &str, input: Vec<String>, attribute: Vec<AttributeProto>, output: Option<&str>) -> String {
        let output = output.map_or_else(|| format!("{}/{kind}{}", self.output, self.nodes.len()), String::from);
        self.nodes.push(NodeProto {
            op_type: kind.into(),
            input,
            output: vec![output.clone()],
            attribute,
            ..NodeProto::default()
        });
        output
    }

    fn input(&self, i: usize) -> Res<String> {
        self.op.input_name(i).map(String::from).ok_or_else(|| self.op.malformed(format!("input {i} is missing")))
    }

    /// Adds the DequantizeLinear of input `i`, of which the scale and zero point follow.
    fn dequantize(&mut self, i: usize, axis: i64) -> Res<String> {
        let inputs = vec![self.input(i)?, self.input(i + 1)?, self.op.input_name(i + 2).unwrap_or_default().into()];
        Ok(self.add("DequantizeLinear", inputs, vec![int("axis", axis)], None))
    }

    /// Adds the QuantizeLinear that gives the node's output; its scale is input `i`, its zero point the next.
    fn quantize(&mut self, from: String, i: usize, unsigned: bool) -> Res<()> {
        let inputs = vec![from, self.input(i)?, self.op.input_name(i + 1).unwrap_or_default().into()];
        let kind = int("output_dtype", if unsigned { UINT8 } else { INT8 });
        self.add("QuantizeLinear", inputs, vec![kind], Some(self.output));
        Ok(())
    }

    /// The node's attributes that its float operator has too.
    fn attributes(&self, but: &[&str]) -> Vec<AttributeProto> {
        self.op.proto.attribute.iter().filter(|a| !but.contains(&a.name.as_str())).cloned().collect()
    }
}

impl Importer {
    /// Reads the nodes that stand for one, and returns what the last of them gives.
    fn read(&mut self, op: &Op, nodes: &[NodeProto]) -> Res<Value> {
        let Some((last, first)) = nodes.split_last() else { return Err(op.malformed("it stands for nothing")) };
        for proto in first {
            self.node(&op.step(proto))?;
        }
        match operators::import(self, &op.step(last))? {
            Outputs::One(value) => Ok(value),
            Outputs::Many(_) => Err(op.malformed("it has more than one output")),
        }
    }

    /// Returns whether input `i` is uint8.
    fn is_unsigned(&self, op: &Op, i: usize) -> Res<bool> {
        match self.input(op, i)? {
            Value::Integer { unsigned, .. } => Ok(unsigned),
            Value::Constant(constant) => match constant.data {
                Data::I8(_) => Ok(false),
                Data::U8(_) => Ok(true),
                _ => Err(op.inconsistent(format!("its input {i} is {}, not int8 or uint8", constant.data.type_name()))),
            },
            _ => Err(op.inconsistent(format!("its input {i} is in float, not int8 or uint8"))),
        }
    }

    /// Defines input `i`, an int32 bias at the scale input · weight (· `factor`), as a dequantized constant.
    fn qlinear_bias(&mut self, op: &Op, i: usize, scales: [usize; 2], factor: f32) -> Res<Option<String>> {
        if op.input_name(i).is_none() {
            return Ok(None);
        }
        let bias = self.constant(op, i)?;
        let Data::I32(integers) = &bias.data else {
            return Err(op.inconsistent(format!("its bias is {}, not int32", bias.data.type_name())));
        };
        let [input, weights] = [self.constant(op, scales[0])?, self.constant(op, scales[1])?];
        let (Data::F32(input), Data::F32(weights)) = (&input.data, &weights.data) else {
            return Err(op.unsupported("its scales are not float32", "quantize the float32 model"));
        };
        let &[input] = input.as_slice() else {
            return Err(op.unsupported("its input is quantized per channel", "quantize activations per tensor"));
        };
        let value = Dequantized {
            shape: bias.shape.clone(),
            centered: integers.clone(),
            scales: weights.iter().map(|weight| input * weight * factor).collect(),
            axis: bias.shape.len().saturating_sub(1),
            zero_point: 0,
            four_bits: false,
        };
        if value.scales.len() > 1 && value.scales.len() != value.centered.len() {
            return Err(op.inconsistent(format!(
                "a bias of {} elements for {} weight scales",
                value.centered.len(),
                value.scales.len()
            )));
        }
        let name = format!("{}/bias", op.output_name(0)?);
        self.define(&name, Value::Dequantized(Rc::new(value)), &op.place)?;
        Ok(Some(name))
    }

    /// ConvInteger and MatMulInteger: the int32 sums are the product of operands at scale 1.
    fn integer_product(&mut self, op: &Op, kind: &str) -> Res<Value> {
        let Value::Integer { view, unsigned } = self.input(op, 0)? else {
            return Err(op.unsupported(
                "its first input is no 8-bit activation",
                "only products of an activation and constant weights can run",
            ));
        };
        let zero_point = match self.zero_points(op, 2, unsigned)?.as_slice() {
            [] => 0,
            [one] => *one,
            _ => {
                return Err(op.unsupported("its input has a zero point per row", "quantize activations per tensor"));
            }
        };
        let quant = Quant::int8(1.0, zero_point - if unsigned { 128 } else { 0 });
        let view = self.builder.with_quant(&view, quant, &op.place)?;
        let weights = self.constant(op, 1)?;
        let (integers, unsigned): (Vec<i32>, bool) = match &weights.data {
            Data::I8(v) => (v.iter().map(|&x| x.into()).collect(), false),
            Data::U8(v) => (v.iter().map(|&x| x.into()).collect(), true),
            other => return Err(op.inconsistent(format!("its weights are {}, not of 8 bits", other.type_name()))),
        };
        self.spend(integers.len(), &op.place)?;
        let zero_points = self.zero_points(op, 3, unsigned)?;
        // One per output channel: the first axis of a convolution's weights, the last of a matrix.
        let axis = if kind == "Conv" { 0 } else { weights.shape.len().saturating_sub(1) };
        if zero_points.len() > 1 && weights.shape.get(axis) != Some(&zero_points.len()) {
            return Err(op.inconsistent(format!("{} zero points for weights {:?}", zero_points.len(), weights.shape)));
        }
        let inner = weights.shape.iter().skip(axis + 1).product::<usize>().max(1);
        let zero_of = |i: usize| zero_points.get(i / inner % zero_points.len().max(1)).copied().unwrap_or(0);
        let centered = integers.iter().enumerate().map(|(i, &q)| q - zero_of(i)).collect();
        let shape = weights.shape.clone();
        let weights = Dequantized { shape, centered, scales: vec![1.0], axis, zero_point: 0, four_bits: false };
        let mut steps = Steps::new(op)?;
        let names = ["input", "weights"].map(|role| format!("{}/{role}", steps.output));
        let values = [Value::Table(Table::dequantized(view, quant)), Value::Dequantized(Rc::new(weights))];
        for (name, value) in names.iter().zip(values) {
            self.define(name, value, &op.place)?;
        }
        steps.add(kind, names.to_vec(), steps.attributes(&[]), Some(steps.output));
        self.read(op, &steps.nodes)
    }

    /// Returns the constant zero points that are input `i`, of a tensor that is uint8 or int8.
    fn zero_points(&self, op: &Op, i: usize, unsigned: bool) -> Res<Vec<i32>> {
        if op.input_name(i).is_none() {
            return Ok(vec![]);
        }
        let zero_points = self.constant(op, i)?;
        match &zero_points.data {
            Data::I8(z) if !unsigned => Ok(z.iter().map(|&z| z.into()).collect()),
            Data::U8(z) if unsigned => Ok(z.iter().map(|&z| z.into()).collect()),
            other => Err(op.inconsistent(format!("its zero point is {}, not of its tensor's type", other.type_name()))),
        }
    }
}

pub(super) fn conv(importer: &mut Importer, op: &Op) -> Res<Value> {
    let unsigned = importer.is_unsigned(op, 0)?;
    let bias = importer.qlinear_bias(op, 8, [1, 4], 1.0)?;
    let mut steps = Steps::new(op)?;
    let mut inputs = vec![steps.dequantize(0, 1)?, steps.dequantize(3, 0)?];
    inputs.extend(bias);
    let product = steps.add("Conv", inputs, steps.attributes(&[]), None);
    steps.quantize(product, 6, unsigned)?;
    importer.read(op, &steps.nodes)
}

pub(super) fn mat_mul(importer: &mut Importer, op: &Op) -> Res<Value> {
    let unsigned = importer.is_unsigned(op, 0)?;
    let mut steps = Steps::new(op)?;
    let inputs = vec![steps.dequantize(0, 1)?, steps.dequantize(3, -1)?];
    let product = steps.add("MatMul", inputs, vec![], None);
    steps.quantize(product, 6, unsigned)?;
    importer.read(op, &steps.nodes)
}

/// Without an output scale the result is a float.
pub(super) fn gemm(importer: &mut Importer, op: &Op) -> Res<Value> {
    let unsigned = importer.is_unsigned(op, 0)?;
    let bias = importer.qlinear_bias(op, 6, [1, 4], op.float("alpha", 1.0)?)?;
    let axis = if op.int("transB", 0)? != 0 { 0 } else { 1 };
    let mut steps = Steps::new(op)?;
    let mut inputs = vec![steps.dequantize(0, 1)?, steps.dequantize(3, axis)?];
    inputs.extend(bias);
    let product = steps.add("Gemm", inputs, steps.attributes(&[]), None);
    if op.input_name(7).is_some() {
        steps.quantize(product, 7, unsigned)?;
    }
    importer.read(op, &steps.nodes)
}

/// QLinearAdd and QLinearMul.
pub(super) fn binary(importer: &mut Importer, op: &Op) -> Res<Value> {
    let unsigned = importer.is_unsigned(op, 0)?;
    let mut steps = Steps::new(op)?;
    let inputs = vec![steps.dequantize(0, 1)?, steps.dequantize(3, 1)?];
    let result = steps.add(float_name(op), inputs, vec![], None);
    steps.quantize(result, 6, unsigned)?;
    importer.read(op, &steps.nodes)
}

/// Operators of one activation; the pools may see channels as the last axis.
pub(super) fn unary(importer: &mut Importer, op: &Op) -> Res<Value> {
    let unsigned = importer.is_unsigned(op, 0)?;
    let rank = i64::try_from(importer.input(op, 0)?.shape().len()).unwrap_or(0);
    let channels_last = op.int("channels_last", 0)? != 0 && rank > 2;
    let mut steps = Steps::new(op)?;
    let mut value = steps.dequantize(0, 1)?;
    if channels_last {
        let perm = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
        value = steps.add("Transpose", vec![value], vec![ints("perm", perm)], None);
    }
    value = steps.add(float_name(op), vec![value], steps.attributes(&["channels_last"]), None);
    if channels_last {
        let perm = std::iter::once(0).chain(2..rank).chain([1]).collect();
        value = steps.add("Transpose", vec![value], vec![ints("perm", perm)], None);
    }
    steps.quantize(value, 3, unsigned)?;
    importer.read(op, &steps.nodes)
}

pub(super) fn concat(importer: &mut Importer, op: &Op) -> Res<Value> {
    let unsigned = importer.is_unsigned(op, 2)?;
    let mut steps = Steps::new(op)?;
    let mut parts = Vec::new();
    for i in (2..op.proto.input.len()).step_by(3) {
        parts.push(steps.dequantize(i, 1)?);
    }
    let joined = steps.add("Concat", parts, steps.attributes(&[]), None);
    steps.quantize(joined, 0, unsigned)?;
    importer.read(op, &steps.nodes)
}

pub(super) fn conv_integer(importer: &mut Importer, op: &Op) -> Res<Value> {
    importer.integer_product(op, "Conv")
}

pub(super) fn mat_mul_integer(importer: &mut Importer, op: &Op) -> Res<Value> {
    importer.integer_product(op, "MatMul")
}

/// Returns the name of the float operator.
fn float_name<'a>(op: &Op<'a>) -> &'a str {
    let kind = op.proto.op_type.as_str();
    kind.strip_prefix("QLinear").unwrap_or(kind)
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() }
}

fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints, ..AttributeProto::default() }
}
