//! Requantization as a line in floats: `floor(a·scale + addend)`, `a` converted to f32, the rest rounded down once.
//!
//! Three instructions, but floats are not exact: so the packer compares the line with the definition at every step of the output.
//! Both never fall as `a` grows (conversion, multiplication by a positive number, addition and rounding keep the order), so they
//! are equal for every `a` if, for each output value `u` that clamping leaves, both reach `u` at the same least `a`. A sum
//! rounded down is at least the integer `u`, which is a float itself, just where the exact sum is; hence the line reaches `u`
//! between `n - 1` and `n` if and only if `n·scale + addend >= u > (n-1)·scale + addend`: bounds of `addend`, exact in f64.
//!
//! This is the one exception to integers alone. Every instruction has its rounding in itself, so that the control word of a program
//! cannot change a bit; and nothing is denormal, so that its treatment of denormals cannot either: converted integers and scales
//! are normal or zero, and so is a sum of numbers that are multiples of 2^-100 (an addend is zero or at least 2^-60).
//!
//! The definition reaches `u` at the least `n` with `n·m >= N`: floors nest (see [`super`]); `N` follows from the rounding. Where
//! TensorFlow Lite's rounding takes halves of negative values away from zero, the steps of negative accumulators lie elsewhere
//! and have an addend of their own.

use tanbo_quant::{Multiplier, Rounding};

use crate::Output;

/// The line of an output channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub scale: f32,
    /// For accumulators from 0 on, and for negative ones.
    pub addends: [f32; 2],
}

/// What sums in f64 may be off by, where they decide.
const MARGIN: f64 = 1.0 / (1u64 << 40) as f64;

/// Least magnitude of an addend besides zero.
const LEAST: f64 = 1.0 / (1u64 << 60) as f64;

impl Line {
    /// Returns the line for accumulators that come `factor` times as large as the reference has them, where they are `bound` in
    /// magnitude at most; `None` if none was found.
    pub fn new(multiplier: Multiplier, range: &Output, bound: i64, factor: i64) -> Option<Self> {
        let right = -multiplier.shift;
        let most = bound.checked_mul(factor)?;
        let values = range.low.checked_sub(range.zero_point)?..range.high.checked_sub(range.zero_point)?;
        let known = (0..=20).contains(&right) && multiplier.mantissa >= 1 << 30 && most <= i64::from(i32::MAX);
        if !known || values.start < -256 || values.end > 256 {
            return None;
        }
        let real = f64::from(multiplier.mantissa) / (1u64 << (31 + right)) as f64 / factor as f64;
        let nearest = (real as f32).to_bits();
        // A neighbour where the nearest scale leaves no room.
        [0i32, 1, -1, 2, -2].into_iter().find_map(|more| {
            let scale = f32::from_bits(nearest.checked_add_signed(more)?);
            let steps = values.clone().map(|u| (u + 1, first(u + 1, multiplier, range.rounding)));
            Self::with_scale(scale, steps, bound, factor)
        })
    }

    /// Returns the line with a scale, if there is one through all steps: the least accumulator that reaches each output.
    fn with_scale(scale: f32, steps: impl Iterator<Item = (i32, i64)>, bound: i64, factor: i64) -> Option<Self> {
        // Bounds of both addends.
        let mut bounds = [(f64::NEG_INFINITY, f64::INFINITY); 2];
        for (u, n) in steps {
            // 48 bits at most; in the difference, too, as long as that is small.
            let addend = |a: i64| f64::from(u) - f64::from((a * factor) as f32) * f64::from(scale);
            if n <= bound {
                let a = n.max(-bound);
                let low = &mut bounds[usize::from(a < 0)].0;
                *low = low.max(addend(a));
            }
            if n > -bound {
                let a = (n - 1).min(bound);
                let high = &mut bounds[usize::from(a < 0)].1;
                *high = high.min(addend(a));
            }
        }
        let within = |(low, high): (f64, f64)| {
            // Beside a step that is never reached, or always is, there is room.
            let middle = (low.max(high - 1.0) + high.min(low + 1.0)) / 2.0;
            let addend = if middle.is_finite() { middle as f32 } else { 0.5 };
            let value = f64::from(addend);
            let small = value == 0.0 || (LEAST..=2.0).contains(&value.abs());
            (small && low + MARGIN <= value && value < high - MARGIN).then_some(addend)
        };
        let [(low, high), (low_below, high_below)] = bounds;
        let addends = match within((low.max(low_below), high.min(high_below))) {
            Some(addend) => [addend; 2],
            None => [within((low, high))?, within((low_below, high_below))?],
        };
        // So that it never falls at zero either.
        (addends[1] <= addends[0]).then_some(Self { scale, addends })
    }

