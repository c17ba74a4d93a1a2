//! The receiver's side: every fragment is written once, to where it belongs or, combined with others, behind the block.
//!
//! Of the fragments that did not come, the unknowns, each parity fragment gives one equation. The known part is taken out of it at once
//! (it lies in the block), the rest is stored raw behind the block. What is kept in RAM is which unknowns and which raw rows each row of the
//! triangular matrix combines, so that nothing stored is ever changed: flash that can be written once will do.

use core::fmt;

use crate::bits::{Bits, has, ones, words};
use crate::line::{MAX_FRAGMENTS, parity_line};
use crate::session::{MAX_FRAGMENT_BYTES, Session};

/// Where a block is put together: erased memory, written once.
pub trait Block {
    /// The memory's errors.
    type Error: fmt::Debug;

    /// Returns its length, bytes. What is behind the block is needed for as many fragments as may be lost.
    fn capacity(&self) -> usize;

    /// Copies what was written at `at` to `into`.
    ///
    /// # Errors
    /// The memory's.
    fn read(&self, at: usize, into: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes a fragment at `at`, a multiple of the fragments' length. No byte is written twice.
    ///
    /// # Errors
    /// The memory's: the session is over.
    async fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// Why a session cannot be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The block is longer than its place.
    TooLong {
        /// Length of all fragments, bytes.
        bytes: usize,
        /// Length of the place, bytes.
        room: usize,
    },
    /// RAM for the decoder is too short.
    Memory {
        /// Words needed.
        needed: usize,
        /// Words given.
        given: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, room } => write!(f, "a block of {bytes} bytes for a place of {room}"),
            Self::Memory { needed, given } => write!(f, "the decoder needs {needed} words of RAM and has {given}"),
        }
    }
}

impl core::error::Error for Refusal {}

/// Why a fragment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError<E> {
    /// Not a fragment's length.
    Length {
        /// Length that the session says.
        expected: usize,
        /// Length that came.
        given: usize,
    },
    /// Fragments are numbered from 1 to [`MAX_FRAGMENTS`].
    Number(u16),
    /// The memory's.
    Block(E),
}

impl<E: fmt::Debug> fmt::Display for DecodeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, given } => write!(f, "a fragment of {given} bytes where {expected} are agreed"),
            Self::Number(number) => write!(f, "fragment {number}; there are 1 to {MAX_FRAGMENTS}"),
            Self::Block(error) => write!(f, "block: {error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for DecodeError<E> {}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At least so many fragments are still needed.
    Missing(u16),
    /// More were lost than the decoder can make up for: parity is of no use until some of them come.
    TooManyLost {
        /// Fragments of the block that did not come.
        lost: u16,
        /// Most that can be made up for.
        limit: u16,
    },
    /// The block is whole.
    Complete,
}

/// Returns the words of RAM of a decoder of blocks of up to `fragments` fragments of which up to `lost` may be lost: 2 · ⌈M/32⌉ + ⌈R/32⌉ · (2R + 2).
pub const fn memory_words(fragments: u16, lost: u16) -> usize {
    let row = words(lost as usize);
    2 * words(fragments as usize) + row * (2 * lost as usize + 2)
}

/// Puts a block together.
#[derive(Debug)]
pub struct Decoder<'a> {
    session: Session,
    /// Most fragments that may be lost.
    limit: u16,
    /// Fragments of the block that came as they are.
    came: u16,
    /// Unknowns, once the first parity fragment was used; 0 before.
    unknowns: u16,
    /// Equations.
    rows: u16,
    complete: bool,
    memory: &'a mut [u32],
}

/// What lies in the memory.
struct Parts<'p> {
    /// A bit for each fragment: came as it is before the unknowns were counted.
    known: &'p mut [u32],
    /// The line of the fragment in hand.
    line: &'p mut [u32],
    /// Two rows in hand, then two for each unknown: unknowns and raw rows that it combines. Unknown n's row has no unknown below n.
    matrix: &'p mut [u32],
}

