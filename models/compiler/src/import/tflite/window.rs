//! Operators with a window: convolutions and pools.

use super::context::Activation;
use super::op::Op;
use super::schema::{Conv2D, DepthwiseConv2D, Pool2D, TransposeConv};
use crate::error::CompileError;
use crate::graph::{NodeOp, Window};

/// Padding and steps, as the options have them: height first.
struct Geometry {
    padding: i8,
    kernel: [usize; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
}

impl Geometry {
    /// Returns the window, and the extents of what it computes from an input of `size`.
    fn resolve(&self, op: &Op, size: [usize; 2]) -> Result<(Window, [usize; 2]), CompileError> {
        let positive = |values: [i32; 2], what: &str| -> Result<[usize; 2], CompileError> {
            match values.map(usize::try_from) {
                [Ok(h), Ok(w)] if h > 0 && w > 0 => Ok([h, w]),
                _ => Err(op.inconsistent(format!("its {what} is {values:?}"))),
            }
        };
        let stride = positive(self.stride, "stride")?;
        let dilation = positive(self.dilation, "dilation")?;
        let (mut pad, mut out) = ([0; 2], [0; 2]);
        let sides = self.kernel.into_iter().zip(stride).zip(dilation).zip(size);
        for ((pad, out), (((kernel, stride), dilation), size)) in pad.iter_mut().zip(&mut out).zip(sides) {
            // Kernels have less than 2^28 taps and dilations less than 2^31.
            let span = (kernel - 1) * dilation + 1;
            match self.padding {
                0 => {
                    *out = size.div_ceil(stride);
                    *pad = ((*out - 1) * stride + span).saturating_sub(size) / 2;
                }
                1 => {
                    *out =
                        (size + stride).checked_sub(span).map(|room| room / stride).filter(|&out| out > 0).ok_or_else(
                            || op.inconsistent(format!("its window of {span} leaves its input of {size}")),
                        )?;
                }
                other => return Err(op.inconsistent(format!("its padding is number {other}"))),
            }
        }
        Ok((Window { kernel: self.kernel, stride, dilation, pad }, out))
    }
}

/// Batch, height, width and channels.
fn four_axes(op: &Op, x: &Activation) -> Result<[usize; 4], CompileError> {
    <[usize; 4]>::try_from(x.shape.as_slice())
        .map_err(|_| op.inconsistent(format!("its input has {} axes, not 4", x.shape.len())))
}

/// CONV_2D: input, filter `[out, height, width, in / groups]`, bias.
pub fn conv_2d(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 3, 1)?;
    let options: Conv2D = op.options()?;
    let x = op.wide_activation(0)?;
    let [n, h, w, c] = four_axes(op, &x)?;
    let filter = op.filter(4, 0)?;
    let &[channels, kernel_h, kernel_w, depth] = filter.shape.as_slice() else {
        return Err(op.inconsistent("its filter has not 4 axes"));
    };
    let groups = c / depth;
    if groups == 0 || groups * depth != c || channels % groups != 0 {
        return Err(
            op.inconsistent(format!("its filter {:?} does not divide {c} input channels into groups", filter.shape))
        );
    }
    let geometry = Geometry {
        padding: options.padding()?,
        kernel: [kernel_h, kernel_w],
        stride: [options.stride_h()?, options.stride_w()?],
        dilation: [options.dilation_h()?, options.dilation_w()?],
    };
    let (window, [out_h, out_w]) = geometry.resolve(op, [h, w])?;
    let y = op.output_like(0, &[n, out_h, out_w, channels], &x)?;
    let weights = op.weights(filter, 2, channels, &x, &y)?;
    let clamp = op.clamp(options.activation()?, &y)?;
    op.push(NodeOp::Conv2d { window, groups, weights, clamp }, &[&x], &y);
    Ok(())
}

