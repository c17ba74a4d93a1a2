//! ONNX in QDQ form, operator sets 11 to 24, as ONNX Runtime's `quantize_static`, PyTorch and tf2onnx write it, and in
//! the operator format ([`qoperator`]).
//!
//! A QuantizeLinear rounds what an operator computed in float from DequantizeLinear's results; the three
//! become one integer node. The walk keeps, for each name, what it stands for ([`value::Value`]): an
//! 8-bit tensor, a function of one 8-bit value, or an operator still waiting for its QuantizeLinear.
//! uint8 activations become int8, their zero points 128 less. Layout: every tensor is stored in the order
//! the node that wrote it left it in, channels last behind a convolution or a pool; see [`builder`].
//!
//! | read | as |
//! |---|---|
//! | Conv (one and two axes, groups, `auto_pad`), Gemm, MatMul with constant weights, Add of a bias, Mul, Div and BatchNormalization by constants behind them | convolution, depthwise convolution, fully connected |
//! | AveragePool, GlobalAveragePool, ReduceMean, ReduceSum, MaxPool, GlobalMaxPool, ReduceMax, ReduceMin | pools and reductions |
//! | LSTM, GRU | one integer operator per direction |
//! | LayerNormalization, RMSNormalization | one integer operator |
//! | Resize (linear over one or two axes), Min and Max of two tensors | interpolation, the lesser or greater of both |
//! | Add, Sub, Mul of two tensors (broadcasting), Concat, Softmax | the same; unequal scales of a Concat are requantized |
//! | Relu, Clip, Min and Max with a scalar | clamp of the operator before, or a function |
//! | functions of one value, arithmetic with scalars or of a value with functions of it (x · sigmoid(x)) | a table of 256 entries |
//! | Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Slice, Split, Gather (constant indices), Pad, Expand, Tile, DepthToSpace, SpaceToDepth, Resize (nearest) | moves, on integers or on floats |
//! | QLinearConv, QLinearMatMul, QGemm, QLinearAdd and the like, ConvInteger, MatMulInteger | the operators they quantize |
//! | Identity, Dropout, Constant, Cast that changes nothing, integer arithmetic on Shape | nothing |
//!
//! Refused, each with its remedy: what is left in float, 16-bit and 4-bit quantization, weights that do not fit
//! symmetric int8, a quantized bias that is not int32 at the scale input · weight (unless rounding it cannot show),
//! dilated pools, everything else.
//!
//! A bias in float (PyTorch's exports) is rounded to int32 at that scale, as quantizers do: outputs move by at most a
//! sixteenth of a step, or it is refused.
//!
//! Judge: ONNX Runtime with graph optimisations disabled. It computes in float32, so that an integer node
//! may differ where a value lies within float32's error of a rounding boundary, and at exact halves, which
//! QuantizeLinear rounds to even and a requantization rounds up.
//!
//! Specification: <https://onnx.ai/onnx/operators/>.

mod builder;
mod cleanup;
pub(crate) mod constant;
mod emit;
mod external;
mod limits;
mod linear;
mod matrix;
mod moves;
mod norm;
mod operators;
mod pointwise;
mod pool;
pub(crate) mod proto;
mod qoperator;
mod quantize;
mod recurrent;
mod selection;
mod value;

use std::collections::HashMap;
use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{ValueInfoProto, type_proto};

use self::builder::{Builder, NewQuant};
use self::constant::Constant;
use self::operators::Outputs;
use self::proto::Op;
use self::value::{Quant, Value, View};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{BoundaryRounding, Graph, Port, SourceType};

type Res<T> = Result<T, CompileError>;

pub use self::external::self_contained;

