//! The protobuf side: decoding, opset, attributes, constant arrays. Every size is checked before use.

use std::collections::HashMap;

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};

use super::constant::{Constant, Data};
use super::limits;
use super::{MAX_ELEMENTS, MAX_FILE_BYTES, MAX_NODES, MAX_PORTS, MAX_SOURCE_RANK, QUANTIZE_FIRST, Res, elements};
use crate::error::{CompileError, CompileErrorKind};

/// Oldest operator set read: the first with limits of Clip and Pad as inputs.
const MIN_OPSET: i64 = 11;
/// Newest operator set read.
const MAX_OPSET: i64 = 24;
/// Keys of the metadata that tell the greatest magnitude of an LSTM's cell begin with this; the node's name follows.
const CELL_RANGE: &str = "tanbo.cell_range.";
/// Longest name read: each may be copied for every node that uses it.
const MAX_NAME_BYTES: usize = 1 << 10;

/// Returns the model's graph, its version of the default operator set, and what its metadata says of LSTM cells, by node.
pub(crate) fn decode(bytes: &[u8], name: &str) -> Res<(GraphProto, i64, HashMap<String, String>)> {
    let (model, opset) = read(bytes, name)?;
    let graph = model.graph.unwrap_or_default();
    if !(MIN_OPSET..=MAX_OPSET).contains(&opset) {
        return Err(CompileError::new(
            CompileErrorKind::Unsupported,
            name,
            format!("operator set {opset} is not one of {MIN_OPSET} to {MAX_OPSET}"),
            format!("convert it: onnx.version_converter.convert_version(model, {MAX_OPSET}), before quantizing"),
        ));
    }
    if !is_quantized(&graph) && !graph.node.is_empty() {
        return Err(CompileError::new(
            CompileErrorKind::Unsupported,
            name,
            "the model is in float: it has no QuantizeLinear or DequantizeLinear",
            QUANTIZE_FIRST,
        ));
    }
    let ranges = model.metadata_props.into_iter();
    let ranges = ranges.filter_map(|entry| Some((entry.key.strip_prefix(CELL_RANGE)?.into(), entry.value))).collect();
    Ok((graph, opset, ranges))
}

/// Returns the model as the file has it, if it is not too large.
pub(super) fn decode_model(bytes: &[u8], name: &str) -> Res<ModelProto> {
    if bytes.len() > MAX_FILE_BYTES || limits::decodes_to_too_much(bytes) {
        return Err(CompileError::new(
            CompileErrorKind::TooLarge,
            name,
            format!("the file has {} bytes, of at most {MAX_FILE_BYTES}, or takes too much memory", bytes.len()),
            "use a smaller model",
        ));
    }
    ModelProto::decode(bytes).map_err(|error| not_onnx(name, error.to_string()))
}

/// Returns the model, with its graph, and its version of the default operator set; sizes are checked.
pub(crate) fn read(bytes: &[u8], name: &str) -> Res<(ModelProto, i64)> {
    let model = decode_model(bytes, name)?;
    let Some(graph) = &model.graph else {
        return Err(not_onnx(name, "it holds no graph".into()));
    };
    let opset = model
        .opset_import
        .iter()
        .filter(|set| is_default_domain(&set.domain))
        .map(|set| set.version)
        .max()
        .ok_or_else(|| not_onnx(name, "it names no operator set".into()))?;
    if graph.node.len() > MAX_NODES {
        return Err(CompileError::new(
            CompileErrorKind::TooLarge,
            name,
            format!("{} nodes, more than {MAX_NODES}", graph.node.len()),
            "use a smaller model",
        ));
    }
    if graph.input.len() > graph.initializer.len() + MAX_PORTS || graph.output.len() > MAX_PORTS {
        return Err(CompileError::new(
            CompileErrorKind::TooLarge,
            name,
            format!("{} inputs and {} outputs, more than {MAX_PORTS}", graph.input.len(), graph.output.len()),
            "use fewer",
        ));
    }
    check_names(graph, name)?;
    if !graph.sparse_initializer.is_empty() {
        return Err(CompileError::new(
            CompileErrorKind::Unsupported,
            name,
            "it holds sparse initializers",
            "store the weights densely",
        ));
    }
    Ok((model, opset))
}

/// Returns whether a graph has operators of the QDQ form or of the operator format, or works on 8-bit integers alone.
pub(crate) fn is_quantized(graph: &GraphProto) -> bool {
    let eight_bits = |info: &ValueInfoProto| match info.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => {
            matches!(DataType::try_from(tensor.elem_type), Ok(DataType::Int8 | DataType::Uint8))
        }
        _ => false,
    };
    (graph.input.iter().any(eight_bits) && graph.output.iter().all(eight_bits))
        || graph.node.iter().any(|node| {
            matches!(node.op_type.as_str(), "QuantizeLinear" | "DequantizeLinear")
                || super::operators::is_operator_format(node)
        })
}

