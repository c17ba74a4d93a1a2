//! What outlives a reset without flash: a record in retained memory, and the last words of a brown-out.

use tanbo_methods::pump::{self, Off};

use crate::duty::Mode;

const CRC: crc::Crc<u32, crc::NoTable> = crc::Crc::<u32, crc::NoTable>::new(&crc::CRC_32_ISCSI);
/// Record: mode u8, lock u8, day's run u32, then the CRC-32C.
const BYTES: usize = 6 + 4;

/// What a reset should not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retained {
    pub mode: Mode,
    pub pump: pump::Retained,
}

/// Locks, by their number in the record.
const LOCKS: [Option<Off>; 4] = [None, Some(Off::RanTooLong), Some(Off::NoFlow), Some(Off::Command)];

/// Returns the number of a lock, in the record and as a setting.
pub(crate) fn lock_number(lock: Option<Off>) -> u8 {
    LOCKS.iter().position(|known| *known == lock).unwrap_or(0) as u8
}

impl Retained {
    /// Reads the record; `None` if there is none, or not whole.
    pub fn read(memory: &[u8]) -> Option<Self> {
        let (record, _) = memory.split_first_chunk::<BYTES>()?;
        let (bytes, checksum) = record.split_first_chunk::<6>()?;
        if CRC.checksum(bytes).to_le_bytes() != checksum {
            return None;
        }
        let [mode, lock, run @ ..] = *bytes;
        let mode = *Mode::ALL.get(usize::from(mode))?;
        let locked = *LOCKS.get(usize::from(lock))?;
        Some(Self { mode, pump: pump::Retained { locked, day_run_s: u32::from_le_bytes(run) } })
    }

    /// Writes the record, if there is room.
    pub fn write(&self, memory: &mut [u8]) {
        let [a, b, c, d] = self.pump.day_run_s.to_le_bytes();
        let bytes = [self.mode as u8, lock_number(self.pump.locked), a, b, c, d];
        if let Some(record) = memory.first_chunk_mut::<BYTES>() {
            let parts = bytes.into_iter().chain(CRC.checksum(&bytes).to_le_bytes());
            record.iter_mut().zip(parts).for_each(|(to, byte)| *to = byte);
        }
    }
}

/// An event on its way into flash: start u32, number u32, then its frame.
pub(crate) type LastWords = heapless::Vec<u8, { tanbo_board_api::LAST_WORDS_BYTES }>;

/// Returns the last words for the event in frame `number`; `None` where it is too long for them.
pub(crate) fn last_words(start: u32, number: u32, frame: &[u8]) -> Option<LastWords> {
    let mut words = LastWords::new();
    words.extend_from_slice(&start.to_le_bytes()).ok()?;
    words.extend_from_slice(&number.to_le_bytes()).ok()?;
    words.extend_from_slice(frame).ok()?;
    Some(words)
}

/// Returns start, number and frame of last words.
pub(crate) fn of_last_words(words: &[u8]) -> Option<(u32, u32, &[u8])> {
    let (start, rest) = words.split_first_chunk()?;
    let (number, frame) = rest.split_first_chunk()?;
    Some((u32::from_le_bytes(*start), u32::from_le_bytes(*number), frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_or_none() {
        let kept = Retained { mode: Mode::Save, pump: pump::Retained { locked: Some(Off::NoFlow), day_run_s: 4711 } };
        let mut memory = [0; 32];
        assert_eq!(Retained::read(&memory), None, "after power came on");
        kept.write(&mut memory);
        assert_eq!(Retained::read(&memory), Some(kept));
        for bit in 0..8 * BYTES {
            let mut torn = memory;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Retained::read(&torn), None, "bit {bit}");
        }
        assert_eq!(Retained::read(&memory[..BYTES - 1]), None);
        kept.write(&mut memory[..3]);
    }

    #[test]
    fn last_words_return() {
        let words = last_words(3, 77, b"frame").unwrap();
        assert_eq!(of_last_words(&words), Some((3, 77, &b"frame"[..])));
        assert_eq!(last_words(3, 77, &[0; 57]), None);
        assert_eq!(of_last_words(&words[..7]), None);
    }
}