/// Largest file read, with its external data: protobuf's own limit is 2 GiB, a model for this engine is far smaller.
const MAX_FILE_BYTES: usize = 1 << 28;
/// Most nodes of a source graph.
const MAX_NODES: usize = 1 << 16;
/// Most inputs, and most outputs, of a source graph.
const MAX_PORTS: usize = 256;
/// Elements that may be held per byte of the file: each constant is read a few times, and a hostile file could read one
/// a thousand times.
const ELEMENTS_PER_BYTE: usize = 32;
/// Times that a table of 65,536 values may be computed: once for a function of int16, once where it is quantized.
const MAX_WIDE_TABLES: usize = 512;
/// Elements that any file may hold.
const MIN_ELEMENTS: usize = 1 << 18;
/// Most tensors of the graph built.
const MAX_EMITTED: usize = 1 << 18;
/// Most axes of a tensor of the source, before it becomes one of the graph.
const MAX_SOURCE_RANK: usize = 16;
/// Most elements of a tensor.
const MAX_ELEMENTS: usize = 1 << 28;
/// Most moves between an operator and its QuantizeLinear.
const MAX_MOVES: usize = 64;
/// How deep Concats may feed one another without a QuantizeLinear between.
const MAX_NESTED: usize = 16;

/// Remedy for a model in float.
const QUANTIZE_FIRST: &str = "quantize it first (ONNX Runtime: onnxruntime.quantization.quantize_static, \
     quant_format=QuantFormat.QDQ, int8 weights, calibration data)";
/// Remedy for a part of the model in float.
const QUANTIZE_ALL: &str = "quantize every operator (quantize_static with quant_format=QuantFormat.QDQ, \
     without nodes_to_exclude or op_types_to_quantize; in PyTorch a quantizer that annotates every result, such as \
     XNNPACKQuantizer)";

/// A graph and how it maps to the source model.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The graph.
    pub graph: Graph,
    /// The 8-bit tensors of the source model that the graph holds, in the source's order: where each is
    /// and how its axes are stored. For comparing the graph with the source, tensor by tensor.
    pub values: Vec<Port>,
    /// Shape of every tensor that the source names.
    pub shapes: HashMap<String, Vec<usize>>,
}

/// Returns the graph of an ONNX file; `name` is what messages call the file.
///
/// # Errors
///
/// What is damaged, contradictory, or cannot run exactly is refused, with the node's name, the reason
/// and the remedy.
pub fn import(bytes: &[u8], name: &str) -> Result<Graph, CompileError> {
    import_with_values(bytes, name).map(|imported| imported.graph)
}

/// Returns the graph of an ONNX file and where the source's tensors are in it.
///
/// # Errors
///
/// As [`import`].
pub fn import_with_values(bytes: &[u8], name: &str) -> Result<Imported, CompileError> {
    let (graph, opset, metadata) = proto::decode(bytes, name)?;
    let mut importer = Importer {
        builder: Builder::default(),
        values: HashMap::new(),
        order: Vec::new(),
        cell_ranges: metadata,
        budget: bytes.len() * ELEMENTS_PER_BYTE + MIN_ELEMENTS,
        wide_tables: MAX_WIDE_TABLES,
    };
    for tensor in &graph.initializer {
        let place = format!("initializer '{}'", tensor.name);
        let constant = proto::constant(tensor, &place)?;
        importer.define(&tensor.name, Value::Constant(Rc::new(constant)), &place)?;
    }
    let mut inputs = Vec::new();
    for info in &graph.input {
        if !importer.values.contains_key(&info.name) {
            inputs.push(importer.graph_input(info)?);
        }
    }
    for (index, node) in graph.node.iter().enumerate() {
        importer.node(&Op::new(node, index, opset))?;
    }
    let mut outputs = Vec::new();
    for info in &graph.output {
        outputs.push(importer.graph_output(&info.name)?);
    }
    if outputs.is_empty() {
        return Err(CompileError::new(
            CompileErrorKind::Malformed,
            name,
            "the graph has no outputs",
            "check the model with onnx.checker.check_model",
        ));
    }
    let mut values = Vec::new();
    for name in &importer.order {
        if let Some(Value::Integer { view, unsigned }) = importer.values.get(name) {
            let source_type = integer_type(importer.builder.quant(view.tensor), *unsigned);
            // A lazily flattened view is not stored in the source's shape under any permutation.
            if view.core == view.shape {
                values.push(port(name, view, source_type));
            }
        }
    }
    let shapes = importer.values.iter().map(|(name, value)| (name.clone(), value.shape().to_vec())).collect();
    let (tensors, nodes, states) = importer.builder.finish();
    let mut graph = Graph { name: name.into(), tensors, nodes, inputs, outputs, states };
    cleanup::cleanup(&mut graph, &mut values);
    Ok(Imported { graph, values, shapes })
}

