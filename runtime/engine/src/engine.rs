//! The engine: a plan, an arena, and how far the current inference has come.

use core::marker::PhantomData;

use tanbo_format::record::{ALIGN, MAX_CHAIN_STEPS};
use tanbo_format::schedule::Done;
use tanbo_format::{ElementType, Model};

use crate::error::EngineError;
use crate::operators::Operators;
use crate::ops::Work;
use crate::plan::{Observer, Parsed, Plan, Port};
use crate::prepared::{Cache, Place, Slot};

/// Whether an inference is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The outputs are ready; the next call begins a new inference.
    Done,
    /// There is more to do.
    More,
    /// The next row of the first input is wanted: [`Engine::input_row`].
    Input,
}

/// Runs one model in one arena.
///
/// A model may keep states: tensors whose content one inference leaves to the next. They get their first content from
/// [`Engine::new`] and [`Engine::reset`], and only steps change them.
#[derive(Debug)]
pub struct Engine<'m, 'a, P: Plan<'m> = Parsed<'m, 'a>> {
    pub(crate) plan: P,
    pub(crate) arena: &'a mut [u8],
    /// Chain in work.
    pub(crate) chain: u16,
    /// Units of work that each step of the chain has done, and the step from which to look for the next that can run.
    pub(crate) done: Done,
    pub(crate) from: usize,
    /// Rows of the first input that the caller has given, where it comes row by row.
    pub(crate) given: u32,
    #[cfg(feature = "threads")]
    threads: usize,
    model: PhantomData<&'m ()>,
}

impl<'m, 'a, O: Operators> Engine<'m, 'a, Parsed<'m, 'a, O>> {
    /// Returns an engine that uses the first [`Model::arena_bytes`] bytes of `arena`.
    ///
    /// # Errors
    /// An arena too small or misaligned; an operator that `ops` lacks.
    pub fn new(model: &Model<'m>, ops: O, arena: &'a mut [u8]) -> Result<Self, EngineError> {
        Self::of(Parsed::new(model, ops), arena)
    }

    /// Tells `observer` of every call of a step from now on.
    pub fn set_observer(&mut self, observer: &'a mut dyn Observer) {
        self.plan.observer = Some(observer);
    }

    /// Keeps what is decoded of the first steps, as many as `slots` has room for: otherwise every call of a step decodes its
    /// records again, about a thousand instructions. With the feature `std` an engine keeps all of them anyway.
    pub fn set_cache(&mut self, slots: &'a mut [Slot<'m>]) {
        slots.fill(Slot::EMPTY);
        self.plan.cache = Cache::Given(slots);
    }

    /// Returns the model.
    pub fn model(&self) -> &Model<'m> {
        &self.plan.model
    }

    /// Returns the bytes of tensor `number` as they are now; later steps may reuse them. For a ring, the rows it holds.
    ///
    /// # Errors
    /// No such tensor.
    pub fn tensor_bytes(&self, number: u16) -> Result<&[u8], EngineError> {
        let port = Port::of(&self.plan.model, number).ok_or(EngineError::NoSuchTensor)?;
        self.bytes(port.place)
    }

    /// Returns the bytes of tensor `number` to be written: how a test injects an intermediate tensor.
    ///
    /// # Errors
    /// No such tensor in the arena.
    pub fn tensor_bytes_mut(&mut self, number: u16) -> Result<&mut [u8], EngineError> {
        let port = Port::of(&self.plan.model, number).ok_or(EngineError::NoSuchTensor)?;
        self.bytes_mut(port.place)
    }
}

