//! An artifact that was verified and decoded when the program was built: what `tanbo_include::include_model!` writes, and what
//! it asks for. Nothing here is made to be written by hand.
//!
//! Of such an artifact neither the verifier nor the decoding of records nor the search for a schedule is linked: a step is a
//! constant that names its kernel, its parameters and its places in the arena.

use core::ops::Range;

use tanbo_format::schedule::Schedule;
use tanbo_format::{Model, Op, WINOGRAD_BIT, packing};
use tanbo_kernels::Kernels;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::ops::{self, Adapter, Records, Work};
use crate::plan::{Plan, Trace, needs_schedule, sealed};
use crate::prepared::MAX_STATES;
use crate::tables::{ByFamily, TableOf};

pub use crate::ops::{Call, Run};
pub use crate::plan::Port;
pub use crate::prepared::{
    Extent, Nibbles, Operands, Pair, Params, ParamsRef, Part, Parts, Place, RowLayout, Source, State, Stateful, Walk,
};
pub use crate::resume::{Lifetime, Lifetimes};
pub use tanbo_format::{ElementType, Start, schedule};
pub use tanbo_kernels as kernels;
pub use tanbo_quant as quant;

/// A step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Calls its kernel for some rows.
    pub run: Run,
    /// Units of work: output rows, mostly.
    pub units: u32,
    /// Input, output and scratch.
    pub operands: Operands<'static>,
    /// What the kernel is called with.
    pub params: ParamsRef<'static, 'static>,
}

/// A chain of steps that run row by row together.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// First step.
    pub first: u16,
    /// Number of steps.
    pub steps: u16,
    /// In which order rows are computed; none for one step between whole tensors.
    pub schedule: Option<&'static Schedule<&'static [schedule::Place]>>,
}

/// An artifact, verified and decoded.
#[derive(Clone, Copy, Debug)]
pub struct Included {
    /// Name of the kernel table.
    pub table: &'static str,
    /// Whether the CPU has what its kernels need.
    pub available: fn() -> bool,
    /// Length of the arena.
    pub arena_bytes: u32,
    /// Steps.
    pub steps: &'static [Step],
    /// Chains.
    pub chains: &'static [Chain],
    /// States.
    pub states: &'static [State<'static>],
    /// Inputs.
    pub inputs: &'static [Port<'static>],
    /// Outputs.
    pub outputs: &'static [Port<'static>],
    /// The front-end section.
    pub front_end: &'static [u8],
    /// Whether the model is one of hops.
    pub streamed: bool,
}

/// The kernels of the family with number `FAMILY`.
pub type Table<const FAMILY: u8> = <ByFamily<FAMILY> as TableOf>::Table;

/// Returns how steps of `op` whose constants have the packing `variant` run with the kernels of `K`.
#[allow(clippy::panic, reason = "const context: what the format does not have does not compile")]
pub const fn run<K: Kernels>(op: Op, variant: u8) -> Run {
    match adapter::<K>(op, variant) {
        Some(adapter) => adapter.run,
        None => panic!("an operator without packings"),
    }
}

const fn adapter<K: Kernels>(op: Op, variant: u8) -> Option<&'static Adapter> {
    if variant == 0 {
        Some(ops::adapter::<K>(op))
    } else if packing::runs_apart(variant) {
        Some(ops::winograd_adapter::<K>())
    } else {
        ops::packed_adapter::<K>(op)
    }
}

/// Returns the bit that steps of `op` with this packing have in an [`OpSet`](crate::OpSet): among the portable ones, and
/// among the packed ones.
pub const fn bits(op: Op, variant: u8) -> [u64; 2] {
    let bit = 1 << op as u8;
    match variant {
        0 => [bit, 0],
        _ if packing::runs_apart(variant) => [0, WINOGRAD_BIT],
        _ => [0, bit],
    }
}

/// Runs the one step of its operator: kernel, operands and parameters are constants here, so that the compiler leaves out what
/// they do not need, such as the other rounding.
#[inline(always)]
pub fn run_only(call: &mut Call<'_, '_>, run: Run, step: &'static Step) -> Option<()> {
    (call.operands, call.params) = (&step.operands, step.params);
    run(call)
}

/// Returns the packing with this number.
#[allow(clippy::indexing_slicing, clippy::panic, reason = "const context, bounded by the list")]
pub const fn packing(number: u8) -> packing::Packing {
    let mut i = 0;
    while i < packing::ALL.len() {
        if packing::ALL[i].packing.number() == number {
            return packing::ALL[i].packing;
        }
        i += 1;
    }
    panic!("no packing has this number")
}

/// Returns `N` words of the artifact's bytes from `offset` on: constants lie at the boundaries that their types ask for.
#[allow(clippy::indexing_slicing, reason = "const context: what is not there does not compile")]
pub const fn words<const N: usize>(artifact: &[u8], offset: usize) -> [u64; N] {
    let mut words = [0; N];
    let mut i = 0;
    while i < N {
        let mut word = [0; 8];
        let mut byte = 0;
        // The last word may be longer than what is left.
        while byte < 8 && offset + i * 8 + byte < artifact.len() {
            word[byte] = artifact[offset + i * 8 + byte];
            byte += 1;
        }
        words[i] = u64::from_ne_bytes(word);
        i += 1;
    }
    words
}

