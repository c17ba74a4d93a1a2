//! The blocks of [`crate::arch::x86::sum`] in registers of 512 bits.

use core::arch::x86_64::*;

use super::registers::order_of_parts;
use crate::arch::x86::sum::{self, Line};
use crate::{KernelResult, Sum};

/// Outputs at a time.
const BLOCK: usize = 64;

/// Adds; `sign` -1 subtracts.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn sum(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8], sign: i32) -> KernelResult {
    sum::apart::<BLOCK>(p, [input1, input2], output, sign, |line, x, y| block(line, x, y))
}

/// Adds where input `place` lies.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn sum_in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    sum::in_place::<BLOCK>(p, place, values, other, |line, x, y| block(line, x, y))
}

/// Computes a block from two inputs, at the first place, or the second if some outputs are too near to a step: a bit for each. Per
/// 16 outputs 2 loads that widen, 2 multiplications, 2 additions, 1 shift, 1 for the test, 2 to pack.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn block(line: &Line, [x1, x2]: [*const i8; 2], [y, spare]: [*mut i8; 2]) -> u64 {
    let (a, b, c) = (_mm512_set1_epi32(line.a), _mm512_set1_epi32(line.b), _mm512_set1_epi32(line.c));
    let near = _mm512_set1_epi32(line.near);
    let bits = _mm_cvtsi32_si128(line.bits);
    let mut parts = [_mm512_setzero_si512(); 4];
    let mut close = 0u64;
    each!(i < 4 {
        // SAFETY: 16 of the 64 values.
        let (x1, x2) = unsafe {
            (_mm_loadu_si128(x1.add(16 * i).cast()), _mm_loadu_si128(x2.add(16 * i).cast()))
        };
        let first = _mm512_mullo_epi32(_mm512_cvtepi8_epi32(x1), a);
        let second = _mm512_mullo_epi32(_mm512_cvtepi8_epi32(x2), b);
        let t = _mm512_add_epi32(_mm512_add_epi32(first, second), c);
        close |= u64::from(_mm512_testn_epi32_mask(t, near)) << (16 * i);
        parts[i] = _mm512_sra_epi32(t, bits);
    });
    let words = [_mm512_packs_epi32(parts[0], parts[1]), _mm512_packs_epi32(parts[2], parts[3])];
    let bytes = _mm512_permutexvar_epi32(order_of_parts(), _mm512_packs_epi16(words[0], words[1]));
    let bytes = _mm512_max_epi8(bytes, _mm512_set1_epi8(line.low as i8));
    let bytes = _mm512_min_epi8(bytes, _mm512_set1_epi8(line.high as i8));
    // SAFETY: 64 values.
    unsafe { _mm512_storeu_si512(if close == 0 { y } else { spare }.cast(), bytes) };
    close
}
