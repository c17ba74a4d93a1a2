//! How the firmware's part of the flash is divided where a boot loader swaps images.

use core::ops::Range;

use crate::FlashMap;

/// Words of the boot loader's state for each page of the active image, and two before them (embassy-boot: progress there and back).
const STATE_WORDS: (u32, u32) = (4, 2);

/// What the images of a board's firmware begin their symbols with, by which `tanbo sign` knows them: the board's name follows.
pub const BOARD_SYMBOL: &str = "__tanbo_board_";

/// Addresses of the boot loader and of what it swaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updates {
    /// What releases of the board's firmware are called: 1 to 8 characters of a-z and 0-9.
    pub board: &'static str,
    /// The boot loader, at the start of flash or after the chip's own boot code.
    pub loader: Range<u32>,
    /// What it has to do and how far it is.
    pub state: Range<u32>,
    /// The firmware that runs.
    pub active: Range<u32>,
    /// The other one: an update, later the firmware before. A page longer, by which images are swapped.
    pub dfu: Range<u32>,
}

impl FlashMap {
    /// Divides the firmware's part of a `board` for a boot loader that takes the first `loader` bytes of flash, with the chip's own boot code.
    ///
    /// # Panics
    /// In a constant, so while the board is compiled: a boot loader that is no whole pages, or no room for two images.
    pub const fn updates(&self, board: &'static str, loader: u32) -> Updates {
        let (firmware, page, word) = (self.firmware(), self.page_bytes(), self.word_bytes());
        let state_start = self.flash().start + loader;
        assert!(loader.is_multiple_of(page) && state_start > firmware.start, "the boot loader takes whole pages");
        assert!(state_start < firmware.end, "no room for two images");
        let pages = (firmware.end - state_start) / page;
        // As many as if both images had all of it: one page on almost every chip.
        let state = ((STATE_WORDS.0 * (pages / 2) + STATE_WORDS.1) * word).div_ceil(page);
        assert!(pages > state + 2, "no room for two images");
        let active = (pages - state - 1) / 2;
        let active_start = state_start + state * page;
        let dfu_start = active_start + active * page;
        Updates {
            board,
            loader: firmware.start..state_start,
            state: state_start..active_start,
            active: active_start..dfu_start,
            dfu: dfu_start..firmware.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{FlashMap, Lengths};

    const LENGTHS: Lengths = Lengths {
        flash: (0x800_0000, 0x10_0000),
        ram: (0x2000_0000, 0x4_0000),
        page: 0x1000,
        word: 4,
        boot: 0,
        firmware: 0x8_0000,
        slot: 0x3_0000,
        selection: 0x2000,
        last_words: 0x1000,
        identity: 0x1000,
    };

    #[test]
    fn parts_follow_each_other_and_suit_the_boot_loader() {
        for (page, word, boot) in [(0x1000, 4, 0), (0x2000, 16, 0), (0x800, 8, 0), (0x1000, 1, 0x100)] {
            let map = FlashMap::new(Lengths {
                page,
                word,
                boot,
                firmware: LENGTHS.firmware - boot,
                selection: 2 * page,
                last_words: page,
                identity: page,
                slot: 0x2_0000,
                ..LENGTHS
            });
            let parts = map.updates("board", 0x8000);
            assert_eq!((parts.loader.start, parts.dfu.end), (map.firmware().start, map.firmware().end));
            assert_eq!(parts.loader.end, parts.state.start);
            assert_eq!(parts.state.end, parts.active.start);
            assert_eq!(parts.active.end, parts.dfu.start);
            let (active, dfu) = (parts.active.len() as u32, parts.dfu.len() as u32);
            assert!(active.is_multiple_of(page) && dfu.is_multiple_of(page) && parts.state.start.is_multiple_of(page));
            // What embassy-boot asserts.
            assert!(dfu - active >= page && dfu - active <= 2 * page, "{parts:x?}");
            assert!(2 + 4 * (active / page) <= parts.state.len() as u32 / word);
        }
    }

    #[test]
    fn a_loader_that_leaves_no_room_is_refused() {
        for loader in [0, 0x8_0000 - 0x2000, 0x1001] {
            assert!(
                std::panic::catch_unwind(|| FlashMap::new(LENGTHS).updates("board", loader)).is_err(),
                "{loader:#x}"
            );
        }
    }
    extern crate std;
}
