//! Normalization over the last axes.

use std::rc::Rc;

use super::constant::Data;
use super::proto::Op;
use super::value::{Kind, Value};
use super::{Importer, Res};
use crate::graph::Normalization;

impl Importer {
    /// LayerNormalization and RMSNormalization: input, factors, and for the former terms.
    pub(super) fn layer_normalization(&mut self, op: &Op) -> Res<Value> {
        let center = op.proto.op_type == "LayerNormalization";
        if op.optional_output(1).is_some() || op.optional_output(2).is_some() {
            return Err(op.unsupported("it gives its mean or its deviation", "use its first output alone"));
        }
        let (input, quant) = self.activation(op, 0)?;
        let axes = super::moves::normalized(op, &[op.int("axis", -1)?], input.shape.len())?;
        let shape = input.shape.clone();
        let (_, last) = shape.split_at(axes.first().copied().unwrap_or(0));
        let length: usize = last.iter().product();
        if length > 1 << 16 {
            return Err(op.unsupported(format!("it normalizes {length} values together"), "at most 65,536 can run"));
        }
        let gamma = self.factors(op, 1, last)?;
        let beta = if center && op.input_name(2).is_some() { self.factors(op, 2, last)? } else { vec![0.0; length] };
        let epsilon = op.float("epsilon", 1e-5)?;
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(op.malformed(format!("epsilon = {epsilon}")));
        }
        let norm = Normalization { gamma, beta, epsilon: epsilon.into(), center };
        let axes = last.len();
        self.pending(op, Kind::LayerNorm { input, quant, norm: Rc::new(norm), axes }, shape)
    }

    /// Returns constant input `i` as one number for each element of the last axes.
    fn factors(&mut self, op: &Op, i: usize, last: &[usize]) -> Res<Vec<f64>> {
        let length: usize = last.iter().product();
        self.spend(length, &op.place)?;
        let (shape, reals) = match self.input(op, i)? {
            Value::Constant(constant) => match &constant.data {
                Data::F32(reals) => (constant.shape.clone(), reals.iter().map(|&r| r.into()).collect()),
                other => return Err(op.inconsistent(format!("its input {i} is {}", other.type_name()))),
            },
            Value::Dequantized(constant) => (constant.shape.clone(), constant.exact_reals()),
            _ => {
                return Err(op.unsupported(format!("its input {i} is not constant"), "use constant factors and terms"));
            }
        };
        let trimmed: Vec<usize> = shape.iter().copied().skip_while(|&n| n == 1).collect();
        let wanted: Vec<usize> = last.iter().copied().skip_while(|&n| n == 1).collect();
        match reals.as_slice() {
            &[one] => Ok(vec![one; length]),
            many if trimmed == wanted => Ok(many.to_vec()),
            _ => Err(op.unsupported(
                format!("its input {i} has shape {shape:?} for axes {last:?}"),
                "give one number for each normalized value",
            )),
        }
    }
}
