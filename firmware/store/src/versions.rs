//! Which versions of models were committed and tried.

/// What a node remembers of its models, so that none comes twice or goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The highest version that was committed; 0 at first. No lower one is ever taken.
    pub committed: u32,
    /// The version that was tried last; 0 if none.
    pub tried: u32,
    /// How often it was tried.
    pub attempts: u8,
}

impl Versions {
    /// Length of the record, bytes.
    pub const BYTES: usize = 9;

    /// Returns the record.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.committed.to_le_bytes();
        let [e, f, g, h] = self.tried.to_le_bytes();
        [a, b, c, d, e, f, g, h, self.attempts]
    }

    /// Returns what a record says.
    pub fn from_bytes([a, b, c, d, e, f, g, h, attempts]: [u8; Self::BYTES]) -> Self {
        Self { committed: u32::from_le_bytes([a, b, c, d]), tried: u32::from_le_bytes([e, f, g, h]), attempts }
    }
}
