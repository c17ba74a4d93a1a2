//! What lies where: 2 MiB of flash in pages of 8 KiB, 768 KiB of RAM in one piece (SRAM 1 to 3).

use tanbo_flash_map::{FlashMap, Lengths, Updates};

const KIB: u32 = 1024;

/// The board's memory.
pub static MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0x0800_0000, 2048 * KIB),
    ram: (0x2000_0000, 768 * KIB),
    page: 8 * KIB,
    word: 16,
    boot: 0,
    firmware: 1024 * KIB,
    slot: 256 * KIB,
    selection: 16 * KIB,
    last_words: 8 * KIB,
    identity: 8 * KIB,
});

/// The firmware's part where a boot loader swaps images in it (feature `boot`).
pub static UPDATES: Updates = MAP.updates("stm32u5", 16 * KIB);
