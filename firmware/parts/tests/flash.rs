//! Model slots and last words on simulated flash, through power cuts.

use std::cell::RefCell;
use std::ops::Range;

use embassy_futures::block_on;
use embassy_sync::blocking_mutex::Mutex;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use tanbo_board_api::{BrownoutError, Selection, SlotError, Slots as _, conformance};
use tanbo_flash_map::{FlashMap, Lengths};
use tanbo_parts::flash::{Flash, Shared};
use tanbo_parts::{FlashSlots, Guarded, LastWords};

const KIB: u32 = 1024;
const PAGE: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut;

impl NorFlashError for Cut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// Flash that writes `WORD` bytes at once, and whose supply fails after some of them.
struct SimFlash<const WORD: usize> {
    bytes: &'static [std::cell::Cell<u8>],
    words_left: u32,
}

impl<const WORD: usize> ErrorType for SimFlash<WORD> {
    type Error = Cut;
}

impl<const WORD: usize> SimFlash<WORD> {
    fn spend(&mut self) -> Result<(), Cut> {
        self.words_left = self.words_left.checked_sub(1).ok_or(Cut)?;
        Ok(())
    }
}

impl<const WORD: usize> ReadNorFlash for SimFlash<WORD> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Cut> {
        bytes.iter_mut().zip(&self.bytes[offset as usize..]).for_each(|(to, byte)| *to = byte.get());
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WORD: usize> NorFlash for SimFlash<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        assert!((from as usize).is_multiple_of(PAGE) && (to as usize).is_multiple_of(PAGE));
        for byte in &self.bytes[from as usize..to as usize] {
            // A cut in the middle leaves half a page.
            self.spend()?;
            byte.set(0xff);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Cut> {
        assert!((offset as usize).is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        for (n, word) in bytes.chunks(WORD).enumerate() {
            self.spend()?;
            for (byte, new) in self.bytes[offset as usize + n * WORD..].iter().zip(word) {
                // A word is written once after each erase: that is what STM32 flash with its ECC allows.
                assert_eq!(byte.get(), 0xff, "word at {offset} written twice");
                byte.set(*new);
            }
        }
        Ok(())
    }
}

static MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0, 16 * KIB),
    ram: (0x2000_0000, KIB),
    page: PAGE as u32,
    word: 4,
    boot: 0,
    firmware: 2 * KIB,
    slot: 3 * KIB,
    selection: KIB / 2,
    last_words: KIB / 4,
    identity: KIB / 4,
});

#[repr(C, align(16))]
struct Memory([u8; 16 << 10]);

/// New flash.
fn memory() -> &'static [std::cell::Cell<u8>] {
    let memory: &'static mut Memory = Box::leak(Box::new(Memory([0xff; 16 << 10])));
    std::cell::Cell::from_mut(&mut memory.0[..]).as_slice_of_cells()
}

/// The flash at a start of the board.
fn start<const WORD: usize>(memory: &'static [std::cell::Cell<u8>], words: u32) -> Shared<SimFlash<WORD>> {
    let flash: &'static Flash<SimFlash<WORD>> =
        Box::leak(Box::new(Mutex::new(RefCell::new(SimFlash { bytes: memory, words_left: words }))));
    // SAFETY: the memory is leaked, so it stays; tests read a slot in place only between two writes.
    unsafe { Shared::new(flash, memory.as_ptr().expose_provenance()) }
}

fn offsets(addresses: Range<u32>) -> Range<u32> {
    MAP.offsets(addresses)
}

fn keep_their_promises<const WORD: usize>() {
    let flash = memory();
    let mut slots = block_on(FlashSlots::open(start::<WORD>(flash, u32::MAX), &MAP)).expect("slots");
    assert_eq!(slots.selected(), None);
    block_on(conformance::slots(&mut slots)).unwrap_or_else(|failure| panic!("{WORD}: {failure}"));
    let again = block_on(FlashSlots::open(start::<WORD>(flash, u32::MAX), &MAP)).expect("slots");
    assert_eq!(again.selected(), Some(Selection { slot: 1, trial: true }));
    // Nothing outside the slots and the selection has changed.
    let own = offsets(MAP.slot(0).expect("a slot")).start as usize..offsets(MAP.selection()).end as usize;
    assert!(flash.iter().enumerate().all(|(at, byte)| own.contains(&at) || byte.get() == 0xff));
}

#[test]
fn slots_keep_their_promises_whatever_is_written_at_once() {
    keep_their_promises::<1>();
    keep_their_promises::<4>();
    keep_their_promises::<8>();
    keep_their_promises::<16>();
}

