//! Layout of a pack: all cases in one run of bytes, read in place. `build.rs` writes it, the suite reads it.
//!
//! Header, one [`Record`] per case, then what the records point to; artifacts at 16-byte boundaries, since an
//! artifact is parsed where it lies.

use bytemuck::{Pod, Zeroable};

/// First four bytes of a pack.
pub const MAGIC: [u8; 4] = *b"TNBC";
/// Alignment of a pack and of each artifact in it, bytes.
pub const ALIGN: usize = 16;

/// The first bytes of a pack.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// Number of records that follow.
    pub cases: u32,
    /// Length of the pack, bytes.
    pub bytes: u32,
    /// Zero.
    pub reserved: u32,
}

/// A run of bytes of the pack.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Extent {
    /// First byte, from the start of the pack.
    pub offset: u32,
    /// Number of bytes.
    pub bytes: u32,
}

/// One case.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Record {
    /// UTF-8 name, `<operator>/<case>`.
    pub name: Extent,
    /// The artifact.
    pub artifact: Extent,
    /// The inputs' bytes, one after the other, in the model's order; those of several runs in a row follow one another.
    pub inputs: Extent,
    /// The bytes that each step must write, one after the other, in order, run by run; steps that write a ring have none.
    pub expected: Extent,
}

/// What is wrong with a pack. A pack that came with the program never is; one that was read from a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// Not a pack, or not the whole of it, or not at a 16-byte boundary.
    Header,
    /// The record of this number points outside the pack.
    Record(usize),
}

impl core::fmt::Display for PackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Header => f.write_str("not a whole pack of cases at a 16-byte boundary"),
            Self::Record(number) => write!(f, "record {number} points outside the pack"),
        }
    }
}

impl core::error::Error for PackError {}

/// A pack's cases.
#[derive(Clone, Copy, Debug)]
pub struct Pack<'a> {
    bytes: &'a [u8],
    records: &'a [Record],
}

/// One case of a pack.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// `<operator>/<case>`.
    pub name: &'a str,
    /// The artifact, 16-byte aligned.
    pub artifact: &'a [u8],
    /// Bytes of the inputs, one after the other.
    pub inputs: &'a [u8],
    /// Bytes that the steps must write, one after the other.
    pub expected: &'a [u8],
}

impl<'a> Pack<'a> {
    /// Returns the pack that `bytes` are.
    ///
    /// # Errors
    /// [`PackError::Header`]. Records are checked when they are used.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PackError> {
        let (head, rest) = bytes.split_at_checked(size_of::<Header>()).ok_or(PackError::Header)?;
        let header: &Header = bytemuck::try_from_bytes(head).map_err(|_| PackError::Header)?;
        let whole = header.magic == MAGIC && header.bytes as usize == bytes.len();
        if !whole || !bytes.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(PackError::Header);
        }
        let length = (header.cases as usize).checked_mul(size_of::<Record>()).ok_or(PackError::Header)?;
        let records = rest.get(..length).ok_or(PackError::Header)?;
        Ok(Self { bytes, records: bytemuck::try_cast_slice(records).map_err(|_| PackError::Header)? })
    }

    /// Returns the number of cases.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there is no case.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the cases in order.
    pub fn cases(&self) -> impl Iterator<Item = Result<Case<'a>, PackError>> {
        let pack = *self;
        pack.records.iter().enumerate().map(move |(number, record)| pack.case(record).ok_or(PackError::Record(number)))
    }

    fn case(&self, record: &Record) -> Option<Case<'a>> {
        Some(Case {
            name: core::str::from_utf8(self.extent(record.name)?).ok()?,
            artifact: self.extent(record.artifact)?,
            inputs: self.extent(record.inputs)?,
            expected: self.extent(record.expected)?,
        })
    }

    fn extent(&self, extent: Extent) -> Option<&'a [u8]> {
        let start = extent.offset as usize;
        self.bytes.get(start..start.checked_add(extent.bytes as usize)?)
    }
}