impl<'m, 'a, P: Plan<'m>> Engine<'m, 'a, P> {
    pub(crate) fn of(plan: P, arena: &'a mut [u8]) -> Result<Self, EngineError> {
        let arena = Self::fit(&plan, arena)?;
        plan.covered()?;
        let mut engine = Self {
            plan,
            arena,
            chain: 0,
            done: [0; MAX_CHAIN_STEPS],
            from: 0,
            given: 0,
            #[cfg(feature = "threads")]
            threads: 1,
            model: PhantomData,
        };
        engine.reset();
        Ok(engine)
    }

    /// Returns as much of `arena` as the plan needs.
    fn fit(plan: &P, arena: &'a mut [u8]) -> Result<&'a mut [u8], EngineError> {
        let (needed, given) = (plan.arena_bytes(), arena.len());
        let arena = arena.get_mut(..needed).ok_or(EngineError::ArenaTooSmall { needed, given })?;
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(EngineError::ArenaMisaligned);
        }
        Ok(arena)
    }

    /// Goes on in `arena`, which holds what the engine's arena held: for callers that take the memory back between calls.
    ///
    /// # Errors
    /// An arena too small or misaligned; the engine then stays where it was.
    pub fn set_arena(&mut self, arena: &'a mut [u8]) -> Result<(), EngineError> {
        self.arena = Self::fit(&self.plan, arena)?;
        Ok(())
    }

    /// Lets large steps be shared among up to `threads` threads of rayon's global pool; 1, the default, is the caller's alone.
    ///
    /// Every output value is computed by one thread, as it is by one alone: the number of threads changes no bit. A step is
    /// shared where its rows have work for several threads (hundreds of thousands of multiplications each); small models
    /// are faster alone.
    #[cfg(feature = "threads")]
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads.max(1);
    }

    /// Returns to the beginning of the first inference: every state holds its first content again.
    pub fn reset(&mut self) {
        self.plan.begin_states(self.arena);
        self.restart();
    }

    /// Returns what the engine runs.
    pub fn plan(&self) -> &P {
        &self.plan
    }

    /// Returns the name of the kernel table in use.
    pub fn table_name(&self) -> &'static str {
        self.plan.table_name()
    }

    /// Returns int8 input `index` to be written. Inputs must be written before every inference: the arena is reused.
    ///
    /// # Errors
    /// No such input, or one that is not int8.
    pub fn input_mut(&mut self, index: usize) -> Result<&mut [i8], EngineError> {
        let place = int8(self.plan.input(index))?.place;
        Ok(bytemuck::cast_slice_mut(self.bytes_mut(place)?))
    }

    /// Returns int8 output `index`.
    ///
    /// # Errors
    /// No such output, or one that is not int8.
    pub fn output(&self, index: usize) -> Result<&[i8], EngineError> {
        Ok(bytemuck::cast_slice(self.bytes(int8(self.plan.output(index))?.place)?))
    }

    /// Returns the little-endian bytes of input `index`, of any element type, to be written.
    ///
    /// # Errors
    /// No such input.
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], EngineError> {
        let port = self.plan.input(index).ok_or(EngineError::NoSuchTensor)?;
        self.bytes_mut(port.place)
    }

    /// Returns the little-endian bytes of output `index`, of any element type.
    ///
    /// # Errors
    /// No such output.
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], EngineError> {
        self.bytes(self.plan.output(index).ok_or(EngineError::NoSuchTensor)?.place)
    }

    /// Runs one inference from the beginning, with the states as they are.
    ///
    /// # Errors
    /// [`EngineError::InputByRows`]; [`EngineError::Step`], which an artifact that parsed does not give.
    pub fn run(&mut self) -> Result<(), EngineError> {
        self.restart();
        loop {
            match self.step(u32::MAX)? {
                Progress::Done => return Ok(()),
                Progress::More => {}
                Progress::Input => return Err(EngineError::InputByRows),
            }
        }
    }

    /// Gives the next row of the first input, of an artifact that takes it row by row, and runs what can be run with it:
    /// [`Progress::Input`] until the last row, with which the inference ends, [`Progress::Done`]. The row after that is the
    /// first of the next inference.
    ///
    /// # Errors
    /// [`EngineError::InputIsWhole`]; [`EngineError::RowLength`]; [`EngineError::Step`], which an artifact that parsed does
    /// not give.
    pub fn input_row(&mut self, row: &[i8]) -> Result<Progress, EngineError> {
        let mut progress = self.give_row(row)?;
        while progress == Progress::More {
            progress = self.step(u32::MAX)?;
        }
        if progress == Progress::Done {
            self.given = 0;
        }
        Ok(progress)
    }

    /// As [`Engine::input_row`], but with the last row it runs the first chain only: [`Progress::More`] says that
    /// [`Engine::step`] has the others to do.
    ///
    /// # Errors
    /// As [`Engine::input_row`].
    pub fn give_row(&mut self, row: &[i8]) -> Result<Progress, EngineError> {
        let Port { place, elements, rows, ring_rows: slots, .. } = int8(self.plan.input(0))?;
        let (Place::Arena(ring), 1..) = (place, slots) else { return Err(EngineError::InputIsWhole) };
        if self.given == 0 || self.given == rows {
            self.restart();
            self.step(u32::MAX)?;
        }
        let expected = elements.checked_div(rows).ok_or(EngineError::NoSuchTensor)? as usize;
        if row.len() != expected {
            return Err(EngineError::RowLength { expected, given: row.len() });
        }
        // Rows below the last window are taken and not looked at.
        if self.chain == 0 {
            let slot = self.given.checked_rem(slots.min(rows)).unwrap_or(0);
            let start = ring.offset as usize + slot as usize * expected;
            let place = self.arena.get_mut(start..start + expected).ok_or(EngineError::NoSuchTensor)?;
            place.copy_from_slice(bytemuck::cast_slice(row));
        }
        self.given += 1;
        self.from = 0;
        let mut progress = Progress::More;
        while progress == Progress::More && self.chain == 0 {
            progress = self.step(u32::MAX)?;
        }
        if self.given < rows {
            if progress == Progress::Done {
                // The outputs are ready before the last rows come, which no window reaches.
                self.chain = self.plan.chain_count();
            }
            return Ok(Progress::Input);
        }
        Ok(progress)
    }

    /// Forgets how far [`Engine::step`] has come in the current inference. States stay as the steps that ran left them:
    /// whoever drops an inference of a model with states half-way calls [`Engine::reset`] instead.
    pub fn restart(&mut self) {
        self.given = 0;
        self.begin(0);
    }

    /// Goes to the beginning of chain `chain`.
    fn begin(&mut self, chain: u16) {
        self.chain = chain;
        self.done = [0; MAX_CHAIN_STEPS];
        self.from = 0;
    }

    /// Returns the chain that the next [`Engine::step`] works on.
    pub fn chain(&self) -> u16 {
        self.chain
    }

    /// Begins at chain `chain`, with the tensors and states as they are: how a test runs single chains. A chain that runs
    /// twice changes its states twice.
    ///
    /// # Errors
    /// No such chain.
    pub fn seek(&mut self, chain: u16) -> Result<(), EngineError> {
        if chain >= self.plan.chain_count() {
            return Err(EngineError::NoSuchChain);
        }
        self.begin(chain);
        Ok(())
    }

    /// Works on the current chain until it is finished or `budget` rows (at least one) are written.
    ///
    /// A row is a row of an image, or a whole tensor where an operator has no rows. When the last chain is finished it
    /// returns [`Progress::Done`], and the next call begins again.
    ///
    /// # Errors
    /// [`EngineError::Step`], which an artifact that parsed does not give.
    pub fn step(&mut self, budget: u32) -> Result<Progress, EngineError> {
        if let Some(steps) = self.plan.chain(self.chain) {
            let budget = budget.max(1);
            self.plan.prepare(self.chain, steps.clone())?;
            let progress = if self.plan.schedule(self.chain).is_some() {
                self.advance(steps.start, budget)?
            } else {
                self.advance_one(steps.start, budget)?
            };
            if progress != Progress::Done {
                return Ok(progress);
            }
        }
        let next = self.chain.saturating_add(1);
        if next < self.plan.chain_count() {
            self.begin(next);
            return Ok(Progress::More);
        }
        self.begin(0);
        Ok(Progress::Done)
    }

    /// Runs units of a chain of one step.
    fn advance_one(&mut self, step: u16, budget: u32) -> Result<Progress, EngineError> {
        let total = self.plan.units(step).ok_or(EngineError::Step(step))?;
        let first = self.done.first().copied().unwrap_or(0);
        let end = first + budget.min(total.saturating_sub(first));
        self.run_units(step, first, end)?;
        if let Some(done) = self.done.first_mut() {
            *done = end;
        }
        Ok(if end == total { Progress::Done } else { Progress::More })
    }

    /// Runs units of a chain with a schedule, always of the first step that can run; `first` is its first step.
    fn advance(&mut self, first: u16, mut budget: u32) -> Result<Progress, EngineError> {
        loop {
            let schedule = self.plan.schedule(self.chain).ok_or(EngineError::Step(first))?;
            if schedule.is_finished(&self.done) {
                return Ok(Progress::Done);
            }
            if budget == 0 {
                return Ok(Progress::More);
            }
            let Some(turn) = schedule.next(&self.done, self.given, self.from) else {
                let more = self.given < schedule.input_rows();
                return if more { Ok(Progress::Input) } else { Err(EngineError::Step(first)) };
            };
            self.from = schedule.from_after(turn.place);
            // These take its rows at once.
            let last = schedule.last_of(turn.place);
            let end = turn.units.start + budget.min(turn.units.end - turn.units.start);
            for place in turn.place..=last {
                self.run_units(first + place as u16, turn.units.start, end)?;
            }
            if let Some(schedule) = self.plan.schedule(self.chain) {
                schedule.note(&mut self.done, turn.place, end);
            }
            budget -= end - turn.units.start;
        }
    }

    fn run_units(&mut self, step: u16, first: u32, end: u32) -> Result<(), EngineError> {
        let work = Work {
            model: None,
            arena: self.arena,
            rows: first as usize..end as usize,
            #[cfg(feature = "threads")]
            threads: self.threads,
        };
        self.plan.run(step, work)
    }

    fn bytes(&self, place: Place<'m>) -> Result<&[u8], EngineError> {
        match place {
            Place::Artifact(bytes) => Ok(bytes),
            Place::Arena(extent) => self.arena.get(extent.range()).ok_or(EngineError::NoSuchTensor),
        }
    }

    fn bytes_mut(&mut self, place: Place<'m>) -> Result<&mut [u8], EngineError> {
        let Place::Arena(extent) = place else { return Err(EngineError::NoSuchTensor) };
        self.arena.get_mut(extent.range()).ok_or(EngineError::NoSuchTensor)
    }
}

fn int8(port: Option<Port<'_>>) -> Result<Port<'_>, EngineError> {
    match port {
        Some(port) if port.ty == ElementType::I8 => Ok(port),
        Some(_) => Err(EngineError::NotInt8),
        None => Err(EngineError::NoSuchTensor),
    }
}
