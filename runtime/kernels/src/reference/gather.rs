//! `y[.., i, ..] = x[.., indices[i], ..]` along the axis.

use super::{ensure, nd};
use crate::{Gather, KernelResult, LengthError};

/// Computes every output.
pub fn run(p: &Gather<'_>, input: &[u8], output: &mut [u8]) -> KernelResult {
    let (outer, rest) = p.shape.split_at_checked(p.axis).ok_or(LengthError)?;
    let (&length, inner) = rest.split_first().ok_or(LengthError)?;
    let block = nd::elements(inner)? * p.element_bytes;
    let picked = p.indices.len() * block;
    ensure(block > 0 && nd::elements(outer)? * length as usize * block == input.len())?;
    ensure(nd::elements(outer)? * picked == output.len())?;
    ensure(p.indices.iter().all(|&i| (i as u32) < length))?;
    if picked == 0 {
        return Ok(());
    }
    for (x, y) in input.chunks_exact(length as usize * block).zip(output.chunks_exact_mut(picked)) {
        for (y, &i) in y.chunks_exact_mut(block).zip(p.indices) {
            y.copy_from_slice(&x[i as usize * block..][..block]);
        }
    }
    Ok(())
}
