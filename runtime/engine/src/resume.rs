//! Stopping between two units of work and going on later, maybe after the arena was lost: how far an inference has come, as a
//! small value, and which bytes of the arena count there.
//!
//! Nothing is noted while an inference runs. What counts follows from the plan: tensors that later chains read, rows that
//! readers in the chain still need, sums and packings of inputs that a step goes on from, and states. What changed since
//! an earlier position follows from both positions: every row is written once.

use core::ops::Range;

use tanbo_format::record::MAX_CHAIN_STEPS;
use tanbo_format::schedule::{Done, Schedule};
use tanbo_format::{Model, Op, Step, Storage, attrs, packing};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::plan::{Plan, Trace};
use crate::prepared::{Extent, Place};

/// How far an inference has come, between two units of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    chain: u16,
    given: u32,
    done: Done,
}

impl Position {
    /// Most words of a position.
    pub const WORDS: usize = 2 + MAX_CHAIN_STEPS;

    /// The beginning of an inference.
    pub const START: Self = Self { chain: 0, given: 0, done: [0; MAX_CHAIN_STEPS] };

    /// Returns how many rows of an input that comes row by row had been given.
    pub fn given(&self) -> u32 {
        self.given
    }

    /// Returns the position as words, and how many of them there are: those after them are zero.
    pub fn to_words(&self) -> ([u32; Self::WORDS], usize) {
        let mut words = [0; Self::WORDS];
        let values = [self.chain.into(), self.given].into_iter().chain(self.done);
        words.iter_mut().zip(values).for_each(|(word, value)| *word = value);
        (words, words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1))
    }

    /// Returns the position with these words; `None` if they are too many, or the first is no chain. Whether an inference
    /// of a model comes there, [`Engine::resume`] says.
    pub fn from_words(words: &[u32]) -> Option<Self> {
        let mut all = [0; Self::WORDS];
        all.get_mut(..words.len())?.copy_from_slice(words);
        let [chain, given, done @ ..] = all;
        Some(Self { chain: u16::try_from(chain).ok()?, given, done })
    }
}

/// Bytes of the arena that later chains read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The bytes.
    pub extent: Extent,
    /// First chain at whose beginning they count.
    pub first: u16,
    /// Last such chain; the number of chains for what is needed when all have run.
    pub last: u16,
}

impl Lifetime {
    /// No bytes.
    pub const EMPTY: Self = Self { extent: Extent::EMPTY, first: 0, last: 0 };
}

/// What of a plan [`Engine::changed`] must know and no run needs: apart from the plan, so that firmware which never stops
/// half-way does not carry it. Of an included artifact `LIFETIMES`.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes<'t> {
    /// The artifact's content hash.
    pub hash: [u8; 32],
    /// Whole tensors and states.
    pub storages: &'t [Lifetime],
    /// Steps that go on from what they left in the scratch, rising.
    pub scratch: &'t [u16],
}

impl<'t> Lifetimes<'t> {
    /// Returns those of `model`, kept in `storages` and `scratch`: room for [`Model::storage_count`] storages and
    /// [`Model::step_count`] steps is always enough.
    ///
    /// # Errors
    /// [`EngineError::Lifetimes`].
    pub fn of(model: &Model<'_>, storages: &'t mut [Lifetime], scratch: &'t mut [u16]) -> Result<Self, EngineError> {
        let (mut places, mut numbers) = (storages.iter_mut(), scratch.iter_mut());
        let (mut lifetimes, mut lasting) = (0, 0);
        for storage in 0..model.storage_count() as u16 {
            if let Some(lifetime) = lifetime(model, storage) {
                *places.next().ok_or(EngineError::Lifetimes)? = lifetime;
                lifetimes += 1;
            }
        }
        for number in 0..model.step_count() as u16 {
            if scratch_lasts(model, number) {
                *numbers.next().ok_or(EngineError::Lifetimes)? = number;
                lasting += 1;
            }
        }
        let (storages, scratch): (&[_], &[_]) = (storages, scratch);
        Ok(Self {
            hash: *model.stated_hash(),
            storages: storages.get(..lifetimes).unwrap_or_default(),
            scratch: scratch.get(..lasting).unwrap_or_default(),
        })
    }

