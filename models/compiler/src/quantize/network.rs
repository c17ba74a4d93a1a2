//! A float model as the passes work on it: nodes in order, constants as arrays.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

use super::Res;
use crate::error::{CompileError, CompileErrorKind};
use crate::float::FloatPort;
use crate::import::onnx::constant::{Constant, Data, type_name};
use crate::import::onnx::proto::{self, Op};

/// Oldest operator set read.
const MIN_OPSET: i64 = 9;
/// Newest operator set read: from 22 on, the operators taken only gained types.
const MAX_OPSET: i64 = 24;
/// Operator set of what is written. (ONNX Runtime 1.32's optimizer breaks QDQ models of 21.)
pub(crate) const OPSET: i64 = 20;
/// Operator set of models with 16-bit or 4-bit quantization: the first that has it.
pub(crate) const OPSET_NARROW_WIDE: i64 = 21;
/// Largest number of elements of all tensors together: 128 MiB of float32.
const MAX_TOTAL_ELEMENTS: usize = 1 << 25;
/// Most multiply-accumulates of one inference.
const MAX_MACS: u64 = 1 << 33;

/// A float model.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// What messages call the file.
    pub name: String,
    pub nodes: Vec<NodeProto>,
    /// Sorted, so that files come out the same every time.
    pub constants: BTreeMap<String, Constant>,
    pub inputs: Vec<FloatPort>,
    pub outputs: Vec<String>,
    /// Shape of every tensor; filled by [`Network::check`].
    pub shapes: HashMap<String, Vec<usize>>,
}

