//! Operators over whole axes: fully connected, mean, softmax.

use super::op::Op;
use super::schema::{FullyConnected, Reducer, Softmax};
use crate::error::CompileError;
use crate::graph::{Clamp, NodeOp};
use crate::nonlinear::Quantization;

/// FULLY_CONNECTED: input, filter `[out, in]`, bias. The input's elements are taken in rows of `in`.
pub fn fully_connected(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 3, 1)?;
    let options: FullyConnected = op.options()?;
    if options.weights_format()? != 0 {
        return Err(op.unsupported("its weights are shuffled", "convert the model with weights in the default format"));
    }
    let x = op.activation(0)?;
    let filter = op.filter(2, 0)?;
    let &[units, depth] = filter.shape.as_slice() else { return Err(op.inconsistent("its filter has not 2 axes")) };
    let rows = x.elements() / depth;
    if rows * depth != x.elements() {
        return Err(op.inconsistent(format!("its input {:?} is not made of rows of {depth}", x.shape)));
    }
    // The file chooses how many axes the rows have.
    let shape = op.result_shape(0)?;
    if shape.last() != Some(&units) || shape.iter().product::<usize>() / units != rows {
        return Err(op.inconsistent(format!("its result has shape {shape:?}; it computes {rows} rows of {units}")));
    }
    let y = op.output(0, &shape)?;
    let weights = op.weights(filter, units, &x, &y)?;
    let clamp = op.clamp(options.activation()?, &y)?;
    op.push(NodeOp::FullyConnected { weights, clamp }, &[&x], &y);
    Ok(())
}

/// MEAN: input, axes.
pub fn mean(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let options: Reducer = op.options()?;
    let x = op.activation(0)?;
    let mut axes = vec![];
    for axis in op.integers(1, "list of axes")? {
        axes.push(op.axis(axis, x.shape.len())?);
    }
    axes.sort_unstable();
    axes.dedup();
    let keep_dims = options.keep_dims()?;
    let kept = x.shape.iter().enumerate().filter_map(|(i, &extent)| match axes.contains(&i) {
        false => Some(extent),
        true => keep_dims.then_some(1),
    });
    let shape: Vec<usize> = kept.collect();
    let y = op.output(0, &shape)?;
    op.push(NodeOp::Mean { axes, clamp: Clamp::INT8 }, &[&x], &y);
    Ok(())
}

/// SOFTMAX over the last axis: the kernel's output is in units of 1/256 above -128.
pub fn softmax(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    let options: Softmax = op.options()?;
    let x = op.activation(0)?;
    let y = op.output(0, &x.shape)?;
    op.fixed_output(&y, Quantization { scale: 1.0 / 256.0, zero_point: -128 })?;
    let beta = options.beta()?;
    if !(beta.is_finite() && beta > 0.0) {
        return Err(op.inconsistent(format!("its beta is {beta}")));
    }
    // The kernel scales differences to 26 fraction bits by a factor that must exceed one.
    if f64::from(beta) * x.scale() * f64::from(1 << 26) <= 1.0 {
        return Err(op.unsupported(
            format!("its input scale {} is too fine for the kernel", x.quantization.scale),
            "quantize again with representative data",
        ));
    }
    op.push(NodeOp::Softmax { beta }, &[&x], &y);
    Ok(())
}