    /// Returns those that count at the beginning of chain `chain`.
    fn at(&self, chain: u16) -> impl Iterator<Item = &'t Lifetime> {
        self.storages.iter().filter(move |lifetime| lifetime.first <= chain && chain <= lifetime.last)
    }

    /// Returns whether step `step` goes on from what it left in the scratch.
    fn keeps_scratch(&self, step: u16) -> bool {
        self.scratch.binary_search(&step).is_ok()
    }
}

/// Returns when storage `index` counts, if it does between two chains.
fn lifetime(model: &Model<'_>, index: u16) -> Option<Lifetime> {
    let chains = model.chain_count() as u16;
    let lies_here = |&tensor: &u16| model.tensor(tensor).is_some_and(|tensor| tensor.storage == index);
    let mut steps = (0..model.step_count() as u16).filter_map(|number| model.step(number));
    let (offset, bytes, first, last) = match model.storage(index)? {
        // A ring ends with its chain.
        Storage::Arena { offset, bytes, ring_rows: 0 } => {
            let (first, last) = model.storage_lifetime(index)?;
            // Scratch means nothing between chains.
            if !(0..model.tensor_count() as u16).any(|tensor| lies_here(&tensor)) {
                return None;
            }
            let is_input = model.inputs().iter().any(lies_here);
            let is_output = model.outputs().iter().any(lies_here);
            (offset, bytes, if is_input { 0 } else { first + 1 }, if is_output { chains } else { last })
        }
        Storage::State { offset, bytes } => {
            // A recurrence that begins anew leaves nothing to anybody.
            let counts = steps.any(|step| {
                step.inputs.iter().any(lies_here) || (step.states.iter().any(lies_here) && !begins_anew(&step))
            });
            if !counts {
                return None;
            }
            (offset, bytes, 0, chains)
        }
        Storage::Arena { .. } | Storage::Constant { .. } => return None,
    };
    (first <= last).then_some(Lifetime { extent: Extent::of(offset, bytes)?, first, last })
}

/// Returns whether the states of a step hold their first content again whenever it begins.
fn begins_anew(step: &Step<'_>) -> bool {
    let recurrence = match step.op {
        Op::Lstm | Op::LstmI16 => attrs::Lstm::from_words(step.attrs).map(|attributes| attributes.recurrence),
        Op::Gru | Op::GruI16 => attrs::Gru::from_words(step.attrs).map(|attributes| attributes.recurrence),
        _ => None,
    };
    recurrence.is_some_and(|recurrence| recurrence.keep == 0)
}

/// Returns whether step `number` goes on from what it left in the scratch: sums over rows, or input that was packed for
/// the row before.
fn scratch_lasts(model: &Model<'_>, number: u16) -> bool {
    model.step(number).filter(|step| step.scratch.is_some()).is_some_and(|step| match step.variant {
        0 => step.op == Op::AveragePool2d,
        variant => packing::find(packing::ALL, variant).is_none_or(|layout| layout.keeps_scratch),
    })
}

impl<'m, P: Plan<'m>> Engine<'m, '_, P> {
    /// Returns how far the current inference has come.
    pub fn position(&self) -> Position {
        Position { chain: self.chain, given: self.given, done: self.done }
    }

    /// Returns where an inference is when its last chain has run: what counts there are the outputs, and states. An engine that
    /// resumed there goes on with [`Engine::restart`].
    pub fn end(&self) -> Position {
        Position { chain: self.plan.chain_count(), ..Position::START }
    }

    /// Goes to `position`. The next [`Engine::step`], or the next row of an input that comes by rows, goes on there, once the
    /// bytes that counted are back in the arena: all of those that [`Engine::changed`] told there.
    ///
    /// # Errors
    /// [`EngineError::Position`], and the engine stays where it was.
    pub fn resume(&mut self, position: &Position) -> Result<(), EngineError> {
        self.check(position)?;
        Position { chain: self.chain, given: self.given, done: self.done } = *position;
        self.from = 0;
        Ok(())
    }

