//! What lies where: the first 1616 KiB of 4 MiB of flash in sectors of 4 KiB, by offsets. The RAM's map is esp-hal's.

use tanbo_flash_map::{FlashMap, Lengths};

const KIB: u32 = 1024;

/// The board's memory. Before the firmware lie the chip's second boot loader and the table of `partitions.csv`.
pub static MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0, 1616 * KIB),
    ram: (0x3fc8_0000, 313 * KIB),
    page: 4 * KIB,
    word: 4,
    boot: 64 * KIB,
    firmware: 1024 * KIB,
    slot: 192 * KIB,
    selection: 8 * KIB,
    last_words: 4 * KIB,
    identity: 4 * KIB,
});
