//! The engine: an artifact, an operator set, an arena, and how far the current inference has come.

use tanbo_format::record::{ALIGN, MAX_CHAIN_STEPS};
use tanbo_format::schedule::{self, Done, Schedule};
use tanbo_format::{ElementType, Model, Storage, Tensor};

use crate::error::EngineError;
use crate::op_set::OpSet;
use crate::ops::Work;
use crate::prepared::{Cache, Slot, State};

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
pub struct Engine<'m, 'a> {
    model: Model<'m>,
    ops: &'static OpSet,
    arena: &'a mut [u8],
    cache: Cache<'m, 'a>,
    /// Chain in work.
    chain: u16,
    /// Whether `schedule` is that chain's.
    begun: bool,
    /// Its schedule; without steps for a chain of one step between whole tensors, which needs none.
    schedule: Schedule,
    /// Units of work that each step of the chain has done, and the step from which to look for the next that can run.
    done: Done,
    from: usize,
    /// Rows of the first input that the caller has given, where it comes row by row.
    given: u32,
    #[cfg(feature = "threads")]
    threads: usize,
}

impl<'m, 'a> Engine<'m, 'a> {
    /// Returns an engine that uses the first [`Model::arena_bytes`] bytes of `arena`.
    ///
    /// # Errors
    /// An arena too small or misaligned; an operator that `ops` lacks.
    pub fn new(model: &Model<'m>, ops: &'static OpSet, arena: &'a mut [u8]) -> Result<Self, EngineError> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let arena = arena.get_mut(..needed).ok_or(EngineError::ArenaTooSmall { needed, given })?;
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(EngineError::ArenaMisaligned);
        }
        ops.covers(model)?;
        let done = [0; MAX_CHAIN_STEPS];
        let mut engine = Self {
            model: *model,
            ops,
            arena,
            cache: Cache::new(model.step_count()),
            chain: 0,
            begun: false,
            schedule: Schedule::EMPTY,
            done,
            from: 0,
            given: 0,
            #[cfg(feature = "threads")]
            threads: 1,
        };
        engine.reset();
        Ok(engine)
    }

    /// Keeps what is decoded of the first steps, as many as `slots` has room for: otherwise every call of a step decodes its
    /// records again, about a thousand instructions. With the feature `std` an engine keeps all of them anyway.
    pub fn set_cache(&mut self, slots: &'a mut [Slot<'m>]) {
        slots.fill(Slot::EMPTY);
        self.cache = Cache::Given(slots);
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
        for storage in 0..self.model.storage_count() as u16 {
            if let Some(state) = State::of(&self.model, storage) {
                state.begin(self.arena);
            }
        }
        self.restart();
    }

    /// Returns the model.
    pub fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// Returns the name of the kernel table in use.
    pub fn table_name(&self) -> &'static str {
        self.ops.table_name()
    }

    /// Returns int8 input `index` to be written. Inputs must be written before every inference: the arena is reused.
    ///
    /// # Errors
    /// No such input, or one that is not int8.
    pub fn input_mut(&mut self, index: usize) -> Result<&mut [i8], EngineError> {
        let number = *self.model.inputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.int8(number)?;
        Ok(bytemuck::cast_slice_mut(self.tensor_bytes_mut(number)?))
    }

    /// Returns int8 output `index`.
    ///
    /// # Errors
    /// No such output, or one that is not int8.
    pub fn output(&self, index: usize) -> Result<&[i8], EngineError> {
        let number = *self.model.outputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.int8(number)?;
        Ok(bytemuck::cast_slice(self.tensor_bytes(number)?))
    }

    /// Returns the little-endian bytes of input `index`, of any element type, to be written.
    ///
    /// # Errors
    /// No such input.
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], EngineError> {
        let number = *self.model.inputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.tensor_bytes_mut(number)
    }

    /// Returns the little-endian bytes of output `index`, of any element type.
    ///
    /// # Errors
    /// No such output.
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], EngineError> {
        let number = *self.model.outputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.tensor_bytes(number)
    }

    /// Returns the bytes of tensor `number` as they are now; later steps may reuse them. For a ring, the rows it holds.
    ///
    /// # Errors
    /// No such tensor.
    pub fn tensor_bytes(&self, number: u16) -> Result<&[u8], EngineError> {
        let tensor = self.model.tensor(number).ok_or(EngineError::NoSuchTensor)?;
        if let Some(bytes) = self.model.constant_tensor(&tensor) {
            return Ok(bytes);
        }
        self.arena.get(self.extent(&tensor)?).ok_or(EngineError::NoSuchTensor)
    }

    /// Returns the bytes of tensor `number` to be written: how a test injects an intermediate tensor.
    ///
    /// # Errors
    /// No such tensor in the arena.
    pub fn tensor_bytes_mut(&mut self, number: u16) -> Result<&mut [u8], EngineError> {
        let tensor = self.model.tensor(number).ok_or(EngineError::NoSuchTensor)?;
        let extent = self.extent(&tensor)?;
        self.arena.get_mut(extent).ok_or(EngineError::NoSuchTensor)
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
        let number = *self.model.inputs().first().ok_or(EngineError::NoSuchTensor)?;
        self.int8(number)?;
        let tensor = self.model.tensor(number).ok_or(EngineError::NoSuchTensor)?;
        let Some(Storage::Arena { offset, ring_rows: slots @ 1.., .. }) = self.model.storage(tensor.storage) else {
            return Err(EngineError::InputIsWhole);
        };
        if self.given == 0 {
            self.restart();
            self.step(u32::MAX)?;
        }
        let rows = tensor.rows();
        let expected = tensor.bytes().checked_div(rows as usize).ok_or(EngineError::NoSuchTensor)?;
        if row.len() != expected {
            return Err(EngineError::RowLength { expected, given: row.len() });
        }
        // Rows below the last window are taken and not looked at.
        if self.chain == 0 {
            let slots = slots.min(rows as usize);
            let start = offset + (self.given as usize).checked_rem(slots).unwrap_or(0) * expected;
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
                self.chain = self.model.chain_count() as u16;
            }
            return Ok(Progress::Input);
        }
        while progress == Progress::More {
            progress = self.step(u32::MAX)?;
        }
        self.given = 0;
        Ok(Progress::Done)
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
        self.begun = false;
        self.done = [0; MAX_CHAIN_STEPS];
        self.from = 0;
    }

    /// Makes the schedule of the chain in work.
    fn prepare(&mut self, steps: core::ops::Range<u16>) -> Result<(), EngineError> {
        self.begun = true;
        if steps.len() == 1 && !self.reads_rows(steps.start) {
            self.schedule.clear();
            return Ok(());
        }
        self.schedule.set(&self.model, steps).map_err(EngineError::Step)
    }

    /// Returns whether step `step` reads the first input as the caller gives it, row by row.
    fn reads_rows(&self, step: u16) -> bool {
        let ring = |&input: &u16| {
            let storage = self.model.tensor(input).and_then(|tensor| self.model.storage(tensor.storage));
            matches!(storage, Some(Storage::Arena { ring_rows: 1.., .. }))
        };
        self.model.step(step).is_some_and(|step| step.inputs.iter().any(ring))
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
        if usize::from(chain) >= self.model.chain_count() {
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
        if let Some(steps) = self.model.chain(self.chain) {
            let budget = budget.max(1);
            if !self.begun {
                self.prepare(steps.clone())?;
            }
            let progress = if self.schedule.is_empty() {
                self.advance_one(steps.start, budget)?
            } else {
                self.advance(steps, budget)?
            };
            if progress != Progress::Done {
                return Ok(progress);
            }
        }
        let next = self.chain.saturating_add(1);
        if usize::from(next) < self.model.chain_count() {
            self.begin(next);
            return Ok(Progress::More);
        }
        self.begin(0);
        Ok(Progress::Done)
    }

    /// Runs units of a chain of one step.
    fn advance_one(&mut self, step: u16, budget: u32) -> Result<Progress, EngineError> {
        let at = EngineError::Step(step);
        let total = self.model.step(step).and_then(|step| schedule::units(&self.model, &step)).ok_or(at)?;
        let first = self.done.first().copied().unwrap_or(0);
        let end = first + budget.min(total.saturating_sub(first));
        self.run_units(step, first, end)?;
        if let Some(done) = self.done.first_mut() {
            *done = end;
        }
        Ok(if end == total { Progress::Done } else { Progress::More })
    }

    /// Runs units of a chain of several steps, always of the first step that can run.
    fn advance(&mut self, steps: core::ops::Range<u16>, mut budget: u32) -> Result<Progress, EngineError> {
        while !self.schedule.is_finished(&self.done) {
            if budget == 0 {
                return Ok(Progress::More);
            }
            let Some(turn) = self.schedule.next(&self.done, self.given, self.from) else {
                return if self.given < self.schedule.input_rows() {
                    Ok(Progress::Input)
                } else {
                    Err(EngineError::Step(steps.start))
                };
            };
            let end = turn.units.start + budget.min(turn.units.end - turn.units.start);
            for place in turn.place..=self.schedule.last_of(turn.place) {
                self.run_units(steps.start + place as u16, turn.units.start, end)?;
            }
            self.schedule.note(&mut self.done, turn.place, end);
            self.from = self.schedule.from_after(turn.place);
            budget -= end - turn.units.start;
        }
        Ok(Progress::Done)
    }

    fn run_units(&mut self, step: u16, first: u32, end: u32) -> Result<(), EngineError> {
        let mut slot = self.cache.slot(step);
        if let Some(slot) = &mut slot
            && slot.get().is_none()
        {
            self.ops.prepare(&self.model, step, slot.place())?;
        }
        let work = Work {
            model: Some(&self.model),
            arena: self.arena,
            rows: first as usize..end as usize,
            #[cfg(feature = "threads")]
            threads: self.threads,
        };
        match slot.as_ref().and_then(|slot| slot.get()) {
            Some(prepared) => prepared.run(work).ok_or(EngineError::Step(step)),
            None => run_once(self.ops, &self.model, step, work),
        }
    }

    fn int8(&self, number: u16) -> Result<(), EngineError> {
        match self.model.tensor(number) {
            Some(Tensor { ty: ElementType::I8, .. }) => Ok(()),
            Some(_) => Err(EngineError::NotInt8),
            None => Err(EngineError::NoSuchTensor),
        }
    }

    fn extent(&self, tensor: &Tensor<'_>) -> Result<core::ops::Range<usize>, EngineError> {
        match self.model.storage(tensor.storage) {
            Some(Storage::Arena { offset, bytes, .. } | Storage::State { offset, bytes }) => {
                Ok(offset..offset + tensor.bytes().min(bytes))
            }
            _ => Err(EngineError::NoSuchTensor),
        }
    }
}

/// Decodes a step and runs it.
// Out of line: a step that is in the cache needs no room for another.
#[inline(never)]
fn run_once(ops: &OpSet, model: &Model<'_>, step: u16, work: Work<'_>) -> Result<(), EngineError> {
    let mut prepared = None;
    ops.prepare(model, step, &mut prepared)?;
    prepared.as_ref().and_then(|prepared| prepared.run(work)).ok_or(EngineError::Step(step))
}
