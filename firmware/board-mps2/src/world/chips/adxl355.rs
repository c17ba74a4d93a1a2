//! ADXL355: a FIFO that fills at 31.25 Hz, and a pin that rises at its watermark. What its driver does not use is not here.

use core::convert::Infallible;
use core::future::pending;

use embedded_hal_async::spi::{ErrorType, Operation, SpiDevice};
use tanbo_node::plan::SensorState;

use super::{SPI_HZ, takes};
use crate::world::{Feed, World};

/// Axes, readings in the FIFO.
const AXES: usize = 3;
const FIFO_READINGS: u64 = 32;
/// Registers that are kept as they were written.
const REGISTERS: usize = 0x30;
const FIFO_ENTRIES: u8 = 0x05;
const STATUS: u8 = 0x04;
const FIFO_DATA: u8 = 0x11;
const FILTER: u8 = 0x28;
const FIFO_SAMPLES: u8 = 0x29;
const POWER_CTL: u8 = 0x2d;
const RESET: u8 = 0x2f;
/// `STATUS`.
const OVERRUN: u8 = 0b100;

/// The chip, a device of its own on the SPI bus. Its feed holds steps of the range ±2 g, 256,000 a g.
pub struct Adxl355Chip {
    world: &'static World,
    sensor: usize,
    feed: Feed<AXES>,
    registers: [u8; REGISTERS],
    /// When it began to measure.
    began_us: Option<u64>,
    /// Number of its first reading in the feed.
    first: u64,
    /// Readings taken out, or lost, since it began.
    taken: u64,
    /// Axes of the oldest reading that were taken out.
    axes: usize,
    overrun: bool,
}

impl Adxl355Chip {
    /// Returns the chip, in standby, as sensor number `sensor` of the node.
    pub fn new(world: &'static World, sensor: usize, feed: Feed<AXES>) -> Self {
        let mut registers = [0; REGISTERS];
        registers.iter_mut().zip([0xad, 0x1d, 0xed]).for_each(|(to, byte)| *to = byte);
        Self { world, sensor, feed, registers, began_us: None, first: 0, taken: 0, axes: 0, overrun: false }
    }

    fn register(&self, register: u8) -> u8 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn period_ns(&self) -> u64 {
        250_000 << (self.register(FILTER) & 0xf).min(10)
    }

    /// Drops what ran over; returns how many readings there are.
    fn waiting(&mut self) -> u64 {
        let Some(began_us) = self.began_us else { return 0 };
        let made = (self.world.now_us() - began_us) * 1000 / self.period_ns();
        let oldest = made.saturating_sub(FIFO_READINGS);
        if oldest > self.taken {
            (self.taken, self.axes, self.overrun) = (oldest, 0, true);
        }
        made - self.taken
    }

    fn interrupts(&mut self) {
        let watermark = u64::from(self.register(FIFO_SAMPLES)) / AXES as u64;
        let at = self.began_us.map(|began| began + ((self.taken + watermark) * self.period_ns()).div_ceil(1000));
        self.world.interrupt(self.sensor, at.filter(|_| watermark > 0));
    }

    fn write(&mut self, register: u8, value: u8) {
        if let Some(to) = self.registers.get_mut(usize::from(register)) {
            *to = value;
        }
        match register {
            POWER_CTL if value & 1 == 0 && self.began_us.is_none() => {
                let now = self.world.now_us();
                (self.began_us, self.taken, self.axes, self.overrun) = (Some(now), 0, 0, false);
                self.first = now * 1000 / self.period_ns();
                self.world.sensor(self.sensor, SensorState::Measure);
            }
            POWER_CTL if value & 1 == 1 => self.began_us = None,
            RESET => self.began_us = None,
            _ => {}
        }
        if self.began_us.is_none() {
            self.world.sensor(self.sensor, SensorState::Standby);
        }
        self.interrupts();
    }

    fn read(&mut self, register: u8, into: &mut [u8]) {
        if register == FIFO_DATA {
            let waiting = self.waiting();
            let end = self.taken + waiting;
            let mut reading = None;
            for entry in into.as_chunks_mut::<3>().0 {
                // 20 bits on the left of 24; the lowest say: of the X axis, or none.
                *entry = [0, 0, 0b10];
                if self.taken >= end {
                    continue;
                }
                let number = self.first + self.taken;
                // Where the feed ends the world does: its last reading stays.
                let values = *reading.get_or_insert_with(|| self.feed.reading(number).unwrap_or_default());
                let steps = values.get(self.axes).copied().unwrap_or(0);
                let [_, high, middle, low] = (steps.clamp(-(1 << 19), (1 << 19) - 1) << 4).to_be_bytes();
                *entry = [high, middle, low | u8::from(self.axes == 0)];
                self.axes += 1;
                if self.axes == AXES {
                    (self.axes, self.taken, reading) = (0, self.taken + 1, None);
                }
            }
            self.interrupts();
            return;
        }
        for (byte, register) in into.iter_mut().zip(register..) {
            *byte = match register {
                FIFO_ENTRIES => (self.waiting() as usize * AXES - self.axes) as u8,
                STATUS => {
                    self.waiting();
                    u8::from(core::mem::take(&mut self.overrun)) * OVERRUN
                }
                _ => self.register(register),
            };
        }
    }

    #[inline(never)]
    fn transfer(&mut self, operations: &mut [Operation<'_, u8>]) {
        let world = self.world;
        let bits = world.outside(|| {
            let (mut bits, mut command) = (0, None);
            for operation in operations {
                bits += 8 * match operation {
                    Operation::Write(bytes) => {
                        let mut bytes_left = bytes.iter();
                        if command.is_none() {
                            command = bytes_left.next().copied();
                        }
                        let register = command.unwrap_or(0) >> 1;
                        bytes_left.zip(register..).for_each(|(byte, register)| self.write(register, *byte));
                        bytes.len() as u64
                    }
                    Operation::Read(bytes) => {
                        self.read(command.unwrap_or(0) >> 1, bytes);
                        bytes.len() as u64
                    }
                    // No driver here does both at once.
                    _ => 0,
                };
            }
            bits
        });
        takes(world, bits, SPI_HZ);
    }
}

impl ErrorType for Adxl355Chip {
    type Error = Infallible;
}

impl SpiDevice for Adxl355Chip {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        if self.world.hangs() {
            return pending().await;
        }
        self.transfer(operations);
        Ok(())
    }
}
