//! What checkpoints cost against computing again, and which is cheaper: for whoever builds a node, on a host, or on the node itself.
//!
//! Cuts come at random, on average after [`Supply::on_us`] of power. Work up to the next checkpoint, and the checkpoint itself, must
//! fit between two cuts, or are done again: a segment of s µs takes `on · e^(start/on) · (e^(s/on) - 1)` of power on average (Daly, "A
//! higher order estimate of the optimum checkpoint interval for restart dumps", 2006, equation 13 without downtime).

use libm::{exp, expm1};

/// Times and current of a memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryCost {
    /// Name and clock.
    pub name: &'static str,
    /// A byte on the bus, with its acknowledge, ns.
    pub byte_ns: u32,
    /// Bytes of addressing before each write.
    pub address_bytes: u32,
    /// Bytes written together.
    pub page: u32,
    /// Time that a page takes after the bus, µs.
    pub page_us: u32,
    /// Current while it is written, µA, at most.
    pub write_ua: u32,
}

/// MB85RC256V on I²C at 1 MHz: nine clocks a byte, no wait. Fujitsu, DS501-00017.
pub const FRAM: MemoryCost =
    MemoryCost { name: "FRAM, I²C 1 MHz", byte_ns: 9_000, address_bytes: 3, page: 1, page_us: 0, write_ua: 200 };

/// MB85RS256TY on SPI at 8 MHz: write enable, command and two address bytes. Fujitsu, DS501-00046; its current is that at 40 MHz.
pub const FRAM_SPI: MemoryCost =
    MemoryCost { name: "FRAM, SPI 8 MHz", byte_ns: 1_000, address_bytes: 4, page: 1, page_us: 0, write_ua: 2_500 };

/// AT24C256C on I²C at 1 MHz: pages of 64 bytes, each written within 5 ms. Microchip, DS20006042.
pub const EEPROM: MemoryCost = MemoryCost {
    name: "EEPROM, I²C 1 MHz",
    byte_ns: 9_000,
    address_bytes: 3,
    page: 64,
    page_us: 5_000,
    write_ua: 3_000,
};

impl MemoryCost {
    /// Returns the time of writing `bytes` bytes in `writes` writes, or in as many as pages of the memory ask for, µs.
    pub fn write_us(&self, bytes: u64, writes: u64) -> f64 {
        let pages = if self.page > 1 { bytes.div_ceil(self.page.into()) } else { 0 };
        let writes = writes.max(pages);
        let bus = (bytes + writes * u64::from(self.address_bytes)) * u64::from(self.byte_ns);
        bus as f64 / 1000.0 + (writes * u64::from(self.page_us)) as f64
    }

    /// Returns the time of reading `bytes` bytes, µs.
    pub fn read_us(&self, bytes: u64) -> f64 {
        (bytes * u64::from(self.byte_ns)) as f64 / 1000.0
    }
}

/// The node's power.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Supply {
    /// Average time from one cut to the next, µs.
    pub on_us: f64,
    /// From power to the first instruction of inference, without reading the journal, µs.
    pub start_us: f64,
    /// Current of the node while it computes, µA.
    pub run_ua: f64,
}

/// Work, and what is kept after it.
#[derive(Clone, Copy)]
struct Segment {
    /// Time of the work and of the core's part in keeping, µs.
    work_us: f64,
    /// Time of the write, µs.
    write_us: f64,
}

impl Segment {
    fn new(instructions: f64, keep: &Keep, share: f64, mhz: f64, memory: &MemoryCost) -> Self {
        let work_us = (instructions + keep.instructions as f64 * share) / mhz;
        Self { work_us, write_us: memory.write_us(keep.bytes, keep.writes) * share }
    }

    /// The charge that it takes on average, µC, if each cut takes `resume_us` beside the start.
    fn charge_uc(&self, resume_us: f64, memory: &MemoryCost, supply: &Supply) -> f64 {
        let Supply { on_us, start_us, run_ua } = *supply;
        let all = self.work_us + self.write_us;
        if all <= 0.0 {
            return 0.0;
        }
        let mean_ua = run_ua + f64::from(memory.write_ua) * self.write_us / all;
        on_us * exp((start_us + resume_us) / on_us) * expm1(all / on_us) * mean_ua / 1e6
    }
}

/// What keeping something takes: of the core, and of the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Instructions, without those that wait for the memory.
    pub instructions: u64,
    /// Bytes written …
    pub bytes: u64,
    /// … in so many writes.
    pub writes: u64,
}

/// An inference and its journal on a core: `cargo xtask journal` measures them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inference<'c> {
    /// Instructions of the inference alone.
    pub instructions: u64,
    /// The inputs, as it begins, …
    pub begin: Keep,
    /// … and outputs and states, as it ends: kept even where what was cut is computed again.
    pub end: Keep,
    /// Checkpoints at different distances: how many an inference has, and what all of them take.
    pub checkpoints: &'c [(u32, Keep)],
}

/// What is cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To compute again what was cut, from the inputs that were kept.
    Again,
    /// So many checkpoints in an inference.
    Checkpoints(u32),
}

impl Inference<'_> {
    /// Returns the charge that the inference takes on average with `count` checkpoints that take `all`, µC, on a core of `mhz` with an
    /// instruction in a cycle. Checkpoints are taken to be alike, and a start after a cut to read and check what begin or end, whichever
    /// is longer, and one checkpoint hold.
    fn charge_uc(&self, count: u32, all: &Keep, mhz: f64, memory: &MemoryCost, supply: &Supply) -> f64 {
        let Self { instructions, begin, end, .. } = self;
        let share = 1.0 / f64::from(count.max(1));
        let part = *instructions as f64 / f64::from(count + 1);
        let read_bytes = begin.bytes.max(end.bytes) + all.bytes / u64::from(count.max(1));
        let checked = begin.instructions.max(end.instructions) as f64 + all.instructions as f64 * share;
        let resume_us = memory.read_us(read_bytes) + checked / mhz;
        let of = |segment: Segment| segment.charge_uc(resume_us, memory, supply);
        of(Segment::new(0.0, begin, 1.0, mhz, memory))
            + f64::from(count) * of(Segment::new(part, all, share, mhz, memory))
            + of(Segment::new(part, end, 1.0, mhz, memory))
    }

    /// Decides whether the inference has checkpoints, and how many of those that were measured: what takes the least charge on average.
    /// With that charge, µC.
    pub fn decide(&self, mhz: f64, memory: &MemoryCost, supply: &Supply) -> (Decision, f64) {
        let mut best = (Decision::Again, self.charge_uc(0, &Keep::default(), mhz, memory, supply));
        for (count, all) in self.checkpoints {
            let charge = self.charge_uc(*count, all, mhz, memory, supply);
            if charge < best.1 {
                best = (Decision::Checkpoints(*count), charge);
            }
        }
        best
    }
}