    /// Whether an inference comes to `position`.
    fn check(&mut self, position: &Position) -> Result<(), EngineError> {
        let &Position { chain, given, ref done } = position;
        let input_rows = self.plan.input(0).filter(|first| first.ring_rows > 0).map_or(0, |first| first.rows);
        let fits = match self.plan.chain(chain) {
            Some(steps) => {
                self.plan.prepare(chain, steps.clone())?;
                match (self.plan.schedule(chain), done) {
                    (Some(schedule), done) => schedule.is_reachable(done, given),
                    (None, [first, rest @ ..]) => {
                        let units = self.plan.units(steps.start).unwrap_or(0);
                        (*first == 0 || *first < units) && rest.iter().all(|&units| units == 0)
                    }
                }
            }
            // The outputs are ready before the last rows come.
            None => chain == self.plan.chain_count() && done.iter().all(|&units| units == 0),
        };
        if fits && given <= input_rows { Ok(()) } else { Err(EngineError::Position) }
    }

    /// Calls `each` with every run of bytes of the arena that counts at the engine's position and was written since it was at
    /// `since`, in this inference; with `None`, that counts at all. Who keeps the bytes at some positions, and puts them back in
    /// their order, has all that counts at the last. No byte is told twice.
    ///
    /// `since` may also be the [`Engine::end`] of the inference before, where this one has just begun: then the inputs were
    /// written since.
    ///
    /// # Errors
    /// [`EngineError::Position`] for a `since` behind the engine, or which no inference comes to.
    pub fn changed(
        &mut self,
        lifetimes: &Lifetimes<'_>,
        since: Option<&Position>,
        mut each: impl FnMut(&mut [u8]),
    ) -> Result<(), EngineError> {
        let now = self.position();
        let begins = now == Position::START && since == Some(&self.end());
        if let Some(since) = since.filter(|_| !begins) {
            self.check(since)?;
            if since.chain > now.chain || since.given > now.given {
                return Err(EngineError::Position);
            }
        }
        let steps = self.plan.chain(now.chain).unwrap_or(0..0);
        self.plan.prepare(now.chain, steps.clone())?;
        let (plan, schedule) = (&self.plan, self.plan.schedule(now.chain));
        let arena = &mut *self.arena;
        let mut each = |range: Range<usize>| {
            if let Some(bytes) = arena.get_mut(range).filter(|bytes| !bytes.is_empty()) {
                each(bytes);
            }
        };
        let is_input = |lifetime: &Lifetime| {
            let mut inputs = (0..).map_while(|index| plan.input(index));
            inputs.any(|input| matches!(input.place, Place::Arena(extent) if extent == lifetime.extent))
        };
        if begins {
            let inputs = lifetimes.at(now.chain).filter(|lifetime| is_input(lifetime));
            inputs.for_each(|input| each(input.extent.range()));
            return Ok(());
        }

        let written = |lifetime: &Lifetime| {
            let from = written_from(plan, lifetime.extent, since, now.chain)?;
            // This chain writes there, too: then all of it, so that no row is told twice.
            let again = steps.clone().filter_map(|step| plan.trace(step)).any(|trace| trace.output == lifetime.extent);
            Some(if again { 0 } else { from })
        };
        for lifetime in lifetimes.at(now.chain) {
            if let Some(from) = written(lifetime) {
                let all = lifetime.extent.range();
                each(all.start + from as usize..all.end);
            }
        }

        let before = since.filter(|since| since.chain == now.chain).unwrap_or(&Position::START);
        for (place, step) in steps.clone().enumerate() {
            let at = EngineError::Step(step);
            let trace = plan.trace(step).ok_or(at)?;
            let units = plan.units(step).ok_or(at)?;
            let [from, to] = [before, &now].map(|position| position.done.get(place).copied().unwrap_or(0));
            if lifetimes.keeps_scratch(step) && from < to && to < units {
                each(trace.scratch.range());
            }
            if lifetimes.at(now.chain).any(|all| all.extent == trace.output && written(all).is_some()) {
                continue;
            }
            let rows = if step + 1 == steps.end {
                rows_there(&trace, units, from)..rows_there(&trace, units, to)
            } else {
                schedule.map_or(0..0, |schedule| new_rows(schedule, place, before, &now))
            };
            by_slots(trace.output, trace.rows.bytes, trace.rows.slots, rows, &mut each);
        }
        // Rows of the caller.
        if now.chain == 0
            && let Some(schedule) = schedule.filter(|schedule| schedule.input_rows() > 0)
            && let Some(first) = plan.input(0)
            && let Place::Arena(ring) = first.place
        {
            let held = schedule.held_input(&now.done, now.given);
            let row_bytes = first.elements.checked_div(first.rows).unwrap_or(0);
            let slots = first.ring_rows.min(first.rows);
            by_slots(ring, row_bytes, slots, held.start.max(before.given)..held.end, &mut each);
        }
        Ok(())
    }

