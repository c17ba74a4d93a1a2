//! What lies where in a board's memory.
//!
//! Layer 0. A board's `flash.rs` holds one [`FlashMap`]; its build script includes the same file and makes `memory.x` of it, so that the
//! linker and the firmware cannot disagree. From the start of flash on:
//!
//! ```text
//! boot | firmware | slot 0 | slot 1 | selection | last words | identity | store
//! ```
//!
//! ```
//! use tanbo_flash_map::{FlashMap, Lengths};
//!
//! const KIB: u32 = 1024;
//! const MAP: FlashMap = FlashMap::new(Lengths {
//!     flash: (0, 256 * KIB),
//!     ram: (0x2000_0000, 64 * KIB),
//!     page: 2 * KIB,
//!     word: 8,
//!     boot: 0,
//!     firmware: 192 * KIB,
//!     slot: 20 * KIB,
//!     selection: 4 * KIB,
//!     last_words: 2 * KIB,
//!     identity: 2 * KIB,
//! });
//! assert_eq!(MAP.slot(1), Some(212 * KIB..232 * KIB));
//! assert_eq!(MAP.store(), 240 * KIB..256 * KIB);
//! ```

#![cfg_attr(not(feature = "build"), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "build")]
pub mod build;
mod calibration;
mod identity;
mod updates;

pub use calibration::{Calibration, Calibrations, Unit};
pub use identity::{Identity, IdentityError, Region, SIGNERS};
pub use updates::{BOARD_SYMBOL, Updates};

/// The `main` of a board's program where there is an operating system: it says how the program is started. `$target` is the board's Rust target.
#[macro_export]
macro_rules! board_only {
    ($target:literal) => {
        #[cfg(not(target_os = "none"))]
        fn main() -> std::process::ExitCode {
            let (package, bin) = (env!("CARGO_PKG_NAME"), env!("CARGO_BIN_NAME"));
            eprintln!("for the board: cargo run -p {package} --bin {bin} --target {} --profile firmware", $target);
            std::process::ExitCode::from(2)
        }
    };
}

use core::fmt;
use core::ops::Range;

/// Model slots of a board.
pub const SLOTS: u8 = 2;

/// Lengths in bytes; the store takes what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Address and length of the flash.
    pub flash: (u32, u32),
    /// Address and length of the RAM.
    pub ram: (u32, u32),
    /// What is erased at once.
    pub page: u32,
    /// What is written at once, by the board's driver: a power of two.
    pub word: u32,
    /// Before the firmware: the chip's own boot code. Any length.
    pub boot: u32,
    /// The firmware; with `boot` whole pages.
    pub firmware: u32,
    /// Each model slot.
    pub slot: u32,
    /// Which slot is selected: two pages or more.
    pub selection: u32,
    /// What is written as the supply falls: a page or more.
    pub last_words: u32,
    /// Who the node is ([`Identity`]): a page.
    pub identity: u32,
}

/// A board's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashMap(Lengths);

impl FlashMap {
    /// Returns the map.
    ///
    /// # Panics
    /// In a constant, so while the board is compiled: a part that is no whole pages, parts that do not fit, no store of two pages.
    pub const fn new(lengths: Lengths) -> Self {
        let Lengths { flash: (start, bytes), page, word, boot, firmware, slot, .. } = lengths;
        let Lengths { selection, last_words, identity, .. } = lengths;
        assert!(page.is_power_of_two() && start.is_multiple_of(page), "flash starts with a page");
        assert!(word.is_power_of_two() && page.is_multiple_of(word), "a page is whole words");
        assert!((boot + firmware).is_multiple_of(page) && firmware > 0, "boot and firmware are whole pages");
        assert!(slot.is_multiple_of(page) && slot > 0, "a slot is whole pages");
        assert!(selection.is_multiple_of(page) && selection >= 2 * page, "the selection takes two pages");
        assert!(last_words.is_multiple_of(page) && last_words > 0, "last words take a page");
        assert!(identity.is_multiple_of(page) && identity > 0, "the identity takes a page");
        let map = Self(lengths);
        assert!(map.store().start + 2 * page <= start + bytes, "two pages are left for the store");
        assert!(bytes.is_multiple_of(page), "the store is whole pages");
        map
    }