/// Selections one after the other, with a cut after each number of words: what is found is the one before the cut or the one in it.
fn cut_everywhere<const WORD: usize>() -> u32 {
    let nth = |n: u32| Selection { slot: (n % 2) as u8, trial: n.is_multiple_of(3) };
    let mut cuts = 0;
    for words in 0.. {
        let flash = memory();
        let opened = block_on(FlashSlots::open(start::<WORD>(flash, words), &MAP));
        let mut last = None;
        let mut failed = None;
        if let Ok(mut slots) = opened {
            for n in 0..40 {
                match block_on(slots.select(nth(n))) {
                    Ok(()) => last = Some(nth(n)),
                    Err(SlotError::Device(_)) => {
                        failed = Some(nth(n));
                        break;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            if failed.is_none() {
                return cuts;
            }
        }
        cuts += 1;
        let mut slots = block_on(FlashSlots::open(start::<WORD>(flash, u32::MAX), &MAP)).expect("slots");
        assert!(slots.selected() == last || slots.selected() == failed, "{WORD}, {words}: {:?}", slots.selected());
        let next = Selection { slot: 0, trial: false };
        block_on(slots.select(next)).expect("selected");
        let slots = block_on(FlashSlots::open(start::<WORD>(flash, u32::MAX), &MAP)).expect("slots");
        assert_eq!(slots.selected(), Some(next));
    }
    cuts
}

#[test]
fn a_cut_leaves_the_old_selection_or_the_new_one() {
    let cuts = cut_everywhere::<4>() + cut_everywhere::<8>() + cut_everywhere::<16>();
    println!("{cuts} cuts");
    assert!(cuts > 1_500, "{cuts}");
}

#[test]
fn a_selection_that_no_board_wrote_is_none() {
    let flash = memory();
    let selection = offsets(MAP.selection());
    for (n, byte) in flash[selection.start as usize..selection.end as usize].iter().enumerate() {
        byte.set((n * 37 + 11) as u8);
    }
    let mut slots = block_on(FlashSlots::open(start::<8>(flash, u32::MAX), &MAP)).expect("slots");
    assert_eq!(slots.selected(), None);
    block_on(slots.select(Selection { slot: 1, trial: false })).expect("selected");
}

#[test]
fn last_words_are_said_once_whole_or_not_at_all() {
    let words: [u8; 64] = std::array::from_fn(|n| n as u8 ^ 0xa5);
    let open = |flash, budget| LastWords::open(start::<16>(flash, budget), offsets(MAP.last_words()));
    // The record is five words of flash.
    for (supply, expected) in [(5, &words[..]), (4, &[]), (1, &[]), (0, &[])] {
        let flash = memory();
        let (mut page, mut before) = open(flash, supply).expect("a page");
        assert_eq!(before.take(), []);
        assert_eq!(page.arm(&[0; 65]), Err(BrownoutError::TooLong { bytes: 65 }));
        page.arm(&[1, 2, 3]).expect("words");
        page.arm(&words).expect("words");
        page.write();
        // The supply bounces: a second interrupt writes nothing over it.
        page.write();
        let (_, mut before) = open(flash, u32::MAX).expect("a page");
        assert_eq!(before.take(), expected, "{supply}");
        assert_eq!(before.take(), []);
        // They stay, through further starts, until something is set; where the supply goes meanwhile they are whole or none.
        for cut in [0, 20, 50].into_iter().filter(|_| !expected.is_empty()) {
            let (mut page, mut before) = open(flash, cut).expect("a page");
            let said = before.take();
            assert!(said == expected || cut > 0 && said.is_empty(), "{cut}");
            assert_eq!(page.arm(&[]), Err(BrownoutError::Memory), "{cut}");
        }
        let (mut page, _) = open(flash, u32::MAX).expect("a page");
        page.arm(&[]).expect("no words");
        let (mut page, mut before) = open(flash, u32::MAX).expect("a page");
        assert_eq!(before.take(), []);
        // A supply that comes back in time: what is set then goes over what was written.
        page.arm(&[1]).expect("words");
        page.write();
        page.arm(&[2]).expect("words");
        page.write();
        assert_eq!(open(flash, u32::MAX).expect("a page").1.take(), [2]);
    }
    let flash = memory();
    let (mut page, _) = open(flash, u32::MAX).expect("a page");
    page.write();
    let (mut page, mut before) = open(flash, u32::MAX).expect("a page");
    assert_eq!(before.take(), [], "nothing was set");
    page.arm(&[]).expect("no words");
    page.write();
    assert_eq!(open(flash, u32::MAX).expect("a page").1.take(), []);
}

#[test]
fn guarded_last_words_are_those_that_an_interrupt_writes() {
    let flash = memory();
    let open = || LastWords::open(start::<16>(flash, u32::MAX), offsets(MAP.last_words())).expect("a page");
    let guarded = Guarded::new();
    guarded.write();
    assert_eq!(guarded.arm(&[1]), Err(BrownoutError::Unsupported), "there is no page yet");
    guarded.set(open().0);
    assert_eq!(guarded.arm(&[0; 65]), Err(BrownoutError::TooLong { bytes: 65 }));
    guarded.arm(&[1, 2, 3]).expect("words");
    guarded.write();
    assert_eq!(open().1.take(), [1, 2, 3]);
}
