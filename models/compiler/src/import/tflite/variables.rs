//! Variables: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, and CALL_ONCE, whose function gives them their first values.
//!
//! A read gives the value at its place in the order of the operators, an assignment takes effect at its own. Variables that
//! no function assigns begin with the zero point of what is assigned first, as in TensorFlow Lite Micro
//! (`micro_resource_variable.cc`).

use std::collections::HashMap;

use super::context::{Activation, Value, describe};
use super::op::Op;
use super::schema::{CallOnce, VarHandle};
use super::source::{Source, SourceOperator, SourceTensor, Type};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{NodeOp, State};
use tanbo_format::emit::StateStart;

const DAMAGED: &str = "convert the model again";

/// The variables of a file, in the order in which handles name them.
#[derive(Default)]
pub struct Variables<'a> {
    numbers: HashMap<(&'a str, &'a str), usize>,
    variables: Vec<Variable>,
    /// Functions that were called, by number.
    called: Vec<i32>,
    /// A read or an assignment has been met.
    used: bool,
}

struct Variable {
    /// `variable 'name'`.
    place: String,
    /// The graph's state, once a read or an assignment has shown its type and shape.
    state: Option<Activation>,
    /// First content, from a function that is called once.
    image: Option<Vec<u8>>,
    /// First content without one: the zero point of what is assigned first.
    fill: Option<i8>,
}

impl<'a> Variables<'a> {
    fn number(&mut self, handle: VarHandle<'a>) -> Result<usize, CompileError> {
        let name = handle.shared_name()?.unwrap_or_default();
        let key = (handle.container()?.unwrap_or_default(), name);
        if let Some(&number) = self.numbers.get(&key) {
            return Ok(number);
        }
        let number = self.variables.len();
        self.numbers.insert(key, number);
        self.variables.push(Variable { place: format!("variable '{name}'"), state: None, image: None, fill: None });
        Ok(number)
    }

    fn get(&mut self, number: usize) -> Result<&mut Variable, CompileError> {
        self.variables.get_mut(number).ok_or_else(|| {
            CompileError::new(CompileErrorKind::Malformed, format!("variable {number}"), "it is missing", DAMAGED)
        })
    }

    /// Returns the graph's states of all variables that were read or assigned.
    pub fn finish(self, source: &Source<'_>) -> Result<Vec<State>, CompileError> {
        for number in 1..=source.functions.len() {
            if !self.called.iter().any(|&called| usize::try_from(called) == Ok(number)) {
                return Err(CompileError::new(
                    CompileErrorKind::Unsupported,
                    format!("subgraph {number}"),
                    "no CALL_ONCE of the main subgraph calls it",
                    "convert one signature, without control flow",
                ));
            }
        }
        let mut states = vec![];
        for variable in self.variables {
            let Some(state) = variable.state else { continue };
            let bytes = state.elements() * state.ty.bytes();
            let refuse = |kind, reason: &str| Err(CompileError::new(kind, &variable.place, reason, DAMAGED));
            let start = match (variable.image, variable.fill) {
                (Some(image), _) if image.len() != bytes => {
                    return refuse(CompileErrorKind::Inconsistent, "its first value has another size");
                }
                (Some(image), _) => match image.first() {
                    Some(&first) if image.iter().all(|&byte| byte == first) => StateStart::Fill(first),
                    _ => StateStart::Image(image),
                },
                (None, Some(fill)) => StateStart::Fill(fill as u8),
                (None, None) => return refuse(CompileErrorKind::Inconsistent, "it is read, but nothing assigns it"),
            };
            states.push(State { tensor: state.id, start });
        }
        Ok(states)
    }
}

/// CALL_ONCE: a function of VAR_HANDLE and ASSIGN_VARIABLE with constants, before anything else touches a variable.
pub fn call_once(op: &mut Op) -> Result<(), CompileError> {
    op.arity(0, 0, 0)?;
    let options: CallOnce = op.options()?;
    let number = options.init_subgraph()?;
    let Some(function) = op.context.function(number) else {
        return Err(op.inconsistent(format!("it calls subgraph {number}, which is missing")));
    };
    if op.context.variables.used {
        return Err(op.unsupported(
            "it comes after an operator that reads or assigns a variable",
            "initialize all variables before their first use",
        ));
    }
    op.context.variables.called.push(number);
    let mut handles = HashMap::new();
    for operator in &function.operators {
        let refuse = |reason: &str| {
            let remedy = "initialize variables by assigning constants";
            Err(CompileError::new(CompileErrorKind::Unsupported, &operator.place, reason, remedy))
        };
        match (operator.name, operator.inputs.as_slice(), operator.outputs.as_slice()) {
            ("VAR_HANDLE", [], &[result]) => {
                let number = op.context.variables.number(handle_options(operator)?)?;
                handles.insert(result, number);
            }
            ("ASSIGN_VARIABLE", &[Some(handle), Some(value)], []) => {
                let Some(&number) = handles.get(&handle) else { return refuse("it assigns to no variable") };
                let tensor = function.tensors.get(value);
                let Some((bytes, tensor)) = tensor.and_then(|t| Some((t.data?, t))) else {
                    return refuse("it assigns what is no constant");
                };
                let activation = storable(tensor, &operator.place)?;
                op.context.charge(bytes.len(), &operator.place)?;
                let variable = op.context.variables.get(number)?;
                if bytes.len() != activation.elements() * activation.ty.bytes() {
                    return refuse("its constant is not as long as its shape says");
                }
                variable.image = Some(bytes.to_vec());
            }
            _ => return refuse("a function that is called once may assign constants to variables, nothing else"),
        }
    }
    Ok(())
}

