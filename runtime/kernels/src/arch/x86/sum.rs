//! Addition and subtraction of two tensors of one shape, in fixed point with a proof for each output.
//!
//! `t = A·x1 + B·x2 + C` is the exact real result with `F` bits behind the point, within `E`: the roundings of the reference
//! (two inputs, one or two at the end) and of `A` and `B` are bounded beforehand. `t >> F` is the reference's output unless a
//! step of the output lies within `E` of it, which a test of the bits behind the point tells; such an output, about one in two
//! thousand, is computed again as the reference does. Per 8 outputs 2 loads that widen, 2 multiplications, 2 additions, 1 shift,
//! 2 for the test, 2 to pack.

use core::arch::x86_64::*;

use tanbo_quant::{Multiplier, Rounding};

use crate::{KernelResult, Sum, reference};

/// Outputs at a time.
const BLOCK: usize = 32;

/// Adds; `sign` -1 subtracts.
#[target_feature(enable = "avx2")]
pub fn sum(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8], sign: i32) -> KernelResult {
    blocks::<BLOCK>(p, [input1, input2], output, sign, |line, x1, x2, y| line.block(x1, x2, y).into())
}

/// Computes all outputs, `N` of at most 64 at a time by `block`, which returns a bit for each output that is too near to a step.
#[inline(always)]
pub fn blocks<const N: usize>(
    p: &Sum<'_>,
    [input1, input2]: [&[i8]; 2],
    output: &mut [i8],
    sign: i32,
    block: impl Fn(&Line, &[i8; N], &[i8; N], &mut [i8; N]) -> u64,
) -> KernelResult {
    let same = p.shapes[0] == p.output_shape && p.shapes[1] == p.output_shape;
    let elements = p.output_shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d as usize));
    let fits = elements == Some(output.len()) && input1.len() == output.len() && input2.len() == output.len();
    let line = Line::new(p, sign).filter(|_| same && fits && output.len() >= N);
    let Some(line) = line else {
        return match sign {
            1 => reference::add::run(p, input1, input2, output),
            _ => reference::sub::run(p, input1, input2, output),
        };
    };
    let last = output.len() - N;
    let mut at = 0;
    loop {
        // The last block may compute some outputs again.
        let begin = at.min(last);
        if let (Some(x1), Some(x2), Some(y)) = (
            input1[begin..].first_chunk::<N>(),
            input2[begin..].first_chunk::<N>(),
            output[begin..].first_chunk_mut::<N>(),
        ) {
            let mut close = block(&line, x1, x2, y);
            while close != 0 {
                let lane = close.trailing_zeros() as usize;
                y[lane] = exact(p, x1[lane], x2[lane], sign);
                close &= close - 1;
            }
        }
        at += N;
        if begin == last {
            return Ok(());
        }
    }
}

/// Returns one output as the reference computes it.
#[cold]
fn exact(p: &Sum<'_>, x1: i8, x2: i8, sign: i32) -> i8 {
    let scaled =
        |x: i8, i: usize| p.multipliers[i].apply((i32::from(x) - p.zero_points[i]) << p.left_shift, p.range.rounding);
    p.range.requantize(scaled(x1, 0) + sign * scaled(x2, 1), p.multiplier) as i8
}

/// `t = a·x1 + b·x2 + c` with `bits` behind the point.
pub struct Line {
    pub a: i32,
    pub b: i32,
    pub c: i32,
    pub bits: i32,
    /// Bits behind the point that are all zero where a step of the output is too near.
    pub near: i32,
    pub low: i32,
    pub high: i32,
}