/// The walk over the source graph.
struct Importer {
    builder: Builder,
    values: HashMap<String, Value>,
    /// Names in the order they were defined.
    order: Vec<String>,
    /// What the model says of the greatest magnitude of an LSTM's cell, by node.
    cell_ranges: HashMap<String, String>,
    /// Elements that may still be held.
    budget: usize,
    /// Tables of 65,536 values that may still be computed.
    wide_tables: usize,
}

/// Returns the element type of an integer tensor in the source.
fn integer_type(quant: Option<Quant>, unsigned: bool) -> SourceType {
    match quant {
        Some(Quant { ty: tanbo_format::ElementType::I16, .. }) => SourceType::I16,
        _ if unsigned => SourceType::U8,
        _ => SourceType::I8,
    }
}

impl Importer {
    fn define(&mut self, name: &str, value: Value, place: &str) -> Res<()> {
        self.spend(value.held(), place)?;
        if let Value::Table(table) = &value
            && !table.is_linear()
        {
            self.spend_table(table.quant, place)?;
        }
        if self.values.insert(name.into(), value).is_some() {
            return Err(CompileError::new(
                CompileErrorKind::Malformed,
                place,
                format!("the name '{name}' is used twice"),
                "check the model with onnx.checker.check_model",
            ));
        }
        self.order.push(name.into());
        Ok(())
    }

    /// Counts a table over the integers of `quant` that is about to be computed.
    fn spend_table(&mut self, quant: Quant, place: &str) -> Res<()> {
        if quant.ty != tanbo_format::ElementType::I16 {
            return Ok(());
        }
        self.wide_tables = self.wide_tables.checked_sub(1).ok_or_else(|| {
            CompileError::new(
                CompileErrorKind::TooLarge,
                place,
                format!("the model has more than {} functions of int16 values", MAX_WIDE_TABLES / 2),
                "quantize some of them to int8",
            )
        })?;
        Ok(())
    }

