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
    /// Returns the time of writing `bytes` bytes in `writes` writes, of which none goes beyond a page, µs.
    pub fn write_us(&self, bytes: u64, writes: u64) -> f64 {
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

/// Work, and what is written after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Time of the work, µs.
    pub work_us: f64,
    /// Time of the write, µs.
    pub write_us: f64,
}

/// One way of running an inference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'s> {
    /// Least work between two checkpoints, µs; `None` keeps the inputs at the beginning and the outputs at the end, and computes
    /// again what was cut.
    pub every_us: Option<u32>,
    /// The inference, from checkpoint to checkpoint, the beginning's and the end's included.
    pub segments: &'s [Segment],
    /// Reading the journal after a cut, µs.
    pub resume_us: f64,
}

impl Candidate<'_> {
    /// Returns the charge that an inference takes on average, µC.
    pub fn charge_uc(&self, memory: &MemoryCost, supply: &Supply) -> f64 {
        let Supply { on_us, start_us, run_ua } = *supply;
        let again = exp((start_us + self.resume_us) / on_us);
        let of = |segment: &Segment| {
            let Segment { work_us, write_us } = *segment;
            let all = work_us + write_us;
            if all <= 0.0 {
                return 0.0;
            }
            let mean_ua = run_ua + f64::from(memory.write_ua) * write_us / all;
            on_us * again * expm1(all / on_us) * mean_ua / 1e6
        };
        self.segments.iter().map(of).sum()
    }
}

/// Returns the candidate that takes the least charge on average, with that charge in µC; `None` of none.
pub fn choose<'c, 's>(
    candidates: &'c [Candidate<'s>],
    memory: &MemoryCost,
    supply: &Supply,
) -> Option<(&'c Candidate<'s>, f64)> {
    let charges = candidates.iter().map(|candidate| (candidate, candidate.charge_uc(memory, supply)));
    charges.min_by(|(_, a), (_, b)| a.total_cmp(b))
}
