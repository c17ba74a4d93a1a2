//! Means over axes that follow one another and leave at least four values behind them, four at a time: the mean of an image.

use super::{ensure, lanes};
use crate::{KernelResult, MAX_RANK, Mean, reference};

/// Computes every output.
pub fn run(p: &Mean<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    let (first, end) = (p.axes.trailing_zeros() as usize, (u32::BITS - p.axes.leading_zeros()) as usize);
    let together = p.axes != 0 && p.axes.count_ones() as usize == end - first && end <= p.shape.len();
    let (Some(before), Some(after)) = (p.shape.get(..first), p.shape.get(end.max(first)..)) else {
        return reference::mean::run(p, input, output);
    };
    let product = |axes: &[u32]| axes.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis as usize));
    let (Some(outer), Some(inner), Some(all)) = (product(before), product(after), product(p.shape)) else {
        return reference::mean::run(p, input, output);
    };
    if !together || inner < 4 || outer == 0 || all == 0 || p.shape.len() > MAX_RANK {
        return reference::mean::run(p, input, output);
    }
    ensure(input.len() == all && output.len() == outer * inner)?;
    let count = all / (outer * inner);
    for (x, y) in input.chunks_exact(count * inner).zip(output.chunks_exact_mut(inner)) {
        for group in (0..inner).step_by(4) {
            let first = group.min(inner - 4);
            let mut sums = [0; 4];
            // SAFETY: `x` has `count` runs of `inner` values, of which four from `first` on are read.
            unsafe { lanes::add(x[first..].as_ptr(), inner, count, &mut sums) };
            for (y, sum) in y[first..first + 4].iter_mut().zip(sums) {
                *y = p.range.average(sum - p.input_zero_point * count as i32, p.multiplier) as i8;
            }
        }
    }
    Ok(())
}
