//! Model slots in RAM that a reset keeps.

use core::convert::Infallible;

use tanbo_board_api::slots::{check_erase, check_write};
use tanbo_board_api::{Selection, SlotError, Slots};
use tanbo_emulated::retained::{SLOT_BYTES, SLOTS, Slot};

/// Bytes that are written at once: as most flash.
const WRITE_BYTES: usize = 8;
/// In the word of the selection, beside the slot's number.
const TRIAL: u32 = 1 << 8;

/// The board's model slots.
#[derive(Debug)]
pub struct Mps2Slots {
    memory: &'static mut [Slot; SLOTS],
    selected: &'static mut u32,
}

impl Mps2Slots {
    pub(super) fn new(memory: &'static mut [Slot; SLOTS], selected: &'static mut u32) -> Self {
        Self { memory, selected }
    }

    fn slot_mut(&mut self, slot: u8) -> Result<&mut [u8], SlotError<Infallible>> {
        let slot = self.memory.get_mut(usize::from(slot)).ok_or(SlotError::NoSlot { slot })?;
        Ok(&mut slot.0)
    }
}

impl Slots for Mps2Slots {
    type Error = Infallible;

    fn count(&self) -> u8 {
        SLOTS as u8
    }

    fn slot_bytes(&self) -> usize {
        SLOT_BYTES
    }

    fn write_bytes(&self) -> usize {
        WRITE_BYTES
    }

    fn bytes(&self, slot: u8) -> &[u8] {
        self.memory.get(usize::from(slot)).map_or(&[], |slot| &slot.0)
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<Infallible>> {
        check_erase(self, slot)?;
        self.slot_mut(slot)?.fill(0xff);
        Ok(())
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<Infallible>> {
        check_write(self, slot, at, bytes.len())?;
        let memory = self.slot_mut(slot)?;
        // As flash: bits fall, none rises.
        memory.iter_mut().skip(at).zip(bytes).for_each(|(to, byte)| *to &= byte);
        Ok(())
    }

    fn selected(&self) -> Option<Selection> {
        let slot = u8::try_from(*self.selected & !TRIAL).ok().filter(|slot| *slot < self.count())?;
        Some(Selection { slot, trial: *self.selected & TRIAL != 0 })
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<Infallible>> {
        check_write(self, selection.slot, 0, 0)?;
        // One store: the old word or the new one.
        *self.selected = u32::from(selection.slot) | if selection.trial { TRIAL } else { 0 };
        Ok(())
    }
}