impl Network {
    /// Returns the network of an ONNX file, its nodes in the form of operator set 20.
    pub(crate) fn read(bytes: &[u8], name: &str) -> Res<Self> {
        let (model, opset) = proto::read(bytes, name)?;
        let graph = model.graph.unwrap_or_default();
        if proto::is_quantized(&graph) {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                name,
                "the model is quantized already",
                "give the float model it was made from",
            ));
        }
        if !(MIN_OPSET..=MAX_OPSET).contains(&opset) {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                name,
                format!("operator set {opset} is not one of {MIN_OPSET} to {MAX_OPSET}"),
                "convert it: onnx.version_converter.convert_version(model, 21)",
            ));
        }
        let mut constants = BTreeMap::new();
        for tensor in &graph.initializer {
            let place = format!("initializer '{}'", tensor.name);
            let constant = proto::constant(tensor, &place)?;
            if let Data::Other(_) = constant.data {
                return Err(unread_type(&place, &constant.data));
            }
            if constants.insert(tensor.name.clone(), constant).is_some() {
                return Err(twice(&place, &tensor.name));
            }
        }
        let mut inputs = Vec::new();
        for info in graph.input.iter().filter(|info| !constants.contains_key(&info.name)) {
            inputs.push(input(info)?);
        }
        let outputs = graph.output.iter().map(|info| info.name.clone()).collect();
        let mut network = Self {
            name: name.into(),
            nodes: Vec::with_capacity(graph.node.len()),
            constants,
            inputs,
            outputs,
            shapes: HashMap::new(),
        };
        network.add_nodes(graph, opset)?;
        Ok(network)
    }

    fn add_nodes(&mut self, graph: GraphProto, opset: i64) -> Res<()> {
        let mut defined: BTreeSet<String> = self.inputs.iter().map(|port| port.name.clone()).collect();
        defined.extend(self.constants.keys().cloned());
        for (index, mut node) in graph.node.into_iter().enumerate() {
            let place = Op::new(&node, index, opset).place;
            let own_domain = matches!(node.domain.as_str(), "" | "ai.onnx");
            if !own_domain {
                return Err(CompileError::new(
                    CompileErrorKind::Unsupported,
                    place,
                    format!("operator {} of domain '{}' is not known", node.op_type, node.domain),
                    "export with standard ONNX operators",
                ));
            }
            if node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty()) {
                return Err(CompileError::new(
                    CompileErrorKind::Unsupported,
                    place,
                    format!("operator {} holds another graph", node.op_type),
                    "export the model without control flow",
                ));
            }
            if let Some(name) = node.input.iter().find(|name| !name.is_empty() && !defined.contains(*name)) {
                return Err(CompileError::new(
                    CompileErrorKind::Malformed,
                    place,
                    format!("it reads '{name}', which no input, initializer or earlier node defines"),
                    "check the model with onnx.checker.check_model",
                ));
            }
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                if !defined.insert(name.clone()) {
                    return Err(twice(&place, name));
                }
            }
            if node.op_type == "Constant" {
                self.constant_node(&node, index, opset)?;
                continue;
            }
            super::upgrade::upgrade(&mut node, index, opset, self)?;
            self.nodes.push(node);
        }
        if let Some(name) = self.outputs.iter().find(|name| !defined.contains(*name)) {
            return Err(CompileError::new(
                CompileErrorKind::Malformed,
                format!("output '{name}'"),
                "nothing defines it",
                "check the model with onnx.checker.check_model",
            ));
        }
        Ok(())
    }

    fn constant_node(&mut self, node: &NodeProto, index: usize, opset: i64) -> Res<()> {
        let op = Op::new(node, index, opset);
        let constant = crate::import::onnx::constant_of_node(&op)?;
        if let Data::Other(_) = constant.data {
            return Err(unread_type(&op.place, &constant.data));
        }
        self.constants.insert(op.output_name(0)?.into(), constant);
        Ok(())
    }

    /// Learns every shape from the importer, which walks the network as if it were quantized, and refuses what cannot be
    /// compiled or is too large.
    pub(crate) fn check(&self) -> Res<Checked> {
        super::rewrite::checked(self)
    }

    /// Refuses a network that would take too long or too much memory to run.
    pub(crate) fn check_size(&self, shapes: &HashMap<String, Vec<usize>>, macs: u64) -> Res<()> {
        let total = shapes
            .values()
            .try_fold(0usize, |sum, shape| sum.checked_add(shape.iter().product::<usize>()))
            .unwrap_or(usize::MAX);
        if total > MAX_TOTAL_ELEMENTS || macs > MAX_MACS {
            return Err(CompileError::new(
                CompileErrorKind::TooLarge,
                &self.name,
                format!(
                    "its tensors have {total} elements and it takes {macs} multiply-accumulates; at most \
                     {MAX_TOTAL_ELEMENTS} and {MAX_MACS} are run in float"
                ),
                "use a smaller model",
            ));
        }
        Ok(())
    }

    /// Returns the network as an ONNX model.
    pub(crate) fn to_proto(&self) -> ModelProto {
        let graph = GraphProto {
            name: "float".into(),
            node: self.nodes.clone(),
            initializer: self.constants.iter().filter_map(|(name, c)| tensor_proto(name, c)).collect(),
            input: self.inputs.iter().map(value_info).collect(),
            output: self.outputs.iter().map(|name| self.output_info(name)).collect(),
            ..Default::default()
        };
        model_proto(graph, self.opset())
    }

    /// Returns the operator set of models with these nodes.
    pub(crate) fn opset(&self) -> i64 {
        // Operators that came later.
        if self.nodes.iter().any(|node| node.op_type == "RMSNormalization") { 23 } else { OPSET }
    }

    pub(crate) fn output_info(&self, name: &str) -> ValueInfoProto {
        let shape = self.shapes.get(name).cloned().unwrap_or_default();
        if shape.is_empty() {
            return ValueInfoProto { name: name.into(), ..Default::default() };
        }
        value_info(&FloatPort { name: name.into(), shape })
    }

    /// Returns how often each tensor is read, as input of a node or output of the network.
    pub(crate) fn uses(&self) -> HashMap<String, usize> {
        let mut uses = HashMap::new();
        let read = self.nodes.iter().flat_map(|node| &node.input).chain(&self.outputs);
        for name in read.filter(|name| !name.is_empty()) {
            *uses.entry(name.clone()).or_default() += 1;
        }
        uses
    }

    /// Returns the node that writes each tensor.
    pub(crate) fn producers(&self) -> HashMap<String, usize> {
        let each = |(i, node): (usize, &NodeProto)| -> Vec<(String, usize)> {
            node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.clone(), i)).collect()
        };
        self.nodes.iter().enumerate().flat_map(each).collect()
    }

    /// Returns a name that nothing has yet.
    pub(crate) fn fresh(&self, wish: &str) -> String {
        let taken = |name: &str| {
            self.constants.contains_key(name)
                || self.inputs.iter().any(|port| port.name == name)
                || self.nodes.iter().any(|node| node.output.iter().any(|output| output == name))
        };
        if !taken(wish) {
            return wish.into();
        }
        let mut i = 1usize;
        loop {
            let name = format!("{wish}_{i}");
            if !taken(&name) {
                return name;
            }
            i += 1;
        }
    }

    /// Adds a constant and returns its name.
    pub(crate) fn add_constant(&mut self, wish: &str, constant: Constant) -> String {
        let name = self.fresh(wish);
        self.constants.insert(name.clone(), constant);
        name
    }

    /// Returns the elements of a float constant.
    pub(crate) fn floats(&self, name: &str) -> Option<(&[usize], &[f32])> {
        match self.constants.get(name) {
            Some(Constant { shape, data: Data::F32(values) }) => Some((shape, values)),
            _ => None,
        }
    }

    /// Drops constants that nothing reads.
    pub(crate) fn drop_unread_constants(&mut self) {
        let uses = self.uses();
        self.constants.retain(|name, _| uses.contains_key(name));
    }
}

