//! Chains: which steps run row by row through rings of rows, so that what they hand to each other never exists whole.
//!
//! Works on an artifact of one chain per step. Every run of steps that may be a chain is walked through once, in the order in
//! which the fewest rows wait; the most that wait are what each ring must hold. Of all ways to cut the steps into chains,
//! and of all rings for blocks of rows, the planner takes those with the least peak that cost no more than they may, and within
//! that peak the cheapest. Nothing is computed twice, and no bit changes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use tanbo_format::emit::{Aligned, Artifact, StorageSpec};
use tanbo_format::packing::find;
use tanbo_format::record::MAX_CHAIN_STEPS;
use tanbo_format::schedule::{Done, Schedule, Turn};
use tanbo_format::{ElementType, Family, FormatError, FormatErrorKind, Model, Op, Place};

use crate::cost::Cost;
use crate::plan::{Demand, place};

/// What the planner may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fusing {
    /// Arena that the plan may take, bytes: it is the cheapest of those within, or the least if none is; `None` for the least
    /// arena at an estimated cost of at most [`MOST_COST_PERCENT`] above the cheapest plan's.
    pub arena_bytes: Option<u32>,
    /// Whether the caller gives the first input row by row.
    pub input_by_rows: bool,
}

/// Whether tensors between steps are whole, or rings of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tensors {
    /// Rings for the families of microcontrollers, whole tensors for others.
    #[default]
    ByFamily,
    /// Whole tensors.
    Whole,
    /// Rings where they take less of the arena.
    Rings(Fusing),
}

impl Tensors {
    /// Returns what the planner may do for `family`; `None` for whole tensors.
    pub fn fusing(self, family: Family) -> Option<Fusing> {
        match (self, family) {
            (Self::Rings(fusing), _) => Some(fusing),
            (Self::ByFamily, family) if is_microcontroller(family) => Some(Fusing::default()),
            _ => None,
        }
    }
}

/// Returns whether the kernels of `family` are a microcontroller's, for which memory counts more than some instructions.
fn is_microcontroller(family: Family) -> bool {
    matches!(family, Family::M0 | Family::M3 | Family::Dsp | Family::Mve | Family::Rv32)
}

/// What a plan may cost more than the cheapest, by estimate, unless an arena is given.
pub const MOST_COST_PERCENT: u64 = 3;

/// Most rows by which rings grow where there is room: what a call costs is then shared by as many.
const MOST_ROWS: u32 = 8;

/// A run of steps as one chain.
#[derive(Clone, Debug)]
struct Chain {
    /// Rows that the ring of each step's output holds; of the last step, whose output is whole, all.
    rings: Vec<u32>,
    /// For steps that hand their rows over at once, how many such steps come right before it.
    handed: Vec<Option<usize>>,
    /// Rows of the model's input that must be kept, if the caller gives them one by one.
    input_ring: Option<u32>,
    /// Bytes in use while it runs, of tensors that live longer too.
    bytes: u64,
}

/// A ring of rows.
#[derive(Clone, Debug)]
struct Ring {
    /// Tensors that lie in it: of steps that hand their rows over at once, several, one after the other.
    tensors: Vec<u16>,
    rows: u32,
    /// Type and number of a row's values.
    row: Option<(ElementType, u32)>,
    bytes: u64,
    handed: Option<usize>,
}

/// What a chain's cost depends on: its first step, and the rows of its rings.
type Rings = (usize, Option<u32>, Vec<u32>);

/// A way to cut the steps into chains.
#[derive(Clone, Debug, Default)]
struct Plan {
    /// Chains by their first steps.
    chains: Vec<(usize, Chain)>,
    /// Estimated instructions.
    cost: u64,
}

