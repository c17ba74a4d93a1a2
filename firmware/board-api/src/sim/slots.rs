//! Slots in RAM that behave as flash.

use core::convert::Infallible;

use crate::slots::{check_erase, check_write};
use crate::{Selection, SlotError, Slots};

/// `COUNT` slots of `BYTES` bytes each.
#[derive(Clone, Debug)]
pub struct SimSlots<const COUNT: usize, const BYTES: usize> {
    memory: [Aligned<BYTES>; COUNT],
    selected: Option<Selection>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
struct Aligned<const BYTES: usize>([u8; BYTES]);

/// Bytes that are written at once.
const WRITE_BYTES: usize = 8;

impl<const COUNT: usize, const BYTES: usize> SimSlots<COUNT, BYTES> {
    /// Returns erased slots, none selected.
    pub const fn new() -> Self {
        Self { memory: [Aligned([0xff; BYTES]); COUNT], selected: None }
    }
}

impl<const COUNT: usize, const BYTES: usize> Default for SimSlots<COUNT, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const COUNT: usize, const BYTES: usize> Slots for SimSlots<COUNT, BYTES> {
    type Error = Infallible;

    fn count(&self) -> u8 {
        COUNT as u8
    }

    fn slot_bytes(&self) -> usize {
        BYTES
    }

    fn write_bytes(&self) -> usize {
        WRITE_BYTES
    }

    fn bytes(&self, slot: u8) -> &[u8] {
        self.memory.get(usize::from(slot)).map_or(&[], |memory| &memory.0)
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<Infallible>> {
        check_erase(self, slot)?;
        let memory = self.memory.get_mut(usize::from(slot)).ok_or(SlotError::NoSlot { slot })?;
        memory.0.fill(0xff);
        Ok(())
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<Infallible>> {
        check_write(self, slot, at, bytes.len())?;
        let memory = self.memory.get_mut(usize::from(slot)).ok_or(SlotError::NoSlot { slot })?;
        // As flash: bits fall, none rises.
        memory.0.iter_mut().skip(at).zip(bytes).for_each(|(to, byte)| *to &= byte);
        Ok(())
    }

    fn selected(&self) -> Option<Selection> {
        self.selected
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<Infallible>> {
        check_write(self, selection.slot, 0, 0)?;
        self.selected = Some(selection);
        Ok(())
    }
}
