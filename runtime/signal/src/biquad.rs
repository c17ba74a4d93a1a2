//! Band-pass filter of the filter bank.

use crate::front_end::{Band, COEFFICIENT_SHIFT, MAX_SECTIONS};

/// Fraction bits of the samples inside the filters, against rounding noise at low frequencies.
pub(crate) const FRACTION_BITS: u32 = 5;

/// Filter outputs saturate at ±2²⁹, that is 2²⁴ mGal.
const LIMIT: i32 = 1 << 29;

/// The last two values of a signal, newest first, with [`FRACTION_BITS`].
pub(crate) type History = [i32; 2];

pub(crate) fn remember(history: &mut History, value: i32) {
    *history = [value, history[0]];
}

/// Size of a filter's output in mGal, without the fraction bits, which are rounded half up. At most 2²⁴, so that the energies of a
/// hop of three axes stay below 2⁵⁵.
fn size_of(filtered: i32) -> i64 {
    ((filtered + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS).into()
}

/// Energy of a filter's output, mGal².
pub(crate) fn energy_of(filtered: i32) -> u64 {
    (size_of(filtered) * size_of(filtered)).cast_unsigned()
}

/// One axis of one band: equal sections in series, each
/// `y[n] = floor((gain·(x[n] − x[n−2]) + feedback[0]·y[n−1] + feedback[1]·y[n−2]) / 2^29)`, saturated to ±2²⁹.
///
/// With |x| ≤ 2²⁹ and the coefficient bounds that `FrontEnd::validate` checks (|coefficient| ≤ 2³⁰) the i64 sum stays
/// below 2⁶².
#[derive(Clone, Copy, Default)]
pub(crate) struct BandPass {
    outputs: [History; MAX_SECTIONS],
}

impl BandPass {
    /// Returns the band's output for `input`; `inputs` holds the two samples before it.
    pub(crate) fn push(&mut self, band: &Band, sections: u8, input: i32, inputs: History) -> i32 {
        let mut values = [input];
        self.run(band, sections, &mut values, inputs);
        let [output] = values;
        output
    }

    /// Puts the band's outputs in the place of its inputs, sample after sample; `inputs` holds the two samples before them.
    ///
    /// Section after section, so that a core keeps coefficients and history in registers.
    pub(crate) fn run(&mut self, band: &Band, sections: u8, values: &mut [i32], inputs: History) {
        let Band { gain, feedback: [first, second] } = *band;
        let mut before = inputs;
        for history in self.outputs.iter_mut().take(usize::from(sections)) {
            let ([mut x1, mut x2], [mut y1, mut y2]) = (before, *history);
            before = *history;
            for value in values.iter_mut() {
                // Both are at most 2²⁹ in size, so their difference is an i32.
                let sum = i64::from(gain) * i64::from(*value - x2)
                    + i64::from(first) * i64::from(y1)
                    + i64::from(second) * i64::from(y2);
                (x1, x2) = (*value, x1);
                (y1, y2) = (saturated(sum), y1);
                *value = y1;
            }
            *history = [y1, y2];
        }
    }
}

/// Returns `floor(sum / 2^29)`, saturated to ±2²⁹, which the upper half of the sum tells.
fn saturated(sum: i64) -> i32 {
    const REACHED: i32 = 1 << (29 + COEFFICIENT_SHIFT - 32);
    match (sum >> 32) as i32 {
        REACHED.. => LIMIT,
        upper if upper < -REACHED => -LIMIT,
        _ => (sum >> COEFFICIENT_SHIFT) as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The band 1–2 Hz at 31.25 Hz.
    const BAND: Band = Band { gain: 48_785_000, feedback: [930_000_000, -439_300_912] };

    fn response(hz: f64, sections: u8) -> f64 {
        let mut filter = BandPass::default();
        let (mut inputs, mut peak) = ([0, 0], 0);
        for n in 0..4000 {
            let x = (f64::from(1 << 20) * (core::f64::consts::TAU * hz * f64::from(n) / 31.25).sin()) as i32;
            let y = filter.push(&BAND, sections, x, inputs);
            remember(&mut inputs, x);
            if n > 2000 {
                peak = peak.max(y.abs());
            }
        }
        f64::from(peak) / f64::from(1 << 20)
    }

    #[test]
    fn passes_its_band_and_damps_the_rest() {
        for (sections, far) in [(1, 0.25), (2, 0.07)] {
            assert!(response(0.1, sections) < far);
            assert!(response(12.0, sections) < far);
        }
        let best = (10..80).map(|tenths| response(f64::from(tenths) / 20.0, 1)).fold(0.0, f64::max);
        assert!((0.9..1.1).contains(&best), "peak gain {best}");
    }

    #[test]
    fn saturates_as_a_clamp_of_the_whole_quotient() {
        let edges = [0, 1, 1 << 28, 1 << 29, 1 << 32, 1 << 57, 1 << 58, 1 << 59, 1 << 61];
        for edge in edges.into_iter().flat_map(|edge: i64| [edge, -edge]) {
            for sum in (-3..=3).chain([-(1 << 29), 1 << 29]).map(|near| edge + near) {
                let clamped = (sum >> COEFFICIENT_SHIFT).clamp((-LIMIT).into(), LIMIT.into());
                assert_eq!(i64::from(saturated(sum)), clamped, "{sum}");
            }
        }
    }

    #[test]
    fn blocks_of_any_length_give_the_same_outputs() {
        let mut state = 7u32;
        let inputs: Vec<i32> = (0..500)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.cast_signed() >> (2 + state % 13)
            })
            .collect();
        for sections in [1, 2] {
            let (mut one, mut before) = (BandPass::default(), [0, 0]);
            let expected: Vec<i32> = inputs
                .iter()
                .map(|input| {
                    let output = one.push(&BAND, sections, *input, before);
                    remember(&mut before, *input);
                    output
                })
                .collect();
            for length in [1, 2, 3, 8, 32, 500] {
                let (mut many, mut before, mut outputs) = (BandPass::default(), [0, 0], inputs.clone());
                for (block, own) in outputs.chunks_mut(length).zip(inputs.chunks(length)) {
                    many.run(&BAND, sections, block, before);
                    own.iter().for_each(|input| remember(&mut before, *input));
                }
                assert_eq!(outputs, expected, "{sections} sections, blocks of {length}");
            }
        }
    }

    #[test]
    fn saturates_instead_of_wrapping() {
        let wild = Band { gain: 1 << 30, feedback: [1 << 30, 1 << 30] };
        let (mut filter, mut inputs) = (BandPass::default(), [0, 0]);
        for n in 0..200 {
            let x = if (n / 2) % 2 == 0 { 1 << 29 } else { -(1 << 29) };
            let y = filter.push(&wild, 2, x, inputs);
            assert!(y.abs() <= 1 << 29);
            remember(&mut inputs, x);
        }
    }
}
