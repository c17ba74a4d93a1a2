//! The blocks of [`crate::arch::x86::sum`] in registers of 512 bits.

use core::arch::asm;
use core::arch::x86_64::*;

use crate::arch::x86::sum::{self, Line, Places, taken_apart};
use crate::{KernelResult, Sum};

/// Outputs at a time.
const BLOCK: usize = 64;

/// Adds; `sign` -1 subtracts.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn sum(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8], sign: i32) -> KernelResult {
    sum::apart(p, [input1, input2], output, sign, |line, places, spare, count| walk(line, places, spare, count))
}

/// Adds where input `place` lies.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn sum_in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    sum::in_place(p, place, values, other, |line, places, spare, count| walk(line, places, spare, count))
}

/// Adds to `sums` the products of pairs of int16. In assembly, since the compiler makes two instructions of the intrinsic.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn dot(mut sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: it changes one register.
    unsafe {
        asm!(
            "vpdpwssd {sums}, {a}, {b}",
            sums = inout(zmm_reg) sums,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// Returns in which lanes all four registers have one of the bits. In assembly, since the compiler ands each register first, and each mask
/// afterwards.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn far([t0, t1, t2, t3]: [__m512i; 4], bits: __m512i) -> u16 {
    let lanes;
    // SAFETY: it changes one register.
    unsafe {
        asm!(
            "vptestmd {lanes}, {t0}, {bits}",
            "vptestmd {lanes} {{{lanes}}}, {t1}, {bits}",
            "vptestmd {lanes} {{{lanes}}}, {t2}, {bits}",
            "vptestmd {lanes} {{{lanes}}}, {t3}, {bits}",
            lanes = out(kreg) lanes,
            t0 = in(zmm_reg) t0,
            t1 = in(zmm_reg) t1,
            t2 = in(zmm_reg) t2,
            t3 = in(zmm_reg) t3,
            bits = in(zmm_reg) bits,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    lanes
}

/// Computes blocks: see [`sum::apart`].
///
/// A lane gets both values twice: as the bytes `x + 128` and `x`, which are `257·x + 128` as one int16. So `VPDPWSSD` and `VPDPBUSD`
/// multiply by the two parts of a factor of 23 bits. Per 64 outputs 6 to interleave, 2 for the sign, 8 multiplications, 4 shifts, 4
/// tests, 3 to pack and 2 for bounds.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn walk(line: &Line, places: Places, spare: &mut [i8; BLOCK], count: usize) -> (usize, u64) {
    let ([a, a_low], [b, b_low]) = (taken_apart(line.a), taken_apart(line.b));
    let high = _mm512_set1_epi32(a & 0xffff | b << 16);
    let low = _mm512_set1_epi32(a_low & 0xff | (b_low & 0xff) << 16);
    let c = _mm512_set1_epi32(line.c.wrapping_sub((a + b + a_low + b_low).wrapping_mul(128)));
    let near = _mm512_set1_epi32(line.near);
    let bits = _mm_cvtsi32_si128(line.bits);
    let (least, most) = (_mm512_set1_epi8(line.low as i8), _mm512_set1_epi8(line.high as i8));
    let sign = _mm512_set1_epi8(i8::MIN);
    // The way back: interleaved halves of each part of 128 bits.
    let pack = |v: [__m512i; 4]| _mm512_packs_epi16(_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3]));
    for done in 0..count {
        let Places { inputs: [x1, x2], output } = places.on(done.wrapping_mul(BLOCK));
        // SAFETY: 64 values.
        let (x1, x2) = unsafe { (_mm512_loadu_si512(x1.cast()), _mm512_loadu_si512(x2.cast())) };
        let pairs = [_mm512_unpacklo_epi8(x1, x2), _mm512_unpackhi_epi8(x1, x2)];
        let mut t = [c; 4];
        each!(i < 2 {
            let more = _mm512_xor_si512(pairs[i], sign);
            let twice = [_mm512_unpacklo_epi8(more, pairs[i]), _mm512_unpackhi_epi8(more, pairs[i])];
            each!(j < 2 {
                t[2 * i + j] = dot(_mm512_dpbusd_epi32(c, twice[j], low), twice[j], high);
            });
        });
        let bytes = pack(t.map(|t| _mm512_sra_epi32(t, bits)));
        let bytes = _mm512_min_epi8(_mm512_max_epi8(bytes, least), most);
        if far(t, near) != !0 {
            // SAFETY: 64 values.
            unsafe { _mm512_storeu_si512(spare.as_mut_ptr().cast(), bytes) };
            let close = t.map(|t| _mm512_maskz_set1_epi32(_mm512_testn_epi32_mask(t, near), -1));
            return (done, _mm512_movepi8_mask(pack(close)));
        }
        // SAFETY: 64 values.
        unsafe { _mm512_storeu_si512(output.cast(), bytes) };
    }
    (count, 0)
}
