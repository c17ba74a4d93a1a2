//! SHT4x: temperature and humidity on request.

use super::Chip;
use crate::world::{Feed, World};

/// Measure both at high repeatability.
const MEASURE: u8 = 0xfd;
/// Read the serial number, and the one that this chip has.
const SERIAL: u8 = 0x89;
const NUMBER: [i32; 2] = [0x0102, 0x0304];
/// Longest measurement at high repeatability, µs.
const MEASUREMENT_US: u64 = 8_300;

/// The chip. Its feed holds both raw values of 16 bits, a pair each `period_us`.
pub struct Sht4xChip {
    sensor: usize,
    feed: Feed<2>,
    period_us: u64,
    bytes: [u8; 6],
    at: usize,
}

impl Sht4xChip {
    /// Returns the chip as sensor number `sensor` of the node.
    pub fn new(sensor: usize, feed: Feed<2>, period_us: u64) -> Self {
        Self { sensor, feed, period_us, bytes: [0; 6], at: 0 }
    }
}

/// Checksum of a word: polynomial 0x31, start 0xff (data sheet, table 10).
fn crc8(word: [u8; 2]) -> u8 {
    let mut crc = 0xff;
    for byte in word {
        crc ^= byte;
        for _ in 0..8 {
            crc = if crc & 0x80 != 0 { crc << 1 ^ 0x31 } else { crc << 1 };
        }
    }
    crc
}

impl Chip for Sht4xChip {
    const ADDRESS: u8 = 0x44;

    fn begin(&mut self, _: &'static World, _: bool) {
        self.at = 0;
    }

    fn take(&mut self, world: &'static World, byte: u8) {
        let values = match byte {
            MEASURE => {
                world.converts(self.sensor, MEASUREMENT_US);
                self.feed.reading(world.now_us() / self.period_us).unwrap_or_default()
            }
            SERIAL => NUMBER,
            _ => return,
        };
        for (to, value) in self.bytes.as_chunks_mut::<3>().0.iter_mut().zip(values) {
            let [_, _, high, low] = value.to_be_bytes();
            *to = [high, low, crc8([high, low])];
        }
    }

    fn give(&mut self, _: &'static World) -> u8 {
        let at = self.at;
        self.at += 1;
        self.bytes.get(at).copied().unwrap_or(0xff)
    }
}
