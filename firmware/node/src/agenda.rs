//! Who waits for what, so that one place can sleep for all.

use core::cell::Cell;
use core::future::poll_fn;
use core::task::Poll;

use tanbo_board_api::{Depth, WakeCause, WakeMask};

use crate::plan::{BUSY, Pause, Wait};

/// What a task waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    what: &'static str,
    deadline_us: u64,
    depth: Depth,
    wake: WakeMask,
}

impl Ask {
    /// Sampling's `wait`, until `deadline_us`.
    pub fn sampling(wait: &Wait, deadline_us: u64) -> Self {
        Self { what: wait.what, deadline_us, depth: wait.depth, wake: wait.wake }
    }

    /// The uplink's `pause`, until `deadline_us`.
    pub fn uplink(pause: &Pause, deadline_us: u64) -> Self {
        Self { what: pause.what, deadline_us, depth: pause.depth, wake: pause.wake }
    }

    fn ended_by(&self, cause: Option<WakeCause>) -> bool {
        match cause {
            None | Some(WakeCause::Deadline) => false,
            Some(WakeCause::Sensor) => self.wake.has(WakeMask::SENSOR),
            Some(WakeCause::Uplink) => self.wake.has(WakeMask::UPLINK),
            Some(WakeCause::Button) => self.wake.has(WakeMask::BUTTON),
        }
    }
}

/// One task. Without an ask it is busy: the interrupt of a device will wake it, which needs its clocks.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    ask: Cell<Option<Ask>>,
    /// Told to go on before its wait ends.
    called: Cell<bool>,
    /// Has waited in order since the watchdog was fed.
    alive: Cell<bool>,
    /// What ended the last sleep, while the tasks go on.
    cause: Cell<Option<WakeCause>>,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its deadline passed.
    Deadline,
    /// Something in its mask.
    Woken,
    /// The other task called.
    Called,
}

/// Takes a wait back, however it ends.
struct Withdraw<'a>(&'a Cell<Option<Ask>>);

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl Lane {
    /// Waits as `ask` says.
    pub async fn wait(&self, ask: Ask, now_us: impl Fn() -> u64) -> End {
        let _withdraw = Withdraw(&self.ask);
        let mut asked = false;
        poll_fn(|_| self.look(&ask, core::mem::replace(&mut asked, true), now_us())).await
    }

    /// Whether the wait is over; it goes on as `ask` says if not. One for all tasks, in no future.
    #[inline(never)]
    fn look(&self, ask: &Ask, asked: bool, now_us: u64) -> Poll<End> {
        self.alive.set(true);
        let end = if self.called.take() {
            End::Called
        } else if asked && ask.ended_by(self.cause.get()) {
            End::Woken
        } else if now_us >= ask.deadline_us {
            End::Deadline
        } else {
            self.ask.set(Some(*ask));
            return Poll::Pending;
        };
        Poll::Ready(end)
    }

    /// Ends the wait of this task, or its next one.
    pub fn call(&self) {
        self.called.set(true);
    }
}

/// What all wait for together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    pub sampling: &'static str,
    pub uplink: &'static str,
    pub deadline_us: u64,
    pub depth: Depth,
    pub wake: WakeMask,
}

/// All tasks.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// Sensors, detector, pump.
    pub sampling: Lane,
    /// Frames.
    pub uplink: Lane,
}

impl Agenda {
    /// Says what ended the last sleep; `None` once the tasks have seen it.
    pub fn woken_by(&self, cause: Option<WakeCause>) {
        self.sampling.cause.set(cause);
        self.uplink.cause.set(cause);
    }

    /// Returns whether a task that waits was called: then nobody sleeps.
    pub fn called(&self) -> bool {
        [&self.sampling, &self.uplink].iter().any(|lane| lane.called.get() && lane.ask.get().is_some())
    }

    /// Returns whether all tasks have waited in order since the last time, and begins anew if so.
    pub fn all_alive(&self) -> bool {
        let all = self.sampling.alive.get() && self.uplink.alive.get();
        if all {
            self.sampling.alive.set(false);
            self.uplink.alive.set(false);
        }
        all
    }

    /// Returns what all wait for.
    pub fn joined(&self, now_us: u64) -> Joined {
        let busy = Ask::uplink(&BUSY, after_ms(now_us, BUSY.longest_ms));
        let sampling = self.sampling.ask.get().unwrap_or(busy);
        let uplink = self.uplink.ask.get().unwrap_or(busy);
        Joined {
            sampling: sampling.what,
            uplink: uplink.what,
            deadline_us: sampling.deadline_us.min(uplink.deadline_us),
            depth: sampling.depth.min(uplink.depth),
            wake: sampling.wake.or(uplink.wake),
        }
    }
}

/// Returns the time `ms` after `now_us`.
pub(crate) fn after_ms(now_us: u64, ms: u32) -> u64 {
    now_us.saturating_add(u64::from(ms) * 1000)
}

/// Returns the turn after the one of `turn_us`: `s` later, or as long after `now_us` where turns were missed.
pub(crate) fn following(turn_us: u64, now_us: u64, s: u32) -> u64 {
    let next_us = after_s(turn_us, s);
    if next_us > now_us { next_us } else { after_s(now_us, s) }
}

/// Returns the time `s` after `now_us`.
pub(crate) fn after_s(now_us: u64, s: u32) -> u64 {
    now_us.saturating_add(u64::from(s) * 1_000_000)
}
