//! The chip's flash, and what lies in it for the board.

use core::cell::RefCell;

use embassy_stm32::flash::{self, Blocking};
use embassy_stm32::{Peri, peripherals};
use embassy_sync::blocking_mutex::Mutex;
use static_cell::StaticCell;
use tanbo_flash_map::FlashMap;
use tanbo_parts::flash::Shared;
use tanbo_parts::{LastWords, Words};

/// Address of the flash.
const FLASH_AT: usize = 0x0800_0000;

type Own = flash::Flash<'static, Blocking>;
/// The internal flash, by offsets from its start.
pub type Flash = Shared<Own>;

/// What lies in flash.
pub struct Memory {
    /// The flash itself.
    pub flash: Flash,
    /// The page for last words …
    pub last_words: LastWords<Flash>,
    /// … and those of the life before.
    pub said: Words,
}

impl Memory {
    /// Opens it; `None` if the flash does not work, or if it was opened before. No cache of data may be on.
    pub fn open(flash: Peri<'static, peripherals::FLASH>, map: &'static FlashMap) -> Option<Self> {
        static FLASH: StaticCell<tanbo_parts::flash::Flash<Own>> = StaticCell::new();
        let flash = FLASH.try_init(Mutex::new(RefCell::new(Own::new_blocking(flash))))?;
        // SAFETY: the chip's flash lies there for ever, and every read of the core is of the flash itself. Slots, selection, last words and
        // store are different offsets of the map, and each has one user; only slots are read in place, borrowed from the one who writes them.
        let flash = unsafe { Shared::new(flash, FLASH_AT) };
        let (last_words, said) = LastWords::open(flash.clone(), map.offsets(map.last_words())).ok()?;
        Some(Self { flash, last_words, said })
    }
}