fn is_default_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn not_onnx(name: &str, reason: String) -> CompileError {
    CompileError::new(
        CompileErrorKind::Malformed,
        name,
        format!("not a readable ONNX model: {reason}"),
        "check the file with onnx.checker.check_model",
    )
}

/// Returns how messages name a node.
pub(crate) fn place(node: &NodeProto, index: usize) -> String {
    if node.name.is_empty() {
        format!("node {index} ({})", node.op_type)
    } else {
        format!("node '{}' ({})", node.name, node.op_type)
    }
}

/// Refuses names that would take the memory of a model.
fn check_names(graph: &GraphProto, name: &str) -> Res<()> {
    let nodes = graph.node.iter().flat_map(|n| n.input.iter().chain(&n.output).chain([&n.name, &n.op_type, &n.domain]));
    let ports = graph.input.iter().chain(&graph.output).map(|info| &info.name);
    let mut names = nodes.chain(ports).chain(graph.initializer.iter().map(|tensor| &tensor.name));
    match names.find(|name| name.len() > MAX_NAME_BYTES) {
        None => Ok(()),
        Some(long) => Err(CompileError::new(
            CompileErrorKind::TooLarge,
            name,
            format!(
                "the name '{}...' has {} bytes, more than {MAX_NAME_BYTES}",
                long.chars().take(32).collect::<String>(),
                long.len()
            ),
            "give nodes and tensors shorter names",
        )),
    }
}

/// A node with what messages about it need.
pub(crate) struct Op<'a> {
    /// The node as decoded.
    pub proto: &'a NodeProto,
    /// How messages name it.
    pub place: String,
    /// Version of the default operator set.
    pub opset: i64,
}

impl<'a> Op<'a> {
    pub(crate) fn new(proto: &'a NodeProto, index: usize, opset: i64) -> Self {
        Self { proto, place: place(proto, index), opset }
    }

    /// Returns a node that stands for this one, or for a part of it.
    pub(super) fn step<'b>(&self, proto: &'b NodeProto) -> Op<'b> {
        Op { proto, place: self.place.clone(), opset: self.opset }
    }

    /// Returns the name of input `i` unless it is left out.
    pub(crate) fn input_name(&self, i: usize) -> Option<&'a str> {
        self.proto.input.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Returns the name of output `i`.
    pub(crate) fn output_name(&self, i: usize) -> Res<&'a str> {
        self.optional_output(i).ok_or_else(|| self.malformed(format!("output {i} has no name")))
    }

    /// Returns the name of output `i` unless it is left out.
    pub(crate) fn optional_output(&self, i: usize) -> Option<&'a str> {
        self.proto.output.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn attribute(&self, name: &str, kind: AttributeType) -> Res<Option<&'a AttributeProto>> {
        let Some(attribute) = self.proto.attribute.iter().find(|a| a.name == name) else {
            return Ok(None);
        };
        if attribute.r#type != kind as i32 {
            return Err(self.malformed(format!("attribute {name} is not of type {}", kind.as_str_name())));
        }
        Ok(Some(attribute))
    }

    pub(crate) fn has_attribute(&self, name: &str) -> bool {
        self.proto.attribute.iter().any(|a| a.name == name)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> Res<i64> {
        Ok(self.attribute(name, AttributeType::Int)?.map_or(default, |a| a.i))
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> Res<f32> {
        let value = self.attribute(name, AttributeType::Float)?.map_or(default, |a| a.f);
        if value.is_finite() { Ok(value) } else { Err(self.malformed(format!("attribute {name} is not finite"))) }
    }

    pub(crate) fn ints(&self, name: &str) -> Res<Option<&'a [i64]>> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|a| a.ints.as_slice()))
    }

    pub(crate) fn floats(&self, name: &str) -> Res<Option<&'a [f32]>> {
        Ok(self.attribute(name, AttributeType::Floats)?.map(|a| a.floats.as_slice()))
    }

    pub(crate) fn string(&self, name: &str, default: &'static str) -> Res<&'a str> {
        match self.attribute(name, AttributeType::String)? {
            None => Ok(default),
            Some(a) => {
                std::str::from_utf8(&a.s).map_err(|_| self.malformed(format!("attribute {name} is not valid UTF-8")))
            }
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> Res<Option<&'a TensorProto>> {
        Ok(self.attribute(name, AttributeType::Tensor)?.and_then(|a| a.t.as_ref()))
    }

    /// Two attributes of kernel, stride and the like: `default` where left out.
    pub(crate) fn positive(&self, name: &str, rank: usize, default: usize) -> Res<Vec<usize>> {
        let Some(values) = self.ints(name)? else { return Ok(vec![default; rank]) };
        if values.len() != rank {
            return Err(self.malformed(format!("attribute {name} has {} entries, not {rank}", values.len())));
        }
        let convert = |&v: &i64| usize::try_from(v).ok().filter(|v| (1..=MAX_ELEMENTS).contains(v));
        values
            .iter()
            .map(convert)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| self.malformed(format!("attribute {name} = {values:?} is not positive")))
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> CompileError {
        CompileError::new(
            CompileErrorKind::Malformed,
            &self.place,
            reason,
            "check the model with onnx.checker.check_model(model, full_check=True)",
        )
    }

    pub(crate) fn inconsistent(&self, reason: impl Into<String>) -> CompileError {
        CompileError::new(
            CompileErrorKind::Inconsistent,
            &self.place,
            reason,
            "check the model with onnx.checker.check_model(model, full_check=True)",
        )
    }

    pub(crate) fn unsupported(&self, reason: impl Into<String>, remedy: impl Into<String>) -> CompileError {
        CompileError::new(CompileErrorKind::Unsupported, &self.place, reason, remedy)
    }
}

/// ONNX's numbers of the element types of four bits, which the schema in use does not know.
const UINT4: i32 = 21;
const INT4: i32 = 22;

/// Returns whether the tensor's bytes are in another file.
pub(super) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location.unwrap_or(0) != 0 || !tensor.external_data.is_empty()
}

