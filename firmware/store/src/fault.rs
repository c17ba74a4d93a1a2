//! What went wrong, and when.

use crate::key;

/// Faults that are kept.
pub const FAULTS: usize = 16;

/// Length in flash: number u32, start u32, `uptime_s` u32, `kind` u8, `code` u8, `detail` u32.
pub(crate) const BYTES: usize = 18;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Start of the node that it happened in.
    pub start: u32,
    /// Seconds since that start.
    pub uptime_s: u32,
    /// What kind of fault, in the node's numbers.
    pub kind: u8,
    /// Which of that kind: a sensor, a reset cause.
    pub code: u8,
    /// More of it: an address, a value.
    pub detail: u32,
}

/// The key of fault `number`.
pub(crate) const fn key(number: u32) -> u16 {
    key::FAULTS + (number % FAULTS as u32) as u16
}

impl Fault {
    pub(crate) fn to_bytes(self, number: u32) -> [u8; BYTES] {
        let [n0, n1, n2, n3] = number.to_le_bytes();
        let [s0, s1, s2, s3] = self.start.to_le_bytes();
        let [u0, u1, u2, u3] = self.uptime_s.to_le_bytes();
        let [d0, d1, d2, d3] = self.detail.to_le_bytes();
        [n0, n1, n2, n3, s0, s1, s2, s3, u0, u1, u2, u3, self.kind, self.code, d0, d1, d2, d3]
    }

    pub(crate) fn from_bytes(bytes: [u8; BYTES]) -> Self {
        let [_, _, _, _, s0, s1, s2, s3, u0, u1, u2, u3, kind, code, d0, d1, d2, d3] = bytes;
        Self {
            start: u32::from_le_bytes([s0, s1, s2, s3]),
            uptime_s: u32::from_le_bytes([u0, u1, u2, u3]),
            kind,
            code,
            detail: u32::from_le_bytes([d0, d1, d2, d3]),
        }
    }
}
