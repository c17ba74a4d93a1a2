//! Steps whose constants are packed for a kernel family: geometry as of the operator, lengths as of the packing. What the
//! packed constants hold is not looked at: the kernels compute modulo 2^32 and stay inside their slices whatever it is.

use tanbo_packing::{Layout, find};

use super::*;

pub(super) fn step(model: &Model<'_>, step: &Step<'_>, y: &Tensor<'_>, layouts: &'static [Layout]) -> Checked {
    let layout = find(layouts, step.variant).ok_or(Kind::Operator)?;
    let (kind, shape) = crate::packed_shape(model, step).ok_or(Kind::Shape)?;
    let x = input(model, step, 0)?;
    int8(&x, y)?;
    let attributes = match step.op {
        Op::Conv2d => Conv::from_conv2d(step.attrs),
        Op::DepthwiseConv2d => Conv::from_depthwise_conv2d(step.attrs),
        _ => None,
    };
    match attributes {
        Some(attributes) => {
            window_geometry(&attributes.window, &x, y)?;
            range(&attributes.range, x.ty, y.ty)?;
            ensure(attributes.groups == 1, Kind::Attribute)?;
        }
        None => range(&attrs::fully_connected(step.attrs).ok_or(Kind::Arity)?, x.ty, y.ty)?,
    }
    let sizes = (layout.sizes)(kind, &shape).ok_or(Kind::Shape)?;
    ensure(byte_constant(step, 0)?.len() == sizes.weight_bytes, Kind::Constant)?;
    ensure(word_constant(step, 1)?.len() == sizes.record_words, Kind::Constant)?;
    ensure(word_constant(step, 2)?.is_empty() && byte_constant(step, 3)?.is_empty(), Kind::Constant)?;
    ensure(sizes.scratch_bytes <= scratch_bytes(model, step), Kind::Constant)
}

/// Returns the bytes of scratch that a step names.
fn scratch_bytes(model: &Model<'_>, step: &Step<'_>) -> usize {
    match step.scratch.and_then(|storage| model.storage(storage)) {
        Some(crate::Storage::Arena { bytes, .. }) => bytes,
        _ => 0,
    }
}
