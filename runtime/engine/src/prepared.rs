//! A step made ready to run: its records decoded, its operands found in the arena, its constants borrowed from the artifact.

use core::ops::Range;

use tanbo_format::{ElementType, Model, Op, Start, Storage, Tensor};
use tanbo_kernels as kernels;

use crate::ops::{Adapter, Call, Records, Run, Work};

/// Bytes of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub offset: u32,
    /// Number of bytes.
    pub bytes: u32,
}

impl Extent {
    /// No bytes.
    pub const EMPTY: Self = Self { offset: 0, bytes: 0 };

    /// Returns the extent as a range.
    pub(crate) fn range(self) -> Range<usize> {
        let start = self.offset as usize;
        start..start + self.bytes as usize
    }

    pub(crate) fn of(offset: usize, bytes: usize) -> Option<Self> {
        Some(Self { offset: u32::try_from(offset).ok()?, bytes: u32::try_from(bytes).ok()? })
    }

    /// Returns where in the arena `tensor` lies; for a ring, the rows it holds.
    pub(crate) fn of_tensor(model: &Model<'_>, tensor: &Tensor<'_>) -> Option<Self> {
        match model.storage(tensor.storage)? {
            Storage::Arena { offset, bytes, .. } | Storage::State { offset, bytes } => {
                Self::of(offset, tensor.bytes().min(bytes))
            }
            Storage::Constant { .. } => None,
        }
    }
}

/// Where the bytes of an input lie.
#[derive(Clone, Copy, Debug)]
pub enum Place<'m> {
    /// In the arena.
    Arena(Extent),
    /// In the artifact.
    Artifact(&'m [u8]),
}

/// How the rows of a tensor lie.
#[derive(Clone, Copy, Debug)]
pub struct RowLayout {
    /// Bytes of a row.
    pub bytes: u32,
    /// Rows that are held: row `r` lies at `r mod slots`.
    pub slots: u32,
}

impl RowLayout {
    pub(crate) fn of(model: &Model<'_>, tensor: &Tensor<'_>) -> Option<Self> {
        let rows = tensor.rows();
        let slots = match model.storage(tensor.storage)? {
            Storage::Arena { ring_rows, .. } if ring_rows > 0 => u32::try_from(ring_rows).ok()?.min(rows),
            _ => rows,
        };
        Some(Self { bytes: u32::try_from(tensor.bytes()).ok()?.checked_div(rows)?, slots })
    }

    /// Returns the first byte of row `row`, and how many rows follow it without a break.
    pub(crate) fn place(self, row: usize) -> Option<(usize, usize)> {
        let slots = self.slots as usize;
        let slot = row.checked_rem(slots)?;
        Some((slot * self.bytes as usize, slots - slot))
    }
}

/// A tensor that a step reads.
#[derive(Clone, Copy, Debug)]
pub struct Source<'m> {
    /// Its bytes; for a ring, the rows it holds.
    pub place: Place<'m>,
    /// Its rows.
    pub rows: RowLayout,
}

impl<'m> Source<'m> {
    pub(crate) fn of(model: &Model<'m>, tensor: &Tensor<'m>) -> Option<Self> {
        let place = match model.constant_tensor(tensor) {
            Some(bytes) => Place::Artifact(bytes),
            None => Place::Arena(Extent::of_tensor(model, tensor)?),
        };
        Some(Self { place, rows: RowLayout::of(model, tensor)? })
    }
}

/// What every step has: the first input, the output, and bytes that mean nothing before and after.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'m> {
    /// The first input.
    pub input: Source<'m>,
    /// The output; for a ring, the rows it holds.
    pub output: Extent,
    /// Its rows.
    pub output_rows: RowLayout,
    /// Scratch; empty if the step names none.
    pub scratch: Extent,
}

impl<'m> Operands<'m> {
    /// Returns whether the output lies where the first input does.
    pub fn in_place(&self) -> bool {
        matches!(self.input.place, Place::Arena(extent) if extent == self.output)
    }

