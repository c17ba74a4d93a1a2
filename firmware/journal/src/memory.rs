//! Memory whose bytes are written one by one, without an erase.

use embedded_hal_async::i2c::I2c;
use embedded_storage::Storage;
use tanbo_drivers::DriverError;
use tanbo_drivers::mb85rc::Mb85rc;

/// What a journal lies in.
pub trait Memory {
    /// Why it cannot be read or written.
    type Error;

    /// Returns how many bytes are written together, a power of two: a cut in the middle of a write can spoil the whole page that
    /// is being written, and no other. 1 where a cut leaves every byte either old or new.
    fn page(&self) -> u32;

    /// Reads from `at` on.
    ///
    /// # Errors
    /// The memory's.
    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes from `at` on, in this order; in the memory when it returns.
    ///
    /// # Errors
    /// The memory's.
    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl<I: I2c> Memory for Mb85rc<I> {
    type Error = DriverError;

    fn page(&self) -> u32 {
        1
    }

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), DriverError> {
        Self::read(self, at, into).await
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), DriverError> {
        Self::write(self, at, bytes).await
    }
}

/// A memory behind a blocking driver, such as `eeprom24x`'s, with the length of its pages (16 to 128 bytes in EEPROMs of the 24C
/// family).
#[derive(Clone, Copy, Debug)]
pub struct Paged<S> {
    /// The driver.
    pub storage: S,
    /// Bytes of a page.
    pub page: u32,
}

impl<S: Storage> Memory for Paged<S> {
    type Error = S::Error;

    fn page(&self) -> u32 {
        self.page
    }

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), S::Error> {
        self.storage.read(at, into)
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), S::Error> {
        self.storage.write(at, bytes)
    }
}

impl<M: Memory> Memory for &mut M {
    type Error = M::Error;

    fn page(&self) -> u32 {
        M::page(self)
    }

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), M::Error> {
        M::read(self, at, into).await
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), M::Error> {
        M::write(self, at, bytes).await
    }
}