/// DEPTHWISE_CONV_2D: input, filter `[1, height, width, channels · multiplier]`, bias.
pub fn depthwise_conv_2d(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 3, 1)?;
    let options: DepthwiseConv2D = op.options()?;
    let x = op.wide_activation(0)?;
    let [n, h, w, c] = four_axes(op, &x)?;
    let filter = op.filter(4, 3)?;
    let &[1, kernel_h, kernel_w, channels] = filter.shape.as_slice() else {
        return Err(op.inconsistent(format!("its filter has shape {:?}; the first extent is 1", filter.shape)));
    };
    let multiplier = options.depth_multiplier()?;
    if usize::try_from(multiplier).ok().and_then(|m| m.checked_mul(c)) != Some(channels) {
        return Err(op.inconsistent(format!("{c} channels, multiplied by {multiplier}, are not {channels}")));
    }
    let geometry = Geometry {
        padding: options.padding()?,
        kernel: [kernel_h, kernel_w],
        stride: [options.stride_h()?, options.stride_w()?],
        dilation: [options.dilation_h()?, options.dilation_w()?],
    };
    let (window, [out_h, out_w]) = geometry.resolve(op, [h, w])?;
    let y = op.output_like(0, &[n, out_h, out_w, channels], &x)?;
    let weights = op.weights(filter, 2, channels, &x, &y)?;
    let clamp = op.clamp(options.activation()?, &y)?;
    op.push(NodeOp::DepthwiseConv2d { window, weights, clamp }, &[&x], &y);
    Ok(())
}

/// AVERAGE_POOL_2D and MAX_POOL_2D: neither rescales.
pub fn pool_2d(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    let options: Pool2D = op.options()?;
    let x = op.wide_activation(0)?;
    let [n, h, w, c] = four_axes(op, &x)?;
    let kernel = [options.kernel_h()?, options.kernel_w()?];
    let kernel = match kernel.map(usize::try_from) {
        [Ok(h), Ok(w)] if h > 0 && w > 0 && h < 1 << 28 && w < 1 << 28 => [h, w],
        _ => return Err(op.inconsistent(format!("its window is {kernel:?}"))),
    };
    let geometry = Geometry {
        padding: options.padding()?,
        kernel,
        stride: [options.stride_h()?, options.stride_w()?],
        dilation: [1, 1],
    };
    let (window, [out_h, out_w]) = geometry.resolve(op, [h, w])?;
    let y = op.output_like(0, &[n, out_h, out_w, c], &x)?;
    let (a, b) = (x.quantization, y.quantization);
    // The kernels' own tolerance.
    if (a.scale - b.scale).abs() > 1e-6 || a.zero_point != b.zero_point {
        op.same_quantization(&x, &y)?;
    }
    let clamp = op.clamp(options.activation()?, &y)?;
    let node = match op.source.name {
        "MAX_POOL_2D" => NodeOp::MaxPool2d { window, clamp },
        _ => NodeOp::AveragePool2d { window, clamp, count_include_pad: false },
    };
    op.push(node, &[&x], &y);
    Ok(())
}

/// TRANSPOSE_CONV: output shape, filter `[out, height, width, in]`, input, bias. The padding is that of the convolution
/// which would make the input's extents of the output's.
pub fn transpose_conv(op: &mut Op) -> Result<(), CompileError> {
    op.arity(3, 4, 1)?;
    let options: TransposeConv = op.options()?;
    let x = op.wide_activation(2)?;
    let [n, _, _, c] = four_axes(op, &x)?;
    let filter = op.filter(4, 0)?;
    let &[channels, kernel_h, kernel_w, depth] = filter.shape.as_slice() else {
        return Err(op.inconsistent("its filter has not 4 axes"));
    };
    if depth != c {
        return Err(op.inconsistent(format!("its filter {:?} does not take {c} input channels", filter.shape)));
    }
    if filter.four_bits {
        return Err(op.unsupported("TensorFlow Lite Micro has no kernel for INT4 filters here", "use an INT8 filter"));
    }
    let shape: Option<Vec<usize>> =
        op.integers(0, "output shape")?.into_iter().map(|n| usize::try_from(n).ok().filter(|&n| n > 0)).collect();
    let Some(&[batch, out_h, out_w, last]) = shape.as_deref() else {
        return Err(op.inconsistent("its output shape has not 4 positive extents"));
    };
    if batch != n || last != channels {
        let shape = [batch, out_h, out_w, last];
        return Err(op.inconsistent(format!("its output shape {shape:?} is not for {n} x {channels} channels")));
    }
    let geometry = Geometry {
        padding: options.padding()?,
        kernel: [kernel_h, kernel_w],
        stride: [options.stride_h()?, options.stride_w()?],
        dilation: [1, 1],
    };
    let (window, _) = geometry.resolve(op, [out_h, out_w])?;
    let y = op.output_like(0, &[n, out_h, out_w, channels], &x)?;
    let weights = op.weights(filter, 3, channels, &x, &y)?;
    let clamp = op.clamp(options.activation()?, &y)?;
    op.push(NodeOp::TransposeConv2d { window, groups: 1, weights, clamp }, &[&x], &y);
    Ok(())
}
