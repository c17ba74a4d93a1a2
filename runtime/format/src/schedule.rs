//! Which rows a chain of several steps computes next.
//!
//! A step may run while the input rows under its window are there and its output row has a place: in a ring, one whose row
//! no reader needs any more. Running one step never stops another, so the rows that a chain can reach do not depend on the
//! order; the verifier walks the chain once and knows that no order gets stuck. The engine takes the first step that can
//! run, for as many rows as it can: where rings have room for more than one window, rows come in blocks.

use core::ops::Range;

use crate::attrs::{Conv, ConvI16, Pool, Window, transpose_conv2d_i16};
use crate::model::{Model, Step, Storage};
use crate::op::Op;
use crate::record::MAX_CHAIN_STEPS;

/// Work units that each step of a chain has done.
pub type Done = [u32; MAX_CHAIN_STEPS];

/// Most work units of all steps of a chain of several: the verifier walks through them.
pub const MAX_CHAIN_UNITS: u32 = 1 << 16;

/// A step of a chain, and the units of it that can be computed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Place of the step in the chain.
    pub place: usize,
    /// Units.
    pub units: Range<u32>,
}

/// Where an input of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Whole before the chain begins.
    Whole,
    /// An earlier step of the chain.
    Place(u8),
    /// The caller, row by row.
    Caller,
}

/// What the schedule knows of a step. Rows fit 16 bits, since a chain has at most [`MAX_CHAIN_UNITS`] units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Units of work.
    pub units: u16,
    /// Rows of each input.
    pub input_rows: u16,
    /// Rows under the window.
    pub span: u16,
    /// Rows between windows.
    pub stride: u16,
    /// Rows of padding above the first.
    pub pad: u16,
    /// Rows that the ring of the output holds; 0 for a whole tensor.
    pub ring: u16,
    /// Bit `p` for a reader, at place `p`, of the output or of what is written into its rows.
    pub readers: u16,
    /// Where the inputs come from.
    pub sources: [Source; 2],
    /// Earlier step into whose rows this one writes: its room is this one's.
    pub in_place_of: Option<u8>,
    /// First step that gets room when this one has run: this one itself, or an earlier one that it reads from.
    pub frees: u8,
    /// Whether the next step takes each row at once: see [`hands_over`].
    pub hands_over: bool,
    /// How units and input rows belong together.
    pub walk: Walk,
}

/// How units and input rows belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// A unit is an output row under a window that moves down.
    Window,
    /// A unit is an output row of a transposed convolution.
    Transposed,
    /// A unit is an input row, taken in for an output of one row.
    Absorbing,
}

const NOTHING: Place = Place {
    units: 0,
    input_rows: 0,
    span: 1,
    stride: 1,
    pad: 0,
    ring: 0,
    readers: 0,
    sources: [Source::Whole; 2],
    in_place_of: None,
    frees: 0,
    hands_over: false,
    walk: Walk::Window,
};

/// The steps of one chain with their windows and rings: found from the records, or written into a program when it is built.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<P = [Place; MAX_CHAIN_STEPS]> {
    /// The steps; those beyond `steps` mean nothing.
    pub places: P,
    /// Number of steps.
    pub steps: u8,
    /// Rows of the input that the caller gives row by row; 0 if the chain reads none.
    pub input_rows: u16,
    /// How many of them its ring holds.
    pub input_ring: u16,
    /// Bit `p` for a reader of them, at place `p`.
    pub input_readers: u16,
}

/// Returns whether the operator of a step takes in row by row what it gives out as one row.
fn is_absorbing(step: &Step<'_>) -> bool {
    step.op == Op::AveragePool2d && step.scratch.is_some()
}

/// Returns which input of a step lies where its output does: the step writes each row where it read it.
pub fn in_place(model: &Model<'_>, step: &Step<'_>) -> Option<usize> {
    let storage = |tensor: u16| model.tensor(tensor).map(|tensor| tensor.storage);
    let output = storage(step.output);
    step.inputs.iter().position(|&input| storage(input) == output)
}