    /// Returns the addresses of the flash.
    pub const fn flash(&self) -> Range<u32> {
        self.0.flash.0..self.0.flash.0 + self.0.flash.1
    }

    /// Returns the addresses of the RAM.
    pub const fn ram(&self) -> Range<u32> {
        self.0.ram.0..self.0.ram.0 + self.0.ram.1
    }

    /// Returns what is erased at once, bytes.
    pub const fn page_bytes(&self) -> u32 {
        self.0.page
    }

    /// Returns what is written at once, bytes.
    pub const fn word_bytes(&self) -> u32 {
        self.0.word
    }

    /// Returns where the chip's boot code and the firmware may lie.
    pub const fn image(&self) -> Range<u32> {
        self.0.flash.0..self.firmware().end
    }

    /// Returns where the firmware lies.
    pub const fn firmware(&self) -> Range<u32> {
        let start = self.0.flash.0 + self.0.boot;
        start..start + self.0.firmware
    }

    /// Returns the length of a slot, bytes.
    pub const fn slot_bytes(&self) -> u32 {
        self.0.slot
    }

    /// Returns where a slot lies.
    pub const fn slot(&self, slot: u8) -> Option<Range<u32>> {
        let start = self.firmware().end + slot as u32 * self.0.slot;
        if slot < SLOTS { Some(start..start + self.0.slot) } else { None }
    }

    /// Returns where it stands which slot is selected.
    pub const fn selection(&self) -> Range<u32> {
        let start = self.firmware().end + SLOTS as u32 * self.0.slot;
        start..start + self.0.selection
    }

    /// Returns where last words stand.
    pub const fn last_words(&self) -> Range<u32> {
        let start = self.selection().end;
        start..start + self.0.last_words
    }

    /// Returns where it stands who the node is.
    pub const fn identity(&self) -> Range<u32> {
        let start = self.last_words().end;
        start..start + self.0.identity
    }

    /// Returns where the store lies: up to the end.
    pub const fn store(&self) -> Range<u32> {
        self.identity().end..self.flash().end
    }

    /// Returns the symbols of an image: the parts' addresses in their order, the lengths of a slot, of a page and of a word.
    pub const fn symbols(&self) -> [(&'static str, u32); 10] {
        [
            ("__tanbo_flash", self.flash().start),
            ("__tanbo_slots", self.firmware().end),
            ("__tanbo_selection", self.selection().start),
            ("__tanbo_last_words", self.last_words().start),
            ("__tanbo_identity", self.identity().start),
            ("__tanbo_store", self.store().start),
            ("__tanbo_flash_end", self.flash().end),
            ("__tanbo_slot_bytes", self.0.slot),
            ("__tanbo_page_bytes", self.0.page),
            ("__tanbo_word_bytes", self.0.word),
        ]
    }

    /// Returns the same addresses as a driver counts them, from the start of flash.
    pub const fn offsets(&self, addresses: Range<u32>) -> Range<u32> {
        addresses.start - self.0.flash.0..addresses.end - self.0.flash.0
    }
}

/// The text of `memory.x` for cortex-m-rt, riscv-rt and their relatives. Its symbols say in an image's ELF file where the other parts lie.
impl fmt::Display for FlashMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part(self.firmware()).fmt(f)
    }
}

/// One of several images: see [`FlashMap::part`].
#[derive(Clone, Debug)]
pub struct Part<'m> {
    map: &'m FlashMap,
    addresses: Range<u32>,
    /// Of an image that updates bring.
    board: Option<&'static str>,
}

