//! Model slots in memory on the bus, with a copy in RAM where engines can read it in place.

use embedded_hal_async::i2c::I2c;
use tanbo_board_api::slots::{check_erase, check_write};
use tanbo_board_api::{Selection, SlotError, Slots};
use tanbo_drivers::DriverError;
use tanbo_drivers::mb85rc::Mb85rc;

/// A slot's length: the seismic model in 48-byte fragments, and 74 more of them.
pub const SLOT_BYTES: usize = 14 << 10;
const SLOTS: usize = 2;
/// Where the selection lies, behind the slots.
const SELECTION: u32 = (SLOTS * SLOT_BYTES) as u32;
/// Where something else may begin: the store, then a page for the identity.
pub const END: u32 = SELECTION + 1024;
/// Who the node is.
pub const IDENTITY: core::ops::Range<u32> = 63 << 10..64 << 10;
/// As most flash.
const WRITE_BYTES: usize = 8;
/// Bit of the selection's byte beside the slot's number.
const TRIAL: u8 = 0x10;

/// RAM for a slot.
#[repr(align(16))]
pub struct Copy(pub [u8; SLOT_BYTES]);

/// The slots.
pub struct BusSlots<I> {
    memory: Mb85rc<I>,
    copies: &'static mut [Copy; SLOTS],
    selected: Option<Selection>,
}

impl<I: I2c> BusSlots<I> {
    /// Reads them.
    pub async fn open(mut memory: Mb85rc<I>, copies: &'static mut [Copy; SLOTS]) -> Result<Self, DriverError> {
        for (slot, copy) in copies.iter_mut().enumerate() {
            memory.read((slot * SLOT_BYTES) as u32, &mut copy.0).await?;
        }
        let mut byte = [0];
        memory.read(SELECTION, &mut byte).await?;
        let [byte] = byte;
        let slot = byte & !TRIAL;
        let selected = (usize::from(slot) < SLOTS).then_some(Selection { slot, trial: byte & TRIAL != 0 });
        Ok(Self { memory, copies, selected })
    }
}

impl<I: I2c> Slots for BusSlots<I> {
    type Error = DriverError;

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
        self.copies.get(usize::from(slot)).map_or(&[], |copy| &copy.0)
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<DriverError>> {
        check_erase(self, slot)?;
        let copy = self.copies.get_mut(usize::from(slot)).ok_or(SlotError::NoSlot { slot })?;
        copy.0.fill(0xff);
        for (page, bytes) in copy.0.chunks(1024).enumerate() {
            let at = usize::from(slot) * SLOT_BYTES + page * 1024;
            self.memory.write(at as u32, bytes).await.map_err(SlotError::Device)?;
        }
        Ok(())
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<DriverError>> {
        check_write(self, slot, at, bytes.len())?;
        let copy = self.copies.get_mut(usize::from(slot)).ok_or(SlotError::NoSlot { slot })?;
        copy.0.iter_mut().skip(at).zip(bytes).for_each(|(to, byte)| *to &= byte);
        let to = usize::from(slot) * SLOT_BYTES + at;
        let written = copy.0.get(at..at + bytes.len()).unwrap_or_default();
        self.memory.write(to as u32, written).await.map_err(SlotError::Device)
    }

    fn selected(&self) -> Option<Selection> {
        self.selected
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<DriverError>> {
        check_write(self, selection.slot, 0, 0)?;
        // One byte: the old one or the new one.
        let byte = selection.slot | if selection.trial { TRIAL } else { 0 };
        self.memory.write(SELECTION, &[byte]).await.map_err(SlotError::Device)?;
        self.selected = Some(selection);
        Ok(())
    }
}
