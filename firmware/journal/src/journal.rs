//! An engine whose inferences go on after a cut.

use core::ops::Range;

use tanbo::{Engine, EngineError, Lifetimes, Plan, Position, Progress};

use crate::error::JournalError;
use crate::memory::Memory;
use crate::record::{self, MAGIC, MOST_OVERHEAD, PREFIX_BYTES, Record, VOID, Writer};

/// What a journal held when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing of this model that is whole: the engine is as new.
    Nothing,
    /// An inference that a cut stopped: [`Journal::run`] ends it. Of an input that comes by rows,
    /// [`Journal::rows_given`] are there.
    Unfinished {
        /// The number that [`Journal::begin`] was given.
        window: u64,
    },
    /// An inference that had ended: its outputs are there, and its states.
    Finished {
        /// The number that [`Journal::begin`] was given.
        window: u64,
    },
}

/// The last record.
#[derive(Clone, Copy, Debug)]
struct Last {
    position: Position,
    half: Half,
    crc: u32,
    /// End of the record.
    end: u32,
}

/// Which half of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

impl Half {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// What the inference is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// None has begun since the last ended.
    Idle,
    /// In work.
    Running,
    /// The outputs are there, and not in the memory yet.
    Done,
}

/// An engine with a memory in which its inferences outlive cuts of the supply; `BUFFER` bytes are written at once, a whole number
/// of the memory's pages.
///
/// The engine is the journal's, so that every change of its states is one that the journal knows.
pub struct Journal<'m, 'a, 't, P: Plan<'m>, M, const BUFFER: usize> {
    engine: Engine<'m, 'a, P>,
    lifetimes: &'t Lifetimes<'t>,
    memory: M,
    range: Range<u32>,
    last: Option<Last>,
    /// Generation of the next snapshot: higher than any that lies in the memory, so that no old record continues it.
    generation: u32,
    phase: Phase,
    window: u64,
}

