//! Memory on the bus that keeps model slots; engines read a copy in RAM in place.

use embedded_hal_async::i2c::I2c;
use tanbo_board_api::slots::Behind;
use tanbo_board_api::{MemorySlots, Selection, SlotMemory};
use tanbo_drivers::DriverError;
use tanbo_drivers::mb85rc::Mb85rc;

/// A slot's length: the seismic model in 48-byte fragments, and 74 more of them.
pub const SLOT_BYTES: usize = 14 << 10;
pub const SLOTS: usize = 2;
/// Where the selection lies, behind the slots.
const SELECTION: u32 = (SLOTS * SLOT_BYTES) as u32;
/// Where something else may begin: the store, then a page for the identity.
pub const END: u32 = SELECTION + 1024;
/// Who the node is.
pub const IDENTITY: core::ops::Range<u32> = 63 << 10..64 << 10;
/// Bit of the selection's byte beside the slot's number.
const TRIAL: u8 = 0x10;

/// RAM for a slot.
pub type Copy = SlotMemory<SLOT_BYTES>;

/// The memory behind the slots.
pub struct BusMemory<I> {
    memory: Mb85rc<I>,
    selected: Option<Selection>,
}

/// Reads the slots into `copies`.
pub async fn open<I: I2c>(
    mut memory: Mb85rc<I>,
    copies: &'static mut [Copy; SLOTS],
) -> Result<MemorySlots<'static, SLOTS, BusMemory<I>>, DriverError> {
    for (slot, copy) in copies.iter_mut().enumerate() {
        memory.read((slot * SLOT_BYTES) as u32, &mut copy.0).await?;
    }
    let mut byte = [0];
    memory.read(SELECTION, &mut byte).await?;
    let [byte] = byte;
    let slot = byte & !TRIAL;
    let selected = (usize::from(slot) < SLOTS).then_some(Selection { slot, trial: byte & TRIAL != 0 });
    let copies = copies.each_mut().map(|copy| &mut copy.0[..]);
    Ok(MemorySlots::new(copies, BusMemory { memory, selected }))
}

impl<I: I2c> Behind for BusMemory<I> {
    type Error = DriverError;

    fn selected(&self) -> Option<Selection> {
        self.selected
    }

    async fn select(&mut self, selection: Selection) -> Result<(), DriverError> {
        // One byte: the old one or the new one.
        let byte = selection.slot | if selection.trial { TRIAL } else { 0 };
        self.memory.write(SELECTION, &[byte]).await?;
        self.selected = Some(selection);
        Ok(())
    }

    async fn erased(&mut self, slot: u8) -> Result<(), DriverError> {
        let page = [0xff; 256];
        for at in (0..SLOT_BYTES).step_by(page.len()) {
            self.memory.write((usize::from(slot) * SLOT_BYTES + at) as u32, &page).await?;
        }
        Ok(())
    }

    async fn written(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), DriverError> {
        self.memory.write((usize::from(slot) * SLOT_BYTES + at) as u32, bytes).await
    }
}
