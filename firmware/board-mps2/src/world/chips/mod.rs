//! The chips on the node's buses, register by register, as their drivers see them.

mod adxl355;
mod adxl362;
mod dps310;
mod memory;
mod ms5837;
mod sht4x;

pub use adxl355::Adxl355Chip;
pub use adxl362::Adxl362Chip;
pub use dps310::{DPS310_COEFFICIENTS, Dps310Chip};
use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;
#[cfg(not(target_os = "none"))]
pub use memory::Fram;
pub use memory::{Lines, Memory};
pub use ms5837::{MS5837_CALIBRATION, Ms5837Chip};
pub use sht4x::Sht4xChip;
use tanbo_board_api::{Depth, WakeMask};

use super::{SECOND_US, Wait, World};

/// Clock of the I²C buses, Hz.
const I2C_HZ: u64 = 400_000;
/// Clock of the SPI buses, Hz.
const SPI_HZ: u64 = 8_000_000;

/// A chip on an I²C bus, byte by byte.
pub trait Chip {
    /// Its address, 7 bits.
    const ADDRESS: u8;

    /// It is addressed, to be read or to be written.
    fn begin(&mut self, world: &'static World, reads: bool);

    /// It gets a byte.
    fn take(&mut self, world: &'static World, byte: u8);

    /// It gives a byte.
    fn give(&mut self, world: &'static World) -> u8;
}

/// A bus with one chip. Bytes take their time, in which the core idles: transfers need no core.
pub struct Bus<C> {
    world: &'static World,
    chip: C,
}

impl<C: Chip> Bus<C> {
    /// Returns the bus.
    pub fn new(world: &'static World, chip: C) -> Self {
        Self { world, chip }
    }

    #[inline(never)]
    fn transfer(&mut self, operations: &mut [Operation<'_>]) {
        let world = self.world;
        let bits = world.outside(|| self.run(operations));
        takes(world, bits, I2C_HZ);
    }

    fn run(&mut self, operations: &mut [Operation<'_>]) -> u64 {
        let Self { world, chip } = self;
        let (mut direction, mut bits) = (None, 0);
        for operation in operations {
            let reads = matches!(operation, Operation::Read(_));
            if direction != Some(reads) {
                // A start, the address, its acknowledgement.
                bits += 10;
                chip.begin(world, reads);
                direction = Some(reads);
            }
            match operation {
                Operation::Write(bytes) => {
                    bytes.iter().for_each(|byte| chip.take(world, *byte));
                    bits += 9 * bytes.len() as u64;
                }
                Operation::Read(bytes) => {
                    bytes.iter_mut().for_each(|byte| *byte = chip.give(world));
                    bits += 9 * bytes.len() as u64;
                }
            }
        }
        bits + 1
    }
}

impl<C> ErrorType for Bus<C> {
    type Error = ErrorKind;
}

impl<C: Chip> I2c for Bus<C> {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        if address != C::ADDRESS {
            return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
        }
        self.transfer(operations);
        Ok(())
    }
}

/// Bits go over a bus.
fn takes(world: &'static World, bits: u64, hz: u64) {
    let until = world.now_us() + (bits * SECOND_US).div_ceil(hz);
    world.wait(until, Wait::Bus, Depth::Idle, WakeMask::NONE);
}

/// Pauses of drivers: the core sleeps.
#[derive(Clone, Copy)]
pub struct Pause(pub &'static World);

impl DelayNs for Pause {
    async fn delay_ns(&mut self, ns: u32) {
        // A microsecond more: the present one has begun.
        let until = self.0.now_us() + u64::from(ns.div_ceil(1000)) + 1;
        self.0.wait(until, Wait::Pause, Depth::Stop, WakeMask::NONE);
    }
}
