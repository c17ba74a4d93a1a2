//! Readings on an even grid of times, the newest `N` of them, with holes where they are missing.

/// Stands for a missing reading.
const MISSING: i32 = i32::MIN;
/// Holes beyond which a reading is no longer a neighbour.
const REACH: usize = 4;

/// What readings must be to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plausible {
    pub least: i32,
    pub most: i32,
    /// A reading that stands out from both neighbours, on the same side, by more than this is dropped.
    pub spike: u32,
    /// A reading that repeats this often is a sensor that hangs: all of them are dropped. 0: never.
    pub stuck: u16,
}

/// The newest `N` readings.
#[derive(Clone, Debug)]
pub(crate) struct Series<const N: usize> {
    interval_us: u64,
    plausible: Plausible,
    values: [i32; N],
    /// Time of slot 0, and the slot of the newest reading.
    newest: Option<(u64, u64)>,
    last: i32,
    repeats: u16,
}

impl<const N: usize> Series<N> {
    pub fn new(interval_us: u64, plausible: Plausible) -> Self {
        Self {
            interval_us: interval_us.max(1),
            plausible,
            values: [MISSING; N],
            newest: None,
            last: MISSING,
            repeats: 0,
        }
    }

    /// Drops all readings.
    pub fn clear(&mut self) {
        *self = Self::new(self.interval_us, self.plausible);
    }

    /// Puts a reading (`None`: the sensor gave none) less a `correction` where its time belongs, rounded to the grid; a
    /// second one for the same place replaces the first. A time before the newest clears the series first, as the grid is
    /// lost. Range and repetition are those of the reading itself.
    ///
    /// Returns whether a plausible reading is at lag 0 now.
    pub fn push(&mut self, time_us: u64, reading: Option<i32>, correction: i32) -> bool {
        if self.newest.is_some_and(|(anchor, slot)| self.slot(anchor, time_us).is_none_or(|at| at < slot)) {
            self.clear();
        }
        let (anchor, before) = self.newest.unwrap_or((time_us, 0));
        let slot = self.slot(anchor, time_us).unwrap_or(before);
        for hole in (slot.saturating_sub(N as u64).max(before) + 1)..=slot {
            self.set(hole, MISSING);
        }
        self.newest = Some((anchor, slot));
        let Plausible { least, most, .. } = self.plausible;
        let value = reading.filter(|value| (least..=most).contains(value)).unwrap_or(MISSING);
        let value = self.unless_stuck(value);
        let value = if value == MISSING { MISSING } else { value.saturating_sub(correction).max(MISSING + 1) };
        self.set(slot, value);
        self.drop_spike();
        value != MISSING
    }

    /// Returns the reading `lag` intervals before the newest.
    pub fn value(&self, lag: usize) -> Option<i32> {
        let (_, slot) = self.newest?;
        let at = slot.checked_sub(lag as u64).filter(|_| lag < N)?;
        self.values.get((at % N as u64) as usize).copied().filter(|value| *value != MISSING)
    }

    fn slot(&self, anchor: u64, time_us: u64) -> Option<u64> {
        // Half an interval early is still the same place.
        let since = time_us.checked_add(self.interval_us / 2)?.checked_sub(anchor)?;
        Some(since / self.interval_us)
    }

    fn set(&mut self, slot: u64, value: i32) {
        if let Some(place) = self.values.get_mut((slot % N as u64) as usize) {
            *place = value;
        }
    }

    /// Returns `value`, or nothing where the sensor hangs; then what it said before goes, too.
    fn unless_stuck(&mut self, value: i32) -> i32 {
        self.repeats = if value == self.last && value != MISSING { self.repeats.saturating_add(1) } else { 1 };
        // A missing reading ends a row: then `stuck` places back are the repeated ones.
        self.last = value;
        let stuck = self.plausible.stuck;
        if stuck == 0 || self.repeats < stuck {
            return value;
        }
        if self.repeats == stuck
            && let Some((_, slot)) = self.newest
        {
            for back in 1..u64::from(stuck).min(N as u64).min(slot + 1) {
                self.set(slot - back, MISSING);
            }
        }
        MISSING
    }

    /// Drops the reading before the newest where it stands out from its neighbours, the nearest on each side.
    fn drop_spike(&mut self) {
        let next = |from: usize| (from..=from + REACH).find_map(|lag| Some((lag, self.value(lag)?)));
        let (Some(after), Some((lag, middle))) = (self.value(0), next(1)) else { return };
        let (Some((_, before)), Some((_, slot))) = (next(lag + 1), self.newest) else { return };
        let up = i64::from(middle) - i64::from(before).max(i64::from(after));
        let down = i64::from(before).min(i64::from(after)) - i64::from(middle);
        if up.max(down) > i64::from(self.plausible.spike) {
            self.set(slot.saturating_sub(lag as u64), MISSING);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Plausible = Plausible { least: -10_000, most: 10_000, spike: u32::MAX, stuck: 0 };

    fn values<const N: usize>(series: &Series<N>) -> Vec<Option<i32>> {
        (0..N).map(|lag| series.value(lag)).collect()
    }

    #[test]
    fn times_find_their_places_and_holes_stay() {
        let mut series = Series::<5>::new(60, ALL);
        assert_eq!(values(&series), [None; 5]);
        for (time, value) in [(1000, 1), (1061, 2), (1119, 3), (1300, 6)] {
            assert!(series.push(time, Some(value), 0));
        }
        assert_eq!(values(&series), [Some(6), None, None, Some(3), Some(2)]);
        assert!(!series.push(1360, None, 0));
        assert!(!series.push(1420, Some(10_001), 0));
        assert_eq!(values(&series), [None, None, Some(6), None, None]);
        series.push(1425, Some(9), 0);
        assert_eq!(series.value(0), Some(9), "a second reading for the same place");
        series.push(100_000, Some(1), 0);
        assert_eq!(values(&series), [Some(1), None, None, None, None]);
        series.push(5, Some(2), 0);
        assert_eq!(values(&series), [Some(2), None, None, None, None], "time went back");
    }

    #[test]
    fn spikes_and_hanging_sensors_leave_holes() {
        let mut series = Series::<6>::new(1, Plausible { spike: 10, stuck: 3, ..ALL });
        for (time, value) in [1, 2, 50, 4, 30, 60].into_iter().enumerate() {
            series.push(time as u64, Some(value), 0);
        }
        assert_eq!(
            values(&series),
            [Some(60), Some(30), Some(4), None, Some(2), Some(1)],
            "30 is on the way, 50 is not"
        );
        for time in 6..9 {
            series.push(time, Some(61), 0);
        }
        assert_eq!(values(&series), [None, None, None, Some(60), Some(30), Some(4)]);
        series.push(9, Some(61), 0);
        assert_eq!(series.value(0), None);
        series.push(10, Some(62), 0);
        assert_eq!(series.value(0), Some(62));
    }

    proptest! {
        #[test]
        fn any_times_and_readings(pushes in proptest::collection::vec((any::<u64>(), any::<Option<i32>>()), 0..40), even in any::<bool>()) {
            let mut series = Series::<7>::new(10, Plausible { spike: 3, stuck: 4, ..ALL });
            for (index, (time, value)) in pushes.into_iter().enumerate() {
                let kept = series.push(if even { index as u64 * 10 } else { time }, value, 5);
                prop_assert_eq!(kept, series.value(0).is_some());
                for value in values(&series).into_iter().flatten() {
                    prop_assert!((-10_005..=9_995).contains(&value));
                }
            }
        }
    }
}