/// Returns the artifact with its steps in chains, where that takes less of the arena.
///
/// # Errors
/// `Chain` at the first input, if it cannot be given row by row; else an artifact that the verifier refuses, which one that was
/// accepted does not become.
pub fn fuse(mut artifact: Artifact, fusing: Fusing) -> Result<Artifact, FormatError> {
    let given = artifact.clone();
    write_in_place(&mut artifact, false);
    drop_unused(&mut artifact);
    lay_out(&mut artifact).ok_or(too_many())?;
    let planner = Planner::new(artifact, fusing)?;
    let bytes = Aligned::new(&planner.absorbing.emit()?);
    let model = Model::parse(&bytes)?;
    let chains = planner.plan(&model).chains;
    let whole_plan = chains.iter().map(|(_, chain)| chain.rings.len()).sum::<usize>() == planner.original.steps.len();
    let ty =
        planner.given().and_then(|tensor| planner.original.tensors.get(usize::from(tensor))).map(|tensor| tensor.ty);
    let ready = ty == Some(ElementType::I8) && planner.given().is_some_and(|tensor| planner.one_form(tensor));
    if !whole_plan || (fusing.input_by_rows && !ready) {
        return Err(FormatError { kind: FormatErrorKind::Chain, at: Place::Input(0) });
    }
    let fused = planner.with(&chains)?;
    let enough = arena(&given).max(fusing.arena_bytes.unwrap_or(0).into());
    Ok(if fusing.input_by_rows || arena(&fused) <= enough { fused } else { given })
}

/// Gives every storage of the arena its lifetime and its bytes, from the chains that use it. `None` if they exceed 32 bits.
pub fn lay_out(artifact: &mut Artifact) -> Option<()> {
    let last = u16::try_from(artifact.chains.len().saturating_sub(1)).ok()?;
    let mut lives: Vec<Option<(u16, u16)>> = vec![None; artifact.storages.len()];
    let mut touch = |storage: u16, chain: u16| {
        if let Some(life) = lives.get_mut(usize::from(storage)) {
            let (first, end) = life.get_or_insert((chain, chain));
            (*first, *end) = ((*first).min(chain), (*end).max(chain));
        }
    };
    let storage_of = |tensor: &u16| artifact.tensors.get(usize::from(*tensor)).map(|tensor| tensor.storage);
    let mut steps = artifact.steps.iter();
    for (chain, &count) in artifact.chains.iter().enumerate() {
        for step in steps.by_ref().take(usize::from(count)) {
            let tensors = step.inputs.iter().chain(&step.states).chain([&step.output]);
            tensors.filter_map(storage_of).chain(step.scratch).for_each(|storage| touch(storage, chain as u16));
        }
    }
    artifact.inputs.iter().filter_map(storage_of).for_each(|storage| touch(storage, 0));
    artifact.outputs.iter().filter_map(storage_of).for_each(|storage| touch(storage, last));
    let mut demands = Vec::new();
    for (index, storage) in artifact.storages.iter_mut().enumerate() {
        match storage {
            StorageSpec::Arena { bytes, chains, .. } => {
                *chains = lives.get(index).copied().flatten().unwrap_or((0, 0));
                demands.push((index, Demand { bytes: *bytes, chains: *chains }));
            }
            StorageSpec::State { bytes, .. } => demands.push((index, Demand { bytes: *bytes, chains: (0, last) })),
            StorageSpec::Constant(_) => {}
        }
    }
    let offsets = place(&demands.iter().map(|&(_, demand)| demand).collect::<Vec<_>>())?.offsets;
    for ((index, _), place) in demands.into_iter().zip(offsets) {
        if let Some(StorageSpec::Arena { offset, .. } | StorageSpec::State { offset, .. }) =
            artifact.storages.get_mut(index)
        {
            *offset = place;
        }
    }
    Some(())
}

/// When a storage of the arena is in use, in steps.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// Step that writes it; `None` for inputs, which are there before the first.
    writer: Option<usize>,
    /// Last step that reads it; one beyond the last for outputs.
    last: usize,
    bytes: u64,
}

struct Planner {
    fusing: Fusing,
    original: Artifact,
    /// The same steps, where every pool that can take its input in row by row does so.
    absorbing: Artifact,
    /// By storage; `None` for constants, states and scratch.
    lives: Vec<Option<Life>>,
    state_bytes: u64,
    /// Estimates of chains with their rings, as they were asked for.
    costs: RefCell<HashMap<Rings, u64>>,
}

fn too_many() -> FormatError {
    FormatError { kind: FormatErrorKind::TooMany, at: Place::Header }
}

/// Bytes that a storage takes, with what its successor's alignment asks.
fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(4)
}

