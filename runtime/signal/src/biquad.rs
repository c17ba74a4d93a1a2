//! Band-pass filter of the filter bank.

use crate::front_end::{Band, COEFFICIENT_SHIFT, MAX_SECTIONS};

/// Fraction bits of the samples inside the filters, against rounding noise at low frequencies.
pub(crate) const FRACTION_BITS: u32 = 5;

/// Filter outputs saturate at ±2²⁹, that is 2²⁴ mGal.
const LIMIT: i64 = 1 << 29;

/// The last two values of a signal, newest first, with [`FRACTION_BITS`].
pub(crate) type History = [i32; 2];

pub(crate) fn remember(history: &mut History, value: i32) {
    *history = [value, history[0]];
}

/// Energy of a filter's output, mGal²: its square without the fraction bits, which are rounded half up. At most 2⁴⁸, so that
/// a hop of three axes stays below 2⁵⁵.
pub(crate) fn energy_of(filtered: i32) -> u64 {
    let size = ((filtered + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS).unsigned_abs();
    u64::from(size) * u64::from(size)
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
        let (mut value, mut before) = (input, inputs);
        for history in self.outputs.iter_mut().take(usize::from(sections)) {
            // Both are at most 2²⁹ in size, so their difference is an i32.
            let sum = i64::from(band.gain) * i64::from(value - before[1])
                + i64::from(band.feedback[0]) * i64::from(history[0])
                + i64::from(band.feedback[1]) * i64::from(history[1]);
            before = *history;
            value = (sum >> COEFFICIENT_SHIFT).clamp(-LIMIT, LIMIT) as i32;
            remember(history, value);
        }
        value
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