    /// Counts `elements` that are about to be held: the bound on the memory and time that a file can ask for.
    fn spend(&mut self, elements: usize, place: &str) -> Res<()> {
        match self.budget.checked_sub(elements) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(CompileError::new(
                CompileErrorKind::TooLarge,
                place,
                "what the nodes up to here compute from constants, or keep for later nodes, is many times the size of the \
                 file",
                "use each weight once, and store constants instead of computing them",
            )),
        }
    }

    /// Returns what input `i` of a node stands for.
    fn input(&self, op: &Op, i: usize) -> Res<Value> {
        let name = op.input_name(i).ok_or_else(|| op.malformed(format!("input {i} is missing")))?;
        match self.values.get(name) {
            Some(value) => Ok(value.clone()),
            None => {
                Err(op.malformed(format!("it reads '{name}', which no input, initializer or earlier node defines")))
            }
        }
    }

    /// Returns constant input `i` of a node.
    fn constant(&self, op: &Op, i: usize) -> Res<Rc<Constant>> {
        match self.input(op, i)? {
            Value::Constant(constant) => Ok(constant),
            _ => Err(op.unsupported(
                format!("its input {i} is not constant"),
                "fold constants before quantizing (onnxruntime.quantization.shape_inference.quant_pre_process)",
            )),
        }
    }

    fn graph_input(&mut self, info: &ValueInfoProto) -> Res<Port> {
        let place = format!("input '{}'", info.name);
        let tensor_type = match info.r#type.as_ref().and_then(|t| t.value.as_ref()) {
            Some(type_proto::Value::TensorType(tensor)) => tensor,
            None => {
                return Err(CompileError::new(
                    CompileErrorKind::Malformed,
                    place,
                    "it is no tensor",
                    "check the model with onnx.checker.check_model",
                ));
            }
        };
        let unsupported = |reason: String, remedy: &str| {
            Err(CompileError::new(CompileErrorKind::Unsupported, &place, reason, remedy))
        };
        let Some(dims) = tensor_type.shape.as_ref().map(|shape| &shape.dim) else {
            return unsupported("its shape is unknown".into(), "give it a fixed shape");
        };
        let mut shape = Vec::with_capacity(dims.len().min(16));
        for (i, dim) in dims.iter().enumerate().take(16) {
            shape.push(match dim.value {
                Some(dimension::Value::DimValue(extent)) if extent > 0 => usize::try_from(extent).unwrap_or(usize::MAX),
                _ if i == 0 => 1,
                _ => {
                    return unsupported(
                        format!("the extent of its axis {i} is open"),
                        "fix it (python -m onnxruntime.tools.make_dynamic_shape_fixed)",
                    );
                }
            });
        }
        if elements(&shape).is_none() || dims.len() > 16 {
            return unsupported(format!("shape {shape:?}"), "use a smaller input");
        }
        let source_type = match DataType::try_from(tensor_type.elem_type) {
            Ok(DataType::Float) => SourceType::F32,
            Ok(DataType::Int8) => SourceType::I8,
            Ok(DataType::Uint8) => SourceType::U8,
            _ => {
                return unsupported(
                    format!("its element type is {}", constant::type_name(tensor_type.elem_type)),
                    "inputs are float32, int8 or uint8",
                );
            }
        };
        let tensor = self.builder.tensor(&info.name, shape.clone(), NewQuant::Open, &place)?;
        let view = View::plain(tensor, shape);
        let port = port(&info.name, &view, source_type);
        let value = match source_type {
            SourceType::F32 => Value::Real(view),
            _ => Value::Integer { view, unsigned: source_type == SourceType::U8 },
        };
        self.define(&info.name, value, &place)?;
        Ok(port)
    }

    fn graph_output(&mut self, name: &str) -> Res<Port> {
        let place = format!("output '{name}'");
        let unsupported = |reason: String| {
            let remedy = "quantize the last operator as well, so that a DequantizeLinear gives the output, or cut the \
                          model before it (onnx.utils.extract_model)";
            Err(CompileError::new(CompileErrorKind::Unsupported, &place, reason, remedy))
        };
        let (view, source_type) = match self.values.get(name).cloned() {
            Some(Value::Integer { view, unsigned }) => {
                // Integers that nothing scales: their own values.
                let zero_point = if unsigned { -128 } else { 0 };
                if self.builder.quant(view.tensor).is_none() {
                    self.builder.set_quant(view.tensor, Quant::int8(1.0, zero_point));
                }
                let source_type = integer_type(self.builder.quant(view.tensor), unsigned);
                (view, source_type)
            }
            Some(Value::Table(table)) => (self.linear(&table, &place)?.0, SourceType::F32),
            Some(Value::Pending(pending)) => {
                return unsupported(format!(
                    "{} computes it in float or int32: no QuantizeLinear follows",
                    pending.place
                ));
            }
            Some(Value::Real(_)) => return unsupported("it is an input in float".into()),
            Some(Value::Constant(_) | Value::Dequantized(_)) => return unsupported("it is a constant".into()),
            None => {
                return Err(CompileError::new(
                    CompileErrorKind::Malformed,
                    place,
                    "nothing defines it, or it is a second result (a mask, statistics), of which none is computed",
                    "check the model with onnx.checker.check_model",
                ));
            }
        };
        let view = self.builder.unreshaped(&view, &place)?;
        Ok(port(name, &view, source_type))
    }

    fn node(&mut self, op: &Op) -> Res<()> {
        let first_new = self.builder.tensor_count();
        let value = match operators::import(self, op)? {
            Outputs::One(value) => value,
            Outputs::Many(values) => {
                for (i, value) in values.into_iter().enumerate() {
                    if let Some(name) = op.optional_output(i) {
                        self.define(name, value, &op.place)?;
                    }
                }
                return Ok(());
            }
        };
        let name = op.output_name(0)?;
        if let Value::Integer { view, .. } = &value
            && view.tensor >= first_new
        {
            self.builder.rename(view.tensor, name);
        }
        self.define(name, value, &op.place)
    }

    fn constant_node(&mut self, op: &Op) -> Res<Value> {
        Ok(Value::Constant(Rc::new(constant_of_node(op)?)))
    }
}

