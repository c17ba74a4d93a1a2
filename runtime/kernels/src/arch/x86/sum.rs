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
    apart::<BLOCK>(p, [input1, input2], output, sign, |line, x, y| line.block(x, y))
}

/// Adds where input `place` lies.
#[target_feature(enable = "avx2")]
pub fn sum_in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    in_place::<BLOCK>(p, place, values, other, |line, x, y| line.block(x, y))
}

/// Computes all outputs, `N` of at most 64 at a time by `block`: from as many values of two inputs outputs at the first place, or,
/// if some are too near to a step, at the second; it returns a bit for each of these.
#[inline(always)]
pub fn apart<const N: usize>(
    p: &Sum<'_>,
    [input1, input2]: [&[i8]; 2],
    output: &mut [i8],
    sign: i32,
    block: impl Fn(&Line, [*const i8; 2], [*mut i8; 2]) -> u64,
) -> KernelResult {
    let same = p.shapes[0] == p.output_shape && p.shapes[1] == p.output_shape;
    let elements = p.output_shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d as usize));
    let length = output.len();
    let fits = elements == Some(length) && input1.len() == length && input2.len() == length;
    let Some(line) = Line::new(p, sign).filter(|_| same && fits) else {
        return match sign {
            1 => reference::add::run(p, input1, input2, output),
            _ => reference::sub::run(p, input1, input2, output),
        };
    };
    // SAFETY: slices of one length, the output apart from the others.
    unsafe { blocks::<N>(p, &line, [input1.as_ptr(), input2.as_ptr()], output.as_mut_ptr(), length, sign, block) };
    Ok(())
}

/// As [`apart`], where input `place` lies.
#[inline(always)]
pub fn in_place<const N: usize>(
    p: &Sum<'_>,
    place: usize,
    values: &mut [i8],
    other: &[i8],
    block: impl Fn(&Line, [*const i8; 2], [*mut i8; 2]) -> u64,
) -> KernelResult {
    let length = values.len();
    let Some(line) = Line::new(p, 1).filter(|_| place < 2 && other.len() == length) else {
        return reference::add_in_place::run(p, place, values, other);
    };
    let output = values.as_mut_ptr();
    let inputs = if place == 0 { [output.cast_const(), other.as_ptr()] } else { [other.as_ptr(), output.cast_const()] };
    // SAFETY: slices of one length; one input is the output, the other apart from it.
    unsafe { blocks::<N>(p, &line, inputs, output, length, 1, block) };
    Ok(())
}

/// Computes `length` outputs, block by block, the last ones from a copy if there are fewer.
///
/// # Safety
/// The pointers are to as many values; each input is apart from the output, or begins where it does. `block` reads and writes `N`
/// values, all inputs before the first output.
#[inline(always)]
unsafe fn blocks<const N: usize>(
    p: &Sum<'_>,
    line: &Line,
    inputs: [*const i8; 2],
    output: *mut i8,
    length: usize,
    sign: i32,
    block: impl Fn(&Line, [*const i8; 2], [*mut i8; 2]) -> u64,
) {
    let mut spare = [0; N];
    let mut at = 0usize;
    while length.wrapping_sub(at) >= N {
        // SAFETY: `at + N <= length`.
        unsafe {
            let (x, y) = (inputs.map(|input| input.add(at)), output.add(at));
            let close = block(line, x, [y, spare.as_mut_ptr()]);
            if close != 0 {
                settle(p, sign, x.map(|x| x.cast::<[i8; N]>().read()), &mut spare, close);
                y.cast::<[i8; N]>().write(spare);
            }
        }
        at = at.wrapping_add(N);
    }
    let rest = length.wrapping_sub(at);
    if rest > 0 {
        let mut x = [[0i8; N]; 2];
        let mut y = [0i8; N];
        // SAFETY: the rest of the values, fewer than the `N` of each buffer.
        unsafe {
            for (x, input) in x.iter_mut().zip(inputs) {
                x.as_mut_ptr().copy_from_nonoverlapping(input.add(at), rest);
            }
            let to = y.as_mut_ptr();
            let close = block(line, x.each_ref().map(|x| x.as_ptr()), [to, to]);
            settle(p, sign, x, &mut y, close);
            output.add(at).copy_from_nonoverlapping(y.as_ptr(), rest);
        }
    }
}

/// Computes the outputs of the bits `close` as the reference does.
#[cold]
#[inline(never)]
fn settle<const N: usize>(p: &Sum<'_>, sign: i32, [x1, x2]: [[i8; N]; 2], y: &mut [i8; N], mut close: u64) {
    while close != 0 {
        let lane = close.trailing_zeros() as usize;
        y[lane] = exact(p, x1[lane], x2[lane], sign);
        close &= close - 1;
    }
}

/// Returns one output as the reference computes it.
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

    /// Computes a block from two inputs, at the first place, or the second if some outputs are too near to a step: a bit for each.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn block(&self, [x1, x2]: [*const i8; 2], [y, spare]: [*mut i8; 2]) -> u64 {
        let (a, b, c) = (_mm256_set1_epi32(self.a), _mm256_set1_epi32(self.b), _mm256_set1_epi32(self.c));
        let near = _mm256_set1_epi32(self.near);
        let bits = _mm_cvtsi32_si128(self.bits);
        let mut parts = [_mm256_setzero_si256(); 4];
        let mut close = [_mm256_setzero_si256(); 4];
        each!(i < 4 {
            // SAFETY: eight of the 32 values.
            let (x1, x2) = unsafe {
                (_mm_loadl_epi64(x1.add(8 * i).cast()), _mm_loadl_epi64(x2.add(8 * i).cast()))
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
        let any = _mm256_or_si256(_mm256_or_si256(close[0], close[1]), _mm256_or_si256(close[2], close[3]));
        let close = if _mm256_testz_si256(any, any) == 1 { 0 } else { _mm256_movemask_epi8(pack(close)) as u32 };
        // SAFETY: 32 values.
        unsafe { _mm256_storeu_si256(if close == 0 { y } else { spare }.cast(), bounded) };
        close.into()
    }
}