/// Returns whether step `number` of the chain `steps` hands each row over to the next step, which alone reads it, row for row:
/// then both run for the same rows, one right after the other, and between two turns nothing of the tensor is needed. (A reader that
/// overwrites the rows needs them.)
pub fn hands_over(model: &Model<'_>, steps: Range<u16>, number: u16) -> bool {
    let next = number.saturating_add(1);
    if next >= steps.end {
        return false;
    }
    let (Some(step), Some(reader)) = (model.step(number), model.step(next)) else { return false };
    let row_for_row = match window(&reader) {
        Some((_, Walk::Absorbing)) => true,
        Some((window, Walk::Window)) => {
            let along = [window.stride, window.pad].map(|sizes| sizes.first().copied());
            window.rows() == 1 && along == [Some(1), Some(0)] && units(model, &reader) == units(model, &step)
        }
        _ => false,
    };
    let read_later = |later: Range<u16>| {
        later.filter_map(|later| model.step(later)).any(|later| later.inputs.contains(&step.output))
    };
    row_for_row
        && reader.inputs == [step.output]
        && !is_absorbing(&step)
        && in_place(model, &step).is_none()
        && in_place(model, &reader).is_none()
        && !read_later(next + 1..steps.end)
}

/// Returns whether an output row of a step needs but some rows of its inputs.
pub fn is_row_wise(model: &Model<'_>, step: &Step<'_>) -> bool {
    let image = |&tensor: &u16| model.tensor(tensor).map(|tensor| tensor.shape).filter(|shape| shape.len() == 4);
    match step.op {
        // Without broadcasting, rows are combined with rows.
        Op::Add | Op::Sub | Op::Mul => {
            let output = image(&step.output);
            output.is_some() && step.inputs.iter().all(|input| image(input) == output)
        }
        op => op.is_row_wise(),
    }
}

/// Returns how many units of work a step has: output rows; input rows if it takes them in one by one; 1 for an operator
/// that is not row by row.
pub fn units(model: &Model<'_>, step: &Step<'_>) -> Option<u32> {
    if !is_row_wise(model, step) {
        return Some(1);
    }
    let tensor = if is_absorbing(step) { step.inputs.first()? } else { &step.output };
    model.tensor(*tensor).map(|tensor| tensor.rows())
}

/// Returns the window of a step along the rows: a span of one row for operators without.
fn window(step: &Step<'_>) -> Option<(Window, Walk)> {
    let one = Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] };
    let window = match step.op {
        Op::Conv2d | Op::Conv2dI4 | Op::TransposeConv2d => Conv::from_conv2d(step.attrs)?.window,
        Op::DepthwiseConv2d | Op::DepthwiseConv2dI4 => Conv::from_depthwise_conv2d(step.attrs)?.window,
        Op::AveragePool2d => Pool::from_average(step.attrs)?.window,
        Op::MaxPool2d => Pool::from_max(step.attrs)?.window,
        Op::Conv2dI16 => ConvI16::from_conv2d(step.attrs)?.conv.window,
        Op::DepthwiseConv2dI16 => ConvI16::from_depthwise_conv2d(step.attrs)?.window,
        Op::TransposeConv2dI16 => transpose_conv2d_i16(step.attrs)?.window,
        Op::AveragePool2dI16 | Op::MaxPool2dI16 => Pool::from_i16(step.attrs)?.window,
        _ => one,
    };
    let walk = match step.op {
        Op::TransposeConv2d | Op::TransposeConv2dI16 => Walk::Transposed,
        _ if is_absorbing(step) => Walk::Absorbing,
        _ => Walk::Window,
    };
    Some((window, walk))
}

impl Schedule {
    /// A schedule without steps.
    pub const EMPTY: Self =
        Self { places: [NOTHING; MAX_CHAIN_STEPS], steps: 0, input_rows: 0, input_ring: 0, input_readers: 0 };

