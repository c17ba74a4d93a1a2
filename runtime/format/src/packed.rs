//! A step as its packing sees it.

use tanbo_packing::{Kind, Shape};

use crate::attrs::Conv;
use crate::model::{Model, Step};
use crate::op::Op;

/// Returns the operator and the shape of a step that may be packed; of one that is not checked yet, whatever it says.
///
/// `None` for operators without packings and for tensors that are no single image.
pub fn packed_shape(model: &Model<'_>, step: &Step<'_>) -> Option<(Kind, Shape)> {
    let x = model.tensor(*step.inputs.first()?)?.shape;
    let y = model.tensor(step.output)?.shape;
    shape_of(step.op, step.attrs, x, y)
}

/// As [`packed_shape`], from an operator, its attribute words and the shapes of its input and output.
pub fn shape_of(op: Op, attrs: &[i32], x: &[u32], y: &[u32]) -> Option<(Kind, Shape)> {
    let (kind, conv) = match op {
        Op::Conv2d => (Kind::Conv2d, Conv::from_conv2d(attrs)?),
        Op::DepthwiseConv2d => (Kind::DepthwiseConv2d, Conv::from_depthwise_conv2d(attrs)?),
        Op::FullyConnected => {
            let elements = |shape: &[u32]| shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis as usize));
            let outputs = *y.last()? as usize;
            let rows = elements(y)?.checked_div(outputs)?;
            let inputs = elements(x)?.checked_div(rows)?;
            let one = [1, 1];
            let (input, output) = ([1, rows, inputs], [1, rows, outputs]);
            let shape = Shape { kernel: one, stride: one, dilation: one, pad: [0, 0], input, output };
            return (Some(elements(x)?) == rows.checked_mul(inputs)).then_some((Kind::Conv2d, shape));
        }
        _ => return None,
    };
    let image = |shape: &[u32]| match shape {
        &[1, height, width, channels] => Some([height as usize, width as usize, channels as usize]),
        _ => None,
    };
    let sizes = |words: [i32; 2]| -> Option<[usize; 2]> {
        let [height, width] = words;
        Some([usize::try_from(height).ok()?, usize::try_from(width).ok()?])
    };
    let window = &conv.window;
    let shape = Shape {
        kernel: sizes(window.kernel)?,
        stride: sizes(window.stride)?,
        dilation: sizes(window.dilation)?,
        pad: sizes(window.pad)?,
        input: image(x)?,
        output: image(y)?,
    };
    Some((kind, shape))
}
