//! What a chip measures: a file of numbers, read part by part as time goes by.

use tanbo_emulated::files::{FileError, Source};

/// Bytes of a number.
const NUMBER: usize = 4;

/// A file of readings, each of `N` little-endian i32. Reading `n` is what there is to measure from `n` periods after the start on.
pub struct Feed<const N: usize> {
    source: Source,
    buffer: &'static mut [u8],
    /// Where the next reading lies in the buffer.
    at: usize,
    /// Number of that reading.
    next: u64,
    last: [i32; N],
}

impl<const N: usize> Feed<N> {
    /// Opens the file `name`; `buffer` takes a part of it at a time.
    ///
    /// # Errors
    /// [`FileError::Open`]; [`FileError::TooLong`] for a buffer without room for a reading.
    pub fn open(name: &str, buffer: &'static mut [u8]) -> Result<Self, FileError> {
        let whole = buffer.len() / (N * NUMBER) * (N * NUMBER);
        let room = buffer.len();
        let buffer = buffer.get_mut(..whole).filter(|buffer| !buffer.is_empty());
        let buffer = buffer.ok_or(FileError::TooLong { len: N * NUMBER, room })?;
        let at = buffer.len();
        Ok(Self { source: Source::open(name)?, buffer, at, next: 0, last: [0; N] })
    }

    /// Returns reading `number`, or the last one before it that was not asked for yet.
    ///
    /// # Errors
    /// [`FileError::Transfer`] at the file's end.
    pub fn reading(&mut self, number: u64) -> Result<[i32; N], FileError> {
        while self.next <= number {
            if self.at >= self.buffer.len() {
                self.source.next(self.buffer)?;
                self.at = 0;
            }
            let end = self.at + N * NUMBER;
            let bytes = self.buffer.get(self.at..end).unwrap_or_default();
            for (to, bytes) in self.last.iter_mut().zip(bytes.as_chunks::<NUMBER>().0) {
                *to = i32::from_le_bytes(*bytes);
            }
            (self.at, self.next) = (end, self.next + 1);
        }
        Ok(self.last)
    }
}
