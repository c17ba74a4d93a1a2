//! What lies where: 2 MiB of flash on the QSPI in sectors of 4 KiB, 264 KiB of RAM. Flash begins with the boot code that the chip's ROM copies
//! to RAM.

use tanbo_flash_map::{FlashMap, Lengths, Updates};

const KIB: u32 = 1024;
const BOOT: u32 = 256;
/// Length of the flash.
pub const FLASH_BYTES: usize = 2048 * KIB as usize;

/// The board's memory.
pub static MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0x1000_0000, FLASH_BYTES as u32),
    ram: (0x2000_0000, 264 * KIB),
    page: 4 * KIB,
    word: 1,
    boot: BOOT,
    firmware: 1024 * KIB - BOOT,
    slot: 256 * KIB,
    selection: 8 * KIB,
    last_words: 4 * KIB,
    identity: 4 * KIB,
});

/// The firmware's part where a boot loader swaps images in it (feature `boot`).
pub static UPDATES: Updates = MAP.updates("rp2040", 16 * KIB);
