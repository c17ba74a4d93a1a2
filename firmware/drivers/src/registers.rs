//! Chips whose registers are read alike over both buses.

use embedded_hal_async::i2c::I2c;
use embedded_hal_async::spi::{Operation, SpiDevice};

use crate::DriverError;

/// Access to a chip's registers.
pub trait Registers {
    /// Reads from `register` on.
    ///
    /// # Errors
    /// [`DriverError::Bus`].
    async fn read(&mut self, register: u8, into: &mut [u8]) -> Result<(), DriverError>;

    /// Writes one register.
    ///
    /// # Errors
    /// [`DriverError::Bus`].
    async fn write(&mut self, register: u8, value: u8) -> Result<(), DriverError>;

    /// Reads one register.
    ///
    /// # Errors
    /// [`DriverError::Bus`].
    async fn read_one(&mut self, register: u8) -> Result<u8, DriverError> {
        let mut value = [0];
        self.read(register, &mut value).await?;
        let [value] = value;
        Ok(value)
    }
}

/// Over I²C: the register's number, then its bytes.
#[derive(Debug)]
pub struct I2cRegisters<I> {
    bus: I,
    address: u8,
}

impl<I: I2c> I2cRegisters<I> {
    /// Returns the registers of the chip at `address`, 7 bits.
    pub const fn new(bus: I, address: u8) -> Self {
        Self { bus, address }
    }

    /// Returns the bus.
    pub fn release(self) -> I {
        self.bus
    }
}

impl<I: I2c> Registers for I2cRegisters<I> {
    async fn read(&mut self, register: u8, into: &mut [u8]) -> Result<(), DriverError> {
        self.bus.write_read(self.address, &[register], into).await.map_err(DriverError::i2c)
    }

    async fn write(&mut self, register: u8, value: u8) -> Result<(), DriverError> {
        self.bus.write(self.address, &[register, value]).await.map_err(DriverError::i2c)
    }
}

/// Over SPI as the ADXL355 has it: the register's number in the upper seven bits, 1 below them to read.
#[derive(Debug)]
pub struct SpiRegisters<S>(pub S);

impl<S: SpiDevice> Registers for SpiRegisters<S> {
    async fn read(&mut self, register: u8, into: &mut [u8]) -> Result<(), DriverError> {
        let mut operations = [Operation::Write(&[register << 1 | 1]), Operation::Read(into)];
        self.0.transaction(&mut operations).await.map_err(DriverError::spi)
    }

    async fn write(&mut self, register: u8, value: u8) -> Result<(), DriverError> {
        self.0.write(&[register << 1, value]).await.map_err(DriverError::spi)
    }
}