/// Returns the array of a Constant node.
pub(crate) fn constant_of_node(op: &Op) -> Res<Constant> {
    Ok(if let Some(tensor) = op.tensor("value")? {
        proto::constant(tensor, &op.place)?
    } else if op.has_attribute("value_int") {
        Constant { shape: vec![], data: constant::Data::I64(vec![op.int("value_int", 0)?]) }
    } else if op.has_attribute("value_float") {
        Constant { shape: vec![], data: constant::Data::F32(vec![op.float("value_float", 0.0)?]) }
    } else if let Some(values) = op.ints("value_ints")? {
        Constant::from_i64(values.to_vec())
    } else if let Some(values) = op.floats("value_floats")? {
        Constant { shape: vec![values.len()], data: constant::Data::F32(values.to_vec()) }
    } else {
        return Err(op.unsupported("it holds no numbers", "use constants of numbers"));
    })
}

/// Returns the refusal of each node whose operator is not read, whatever its operands: what stands in a model's way apart
/// from the first that [`import`] names. Nothing for bytes that are not a model.
pub fn unsupported(bytes: &[u8], name: &str) -> Vec<CompileError> {
    let Ok((model, opset)) = proto::read(bytes, name) else { return Vec::new() };
    let nodes = model.graph.iter().flat_map(|graph| &graph.node).enumerate();
    nodes.filter_map(|(index, node)| operators::unsupported(&Op::new(node, index, opset))).collect()
}

/// Returns the operators that are read, each with the operators of an artifact that it can become: first those between
/// DequantizeLinear and QuantizeLinear, then those that carry their scales themselves.
pub fn operators() -> [Vec<(&'static str, &'static [tanbo_format::Op])>; 2] {
    [operators::OPERATORS, operators::OPERATOR_FORMAT].map(|rows| rows.iter().map(|row| (row.0, row.1)).collect())
}

/// Returns the operators that are refused with a remedy of their own, whatever their operands, and last the remedy for
/// any other.
pub fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    let named = operators::REFUSED.iter().flat_map(|&(names, remedy)| names.iter().map(move |&name| (name, remedy)));
    named.chain([("any other", operators::REFUSED_OTHERWISE), ("any of another domain", operators::FOREIGN_DOMAIN)])
}

/// Returns the port of a view that is not reshaped.
fn port(name: &str, view: &View, source_type: SourceType) -> Port {
    let identity = view.perm.iter().copied().eq(0..view.perm.len());
    Port {
        name: name.into(),
        tensor: view.tensor,
        source_shape: view.shape.clone(),
        source_type,
        perm: (!identity).then(|| view.perm.clone()),
        rounding: BoundaryRounding::HalfEven,
    }
}

/// Returns the number of elements of a shape, or `None` if it is more than a tensor may have. An empty tensor may not
/// have more than that along its other axes either, so that no product of some of its extents overflows.
fn elements(shape: &[usize]) -> Option<usize> {
    let longest = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1))).filter(|&n| n <= MAX_ELEMENTS)?;
    Some(if shape.contains(&0) { 0 } else { longest })
}