    /// Leaves no steps.
    pub fn clear(&mut self) {
        self.steps = 0;
        self.input_rows = 0;
    }

    /// Becomes the schedule of the chain `steps`.
    ///
    /// # Errors
    /// As [`Schedule::set_with`].
    pub fn set(&mut self, model: &Model<'_>, steps: Range<u16>) -> Result<(), u16> {
        self.set_with(model, steps, None)
    }

    /// As [`Schedule::set`]; the caller gives tensor `given` row by row, into a ring as large as the tensor, although it is
    /// whole in the model: how a planner finds out how many rows must be kept.
    ///
    /// # Errors
    /// The number of a step that is not row by row, or with which the chain has more rows than it may have. Nothing of the
    /// schedule means anything then.
    pub fn set_with(&mut self, model: &Model<'_>, steps: Range<u16>, given: Option<u16>) -> Result<(), u16> {
        self.clear();
        self.input_readers = 0;
        let mut total = 0u32;
        for number in steps.clone() {
            let units = self.add(model, steps.clone(), number, given).ok_or(number)?;
            total = total.saturating_add(units);
            if total > MAX_CHAIN_UNITS {
                return Err(number);
            }
        }
        self.steps = u8::try_from(steps.len()).map_err(|_| steps.start)?;
        Ok(())
    }

    /// Adds step `number` of the chain `steps` behind those before it; returns its units.
    fn add(&mut self, model: &Model<'_>, steps: Range<u16>, number: u16, given: Option<u16>) -> Option<u32> {
        let earlier = steps.start..number;
        let index = earlier.len();
        let step = model.step(number)?;
        let (&first, inputs) = step.inputs.split_first()?;
        if !is_row_wise(model, &step) || inputs.len() > 1 {
            return None;
        }
        let (window, walk) = window(&step)?;
        let rows = |tensor: u16| match model.tensor(tensor)?.shape {
            &[1, height, _, _] => u16::try_from(height).ok(),
            _ => None,
        };
        let units = u16::try_from(units(model, &step)?).ok()?;
        let along = |sizes: &[i32; 2]| u16::try_from(*sizes.first()?).ok();
        rows(step.output)?;
        let mut sources = [Source::Whole; 2];
        for (source, &input) in sources.iter_mut().zip(step.inputs) {
            *source = self.source(model, earlier.clone(), input, given)?;
        }
        let place = self.places.get_mut(index)?;
        place.units = units;
        place.input_rows = rows(first)?;
        place.span = u16::try_from(window.rows()).ok()?;
        place.stride = along(&window.stride)?;
        place.pad = along(&window.pad)?;
        place.ring = ring_rows(model, step.output)?;
        place.sources = sources;
        place.in_place_of = None;
        place.frees = u8::try_from(index).ok()?;
        place.readers = 0;
        place.hands_over = hands_over(model, steps, number);
        place.walk = walk;
        if let Some(input) = in_place(model, &step) {
            // Room for its rows was asked for where they were first written.
            place.ring = 0;
            place.in_place_of = step.inputs.get(input).and_then(|_| match sources.get(input) {
                Some(&Source::Place(from)) => Some(from),
                _ => None,
            });
        }
        for source in sources {
            let Source::Place(mut source) = source else { continue };
            // Rows written in place are waited for where they were written first.
            while let Some(first) = self.places.get(usize::from(source))?.in_place_of {
                source = first;
            }
            // The first of those that run together.
            while source > 0 && self.places.get(usize::from(source) - 1)?.hands_over {
                source -= 1;
            }
            let place = self.places.get_mut(index)?;
            place.frees = place.frees.min(source);
        }
        Some(units.into())
    }

