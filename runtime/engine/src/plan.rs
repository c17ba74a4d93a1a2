//! What an engine runs: a parsed artifact, whose records are decoded when they are needed, or an included one, which was
//! verified and decoded when the program was built.

use core::ops::Range;

use tanbo_format::schedule::{self, Place as SchedulePlace, Schedule};
use tanbo_format::{ElementType, Model, Storage};

use crate::error::EngineError;
use crate::op_set::OpSet;
use crate::operators::{self, Operators};
use crate::ops::Work;
use crate::prepared::{Cache, Extent, MAX_STATES, Place, RowLayout, Slot, State};

/// A tensor at the boundary: an input or an output of the model.
#[derive(Clone, Copy, Debug)]
pub struct Port<'m> {
    /// Its bytes; for a ring, the rows it holds.
    pub place: Place<'m>,
    /// Element type.
    pub ty: ElementType,
    /// Number of elements.
    pub elements: u32,
    /// Number of rows: batch times height where there are four axes, else 1.
    pub rows: u32,
    /// Rows that are kept of an input that comes row by row; 0 for a whole tensor.
    pub ring_rows: u32,
    /// Real distance between two neighbouring integers.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
}

impl<'m> Port<'m> {
    /// Returns tensor `number` of `model`.
    pub fn of(model: &Model<'m>, number: u16) -> Option<Self> {
        let tensor = model.tensor(number)?;
        let (place, ring_rows) = match model.storage(tensor.storage)? {
            Storage::Constant { .. } => (Place::Artifact(model.constant_tensor(&tensor)?), 0),
            Storage::Arena { ring_rows, .. } => (Place::Arena(Extent::of_tensor(model, &tensor)?), ring_rows),
            Storage::State { .. } => (Place::Arena(Extent::of_tensor(model, &tensor)?), 0),
        };
        Some(Self {
            place,
            ty: tensor.ty,
            elements: u32::try_from(tensor.elements()).ok()?,
            rows: tensor.rows(),
            ring_rows: u32::try_from(ring_rows).ok()?,
            scale: tensor.scale,
            zero_point: tensor.zero_point,
        })
    }
}

/// What an engine runs: [`Parsed`], a reference to [`crate::included::Included`], or [`EitherPlan`](crate::EitherPlan), and nothing else.
pub trait Plan<'m>: sealed::Sealed {
    /// The places of a schedule.
    #[doc(hidden)]
    type Places: AsRef<[SchedulePlace]>;

    /// Returns the number of arena bytes that an engine needs, exactly.
    fn arena_bytes(&self) -> usize;

    /// Returns the name of the kernel table.
    fn table_name(&self) -> &'static str;

    /// Returns the front-end section; empty if the model takes tensors, not samples.
    fn front_end(&self) -> &'m [u8];

    /// Returns whether the model is one of hops: its states hold what a window would.
    fn streamed(&self) -> bool;

    /// Returns input `index`.
    fn input(&self, index: usize) -> Option<Port<'m>>;

    /// Returns output `index`.
    fn output(&self, index: usize) -> Option<Port<'m>>;

    /// Returns the number of chains.
    fn chain_count(&self) -> u16;

    #[doc(hidden)]
    fn chain(&self, chain: u16) -> Option<Range<u16>>;

    /// Returns why the steps cannot run here, if they cannot.
    #[doc(hidden)]
    fn covered(&self) -> Result<(), EngineError>;

    /// Gives every state its first content.
    #[doc(hidden)]
    fn begin_states(&self, arena: &mut [u8]);

    /// Makes the schedule of chain `chain`, of these steps, ready.
    #[doc(hidden)]
    fn prepare(&mut self, chain: u16, steps: Range<u16>) -> Result<(), EngineError>;

    /// Returns the schedule of chain `chain`, which was prepared; none for a chain of one step between whole tensors.
    #[doc(hidden)]
    fn schedule(&self, chain: u16) -> Option<&Schedule<Self::Places>>;

    /// Returns the units of work of step `step`.
    #[doc(hidden)]
    fn units(&self, step: u16) -> Option<u32>;

    /// Returns what step `step` writes.
    #[doc(hidden)]
    fn trace(&self, step: u16) -> Option<Trace>;

    /// Does work of step `step`.
    #[doc(hidden)]
    fn run(&mut self, step: u16, work: Work<'_>) -> Result<(), EngineError>;
}

/// What a step writes.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// The output; for a ring, the rows it holds.
    pub(crate) output: Extent,
    /// Its rows.
    pub(crate) rows: RowLayout,
    /// Scratch; empty if the step names none.
    pub(crate) scratch: Extent,
    /// States that it changes; empty beyond those it has.
    pub(crate) states: [Extent; MAX_STATES],
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A parsed artifact with the operators that run it.
#[derive(Debug)]
pub struct Parsed<'m, 'a, O = &'static OpSet> {
    pub(crate) model: Model<'m>,
    ops: O,
    pub(crate) cache: Cache<'m, 'a>,
    /// The chain that `schedule` is of. It stays while chains run that need none, so that a model with one chain of several
    /// steps makes its schedule once.
    scheduled: Option<u16>,
    schedule: Schedule,
    pub(crate) observer: Option<&'a mut dyn Observer>,
}

/// Learns when steps work: how a runner counts what each takes, where the rows of several alternate.
pub trait Observer: core::fmt::Debug + Send + Sync {
    /// Step `step` is about to work.
    fn begin(&mut self, step: u16);

    /// It has worked.
    fn end(&mut self, step: u16);
}

