//! Time by embassy-time's counter, which runs through sleep on every board.

use embassy_time::{Instant, TICK_HZ};
use tanbo_board_api::clock::scaled;
use tanbo_board_api::{Clock, Discipline, Reference, Utc};

/// A clock on embassy-time.
#[derive(Debug)]
pub struct TickClock {
    discipline: Discipline,
}

impl TickClock {
    /// Returns the clock of a crystal with that tolerance, parts per billion.
    pub const fn new(tolerance_ppb: u32) -> Self {
        Self { discipline: Discipline::new(tolerance_ppb) }
    }
}

impl Clock for TickClock {
    fn now_us(&self) -> u64 {
        Instant::now().as_micros()
    }

    fn utc_at(&self, at_us: u64) -> Option<Utc> {
        self.discipline.utc_at(at_us)
    }

    fn discipline(&mut self, reference: Reference) {
        self.discipline.discipline(reference);
    }
}

/// Returns the first tick at which the clock shows `us` or more: embassy-time itself rounds down, and would wake too early.
pub(crate) fn instant(us: u64) -> Instant {
    Instant::from_ticks(ticks(us, TICK_HZ as u32))
}

fn ticks(us: u64, hz: u32) -> u64 {
    const US: u32 = 1_000_000;
    let left = us % u64::from(US) * u64::from(hz) % u64::from(US);
    scaled(us, hz, US).saturating_add(u64::from(left > 0))
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn no_tick_is_before_its_time() {
        for hz in [32_768, 1_000_000] {
            for us in [0, 1, 30, 31, 999_999, 1_000_000, 86_400_000_001, u64::MAX / 1_000_000] {
                let shows = |ticks: u64| (u128::from(ticks) * 1_000_000 / u128::from(hz)) as u64;
                assert!(shows(ticks(us, hz)) >= us, "{us}");
                assert!(us == 0 || shows(ticks(us, hz) - 1) < us, "{us}");
            }
        }
        assert_eq!(ticks(u64::MAX, 1_000_000_000), u64::MAX);
    }
}
