//! `y = max x` over the reduced axes.

use super::minimum::integer;
use super::{ensure, nd};
use crate::{KernelResult, MAX_RANK, Reduction};

/// Computes every output.
pub fn run(p: &Reduction<'_>, input: &[u8], output: &mut [u8]) -> KernelResult {
    reduce(p, input, output, |best, x| x > best)
}

/// Keeps an element where `better(best so far, element)` says so: what both reductions share.
pub(super) fn reduce(
    p: &Reduction<'_>,
    input: &[u8],
    output: &mut [u8],
    better: impl Fn(i32, i32) -> bool,
) -> KernelResult {
    let size = p.ty.bytes();
    ensure(p.shape.len() <= MAX_RANK && nd::elements(p.shape)? * size == input.len() && !input.is_empty())?;
    // The input's axes in two sets: outer walk over the kept ones, inner walk over the reduced ones.
    let (mut kept, mut reduced) = ([1u32; MAX_RANK], [1u32; MAX_RANK]);
    for (axis, &length) in p.shape.iter().enumerate() {
        let set = if p.axes >> axis & 1 == 1 { &mut reduced } else { &mut kept };
        set[axis] = length;
    }
    let strides = nd::strides(p.shape);
    ensure(nd::elements(&kept)? * size == output.len())?;
    let element = |at: usize| &input[at * size..][..size];
    let mut outputs = output.chunks_exact_mut(size);
    nd::walk(&kept, [0], [strides], |[base]| {
        let mut best = element(base);
        let inner = nd::walk(&reduced, [base as isize], [strides], |[at]| {
            if better(integer(p.ty, best), integer(p.ty, element(at))) {
                best = element(at);
            }
        });
        if let (Ok(()), Some(y)) = (inner, outputs.next()) {
            y.copy_from_slice(best);
        }
    })
}