    /// Finds where `input` of the step behind `earlier` comes from, and notes the reader there.
    fn source(&mut self, model: &Model<'_>, earlier: Range<u16>, input: u16, given: Option<u16>) -> Option<Source> {
        let place = earlier.len();
        for (from, number) in earlier.enumerate() {
            if model.step_output(number)? == input {
                let mut written = Some(u8::try_from(from).ok()?);
                while let Some(from) = written {
                    let from = self.places.get_mut(usize::from(from))?;
                    from.readers |= 1u16.checked_shl(u32::try_from(place).ok()?)?;
                    written = from.in_place_of;
                }
                return Some(Source::Place(u8::try_from(from).ok()?));
            }
        }
        let (ring, rows) = (ring_rows(model, input)?, model.tensor(input)?.rows());
        if ring == 0 && given != Some(input) {
            return Some(Source::Whole);
        }
        // The one ring that no step writes: the model's first input, given row by row.
        if model.inputs().first() != Some(&input) {
            return None;
        }
        self.input_rows = u16::try_from(rows).ok()?;
        self.input_ring = if ring == 0 { self.input_rows } else { ring };
        self.input_readers |= 1u16.checked_shl(u32::try_from(place).ok()?)?;
        Some(Source::Caller)
    }

    /// Gives the output of the step at `place` a ring of `rows`, unless it is written in place of another.
    pub fn set_ring(&mut self, place: usize, rows: u32) {
        if let Some(place) = self.places.get_mut(place)
            && place.in_place_of.is_none()
        {
            place.ring = u16::try_from(rows).unwrap_or(u16::MAX);
        }
    }

    /// Gives the rows of the caller a ring of `rows`.
    pub fn set_input_ring(&mut self, rows: u32) {
        self.input_ring = u16::try_from(rows).unwrap_or(u16::MAX);
    }
}

impl<P: AsRef<[Place]>> Schedule<P> {
    /// Returns the earlier step into whose rows the step at `place` writes.
    pub fn in_place_of(&self, place: usize) -> Option<usize> {
        self.place(place)?.in_place_of.map(usize::from)
    }

    /// Returns the number of steps.
    pub fn len(&self) -> usize {
        usize::from(self.steps)
    }

    /// Returns whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// Returns the number of rows that the caller gives one by one; 0 if the chain reads none of them.
    pub fn input_rows(&self) -> u32 {
        self.input_rows.into()
    }

    /// Returns how many rows the ring holds that the caller writes.
    pub fn input_ring(&self) -> u32 {
        self.input_ring.into()
    }

    /// Returns whether the last step is finished, and so the chain.
    pub fn is_finished(&self, done: &Done) -> bool {
        let last = self.len().saturating_sub(1);
        self.place(last).is_none_or(|place| done.get(last) == Some(&place.units.into()))
    }

    /// Returns the first step from `from` on that can run, with `given` rows of the caller, and the units that it can
    /// compute; `None` if none can. The steps that take its rows at once run right after it: [`Schedule::note`].
    #[inline]
    pub fn next(&self, done: &Done, given: u32, from: usize) -> Option<Turn> {
        let places = self.places.as_ref().get(..self.len())?;
        let mut place = from;
        loop {
            let step = places.get(place)?;
            let first = *done.get(place)?;
            if first < step.units.into() {
                let end = self.limit(place, done, given)?;
                if first < end {
                    return Some(Turn { place, units: first..end });
                }
            }
            place = self.last_of(place) + 1;
        }
    }

    /// Returns the last of the steps that run together with the one at `place`: itself, or the one to which its rows come at
    /// once.
    #[inline]
    pub fn last_of(&self, mut place: usize) -> usize {
        while self.places.as_ref().get(place).is_some_and(|place| place.hands_over) {
            place += 1;
        }
        place
    }

    /// Notes in `done` that the step at `place` has done its units up to `end`, and so have those that take its rows at once.
    #[inline]
    pub fn note(&self, done: &mut Done, place: usize, end: u32) {
        done.get_mut(place..=self.last_of(place)).unwrap_or_default().fill(end);
    }

