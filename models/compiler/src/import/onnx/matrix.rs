//! ConvTranspose, and MatMul of two activations.

use std::rc::Rc;

use super::MAX_ELEMENTS;
use super::constant::{broadcast, transposed_indices};
use super::proto::Op;
use super::value::{Kind, LinearWeights, Value};
use super::{Importer, Res};
use crate::graph::Window;

/// Padding of a transposed convolution along one axis.
struct Extent {
    before: usize,
    out: usize,
}

impl Importer {
    /// ConvTranspose: weights `[in, out / groups, kernel..]`.
    pub(super) fn conv_transpose(&mut self, op: &Op) -> Res<Value> {
        let (input, quant) = self.activation(op, 0)?;
        let weights = self.weights(op, 1)?;
        let shape = input.shape.clone();
        let (&[batch, channels, ref spatial @ ..], &[in_channels, group_outputs, ref kernel @ ..]) =
            (shape.as_slice(), weights.shape.as_slice())
        else {
            return Err(op.inconsistent("its input or weights have fewer than two axes"));
        };
        if spatial.len() != kernel.len() || spatial.is_empty() || in_channels != channels {
            return Err(op.inconsistent(format!("an input of shape {shape:?} and weights of {:?}", weights.shape)));
        }
        if spatial.len() > 2 {
            let remedy = "use a one- or two-dimensional transposed convolution";
            return Err(op.unsupported("it has more than two spatial axes", remedy));
        }
        let kernel_shape = op.positive("kernel_shape", kernel.len(), 0)?;
        if op.ints("kernel_shape")?.is_some() && kernel_shape != kernel {
            return Err(op.inconsistent("kernel_shape is not that of its weights"));
        }
        let groups = usize::try_from(op.int("group", 1)?).ok().filter(|&g| g > 0 && channels % g == 0);
        let Some((groups, outputs)) = groups.and_then(|g| Some((g, group_outputs.checked_mul(g)?))) else {
            return Err(op.inconsistent(format!("{channels} channels in groups of {:?}", op.int("group", 1)?)));
        };
        let (window, out) = transposed_window(op, spatial, kernel)?;
        let (data, scales) = self.int8_weights(op, &weights, 1, group_outputs)?;
        // To `[out, in / groups, kernel]`.
        let taps = kernel.iter().product::<usize>();
        let grouped = [groups, channels / groups, group_outputs, taps];
        let data: Option<Vec<i8>> = transposed_indices(&grouped, &[0, 2, 1, 3])
            .and_then(|(_, indices)| indices.iter().map(|&i| data.get(i).copied()).collect());
        let data = data.ok_or_else(|| op.inconsistent("its weights do not fit their shape"))?;
        let scales = scales.repeat(groups);
        let bias = self.bias(op, 2, outputs, 1.0)?;
        let weights = LinearWeights { data: Rc::new(data), scales, bias, four_bits: false };
        let kind = Kind::Conv { input, quant, window, groups, transposed: true, weights };
        self.pending(op, kind, [batch, outputs].into_iter().chain(out).collect())
    }

    /// Returns whether the second input of a MatMul is one constant matrix, to be held as weights.
    pub(super) fn has_constant_matrix(&self, op: &Op) -> Res<bool> {
        let Value::Dequantized(weights) = self.input(op, 1)? else { return Ok(false) };
        let input = self.input(op, 0)?;
        let stacked = weights.shape.iter().rev().skip(2).any(|&extent| extent != 1);
        let wide = weights.shape.len() > input.shape().len().max(2);
        // Weights whose zero point is not in the middle: as an operand they keep it.
        let lopsided = weights.scales.len() == 1 && weights.centered.iter().any(|&c| i8::try_from(c).is_err());
        Ok(!stacked && !wide && !lopsided && !matches!(input, Value::Dequantized(_)))
    }

