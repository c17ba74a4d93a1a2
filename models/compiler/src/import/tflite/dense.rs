//! Operators over whole axes: fully connected, mean, softmax.

use super::context::Activation;
use super::elementwise;
use super::op::Op;
use super::schema::{BatchMatMul, FullyConnected, Reducer, Softmax};
use crate::error::CompileError;
use crate::graph::{Clamp, NodeOp};
use crate::nonlinear::Quantization;
use tanbo_format::ElementType;

/// FULLY_CONNECTED: input, filter `[out, in]`, bias. The input's elements are taken in rows of `in`.
pub fn fully_connected(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 3, 1)?;
    let options: FullyConnected = op.options()?;
    if options.weights_format()? != 0 {
        return Err(op.unsupported("its weights are shuffled", "convert the model with weights in the default format"));
    }
    let x = op.wide_activation(0)?;
    let filter = op.filter(2, 0)?;
    let &[units, depth] = filter.shape.as_slice() else { return Err(op.inconsistent("its filter has not 2 axes")) };
    if filter.four_bits && filter.scales.len() > 1 {
        return Err(op.unsupported(
            "TensorFlow Lite Micro has no kernel for an INT4 filter with a scale per output here",
            "quantize the filter per tensor, or to INT8",
        ));
    }
    let rows = x.elements() / depth;
    if rows * depth != x.elements() {
        return Err(op.inconsistent(format!("its input {:?} is not made of rows of {depth}", x.shape)));
    }
    // The file chooses how many axes the rows have.
    let shape = op.result_shape(0)?;
    if shape.last() != Some(&units) || shape.iter().product::<usize>() / units != rows {
        return Err(op.inconsistent(format!("its result has shape {shape:?}; it computes {rows} rows of {units}")));
    }
    let y = op.output_like(0, &shape, &x)?;
    let weights = op.weights(filter, 2, units, &x, &y)?;
    let clamp = op.clamp(options.activation()?, &y)?;
    op.push(NodeOp::FullyConnected { weights, clamp }, &[&x], &y);
    Ok(())
}

/// Operand 1 as a set of axes of `x`, in order.
pub fn reduced_axes(op: &Op, x: &Activation) -> Result<Vec<usize>, CompileError> {
    let mut axes = vec![];
    for axis in op.integers(1, "list of axes")? {
        axes.push(op.axis(axis, x.shape.len())?);
    }
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

/// The axes of `x` that operand 1 names, and the shape without them, or with ones in their place.
pub fn reduction(op: &Op, options: Reducer, x: &Activation) -> Result<(Vec<usize>, Vec<usize>), CompileError> {
    let axes = reduced_axes(op, x)?;
    let keep_dims = options.keep_dims()?;
    let kept = x.shape.iter().enumerate().filter_map(|(i, &extent)| match axes.contains(&i) {
        false => Some(extent),
        true => keep_dims.then_some(1),
    });
    let shape = kept.collect();
    Ok((axes, shape))
}

/// MEAN: input, axes.
pub fn mean(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let options: Reducer = op.options()?;
    let x = op.wide_activation(0)?;
    let (axes, shape) = reduction(op, options, &x)?;
    let y = op.output_like(0, &shape, &x)?;
    op.push(NodeOp::Mean { axes, clamp: Clamp::full(x.ty) }, &[&x], &y);
    Ok(())
}

/// What the kernel of SOFTMAX gives in int8.
const PROBABILITY: Quantization = Quantization { scale: 1.0 / 256.0, zero_point: -128 };

/// SOFTMAX over the last axis: the kernel's output is in units of 1/256 above -128, in int16 of 1/32768.
pub fn softmax(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    let options: Softmax = op.options()?;
    let x = op.wide_activation(0)?;
    let y = op.output_like(0, &x.shape, &x)?;
    let wide = x.ty == ElementType::I16;
    let units = if wide { Quantization { scale: 1.0 / 32768.0, zero_point: 0 } } else { PROBABILITY };
    op.fixed_output(&y, units)?;
    let beta = options.beta()?;
    if !(beta.is_finite() && beta > 0.0) {
        return Err(op.inconsistent(format!("its beta is {beta}")));
    }
    // The kernel scales differences to 26 fraction bits by a factor that must exceed one; in int16 those of 17 bits must
    // stay within 32.
    let scale = f64::from(beta) * x.scale();
    if wide && scale * 6553.5 >= f64::from(1 << 14) {
        return Err(op.unsupported(
            format!("its input scale {} is too coarse for the kernel", x.quantization.scale),
            "quantize again with representative data",
        ));
    }
    if !wide && scale * f64::from(1 << 26) <= 1.0 {
        return Err(op.unsupported(
            format!("its input scale {} is too fine for the kernel", x.quantization.scale),
            "quantize again with representative data",
        ));
    }
    op.push(NodeOp::Softmax { beta }, &[&x], &y);
    Ok(())
}

/// BATCH_MATMUL: two stacks of matrices, either of which may be transposed.
pub fn batch_matmul(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let options: BatchMatMul = op.options()?;
    let transposed = [options.adj_x()?, options.adj_y()?];
    let (a, b) = (op.wide_activation(0)?, op.wide_activation(1)?);
    if a.ty != b.ty {
        return Err(op.unsupported(
            format!("its operands are {} and {}", a.ty.name(), b.ty.name()),
            "bring both to one type with a QUANTIZE",
        ));
    }
    let ranks = [a.shape.len(), b.shape.len()];
    if ranks.iter().any(|rank| !(2..=5).contains(rank)) {
        return Err(op.unsupported(format!("its operands have {ranks:?} axes, not 2 to 5"), "reshape them before it"));
    }
    let (Some((stack_a, &[rows_a, columns_a])), Some((stack_b, &[rows_b, columns_b]))) =
        (a.shape.split_last_chunk(), b.shape.split_last_chunk())
    else {
        return Err(op.inconsistent("an operand is no matrix"));
    };
    let (rows, depth) = if transposed[0] { (columns_a, rows_a) } else { (rows_a, columns_a) };
    let (depth_b, columns) = if transposed[1] { (columns_b, rows_b) } else { (rows_b, columns_b) };
    if depth != depth_b {
        return Err(op.inconsistent(format!("it multiplies {rows} x {depth} with {depth_b} x {columns}")));
    }
    let mut shape = elementwise::broadcast(op, stack_a, stack_b)?;
    shape.extend([rows, columns]);
    let y = op.output_like(0, &shape, &a)?;
    op.push(NodeOp::BatchMatmul { transposed, clamp: Clamp::full(a.ty) }, &[&a, &b], &y);
    Ok(())
}