    /// Returns the place from which [`Schedule::next`] finds the first step that can run, once the step at `place` ran: only
    /// the steps before it that it reads from have got room since.
    #[inline]
    pub fn from_after(&self, place: usize) -> usize {
        self.places.as_ref().get(place).map_or(place, |place| place.frees.into())
    }

    /// Returns how many rows of the output of the step at `place` are there and still needed; 0 beyond the chain.
    pub fn kept(&self, done: &Done, place: usize) -> u32 {
        self.held(done, place).len() as u32
    }

    /// Returns which rows of the output of the step at `place` are there and still needed, by readers in the chain; none
    /// beyond the chain.
    pub fn held(&self, done: &Done, place: usize) -> Range<u32> {
        let readers = self.place(place).map_or(0, |step| step.readers);
        let rows = self.given_by(place, done);
        self.first_needed(readers, done).unwrap_or(rows).min(rows)..rows
    }

    /// Returns how many rows of its output the step at `place` has written; 0 beyond the chain.
    pub fn given_by(&self, place: usize, done: &Done) -> u32 {
        self.place(place).zip(done.get(place)).map_or(0, |(step, &units)| step.given(units))
    }

    /// Returns how many of `given` rows of the caller are still needed.
    pub fn kept_input(&self, done: &Done, given: u32) -> u32 {
        self.held_input(done, given).len() as u32
    }

    /// Returns which of `given` rows of the caller are still needed.
    pub fn held_input(&self, done: &Done, given: u32) -> Range<u32> {
        self.first_needed(self.input_readers, done).unwrap_or(given).min(given)..given
    }

    /// Returns whether a chain can have come this far, with `given` rows of the caller: every step had the rows that its units
    /// read, and no ring holds more rows than it has. From every such point the chain comes to its end, as from its beginning:
    /// of steps that wait for one another in a circle, none could ever have run.
    pub fn is_reachable(&self, done: &Done, given: u32) -> bool {
        let holds = |ring: u16, readers: u16, rows: u32| ring == 0 || rows <= self.room(ring, readers, done);
        let step_is = |place: usize| {
            let (Some(step), Some(&units)) = (self.place(place), done.get(place)) else { return false };
            let had = step
                .sources
                .iter()
                .all(|&source| self.rows_from(source, done, given).is_none_or(|rows| units <= step.reach(rows)));
            let together = !step.hands_over || done.get(place + 1) == Some(&units);
            had && together
                && units <= step.units.into()
                && (step.walk == Walk::Absorbing || holds(step.ring, step.readers, units))
        };
        (0..self.len()).all(step_is)
            && done.iter().skip(self.len()).all(|&units| units == 0)
            && (self.input_rows == 0
                || given <= self.input_rows.into() && holds(self.input_ring, self.input_readers, given))
    }

    /// Returns the last step that can run, and the units that it can compute: with this order, the fewest rows wait.
    pub fn last(&self, done: &Done, given: u32) -> Option<Turn> {
        (0..self.len()).rev().find_map(|place| {
            let first = *done.get(place)?;
            let end = self.limit(place, done, given)?;
            (first < end).then_some(Turn { place, units: first..end })
        })
    }

    /// Returns whether the ring of the caller's rows has a place for the next one.
    pub fn has_room(&self, done: &Done, given: u32) -> bool {
        given < self.input_rows().min(self.room(self.input_ring, self.input_readers, done))
    }

    fn place(&self, place: usize) -> Option<&Place> {
        self.places.as_ref().get(..self.len())?.get(place)
    }