impl<'m, 'a, 't, P: Plan<'m>, M: Memory, const BUFFER: usize> Journal<'m, 'a, 't, P, M, BUFFER> {
    /// Opens the journal in `range` of `memory`, with whatever lies there, and puts the engine where the last record that counts says.
    ///
    /// # Errors
    /// [`JournalError::TooSmall`], [`JournalError::Buffer`], [`JournalError::Memory`].
    pub async fn open(
        mut engine: Engine<'m, 'a, P>,
        lifetimes: &'t Lifetimes<'t>,
        memory: M,
        range: Range<u32>,
    ) -> Result<(Self, Found), JournalError<M::Error>> {
        let page = memory.page().max(1);
        if BUFFER == 0 || !(BUFFER as u32).is_multiple_of(page) {
            return Err(JournalError::Buffer);
        }
        let live = u32::try_from(engine.most_live(lifetimes)?).unwrap_or(u32::MAX);
        // The range may begin and end within a page.
        let half = live.saturating_add(MOST_OVERHEAD).div_ceil(page).saturating_mul(page);
        let needed = half.saturating_mul(2).saturating_add(if page > 1 { 2 * page } else { 0 });
        let given = range.end.saturating_sub(range.start);
        if given < needed {
            return Err(JournalError::TooSmall { needed, given });
        }
        engine.reset();
        let mut journal =
            Self { engine, lifetimes, memory, range, last: None, generation: 0, phase: Phase::Idle, window: 0 };
        let found = journal.find().await?;
        Ok((journal, found))
    }

    /// Returns the engine: outputs are read there.
    pub fn engine(&self) -> &Engine<'m, 'a, P> {
        &self.engine
    }

    /// Returns the memory, and gives the journal up.
    pub fn release(self) -> M {
        self.memory
    }

    /// Returns int8 input `index` to be written, before [`Journal::begin`].
    ///
    /// # Errors
    /// Those of [`Engine::input_mut`]; [`JournalError::Unfinished`].
    pub fn input_mut(&mut self, index: usize) -> Result<&mut [i8], JournalError<M::Error>> {
        self.idle()?;
        Ok(self.engine.input_mut(index)?)
    }

    /// Returns the little-endian bytes of input `index`, of any element type, to be written, before [`Journal::begin`].
    ///
    /// # Errors
    /// Those of [`Engine::input_bytes_mut`]; [`JournalError::Unfinished`].
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], JournalError<M::Error>> {
        self.idle()?;
        Ok(self.engine.input_bytes_mut(index)?)
    }

    /// Begins the inference with the caller's number `window`: keeps the inputs, and where nothing was kept before, the states.
    ///
    /// # Errors
    /// [`JournalError::Unfinished`], [`JournalError::Memory`].
    pub async fn begin(&mut self, window: u64) -> Result<(), JournalError<M::Error>> {
        self.idle()?;
        self.engine.restart();
        self.window = window;
        self.keep(true).await?;
        self.phase = Phase::Running;
        Ok(())
    }

    /// Returns how many rows of an input that comes by rows the inference has.
    pub fn rows_given(&self) -> u32 {
        self.engine.position().given()
    }

    /// As [`Engine::give_row`]. The row is kept with the next [`Journal::checkpoint`]: a cut before that takes it along.
    ///
    /// # Errors
    /// Those of [`Engine::give_row`]; [`JournalError::NotBegun`].
    pub fn give_row(&mut self, row: &[i8]) -> Result<Progress, JournalError<M::Error>> {
        self.running()?;
        let progress = self.engine.give_row(row)?;
        self.note(progress);
        Ok(progress)
    }

    /// As [`Engine::step`]. After [`Progress::Done`] comes [`Journal::finish`].
    ///
    /// # Errors
    /// Those of [`Engine::step`]; [`JournalError::NotBegun`].
    pub fn step(&mut self, budget: u32) -> Result<Progress, JournalError<M::Error>> {
        self.running()?;
        let progress = self.engine.step(budget)?;
        self.note(progress);
        Ok(progress)
    }

    /// Keeps what was computed since the last time: a cut after it costs nothing of that.
    ///
    /// # Errors
    /// [`JournalError::NotBegun`], [`JournalError::Memory`].
    pub async fn checkpoint(&mut self) -> Result<(), JournalError<M::Error>> {
        self.running()?;
        self.keep(false).await
    }

    /// Keeps the outputs and the states of an inference that is done: [`Found::Finished`] from now on, until the next begins.
    ///
    /// # Errors
    /// [`JournalError::Unfinished`], [`JournalError::Memory`].
    pub async fn finish(&mut self) -> Result<(), JournalError<M::Error>> {
        match self.phase {
            Phase::Done => {}
            Phase::Running => return Err(JournalError::Unfinished),
            Phase::Idle => return Err(JournalError::NotBegun),
        }
        let end = self.engine.end();
        self.engine.resume(&end)?;
        self.snapshot().await?;
        self.phase = Phase::Idle;
        Ok(())
    }

    /// Runs the inference to its end and keeps its outputs. After every `budget` units of work (rows of tensors, or whole tensors
    /// where an operator has no rows) it asks `due` whether to keep what was computed: by a clock, or by a count.
    ///
    /// # Errors
    /// [`EngineError::InputByRows`] while rows are missing; those of [`Journal::step`] and [`Journal::finish`].
    pub async fn run(&mut self, budget: u32, mut due: impl FnMut() -> bool) -> Result<(), JournalError<M::Error>> {
        while self.phase != Phase::Done {
            match self.step(budget)? {
                Progress::Done => {}
                Progress::Input => return Err(EngineError::InputByRows.into()),
                Progress::More => {
                    if due() {
                        self.checkpoint().await?;
                    }
                }
            }
        }
        self.finish().await
    }

    /// Gives the inference in work up: every state holds its first content again.
    ///
    /// # Errors
    /// [`JournalError::Memory`].
    pub async fn reset(&mut self) -> Result<(), JournalError<M::Error>> {
        self.engine.reset();
        self.phase = Phase::Idle;
        if let Some(last) = self.last.take() {
            self.void(last.half).await?;
        }
        Ok(())
    }

    fn idle(&self) -> Result<(), JournalError<M::Error>> {
        if self.phase == Phase::Idle { Ok(()) } else { Err(JournalError::Unfinished) }
    }

    fn running(&self) -> Result<(), JournalError<M::Error>> {
        if self.phase == Phase::Running { Ok(()) } else { Err(JournalError::NotBegun) }
    }

    fn note(&mut self, progress: Progress) {
        if progress == Progress::Done {
            self.phase = Phase::Done;
        }
    }

    /// Appends a record, or writes a snapshot to the other half if there is no room.
    async fn keep(&mut self, begins: bool) -> Result<(), JournalError<M::Error>> {
        let Some(last) = self.last else { return self.snapshot().await };
        let position = self.engine.position();
        let kept = self.changed_bytes(Some(&last.position))?;
        if !begins && position == last.position && kept == 0 {
            return Ok(());
        }
        let at = self.page_from(last.end);
        if at.saturating_add(kept).saturating_add(MOST_OVERHEAD) > self.half(last.half).end {
            return self.snapshot().await;
        }
        let window = begins.then_some(self.window);
        let (crc, end) = self.write(at, last.crc, &[], window, Some(&last.position), kept).await?;
        self.last = Some(Last { position, crc, end, ..last });
        Ok(())
    }

    /// Writes all that counts to the other half, and makes this one void.
    async fn snapshot(&mut self) -> Result<(), JournalError<M::Error>> {
        let half = self.last.map_or(Half::First, |last| last.half.other());
        let generation = self.generation;
        let position = self.engine.position();
        let kept = self.changed_bytes(None)?;
        let at = self.half(half).start;
        let [[a, b, c, d], [e, f, g, h]] = [MAGIC, generation.to_le_bytes()];
        let prefix = [a, b, c, d, e, f, g, h];
        let seed = record::seed(&self.lifetimes.hash, generation);
        let (crc, end) = self.write(at, seed, &prefix, Some(self.window), None, kept).await?;
        let before = self.last.replace(Last { position, half, crc, end });
        self.generation = generation.wrapping_add(1);
        match before {
            Some(before) => self.void(before.half).await,
            None => self.void(half.other()).await,
        }
    }

    /// Writes a record with what counts and changed since `since`.
    async fn write(
        &mut self,
        at: u32,
        crc: u32,
        prefix: &[u8],
        window: Option<u64>,
        since: Option<&Position>,
        kept: u32,
    ) -> Result<(u32, u32), JournalError<M::Error>> {
        let position = self.engine.position();
        let mut writer =
            Writer::<M, BUFFER>::new(&mut self.memory, at, crc, prefix).await.map_err(JournalError::Memory)?;
        writer.head(window, &position, kept).await.map_err(JournalError::Memory)?;
        let mut skip = 0;
        while skip < kept as usize {
            let filled = copy(&mut self.engine, self.lifetimes, since, skip, writer.room(), |bytes, room| {
                room.copy_from_slice(bytes);
            })?;
            writer.filled(filled).await.map_err(JournalError::Memory)?;
            skip += filled;
        }
        writer.end().await.map_err(JournalError::Memory)
    }

    /// Makes what lies in a half count no more.
    async fn void(&mut self, half: Half) -> Result<(), JournalError<M::Error>> {
        let at = self.half(half).start;
        let mut magic = MAGIC;
        self.memory.read(at, &mut magic).await.map_err(JournalError::Memory)?;
        if magic == MAGIC {
            self.memory.write(at, &VOID).await.map_err(JournalError::Memory)?;
        }
        Ok(())
    }

    /// Goes to the last record that counts.
    async fn find(&mut self) -> Result<Found, JournalError<M::Error>> {
        let mut found = [None, None];
        for (half, found) in [Half::First, Half::Second].into_iter().zip(&mut found) {
            let Range { start, end } = self.half(half);
            let mut prefix = [0; PREFIX_BYTES as usize];
            self.memory.read(start, &mut prefix).await.map_err(JournalError::Memory)?;
            let [a, b, c, d, generation @ ..] = prefix;
            let (magic, generation) = ([a, b, c, d], u32::from_le_bytes(generation));
            if magic == MAGIC || magic == VOID {
                let next = generation.wrapping_add(1);
                self.generation = if is_later(next, self.generation) { next } else { self.generation };
            }
            if magic != MAGIC {
                continue;
            }
            let seed = record::seed(&self.lifetimes.hash, generation);
            *found = self.read(start + PREFIX_BYTES, end, seed).await?.map(|record| (half, generation, record));
        }
        // Both where a cut came before the older was made void.
        let newest = match found {
            [Some(first), Some(second)] if is_later(second.1, first.1) => Some(second),
            [first, second] => first.or(second),
        };
        let Some((half, _, snapshot)) = newest else { return Ok(Found::Nothing) };
        let half_end = self.half(half).end;
        let mut next = Some(snapshot);
        while let Some(record) = next {
            let since = self.last.map(|last| last.position);
            if !self.put_back(&record, since.as_ref()).await? {
                break;
            }
            let Record { window, position, crc: new, end, .. } = record;
            self.window = window.unwrap_or(self.window);
            self.last = Some(Last { position, half, crc: new, end });
            next = self.read(self.page_from(end), half_end, new).await?;
        }
        let Some(last) = self.last else {
            self.engine.reset();
            return Ok(Found::Nothing);
        };
        // Where the next record did not fit, the engine may have moved on to it.
        self.engine.resume(&last.position)?;
        self.void(half.other()).await?;
        let window = self.window;
        if last.position == self.engine.end() {
            return Ok(Found::Finished { window });
        }
        self.phase = Phase::Running;
        Ok(Found::Unfinished { window })
    }

    async fn read(&mut self, at: u32, end: u32, crc: u32) -> Result<Option<Record>, JournalError<M::Error>> {
        record::read::<M, BUFFER>(&mut self.memory, at, end, crc).await.map_err(JournalError::Memory)
    }

    /// Puts what was kept back into the arena; returns whether it fits the model.
    async fn put_back(&mut self, record: &Record, since: Option<&Position>) -> Result<bool, JournalError<M::Error>> {
        if self.engine.resume(&record.position).is_err() || self.changed_bytes(since) != Ok(record.kept) {
            return Ok(false);
        }
        let mut skip = 0;
        while skip < record.kept {
            let mut buffer = [0; BUFFER];
            let chunk = buffer.get_mut(..BUFFER.min((record.kept - skip) as usize)).unwrap_or_default();
            self.memory.read(record.kept_at + skip, chunk).await.map_err(JournalError::Memory)?;
            let count = copy(&mut self.engine, self.lifetimes, since, skip as usize, chunk, |place, chunk| {
                place.copy_from_slice(chunk);
            })?;
            skip += count as u32;
        }
        Ok(true)
    }

    /// Returns how many bytes changed since `since`.
    fn changed_bytes(&mut self, since: Option<&Position>) -> Result<u32, EngineError> {
        let mut count = 0;
        self.engine.changed(self.lifetimes, since, |bytes| count += bytes.len() as u32)?;
        Ok(count)
    }

    fn half(&self, half: Half) -> Range<u32> {
        let start = self.page_from(self.range.start);
        let page = self.memory.page().max(1);
        let bytes = self.range.end.saturating_sub(start) / (2 * page) * page;
        match half {
            Half::First => start..start + bytes,
            Half::Second => start + bytes..start + 2 * bytes,
        }
    }

    /// Returns the beginning of the first page from `at` on.
    fn page_from(&self, at: u32) -> u32 {
        at.next_multiple_of(self.memory.page().max(1))
    }
}

/// Returns whether generation `a` comes after `b`; they may wrap.
fn is_later(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// Calls `each` with bytes of what changed since `since`, from byte `skip` on, beside those of `chunk` that stand for them; returns
/// how many of `chunk` do.
fn copy<'m, P: Plan<'m>>(
    engine: &mut Engine<'m, '_, P>,
    lifetimes: &Lifetimes<'_>,
    since: Option<&Position>,
    mut skip: usize,
    chunk: &mut [u8],
    mut each: impl FnMut(&mut [u8], &mut [u8]),
) -> Result<usize, EngineError> {
    let mut filled = 0;
    engine.changed(lifetimes, since, |bytes| {
        let here = skip.min(bytes.len());
        skip -= here;
        let room = chunk.get_mut(filled..).unwrap_or_default();
        let count = (bytes.len() - here).min(room.len());
        if let (Some(bytes), Some(room)) = (bytes.get_mut(here..here + count), room.get_mut(..count)) {
            each(bytes, room);
            filled += count;
        }
    })?;
    Ok(filled)
}
