//! Time by the board's 25 MHz.

use tanbo_board_api::{Clock, Discipline, Reference, Utc};
use tanbo_emulated::cmsdk::Timer;

/// The MPS2's oscillator is a crystal; QEMU's is exact.
const TOLERANCE_PPB: u32 = 50_000;

/// The board's clock.
#[derive(Debug)]
pub struct Mps2Clock {
    timer: &'static Timer,
    discipline: Discipline,
}

impl Mps2Clock {
    pub(super) fn new(timer: &'static Timer) -> Self {
        Self { timer, discipline: Discipline::new(TOLERANCE_PPB) }
    }
}

impl Clock for Mps2Clock {
    fn now_us(&self) -> u64 {
        self.timer.now_us()
    }

    fn utc_at(&self, at_us: u64) -> Option<Utc> {
        self.discipline.utc_at(at_us)
    }

    fn discipline(&mut self, reference: Reference) {
        self.discipline.discipline(reference);
    }
}