impl Line {
    /// Returns the line, or `None` for parameters whose bounds are not worth it.
    fn new(p: &Sum<'_>, sign: i32) -> Option<Self> {
        let [first, second] = p.multipliers;
        // Every value of the reference stays below 2^30, so that nothing saturates or wraps.
        let bounded = (0..=20).contains(&p.left_shift)
            && first.shift <= 0
            && second.shift <= 0
            && (-30..=-12).contains(&p.multiplier.shift)
            && p.zero_points.iter().all(|z| (-128..=127).contains(z));
        let (low, high) = (i8::try_from(p.range.low).ok()?, i8::try_from(p.range.high).ok()?);
        if !bounded || !(-128..=127).contains(&p.range.zero_point) {
            return None;
        }
        let real = |m: Multiplier| f64::from(m.mantissa) / (1u64 << (31 - m.shift)) as f64;
        let unit = real(p.multiplier);
        let left = f64::from(1 << p.left_shift);
        let (a, b) = (left * real(first) * unit, left * real(second) * unit);
        let mut bits = 22;
        while (a + b) * 255.0 + 130.0 >= f64::from(1 << (30 - bits)) {
            bits -= 1;
            if bits < 14 {
                return None;
            }
        }
        let point = f64::from(1 << bits);
        let nearest = |x: f64| (x * point + 0.5) as i32;
        let (a, b) = (nearest(a), sign * nearest(b));
        // Each input is off by less than 1, the two roundings at the end by half of their unit; A and B by a half each, times
        // 255, and by what f64 may round.
        let roundings = match p.range.rounding {
            Rounding::Single => 1.0,
            Rounding::Tflite => 2.0,
        };
        let reference = (roundings * unit + 1.0 / f64::from(1 << -p.multiplier.shift)) * point;
        let error = i32::try_from((reference as u32 + 2 + 256 + 2).checked_next_power_of_two()?).ok()?;
        let near = (1i32 << bits).checked_sub(error.checked_mul(2)?)?;
        if near <= 0 {
            return None;
        }
        let zeros = a.wrapping_mul(p.zero_points[0]).wrapping_add(b.wrapping_mul(p.zero_points[1]));
        let c = (p.range.zero_point << bits) + (1 << (bits - 1)) + error;
        let c = c.wrapping_sub(zeros);
        Some(Self { a, b, c, bits, near, low: low.into(), high: high.into() })
    }

    /// Computes a block; returns a bit for each output that is too near to a step.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn block(&self, x1: &[i8; BLOCK], x2: &[i8; BLOCK], y: &mut [i8; BLOCK]) -> u32 {
        let (a, b, c) = (_mm256_set1_epi32(self.a), _mm256_set1_epi32(self.b), _mm256_set1_epi32(self.c));
        let near = _mm256_set1_epi32(self.near);
        let bits = _mm_cvtsi32_si128(self.bits);
        let mut parts = [_mm256_setzero_si256(); 4];
        let mut close = [_mm256_setzero_si256(); 4];
        each!(i < 4 {
            // SAFETY: eight of the 32 values.
            let (x1, x2) = unsafe {
                (_mm_loadl_epi64(x1.as_ptr().add(8 * i).cast()), _mm_loadl_epi64(x2.as_ptr().add(8 * i).cast()))
            };
            let first = _mm256_mullo_epi32(_mm256_cvtepi8_epi32(x1), a);
            let second = _mm256_mullo_epi32(_mm256_cvtepi8_epi32(x2), b);
            let t = _mm256_add_epi32(_mm256_add_epi32(first, second), c);
            close[i] = _mm256_cmpeq_epi32(_mm256_and_si256(t, near), _mm256_setzero_si256());
            parts[i] = _mm256_sra_epi32(t, bits);
        });
        let pack = |v: [__m256i; 4]| {
            let words = [_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3])];
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words[0], words[1]), order)
        };
        let bounded = _mm256_max_epi8(pack(parts), _mm256_set1_epi8(self.low as i8));
        let bounded = _mm256_min_epi8(bounded, _mm256_set1_epi8(self.high as i8));
        // SAFETY: 32 values.
        unsafe { _mm256_storeu_si256(y.as_mut_ptr().cast(), bounded) };
        let any = _mm256_or_si256(_mm256_or_si256(close[0], close[1]), _mm256_or_si256(close[2], close[3]));
        if _mm256_testz_si256(any, any) == 1 { 0 } else { _mm256_movemask_epi8(pack(close)) as u32 }
    }
}