impl Planner {
    fn new(original: Artifact, fusing: Fusing) -> Result<Self, FormatError> {
        let mut absorbing = original.clone();
        for index in 0..absorbing.steps.len() {
            let step = &absorbing.steps[index];
            let output = absorbing.tensors.get(usize::from(step.output)).map(|tensor| tensor.shape.clone());
            if let (Op::AveragePool2d, None, Some(&[1, 1, width, channels])) =
                (step.op, step.scratch, output.as_deref())
            {
                let bytes = width.checked_mul(channels).and_then(|n| n.checked_mul(4)).ok_or(too_many())?;
                let scratch = u16::try_from(absorbing.storages.len()).map_err(|_| too_many())?;
                absorbing.storages.push(StorageSpec::Arena { offset: 0, bytes, ring_rows: 0, chains: (0, 0) });
                absorbing.steps[index].scratch = Some(scratch);
            }
        }
        lay_out(&mut absorbing).ok_or(too_many())?;
        let storage_of =
            |tensor: u16| original.tensors.get(usize::from(tensor)).map(|tensor| usize::from(tensor.storage));
        let mut lives = vec![None; original.storages.len()];
        let mut state_bytes = 0;
        for (life, storage) in lives.iter_mut().zip(&original.storages) {
            match storage {
                StorageSpec::Arena { bytes, .. } => {
                    *life = Some(Life { writer: None, last: 0, bytes: aligned((*bytes).into()) });
                }
                StorageSpec::State { bytes, .. } => state_bytes += aligned((*bytes).into()),
                StorageSpec::Constant(_) => {}
            }
        }
        for (number, step) in original.steps.iter().enumerate() {
            if let Some(Some(life)) = storage_of(step.output).and_then(|storage| lives.get_mut(storage)) {
                life.writer.get_or_insert(number);
                life.last = life.last.max(number);
            }
            for storage in step.inputs.iter().filter_map(|&input| storage_of(input)) {
                if let Some(Some(life)) = lives.get_mut(storage) {
                    life.last = life.last.max(number);
                }
            }
            if let Some(scratch) = step.scratch
                && let Some(life) = lives.get_mut(usize::from(scratch))
            {
                *life = None;
            }
        }
        for storage in original.outputs.iter().filter_map(|&output| storage_of(output)) {
            if let Some(Some(life)) = lives.get_mut(storage) {
                life.last = original.steps.len();
            }
        }
        Ok(Self { fusing, original, absorbing, lives, state_bytes, costs: RefCell::default() })
    }

    fn storage_of(&self, tensor: u16) -> Option<usize> {
        self.original.tensors.get(usize::from(tensor)).map(|tensor| usize::from(tensor.storage))
    }

    /// Returns the tensor that the caller gives row by row, if it is asked for.
    fn given(&self) -> Option<u16> {
        self.original.inputs.first().copied().filter(|_| self.fusing.input_by_rows)
    }