fn handle_options<'a>(operator: &SourceOperator<'a>) -> Result<VarHandle<'a>, CompileError> {
    operator.table.options()?.ok_or_else(|| {
        CompileError::new(CompileErrorKind::Inconsistent, &operator.place, "its options are missing", DAMAGED)
    })
}

/// The value of a variable that the operator at `place` touches: int8 or int16.
fn storable(tensor: &SourceTensor, place: &str) -> Result<Activation, CompileError> {
    if !matches!(tensor.ty, Type::I8 | Type::I16) {
        return Err(CompileError::new(
            CompileErrorKind::Unsupported,
            place,
            format!("{} is {}: variables hold INT8 or INT16", tensor.place, tensor.ty.name()),
            "quantize the whole model to int8 or 16x8",
        ));
    }
    describe(tensor)
}

/// VAR_HANDLE: no node.
pub fn var_handle(op: &mut Op) -> Result<(), CompileError> {
    op.arity(0, 0, 1)?;
    let number = op.context.variables.number(handle_options(op.source)?)?;
    let shape = op.result_shape(0)?;
    let result = op.fresh_result(0, &shape)?;
    op.context.set(result, Value::Handle(number));
    Ok(())
}

/// The variable that operand 0 is a handle of, with a state like `like`: the same type, size and quantization.
fn variable(op: &mut Op, like: &Activation) -> Result<(usize, Activation), CompileError> {
    op.context.variables.used = true;
    let handle = op.operand(0)?;
    let Some(Value::Handle(number)) = op.context.value(handle) else {
        return Err(op.inconsistent("its operand 0 is no handle of a variable"));
    };
    if let Some(state) = &op.context.variables.get(number)?.state {
        let state = state.clone();
        if (state.ty, state.elements()) != (like.ty, like.elements()) {
            return Err(op.inconsistent("the variable has another type or size elsewhere"));
        }
        if state.quantization != like.quantization {
            return Err(op.unsupported(
                "the variable has another scale or zero point elsewhere",
                "convert the model so that what is read has the quantization of what is assigned",
            ));
        }
        return Ok((number, state));
    }
    let name = op.context.variables.get(number)?.place.clone();
    let state = op.context.add(&name, like.clone(), None);
    op.context.variables.get(number)?.state = Some(state.clone());
    Ok((number, state))
}

/// Returns `from`, or a view of it, with the shape of `to`.
fn shaped(op: &mut Op, from: &Activation, to: &Activation) -> Activation {
    if from.shape == to.shape {
        return from.clone();
    }
    let place = op.source.place.clone();
    let view = op.context.add(&place, Activation { shape: to.shape.clone(), ..from.clone() }, None);
    op.push(NodeOp::Reshape, &[from], &view);
    view
}

/// READ_VARIABLE: a copy of the variable as it is now.
pub fn read(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    let like = storable(op.context.tensor(op.result(0)?)?, &op.source.place)?;
    let (_, state) = variable(op, &like)?;
    let shape = op.result_shape(0)?;
    let y = op.any_output(0, &shape)?;
    let view = shaped(op, &state, &y);
    op.push(NodeOp::Copy, &[&view], &y);
    Ok(())
}

/// ASSIGN_VARIABLE: a copy to the variable.
pub fn assign(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 0)?;
    storable(op.context.tensor(op.operand(1)?)?, &op.source.place)?;
    let value = op.any_activation(1)?;
    let (number, state) = variable(op, &value)?;
    let fill = value.quantization.zero_point as i8;
    op.context.variables.get(number)?.fill.get_or_insert(fill);
    let view = shaped(op, &value, &state);
    op.push(NodeOp::Copy, &[&view], &state);
    Ok(())
}
