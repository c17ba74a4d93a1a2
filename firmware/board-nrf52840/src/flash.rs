//! What lies where: 1 MiB of flash in pages of 4 KiB, 256 KiB of RAM. No SoftDevice.

use tanbo_flash_map::{FlashMap, Lengths, Updates};

const KIB: u32 = 1024;

/// The board's memory.
pub static MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0, 1024 * KIB),
    ram: (0x2000_0000, 256 * KIB),
    page: 4 * KIB,
    word: 4,
    boot: 0,
    firmware: 512 * KIB,
    slot: 192 * KIB,
    selection: 8 * KIB,
    last_words: 4 * KIB,
    identity: 4 * KIB,
});

/// The firmware's part where a boot loader swaps images in it (feature `boot`).
pub static UPDATES: Updates = MAP.updates("nrf52840", 8 * KIB);