    /// Returns the plan that was asked for; one without chains if there is none.
    fn plan(&self, model: &Model<'_>) -> Plan {
        let count = self.original.steps.len();
        // Every chain that there may be, by its first step.
        let candidates: Vec<Vec<Chain>> = (0..count).map(|first| self.from(model, first)).collect();
        // The least peak of the steps before each step.
        let mut peaks = vec![u64::MAX; count + 1];
        peaks[0] = 0;
        for first in 0..count {
            for chain in &candidates[first] {
                let end = first + chain.rings.len();
                peaks[end] = peaks[end].min(peaks[first].max(chain.bytes));
            }
        }
        let least = peaks[count];
        if let Some(bytes) = self.fusing.arena_bytes {
            return self.cheapest(model, &candidates, least.max(bytes.into())).unwrap_or_default();
        }
        let Some(mut best) = self.cheapest(model, &candidates, u64::MAX) else { return Plan::default() };
        let most = best.cost + best.cost * MOST_COST_PERCENT / 100;
        let (mut low, mut high) = (least, best.chains.iter().map(|(_, chain)| chain.bytes).max().unwrap_or(least));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.cheapest(model, &candidates, middle).filter(|plan| plan.cost <= most) {
                Some(plan) => (best, high) = (plan, middle),
                None => low = middle + 1,
            }
        }
        best
    }

    /// Returns the cheapest plan with a peak of at most `limit` bytes, or `None` if there is none.
    fn cheapest(&self, model: &Model<'_>, candidates: &[Vec<Chain>], limit: u64) -> Option<Plan> {
        let count = candidates.len();
        let mut best: Vec<Option<(u64, usize, Chain)>> = vec![None; count + 1];
        for (first, candidates) in candidates.iter().enumerate() {
            let before = match &best[first] {
                Some((cost, ..)) => *cost,
                None if first == 0 => 0,
                None => continue,
            };
            for chain in candidates.iter().filter(|chain| chain.bytes <= limit) {
                let end = first + chain.rings.len();
                let chain = self.widened(first, chain, limit);
                let Some(cost) = self.cost(model, first, &chain) else { continue };
                if best[end].as_ref().is_none_or(|(least, ..)| before + cost < *least) {
                    best[end] = Some((before + cost, first, chain));
                }
            }
        }
        let cost = if count == 0 { 0 } else { best.get(count)?.as_ref()?.0 };
        let mut chains = Vec::new();
        let mut end = count;
        while let Some((_, first, chain)) = best.get_mut(end).and_then(Option::take) {
            chains.push((first, chain));
            end = first;
        }
        chains.reverse();
        Some(Plan { chains, cost })
    }

    /// Returns the estimated instructions of a chain, or `None` if it gets stuck.
    fn cost(&self, model: &Model<'_>, first: usize, chain: &Chain) -> Option<u64> {
        let key = (first, chain.input_ring, chain.rings.clone());
        if let Some(&cost) = self.costs.borrow().get(&key) {
            return Some(cost);
        }
        let steps = first..first + chain.rings.len();
        let costs: Vec<Cost> = steps
            .clone()
            .map(|number| Some(Cost::of(self.original.family, model, &model.step(u16::try_from(number).ok()?)?)))
            .collect::<Option<_>>()?;
        let mut cost = 0;
        if steps.len() == 1 && chain.input_ring.is_none() {
            let step = model.step(u16::try_from(first).ok()?)?;
            cost = costs.first()?.call(tanbo_format::schedule::units(model, &step)?.into());
        } else {
            let schedule = self.schedule(model, steps, chain)?;
            run(&schedule, |turn| {
                let together = costs.get(turn.place..=schedule.last_of(turn.place)).unwrap_or_default();
                let units = (turn.units.end - turn.units.start).into();
                cost += together.iter().map(|step| step.call(units)).sum::<u64>();
            })?;
        }
        self.costs.borrow_mut().insert(key, cost);
        Some(cost)
    }

    /// Returns the schedule of a chain with its rings.
    fn schedule(&self, model: &Model<'_>, steps: Range<usize>, chain: &Chain) -> Option<Schedule> {
        let mut schedule = Schedule::EMPTY;
        let numbers = u16::try_from(steps.start).ok()?..u16::try_from(steps.end).ok()?;
        schedule.set_with(model, numbers, self.given()).ok()?;
        schedule.set_input_ring(chain.input_ring.unwrap_or(0));
        for place in 0..steps.len() - 1 {
            schedule.set_ring(place, chain.rings[place]);
        }
        Some(schedule)
    }

    /// Returns the chains that begin at step `first`.
    fn from(&self, model: &Model<'_>, first: usize) -> Vec<Chain> {
        let mut chains = Vec::new();
        let mut schedule = Schedule::EMPTY;
        for end in first + 1..=self.original.steps.len().min(first + MAX_CHAIN_STEPS) {
            let (Ok(from), Ok(to)) = (u16::try_from(first), u16::try_from(end)) else { break };
            let by_rows = schedule.set_with(model, from..to, self.given()).is_ok();
            let alone = end == first + 1;
            if !by_rows && !alone {
                break;
            }
            // A tensor that the caller gives by rows is read in the first chain alone.
            let reads_given = schedule.input_rows() > 0 && by_rows;
            let whole_given =
                self.given().and_then(|tensor| self.storage_of(tensor)).and_then(|storage| self.lives[storage]);
            if whole_given.is_some_and(|life| (reads_given && life.last >= end) || (!reads_given && first == 0)) {
                continue;
            }
            if alone && !reads_given {
                let scratch = self.scratch_bytes(&self.original, first..end);
                let bytes = self.outside(first..end, None) + scratch;
                chains.push(Chain { rings: vec![0], handed: vec![None], input_ring: None, bytes });
            } else if self.hands_on(first..end) {
                chains.extend(self.walk(&schedule, first..end));
            }
        }
        chains
    }

    /// Returns whether what the steps write, but for the last, is read by these steps alone, each as that very tensor.
    fn hands_on(&self, steps: Range<usize>) -> bool {
        let result = self.storage_of(self.original.steps[steps.end - 1].output);
        let inner = steps.start..steps.end - 1;
        inner.into_iter().all(|number| {
            let output = self.original.steps[number].output;
            let Some(storage) = self.storage_of(output) else { return false };
            let Some(Some(life)) = self.lives.get(storage) else { return false };
            let own = &self.original.steps[steps.clone()];
            let other_view = !self.one_form(output)
                || own.iter().flat_map(|step| &step.inputs).any(|&input| {
                    self.storage_of(input) == Some(storage) && !own.iter().any(|step| step.output == input)
                });
            let stays = Some(storage) != result && life.last >= steps.end;
            life.writer.is_some_and(|writer| writer >= steps.start) && !stays && !other_view
        })
    }

    /// Returns whether every tensor that lies where `tensor` does has its form.
    fn one_form(&self, tensor: u16) -> bool {
        let Some(own) = self.original.tensors.get(usize::from(tensor)) else { return false };
        let others = self.original.tensors.iter().filter(|other| other.storage == own.storage);
        others.into_iter().all(|other| (other.ty, &other.shape) == (own.ty, &own.shape))
    }

    /// Walks through a chain in the order in which the fewest rows wait; returns what its rings must hold.
    fn walk(&self, schedule: &Schedule, steps: Range<usize>) -> Option<Chain> {
        let mut done: Done = [0; MAX_CHAIN_STEPS];
        let mut rings = vec![1u32; steps.len()];
        let (mut given, mut input_ring) = (0, 0);
        while !schedule.is_finished(&done) {
            match schedule.last(&done, given) {
                Some(turn) => {
                    schedule.note(&mut done, turn.place, turn.units.start + 1);
                    // What is handed over at once waits for nothing.
                    let last = schedule.last_of(turn.place);
                    let ring = rings.get_mut(last)?;
                    *ring = (*ring).max(schedule.kept(&done, last));
                }
                None if given < schedule.input_rows() => {
                    given += 1;
                    input_ring = input_ring.max(schedule.kept_input(&done, given));
                }
                None => return None,
            }
        }
        let input_ring = (schedule.input_rows() > 0).then_some(input_ring.max(1));
        self.shrink(schedule, input_ring.unwrap_or(0), &steps, &mut rings);
        let mut before = 0usize;
        let handed = (0..steps.len()).map(|place| {
            let hands_over = schedule.last_of(place) != place;
            before = if hands_over { before + 1 } else { 0 };
            before.checked_sub(1)
        });
        let chain = Chain { rings, handed: handed.collect(), input_ring, bytes: 0 };
        Some(Chain { bytes: self.bytes(&steps, &chain), ..chain })
    }

    /// Takes rows from rings one by one as long as the chain comes to its end: a step that is made to wait may need fewer.
    fn shrink(&self, schedule: &Schedule, input_ring: u32, steps: &Range<usize>, rings: &mut [u32]) {
        let mut schedule = *schedule;
        schedule.set_input_ring(input_ring);
        let inner = 0..steps.len() - 1;
        for place in inner.clone() {
            schedule.set_ring(place, rings[place]);
        }
        // Where rows wait for a window, they are needed; a sum's inputs may be made to wait.
        for place in inner {
            while rings[place] > 1 && schedule.in_place_of(place).is_none() {
                schedule.set_ring(place, rings[place] - 1);
                if run(&schedule, |_| {}).is_none() {
                    schedule.set_ring(place, rings[place]);
                    break;
                }
                rings[place] -= 1;
            }
        }
    }

    /// Returns the bytes in use while a chain of several steps runs.
    fn bytes(&self, steps: &Range<usize>, chain: &Chain) -> u64 {
        let rings = self.rings(steps, chain).into_iter().map(|ring| ring.bytes);
        let input = match (chain.input_ring, self.given()) {
            (Some(rows), Some(tensor)) => self.ring_bytes(tensor, rows),
            _ => 0,
        };
        let scratch = self.scratch_bytes(&self.absorbing, steps.clone());
        rings.sum::<u64>() + input + scratch + self.outside(steps.clone(), chain.input_ring)
    }

    /// Returns the rings, each once.
    fn rings(&self, steps: &Range<usize>, chain: &Chain) -> Vec<Ring> {
        let result = self.storage_of(self.original.steps[steps.end - 1].output);
        let mut rings: Vec<Ring> = Vec::new();
        for (place, step) in (steps.start..steps.end - 1).enumerate() {
            let tensor = self.original.steps[step].output;
            let (storage, rows) = (self.storage_of(tensor), chain.rings[place].min(self.height(tensor)));
            let bytes = self.ring_bytes(tensor, rows);
            let alone = self.original.tensors.iter().filter(|tensor| Some(usize::from(tensor.storage)) == storage);
            let handed = chain.handed[place].filter(|_| alone.count() == 1);
            let row = self.row(tensor);
            let same = |ring: &&mut Ring| (ring.handed, ring.row, ring.rows) == (handed, row, rows);
            if storage == result || rings.iter().any(|ring| self.storage_of(ring.tensors[0]) == storage) {
                // What is written in place of another tensor lies in its ring.
            } else if let (Some(_), Some(ring)) = (handed, rings.iter_mut().find(same)) {
                ring.tensors.push(tensor);
            } else {
                rings.push(Ring { tensors: vec![tensor], rows, row, bytes, handed });
            }
        }
        rings
    }

    fn height(&self, tensor: u16) -> u32 {
        match self.original.tensors.get(usize::from(tensor)).map(|tensor| tensor.shape.as_slice()) {
            Some(&[_, height, _, _]) => height,
            _ => 1,
        }
    }

    /// Returns the type and number of the values of a row.
    fn row(&self, tensor: u16) -> Option<(ElementType, u32)> {
        let tensor = self.original.tensors.get(usize::from(tensor))?;
        let &[_, _, width, channels] = tensor.shape.as_slice() else { return None };
        Some((tensor.ty, width.checked_mul(channels)?))
    }

    fn ring_bytes(&self, tensor: u16, rows: u32) -> u64 {
        let Some(tensor) = self.original.tensors.get(usize::from(tensor)) else { return 0 };
        let [_, height, width, channels] = *tensor.shape else { return 0 };
        aligned(u64::from(rows.min(height)) * u64::from(width) * u64::from(channels) * tensor.ty.bytes() as u64)
    }

    /// Returns the bytes of whole tensors and states that live while `steps` run.
    fn outside(&self, steps: Range<usize>, input_ring: Option<u32>) -> u64 {
        let given = input_ring.and(self.given()).and_then(|tensor| self.storage_of(tensor));
        let lives = self.lives.iter().enumerate().filter(|&(storage, _)| Some(storage) != given);
        let result = self.storage_of(self.original.steps[steps.end - 1].output);
        let lives = lives.filter_map(|(storage, life)| life.map(|life| (storage, life))).filter(|(storage, life)| {
            let inside = life.writer.is_some_and(|writer| writer >= steps.start) && Some(*storage) != result;
            life.writer.is_none_or(|writer| writer < steps.end) && !inside && life.last >= steps.start
        });
        lives.map(|(_, life)| life.bytes).sum::<u64>() + self.state_bytes
    }

    /// Returns the bytes of scratch of `steps`: side by side, but for what means nothing between two calls.
    fn scratch_bytes(&self, artifact: &Artifact, steps: Range<usize>) -> u64 {
        let (mut kept, mut shared) = (0, 0);
        for step in &artifact.steps[steps] {
            if let Some(StorageSpec::Arena { bytes, .. }) =
                step.scratch.and_then(|storage| artifact.storages.get(usize::from(storage)))
            {
                let bytes = aligned((*bytes).into());
                if keeps_scratch(step.variant, step.op) { kept += bytes } else { shared = bytes.max(shared) }
            }
        }
        kept + shared
    }

    /// Returns the chain with rings for as many rows more as `limit` leaves room for: the rows of a tensor that is twice as
    /// high come twice as often.
    fn widened(&self, first: usize, chain: &Chain, limit: u64) -> Chain {
        if chain.rings.len() == 1 && chain.input_ring.is_none() {
            return chain.clone();
        }
        let steps = first..first + chain.rings.len();
        let height = |tensor: u16| self.height(tensor);
        let heights = self.original.steps[steps.clone()].iter().map(|step| height(step.output));
        let least = heights.clone().filter(|&height| height > 1).min().unwrap_or(1);
        let more: Vec<u32> = heights.clone().map(|height| (height / least).max(1)).collect();
        let mut wider = chain.clone();
        // Rows for one more unit of the last step at a time, from the first ring on: the steps before a ring that stays as it
        // is work on blocks of rows all the same.
        for _ in 0..MOST_ROWS {
            for ((place, more), height) in more.iter().enumerate().zip(heights.clone()) {
                let mut next = wider.clone();
                next.rings[place] = (next.rings[place] + more).min(height);
                next.bytes = self.bytes(&steps, &next);
                if next.bytes <= limit {
                    wider = next;
                }
            }
        }
        wider
    }

    /// Returns the artifact with these chains, or the original where they do not need less.
    fn with(self, chains: &[(usize, Chain)]) -> Result<Artifact, FormatError> {
        let mut artifact = self.original.clone();
        artifact.chains = chains.iter().filter_map(|(_, chain)| u16::try_from(chain.rings.len()).ok()).collect();
        for (first, chain) in chains {
            let steps = *first..first + chain.rings.len();
            if let (Some(rows), Some(tensor)) = (chain.input_ring, self.given()) {
                set_ring(&mut artifact, tensor, rows);
            }
            if steps.len() == 1 && chain.input_ring.is_none() {
                continue;
            }
            let mut shared: Option<u16> = None;
            for ring in self.rings(&steps, chain) {
                set_ring(&mut artifact, ring.tensors[0], ring.rows);
                let storage = artifact.tensors[usize::from(ring.tensors[0])].storage;
                for tensor in ring.tensors {
                    artifact.tensors[usize::from(tensor)].storage = storage;
                }
            }
            for number in steps.clone() {
                let absorbs = self.absorbing.steps[number].scratch != self.original.steps[number].scratch;
                if absorbs
                    && let Some(spec) = self.absorbing.steps[number]
                        .scratch
                        .and_then(|storage| self.absorbing.storages.get(usize::from(storage)))
                {
                    artifact.steps[number].scratch =
                        Some(u16::try_from(artifact.storages.len()).map_err(|_| too_many())?);
                    artifact.storages.push(spec.clone());
                } else if let Some(scratch) = artifact.steps[number].scratch
                    && !keeps_scratch(artifact.steps[number].variant, artifact.steps[number].op)
                {
                    // One scratch for all steps to which it means nothing between two calls, as long as the longest asks.
                    let common = *shared.get_or_insert(scratch);
                    artifact.steps[number].scratch = Some(common);
                    let wanted = match artifact.storages.get(usize::from(scratch)) {
                        Some(&StorageSpec::Arena { bytes, .. }) => bytes,
                        _ => 0,
                    };
                    if let Some(StorageSpec::Arena { bytes, .. }) = artifact.storages.get_mut(usize::from(common)) {
                        *bytes = (*bytes).max(wanted);
                    }
                }
            }
        }
        drop_unused(&mut artifact);
        lay_out(&mut artifact).ok_or(too_many())?;
        if !self.fusing.input_by_rows && arena(&artifact) >= arena(&self.original) {
            return Ok(self.original);
        }
        Ok(artifact)
    }
}