    /// MatMul of two activations, or of an activation and a stack of constant matrices.
    pub(super) fn product(&mut self, op: &Op) -> Res<Value> {
        let (a, b) = (self.input(op, 0)?, self.input(op, 1)?);
        let (Some((stack_a, &[rows, depth])), Some((stack_b, &[depth_b, columns]))) =
            (a.shape().split_last_chunk(), b.shape().split_last_chunk())
        else {
            return Err(op.unsupported("one of its inputs is a vector", "give it a second axis, of extent 1"));
        };
        let stack = broadcast(stack_a, stack_b).filter(|_| depth == depth_b);
        let mut result = stack.ok_or_else(|| {
            op.inconsistent(format!("shapes {:?} and {:?} cannot be multiplied", a.shape(), b.shape()))
        })?;
        result.extend([rows, columns]);
        let inputs = [self.operand(op, 0, a)?, self.operand(op, 1, b)?];
        self.pending(op, Kind::Product { inputs }, result)
    }
}

/// Returns the window of a transposed convolution and the extents it gives.
fn transposed_window(op: &Op, spatial: &[usize], kernel: &[usize]) -> Res<(Window, Vec<usize>)> {
    let rank = spatial.len();
    let strides = op.positive("strides", rank, 1)?;
    let dilations = op.positive("dilations", rank, 1)?;
    let sizes = |name: &str, count: usize| -> Res<Option<Vec<usize>>> {
        let Some(values) = op.ints(name)? else { return Ok(None) };
        let fits = |&v: &i64| usize::try_from(v).ok().filter(|&v| v <= MAX_ELEMENTS);
        let sizes: Option<Vec<usize>> = values.iter().map(fits).collect();
        match sizes.filter(|sizes| sizes.len() == count) {
            Some(sizes) => Ok(Some(sizes)),
            None => Err(op.unsupported(
                format!("attribute {name} = {values:?}"),
                format!("use {count} values that are not negative"),
            )),
        }
    };
    let auto_pad = op.string("auto_pad", "NOTSET")?;
    if !["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].contains(&auto_pad) {
        return Err(op.malformed(format!("auto_pad = {auto_pad}")));
    }
    let adds = sizes("output_padding", rank)?.unwrap_or_else(|| vec![0; rank]);
    let pads = sizes("pads", 2 * rank)?.filter(|_| auto_pad == "NOTSET").unwrap_or_else(|| vec![0; 2 * rank]);
    // The batch and channel axes may be given, too.
    let wanted = match op.ints("output_shape")? {
        Some(values) if values.len() == rank + 2 => sizes("output_shape", rank + 2)?.map(|all| all[2..].to_vec()),
        _ => sizes("output_shape", rank)?,
    };
    let mut window = Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] };
    let mut outs = Vec::with_capacity(rank);
    for axis in 0..rank {
        let at = |values: &[usize]| values.get(axis).copied().unwrap_or_default();
        let (stride, dilation, taps) = (at(&strides), at(&dilations), at(kernel));
        // Every factor is below 2^29.
        let span = taps.saturating_sub(1) * dilation + 1;
        let full = at(spatial).saturating_sub(1) * stride + at(&adds) + span;
        let after = pads.get(rank + axis).copied().unwrap_or_default();
        let Extent { before, out } = match (&wanted, auto_pad) {
            // Up to a stride more than the taps reach: outputs at the end that no input meets.
            (Some(wanted), _) if (full..full + stride).contains(&at(wanted)) => {
                Some(Extent { before: 0, out: at(wanted) })
            }
            (Some(wanted), _) => distributed(full, at(wanted), auto_pad),
            (None, "SAME_UPPER" | "SAME_LOWER") => distributed(full, full.min(at(spatial) * stride), auto_pad),
            _ => full.checked_sub(at(&pads) + after).map(|out| Extent { before: at(&pads), out }),
        }
        .filter(|extent| taps > 0 && (1..=MAX_ELEMENTS).contains(&extent.out))
        .ok_or_else(|| op.inconsistent(format!("its paddings or its output shape do not fit {full} outputs")))?;
        outs.push(out);
        let Window { kernel: k, stride: s, dilation: d, pad: p } = &mut window;
        for (slots, value) in [(k, taps), (s, stride), (d, dilation), (p, before)] {
            if let Some(slot) = slots.get_mut(axis) {
                *slot = value;
            }
        }
    }
    Ok((window, outs))
}

/// What is cut off `full` outputs to leave `out`: an odd one at the end for SAME_UPPER, else at the beginning.
fn distributed(full: usize, out: usize, auto_pad: &str) -> Option<Extent> {
    let total = full.checked_sub(out)?;
    let before = if auto_pad == "SAME_UPPER" { total / 2 } else { total - total / 2 };
    Some(Extent { before, out })
}