    /// Returns the most bytes that can count at a position: at least what [`Engine::changed`] tells since `None`.
    ///
    /// # Errors
    /// [`EngineError::Step`], which an artifact that parsed does not give.
    pub fn most_live(&self, lifetimes: &Lifetimes<'_>) -> Result<usize, EngineError> {
        let mut most = 0;
        for chain in 0..=self.plan.chain_count() {
            let carried = || lifetimes.at(chain).map(|lifetime| lifetime.extent);
            let mut bytes = carried().map(|extent| extent.bytes as usize).sum::<usize>();
            let steps = self.plan.chain(chain).unwrap_or(0..0);
            for step in steps.clone() {
                let trace = self.plan.trace(step).ok_or(EngineError::Step(step))?;
                let mut earlier = (steps.start..step).filter_map(|step| self.plan.trace(step));
                if !carried().any(|extent| extent == trace.output) && !earlier.any(|one| one.output == trace.output) {
                    bytes += trace.output.bytes as usize;
                }
                if lifetimes.keeps_scratch(step) {
                    bytes += trace.scratch.bytes as usize;
                }
            }
            if let (0, Some(first)) = (chain, self.plan.input(0))
                && let (1.., Place::Arena(ring)) = (first.ring_rows, first.place)
            {
                bytes += ring.bytes as usize;
            }
            most = most.max(bytes);
        }
        Ok(most)
    }
}

/// Calls `each` with the places of `rows` in a ring; a whole tensor has a slot for each row.
fn by_slots(ring: Extent, row_bytes: u32, slots: u32, rows: Range<u32>, each: &mut impl FnMut(Range<usize>)) {
    let Range { mut start, end } = rows;
    while start < end {
        let Some(slot) = start.checked_rem(slots) else { return };
        let count = (slots - slot).min(end - start);
        let [first, bytes] = [slot, count].map(|rows| rows as usize * row_bytes as usize);
        let first = ring.offset as usize + first;
        each(first..first + bytes);
        start += count;
    }
}

/// Returns how many rows of its output there are after `done` units of a step, of `units`; a step whose units are not the
/// rows of its output writes it at the end.
fn rows_there(trace: &Trace, units: u32, done: u32) -> u32 {
    if units == trace.rows.slots { done } else { 0 }
}

/// Returns the first byte of `extent`, which counts at the beginning of chain `to`, that was written since; `None` if nothing
/// of it was.
fn written_from<'m, P: Plan<'m>>(plan: &P, extent: Extent, since: Option<&Position>, to: u16) -> Option<u32> {
    let Some(since) = since else { return Some(0) };
    let last_of = |chain: u16| {
        let steps = plan.chain(chain)?;
        let step = steps.end.checked_sub(1)?;
        let trace = plan.trace(step)?;
        if trace.states.contains(&extent) {
            return Some(0);
        }
        let done = if chain == since.chain { since.done.get(steps.len() - 1).copied().unwrap_or(0) } else { 0 };
        (trace.output == extent).then(|| rows_there(&trace, plan.units(step).unwrap_or(0), done) * trace.rows.bytes)
    };
    (since.chain..to).filter_map(last_of).min()
}

/// Returns the rows of the storage in which the step at `place` writes first that are still needed at `now` and may have been
/// written since `before`: by this step, or in place by those after it.
fn new_rows<P: AsRef<[tanbo_format::schedule::Place]>>(
    schedule: &Schedule<P>,
    place: usize,
    before: &Position,
    now: &Position,
) -> Range<u32> {
    if schedule.in_place_of(place).is_some() {
        return 0..0;
    }
    let writes_here = |mut writer: usize| {
        while let Some(root) = schedule.in_place_of(writer) {
            writer = root;
        }
        writer == place
    };
    let held = schedule.held(&now.done, place);
    let done = |position: &Position, writer: usize| schedule.given_by(writer, &position.done);
    let first = (place..schedule.len())
        .filter(|&writer| writes_here(writer) && done(before, writer) < done(now, writer))
        .map(|writer| done(before, writer))
        .min();
    first.map_or(0..0, |first| held.start.max(first)..held.end)
}
