//! A model that the program includes and one that came later, as one type: either takes the other's place while the program runs.

use core::ops::Range;

use tanbo_format::schedule::{Place as SchedulePlace, Schedule};
use tanbo_format::{Model, record::MAX_CHAIN_STEPS};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::included::Included;
use crate::op_set::OpSet;
use crate::ops::Work;
use crate::plan::{Parsed, Plan, Port, Trace, sealed};

/// What an engine runs whose model may be replaced: an included artifact, or a parsed one.
#[derive(Debug)]
pub struct EitherPlan<'m, 'a>(Either<'m, 'a>);

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of them, and no heap; not large where pointers have 32 bits"
)]
enum Either<'m, 'a> {
    Included {
        plan: &'static Included,
        /// The chain that `schedule` is a copy of: as long an array as a parsed artifact's.
        scheduled: Option<u16>,
        schedule: Schedule,
    },
    Parsed(Parsed<'m, 'a>),
}

impl<'m, 'a> EitherPlan<'m, 'a> {
    /// The artifact that the program includes.
    pub const fn included(plan: &'static Included) -> Self {
        Self(Either::Included { plan, scheduled: None, schedule: Schedule::EMPTY })
    }

    /// An artifact that was parsed with these operators.
    pub fn parsed(model: &Model<'m>, operators: &'static OpSet) -> Self {
        Self(Either::Parsed(Parsed::new(model, operators)))
    }

    /// Returns an engine that uses the first bytes of `arena`, as many as it needs.
    ///
    /// # Errors
    /// An arena too small or misaligned; an operator that is missing; a CPU without what the kernels need.
    pub fn engine(self, arena: &'a mut [u8]) -> Result<Engine<'m, 'a, Self>, EngineError> {
        Engine::of(self, arena)
    }
}

macro_rules! of_both {
    ($either:expr, $plan:ident => $result:expr) => {
        match $either {
            Either::Included { plan: $plan, .. } => $result,
            Either::Parsed($plan) => $result,
        }
    };
}

impl sealed::Sealed for EitherPlan<'_, '_> {}

impl<'m> Plan<'m> for EitherPlan<'m, '_> {
    type Places = [SchedulePlace; MAX_CHAIN_STEPS];

    fn arena_bytes(&self) -> usize {
        of_both!(&self.0, plan => Plan::arena_bytes(plan))
    }

    fn table_name(&self) -> &'static str {
        of_both!(&self.0, plan => Plan::table_name(plan))
    }

    fn front_end(&self) -> &'m [u8] {
        of_both!(&self.0, plan => Plan::front_end(plan))
    }

    fn streamed(&self) -> bool {
        of_both!(&self.0, plan => Plan::streamed(plan))
    }

    fn input(&self, index: usize) -> Option<Port<'m>> {
        of_both!(&self.0, plan => Plan::input(plan, index))
    }

    fn output(&self, index: usize) -> Option<Port<'m>> {
        of_both!(&self.0, plan => Plan::output(plan, index))
    }

    fn chain_count(&self) -> u16 {
        of_both!(&self.0, plan => Plan::chain_count(plan))
    }

    fn chain(&self, chain: u16) -> Option<Range<u16>> {
        of_both!(&self.0, plan => Plan::chain(plan, chain))
    }

    fn covered(&self) -> Result<(), EngineError> {
        of_both!(&self.0, plan => Plan::covered(plan))
    }

    fn begin_states(&self, arena: &mut [u8]) {
        of_both!(&self.0, plan => Plan::begin_states(plan, arena));
    }

    fn prepare(&mut self, chain: u16, steps: Range<u16>) -> Result<(), EngineError> {
        match &mut self.0 {
            Either::Included { plan, scheduled, schedule } => {
                if *scheduled != Some(chain)
                    && let Some(included) = Plan::schedule(plan, chain)
                {
                    let Schedule { places, steps, input_rows, input_ring, input_readers } = *included;
                    schedule.places.iter_mut().zip(places).for_each(|(to, place)| *to = *place);
                    *schedule = Schedule { places: schedule.places, steps, input_rows, input_ring, input_readers };
                    *scheduled = Some(chain);
                }
                Ok(())
            }
            Either::Parsed(plan) => plan.prepare(chain, steps),
        }
    }

    fn schedule(&self, chain: u16) -> Option<&Schedule<Self::Places>> {
        match &self.0 {
            Either::Included { scheduled, schedule, .. } => (*scheduled == Some(chain)).then_some(schedule),
            Either::Parsed(plan) => plan.schedule(chain),
        }
    }

    fn units(&self, step: u16) -> Option<u32> {
        of_both!(&self.0, plan => Plan::units(plan, step))
    }

    fn trace(&self, step: u16) -> Option<Trace> {
        of_both!(&self.0, plan => Plan::trace(plan, step))
    }

    fn run(&mut self, step: u16, work: Work<'_>) -> Result<(), EngineError> {
        of_both!(&mut self.0, plan => Plan::run(plan, step, work))
    }
}
