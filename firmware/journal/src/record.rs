//! The bytes of a journal.
//!
//! Its range is two halves. In each, a snapshot stands first and what changed since follows, record after record, each from a
//! page of its own on, so that a write that is cut spoils no record before it. All numbers are little-endian:
//!
//! | bytes | of the first record of a half |
//! |---|---|
//! | 4 | [`MAGIC`]; [`VOID`] once the other half counts |
//! | 4 | generation: one more than the other half's |
//!
//! | bytes | of every record |
//! |---|---|
//! | 2 | number of words of the position |
//! | 2 | 1: the record begins an inference or a half, and a window follows; else 0 |
//! | 4 | number of bytes that are kept |
//! | 8 | window: the caller's number of the inference; only where it says so |
//! | 4 each | words of the position |
//! | … | what is kept, in the order in which the engine tells it for this position and the one before |
//! | 4 | CRC-32C over the CRC before (the first: the artifact's hash, magic and generation) and all of this record before it |
//!
//! So a record counts only behind those it continues, in this half, in this generation, of this model.

use crc::{CRC_32_ISCSI, Crc, Digest, Table};
use tanbo::Position;

use crate::memory::Memory;

/// The first bytes of a half: "TNJ" and the version.
pub const MAGIC: [u8; 4] = *b"TNJ1";
/// What stands there when the other half counts.
pub const VOID: [u8; 4] = [0; 4];
/// Magic and generation.
pub const PREFIX_BYTES: u32 = 8;
/// Words of the position, whether a window follows, bytes kept.
const HEAD_BYTES: usize = 8;
const WINDOW_BYTES: usize = 8;
const CRC_BYTES: usize = 4;
/// Most bytes of a record besides those that are kept, with the prefix.
pub const MOST_OVERHEAD: u32 = PREFIX_BYTES + (HEAD_BYTES + WINDOW_BYTES + 4 * Position::WORDS + CRC_BYTES) as u32;

static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// Returns what the CRC of the first record of a half begins with.
pub fn seed(hash: &[u8; 32], generation: u32) -> u32 {
    let mut digest = CRC.digest();
    digest.update(hash);
    digest.update(&MAGIC);
    digest.update(&generation.to_le_bytes());
    digest.finalize()
}

fn continued(crc: u32) -> Digest<'static, u32, Table<1>> {
    let mut digest = CRC.digest();
    digest.update(&crc.to_le_bytes());
    digest
}

/// Bytes on the way to the memory.
pub struct Writer<'w, M, const BUFFER: usize> {
    memory: &'w mut M,
    /// Where the buffer's first byte belongs.
    at: u32,
    buffer: [u8; BUFFER],
    filled: usize,
    digest: Digest<'static, u32, Table<1>>,
}

impl<'w, M: Memory, const BUFFER: usize> Writer<'w, M, BUFFER> {
    /// Returns a writer of a record from `at` on; `crc` is the one before, `prefix` stands before the record and is not in its CRC.
    pub async fn new(memory: &'w mut M, at: u32, crc: u32, prefix: &[u8]) -> Result<Self, M::Error> {
        let mut writer = Self { memory, at, buffer: [0; BUFFER], filled: 0, digest: continued(crc) };
        writer.put(prefix).await?;
        Ok(writer)
    }

    /// Writes the head of a record of `kept` bytes.
    pub async fn head(&mut self, window: Option<u64>, position: &Position, kept: u32) -> Result<(), M::Error> {
        let (words, count) = position.to_words();
        self.write(&(count as u16).to_le_bytes()).await?;
        self.write(&u16::from(window.is_some()).to_le_bytes()).await?;
        self.write(&kept.to_le_bytes()).await?;
        if let Some(window) = window {
            self.write(&window.to_le_bytes()).await?;
        }
        for word in words.iter().take(count) {
            self.write(&word.to_le_bytes()).await?;
        }
        Ok(())
    }

    /// Returns room for bytes that are kept; [`Writer::filled`] says how many were put there.
    pub fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes the first `count` bytes of the room.
    pub async fn filled(&mut self, count: usize) -> Result<(), M::Error> {
        let end = self.filled.saturating_add(count);
        self.digest.update(self.buffer.get(self.filled..end).unwrap_or_default());
        self.filled = end;
        self.flush_full().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), M::Error> {
        self.digest.update(bytes);
        self.put(bytes).await
    }