impl<'m, O> Parsed<'m, '_, O> {
    pub(crate) fn new(model: &Model<'m>, ops: O) -> Self {
        let cache = Cache::new(model, |step| Some((units(model, step)?, needs_schedule(model, &(step..step + 1)))));
        Self { model: *model, ops, cache, scheduled: None, schedule: Schedule::EMPTY, observer: None }
    }
}

impl<O: Operators> sealed::Sealed for Parsed<'_, '_, O> {}

impl<'m, O: Operators> Plan<'m> for Parsed<'m, '_, O> {
    type Places = [SchedulePlace; tanbo_format::record::MAX_CHAIN_STEPS];

    fn arena_bytes(&self) -> usize {
        self.model.arena_bytes()
    }

    fn table_name(&self) -> &'static str {
        self.ops.table_name()
    }

    fn front_end(&self) -> &'m [u8] {
        self.model.front_end()
    }

    fn streamed(&self) -> bool {
        self.model.hops().is_some()
    }

    fn input(&self, index: usize) -> Option<Port<'m>> {
        Port::of(&self.model, *self.model.inputs().get(index)?)
    }

    fn output(&self, index: usize) -> Option<Port<'m>> {
        Port::of(&self.model, *self.model.outputs().get(index)?)
    }

    fn chain_count(&self) -> u16 {
        self.model.chain_count() as u16
    }

    fn chain(&self, chain: u16) -> Option<Range<u16>> {
        self.model.chain(chain)
    }

    fn covered(&self) -> Result<(), EngineError> {
        operators::cover(self.ops, &self.model)
    }

    fn begin_states(&self, arena: &mut [u8]) {
        for storage in 0..self.model.storage_count() as u16 {
            if let Some(state) = State::of(&self.model, storage) {
                state.begin(arena);
            }
        }
    }

    fn prepare(&mut self, chain: u16, steps: Range<u16>) -> Result<(), EngineError> {
        let waits = match self.cache.known(steps.start) {
            Some((_, waits)) => steps.len() > 1 || waits,
            None => needs_schedule(&self.model, &steps),
        };
        if self.scheduled == Some(chain) || !waits {
            return Ok(());
        }
        self.scheduled = None;
        self.schedule.set(&self.model, steps).map_err(EngineError::Step)?;
        self.scheduled = Some(chain);
        Ok(())
    }

    fn schedule(&self, chain: u16) -> Option<&Schedule> {
        (self.scheduled == Some(chain)).then_some(&self.schedule)
    }

    fn units(&self, step: u16) -> Option<u32> {
        match self.cache.known(step) {
            Some((units, _)) => Some(units),
            None => units(&self.model, step),
        }
    }

    fn trace(&self, step: u16) -> Option<Trace> {
        let record = self.model.step(step)?;
        let output = self.model.tensor(record.output)?;
        let mut states = [Extent::EMPTY; MAX_STATES];
        for (extent, &state) in states.iter_mut().zip(record.states) {
            *extent = Extent::of_tensor(&self.model, &self.model.tensor(state)?)?;
        }
        let scratch = match record.scratch.map(|scratch| self.model.storage(scratch)) {
            Some(Some(Storage::Arena { offset, bytes, .. })) => Extent::of(offset, bytes)?,
            _ => Extent::EMPTY,
        };
        let rows = RowLayout::of(&self.model, &output)?;
        Some(Trace { output: Extent::of_tensor(&self.model, &output)?, rows, scratch, states })
    }

    fn run(&mut self, step: u16, work: Work<'_>) -> Result<(), EngineError> {
        if let Some(observer) = &mut self.observer {
            observer.begin(step);
        }
        let result = self.work(step, work);
        if let Some(observer) = &mut self.observer {
            observer.end(step);
        }
        result
    }
}

impl<'m, O: Operators> Parsed<'m, '_, O> {
    /// Does work of step `step`.
    fn work(&mut self, step: u16, work: Work<'_>) -> Result<(), EngineError> {
        let work = Work { model: Some(&self.model), ..work };
        let mut slot = self.cache.slot(step);
        if let Some(slot) = &mut slot
            && slot.get().is_none()
        {
            operators::prepare(self.ops, &self.model, step, slot.place())?;
        }
        match slot.as_ref().and_then(|slot| slot.get()) {
            Some(prepared) => prepared.run(work).ok_or(EngineError::Step(step)),
            None => run_once(self.ops, &self.model, step, work),
        }
    }
}

/// Decodes a step and runs it.
// Out of line: a step that is in the cache needs no room for another.
#[inline(never)]
fn run_once(ops: impl Operators, model: &Model<'_>, step: u16, work: Work<'_>) -> Result<(), EngineError> {
    let mut prepared = Slot::EMPTY;
    operators::prepare(ops, model, step, prepared.place())?;
    prepared.get().and_then(|prepared| prepared.run(work)).ok_or(EngineError::Step(step))
}

/// Returns the units of work of step `step`.
fn units(model: &Model<'_>, step: u16) -> Option<u32> {
    schedule::units(model, &model.step(step)?)
}

/// Returns whether the steps of a chain wait for one another, or for rows of the caller.
pub(crate) fn needs_schedule(model: &Model<'_>, steps: &Range<u16>) -> bool {
    let comes_by_rows = |&input: &u16| {
        let storage = model.tensor(input).and_then(|tensor| model.storage(tensor.storage));
        matches!(storage, Some(Storage::Arena { ring_rows: 1.., .. }))
    };
    steps.len() > 1 || model.step(steps.start).is_some_and(|step| step.inputs.iter().any(comes_by_rows))
}
