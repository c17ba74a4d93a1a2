//! Time: since the start, and of the world.

/// Where a time comes from, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeSource {
    /// From a reference that has been away for more than [`HOLDOVER_US`].
    Holdover,
    /// From the network.
    Network,
    /// From a pulse per second.
    Pps,
}

/// Time without a reference after which a source is only remembered: 6 h.
pub const HOLDOVER_US: u64 = 6 * 3600 * 1_000_000;

/// The time of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// µs since the Unix epoch.
    pub unix_us: u64,
    /// Greatest error, µs, if the references told the truth about theirs.
    pub error_us: u32,
    /// Where it comes from.
    pub source: TimeSource,
}

/// What a pulse or the network says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// When, by [`Clock::now_us`].
    pub at_us: u64,
    /// What time that was, µs since the Unix epoch.
    pub unix_us: u64,
    /// Greatest error, µs: for the network half of the round trip.
    pub error_us: u32,
    /// [`TimeSource::Network`] or [`TimeSource::Pps`].
    pub source: TimeSource,
}

/// A board's clock.
pub trait Clock {
    /// Returns the time since the start, µs. Runs through every sleep but [`Depth::Standby`](crate::Depth::Standby), never backwards.
    fn now_us(&self) -> u64;

    /// Returns what the time of the world was at `at_us`, or will be; `None` before the first reference.
    fn utc_at(&self, at_us: u64) -> Option<Utc>;

    /// Takes a reference. One that contradicts the clock is not believed until others say the same.
    fn discipline(&mut self, reference: Reference);

    /// Returns the time of the world.
    fn utc(&self) -> Option<Utc> {
        self.utc_at(self.now_us())
    }
}

/// References in a row that must agree with each other before a clock that contradicts them gives in: of sixteen stations in the
/// field, two were half an hour wrong, so that one voice is not enough either way.
const AGREEING: u8 = 3;

/// Change of the crystal's rate within a day that no reference shows, parts per billion: a tuning fork at −0.034 ppm/K² is 7.7 ppm
/// slow 15 K from its turning point.
const DRIFT_PPB: u32 = 8_000;

/// Baseline after which the rate is measured anew: seasons change it by more than [`DRIFT_PPB`].
const DAY_US: u64 = 24 * 3600 * 1_000_000;

/// The part of a [`Clock`] that is the same on every board: from a counter and references to UTC.
///
/// It keeps the best reference, the crystal's rate as references show it, and bounds of both errors. The reported error is a
/// bound, not an estimate: it holds as long as references are no worse than they say and the crystal no worse than its tolerance.
#[derive(Clone, Copy, Debug)]
pub struct Discipline {
    fix: Option<Fix>,
    /// Where the rate is measured from.
    anchor: Option<Reference>,
    /// What the crystal is slow by, parts per billion.
    rate_ppb: i32,
    rate_error_ppb: u32,
    tolerance_ppb: u32,
    /// The last reference that was not believed, and how many in a row agreed.
    doubted: Option<(Reference, u8)>,
}

#[derive(Clone, Copy, Debug)]
struct Fix {
    reference: Reference,
    /// Error at the time of the reference, µs.
    error_us: u64,
}

impl Discipline {
    /// Returns a clock that knows nothing but its crystal's tolerance, parts per billion: 20 ppm are 20,000.
    pub const fn new(tolerance_ppb: u32) -> Self {
        Self { fix: None, anchor: None, rate_ppb: 0, rate_error_ppb: tolerance_ppb, tolerance_ppb, doubted: None }
    }

    /// Returns the rate that was found, and its error, parts per billion: positive where the crystal is slow.
    pub fn rate_ppb(&self) -> (i32, u32) {
        (self.rate_ppb, self.rate_error_ppb)
    }

    /// As [`Clock::utc_at`].
    // Where it were inlined it would be there several times.
    #[inline(never)]
    pub fn utc_at(&self, at_us: u64) -> Option<Utc> {
        let Fix { reference, error_us } = self.fix?;
        let away = at_us.abs_diff(reference.at_us);
        let drift = scaled(away, self.rate_ppb.unsigned_abs(), BILLION);
        let away_unix = if self.rate_ppb < 0 { away.saturating_sub(drift) } else { away.saturating_add(drift) };
        let later = at_us >= reference.at_us;
        let unix_us = reference.unix_us;
        let error_us = scaled(away, self.rate_error_ppb, BILLION).saturating_add(error_us + 1);
        let old = later && away > HOLDOVER_US;
        Some(Utc {
            unix_us: if later { unix_us.saturating_add(away_unix) } else { unix_us.saturating_sub(away_unix) },
            error_us: u32::try_from(error_us).unwrap_or(u32::MAX),
            source: if old { TimeSource::Holdover } else { reference.source },
        })
    }

