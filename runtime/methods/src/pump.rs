//! A pump or valve, with what must keep it from running.
//!
//! The relay is on only while all of this holds: water is wanted, the level is known, recent and below the stop level, the
//! pump has rested and has not run for too long, the level rises while it runs, and nothing is locked out. Whatever else
//! is the case, it is off. After a reset it is off and rests first, so that a node that restarts in a loop never pumps.

use crate::error::{ParameterError, within};
use crate::paddy::Want;

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// Limits of a pump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pump {
    /// Longest run, s. A longer one locks the pump out. 1 to 86,400.
    pub longest_run_s: u32,
    /// Rest between two runs, and after a reset, s. 1 to 86,400.
    pub rest_s: u32,
    /// Longest time all runs of a day take together, s; at least `longest_run_s`. Days are counted from the reset.
    pub longest_day_s: u32,
    /// Age of a reading beyond which the level is unknown, s. 1 to 86,400.
    pub stale_s: u32,
    /// In this time the level must have risen, s (water has to come from afar). A pump that runs dry is locked out.
    pub proof_s: u32,
    /// By this much, mm; at least 1.
    pub proof_mm: i32,
}

/// Why the relay is off although water is wanted, or because of what it stays off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// No water is wanted.
    Enough,
    /// The level is unknown: no reading, or an old one.
    NoLevel,
    /// It rests, after a run or a reset.
    Rests,
    /// It has run as long as it may in a day.
    DayFull,
    /// Locked out: it ran for the longest time and water was still wanted.
    RanTooLong,
    /// Locked out: it ran and the level did not rise. Dry, broken, or the sensor hangs.
    NoFlow,
    /// Locked out by command.
    Command,
}

impl Off {
    /// Returns whether only [`Controller::unlock`] ends it.
    pub fn locked(self) -> bool {
        matches!(self, Self::RanTooLong | Self::NoFlow | Self::Command)
    }
}

/// What the relay must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// On.
    On,
    /// Off, and why.
    Off(Off),
}

/// What the controller must remember through a reset, in the retained memory or flash of the node.
///
/// Without it the controller still is safe: it starts off, and rests. With it, a reset does not unlock what was locked and
/// does not give a day its time again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Why it was locked out.
    pub locked: Option<Off>,
    /// Time it ran in the current day, s.
    pub day_run_s: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    since_us: u64,
    start_mm: i32,
    proven: bool,
}

/// The state machine. Times are microseconds since the node started.
#[derive(Clone, Debug)]
pub struct Controller {
    pump: Pump,
    run: Option<Run>,
    /// Until then it rests.
    rest_until_us: u64,
    level: Option<(u64, i32)>,
    locked: Option<Off>,
    /// When the day began in which `day_run_us` was run.
    day_since_us: u64,
    day_run_us: u64,
    last_us: u64,
}

impl Controller {
    /// Returns a controller after a reset at `now_us`: off, resting, locked as it was.
    ///
    /// # Errors
    ///
    /// The first limit out of range.
    pub fn new(pump: Pump, now_us: u64, retained: Retained) -> Result<Self, ParameterError> {
        within("longest_run_s", pump.longest_run_s, 1, 86_400)?;
        within("rest_s", pump.rest_s, 1, 86_400)?;
        within("longest_day_s", pump.longest_day_s, pump.longest_run_s, 86_400)?;
        within("stale_s", pump.stale_s, 1, 86_400)?;
        within("proof_s", pump.proof_s, 1, pump.longest_run_s)?;
        within("proof_mm", pump.proof_mm, 1, 1000)?;
        Ok(Self {
            pump,
            run: None,
            rest_until_us: now_us.saturating_add(seconds(pump.rest_s)),
            level: None,
            locked: retained.locked.filter(|off| off.locked()),
            day_since_us: now_us,
            day_run_us: seconds(retained.day_run_s),
            last_us: now_us,
        })
    }

    /// Returns what to keep through a reset.
    pub fn retained(&self) -> Retained {
        let day_run_s = u32::try_from(self.day_run_us.div_ceil(SECOND_US)).unwrap_or(u32::MAX);
        Retained { locked: self.locked, day_run_s }
    }

