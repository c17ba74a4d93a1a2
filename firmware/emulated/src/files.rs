//! Files of the host: over semihosting on a bare machine, of the operating system elsewhere.

use core::fmt;

/// Longest path, bytes. Paths live on the stack, which is short on small machines.
pub const PATH_MAX: usize = 120;

/// Why a file could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileError {
    /// The path is longer than [`PATH_MAX`] or holds a zero byte.
    Path,
    /// The file cannot be opened, or created.
    Open,
    /// Reading or writing stopped in the middle.
    Transfer,
    /// The file does not fit into the buffer.
    TooLong {
        /// Length of the file, bytes.
        len: usize,
        /// Length of the buffer, bytes.
        room: usize,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => write!(f, "path longer than {PATH_MAX} bytes or with a zero byte"),
            Self::Open => f.write_str("cannot be opened"),
            Self::Transfer => f.write_str("transfer broken off"),
            Self::TooLong { len, room } => write!(f, "{len} bytes, but {room} bytes of room"),
        }
    }
}

impl core::error::Error for FileError {}

/// Reads the file `path` whole to the beginning of `into`; its length in bytes.
///
/// # Errors
/// [`FileError`]; `into` may then hold part of the file.
pub fn read(path: &str, into: &mut [u8]) -> Result<usize, FileError> {
    imp::read(path, into)
}

/// Writes `contents` as the whole file `path`.
///
/// # Errors
/// [`FileError`]; the file may then exist in part.
pub fn write(path: &str, contents: &[u8]) -> Result<(), FileError> {
    imp::write(path, contents)
}

#[cfg(target_os = "none")]
mod imp {
    use super::{FileError, PATH_MAX};
    use core::ffi::CStr;
    use semihosting::{
        fs::File,
        io::{Read as _, Write as _},
    };

    fn with_path<R>(path: &str, f: impl FnOnce(&CStr) -> Result<R, FileError>) -> Result<R, FileError> {
        let mut buffer = [0u8; PATH_MAX + 1];
        let room = buffer.get_mut(..path.len()).ok_or(FileError::Path)?;
        if path.len() > PATH_MAX {
            return Err(FileError::Path);
        }
        room.copy_from_slice(path.as_bytes());
        let path = buffer.get(..=path.len()).ok_or(FileError::Path)?;
        f(CStr::from_bytes_with_nul(path).map_err(|_| FileError::Path)?)
    }

    pub fn read(path: &str, into: &mut [u8]) -> Result<usize, FileError> {
        with_path(path, |path| {
            let mut file = File::open(path).map_err(|_| FileError::Open)?;
            let len = file.metadata().map_err(|_| FileError::Open)?.len();
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let room = into.len();
            let into = into.get_mut(..len).ok_or(FileError::TooLong { len, room })?;
            file.read_exact(into).map_err(|_| FileError::Transfer)?;
            Ok(len)
        })
    }

    pub fn write(path: &str, contents: &[u8]) -> Result<(), FileError> {
        with_path(path, |path| {
            let mut file = File::create(path).map_err(|_| FileError::Open)?;
            file.write_all(contents).map_err(|_| FileError::Transfer)
        })
    }
}

#[cfg(not(target_os = "none"))]
mod imp {
    use super::FileError;
    use std::{
        fs::File,
        io::{Read as _, Write as _},
    };

    pub fn read(path: &str, into: &mut [u8]) -> Result<usize, FileError> {
        let mut file = File::open(path).map_err(|_| FileError::Open)?;
        let len = file.metadata().map_err(|_| FileError::Open)?.len();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let room = into.len();
        let into = into.get_mut(..len).ok_or(FileError::TooLong { len, room })?;
        file.read_exact(into).map_err(|_| FileError::Transfer)?;
        Ok(len)
    }

    pub fn write(path: &str, contents: &[u8]) -> Result<(), FileError> {
        let mut file = File::create(path).map_err(|_| FileError::Open)?;
        file.write_all(contents).map_err(|_| FileError::Transfer)
    }
}