    /// Returns whether negative accumulators have another addend.
    pub fn bends(&self) -> bool {
        self.addends[0] != self.addends[1]
    }
}

/// Returns the least accumulator that is requantized to `u` above the zero point.
fn first(u: i32, multiplier: Multiplier, rounding: Rounding) -> i64 {
    let (u, right) = (i64::from(u), -multiplier.shift);
    let least = match rounding {
        Rounding::Single => (u << (31 + right)) - (1 << (30 + right)),
        Rounding::Tflite if right == 0 => (u << 31) - (1 << 30),
        Rounding::Tflite => (((u << right) - (1 << (right - 1)) + i64::from(u <= 0)) << 31) - (1 << 30),
    };
    -(-least).div_euclid(multiplier.mantissa.into())
}

#[cfg(test)]
mod tests {
    use tanbo_quant::{Multiplier, Rounding};

    use super::{Line, first};
    use crate::Output;

    /// What the instructions compute: the product is exact in f64, and the sum is not so near to an integer that rounding mattered.
    fn value(line: &Line, a: i64, factor: i64) -> i64 {
        let addend = line.addends[usize::from(a < 0)];
        let sum = f64::from((a * factor) as f32) * f64::from(line.scale) + f64::from(addend);
        let towards_zero = sum as i64;
        towards_zero - i64::from(towards_zero as f64 > sum)
    }

    #[test]
    fn a_line_is_the_definition_at_every_step_and_far_from_them() {
        let mut state = 1u64;
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let mut found = [0; 3];
        for case in 0..6_000 {
            let mantissa = match below(8) {
                0 => 1 << 30,
                1 => i32::MAX,
                _ => (1 << 30) + below(1 << 30) as i32,
            };
            let multiplier = Multiplier { mantissa, shift: -(below(14) as i32) };
            let rounding = [Rounding::Single, Rounding::Tflite][case % 2];
            let zero_point = below(256) as i32 - 128;
            let (low, high) = [(-128, 127), (zero_point, 127), (-100, 90)][below(3) as usize];
            let range = Output { zero_point, low, high, rounding };
            let factor = [1, 576][case / 2 % 2];
            let bound = [3, 700, 300_000, 3_700_000][below(4) as usize];
            let Some(line) = Line::new(multiplier, &range, bound, factor) else {
                found[2] += 1;
                continue;
            };
            found[usize::from(line.bends())] += 1;
            let around = (low - zero_point..=high - zero_point)
                .flat_map(|u| (-2..=2).map(move |more| first(u, multiplier, rounding) + more));
            let ends = [-bound, 1 - bound, -2, -1, 0, 1, 2, bound - 1, bound];
            let others = core::array::from_fn::<i64, 64, _>(|_| below(2 * bound as u64 + 1) as i64 - bound);
            for a in around.chain(ends).chain(others).filter(|a| a.abs() <= bound) {
                let got = (i64::from(zero_point) + value(&line, a, factor)).clamp(low.into(), high.into());
                assert_eq!(
                    got,
                    i64::from(range.requantize(a as i32, multiplier)),
                    "{a}: {line:?} {multiplier:?} {range:?}"
                );
            }
        }
        assert!(found.into_iter().all(|count| count > 30), "straight, bent, none: {found:?}");
    }
}