/// What [`Network::check`] learned.
pub(crate) struct Checked {
    pub shapes: HashMap<String, Vec<usize>>,
    /// Multiply-accumulates of one inference.
    pub macs: u64,
}

fn unread_type(place: &str, data: &Data) -> CompileError {
    CompileError::new(
        CompileErrorKind::Unsupported,
        place,
        format!("it is of {}", data.type_name()),
        "convert the model to float32 (onnxconverter_common.float16.convert_float16_to_float)",
    )
}

fn twice(place: &str, name: &str) -> CompileError {
    CompileError::new(
        CompileErrorKind::Malformed,
        place,
        format!("the name '{name}' is used twice"),
        "check the model with onnx.checker.check_model",
    )
}

/// Returns a float input: its extents must be fixed, but for the first.
fn input(info: &ValueInfoProto) -> Res<FloatPort> {
    let place = format!("input '{}'", info.name);
    let refuse =
        |reason: String, remedy: &str| CompileError::new(CompileErrorKind::Unsupported, &place, reason, remedy);
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(refuse("it is no tensor".into(), "use tensors"));
    };
    if tensor.elem_type != DataType::Float as i32 {
        return Err(refuse(
            format!("its element type is {}", type_name(tensor.elem_type)),
            "inputs of a float model are float32",
        ));
    }
    let Some(shape) = &tensor.shape else {
        return Err(refuse("its shape is unknown".into(), "give it a fixed shape"));
    };
    let mut extents = Vec::new();
    for (i, dim) in shape.dim.iter().enumerate() {
        extents.push(match dim.value {
            Some(dimension::Value::DimValue(extent)) if extent > 0 => usize::try_from(extent).unwrap_or(usize::MAX),
            _ if i == 0 => 1,
            _ => {
                return Err(refuse(
                    format!("the extent of its axis {i} is open"),
                    "fix it (python -m onnxruntime.tools.make_dynamic_shape_fixed)",
                ));
            }
        });
    }
    Ok(FloatPort { name: info.name.clone(), shape: extents })
}

/// Returns the description of a float tensor.
pub(crate) fn value_info(port: &FloatPort) -> ValueInfoProto {
    let dim = |&extent: &usize| Dimension {
        value: Some(dimension::Value::DimValue(i64::try_from(extent).unwrap_or(i64::MAX))),
        ..Default::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: port.shape.iter().map(dim).collect() }),
    };
    ValueInfoProto {
        name: port.name.clone(),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}

/// Returns a model of one graph.
pub(crate) fn model_proto(graph: GraphProto, opset: i64) -> ModelProto {
    ModelProto {
        ir_version: match opset {
            ..21 => 9,
            21..23 => 10,
            _ => 11,
        },
        producer_name: "tanbo".into(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
        graph: Some(graph),
        ..Default::default()
    }
}

/// Returns a constant as a tensor message.
pub(crate) fn tensor_proto(name: &str, constant: &Constant) -> Option<TensorProto> {
    let (kind, raw): (DataType, Vec<u8>) = match &constant.data {
        Data::F32(v) => (DataType::Float, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::I8(v) => (DataType::Int8, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::U8(v) => (DataType::Uint8, v.clone()),
        Data::I32(v) => (DataType::Int32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::I64(v) => (DataType::Int64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        _ => return None,
    };
    Some(raw_tensor(name, kind, &constant.shape, raw))
}

/// Returns a tensor message of `raw` bytes.
pub(crate) fn raw_tensor(name: &str, kind: DataType, shape: &[usize], raw: Vec<u8>) -> TensorProto {
    TensorProto {
        name: name.into(),
        data_type: kind as i32,
        dims: shape.iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX)).collect(),
        raw_data: raw,
        ..Default::default()
    }
}

/// Returns a node of the default domain.
pub(crate) fn node(
    kind: &str,
    name: &str,
    inputs: &[&str],
    output: &str,
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: kind.into(),
        name: name.into(),
        input: inputs.iter().map(|&s| s.into()).collect(),
        output: vec![output.into()],
        attribute: attributes,
        ..Default::default()
    }
}

/// Returns a float attribute.
pub(crate) fn float_attribute(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: tract_onnx::pb::attribute_proto::AttributeType::Float as i32,
        f: value,
        ..Default::default()
    }
}

/// Returns an integer attribute.
pub(crate) fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: tract_onnx::pb::attribute_proto::AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

/// Returns an attribute of integers.
pub(crate) fn ints_attribute(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: tract_onnx::pb::attribute_proto::AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}
