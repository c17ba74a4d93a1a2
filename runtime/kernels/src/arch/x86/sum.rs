//! Addition and subtraction of two tensors of one shape, in fixed point with a proof for each output.
//!
//! `t = A·x1 + B·x2 + C` is the exact real result with `F` bits behind the point, within `E`: the roundings of the reference
//! (two inputs, one or two at the end) and of `A` and `B` are bounded beforehand. `t >> F` is the reference's output unless a
//! step of the output lies within `E` of it, which a test of the bits behind the point tells; such an output, about one in ten
//! thousand, is computed again as the reference does. Per 8 outputs 2 loads that widen, 2 multiplications, 2 additions, 1 shift,
//! 2 for the test, 2 to pack.

use core::arch::x86_64::*;

use tanbo_quant::{Multiplier, Rounding};

use crate::{KernelResult, Sum, reference};

/// Outputs at a time.
const BLOCK: usize = 32;

/// Values that a family computes at a time from two inputs, and where they go: pointers move on together.
#[derive(Clone, Copy)]
pub struct Places {
    pub inputs: [*const i8; 2],
    pub output: *mut i8,
}

impl Places {
    /// Returns the places `count` values on.
    #[inline(always)]
    pub fn on(self, count: usize) -> Self {
        Self { inputs: self.inputs.map(|input| input.wrapping_add(count)), output: self.output.wrapping_add(count) }
    }
}

/// Adds; `sign` -1 subtracts.
#[target_feature(enable = "avx2")]
pub fn sum(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8], sign: i32) -> KernelResult {
    apart::<BLOCK>(p, [input1, input2], output, sign, |line, places, spare, count| line.walk(places, spare, count))
}

/// Adds where input `place` lies.
#[target_feature(enable = "avx2")]
pub fn sum_in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    in_place::<BLOCK>(p, place, values, other, |line, places, spare, count| line.walk(places, spare, count))
}

/// Computes all outputs. `walk` computes up to so many blocks of `N` values, at most 64, one after another, but stops at a block of which
/// some outputs are too near to a step: that one it writes to the spare place. It returns the blocks before that one, and a bit
/// for each output that is too near.
#[inline(always)]
pub fn apart<const N: usize>(
    p: &Sum<'_>,
    [input1, input2]: [&[i8]; 2],
    output: &mut [i8],
    sign: i32,
    walk: impl Fn(&Line, Places, &mut [i8; N], usize) -> (usize, u64),
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
    let places = Places { inputs: [input1.as_ptr(), input2.as_ptr()], output: output.as_mut_ptr() };
    // SAFETY: slices of one length, the output apart from the others.
    unsafe { blocks::<N>(p, &line, places, length, sign, walk) };
    Ok(())
}

/// As [`apart`], where input `place` lies.
#[inline(always)]
pub fn in_place<const N: usize>(
    p: &Sum<'_>,
    place: usize,
    values: &mut [i8],
    other: &[i8],
    walk: impl Fn(&Line, Places, &mut [i8; N], usize) -> (usize, u64),
) -> KernelResult {
    let length = values.len();
    let Some(line) = Line::new(p, 1).filter(|_| place < 2 && other.len() == length) else {
        return reference::add_in_place::run(p, place, values, other);
    };
    let output = values.as_mut_ptr();
    let inputs = if place == 0 { [output.cast_const(), other.as_ptr()] } else { [other.as_ptr(), output.cast_const()] };
    // SAFETY: slices of one length; one input is the output, the other apart from it.
    unsafe { blocks::<N>(p, &line, Places { inputs, output }, length, 1, walk) };
    Ok(())
}