macro_rules! slices {
    ($($(#[$doc:meta])* $name:ident: $ty:ty,)*) => {
        $($(#[$doc])*
        pub const fn $name(words: &'static [u64], offset: usize, len: usize) -> &'static [$ty] {
            let values: &'static [$ty] = bytemuck::must_cast_slice(words);
            values.split_at(offset / size_of::<$ty>()).1.split_at(len).0
        })*
    };
}

slices! {
    /// Returns `len` bytes from byte `offset` on.
    u8s: u8,
    /// Returns `len` signed bytes from byte `offset` on.
    i8s: i8,
    /// Returns `len` 16-bit integers from byte `offset` on.
    i16s: i16,
    /// Returns `len` 32-bit integers from byte `offset` on.
    i32s: i32,
    /// Returns `len` 64-bit integers from byte `offset` on.
    i64s: i64,
}

/// Decodes step `number` of a parsed artifact: its units, its operands and its parameters. The inputs of a concatenation are
/// [`parts`].
pub fn decode<'m>(model: &Model<'m>, number: u16) -> Option<(u32, Operands<'m>, Params<'m>)> {
    let step = &model.step(number)?;
    let adapter = adapter::<tanbo_kernels::Reference>(step.op, step.variant)?;
    let records = &Records { model, number, step, layouts: packing::ALL };
    Some((schedule::units(model, step)?, Operands::of(records)?, (adapter.prepare)(records)?))
}

/// Calls `each` with every input of step `number`, a concatenation.
pub fn parts<'m>(model: &Model<'m>, number: u16, mut each: impl FnMut(&Part<'m>)) -> Option<()> {
    ops::concat::for_each(model, number, |part| {
        each(part);
        Some(())
    })
}

/// Calls `each` with every state of a parsed artifact.
pub fn states<'m>(model: &Model<'m>, each: impl FnMut(State<'m>)) {
    (0..model.storage_count() as u16).filter_map(|index| State::of(model, index)).for_each(each);
}

/// Returns the schedule of a chain; none for one step between whole tensors.
///
/// # Errors
/// The number of a step, as [`Schedule::set`].
pub fn schedule_of(model: &Model<'_>, steps: Range<u16>) -> Result<Option<Schedule>, u16> {
    let mut schedule = Schedule::EMPTY;
    if !needs_schedule(model, &steps) {
        return Ok(None);
    }
    schedule.set(model, steps).map(|()| Some(schedule))
}

impl<'a> Engine<'static, 'a, &'static Included> {
    /// Returns an engine of an included artifact that uses the first bytes of `arena`, as many as it needs.
    ///
    /// # Errors
    /// An arena too small or misaligned; a CPU without what the kernels need.
    pub fn included(artifact: &'static Included, arena: &'a mut [u8]) -> Result<Self, EngineError> {
        Self::of(artifact, arena)
    }
}

impl sealed::Sealed for &'static Included {}

impl Plan<'static> for &'static Included {
    type Places = &'static [schedule::Place];

    fn arena_bytes(&self) -> usize {
        self.arena_bytes as usize
    }

    fn table_name(&self) -> &'static str {
        self.table
    }

    fn front_end(&self) -> &'static [u8] {
        self.front_end
    }

    fn streamed(&self) -> bool {
        self.streamed
    }

    fn input(&self, index: usize) -> Option<Port<'static>> {
        self.inputs.get(index).copied()
    }

    fn output(&self, index: usize) -> Option<Port<'static>> {
        self.outputs.get(index).copied()
    }

    fn chain_count(&self) -> u16 {
        self.chains.len() as u16
    }

    fn chain(&self, chain: u16) -> Option<Range<u16>> {
        let &Chain { first, steps, .. } = self.chains.get(usize::from(chain))?;
        Some(first..first.checked_add(steps)?)
    }

    fn covered(&self) -> Result<(), EngineError> {
        if (self.available)() { Ok(()) } else { Err(EngineError::Unavailable { table: self.table }) }
    }

    fn begin_states(&self, arena: &mut [u8]) {
        self.states.iter().for_each(|state| state.begin(arena));
    }

    fn prepare(&mut self, _chain: u16, _steps: Range<u16>) -> Result<(), EngineError> {
        Ok(())
    }

    fn schedule(&self, chain: u16) -> Option<&Schedule<Self::Places>> {
        self.chains.get(usize::from(chain))?.schedule
    }

    fn units(&self, step: u16) -> Option<u32> {
        self.steps.get(usize::from(step)).map(|step| step.units)
    }

    fn trace(&self, step: u16) -> Option<Trace> {
        let step = self.steps.get(usize::from(step))?;
        let Operands { output, output_rows, scratch, .. } = step.operands;
        let states = match step.params {
            ParamsRef::Svdf(Stateful { states, .. }) => states,
            ParamsRef::Lstm(Stateful { states, .. }) => states,
            ParamsRef::LstmI16(Stateful { states, .. }) => states,
            ParamsRef::Gru(Stateful { states, .. }) => states,
            ParamsRef::GruI16(Stateful { states, .. }) => states,
            _ => &[State::NONE; MAX_STATES],
        };
        Some(Trace { output, rows: output_rows, scratch, states: states.map(|state| state.extent) })
    }

    fn run(&mut self, number: u16, work: Work<'_>) -> Result<(), EngineError> {
        let at = EngineError::Step(number);
        let step = self.steps.get(usize::from(number)).ok_or(at)?;
        (step.run)(&mut Call { operands: &step.operands, params: step.params, work }).ok_or(at)
    }
}