/// Lets what goes value by value write where it reads, if nothing else reads that; with `whole` tensors, if nothing reads it later.
pub fn write_in_place(artifact: &mut Artifact, whole: bool) {
    // Steps in a row that each step depends on.
    let mut depths: Vec<usize> = Vec::new();
    for step in &artifact.steps {
        let before = |input: &u16| artifact.steps.iter().take(depths.len()).position(|step| step.output == *input);
        let depth =
            step.inputs.iter().filter_map(|input| depths.get(before(input)?)).max().map_or(0, |depth| depth + 1);
        depths.push(depth);
    }
    for number in 0..artifact.steps.len() {
        let step = &artifact.steps[number];
        let shape = |tensor: u16| artifact.tensors.get(usize::from(tensor)).map(|tensor| tensor.shape.as_slice());
        let storage = |tensor: u16| artifact.tensors.get(usize::from(tensor)).map(|tensor| tensor.storage);
        let bytes = |tensor: u16| artifact.tensors.get(usize::from(tensor)).map(|tensor| tensor.ty.bytes());
        let form = |tensor: u16| (shape(tensor), bytes(tensor));
        let same = step.inputs.iter().all(|&input| form(input) == form(step.output));
        let image = step.inputs.len() == 1 || shape(step.output).is_some_and(|shape| shape.len() == 4);
        if !step.op.is_in_place() || !image || !same {
            continue;
        }
        let others = artifact.steps.iter().enumerate().filter(|&(other, _)| other > number || !whole && other < number);
        let readers = others.flat_map(|(_, step)| step.inputs.iter().chain(&step.states));
        let taken: Vec<u16> =
            readers.chain(&artifact.inputs).chain(&artifact.outputs).filter_map(|&tensor| storage(tensor)).collect();
        let free = |&input: &u16| {
            let place = storage(input);
            let alone = step.inputs.iter().filter(|&&input| storage(input) == place).count() == 1;
            let spec = place.and_then(|place| artifact.storages.get(usize::from(place)));
            alone
                && matches!(spec, Some(StorageSpec::Arena { .. }))
                && place.is_some_and(|place| !taken.contains(&place))
        };
        let inputs = step.inputs.clone();
        // The one that was written last has waited least.
        let latest = inputs
            .into_iter()
            .filter(free)
            .max_by_key(|&input| artifact.steps.iter().take(number).rposition(|step| step.output == input));
        let output_is_alone = !artifact.outputs.contains(&step.output)
            && artifact.tensors.iter().filter(|tensor| Some(tensor.storage) == storage(step.output)).count() == 1;
        if let Some(place) = latest.and_then(storage)
            && output_is_alone
            && let Some(tensor) = artifact.tensors.get_mut(usize::from(artifact.steps[number].output))
        {
            tensor.storage = place;
        }
    }
}

