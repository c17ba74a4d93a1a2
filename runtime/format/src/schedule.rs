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
enum Source {
    /// Whole before the chain begins.
    Whole,
    /// An earlier step of the chain.
    Place(u8),
    /// The caller, row by row.
    Caller,
}

/// What the schedule knows of a step. Rows fit 16 bits, since a chain has at most [`MAX_CHAIN_UNITS`] units.
#[derive(Clone, Copy, Debug)]
struct Place {
    units: u16,
    input_rows: u16,
    /// Rows under the window, distance between windows, and rows above the first.
    span: u16,
    stride: u16,
    pad: u16,
    /// Rows that the ring of the output holds; 0 for a whole tensor.
    ring: u16,
    sources: [Source; 2],
    /// Earlier step into whose rows this one writes: its room is this one's.
    in_place_of: Option<u8>,
    /// Bit `p` for a reader, at place `p`, of the output or of what is written into its rows.
    readers: u32,
    walk: Walk,
}

/// How units and input rows belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
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
    sources: [Source::Whole; 2],
    in_place_of: None,
    readers: 0,
    walk: Walk::Window,
};

/// The steps of one chain with their windows and rings.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    places: [Place; MAX_CHAIN_STEPS],
    steps: u8,
    /// Rows of the input that the caller gives row by row, and how many of them its ring holds; 0: none.
    input_rows: u16,
    input_ring: u16,
    input_readers: u32,
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
            let units = self.add(model, steps.start..number, number, given).ok_or(number)?;
            total = total.saturating_add(units);
            if total > MAX_CHAIN_UNITS {
                return Err(number);
            }
        }
        self.steps = u8::try_from(steps.len()).map_err(|_| steps.start)?;
        Ok(())
    }

    /// Adds step `number` behind the steps `earlier`; returns its units.
    fn add(&mut self, model: &Model<'_>, earlier: Range<u16>, number: u16, given: Option<u16>) -> Option<u32> {
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
        place.readers = 0;
        place.walk = walk;
        if let Some(input) = in_place(model, &step) {
            // Room for its rows was asked for where they were first written.
            place.ring = 0;
            place.in_place_of = step.inputs.get(input).and_then(|_| match sources.get(input) {
                Some(&Source::Place(from)) => Some(from),
                _ => None,
            });
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
                    from.readers |= 1u32.checked_shl(u32::try_from(place).ok()?)?;
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
        self.input_readers |= 1u32.checked_shl(u32::try_from(place).ok()?)?;
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
    /// compute; `None` if none can.
    pub fn next(&self, done: &Done, given: u32, from: usize) -> Option<Turn> {
        (from..self.len()).find_map(|place| {
            let first = *done.get(place)?;
            let end = self.limit(place, done, given)?;
            (first < end).then_some(Turn { place, units: first..end })
        })
    }

    /// Returns the place from which [`Schedule::next`] finds the first step that can run, once the step at `place` ran: only
    /// the steps before it that it reads from have got room since.
    pub fn from_after(&self, place: usize) -> usize {
        let sources = self.place(place).map_or([Source::Whole; 2], |place| place.sources);
        let mut from = place;
        for source in sources {
            let Source::Place(source) = source else { continue };
            let mut source = usize::from(source);
            // Rows written in place are waited for where they were written first.
            while let Some(first) = self.in_place_of(source) {
                source = first;
            }
            from = from.min(source);
        }
        from
    }

    /// Returns how many rows of the output of the step at `place` are there and still needed; 0 beyond the chain.
    pub fn kept(&self, done: &Done, place: usize) -> u32 {
        let Some((step, &units)) = self.place(place).zip(done.get(place)) else { return 0 };
        let rows = step.given(units);
        rows.saturating_sub(self.first_needed(step.readers, done).unwrap_or(rows))
    }

    /// Returns how many of `given` rows of the caller are still needed.
    pub fn kept_input(&self, done: &Done, given: u32) -> u32 {
        given.saturating_sub(self.first_needed(self.input_readers, done).unwrap_or(given))
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
        self.places.get(..self.len())?.get(place)
    }

    /// Returns how many units of the step at `place` can be done by now.
    fn limit(&self, place: usize, done: &Done, given: u32) -> Option<u32> {
        let step = self.place(place)?;
        let mut end = u32::from(step.units);
        for source in step.sources {
            let rows = match source {
                Source::Whole => continue,
                Source::Caller => given,
                Source::Place(from) => self.place(from.into())?.given(*done.get(usize::from(from))?),
            };
            end = end.min(step.reach(rows));
        }
        // What takes rows in has but one output row: its ring always has a place for it.
        if step.ring > 0 && step.walk != Walk::Absorbing {
            end = end.min(self.room(step.ring, step.readers, done));
        }
        Some(end)
    }

    /// Returns up to which row, exclusive, a ring may be written.
    fn room(&self, ring: u16, readers: u32, done: &Done) -> u32 {
        self.first_needed(readers, done).unwrap_or(u32::MAX).saturating_add(ring.into())
    }

    /// Returns the first row that one of `readers` still needs; `None` if all are finished.
    fn first_needed(&self, readers: u32, done: &Done) -> Option<u32> {
        let (mut first, mut left) = (None, readers);
        while left != 0 {
            let reader = left.trailing_zeros() as usize;
            left &= left - 1;
            if let (Some(place), Some(&done)) = (self.place(reader), done.get(reader))
                && done < place.units.into()
            {
                let row = place.first_row(done);
                first = Some(first.map_or(row, |first: u32| first.min(row)));
            }
        }
        first
    }
}

impl Place {
    /// Returns how many output rows there are after `units`.
    fn given(&self, units: u32) -> u32 {
        match self.walk {
            Walk::Absorbing => u32::from(units >= self.units.into()),
            _ => units,
        }
    }

    /// Returns how many units can be done with the first `rows` input rows.
    fn reach(&self, rows: u32) -> u32 {
        let (stride, pad, span) = (u32::from(self.stride), u32::from(self.pad), u32::from(self.span));
        if rows >= self.input_rows.into() {
            return self.units.into();
        }
        match self.walk {
            Walk::Absorbing => rows,
            // Unit u needs the rows below u · stride + span - pad.
            Walk::Window => (rows + pad).checked_sub(span).map_or(0, |n| n.checked_div(stride).unwrap_or(0) + 1),
            // Unit u needs the rows up to (u + pad) / stride.
            Walk::Transposed => rows.saturating_mul(stride).saturating_sub(pad),
        }
    }

    /// Returns the first input row that unit `unit` or a later one needs.
    fn first_row(&self, unit: u32) -> u32 {
        let (stride, pad, span) = (u32::from(self.stride), u32::from(self.pad), u32::from(self.span));
        match self.walk {
            Walk::Absorbing => unit,
            Walk::Window => unit.saturating_mul(stride).saturating_sub(pad),
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
