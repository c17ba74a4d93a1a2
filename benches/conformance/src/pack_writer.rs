//! The writer of packs: for `build.rs` and for sets that are made at run time.

use std::string::String;
use std::vec;
use std::vec::Vec;

use super::pack::{ALIGN, Extent, Header, MAGIC, Record};

/// What one entry of a pack holds; see [`Record`].
pub struct Entry {
    /// `<operator>/<case>`.
    pub name: String,
    /// The artifact.
    pub artifact: Vec<u8>,
    /// The inputs' bytes.
    pub inputs: Vec<u8>,
    /// The bytes that the steps must write.
    pub expected: Vec<u8>,
}

/// Returns a pack of `entries`, or `None` for one of more than 4 GiB.
pub fn write(entries: &[&Entry]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size_of::<Header>() + entries.len() * size_of::<Record>()];
    let mut records = Vec::new();
    for entry in entries {
        let mut place = |data: &[u8], align: usize| -> Option<Extent> {
            bytes.resize(bytes.len().next_multiple_of(align), 0);
            let offset = u32::try_from(bytes.len()).ok()?;
            bytes.extend_from_slice(data);
            Some(Extent { offset, bytes: u32::try_from(data.len()).ok()? })
        };
        records.push(Record {
            artifact: place(&entry.artifact, ALIGN)?,
            name: place(entry.name.as_bytes(), 1)?,
            inputs: place(&entry.inputs, 1)?,
            expected: place(&entry.expected, 1)?,
        });
    }
    let (cases, length) = (u32::try_from(entries.len()).ok()?, u32::try_from(bytes.len()).ok()?);
    let header = Header { magic: MAGIC, cases, bytes: length, reserved: 0 };
    let head: Vec<u8> = bytemuck::bytes_of(&header).iter().chain(bytemuck::cast_slice(&records)).copied().collect();
    bytes.splice(..head.len(), head);
    Some(bytes)
}
