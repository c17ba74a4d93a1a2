//! Model slots on simulated flash, whose supply can be cut in any word.

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{NorFlash as _, ReadNorFlash as _};
use tanbo_board_api::sim::{Cut, SimFlash};
use tanbo_board_api::slots::Behind;
use tanbo_board_api::{MemorySlots, Selection, Slots as _};

const PAGE: usize = 4096;
/// A slot's pages: the seismic model, and as much again for fragments.
const PAGES: usize = 4;
pub const SLOT_BYTES: usize = PAGES * PAGE;
/// Where selections stand, one after the other.
const SELECTION: u32 = 2 * SLOT_BYTES as u32;
/// A selection: slot, and trial (1) or an offer of the other slot (2), each with its complement.
const WORD: usize = 8;
const OFFER: u8 = 2;

pub type Chip = SimFlash<WORD, PAGE>;
/// The core's view of the slots.
pub type View = [Vec<u128>; 2];

/// An erased chip.
pub fn chip() -> Chip {
    Chip::new(2 * PAGES + 1)
}

pub fn view() -> View {
    [(); 2].map(|()| vec![u128::MAX; SLOT_BYTES / 16])
}

/// Keeps the slots on the chip.
pub struct OnChip {
    chip: Chip,
    selected: Option<Selection>,
    offers: bool,
    /// Words of selections so far.
    words: u32,
}

/// Returns the slots of a start.
pub fn slots<'v>(mut chip: Chip, view: &'v mut View) -> MemorySlots<'v, 2, OnChip> {
    let mut memory = view.each_mut().map(|slot| bytemuck::cast_slice_mut::<u128, u8>(slot));
    for (slot, memory) in (0..).zip(&mut memory) {
        block_on(chip.read(slot * SLOT_BYTES as u32, memory)).expect("flash");
    }
    let (mut selected, mut offers, mut words) = (None, false, 0);
    for number in 0..(PAGE / WORD) as u32 {
        let mut word = [0; WORD];
        block_on(chip.read(SELECTION + number * WORD as u32, &mut word)).expect("flash");
        if word != [0xff; WORD] {
            words = number + 1;
        }
        // A torn one is none.
        let [slot, state, not_slot, not_state, rest @ ..] = word;
        if slot < 2 && state < 3 && (not_slot, not_state, rest) == (!slot, !state, [0; 4]) {
            selected = Some(Selection { slot, trial: state == 1 });
            offers = state == OFFER;
        }
    }
    MemorySlots::new(memory, OnChip { chip, selected, offers, words })
}

/// Puts a model into the idle slot and offers it, as through a debug probe.
pub fn lay(chip: &Chip, model: &[u8]) {
    let mut view = view();
    let mut slots = slots(chip.handle(), &mut view);
    let selection = slots.selected().unwrap_or(Selection { slot: 1, trial: false });
    let mut padded = model.to_vec();
    padded.resize(model.len().next_multiple_of(WORD), 0xff);
    block_on(slots.erase(selection.idle())).expect("flash");
    block_on(slots.write(selection.idle(), 0, &padded)).expect("flash");
    block_on(slots.behind().keep(selection, OFFER)).expect("flash");
}

impl OnChip {
    async fn keep(&mut self, selection: Selection, state: u8) -> Result<(), Cut> {
        let word = [selection.slot, state, !selection.slot, !state, 0, 0, 0, 0];
        self.chip.write(SELECTION + self.words * WORD as u32, &word).await?;
        self.words += 1;
        (self.selected, self.offers) = (Some(selection), state == OFFER);
        Ok(())
    }

    /// The supply goes in that word from now on.
    pub fn cut_after(&mut self, words: Option<usize>) {
        self.chip.left = words;
    }
}

impl Behind for OnChip {
    type Error = Cut;

    fn selected(&self) -> Option<Selection> {
        self.selected
    }

    fn offers(&self) -> bool {
        self.offers
    }

    async fn select(&mut self, selection: Selection) -> Result<(), Cut> {
        self.keep(selection, u8::from(selection.trial)).await
    }

    async fn erased(&mut self, slot: u8) -> Result<(), Cut> {
        let at = u32::from(slot) * SLOT_BYTES as u32;
        self.chip.erase(at, at + SLOT_BYTES as u32).await
    }

    async fn written(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), Cut> {
        self.chip.write(u32::from(slot) * SLOT_BYTES as u32 + at as u32, bytes).await
    }
}
