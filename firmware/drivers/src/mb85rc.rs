//! MB85RC, ferroelectric memory: any byte, at once, 10¹² times. Where checkpoints and counters go.
//!
//! Commands: Fujitsu, "MB85RC256V", DS501-00017. Chips of the 24C family with two address bytes answer alike, but take milliseconds after
//! each page: QEMU's `at24c-eeprom` does not. `eeprom24x` writes by pages and waits for EEPROMs.

use embedded_hal_async::i2c::{I2c, Operation};
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

use crate::DriverError;

/// Reserved address at which chips tell what they are.
const IDENTITY_ADDRESS: u8 = 0xf8 >> 1;
/// Fujitsu's number.
const MANUFACTURER: u16 = 0x00a;

/// The chip's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// MB85RC64: 8 KiB.
    Kbit64,
    /// MB85RC128: 16 KiB.
    Kbit128,
    /// MB85RC256V: 32 KiB.
    Kbit256,
    /// MB85RC512T: 64 KiB.
    Kbit512,
    /// MB85RC1MT: 128 KiB; the uppermost address bit is in the device's address.
    Kbit1024,
}

impl Size {
    /// Returns the bytes it holds.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Kbit64 => 8 << 10,
            Self::Kbit128 => 16 << 10,
            Self::Kbit256 => 32 << 10,
            Self::Kbit512 => 64 << 10,
            Self::Kbit1024 => 128 << 10,
        }
    }
}

/// The chip.
#[derive(Debug)]
pub struct Mb85rc<I> {
    bus: I,
    address: u8,
    size: Size,
}

impl<I: I2c> Mb85rc<I> {
    /// Returns the chip at `address`, 0x50 to 0x57 (even on [`Size::Kbit1024`]). Nothing is sent yet.
    ///
    /// # Errors
    /// [`DriverError::Range`] for another address.
    pub fn new(bus: I, address: u8, size: Size) -> Result<Self, DriverError> {
        let odd = size == Size::Kbit1024 && address & 1 == 1;
        if !(0x50..=0x57).contains(&address) || odd {
            return Err(DriverError::Range);
        }
        Ok(Self { bus, address, size })
    }

    /// Returns the bus.
    pub fn release(self) -> I {
        self.bus
    }

    /// Returns the bytes it holds.
    pub fn capacity(&self) -> u32 {
        self.size.bytes()
    }

    /// Asks the chip what it is; its product number. The 64 Kbit chip does not know.
    ///
    /// # Errors
    /// [`DriverError::Identity`] for another manufacturer, [`DriverError::Bus`].
    pub async fn identify(&mut self) -> Result<u16, DriverError> {
        let mut bytes = [0; 3];
        let word = self.address << 1;
        self.bus.write_read(IDENTITY_ADDRESS, &[word], &mut bytes).await.map_err(DriverError::i2c)?;
        let [high, middle, low] = bytes;
        let manufacturer = u16::from(high) << 4 | u16::from(middle) >> 4;
        if manufacturer != MANUFACTURER {
            return Err(DriverError::Identity { expected: MANUFACTURER.into(), found: manufacturer.into() });
        }
        Ok(u16::from_be_bytes([middle & 0x0f, low]))
    }

    /// Reads from `at` on.
    ///
    /// # Errors
    /// [`DriverError::Range`] beyond the end, [`DriverError::Bus`].
    pub async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), DriverError> {
        let (device, word) = self.place(at, into.len())?;
        self.bus.write_read(device, &word, into).await.map_err(DriverError::i2c)
    }

    /// Writes from `at` on; done when it returns.
    ///
    /// A cut of the supply leaves a beginning of `bytes` written, byte for byte.
    ///
    /// # Errors
    /// [`DriverError::Range`] beyond the end, [`DriverError::Bus`].
    pub async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), DriverError> {
        let (device, word) = self.place(at, bytes.len())?;
        let mut operations = [Operation::Write(&word), Operation::Write(bytes)];
        self.bus.transaction(device, &mut operations).await.map_err(DriverError::i2c)
    }

    /// The device's address and the two address bytes.
    fn place(&self, at: u32, len: usize) -> Result<(u8, [u8; 2]), DriverError> {
        let end = u32::try_from(len).ok().and_then(|len| at.checked_add(len)).ok_or(DriverError::Range)?;
        if end > self.capacity() {
            return Err(DriverError::Range);
        }
        let [_, bank, high, low] = at.to_be_bytes();
        Ok((self.address | bank, [high, low]))
    }
}

/// The chip as flash, for what is made for flash (`tanbo-store`): pages of [`FramFlash::PAGE`] bytes that are "erased" by
/// writing ones, words of four bytes.
#[derive(Debug)]
pub struct FramFlash<I>(pub Mb85rc<I>);

impl<I> FramFlash<I> {
    /// Length of a page, bytes.
    pub const PAGE: usize = 1024;
}

/// Bytes that an erase writes at once.
const ERASE_BYTES: usize = 64;

impl NorFlashError for DriverError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Range => NorFlashErrorKind::OutOfBounds,
            _ => NorFlashErrorKind::Other,
        }
    }
}

impl<I: I2c> ErrorType for FramFlash<I> {
    type Error = DriverError;
}

impl<I: I2c> ReadNorFlash for FramFlash<I> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), DriverError> {
        self.0.read(at, into).await
    }

    fn capacity(&self) -> usize {
        self.0.capacity() as usize
    }
}

impl<I: I2c> NorFlash for FramFlash<I> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = Self::PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), DriverError> {
        for at in (from..to).step_by(ERASE_BYTES) {
            self.0.write(at, &[0xff; ERASE_BYTES]).await?;
        }
        Ok(())
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), DriverError> {
        self.0.write(at, bytes).await
    }
}