    /// As [`Clock::discipline`].
    #[inline(never)]
    pub fn discipline(&mut self, reference: Reference) {
        let Some(now) = self.utc_at(reference.at_us) else { return self.adopt(reference, true) };
        if apart(now.unix_us, reference.unix_us) <= u64::from(now.error_us) + u64::from(reference.error_us) {
            self.doubted = None;
            self.measure_rate(reference);
            // The better of what is known and what is heard. The rate may be known better now.
            let kept = self.utc_at(reference.at_us).map_or(u32::MAX, |now| now.error_us);
            if reference.error_us <= kept || now.source == TimeSource::Holdover {
                self.adopt(reference, false);
            }
            return;
        }
        let count = match self.doubted {
            Some((before, count)) if self.agree(before, reference) => count + 1,
            _ => 1,
        };
        self.doubted = Some((reference, count));
        if count >= AGREEING {
            self.rate_ppb = 0;
            self.rate_error_ppb = self.tolerance_ppb;
            self.adopt(reference, true);
        }
    }

    fn adopt(&mut self, reference: Reference, anew: bool) {
        self.fix = Some(Fix { reference, error_us: reference.error_us.into() });
        if anew || self.anchor.is_none() {
            self.anchor = Some(reference);
            self.doubted = None;
        }
    }

    /// Takes the rate from the anchor to `reference` where it is surer than the one known.
    fn measure_rate(&mut self, reference: Reference) {
        let Some(anchor) = self.anchor else { return };
        let Some(ticks) = reference.at_us.checked_sub(anchor.at_us).filter(|ticks| *ticks > 0) else { return };
        let unix_us = anchor.unix_us.saturating_add(ticks);
        // A clock that is hours off has no rate.
        let parts = |us: u64| us.checked_mul(BILLION.into()).map(|us| us / ticks);
        // Both references' errors, and a tick of each reading.
        let unsure = parts(u64::from(anchor.error_us) + u64::from(reference.error_us) + 2);
        let error =
            unsure.and_then(|parts| u32::try_from(parts + 1).ok()).unwrap_or(u32::MAX).saturating_add(DRIFT_PPB);
        let rate = parts(apart(reference.unix_us, unix_us)).and_then(|parts| i32::try_from(parts).ok());
        let renew = ticks >= DAY_US;
        if let Some(rate) = rate
            && error < if renew { self.tolerance_ppb } else { self.rate_error_ppb }
        {
            self.rate_ppb = if reference.unix_us < unix_us { -rate } else { rate };
            self.rate_error_ppb = error;
        }
        if renew {
            self.anchor = Some(reference);
        }
    }

    /// Whether a crystal within its tolerance could have brought one reference to the other.
    fn agree(&self, before: Reference, after: Reference) -> bool {
        let Some(ticks) = after.at_us.checked_sub(before.at_us) else { return false };
        let drift = scaled(ticks, self.tolerance_ppb, BILLION);
        let room = drift.saturating_add(u64::from(before.error_us) + u64::from(after.error_us));
        apart(after.unix_us, before.unix_us.saturating_add(ticks)) <= room
    }
}

const BILLION: u32 = 1_000_000_000;

/// Returns `value · numerator / denominator`, rounded down, saturated. By parts, since a division of 128 bits takes 750 bytes of
/// code on a Cortex-M, each time anew.
///
/// ```
/// use tanbo_board_api::clock::scaled;
/// assert_eq!(scaled(86_400_000_001, 32_768, 1_000_000), 2_831_155_200);
/// ```
#[inline(never)]
pub const fn scaled(value: u64, numerator: u32, denominator: u32) -> u64 {
    let (numerator, denominator) = (numerator as u64, if denominator == 0 { 1 } else { denominator as u64 });
    let whole = (value / denominator).saturating_mul(numerator);
    whole.saturating_add(value % denominator * numerator / denominator)
}

