//! MS5837: two conversions on request.

use super::Chip;
use crate::world::{Feed, SECOND_US, World};

const ADC_READ: u8 = 0x00;
const PROM: u8 = 0xa0;
/// The calibration of the datasheet's example (MS5837-30BA, figure 10).
pub const MS5837_CALIBRATION: [u16; 6] = [34_982, 36_352, 20_328, 22_354, 26_646, 26_146];
/// Steps of the raw pressure, with this calibration, in a mm of water.
const STEPS_PER_MM: i32 = 15;
/// Longest conversion at an oversampling of 8192, µs.
const CONVERSION_US: u64 = 18_080;

/// The chip. Its feed holds both raw values, a pair each `period_us`.
pub struct Ms5837Chip {
    sensor: usize,
    feed: Feed<2>,
    period_us: u64,
    command: u8,
    at: usize,
    /// The value that is converted, from when on.
    value: (u64, u32),
    /// What an hour of the pump adds to the raw pressure.
    pumped_per_hour: i32,
}

impl Ms5837Chip {
    /// Returns the chip as sensor number `sensor` of the node.
    pub fn new(sensor: usize, feed: Feed<2>, period_us: u64) -> Self {
        Self { sensor, feed, period_us, command: 0, at: 0, value: (0, 0), pumped_per_hour: 0 }
    }

    /// As [`Ms5837Chip::new`], in a field into which the relay's pump brings so many mm of water an hour.
    pub fn pumped(sensor: usize, feed: Feed<2>, period_us: u64, mm_per_hour: i32) -> Self {
        Self { pumped_per_hour: mm_per_hour * STEPS_PER_MM, ..Self::new(sensor, feed, period_us) }
    }
}

/// AN520: the remainder of the eight words, the code's own place taken for zero.
fn crc4(words: &[u16; 7]) -> u16 {
    let mut remainder = 0u16;
    for byte in words.iter().chain(&[0]).flat_map(|word| word.to_be_bytes()) {
        remainder ^= u16::from(byte);
        for _ in 0..8 {
            remainder = if remainder & 0x8000 != 0 { (remainder << 1) ^ 0x3000 } else { remainder << 1 };
        }
    }
    remainder >> 12
}

impl Chip for Ms5837Chip {
    const ADDRESS: u8 = 0x76;

    fn begin(&mut self, _: &'static World, _: bool) {
        self.at = 0;
    }

    fn take(&mut self, world: &'static World, byte: u8) {
        self.command = byte;
        if let 0x40..=0x5a = byte {
            let now = world.now_us();
            let [pressure, temperature] = self.feed.reading(now / self.period_us).unwrap_or_default();
            let pumped = (world.pumped_us() / SECOND_US) as i32 * self.pumped_per_hour / 3600;
            let value = if byte < 0x50 { pressure + pumped } else { temperature };
            self.value = (now + CONVERSION_US, value.cast_unsigned());
            world.converts(self.sensor, CONVERSION_US);
        }
    }

    fn give(&mut self, world: &'static World) -> u8 {
        let at = self.at;
        self.at += 1;
        match self.command {
            // Nothing of a conversion that is not done.
            ADC_READ if world.now_us() < self.value.0 => 0,
            ADC_READ => self.value.1.to_be_bytes().get(1 + at).copied().unwrap_or(0),
            PROM.. => {
                let [c1, c2, c3, c4, c5, c6] = MS5837_CALIBRATION;
                let mut words = [0, c1, c2, c3, c4, c5, c6];
                words[0] = crc4(&words) << 12;
                let word = words.get(usize::from(self.command - PROM) / 2).copied().unwrap_or(0);
                word.to_be_bytes().get(at).copied().unwrap_or(0)
            }
            _ => 0,
        }
    }
}
