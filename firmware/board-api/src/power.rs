//! Sleep, speed and supply.

use core::fmt;

/// How deep the node sleeps. Each loses what the one before keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// The core waits; peripherals run.
    Idle,
    /// Clocks stop; RAM is kept.
    Stop,
    /// Only retained memory is kept: the node wakes by a reset with [`ResetCause::Wake`].
    Standby,
}

/// What may wake the node before its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WakeMask(u8);

impl WakeMask {
    /// Nothing but the deadline.
    pub const NONE: Self = Self(0);
    /// A sensor's interrupt: threshold or FIFO.
    pub const SENSOR: Self = Self(1);
    /// Something on the uplink.
    pub const UPLINK: Self = Self(2);
    /// A button, or somebody at the service port.
    pub const BUTTON: Self = Self(4);

    /// Returns both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether all of `other` is in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What woke the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WakeCause {
    /// The deadline.
    Deadline,
    /// A sensor.
    Sensor,
    /// The uplink.
    Uplink,
    /// A button.
    Button,
}

/// How fast the core runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Perf {
    /// At the least energy per second: sampling, waiting.
    Low,
    /// At the least energy per instruction: an inference.
    Infer,
}

/// The supply. What a board cannot measure is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// Voltage, mV.
    pub mv: Option<u16>,
    /// Change of the voltage, mV per hour.
    pub trend_mv_per_h: Option<i16>,
    /// State of charge, thousandths.
    pub charge_permille: Option<u16>,
    /// What sun, wind or water bring in, mW.
    pub harvest_mw: Option<u16>,
}

/// Why the node started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetCause {
    /// The board cannot say.
    Unknown,
    /// Power came on.
    PowerOn,
    /// The supply fell too low.
    BrownOut,
    /// The watchdog.
    Watchdog,
    /// The firmware asked for it.
    Software,
    /// The reset pin.
    Pin,
    /// A fault or a panic.
    Fault,
    /// The end of [`Depth::Standby`].
    Wake,
}

/// Most bytes of [`Power::on_brownout`]: what a capacitor carries into flash.
pub const LAST_WORDS_BYTES: usize = 64;

/// Why last words cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrownoutError {
    /// More than [`LAST_WORDS_BYTES`].
    TooLong {
        /// Length of the words.
        bytes: usize,
    },
    /// The board does not see its supply fall.
    Unsupported,
    /// Its memory for them cannot be erased.
    Memory,
}

impl fmt::Display for BrownoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "{bytes} bytes of last words: at most {LAST_WORDS_BYTES}"),
            Self::Unsupported => f.write_str("this board does not see its supply fall"),
            Self::Memory => f.write_str("this board's memory for last words cannot be erased"),
        }
    }
}

impl core::error::Error for BrownoutError {}

/// Power of a board.
pub trait Power {
    /// Sleeps until `deadline_us`, by [`Clock::now_us`](crate::Clock::now_us), or until one of `wake` happens; at most as deep as
    /// `max_depth`, as deep as the board can. At once where the deadline has passed. Dropping the future wakes the node.
    async fn sleep_until(&mut self, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> WakeCause;

    /// Changes the core's speed. The clock does not notice.
    fn set_perf(&mut self, perf: Perf);

    /// Measures the supply.
    fn supply(&mut self) -> Supply;

    /// Sets what is written to memory that lasts when the supply falls; replaces what was set before, and erases what was written.
    ///
    /// # Errors
    /// [`BrownoutError`]; what was set before stays.
    fn on_brownout(&mut self, last_words: &[u8]) -> Result<(), BrownoutError>;

    /// Returns what was written as the supply fell last, once; empty if it did not. It stays written for further starts until
    /// [`Power::on_brownout`] is called: a node puts it where it belongs first.
    fn last_words(&mut self) -> &[u8];

    /// Returns why the node started.
    fn reset_cause(&self) -> ResetCause;

    /// Returns the memory that every reset keeps but the one of power coming on, after which it is zero.
    fn retained(&mut self) -> &mut [u8];

    /// Tells the watchdog that the node is well. The first call starts it; [`Power::watchdog_ms`] without one resets the node.
    fn feed_watchdog(&mut self);

    /// Returns how long the watchdog waits, ms; `None` without one.
    fn watchdog_ms(&self) -> Option<u32>;

    /// Returns whether the watchdog runs on in sleep: then the node wakes only to feed it. Many chips can stop it there.
    fn watchdog_runs_asleep(&self) -> bool {
        true
    }

    /// Resets the node; the cause will be [`ResetCause::Software`].
    fn reset(&mut self) -> !;
}
