//! What all parts of a simulated board share.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::pending;

use crate::Mode;

/// Sensors that a world has, at most.
const SENSORS: usize = 4;

/// What a radio does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Radio {
    /// Nothing.
    #[default]
    Sleep,
    /// It listens.
    Receive,
    /// It sends.
    Transmit,
}

/// The time, µs; what will interrupt a sleep; what the devices do; whether the supply is gone.
#[derive(Debug, Default)]
pub struct World {
    now_us: Cell<u64>,
    /// When the button is pressed.
    pub button_us: Cell<Option<u64>>,
    /// When the supply goes: from then on nothing goes on, and whoever simulates starts the board anew.
    pub cut_us: Cell<Option<u64>>,
    cut: Rc<Cell<bool>>,
    /// What the radio does.
    pub radio: Cell<Radio>,
    modes: [Cell<Option<Mode>>; SENSORS],
    sensors_us: [Cell<Option<u64>>; SENSORS],
    pub(super) uplink_us: Cell<Option<u64>>,
    /// When a device's interrupt comes that is in no mask.
    pub(super) device_us: Cell<Option<u64>>,
    asleep: RefCell<Sleeps>,
}

/// How a board has slept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sleeps {
    /// How often.
    pub count: u64,
    /// How long together, µs.
    pub time_us: u64,
}

impl World {
    /// Returns a world at a time.
    pub fn new(now_us: u64) -> Self {
        Self { now_us: Cell::new(now_us), ..Self::default() }
    }

    /// Returns the time.
    pub fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    /// Goes on to a time; never back.
    pub fn set_now_us(&self, now_us: u64) {
        self.now_us.set(now_us.max(self.now_us.get()));
    }

    /// Returns whether the supply is gone.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Returns the flag that says that the supply is gone.
    pub fn cut_flag(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.cut)
    }

    /// The supply is back: what interrupts and works is forgotten.
    pub fn restart(&self) {
        self.cut.set(false);
        self.cut_us.set(None);
        self.radio.set(Radio::Sleep);
        for place in [&self.button_us, &self.uplink_us, &self.device_us].into_iter().chain(&self.sensors_us) {
            place.set(None);
        }
        self.modes.iter().for_each(|mode| mode.set(None));
    }

    /// Returns how the board has slept so far.
    pub fn sleeps(&self) -> Sleeps {
        *self.asleep.borrow()
    }

    /// Returns what a sensor was set to; `None` before it was.
    pub fn mode(&self, sensor: usize) -> Option<Mode> {
        self.modes.get(sensor)?.get()
    }

    pub(super) fn set_sensor(&self, sensor: usize, mode: Mode, interrupt_us: Option<u64>) {
        if let Some((mode_of, interrupt_of)) = self.modes.get(sensor).zip(self.sensors_us.get(sensor)) {
            mode_of.set(Some(mode));
            interrupt_of.set(interrupt_us);
        }
    }

    pub(super) fn next_sensor_us(&self) -> Option<u64> {
        self.sensors_us.iter().filter_map(Cell::get).min()
    }

    pub(super) fn slept(&self, until_us: u64) {
        let mut sleeps = self.asleep.borrow_mut();
        sleeps.count += 1;
        sleeps.time_us += until_us.saturating_sub(self.now_us());
        self.set_now_us(until_us);
    }

    /// The supply goes now: never returns.
    pub(super) async fn cut(&self) -> ! {
        self.cut.set(true);
        pending::<core::convert::Infallible>().await;
        unreachable!("nothing goes on without a supply")
    }
}
