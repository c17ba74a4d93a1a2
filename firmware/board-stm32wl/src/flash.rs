//! What lies where: 256 KiB of flash in pages of 2 KiB, 64 KiB of RAM.

use tanbo_flash_map::{FlashMap, Lengths};

const KIB: u32 = 1024;

/// The board's memory.
pub static MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0x0800_0000, 256 * KIB),
    ram: (0x2000_0000, 64 * KIB),
    page: 2 * KIB,
    word: 8,
    boot: 0,
    firmware: 216 * KIB,
    slot: 12 * KIB,
    selection: 4 * KIB,
    last_words: 2 * KIB,
    identity: 2 * KIB,
});