    /// Returns how many units of the step at `place` can be done by now.
    #[inline]
    fn limit(&self, mut place: usize, done: &Done, given: u32) -> Option<u32> {
        let mut step = self.places.as_ref().get(place)?;
        let first = *done.get(place)?;
        let mut end = u32::from(step.units);
        for source in step.sources {
            let rows = match source {
                Source::Whole => continue,
                Source::Caller => given,
                Source::Place(from) => {
                    self.places.as_ref().get(usize::from(from))?.given(*done.get(usize::from(from))?)
                }
            };
            end = end.min(step.reach(rows));
        }
        // No ring is looked at in vain; those whose rows are handed over are empty.
        while end > first && step.hands_over {
            if step.ring > 0 {
                end = end.min(first + u32::from(step.ring));
            }
            place += 1;
            step = self.places.as_ref().get(place)?;
        }
        // What takes rows in has but one output row: its ring always has a place for it.
        if end > first && step.ring > 0 && step.walk != Walk::Absorbing {
            end = end.min(self.room(step.ring, step.readers, done));
        }
        Some(end)
    }

    /// Returns how many rows there are of what a step reads; `None` where it is whole.
    fn rows_from(&self, source: Source, done: &Done, given: u32) -> Option<u32> {
        match source {
            Source::Whole => None,
            Source::Caller => Some(given),
            // A place that is not there gave nothing.
            Source::Place(from) => Some(self.given_by(from.into(), done)),
        }
    }

    /// Returns up to which row, exclusive, a ring may be written.
    fn room(&self, ring: u16, readers: u16, done: &Done) -> u32 {
        self.first_needed(readers, done).unwrap_or(u32::MAX).saturating_add(ring.into())
    }

    /// Returns the first row that one of `readers` still needs; `None` if all are finished.
    #[inline]
    fn first_needed(&self, readers: u16, done: &Done) -> Option<u32> {
        let (mut first, mut left) = (u32::MAX, readers);
        while left != 0 {
            let reader = left.trailing_zeros() as usize;
            left &= left - 1;
            let (place, &done) = (self.places.as_ref().get(reader)?, done.get(reader)?);
            if done < place.units.into() {
                first = first.min(place.first_row(done));
            }
        }
        // No row is numbered so high: see `MAX_CHAIN_UNITS`.
        (first < u32::MAX).then_some(first)
    }
}

impl Place {
    /// Returns how many output rows there are after `units`.
    #[inline]
    fn given(&self, units: u32) -> u32 {
        match self.walk {
            Walk::Absorbing => u32::from(units >= self.units.into()),
            _ => units,
        }
    }

    /// Returns how many units can be done with the first `rows` input rows.
    #[inline]
    fn reach(&self, rows: u32) -> u32 {
        let (stride, pad, span) = (u32::from(self.stride), u32::from(self.pad), u32::from(self.span));
        if rows >= self.input_rows.into() {
            return self.units.into();
        }
        match self.walk {
            Walk::Absorbing => rows,
            // Unit u needs the rows below u · stride + span - pad.
            Walk::Window => match (rows + pad).checked_sub(span) {
                None => 0,
                Some(n) if stride == 1 => n + 1,
                Some(n) => n.checked_div(stride).unwrap_or(0) + 1,
            },
            // Unit u needs the rows up to (u + pad) / stride.
            Walk::Transposed => rows.saturating_mul(stride).saturating_sub(pad),
        }
    }

    /// Returns the first input row that unit `unit` or a later one needs.
    #[inline]
    fn first_row(&self, unit: u32) -> u32 {
        let (stride, pad, span) = (u32::from(self.stride), u32::from(self.pad), u32::from(self.span));
        match self.walk {
            Walk::Absorbing => unit,
            Walk::Window => (unit * stride).saturating_sub(pad),
            Walk::Transposed => (unit + pad).saturating_sub(span - 1).div_ceil(stride.max(1)),
        }
    }
}

/// Returns how many rows the ring that a tensor lies in holds; 0 for a whole tensor.
fn ring_rows(model: &Model<'_>, tensor: u16) -> Option<u16> {
    match model.storage(model.tensor(tensor)?.storage)? {
        Storage::Arena { ring_rows, .. } => u16::try_from(ring_rows).ok(),
        _ => Some(0),
    }
}
