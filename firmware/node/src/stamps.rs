//! Times of the readings in a FIFO.

/// From bursts and the times at which they were read to the time of each reading.
///
/// Readings are a period apart, and the newest of a FIFO that was read until it is empty is less than a period old. Where both cannot
/// hold, the sensor's clock and the board's differ: the times follow the board's. By more than [`GAP_PERIODS`] readings are missing.
/// Only after a start the times of what is read before the FIFO is empty are too late, by what is left in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    period_ns: u64,
    /// Time of the newest reading.
    newest_ns: Option<u64>,
}

/// Periods that the newest reading may be older than it should be before readings are missing: reading a FIFO takes time, and what
/// came meanwhile is in the next burst.
const GAP_PERIODS: u64 = 3;

impl Stamps {
    /// Returns the times of a sensor with a reading each `period_ns`, 1 and more.
    pub fn new(period_ns: u64) -> Self {
        Self { period_ns: period_ns.max(1), newest_ns: None }
    }

    /// Readings before the next ones are missing.
    pub fn restart(&mut self) {
        self.newest_ns = None;
    }

    /// Takes the number of readings that were read at `now_us`, and whether the FIFO is empty now; returns the time of the first of
    /// them, ns, and whether readings before it are missing.
    pub fn burst(&mut self, now_us: u64, readings: u64, empty: bool) -> (u64, bool) {
        let now_ns = now_us.saturating_mul(1000);
        let span_ns = self.period_ns.saturating_mul(readings);
        let oldest_ns = now_ns.saturating_sub(self.period_ns.saturating_mul(GAP_PERIODS));
        let expected_ns = self.newest_ns.map(|newest_ns| newest_ns.saturating_add(span_ns));
        let gap = empty && expected_ns.is_some_and(|expected_ns| expected_ns < oldest_ns);
        let newest_ns = match expected_ns {
            Some(expected_ns) if !empty => expected_ns,
            Some(expected_ns) if !gap => expected_ns.clamp(now_ns.saturating_sub(self.period_ns), now_ns),
            _ => now_ns,
        };
        self.newest_ns = Some(newest_ns);
        (newest_ns.saturating_sub(span_ns.saturating_sub(self.period_ns)), gap)
    }

    /// Returns the time of the reading `number` after that of `first_ns`, µs.
    pub fn time_us(&self, first_ns: u64, number: u64) -> u64 {
        first_ns.saturating_add(self.period_ns.saturating_mul(number)) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_sensor_keeps_its_times_however_late_it_is_read() {
        let mut stamps = Stamps::new(32_000_000);
        let mut read = 0;
        for late_us in [0, 900, 31_000, 0, 65_000, 12] {
            let now_us = (read + 32) * 32_000 + late_us;
            let there = now_us / 32_000 - read;
            let (first_ns, gap) = stamps.burst(now_us, there, true);
            assert_eq!((first_ns, gap), ((read + 1) * 32_000_000, false), "{late_us}");
            assert_eq!(stamps.time_us(first_ns, 31), (read + 32) * 32_000);
            read += there;
        }
    }

    #[test]
    fn a_fast_or_slow_sensor_is_followed_and_a_gap_is_found() {
        // 3 % fast, then 3 % slow.
        for actual_ns in [31_040_000, 32_960_000] {
            let mut stamps = Stamps::new(32_000_000);
            for burst in 1..1000 {
                let newest_ns = burst * 32 * actual_ns;
                let (first_ns, gap) = stamps.burst(newest_ns / 1000, 32, true);
                let told_ns = first_ns + 31 * 32_000_000;
                assert!(!gap && told_ns.abs_diff(newest_ns) <= 32_000_000, "{burst}");
            }
        }
        let mut stamps = Stamps::new(32_000_000);
        stamps.burst(1_024_000, 32, true);
        let (first_ns, gap) = stamps.burst(9_024_000, 32, true);
        assert_eq!((first_ns, gap), (9_024_000_000 - 31 * 32_000_000, true));
        stamps.restart();
        assert_eq!(stamps.burst(20_000_000, 1, true), (20_000_000_000, false));
        // In two parts.
        assert_eq!(stamps.burst(21_024_000, 20, false), (20_032_000_000, false));
        assert_eq!(stamps.burst(21_024_000, 12, true), (20_672_000_000, false));
    }
}
