//! The flash behind the chip's cache: written through the ROM's functions, read in place where the cache's table maps it.

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use esp_storage::{FlashStorage, FlashStorageError};

/// Where the flash is mapped: the upper half of the data bus's 8 MiB, whose lower half the boot loader has for the image.
pub(super) const MAPPED: u32 = 0x3c40_0000;
/// Bytes that are mapped: the flash map's, in whole pages of the table.
const MAPPED_BYTES: u32 = crate::flash::MAP.flash().end.next_multiple_of(PAGE_BYTES);
/// Length of a page of the table.
const PAGE_BYTES: u32 = 64 << 10;

/// Functions of the chip's ROM (ESP-IDF, `components/esp_rom/include/esp32c3/rom/cache.h`).
mod rom {
    unsafe extern "C" {
        /// Maps `pages` of `page_kib` from `flash` on at `address`. 0 if it could.
        pub(super) fn Cache_Dbus_MMU_Set(
            external_ram: u32,
            address: u32,
            flash: u32,
            page_kib: u32,
            pages: u32,
            fixed: u32,
        ) -> i32;
        /// Forgets what the cache holds of these addresses.
        pub(super) fn Cache_Invalidate_Addr(address: u32, bytes: u32) -> i32;
    }
}

/// The flash, mapped.
pub struct MappedFlash(FlashStorage<'static>);

impl MappedFlash {
    /// Maps the flash; `None` if the table refuses.
    pub(super) fn new(flash: FlashStorage<'static>) -> Option<Self> {
        // SAFETY: the entries of these addresses are free (an image ends far below: the flash map leaves it 1 MiB), so nothing that runs is
        // moved. 0 is flash, not external RAM.
        let refused = unsafe { rom::Cache_Dbus_MMU_Set(0, MAPPED, 0, PAGE_BYTES >> 10, MAPPED_BYTES / PAGE_BYTES, 0) };
        if refused != 0 {
            return None;
        }
        forget(0, MAPPED_BYTES);
        Some(Self(flash))
    }
}

/// What is read in place shall be what is there.
fn forget(offset: u32, bytes: u32) {
    if offset < MAPPED_BYTES {
        // SAFETY: the addresses are mapped; a line that is forgotten is read from flash again.
        unsafe { rom::Cache_Invalidate_Addr(MAPPED + offset, bytes.min(MAPPED_BYTES - offset)) };
    }
}

impl ErrorType for MappedFlash {
    type Error = FlashStorageError;
}

impl ReadNorFlash for MappedFlash {
    const READ_SIZE: usize = <FlashStorage<'_> as ReadNorFlash>::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashStorageError> {
        ReadNorFlash::read(&mut self.0, offset, bytes)
    }

    /// What is mapped.
    fn capacity(&self) -> usize {
        MAPPED_BYTES as usize
    }
}

impl NorFlash for MappedFlash {
    const WRITE_SIZE: usize = <FlashStorage<'_> as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <FlashStorage<'_> as NorFlash>::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashStorageError> {
        let erased = NorFlash::erase(&mut self.0, from, to);
        forget(from, to.saturating_sub(from));
        erased
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashStorageError> {
        let written = NorFlash::write(&mut self.0, offset, bytes);
        forget(offset, bytes.len() as u32);
        written
    }
}
