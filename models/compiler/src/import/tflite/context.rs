//! The books of an import: what stands behind each tensor of the file, and the graph as far as it is made.

use super::source::{Function, Source, SourceTensor, Type};
use super::variables::Variables;
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{BoundaryRounding, Graph, Node, Port, SourceType, State, Tensor, TensorId};
use crate::nonlinear::Quantization;
use crate::states::elide_copies;
use tanbo_format::{ElementType, MAX_RANK};

/// Bytes of constants that may be copied per byte of the file: operators seldom share one.
const CONSTANT_BYTES_PER_BYTE: usize = 16;

/// What stands behind a tensor of the file.
#[derive(Clone, Copy)]
pub enum Value {
    /// A tensor of the graph.
    Quantized(TensorId),
    /// An input of the model in float, by its position; QUANTIZE makes it a tensor of the graph.
    FloatInput(usize),
    /// An input of the model that no operator can use, such as a shape.
    Foreign,
    /// A tensor of the graph behind a DEQUANTIZE: fit for an output of the model only.
    Dequantized(TensorId),
    /// A handle of the variable of this number.
    Handle(usize),
    /// A variable tensor, which belongs to one operator.
    State,
}

/// The import under way.
pub struct Context<'a> {
    source: &'a Source<'a>,
    graph: Graph,
    /// By index of the tensor in the file.
    values: Vec<Option<Value>>,
    /// The graph's tensor for each input of the model, once known.
    input_tensors: Vec<Option<TensorId>>,
    /// Bytes of constants that may still be copied.
    budget: usize,
    /// Variables that handles name.
    pub variables: Variables<'a>,
}

/// A quantized activation: an operand or result of an operator.
#[derive(Clone)]
pub struct Activation {
    pub id: TensorId,
    /// Shape in the file; a scalar's is empty.
    pub shape: Vec<usize>,
    pub ty: ElementType,
    pub quantization: Quantization,
}

impl Activation {
    /// Returns the scale as the kernels widen it.
    pub fn scale(&self) -> f64 {
        f64::from(self.quantization.scale)
    }

    /// Returns the number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The shape of a tensor of the graph: a scalar is a vector of one.
fn graph_shape(shape: &[usize]) -> Vec<usize> {
    if shape.is_empty() { vec![1] } else { shape.to_vec() }
}

/// Type, quantization and shape of an integer tensor that stands for real numbers, in the artifact's terms: bytes
/// without sign are held less 128.
pub fn describe(tensor: &SourceTensor) -> Result<Activation, CompileError> {
    let refuse = |kind, reason: String, remedy: &str| Err(CompileError::new(kind, &tensor.place, reason, remedy));
    let (ty, moved) = match tensor.ty {
        Type::I8 => (ElementType::I8, 0),
        Type::U8 => (ElementType::I8, 128),
        Type::I16 => (ElementType::I16, 0),
        other => {
            return refuse(
                CompileErrorKind::Unsupported,
                format!("{} activations are not supported", other.name()),
                "quantize the whole model to int8: representative dataset, `TFLITE_BUILTINS_INT8`",
            );
        }
    };
    let shape = tensor.shape()?;
    if shape.len() > MAX_RANK {
        return refuse(
            CompileErrorKind::Unsupported,
            format!("it has {} axes; {MAX_RANK} are supported", shape.len()),
            "merge or drop axes in the source model",
        );
    }
    let (scales, zero_points) = tensor.quantization()?;
    let (&[scale], &[file_zero_point]) = (scales.as_slice(), zero_points.as_slice()) else {
        return refuse(
            CompileErrorKind::Inconsistent,
            format!(
                "an activation needs one scale and one zero point; it has {} and {}",
                scales.len(),
                zero_points.len()
            ),
            "quantize the whole model to int8, activations per tensor",
        );
    };
    let (low, high) = ty.range();
    let zero_point = file_zero_point.saturating_sub(moved);
    let zero_point = i32::try_from(zero_point).ok().filter(|z| (low..=high).contains(z));
    match zero_point {
        Some(zero_point) if scale > 0.0 => {
            Ok(Activation { id: 0, shape, ty, quantization: Quantization { scale, zero_point } })
        }
        _ => refuse(
            CompileErrorKind::Inconsistent,
            format!("its scale is {scale}, its zero point {}: no {} quantization", file_zero_point, tensor.ty.name()),
            "convert the model again",
        ),
    }
}

impl<'a> Context<'a> {
    /// Begins with the inputs of the model.
    pub fn new(source: &'a Source<'a>, name: &str, file_bytes: usize) -> Result<Self, CompileError> {
        let mut context = Self {
            source,
            graph: Graph { name: name.into(), ..Default::default() },
            values: vec![None; source.tensors.len()],
            input_tensors: vec![],
            // A constant may serve several operators, but a file must not be able to ask for any amount of memory.
            budget: file_bytes.saturating_mul(CONSTANT_BYTES_PER_BYTE),
            variables: Variables::default(),
        };
        for (position, &index) in source.inputs.iter().enumerate() {
            let tensor = context.tensor(index)?;
            let refuse = |reason: &str| {
                Err(CompileError::new(CompileErrorKind::Inconsistent, &tensor.place, reason, "convert the model again"))
            };
            if tensor.data.is_some() {
                return refuse("it is an input and a constant");
            }
            if tensor.variable {
                return refuse("it is an input and a variable");
            }
            if context.value(index).is_some() {
                return refuse("it is an input twice");
            }
            let value = match tensor.ty {
                Type::F32 => Value::FloatInput(position),
                Type::I8 | Type::U8 | Type::I16 => {
                    Value::Quantized(context.add(tensor.name, describe(tensor)?, None).id)
                }
                // Whatever reads it refuses by its own name.
                _ => Value::Foreign,
            };
            context.input_tensors.push(match value {
                Value::Quantized(id) => Some(id),
                _ => None,
            });
            context.set(index, value);
        }
        Ok(context)
    }

