//! QuantizeLinear and DequantizeLinear in one pass over floats: an operator of our own for tract, whose quantized ones are
//! not right.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::{DatumType, Tensor, TractError, TractResult};
use tract_onnx::tract_hir::internal::{ElementWiseMiniOp, InferenceOp};
use tract_onnx::tract_hir::ops::element_wise::ElementWiseIntoHir;
use tract_onnx::tract_hir::tract_core::ops::element_wise::ElementWiseOp;

use super::network::{float_attribute, node};
use super::rewrite::PointQuant;

/// Name of the operator for tract. A file cannot hold it: no importer knows it.
pub(crate) const ROUNDED: &str = "TanboRounded";

const SCALE: &str = "scale";
const LOW: &str = "low";
const HIGH: &str = "high";
/// Adding and subtracting it rounds numbers below 2^22 to integers, halves to even.
const ROUND: f32 = 12_582_912.0;

/// Returns the node that gives `input` as `quant` rounds it.
pub(crate) fn rounded(input: &str, output: &str, quant: &PointQuant) -> NodeProto {
    let (low, high) = if quant.wide { (-32768, 32767) } else { (-128, 127) };
    let attributes = vec![
        float_attribute(SCALE, quant.scale),
        float_attribute(LOW, (low - quant.zero_point) as f32),
        float_attribute(HIGH, (high - quant.zero_point) as f32),
    ];
    node(ROUNDED, output, &[input], output, attributes)
}

/// The operator.
#[derive(Clone, Debug, PartialEq)]
struct Rounded {
    scale: f32,
    /// Least integer less the zero point.
    low: f32,
    /// Greatest integer less the zero point.
    high: f32,
}

impl Eq for Rounded {}

impl ElementWiseMiniOp for Rounded {
    fn name(&self) -> String {
        ROUNDED.into()
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        let per_step = 1.0 / self.scale;
        let mut tensor = tensor.try_as_plain_ram_mut()?;
        for value in tensor.as_slice_mut::<f32>()? {
            // NaN becomes the least value, so that whatever comes of it is a number.
            let limited = (*value * per_step).max(self.low).min(self.high);
            *value = (limited + ROUND - ROUND) * self.scale;
        }
        Ok(())
    }
}

/// Returns the operator of a node, for tract's table of operators.
///
/// # Errors
/// An attribute is missing.
pub(crate) fn build(_: &ParsingContext<'_>, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let of = |name: &str| {
        let found = node.attribute.iter().find(|attribute| attribute.name == name);
        found.map(|attribute| attribute.f).ok_or_else(|| TractError::msg(format!("{ROUNDED} has no {name}")))
    };
    let operator = Rounded { scale: of(SCALE)?, low: of(LOW)?, high: of(HIGH)? };
    Ok((ElementWiseOp(Box::new(operator), None).into_hir(), Vec::new()))
}