/// Goes through a chain as the engine does, with the rings it has; `None` if it does not come to its end.
fn run(schedule: &Schedule, mut each: impl FnMut(&Turn)) -> Option<()> {
    let mut done: Done = [0; MAX_CHAIN_STEPS];
    let (mut given, mut from) = (0, 0);
    while !schedule.is_finished(&done) {
        match schedule.next(&done, given, from) {
            Some(turn) => {
                schedule.note(&mut done, turn.place, turn.units.end);
                from = schedule.from_after(turn.place);
                each(&turn);
            }
            None if schedule.has_room(&done, given) => (given, from) = (given + 1, 0),
            None => return None,
        }
    }
    Some(())
}

/// Takes away the storages that nothing uses any more.
pub(crate) fn drop_unused(artifact: &mut Artifact) {
    let mut used = vec![false; artifact.storages.len()];
    let storages = artifact.tensors.iter().map(|tensor| tensor.storage);
    for storage in storages.chain(artifact.steps.iter().filter_map(|step| step.scratch)) {
        if let Some(used) = used.get_mut(usize::from(storage)) {
            *used = true;
        }
    }
    let numbers = used.iter().scan(0u16, |next, &used| {
        let number = *next;
        *next += u16::from(used);
        Some(number)
    });
    let numbers: Vec<u16> = numbers.collect();
    let renumber = |storage: &mut u16| *storage = numbers.get(usize::from(*storage)).copied().unwrap_or(*storage);
    artifact.tensors.iter_mut().for_each(|tensor| renumber(&mut tensor.storage));
    artifact.steps.iter_mut().filter_map(|step| step.scratch.as_mut()).for_each(renumber);
    let mut flags = used.into_iter();
    artifact.storages.retain(|_| flags.next().unwrap_or(true));
}