impl FlashMap {
    /// Returns what the linker must know of an image that lies at `addresses` of the firmware's part: a boot loader.
    pub const fn part(&self, addresses: Range<u32>) -> Part<'_> {
        Part { map: self, addresses, board: None }
    }

    /// The same of the firmware that a boot loader starts. A symbol with the board's name has the end of its room.
    pub const fn active(&self, updates: &Updates) -> Part<'_> {
        let Range { start, end } = updates.active;
        Part { map: self, addresses: start..end, board: Some(updates.board) }
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { map, addresses: firmware, board } = self;
        let ram = map.ram();
        writeln!(f, "MEMORY\n{{")?;
        if map.0.boot > 0 {
            writeln!(f, "  BOOT2 : ORIGIN = {:#010x}, LENGTH = {:#x}", map.0.flash.0, map.0.boot)?;
        }
        writeln!(f, "  FLASH : ORIGIN = {:#010x}, LENGTH = {:#x}", firmware.start, firmware.end - firmware.start)?;
        writeln!(f, "  RAM : ORIGIN = {:#010x}, LENGTH = {:#x}\n}}", ram.start, ram.end - ram.start)?;
        for (name, value) in map.symbols() {
            writeln!(f, "{name} = {value:#010x};")?;
        }
        match board {
            Some(board) => writeln!(f, "{BOARD_SYMBOL}{board} = {:#010x};", firmware.end),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{FlashMap, Lengths, SLOTS};
    use std::{format, panic, vec::Vec};

    const LENGTHS: Lengths = Lengths {
        flash: (0x1000_0000, 0x20_0000),
        ram: (0x2000_0000, 0x4_2000),
        page: 0x1000,
        word: 1,
        boot: 0x100,
        firmware: 0x10_0000 - 0x100,
        slot: 0x3_0000,
        selection: 0x2000,
        last_words: 0x1000,
        identity: 0x1000,
    };

    #[test]
    fn parts_follow_each_other_without_a_gap_to_the_end() {
        let map = FlashMap::new(LENGTHS);
        let slots = (0..SLOTS).map(|slot| map.slot(slot).expect("a slot"));
        let mut parts: Vec<_> = core::iter::once(map.firmware()).chain(slots).collect();
        parts.extend([map.selection(), map.last_words(), map.identity(), map.store()]);
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:x?}");
        assert_eq!(parts.last().map(|part| part.end), Some(map.flash().end));
        assert_eq!((map.slot(SLOTS), map.image().start), (None, 0x1000_0000));
        assert_eq!(map.offsets(map.selection()), 0x16_0000..0x16_2000);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut wrong = [LENGTHS; 7];
        wrong[0].firmware += 4;
        wrong[1].slot += 0x800;
        wrong[2].selection = 0x1000;
        wrong[3].last_words = 0;
        wrong[4].slot = 0x10_0000;
        wrong[5].page = 0x1800;
        wrong[6].identity = 0x800;
        for lengths in wrong {
            assert!(panic::catch_unwind(|| FlashMap::new(lengths)).is_err(), "{lengths:x?}");
        }
    }

    #[test]
    fn an_image_behind_a_boot_loader_says_for_which_board_it_is() {
        let map = FlashMap::new(LENGTHS);
        let text = format!("{}", map.active(&map.updates("board", 0x4000)));
        assert!(text.contains("FLASH : ORIGIN = 0x10005000, LENGTH = 0x7d000"), "{text}");
        assert!(text.ends_with("__tanbo_board_board = 0x10082000;\n"), "{text}");
    }

    #[test]
    fn the_linker_gets_the_firmwares_part_only() {
        let expected = "MEMORY\n{\n  BOOT2 : ORIGIN = 0x10000000, LENGTH = 0x100\n  FLASH : ORIGIN = 0x10000100, \
                        LENGTH = 0xfff00\n  RAM : ORIGIN = 0x20000000, LENGTH = 0x42000\n}\n\
                        __tanbo_flash = 0x10000000;\n__tanbo_slots = 0x10100000;\n__tanbo_selection = 0x10160000;\n\
                        __tanbo_last_words = 0x10162000;\n__tanbo_identity = 0x10163000;\n__tanbo_store = 0x10164000;\n__tanbo_flash_end = 0x10200000;\n\
                        __tanbo_slot_bytes = 0x00030000;\n__tanbo_page_bytes = 0x00001000;\n__tanbo_word_bytes = 0x00000001;\n";
        assert_eq!(format!("{}", FlashMap::new(LENGTHS)), expected);
    }
}