    pub(crate) fn of(records: &Records<'_, 'm>) -> Option<Self> {
        let model = records.model;
        let (x, y) = (records.input(0)?, records.output()?);
        let scratch = match records.step.scratch {
            Some(storage) => match model.storage(storage)? {
                Storage::Arena { offset, bytes, .. } => Extent::of(offset, bytes)?,
                _ => return None,
            },
            None => Extent::EMPTY,
        };
        let mut operands = Self {
            input: Source::of(model, &x)?,
            output: Extent::of_tensor(model, &y)?,
            output_rows: RowLayout::of(model, &y)?,
            scratch,
        };
        if records.step.op == Op::FullyConnected {
            // A matrix is one row of its rows, whatever the axes of its tensor.
            operands.input.rows = RowLayout { bytes: u32::try_from(x.bytes()).ok()?, slots: 1 };
            operands.output_rows = RowLayout { bytes: operands.output.bytes, slots: 1 };
        }
        Some(operands)
    }
}

/// A state of a step, and what it holds at first.
#[derive(Clone, Copy, Debug)]
pub struct State<'m> {
    /// Its bytes.
    pub extent: Extent,
    /// Its first content.
    pub start: Start<'m>,
}

impl<'m> State<'m> {
    pub(crate) const NONE: Self = Self { extent: Extent::EMPTY, start: Start::Fill(0) };

    /// Returns storage `index`, if it is a state.
    pub(crate) fn of(model: &Model<'m>, index: u16) -> Option<Self> {
        let Storage::State { offset, bytes } = model.storage(index)? else { return None };
        Some(Self { extent: Extent::of(offset, bytes)?, start: model.state_start(index)? })
    }

    /// Gives the state its first content.
    pub(crate) fn begin(&self, arena: &mut [u8]) {
        let Some(state) = arena.get_mut(self.extent.range()) else { return };
        match self.start {
            Start::Fill(byte) => state.fill(byte),
            Start::Image(image) => state.iter_mut().zip(image.iter().cycle()).for_each(|(byte, &first)| *byte = first),
        }
    }
}

/// Most state operands of an operator.
pub(crate) const MAX_STATES: usize = 2;

/// Parameters of an operator with states.
#[derive(Clone, Copy, Debug)]
pub struct Stateful<'m, P> {
    /// What the kernel is called with.
    pub params: P,
    /// The states, in the operator's order; empty beyond those it has.
    pub states: [State<'m>; MAX_STATES],
    /// Element type of the first state.
    pub ty: ElementType,
    /// Whether the states hold their first content again whenever the step begins.
    pub anew: bool,
}

impl<'m, P> Stateful<'m, P> {
    pub(crate) fn of(records: &Records<'_, 'm>, params: P, anew: bool) -> Option<Self> {
        let mut states = [State::NONE; MAX_STATES];
        let mut ty = ElementType::I8;
        for (place, (state, &tensor)) in states.iter_mut().zip(records.step.states).enumerate() {
            let tensor = records.model.tensor(tensor)?;
            *state = State::of(records.model, tensor.storage)?;
            if place == 0 {
                ty = tensor.ty;
            }
        }
        Some(Self { params, states, ty, anew })
    }
}

/// How an operator of two inputs goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Whole tensors, broadcast.
    Whole,
    /// Rows with rows.
    Rows,
    /// Rows with rows, each written where this input (0 or 1) lies.
    InPlace(u8),
}

/// Parameters of an operator with two inputs.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'m, P> {
    /// What the kernel is called with.
    pub params: P,
    /// The second input; where the step writes in place, the input that it does not overwrite.
    pub other: Source<'m>,
    /// How rows go together.
    pub walk: Walk,
}

/// Parameters of a matrix product with weights of four bits.
#[derive(Clone, Copy, Debug)]
pub struct Nibbles<'m> {
    /// What the kernel is called with.
    pub params: kernels::FullyConnected<'m>,
    /// Values of an input row.
    pub depth: usize,
}

/// One input of a concatenation.
#[derive(Clone, Copy, Debug)]
pub struct Part<'m> {
    /// Its place in the output.
    pub params: kernels::Concat<'m>,
    /// Its bytes.
    pub input: Source<'m>,
}