fn apart(a: u64, b: u64) -> u64 {
    a.abs_diff(b)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{DRIFT_PPB, Discipline, HOLDOVER_US, Reference, TimeSource, scaled};
    use proptest::prelude::*;

    const EPOCH_US: u64 = 1_795_796_640_000_000;
    const SECOND_US: u64 = 1_000_000;
    const HOUR_US: u64 = 3600 * SECOND_US;

    /// The true time where a crystal that is slow by `ppb` has counted `at_us`.
    fn truth(at_us: u64, ppb: i64) -> u64 {
        EPOCH_US + (i128::from(at_us) * i128::from(1_000_000_000 + ppb) / 1_000_000_000) as u64
    }

    fn network(at_us: u64, unix_us: u64) -> Reference {
        Reference { at_us, unix_us, error_us: 20_000, source: TimeSource::Network }
    }

    #[test]
    fn without_a_reference_there_is_no_time() {
        assert_eq!(Discipline::new(20_000).utc_at(5), None);
    }

    #[test]
    fn the_rate_is_found_and_holds_through_a_night_without_references() {
        let ppb = -37_000;
        let mut clock = Discipline::new(50_000);
        for hour in 0..48 {
            let at_us = hour * HOUR_US;
            // The network's error swings within its bounds.
            let unix_us = truth(at_us, ppb).saturating_add_signed(if hour % 2 == 0 { 15_000 } else { -15_000 });
            clock.discipline(network(at_us, unix_us));
        }
        let (rate, error) = clock.rate_ppb();
        assert!((rate - ppb as i32).abs() <= 1_000 && error < 2 * DRIFT_PPB, "{rate} {error}");
        let at_us = (47 + 12) * HOUR_US;
        let utc = clock.utc_at(at_us).expect("a time");
        assert_eq!(utc.source, TimeSource::Holdover);
        let wrong = utc.unix_us.abs_diff(truth(at_us, ppb));
        assert!(wrong <= utc.error_us.into() && wrong < 70_000, "{wrong} of {utc:?}");
        // By the tolerance alone it were 1.6 s.
        assert!(utc.error_us < 500_000, "{utc:?}");
    }

    #[test]
    fn one_or_two_voices_half_an_hour_off_are_not_believed_and_three_are() {
        let mut clock = Discipline::new(20_000);
        clock.discipline(network(0, EPOCH_US));
        let off = |at_us: u64| network(at_us, EPOCH_US + at_us + HOUR_US / 2);
        let now = |clock: &Discipline, at_us| clock.utc_at(at_us).map_or(0, |utc| utc.unix_us - at_us - EPOCH_US);
        clock.discipline(off(SECOND_US));
        clock.discipline(off(2 * SECOND_US));
        assert_eq!(now(&clock, 2 * SECOND_US), 0);
        // One that agrees with the clock: the doubt is over.
        clock.discipline(network(3 * SECOND_US, EPOCH_US + 3 * SECOND_US));
        clock.discipline(off(4 * SECOND_US));
        clock.discipline(off(5 * SECOND_US));
        assert_eq!(now(&clock, 5 * SECOND_US), 0);
        // One that contradicts clock and doubt alike.
        clock.discipline(network(6 * SECOND_US, EPOCH_US + 9 * HOUR_US));
        clock.discipline(off(7 * SECOND_US));
        clock.discipline(off(8 * SECOND_US));
        assert_eq!(now(&clock, 8 * SECOND_US), 0);
        clock.discipline(off(9 * SECOND_US));
        assert_eq!(now(&clock, 9 * SECOND_US), HOUR_US / 2);
    }

    #[test]
    fn a_pulse_is_not_given_up_for_the_network() {
        let mut clock = Discipline::new(20_000);
        clock.discipline(Reference { at_us: 0, unix_us: EPOCH_US, error_us: 10, source: TimeSource::Pps });
        clock.discipline(network(60 * SECOND_US, EPOCH_US + 60 * SECOND_US + 19_000));
        let utc = clock.utc_at(60 * SECOND_US).expect("a time");
        assert_eq!((utc.source, utc.unix_us), (TimeSource::Pps, EPOCH_US + 60 * SECOND_US));
        assert_eq!(utc.error_us, 10 + 1 + 1_200);
        clock.discipline(network(HOLDOVER_US + SECOND_US, EPOCH_US + HOLDOVER_US + SECOND_US));
        assert_eq!(clock.utc_at(HOLDOVER_US + SECOND_US).map(|utc| utc.source), Some(TimeSource::Network));
    }

    proptest! {
        #[test]
        fn scaled_is_the_quotient(value: u64, numerator: u32, denominator in 1u32..) {
            let quotient = u128::from(value) * u128::from(numerator) / u128::from(denominator);
            prop_assert_eq!(scaled(value, numerator, denominator), u64::try_from(quotient).unwrap_or(u64::MAX));
        }

        /// Honest references and a crystal within its tolerance: the error told is never exceeded.
        #[test]
        fn the_error_told_is_a_bound(
            ppb in -50_000i64..=50_000,
            steps in proptest::collection::vec((1u64..30 * HOUR_US, 0u32..50_000, -100i64..=100, any::<bool>()), 1..60),
        ) {
            let mut clock = Discipline::new(50_000);
            let mut at_us = 0;
            for (step, error_us, share, pps) in steps {
                at_us += step;
                if let Some(utc) = clock.utc_at(at_us) {
                    let wrong = utc.unix_us.abs_diff(truth(at_us, ppb));
                    prop_assert!(wrong <= utc.error_us.into(), "{} of {:?}", wrong, utc);
                }
                let error_us = if pps { error_us / 1000 } else { error_us };
                let unix_us = truth(at_us, ppb).saturating_add_signed(i64::from(error_us) * share / 100);
                let source = if pps { TimeSource::Pps } else { TimeSource::Network };
                clock.discipline(Reference { at_us, unix_us, error_us, source });
            }
        }

        #[test]
        fn no_reference_makes_it_panic(references in proptest::collection::vec(any::<(u64, u64, u32, bool)>(), 1..20)) {
            let mut clock = Discipline::new(u32::MAX);
            for (at_us, unix_us, error_us, pps) in references {
                let source = if pps { TimeSource::Pps } else { TimeSource::Network };
                clock.discipline(Reference { at_us, unix_us, error_us, source });
                prop_assert!(clock.utc_at(!at_us).is_some());
            }
        }
    }
}