fn parts(memory: &mut [u32], fragments: u16) -> Option<Parts<'_>> {
    let bitmap = words(fragments.into());
    let (known, rest) = memory.split_at_mut_checked(bitmap)?;
    let (line, matrix) = rest.split_at_mut_checked(bitmap)?;
    Some(Parts { known, line, matrix })
}

impl<'a> Decoder<'a> {
    /// Returns a decoder of a session, whose block goes to an erased place of `room` bytes.
    ///
    /// As many fragments may be lost as there is memory for ([`memory_words`]) and as there is room behind the block.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn new(session: Session, room: usize, memory: &'a mut [u32]) -> Result<Self, Refusal> {
        let bytes = session.padded_bytes();
        let behind = room.checked_sub(bytes).ok_or(Refusal::TooLong { bytes, room })?;
        let fragments = session.fragments();
        let refused = Refusal::Memory { needed: memory_words(fragments, 0), given: memory.len() };
        let room_for = behind.checked_div(session.fragment_bytes()).unwrap_or(0).min(fragments.into()) as u16;
        let given = memory.len();
        // The largest that fits: lengths rise with it.
        let (mut limit, mut above) = (0, room_for + 1);
        while above - limit > 1 {
            let middle = limit + (above - limit) / 2;
            if memory_words(fragments, middle) <= given { limit = middle } else { above = middle }
        }
        memory.fill(0);
        parts(memory, fragments).ok_or(refused)?;
        Ok(Self { session, limit, came: 0, unknowns: 0, rows: 0, complete: false, memory })
    }

    /// Ends the session and returns the memory.
    pub fn release(self) -> &'a mut [u32] {
        self.memory
    }

    /// Returns what is received.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the most fragments that may be lost.
    pub fn limit(&self) -> u16 {
        self.limit
    }

    /// Returns how many fragments came that said something new.
    pub fn received(&self) -> u16 {
        self.came + self.rows
    }

    /// Returns how far it has come.
    pub fn progress(&self) -> Progress {
        let lost = self.session.fragments() - self.came;
        if self.complete { Progress::Complete } else { Progress::Missing(lost.saturating_sub(self.rows)) }
    }

    /// Takes fragment `number`, from 1; again is fine, and so is any order.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub async fn take<B: Block>(
        &mut self,
        number: u16,
        fragment: &[u8],
        block: &mut B,
    ) -> Result<Progress, DecodeError<B::Error>> {
        let bytes = self.session.fragment_bytes();
        let mut room = [0; MAX_FRAGMENT_BYTES];
        let wrong = DecodeError::Length { expected: bytes, given: fragment.len() };
        let data = room.get_mut(..bytes).filter(|_| fragment.len() == bytes).ok_or(wrong)?;
        data.copy_from_slice(fragment);
        if number == 0 || number > MAX_FRAGMENTS {
            return Err(DecodeError::Number(number));
        }
        if self.complete {
            return Ok(Progress::Complete);
        }
        let fragments = self.session.fragments();
        let Some(Parts { known, line, .. }) = parts(self.memory, fragments) else { return Ok(self.progress()) };
        match number.checked_sub(fragments) {
            None | Some(0) => {
                let index = usize::from(number) - 1;
                if has(known, index) {
                    return Ok(self.progress());
                }
                if self.unknowns == 0 {
                    block.write(index * bytes, data).await.map_err(DecodeError::Block)?;
                    Bits(known).set(index);
                    self.came += 1;
                    self.complete = self.came == fragments;
                    return Ok(self.progress());
                }
                // It comes late: an equation with one unknown.
                let mut line = Bits(line);
                line.clear();
                line.set(index);
            }
            Some(parity) => {
                let lost = fragments - self.came;
                if lost > self.limit {
                    return Ok(Progress::TooManyLost { lost, limit: self.limit });
                }
                self.unknowns = lost;
                parity_line(parity, fragments, &mut Bits(line));
            }
        }
        self.equation(data, block).await?;
        Ok(self.progress())
    }

    /// Takes the equation whose line is in hand and whose right side is `data`.
    async fn equation<B: Block>(&mut self, data: &mut [u8], block: &mut B) -> Result<(), DecodeError<B::Error>> {
        let (bytes, unknowns) = (self.session.fragment_bytes(), usize::from(self.unknowns));
        let row_words = words(self.limit.into());
        let (mut unknown, mut other) = (0, [0; MAX_FRAGMENT_BYTES]);
        let other = other.get_mut(..bytes).unwrap_or_default();
        let Some(Parts { known, line, matrix }) = parts(self.memory, self.session.fragments()) else { return Ok(()) };
        let Some((hand, matrix)) = matrix.split_at_mut_checked(2 * row_words) else { return Ok(()) };
        hand.fill(0);
        let (left, right) = hand.split_at_mut(row_words);
        let (mut left, mut right) = (Bits(left), Bits(right));
        for index in 0..usize::from(self.session.fragments()) {
            let (is_known, named) = (has(known, index), has(line, index));
            if named && is_known {
                block.read(index * bytes, other).map_err(DecodeError::Block)?;
                data.iter_mut().zip(&*other).for_each(|(to, byte)| *to ^= byte);
            } else if named {
                left.set(unknown);
            }
            unknown += usize::from(!is_known);
        }
        // Rows that have its first unknowns as theirs.
        let mut pivot = None;
        for index in 0..unknowns {
            if !left.has(index) {
                continue;
            }
            let row = matrix.get(2 * row_words * index..).unwrap_or_default();
            if has(row, index) {
                let (its_left, its_right) = row.split_at_checked(row_words).unwrap_or_default();
                left.xor(its_left);
                right.xor(its_right);
            } else if pivot.is_none() {
                pivot = Some(index);
            }
        }
        // Nothing new.
        let Some(pivot) = pivot else { return Ok(()) };
        let raw = usize::from(self.rows);
        let at = (usize::from(self.session.fragments()) + raw) * bytes;
        block.write(at, data).await.map_err(DecodeError::Block)?;
        right.set(raw);
        if let Some(row) = matrix.get_mut(2 * row_words * pivot..2 * row_words * (pivot + 1)) {
            row.copy_from_slice(hand);
        }
        self.rows += 1;
        if self.rows == self.unknowns { self.solve(other, block).await } else { Ok(()) }
    }

    /// Writes the fragments that did not come.
    async fn solve<B: Block>(&mut self, data: &mut [u8], block: &mut B) -> Result<(), DecodeError<B::Error>> {
        let (bytes, unknowns) = (self.session.fragment_bytes(), usize::from(self.unknowns));
        let row_words = words(self.limit.into());
        let Some(Parts { known, matrix, .. }) = parts(self.memory, self.session.fragments()) else { return Ok(()) };
        let Some(matrix) = matrix.get_mut(2 * row_words..) else { return Ok(()) };
        // From the last: the rows of later unknowns have no other unknown any more.
        for index in (0..unknowns).rev() {
            let Some((before, later)) = matrix.split_at_mut_checked(2 * row_words * (index + 1)) else { return Ok(()) };
            let Some(row) = before.get_mut(2 * row_words * index..) else { return Ok(()) };
            for (row_of_later, number) in later.chunks_exact(2 * row_words).zip(index + 1..unknowns) {
                if has(row, number) {
                    Bits(row).xor(row_of_later);
                }
            }
        }
        let first_raw = usize::from(self.session.fragments()) * bytes;
        let mut other = [0; MAX_FRAGMENT_BYTES];
        let other = other.get_mut(..bytes).unwrap_or_default();
        let mut rows = matrix.chunks_exact(2 * row_words);
        for index in 0..usize::from(self.session.fragments()) {
            if has(known, index) {
                continue;
            }
            let Some(row) = rows.next() else { return Ok(()) };
            data.fill(0);
            for raw in ones(row.get(row_words..).unwrap_or_default()) {
                block.read(first_raw + raw * bytes, other).map_err(DecodeError::Block)?;
                data.iter_mut().zip(&*other).for_each(|(to, byte)| *to ^= byte);
            }
            block.write(index * bytes, data).await.map_err(DecodeError::Block)?;
        }
        self.complete = true;
        Ok(())
    }
}