/// The inputs of a concatenation: there may be many.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'m> {
    /// Made ready.
    Listed(&'m [Part<'m>]),
    /// To be decoded one by one when they are needed: those of this step.
    Recorded(u16),
}

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident($ty:ty),)*) => {
        /// What the kernel of a step is called with.
        #[derive(Clone, Copy, Debug)]
        pub enum Params<'m> {
            $($(#[$doc])* $name($ty),)*
        }

        /// As [`Params`], by reference: as long for every operator.
        #[derive(Clone, Copy, Debug)]
        pub enum ParamsRef<'p, 'm> {
            $($(#[$doc])* $name(&'p $ty),)*
        }

        impl<'m> Params<'m> {
            /// Returns the reference to what is held.
            #[inline]
            pub fn as_ref(&self) -> ParamsRef<'_, 'm> {
                match self {
                    $(Self::$name(params) => ParamsRef::$name(params),)*
                }
            }
        }
    };
}

params! {
    /// `average_pool2d`, also of 16 bits.
    AveragePool2d(kernels::AveragePool2d<'m>),
    /// `batch_matmul`, also of 16 bits.
    BatchMatmul(Pair<'m, kernels::BatchMatmul<'m>>),
    /// `concat`.
    Concat(Parts<'m>),
    /// `conv2d` and `transpose_conv2d`, also with weights of 4 bits.
    Conv2d(kernels::Conv2d<'m>),
    /// `conv2d_i16` and `transpose_conv2d_i16`.
    Conv2dI16(kernels::Conv2dI16<'m>),
    /// `depthwise_conv2d`, also with weights of 4 bits.
    DepthwiseConv2d(kernels::DepthwiseConv2d<'m>),
    /// `depthwise_conv2d_i16`.
    DepthwiseConv2dI16(kernels::DepthwiseConv2dI16<'m>),
    /// `fully_connected`.
    FullyConnected(kernels::FullyConnected<'m>),
    /// `fully_connected_i4`.
    FullyConnectedI4(Nibbles<'m>),
    /// `fully_connected_i16`.
    FullyConnectedI16(kernels::FullyConnectedI16<'m>),
    /// `gather`.
    Gather(kernels::Gather<'m>),
    /// `gru`.
    Gru(Stateful<'m, kernels::Gru<'m, i32>>),
    /// `gru_i16`.
    GruI16(Stateful<'m, kernels::Gru<'m, i64>>),
    /// `l2_norm`.
    L2Norm(kernels::L2Norm),
    /// `layer_norm`.
    LayerNorm(kernels::LayerNorm<'m>),
    /// `lstm`.
    Lstm(Stateful<'m, kernels::Lstm<'m, i32>>),
    /// `lstm_i16`.
    LstmI16(Stateful<'m, kernels::Lstm<'m, i64>>),
    /// `lut`.
    Lut(&'m [i8]),
    /// `lut_i16`.
    LutI16(kernels::LutI16<'m>),
    /// `max_pool2d`, also of 16 bits.
    MaxPool2d(kernels::MaxPool2d),
    /// `mean`, also of 16 bits.
    Mean(kernels::Mean<'m>),
    /// `conv2d`, `depthwise_conv2d` and `fully_connected` with packed constants.
    Packed(kernels::Packed<'m>),
    /// `pad`.
    Pad(kernels::Pad<'m>),
    /// `minimum` and `maximum`.
    Pairwise(Pair<'m, kernels::Pairwise<'m>>),
    /// `mul`, also of 16 bits, and `div`.
    Product(Pair<'m, kernels::Product<'m>>),
    /// `reduce_max` and `reduce_min`.
    Reduction(kernels::Reduction<'m>),
    /// `requantize`.
    Requantize(kernels::Requantize),
    /// `resize_bilinear`.
    ResizeBilinear(kernels::ResizeBilinear<'m>),
    /// `sigmoid_i16`.
    SigmoidI16(kernels::SigmoidI16<'m>),
    /// `slice`.
    Slice(kernels::Slice<'m>),
    /// `softmax`.
    Softmax(kernels::Softmax<'m>),
    /// `softmax_i16`.
    SoftmaxI16(kernels::SoftmaxI16<'m>),
    /// `add`, `sub` and `squared_difference`, also of 16 bits.
    Sum(Pair<'m, kernels::Sum<'m>>),
    /// `svdf`.
    Svdf(Stateful<'m, kernels::Svdf<'m>>),
    /// `transpose`.
    Transpose(kernels::Transpose<'m>),
}

/// A step made ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared<'m> {
    run: Run,
    operands: Operands<'m>,
    params: Params<'m>,
}

impl<'m> Prepared<'m> {
    /// Decodes a step of the operator of `adapter` into `into`; `layouts` are the packings it may have.
    pub fn decode(into: &mut Option<Self>, records: &Records<'_, 'm>, adapter: &'static Adapter) -> Option<()> {
        // In place: it is long, and every copy is stack.
        let (run, operands) = (adapter.run, Operands::of(records)?);
        into.insert(Self { run, operands, params: Params::Lut(&[]) }).params = (adapter.prepare)(records)?;
        Some(())
    }

    /// Runs units `rows` of the step.
    #[inline]
    pub fn run(&self, work: Work<'_>) -> Option<()> {
        (self.run)(&mut Call { operands: &self.operands, params: self.params.as_ref(), work })
    }
}

/// Room for one step made ready: a cache of them is [`crate::Engine::set_cache`]'s.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'m>(Option<Prepared<'m>>);

impl<'m> Slot<'m> {
    /// A slot with nothing in it.
    pub const EMPTY: Self = Self(None);

    /// Returns what is in the slot.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Prepared<'m>> {
        self.0.as_ref()
    }

    /// Returns the place for what is decoded.
    pub(crate) fn place(&mut self) -> &mut Option<Prepared<'m>> {
        &mut self.0
    }
}

/// What a heap keeps of a step: where there is one, an engine decodes no record twice.
#[cfg(feature = "std")]
#[derive(Debug)]
pub(crate) struct Kept<'m> {
    slot: Slot<'m>,
    /// Units of work, and whether the step alone waits for rows.
    known: Option<(u32, bool)>,
}

/// The steps of a model that need not be made ready again, by number.
#[derive(Debug)]
pub(crate) enum Cache<'m, 'a> {
    /// As many as the caller has room for.
    Given(&'a mut [Slot<'m>]),
    /// All.
    #[cfg(feature = "std")]
    Own(std::vec::Vec<Kept<'m>>),
}

impl<'m> Cache<'m, '_> {
    /// Returns a cache for the steps of `model` where there is a heap, else none. `known` returns units of work of a step, and whether it
    /// alone waits for rows.
    #[cfg_attr(not(feature = "std"), allow(unused_variables, reason = "no heap"))]
    pub fn new(model: &Model<'m>, known: impl Fn(u16) -> Option<(u32, bool)>) -> Self {
        #[cfg(feature = "std")]
        return Self::Own(
            (0..model.step_count()).map(|step| Kept { slot: Slot::EMPTY, known: known(step as u16) }).collect(),
        );
        #[cfg(not(feature = "std"))]
        Self::Given(&mut [])
    }

    /// Returns the slot of step `step`, if it has one.
    #[inline]
    pub fn slot(&mut self, step: u16) -> Option<&mut Slot<'m>> {
        match self {
            Self::Given(slots) => slots.get_mut(usize::from(step)),
            #[cfg(feature = "std")]
            Self::Own(steps) => steps.get_mut(usize::from(step)).map(|kept| &mut kept.slot),
        }
    }

    /// Returns units of work of step `step` and whether it alone waits for rows, if that was kept.
    #[cfg_attr(not(feature = "std"), allow(unused_variables, clippy::unused_self, reason = "no heap"))]
    #[inline]
    pub fn known(&self, step: u16) -> Option<(u32, bool)> {
        match self {
            Self::Given(_) => None,
            #[cfg(feature = "std")]
            Self::Own(steps) => steps.get(usize::from(step)).and_then(|kept| kept.known),
        }
    }
}