/// Returns whether a step's kernel leaves something in its scratch from which its next call goes on.
fn keeps_scratch(variant: u8, op: Op) -> bool {
    match find(tanbo_format::packing::ALL, variant) {
        Some(layout) => layout.keeps_scratch,
        None => op == Op::AveragePool2d,
    }
}

fn set_ring(artifact: &mut Artifact, tensor: u16, rows: u32) {
    let Some(spec) = artifact.tensors.get(usize::from(tensor)) else { return };
    let &[_, height, ..] = spec.shape.as_slice() else { return };
    if let Some(StorageSpec::Arena { bytes, ring_rows, .. }) = artifact.storages.get_mut(usize::from(spec.storage)) {
        let rows = rows.min(height);
        let row = *bytes / if *ring_rows == 0 { height } else { (*ring_rows).into() }.max(1);
        *bytes = row * rows;
        *ring_rows = u16::try_from(rows).unwrap_or(u16::MAX);
    }
}

/// Returns the bytes of an artifact's arena.
pub(crate) fn arena(artifact: &Artifact) -> u64 {
    let ends = artifact.storages.iter().map(|storage| match storage {
        StorageSpec::Arena { offset, bytes, .. } | StorageSpec::State { offset, bytes, .. } => {
            u64::from(*offset) + u64::from(*bytes)
        }
        StorageSpec::Constant(_) => 0,
    });
    ends.max().unwrap_or(0)
}