/// Computes `length` outputs, block by block, the last ones from a copy if there are fewer.
///
/// # Safety
/// The places have as many values; each input is apart from the output, or begins where it does. `walk` reads and writes the blocks it
/// is told to, all inputs of one before its first output.
#[inline(always)]
unsafe fn blocks<const N: usize>(
    p: &Sum<'_>,
    line: &Line,
    mut places: Places,
    length: usize,
    sign: i32,
    walk: impl Fn(&Line, Places, &mut [i8; N], usize) -> (usize, u64),
) {
    let mut spare = [0; N];
    let mut left = length / N;
    while left > 0 {
        let (done, close) = walk(line, places, &mut spare, left);
        places = places.on(done.wrapping_mul(N));
        left = left.wrapping_sub(done);
        if close != 0 {
            // SAFETY: a block is left.
            unsafe {
                settle(p, sign, places.inputs.map(|input| input.cast::<[i8; N]>().read()), &mut spare, close);
                places.output.cast::<[i8; N]>().write(spare);
            }
            places = places.on(N);
            left = left.wrapping_sub(1);
        }
    }
    let rest = length % N;
    if rest > 0 {
        let mut x = [[0i8; N]; 2];
        let mut y = [0i8; N];
        let inputs = x.each_ref().map(|x| x.as_ptr());
        // SAFETY: the rest of the values, fewer than the `N` of each buffer.
        unsafe {
            for (x, input) in x.iter_mut().zip(places.inputs) {
                x.as_mut_ptr().copy_from_nonoverlapping(input, rest);
            }
            let (done, close) = walk(line, Places { inputs, output: y.as_mut_ptr() }, &mut spare, 1);
            if done == 0 {
                settle(p, sign, x, &mut spare, close);
                y = spare;
            }
            places.output.copy_from_nonoverlapping(y.as_ptr(), rest);
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

/// What [`taken_apart`] divides by: a byte beside itself is its 257 times.
pub const PART: i32 = 257;

/// Returns the nearest integer that [`taken_apart`] takes, or one beside it.
fn nearest(x: f64) -> i32 {
    let a = (x + 0.5).floor() as i32;
    if a.rem_euclid(PART) == 128 { a - 1 } else { a }
}

/// Returns `a` as `[h, l]`, an int16 and an int8 with `a = 257·h + l`.
pub fn taken_apart(a: i32) -> [i32; 2] {
    let h = (a + 128).div_euclid(PART);
    [h, a - PART * h]
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
        // With a bit for the sign, and nothing wraps.
        let mut bits = 23;
        while (a + b) * 255.0 + 131.0 >= f64::from(1 << (31 - bits)) {
            bits -= 1;
            if bits < 14 {
                return None;
            }
        }
        let point = f64::from(1 << bits);
        let factors = [a * point, f64::from(sign) * b * point];
        let [a, b] = factors.map(nearest);
        let off = (f64::from(a) - factors[0]).abs() + (f64::from(b) - factors[1]).abs();
        // Each input is off by less than 1, the two roundings at the end by half of their unit; A and B times 128 at most, C,
        // and what f64 may round.
        let roundings = match p.range.rounding {
            Rounding::Single => 1.0,
            Rounding::Tflite => 2.0,
        };
        let reference = (roundings * unit + 1.0 / f64::from(1 << -p.multiplier.shift)) * point;
        let error = i32::try_from(((reference + 128.0 * off) as u32 + 4).checked_next_power_of_two()?).ok()?;
        let near = (1i32 << bits).checked_sub(error.checked_mul(2)?)?;
        if near <= 0 {
            return None;
        }
        let [z1, z2] = p.zero_points.map(f64::from);
        let c = (f64::from(p.range.zero_point) + 0.5) * point + f64::from(error) - factors[0] * z1 - factors[1] * z2;
        // Of 33 bits at most; what wraps here wraps back in the sum.
        let c = c as i64 as i32;
        Some(Self { a, b, c, bits, near, low: low.into(), high: high.into() })
    }

    /// Computes blocks: see [`apart`].
    #[target_feature(enable = "avx2")]
    #[inline]
    fn walk(&self, places: Places, spare: &mut [i8; BLOCK], count: usize) -> (usize, u64) {
        let (a, b, c) = (_mm256_set1_epi32(self.a), _mm256_set1_epi32(self.b), _mm256_set1_epi32(self.c));
        let near = _mm256_set1_epi32(self.near);
        let bits = _mm_cvtsi32_si128(self.bits);
        let (least, most) = (_mm256_set1_epi8(self.low as i8), _mm256_set1_epi8(self.high as i8));
        let pack = |v: [__m256i; 4]| {
            let words = [_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3])];
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words[0], words[1]), order)
        };
        for done in 0..count {
            let Places { inputs: [x1, x2], output } = places.on(done.wrapping_mul(BLOCK));
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
            let bytes = _mm256_min_epi8(_mm256_max_epi8(pack(parts), least), most);
            let any = _mm256_or_si256(_mm256_or_si256(close[0], close[1]), _mm256_or_si256(close[2], close[3]));
            if _mm256_testz_si256(any, any) == 0 {
                // SAFETY: 32 values.
                unsafe { _mm256_storeu_si256(spare.as_mut_ptr().cast(), bytes) };
                return (done, (_mm256_movemask_epi8(pack(close)) as u32).into());
            }
            // SAFETY: 32 values.
            unsafe { _mm256_storeu_si256(output.cast(), bytes) };
        }
        (count, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{PART, nearest, taken_apart};

    #[test]
    fn factors_come_apart_into_an_int16_and_an_int8() {
        for a in (-70_000..=70_000).chain(8_410_000..=8_421_000).chain(-8_421_000..=-8_410_000) {
            let near = nearest(f64::from(a));
            assert!((a - 1..=a).contains(&near), "{a}: {near}");
            let [h, l] = taken_apart(near);
            assert_eq!(PART * h + l, near);
            assert!(i16::try_from(h).is_ok() && i8::try_from(l).is_ok(), "{a}: {h}, {l}");
        }
    }
}
