//! ADXL362 as the node uses it: off, or in its wake-up mode, where a motion raises its pin.

use core::convert::Infallible;

use embedded_hal_async::spi::{ErrorType, Operation, SpiDevice};
use tanbo_node::plan::SensorState;

use super::{SPI_HZ, takes};
use crate::world::{Feed, World};

const WRITE: u8 = 0x0a;
const READ: u8 = 0x0b;
/// Registers that are kept as they were written.
const REGISTERS: usize = 0x30;
const THRESH_ACT_L: usize = 0x20;
const THRESH_ACT_H: usize = 0x21;
const TIME_ACT: usize = 0x22;
const POWER_CTL: usize = 0x2d;
/// `POWER_CTL`: it measures; in its wake-up mode.
const MEASURE: u8 = 0b10;
const WAKE_UP: u8 = 1 << 3;
/// Time between looks in the wake-up mode: about 6 Hz.
const PERIOD_NS: u64 = 166_666_667;

/// The chip, a device of its own on the SPI bus. Its feed holds mg without gravity, three axes at 6 Hz.
pub struct Adxl362Chip {
    world: &'static World,
    sensor: usize,
    feed: Feed<3>,
    registers: [u8; REGISTERS],
}

impl Adxl362Chip {
    /// Returns the chip, in standby, as sensor number `sensor` of the node.
    pub fn new(world: &'static World, sensor: usize, feed: Feed<3>) -> Self {
        let mut registers = [0; REGISTERS];
        registers.iter_mut().zip([0xad, 0x1d, 0xf2]).for_each(|(to, byte)| *to = byte);
        Self { world, sensor, feed, registers }
    }

    /// When the first motion is that the settings call one.
    fn motion_us(&mut self) -> Option<u64> {
        let [low, high, time] = [THRESH_ACT_L, THRESH_ACT_H, TIME_ACT].map(|register| self.registers[register]);
        let threshold = i32::from(u16::from_le_bytes([low, high & 7]));
        let mut number = self.world.now_us() * 1000 / PERIOD_NS;
        let mut beyond = 0;
        loop {
            // Where the feed ends nothing moves any more.
            let axes = self.feed.reading(number).ok()?;
            number += 1;
            beyond = if axes.iter().any(|axis| axis.abs() > threshold) { beyond + 1 } else { 0 };
            if beyond >= time.max(1) {
                return Some(number * PERIOD_NS / 1000);
            }
        }
    }

    fn write(&mut self, register: usize, value: u8) {
        if let Some(to) = self.registers.get_mut(register) {
            *to = value;
        }
        if register != POWER_CTL {
            return;
        }
        let (state, motion) = match value {
            _ if value & MEASURE == 0 => (SensorState::Standby, None),
            _ if value & WAKE_UP != 0 => (SensorState::Watch, self.motion_us()),
            _ => (SensorState::Measure, None),
        };
        self.world.sensor(self.sensor, state);
        self.world.interrupt(self.sensor, motion);
    }

    #[inline(never)]
    fn transfer(&mut self, operations: &mut [Operation<'_, u8>]) {
        let world = self.world;
        let bits = world.outside(|| {
            let (mut bits, mut head) = (0, heapless::Vec::<u8, 3>::new());
            for operation in operations {
                match operation {
                    Operation::Write(bytes) => {
                        bits += 8 * bytes.len() as u64;
                        for byte in bytes.iter() {
                            // What is more than a command, a register and a value no driver here writes at once.
                            let _ = head.push(*byte);
                        }
                        if let [WRITE, register, value] = *head {
                            self.write(register.into(), value);
                        }
                    }
                    Operation::Read(bytes) => {
                        bits += 8 * bytes.len() as u64;
                        let register = match *head {
                            [READ, register] => register.into(),
                            _ => REGISTERS,
                        };
                        for (byte, register) in bytes.iter_mut().zip(register..) {
                            *byte = self.registers.get(register).copied().unwrap_or(0);
                        }
                    }
                    _ => {}
                }
            }
            bits
        });
        takes(world, bits, SPI_HZ);
    }
}

impl ErrorType for Adxl362Chip {
    type Error = Infallible;
}

impl SpiDevice for Adxl362Chip {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        self.transfer(operations);
        Ok(())
    }
}