    /// Ends with the outputs of the model.
    pub fn finish(mut self) -> Result<Graph, CompileError> {
        let source = self.source;
        for (&index, tensor) in source.inputs.iter().zip(&self.input_tensors) {
            let place = self.tensor(index)?;
            let Some(tensor) = *tensor else {
                if place.ty != Type::F32 {
                    describe(place)?;
                }
                return Err(CompileError::new(
                    CompileErrorKind::Unsupported,
                    &place.place,
                    "it is a float input that no QUANTIZE takes to int8",
                    "quantize the whole model to int8, or remove the unused input",
                ));
            };
            self.graph.inputs.push(port(place, tensor)?);
        }
        for &index in &source.outputs {
            let place = self.tensor(index)?;
            let tensor = match self.value(index) {
                Some(Value::Quantized(id) | Value::Dequantized(id)) if place.data.is_none() => id,
                _ => {
                    return Err(CompileError::new(
                        CompileErrorKind::Unsupported,
                        &place.place,
                        "it is an output that no operator computes",
                        "remove it from the model's outputs",
                    ));
                }
            };
            self.graph.outputs.push(port(place, tensor)?);
        }
        let states = std::mem::take(&mut self.variables).finish(source)?;
        self.graph.states.extend(states);
        elide_copies(&mut self.graph);
        Ok(self.graph)
    }

    /// Returns tensor `index` of the file.
    pub fn tensor(&self, index: usize) -> Result<&'a SourceTensor<'a>, CompileError> {
        // `Source` checked every index; the error is for a mistake here.
        self.source.tensors.get(index).ok_or_else(|| {
            CompileError::new(
                CompileErrorKind::Malformed,
                format!("tensor {index}"),
                "it is missing",
                "export the model again",
            )
        })
    }

    /// Returns what stands behind tensor `index` of the file, if anything does yet.
    pub fn value(&self, index: usize) -> Option<Value> {
        self.values.get(index).copied().flatten()
    }

    /// Puts `value` behind tensor `index` of the file.
    pub fn set(&mut self, index: usize, value: Value) {
        if let Some(slot) = self.values.get_mut(index) {
            *slot = Some(value);
        }
    }

    /// Adds a tensor to the graph and returns `activation` with its number.
    pub fn add(&mut self, name: &str, mut activation: Activation, data: Option<Vec<u8>>) -> Activation {
        activation.id = self.graph.tensors.len();
        self.graph.tensors.push(Tensor {
            name: name.into(),
            shape: graph_shape(&activation.shape),
            ty: activation.ty,
            scale: activation.quantization.scale,
            zero_point: activation.quantization.zero_point,
            data,
        });
        activation
    }

    /// Adds a node to the graph.
    pub fn push(&mut self, node: Node) {
        self.graph.nodes.push(node);
    }

    /// Makes tensor `id` of the graph a state.
    pub fn add_state(&mut self, state: State) {
        self.graph.states.push(state);
    }

    /// Returns function `number` of the file: the subgraphs after the main one begin with 1.
    pub fn function(&self, number: i32) -> Option<&'a Function<'a>> {
        usize::try_from(number).ok()?.checked_sub(1).and_then(|index| self.source.functions.get(index))
    }

    /// Returns whether tensor `id` of the graph is a constant.
    pub fn is_constant(&self, id: TensorId) -> bool {
        self.graph.tensors.get(id).is_some_and(|tensor| tensor.data.is_some())
    }

    /// Returns the tensor of the graph that input `position` of the model is quantized to: a new one like `wanted`, or
    /// the one it has already; `None` if that one has another type or quantization.
    pub fn bind_input(&mut self, position: usize, name: &str, wanted: Activation) -> Option<TensorId> {
        if let Some(id) = *self.input_tensors.get(position)? {
            let tensor = self.graph.tensors.get(id)?;
            let known = Quantization { scale: tensor.scale, zero_point: tensor.zero_point };
            return (tensor.ty == wanted.ty && known == wanted.quantization).then_some(id);
        }
        let id = self.add(name, wanted, None).id;
        *self.input_tensors.get_mut(position)? = Some(id);
        Some(id)
    }

    /// Fails if constants of `bytes` more are too much.
    pub fn charge(&mut self, bytes: usize, place: &str) -> Result<(), CompileError> {
        self.budget = self.budget.checked_sub(bytes).ok_or_else(|| {
            CompileError::new(
                CompileErrorKind::TooLarge,
                place,
                format!("the operators' constants are {CONSTANT_BYTES_PER_BYTE} times as large as the file"),
                "share fewer constants between operators",
            )
        })?;
        Ok(())
    }
}

/// How an array of the source model maps to a tensor of the graph.
fn port(tensor: &SourceTensor, id: TensorId) -> Result<Port, CompileError> {
    let source_type = match tensor.ty {
        Type::F32 => SourceType::F32,
        Type::U8 => SourceType::U8,
        Type::I16 => SourceType::I16,
        _ => SourceType::I8,
    };
    Ok(Port {
        name: tensor.name.into(),
        tensor: id,
        source_shape: tensor.shape()?,
        source_type,
        perm: None,
        rounding: BoundaryRounding::HalfAway,
    })
}