    /// Takes a reading of the level, or its absence: a sensor that fails stops the pump at once.
    pub fn level(&mut self, now_us: u64, level_mm: Option<i32>) {
        self.level = level_mm.map(|level| (now_us, level));
    }

    /// Locks the pump out, as the gateway's command "safe state" asks.
    pub fn lock(&mut self) {
        self.locked = self.locked.or(Some(Off::Command));
    }

    /// Ends a lock-out: somebody has looked at the pump. It rests first.
    pub fn unlock(&mut self, now_us: u64) {
        self.locked = None;
        self.rest_until_us = now_us.saturating_add(seconds(self.pump.rest_s));
    }

    /// Returns what the relay must do at `now_us`, with what the field wants (`None`: nothing). Call it at least as often as
    /// a run may be too long; a time that goes back counts as no time.
    pub fn step(&mut self, now_us: u64, want: Option<Want>) -> Relay {
        self.account(now_us);
        match self.decide(now_us, want) {
            Ok(level_mm) => {
                self.run.get_or_insert(Run { since_us: now_us, start_mm: level_mm, proven: false });
                Relay::On
            }
            Err(off) => {
                if self.run.take().is_some() {
                    self.rest_until_us = now_us.saturating_add(seconds(self.pump.rest_s));
                }
                if off.locked() {
                    self.locked = Some(off);
                }
                Relay::Off(off)
            }
        }
    }

    /// Returns the time by which [`step`](Self::step) must be called again, while the relay is on; `None` while it is off.
    ///
    /// Where the firmware may miss it, a hardware timer must end the run.
    pub fn deadline_us(&self) -> Option<u64> {
        let run = self.run?;
        let limit = if run.proven { self.pump.longest_run_s } else { self.pump.proof_s };
        let left_us = seconds(self.pump.longest_day_s).saturating_sub(self.day_run_us);
        let stale_us = self.level.map_or(0, |(read_us, _)| read_us.saturating_add(seconds(self.pump.stale_s) + 1));
        Some(run.since_us.saturating_add(seconds(limit)).min(self.last_us.saturating_add(left_us)).min(stale_us))
    }

    /// Adds what has run since the last step to the day's time.
    fn account(&mut self, now_us: u64) {
        if self.run.is_some() {
            self.day_run_us = self.day_run_us.saturating_add(now_us.saturating_sub(self.last_us));
        }
        self.last_us = now_us.max(self.last_us);
        if now_us.saturating_sub(self.day_since_us) >= seconds(86_400) {
            self.day_since_us = now_us;
            self.day_run_us = 0;
        }
    }

    /// Returns the level where the relay is to be on, else why not.
    fn decide(&mut self, now_us: u64, want: Option<Want>) -> Result<i32, Off> {
        if let Some(locked) = self.locked {
            return Err(locked);
        }
        let want = want.ok_or(Off::Enough)?;
        let (read_us, level_mm) = self.level.ok_or(Off::NoLevel)?;
        let fresh = now_us.checked_sub(read_us).is_some_and(|age| age <= seconds(self.pump.stale_s));
        if !fresh {
            return Err(Off::NoLevel);
        }
        // A run goes on to the stop level; it begins at the start level.
        let enough = if self.run.is_some() { level_mm >= want.stop_mm } else { level_mm > want.start_mm };
        if enough {
            return Err(Off::Enough);
        }
        if self.day_run_us >= seconds(self.pump.longest_day_s) {
            return Err(Off::DayFull);
        }
        match &mut self.run {
            None if now_us < self.rest_until_us => Err(Off::Rests),
            None => Ok(level_mm),
            Some(run) => {
                let ran_us = now_us.saturating_sub(run.since_us);
                run.proven |= i64::from(level_mm) - i64::from(run.start_mm) >= i64::from(self.pump.proof_mm);
                if !run.proven && ran_us >= seconds(self.pump.proof_s) {
                    Err(Off::NoFlow)
                } else if ran_us >= seconds(self.pump.longest_run_s) {
                    Err(Off::RanTooLong)
                } else {
                    Ok(level_mm)
                }
            }
        }
    }
}

fn seconds(seconds: u32) -> u64 {
    u64::from(seconds) * SECOND_US
}
