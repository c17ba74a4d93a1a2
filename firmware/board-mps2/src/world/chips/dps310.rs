//! DPS310: single measurements on request.

use super::Chip;
use crate::world::{Feed, World};

const PSR: u8 = 0x00;
const TMP: u8 = 0x03;
const PRS_CFG: u8 = 0x06;
const TMP_CFG: u8 = 0x07;
const MEAS_CFG: u8 = 0x08;
const COEF: u8 = 0x10;
const PRODUCT: u8 = 0x0d;
/// Registers that are kept as they were written.
const REGISTERS: usize = 0x30;
/// The calibration of QEMU's device.
pub const DPS310_COEFFICIENTS: [u8; 18] =
    [0x0e, 0x1e, 0xdd, 0x13, 0xca, 0x5f, 0x21, 0x52, 0xf9, 0xc6, 0x04, 0xd1, 0xdb, 0x47, 0x00, 0x5b, 0xfb, 0x3a];
/// Bits of `MEAS_CFG`: coefficients and sensor ready, temperature, pressure.
const READY: u8 = 0xc0;
const TEMPERATURE: u8 = 0x20;
const PRESSURE: u8 = 0x10;

/// The chip. Its feed holds both raw values, a pair each `period_us`.
pub struct Dps310Chip {
    sensor: usize,
    feed: Feed<2>,
    period_us: u64,
    registers: [u8; REGISTERS],
    register: u8,
    first: bool,
    /// What is measured, and from when on it is there.
    measuring: Option<(u8, u64)>,
    ready: u8,
}

impl Dps310Chip {
    /// Returns the chip as sensor number `sensor` of the node.
    pub fn new(sensor: usize, feed: Feed<2>, period_us: u64) -> Self {
        let mut registers = [0; REGISTERS];
        registers.iter_mut().skip(COEF.into()).zip(DPS310_COEFFICIENTS).for_each(|(to, byte)| *to = byte);
        registers[usize::from(PRODUCT)] = 0x10;
        Self { sensor, feed, period_us, registers, register: 0, first: false, measuring: None, ready: READY }
    }

    fn write(&mut self, world: &'static World, register: u8, value: u8) {
        // What it measures in is in the lower bits of what is written to its configuration: the oversampling.
        let oversampling = |of: u8| self.registers.get(usize::from(of)).copied().unwrap_or(0) & 7;
        if register == MEAS_CFG {
            let (ready, configuration) = match value & 7 {
                1 => (PRESSURE, PRS_CFG),
                2 => (TEMPERATURE, TMP_CFG),
                _ => return,
            };
            // Table 16: 3.6 ms for one, 27.6 for 16.
            let us = 2_000 + (1_600 << oversampling(configuration));
            self.ready &= !ready;
            self.measuring = Some((ready, world.now_us() + us));
            world.converts(self.sensor, us);
        } else if let Some(to) = self.registers.get_mut(usize::from(register)) {
            *to = value;
        }
    }

    fn look(&mut self, world: &'static World) {
        let Some((ready, _)) = self.measuring.filter(|(_, done_us)| *done_us <= world.now_us()) else { return };
        self.measuring = None;
        self.ready |= ready;
        let [pressure, temperature] = self.feed.reading(world.now_us() / self.period_us).unwrap_or_default();
        let (at, value) = if ready == PRESSURE { (PSR, pressure) } else { (TMP, temperature) };
        let [_, bytes @ ..] = value.to_be_bytes();
        self.registers.iter_mut().skip(at.into()).zip(bytes).for_each(|(to, byte)| *to = byte);
    }
}

impl Chip for Dps310Chip {
    const ADDRESS: u8 = 0x77;

    fn begin(&mut self, _: &'static World, reads: bool) {
        self.first = !reads;
    }

    fn take(&mut self, world: &'static World, byte: u8) {
        if core::mem::take(&mut self.first) {
            self.register = byte;
        } else {
            self.write(world, self.register, byte);
            self.register = self.register.wrapping_add(1);
        }
    }

    fn give(&mut self, world: &'static World) -> u8 {
        self.look(world);
        let register = self.register;
        self.register = register.wrapping_add(1);
        if register == MEAS_CFG {
            return self.ready;
        }
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }
}