/// Returns the constant array of a tensor message.
pub(crate) fn constant(tensor: &TensorProto, place: &str) -> Res<Constant> {
    let malformed = |reason: String| {
        CompileError::new(CompileErrorKind::Malformed, place, reason, "check the model with onnx.checker.check_model")
    };
    if is_external(tensor) {
        return Err(CompileError::new(
            CompileErrorKind::Unsupported,
            place,
            "its data is in another file",
            "read the model from its own folder, as `tanbo` does, or save it as one file: \
             onnx.save(onnx.load(path), path, save_as_external_data=False)",
        ));
    }
    if tensor.segment.is_some() {
        return Err(malformed("it is stored in segments".into()));
    }
    if tensor.dims.len() > MAX_SOURCE_RANK {
        return Err(malformed(format!("it has {} axes, more than {MAX_SOURCE_RANK}", tensor.dims.len())));
    }
    let shape = tensor
        .dims
        .iter()
        .map(|&d| usize::try_from(d).ok())
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| malformed(format!("shape {:?} has a negative extent", tensor.dims)))?;
    let count = elements(&shape).ok_or_else(|| malformed(format!("shape {shape:?} is too large")))?;
    let raw = tensor.raw_data.as_slice();
    let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    if matches!(tensor.data_type, UINT4 | INT4) {
        // Two to a byte, the first in the low half; the typed field holds a byte in each word.
        let bytes = pick(raw, &tensor.int32_data, u8::from_le_bytes, |v| u8::try_from(v & 0xff).ok());
        if bytes.len() != count.div_ceil(2) {
            return Err(malformed(format!("{} bytes of data for shape {shape:?} of 4 bits", bytes.len())));
        }
        let halves = bytes.iter().flat_map(|&byte| [byte & 15, byte >> 4]).take(count);
        let data = match tensor.data_type {
            UINT4 => Data::U4(halves.collect()),
            _ => Data::I4(halves.map(|half| (half << 4) as i8 >> 4).collect()),
        };
        return Ok(Constant { shape, data });
    }
    let data = match kind {
        DataType::Float => Data::F32(pick(raw, &tensor.float_data, f32::from_le_bytes, Some)),
        DataType::Int8 => Data::I8(pick(raw, &tensor.int32_data, i8::from_le_bytes, |v| i8::try_from(v).ok())),
        DataType::Uint8 => Data::U8(pick(raw, &tensor.int32_data, u8::from_le_bytes, |v| u8::try_from(v).ok())),
        DataType::Int16 => Data::I16(pick(raw, &tensor.int32_data, i16::from_le_bytes, |v| i16::try_from(v).ok())),
        DataType::Bool => {
            Data::I64(pick(raw, &tensor.int32_data, |b: [u8; 1]| i64::from(b != [0]), |v| Some(v.into())))
        }
        DataType::Int32 => Data::I32(pick(raw, &tensor.int32_data, i32::from_le_bytes, Some)),
        DataType::Int64 => Data::I64(pick(raw, &tensor.int64_data, i64::from_le_bytes, Some)),
        _ => return Ok(Constant { shape, data: Data::Other(tensor.data_type) }),
    };
    if data.len() != count {
        return Err(malformed(format!("{} elements of data for shape {shape:?}", data.len())));
    }
    Ok(Constant { shape, data })
}

/// Elements of a tensor message: the raw bytes if there are any, else the typed field. Values that
/// do not fit and bytes that are left over make the length wrong, which the caller finds.
fn pick<const N: usize, S: Copy, T>(
    raw: &[u8],
    typed: &[S],
    from_bytes: impl Fn([u8; N]) -> T,
    from_typed: impl Fn(S) -> Option<T>,
) -> Vec<T> {
    if raw.is_empty() {
        return typed.iter().filter_map(|&v| from_typed(v)).collect();
    }
    let (chunks, rest) = raw.as_chunks::<N>();
    if rest.is_empty() { chunks.iter().map(|&chunk| from_bytes(chunk)).collect() } else { Vec::new() }
}
