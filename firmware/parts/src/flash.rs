//! Internal flash, shared by the store, the model slots and last words.

use core::cell::RefCell;
use core::ops::Range;

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::{Mutex, raw::CriticalSectionRawMutex};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as asynchronous;

/// Flash that every part of the firmware can reach, the interrupt of a falling supply too. The core waits while it is written or erased:
/// it runs from the same flash.
pub type Flash<F> = Mutex<CriticalSectionRawMutex, RefCell<F>>;

/// Flash whose bytes can be read where they lie.
pub trait InPlace: asynchronous::NorFlash {
    /// Returns the bytes at these offsets; empty beyond the end.
    fn in_place(&self, offsets: Range<u32>) -> &[u8];
}

/// One user's way to the flash, by offsets from its start.
#[derive(Debug)]
pub struct Shared<F: 'static> {
    flash: &'static Flash<F>,
    /// Address of its first byte.
    base: usize,
}

impl<F> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self { flash: self.flash, base: self.base }
    }
}

impl<F: NorFlash> Shared<F> {
    /// Returns a way to `flash`.
    ///
    /// # Safety
    /// Its bytes, as many as it says, can be read at `base` and lie there for ever. While somebody reads in place, nobody writes the same
    /// offsets: give each user its own.
    pub const unsafe fn new(flash: &'static Flash<F>, base: usize) -> Self {
        Self { flash, base }
    }

    fn with<T>(&self, work: impl FnOnce(&mut F) -> T) -> T {
        self.flash.lock(|flash| work(&mut flash.borrow_mut()))
    }
}

impl<F: NorFlash> ErrorType for Shared<F> {
    type Error = F::Error;
}

impl<F: NorFlash> ReadNorFlash for Shared<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        self.with(|flash| flash.read(offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.with(|flash| flash.capacity())
    }
}

impl<F: NorFlash> NorFlash for Shared<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        self.with(|flash| flash.erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        self.with(|flash| flash.write(offset, bytes))
    }
}

impl<F: NorFlash> asynchronous::ReadNorFlash for Shared<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        ReadNorFlash::read(self, offset, bytes)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(self)
    }
}

impl<F: NorFlash> asynchronous::NorFlash for Shared<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    /// Page by page, so that interrupts are held off for one page at most, and the node's other tasks go on after each.
    async fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        let page = F::ERASE_SIZE as u32;
        if !from.is_multiple_of(page) || !to.is_multiple_of(page) {
            // The driver says what is wrong.
            return NorFlash::erase(self, from, to);
        }
        for at in (from..to).step_by(F::ERASE_SIZE) {
            NorFlash::erase(self, at, at + page)?;
            yield_now().await;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        NorFlash::write(self, offset, bytes)
    }
}

impl<F: NorFlash> InPlace for Shared<F> {
    fn in_place(&self, offsets: Range<u32>) -> &[u8] {
        let (start, end) = (offsets.start as usize, offsets.end as usize);
        if start > end || end > ReadNorFlash::capacity(self) {
            return &[];
        }
        let at = core::ptr::with_exposed_provenance(self.base + start);
        // SAFETY: `new` was promised that all bytes of the flash can be read there for ever, and that nobody writes these offsets as
        // long as somebody reads them; the range is within the flash by the test above.
        unsafe { core::slice::from_raw_parts(at, end - start) }
    }
}
