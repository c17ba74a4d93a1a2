//! Where the world's time comes from: the emulator counts instructions; a desktop takes no time to compute.

pub use imp::Machine;

/// Ticks in a microsecond.
pub const TICKS_PER_US: u64 = 25;

#[cfg(target_os = "none")]
mod imp {
    use core::cell::Cell;
    use tanbo_emulated::cmsdk::Timer;
    use tanbo_emulated::count::left_out;

    /// The emulated core and its timers.
    pub struct Machine {
        timer: Timer,
        /// Ticks that went by in the simulation itself.
        outside: Cell<u64>,
        /// What the ticks are while the simulation runs.
        frozen: Cell<Option<u64>>,
    }

    impl Machine {
        pub fn new(timer: Timer) -> Self {
            Self { timer, outside: Cell::new(0), frozen: Cell::new(None) }
        }

        /// Returns the ticks of the world since the start.
        pub fn ticks(&self) -> u64 {
            self.frozen.get().unwrap_or_else(|| self.timer.ticks() - self.outside.get())
        }

        /// Runs a part of the simulation: no time goes by in the world.
        pub fn outside<R>(&self, simulate: impl FnOnce() -> R) -> R {
            if self.frozen.get().is_some() {
                return simulate();
            }
            let ticks = self.ticks();
            self.frozen.set(Some(ticks));
            // What the simulation takes is another time's: it reads pipes.
            let result = left_out(|| {
                let result = simulate();
                self.timer.align();
                result
            });
            self.frozen.set(None);
            self.outside.set(self.timer.ticks() - ticks);
            result
        }

        /// Waits for an interrupt until `tick`; at once if it has passed.
        pub fn wait_until(&self, tick: u64) {
            self.timer.wait_until_tick(tick.saturating_add(self.outside.get()), false);
        }
    }
}

#[cfg(not(target_os = "none"))]
mod imp {
    use core::cell::Cell;

    /// No core: time goes by while the node waits.
    #[derive(Default)]
    pub struct Machine {
        ticks: Cell<u64>,
    }

    impl Machine {
        /// Returns the ticks of the world since the start.
        pub fn ticks(&self) -> u64 {
            self.ticks.get()
        }

        /// Runs a part of the simulation.
        pub fn outside<R>(&self, simulate: impl FnOnce() -> R) -> R {
            simulate()
        }

        /// Goes on at `tick`; at once if it has passed.
        pub fn wait_until(&self, tick: u64) {
            self.ticks.set(tick.max(self.ticks.get()));
        }
    }
}