    async fn put(&mut self, mut bytes: &[u8]) -> Result<(), M::Error> {
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room.iter_mut().zip(now).for_each(|(to, &from)| *to = from);
            self.filled += now.len();
            bytes = later;
            self.flush_full().await?;
        }
        Ok(())
    }

    async fn flush_full(&mut self) -> Result<(), M::Error> {
        if self.filled < BUFFER {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), M::Error> {
        self.memory.write(self.at, self.buffer.get(..self.filled).unwrap_or_default()).await?;
        self.at += self.filled as u32;
        self.filled = 0;
        Ok(())
    }

    /// Writes the CRC, with which the record counts; returns it and the end of the record.
    pub async fn end(mut self) -> Result<(u32, u32), M::Error> {
        let crc = self.digest.clone().finalize();
        self.put(&crc.to_le_bytes()).await?;
        self.flush().await?;
        Ok((crc, self.at))
    }
}

/// A record that was found whole.
pub struct Record {
    /// The caller's number, where an inference or a half begins.
    pub window: Option<u64>,
    /// Where the engine was.
    pub position: Position,
    /// Where the bytes lie that were kept.
    pub kept_at: u32,
    /// How many they are.
    pub kept: u32,
    /// Its CRC, and the end of the record.
    pub crc: u32,
    pub end: u32,
}

/// Bytes from the memory, up to the end of a half.
struct Reader<'r, M> {
    memory: &'r mut M,
    at: u32,
    end: u32,
    digest: Digest<'static, u32, Table<1>>,
}

impl<M: Memory> Reader<'_, M> {
    /// Fills `bytes`; returns whether there are so many.
    async fn fill(&mut self, bytes: &mut [u8]) -> Result<bool, M::Error> {
        if self.end.saturating_sub(self.at) < bytes.len() as u32 {
            return Ok(false);
        }
        self.memory.read(self.at, bytes).await?;
        self.digest.update(bytes);
        self.at += bytes.len() as u32;
        Ok(true)
    }

    async fn take<const N: usize>(&mut self) -> Result<Option<[u8; N]>, M::Error> {
        let mut bytes = [0; N];
        Ok(self.fill(&mut bytes).await?.then_some(bytes))
    }
}

/// Returns the record at `at`, if a whole one lies there before `end` that continues `crc`.
pub async fn read<M: Memory, const BUFFER: usize>(
    memory: &mut M,
    at: u32,
    end: u32,
    crc: u32,
) -> Result<Option<Record>, M::Error> {
    let mut reader = Reader { memory, at, end, digest: continued(crc) };
    let Some([count0, count1, windowed0, windowed1, kept @ ..]) = reader.take::<HEAD_BYTES>().await? else {
        return Ok(None);
    };
    let mut window = None;
    if u16::from_le_bytes([windowed0, windowed1]) != 0 {
        let Some(bytes) = reader.take::<WINDOW_BYTES>().await? else { return Ok(None) };
        window = Some(u64::from_le_bytes(bytes));
    }
    let mut words = [0; Position::WORDS];
    let count = usize::from(u16::from_le_bytes([count0, count1]));
    let Some(words) = words.get_mut(..count) else { return Ok(None) };
    for word in &mut *words {
        let Some(bytes) = reader.take().await? else { return Ok(None) };
        *word = u32::from_le_bytes(bytes);
    }
    let (kept, kept_at) = (u32::from_le_bytes(kept), reader.at);
    if kept > reader.end.saturating_sub(kept_at) {
        return Ok(None);
    }
    let mut buffer = [0; BUFFER];
    while reader.at < kept_at + kept {
        let missing = (kept_at + kept - reader.at) as usize;
        let chunk = buffer.get_mut(..missing.min(BUFFER)).unwrap_or_default();
        if !reader.fill(chunk).await? {
            return Ok(None);
        }
    }
    let crc = reader.digest.clone().finalize();
    let stored = reader.take().await?;
    let position = Position::from_words(words).filter(|_| stored == Some(crc.to_le_bytes()));
    Ok(position.map(|position| Record { window, position, kept_at, kept, crc, end: reader.at }))
}
