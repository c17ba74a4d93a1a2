//! Files of the host: over semihosting on a bare machine, of the operating system elsewhere.

use core::fmt;

use imp::{Read as _, Write as _};

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
    let mut file = imp::open(path)?;
    let len = file.metadata().map_err(|_| FileError::Open)?.len();
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let room = into.len();
    let into = into.get_mut(..len).ok_or(FileError::TooLong { len, room })?;
    next(&mut file, into)?;
    Ok(len)
}

/// Writes `contents` as the whole file `path`.
///
/// # Errors
/// [`FileError`]; the file may then exist in part.
pub fn write(path: &str, contents: &[u8]) -> Result<(), FileError> {
    put(&mut imp::create(path)?, contents)
}

fn next(file: &mut imp::File, into: &mut [u8]) -> Result<(), FileError> {
    file.read_exact(into).map_err(|_| FileError::Transfer)
}

fn put(file: &mut imp::File, contents: &[u8]) -> Result<(), FileError> {
    file.write_all(contents).map_err(|_| FileError::Transfer)
}

/// A file that is read from the beginning on, part by part.
#[derive(Debug)]
pub struct Source(imp::File);

impl Source {
    /// Opens the file `path`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(path: &str) -> Result<Self, FileError> {
        imp::open(path).map(Self)
    }

    /// Fills `into` with the next bytes.
    ///
    /// # Errors
    /// `Transfer` where the file ends before.
    pub fn next(&mut self, into: &mut [u8]) -> Result<(), FileError> {
        next(&mut self.0, into)
    }
}

/// A file that is written part by part.
#[derive(Debug)]
pub struct Sink(imp::File);

impl Sink {
    /// Makes the file `path`, empty.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn create(path: &str) -> Result<Self, FileError> {
        imp::create(path).map(Self)
    }

    /// Appends `contents`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn put(&mut self, contents: &[u8]) -> Result<(), FileError> {
        put(&mut self.0, contents)
    }
}

#[cfg(target_os = "none")]
mod imp {
    use super::{FileError, PATH_MAX};
    use core::ffi::CStr;
    pub use semihosting::fs::File;
    pub use semihosting::io::{Read, Write};

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

    pub fn open(path: &str) -> Result<File, FileError> {
        with_path(path, |path| File::open(path).map_err(|_| FileError::Open))
    }

    pub fn create(path: &str) -> Result<File, FileError> {
        with_path(path, |path| File::create(path).map_err(|_| FileError::Open))
    }
}

#[cfg(not(target_os = "none"))]
mod imp {
    use super::FileError;
    pub use std::fs::File;
    pub use std::io::{Read, Write};

    pub fn open(path: &str) -> Result<File, FileError> {
        File::open(path).map_err(|_| FileError::Open)
    }

    pub fn create(path: &str) -> Result<File, FileError> {
        File::create(path).map_err(|_| FileError::Open)
    }
}
