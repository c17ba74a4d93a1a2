//! Firmware as it is signed: the image of an ELF file or a binary, and files of releases.

use std::ops::Range;
use std::path::Path;

use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{ElfFile, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSymbol as _};
use tanbo_flash_map::BOARD_SYMBOL;
use tanbo_release::{FIRMWARE_RECORD_BYTES, FIRMWARE_WORD_BYTES, Firmware, Name};

use crate::error::CliError;
use crate::files;
use crate::release::ReleaseFacts;

/// Extension of the files of signed firmware.
pub const EXTENSION: &str = "tnf";
/// Largest file of firmware, with its debug information: 256 MiB.
const LIMIT: u64 = 1 << 28;
/// As flash that was erased.
const ERASED: u8 = 0xff;

/// An image without its record.
pub struct Image {
    /// Its bytes, from where the boot loader starts it.
    pub bytes: Vec<u8>,
    /// The board that it was linked for, if it says so.
    pub board: Option<Name>,
}

impl From<&Firmware> for ReleaseFacts {
    fn from(firmware: &Firmware) -> Self {
        Self { name: firmware.name.to_string(), version: firmware.version, key: firmware.key.to_string() }
    }
}

/// Returns whether a file is signed firmware, by its name.
pub fn is_release(path: &Path) -> bool {
    files::extension(path) == EXTENSION
}

/// Returns the bytes of a file of signed firmware, of which nothing is checked.
///
/// # Errors
/// A file that cannot be read.
pub fn release(path: &Path) -> Result<Vec<u8>, CliError> {
    files::read(path, LIMIT)
}

/// Returns the image of a file: an ELF file by its first bytes, a binary by its name. `None` for anything else.
///
/// # Errors
/// A file that cannot be read; an image that no boot loader starts, or that does not fit its board.
pub fn image(path: &Path) -> Result<Option<Image>, CliError> {
    const MAGIC: &[u8] = b"\x7fELF";
    let extension = files::extension(path);
    // Linkers write files without one.
    if !["", "elf", "bin"].contains(&extension.as_str()) {
        return Ok(None);
    }
    let bytes = files::read(path, LIMIT)?;
    let mut image = if bytes.starts_with(MAGIC) {
        linked(path, &bytes)?
    } else if extension == "bin" && !bytes.is_empty() {
        Image { bytes, board: None }
    } else {
        return Ok(None);
    };
    image.bytes.resize(image.bytes.len().next_multiple_of(FIRMWARE_WORD_BYTES), ERASED);
    Ok(Some(image))
}

/// Returns the image that an ELF file holds.
fn linked(path: &Path, elf: &[u8]) -> Result<Image, CliError> {
    let wrong = |reason: String, remedy: &str| CliError::new(path.display(), reason, remedy);
    let damaged = |reason: &dyn std::fmt::Display| {
        wrong(format!("not a 32-bit ELF file: {reason}"), "give the firmware as the linker wrote it")
    };
    let file = ElfFile::<FileHeader32<Endianness>>::parse(elf).map_err(|error| damaged(&error))?;
    let told = file.symbols().find_map(|symbol| {
        let board = symbol.name().ok()?.strip_prefix(BOARD_SYMBOL)?;
        Some((Name::new(board).ok()?, symbol.address()))
    });
    let (board, end) = told.ok_or_else(|| {
        wrong(
            "an image that no boot loader starts".into(),
            "build it with --features boot, on a board that has a boot loader: nRF52840, STM32U5, RP2040",
        )
    })?;
    let endian = file.endian();
    let mut parts: Vec<(Range<u64>, &[u8])> = Vec::new();
    for header in file.elf_program_headers().iter().filter(|header| header.p_type(endian) == PT_LOAD) {
        let (start, bytes): (u64, u64) = (header.p_paddr(endian).into(), header.p_filesz(endian).into());
        if bytes > 0 {
            let data = header.data(endian, elf).map_err(|()| damaged(&"a part lies outside of the file"))?;
            parts.push((start..start + bytes, data));
        }
    }
    parts.sort_by_key(|(range, _)| range.start);
    let start = parts.first().map(|(range, _)| range.start).ok_or_else(|| damaged(&"it holds nothing"))?;
    let last = parts.iter().map(|(range, _)| range.end).max().unwrap_or(start);
    let room = end.saturating_sub(start).saturating_sub(FIRMWARE_RECORD_BYTES as u64);
    if last.saturating_sub(start) > room || last > end {
        let bytes = last - start;
        return Err(wrong(
            format!("{bytes} bytes from {start:#010x} on; before {end:#010x} there is room for {room} and a record"),
            "leave features out: the board's README says which",
        ));
    }
    let mut bytes = vec![ERASED; (last - start) as usize];
    for (range, data) in parts {
        let at = (range.start - start) as usize;
        if let Some(to) = bytes.get_mut(at..at + data.len()) {
            to.copy_from_slice(data);
        }
    }
    Ok(Image { bytes, board: Some(board) })
}
