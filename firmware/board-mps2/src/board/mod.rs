//! The parts of the board.

mod clock;
mod i2c;
mod power;
mod slots;
mod uplink;

pub use clock::Mps2Clock;
pub use i2c::{Mps2Delay, Mps2I2c};
pub use power::Mps2Power;
pub use slots::{Mps2Slots, Selected};
use static_cell::StaticCell;
use tanbo_emulated::cmsdk::{self, Timer};
use tanbo_emulated::retained::{self, Slot};
pub use uplink::Mps2Uplink;

static TIMER: StaticCell<Timer> = StaticCell::new();

/// All parts, once.
pub struct Board {
    /// Time.
    pub clock: Mps2Clock,
    /// Sleep, retained memory, watchdog.
    pub power: Mps2Power,
    /// UART 0.
    pub uplink: Mps2Uplink,
    /// RAM in place of flash.
    pub slots: Mps2Slots,
    /// The bus on the shield's header.
    pub i2c: Mps2I2c,
    /// Pauses.
    pub delay: Mps2Delay,
}

impl Board {
    /// Returns the board; `None` if it was taken before.
    pub fn take() -> Option<Self> {
        let peripherals = cmsdk::take()?;
        let (retained, cause) = retained::take()?;
        let timer: &'static Timer = TIMER.try_init(peripherals.timer)?;
        Some(Self {
            clock: Mps2Clock::new(timer),
            power: Mps2Power::new(timer, peripherals.watchdog, retained.bytes, cause),
            uplink: Mps2Uplink::new(timer, peripherals.uart),
            slots: Mps2Slots::new(
                retained.slots.each_mut().map(|Slot(bytes)| &mut bytes[..]),
                Selected(retained.selected),
            ),
            i2c: Mps2I2c::new(peripherals.bus),
            delay: Mps2Delay::new(timer),
        })
    }
}
