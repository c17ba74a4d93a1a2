//! Adapters: a step's records become a kernel's parameters (`prepare`, once), and these a call of the kernel (`run`, for
//! whatever rows are asked for). One file per operator.
//!
//! Both return `None` where something does not fit, which `Model::parse` rules out. The run functions are `inline` so that an
//! included artifact's one step of an operator has a copy of its own, for the constants of that step.

mod add;
mod add_i16;
mod average_pool2d;
mod average_pool2d_i16;
mod batch_matmul;
mod batch_matmul_i16;
pub(crate) mod concat;
mod conv2d;
mod conv2d_i16;
mod conv2d_i4;
mod depthwise_conv2d;
mod depthwise_conv2d_i16;
mod depthwise_conv2d_i4;
mod div;
mod fully_connected;
mod fully_connected_i16;
mod fully_connected_i4;
mod gather;
mod gru;
mod gru_i16;
mod l2_norm;
mod layer_norm;
mod lstm;
mod lstm_i16;
mod lut;
mod lut_i16;
mod max_pool2d;
mod max_pool2d_i16;
mod maximum;
mod mean;
mod mean_i16;
mod minimum;
mod mul;
mod mul_i16;
pub(crate) mod packed;
mod pad;
mod recurrence;
mod reduce_max;
mod reduce_min;
mod requantize;
mod resize_bilinear;
mod sigmoid_i16;
mod slice;
mod softmax;
mod softmax_i16;
mod squared_difference;
mod sub;
mod sub_i16;
mod svdf;
mod transpose;
mod transpose_conv2d;
mod transpose_conv2d_i16;

use core::ops::Range;

use bytemuck::Pod;
use tanbo_format::packing::Layout;
use tanbo_format::{Constant, Model, Op, Step, Tensor, attrs, schedule};
use tanbo_kernels::{Image, KernelResult, Kernels, Multipliers, Output, OutputI16, Rows, RowsMut, Window};

use crate::prepared::{
    Extent, MAX_STATES, Operands, Pair, Params, ParamsRef, Place, RowLayout, Source, State, Stateful, Walk,
};

/// Decodes the parameters of a step.
pub(crate) type Prepare = for<'m> fn(&Records<'_, 'm>) -> Option<Params<'m>>;

/// Runs rows of one step.
pub type Run = fn(&mut Call<'_, '_>) -> Option<()>;

/// An operator: how its steps are made ready, and how they run.
#[derive(Clone, Copy, Debug)]
pub struct Adapter {
    pub(crate) prepare: Prepare,
    pub(crate) run: Run,
}

/// What a step is decoded from.
pub(crate) struct Records<'c, 'm> {
    pub model: &'c Model<'m>,
    pub number: u16,
    pub step: &'c Step<'m>,
    /// Packings that the constants may have.
    pub layouts: &'static [Layout],
}

/// What a run function gets.
#[derive(Debug)]
pub struct Call<'c, 'm> {
    pub(crate) operands: &'c Operands<'m>,
    pub(crate) params: ParamsRef<'c, 'm>,
    pub(crate) work: Work<'c>,
}

/// What is to be done of a step, and where.
#[derive(Debug)]
pub struct Work<'c> {
    /// The model, if there is more to decode.
    pub(crate) model: Option<&'c Model<'c>>,
    pub(crate) arena: &'c mut [u8],
    /// Units of work to do: output rows, mostly (see `tanbo_format::schedule::units`); operators that have no rows do all
    /// their work for row 0.
    pub(crate) rows: Range<usize>,
    /// Threads that may share a step.
    #[cfg(feature = "threads")]
    pub(crate) threads: usize,
}

macro_rules! adapters {
    ($($op:ident: $file:ident,)*) => {
        /// Returns the adapter of `op` with kernels of `K`; in `const` context, so that nothing else is linked.
        pub(crate) const fn adapter<K: Kernels>(op: Op) -> &'static Adapter {
            match op {
                $(Op::$op => const { &Adapter { prepare: $file::prepare, run: $file::run::<K> } },)*
            }
        }
    };
}

adapters! {
    Conv2d: conv2d,
    DepthwiseConv2d: depthwise_conv2d,
    FullyConnected: fully_connected,
    AveragePool2d: average_pool2d,
    MaxPool2d: max_pool2d,
    Mean: mean,
    Add: add,
    Sub: sub,
    Mul: mul,
    Lut: lut,
    Softmax: softmax,
    Pad: pad,
    Concat: concat,
    Slice: slice,
    Transpose: transpose,
    Requantize: requantize,
    Conv2dI16: conv2d_i16,
    DepthwiseConv2dI16: depthwise_conv2d_i16,
    FullyConnectedI16: fully_connected_i16,
    AveragePool2dI16: average_pool2d_i16,
    MaxPool2dI16: max_pool2d_i16,
    MeanI16: mean_i16,
    AddI16: add_i16,
    SubI16: sub_i16,
    MulI16: mul_i16,
    LutI16: lut_i16,
    SigmoidI16: sigmoid_i16,
    SoftmaxI16: softmax_i16,
    Svdf: svdf,
    Lstm: lstm,
    Gru: gru,
    LstmI16: lstm_i16,
    GruI16: gru_i16,
    Conv2dI4: conv2d_i4,
    DepthwiseConv2dI4: depthwise_conv2d_i4,
    FullyConnectedI4: fully_connected_i4,
    TransposeConv2d: transpose_conv2d,
    TransposeConv2dI16: transpose_conv2d_i16,
    BatchMatmul: batch_matmul,
    BatchMatmulI16: batch_matmul_i16,
    Gather: gather,
    ResizeBilinear: resize_bilinear,
    Minimum: minimum,
    Maximum: maximum,
    ReduceMax: reduce_max,
    ReduceMin: reduce_min,
    SquaredDifference: squared_difference,
    LayerNorm: layer_norm,
    L2Norm: l2_norm,
    Div: div,
}

/// Returns the adapter of `op` with packed constants, `None` if it has no packings. As [`adapter`].
pub(crate) const fn packed_adapter<K: Kernels>(op: Op) -> Option<&'static Adapter> {
    match op {
        Op::Conv2d => Some(const { &Adapter { prepare: packed::conv2d, run: packed::run_conv2d::<K> } }),
        Op::DepthwiseConv2d => {
            Some(const { &Adapter { prepare: packed::depthwise_conv2d, run: packed::run_depthwise_conv2d::<K> } })
        }
        Op::FullyConnected => {
            Some(const { &Adapter { prepare: packed::fully_connected, run: packed::run_conv2d::<K> } })
        }
        _ => None,
    }
}

/// Returns the adapter of convolutions with transformed weights.
pub(crate) const fn winograd_adapter<K: Kernels>() -> &'static Adapter {
    const { &Adapter { prepare: packed::conv2d, run: packed::run_winograd::<K> } }
}

impl<'m> Records<'_, 'm> {
    /// Returns input tensor `index`.
    pub fn input(&self, index: usize) -> Option<Tensor<'m>> {
        self.model.tensor(*self.step.inputs.get(index)?)
    }

    /// Returns the output tensor.
    pub fn output(&self) -> Option<Tensor<'m>> {
        self.model.tensor(self.step.output)
    }

    /// Returns constant `index`.
    pub fn constant(&self, index: usize) -> Option<Constant<'m>> {
        self.step.constant(index)
    }

    /// Returns the multipliers in constants `first` and `first + 1`.
    pub fn multipliers(&self, first: usize) -> Option<Multipliers<'m>> {
        Some(Multipliers { mantissas: self.constant(first)?.i32()?, shifts: self.constant(first + 1)?.i8()? })
    }

    /// Returns the bounds and zero point of the output.
    pub fn range(&self, zero_point: i32, low: i32, high: i32) -> Output {
        Output { zero_point, low, high, rounding: self.step.rounding }
    }

    /// Returns the bounds of an int16 output.
    pub fn range_i16(&self, low: i32, high: i32) -> OutputI16 {
        OutputI16 { low, high, rounding: self.step.rounding, narrow: false }
    }

    /// Returns the parameters of an operator with two inputs: rows go with rows where its units are rows.
    pub fn pair<P>(&self, params: P) -> Option<Pair<'m, P>> {
        let rows = schedule::is_row_wise(self.model, self.step);
        let (walk, other) = match schedule::in_place(self.model, self.step) {
            Some(place) if rows => (Walk::InPlace(u8::try_from(place).ok()?), 1usize.checked_sub(place)?),
            _ => (if rows { Walk::Rows } else { Walk::Whole }, 1),
        };
        Some(Pair { params, other: Source::of(self.model, &self.input(other)?)?, walk })
    }
}

/// The arena without the output: what a step may read.
pub(crate) struct Inputs<'c> {
    before: &'c [u8],
    after: &'c [u8],
    after_offset: usize,
}

impl<'c> Inputs<'c> {
    /// Returns the bytes of an input; for a ring, the rows it holds.
    pub fn bytes<'b>(&self, source: &Source<'b>) -> Option<&'b [u8]>
    where
        'c: 'b,
    {
        match source.place {
            Place::Artifact(bytes) => Some(bytes),
            Place::Arena(extent) => {
                let (offset, length) = (extent.offset as usize, extent.bytes as usize);
                if let Some(offset) = offset.checked_sub(self.after_offset) {
                    self.after.get(offset..offset + length)
                } else {
                    self.before.get(offset..offset + length)
                }
            }
        }
    }

    /// Returns the values of an input.
    pub fn values<'b, T: Pod>(&self, source: &Source<'b>) -> Option<&'b [T]>
    where
        'c: 'b,
    {
        bytemuck::try_cast_slice(self.bytes(source)?).ok()
    }
}

/// What a step reads and writes, apart from one another.
pub(crate) struct Areas<'c> {
    /// The first input.
    pub input: &'c [u8],
    /// The states, in the operator's order; empty beyond those it has.
    pub states: [&'c mut [u8]; MAX_STATES],
    /// The output.
    pub output: &'c mut [u8],
    /// Bytes that mean nothing before and after; empty if the step names none.
    pub scratch: &'c mut [u8],
}

impl<'m> Call<'_, 'm> {
    /// Returns the first input, the output and the scratch bytes of the step.
    #[inline]
    pub(crate) fn areas(&mut self) -> Option<Areas<'_>> {
        let (constant, input) = self.first_input();
        let Operands { output, scratch, .. } = self.operands;
        let [input, output, scratch] =
            self.work.arena.get_disjoint_mut([input, output.range(), scratch.range()]).ok()?;
        Some(Areas { input: constant.unwrap_or(input), states: Default::default(), output, scratch })
    }

    /// As [`Call::areas`], with the states of the step, which begin anew where it says so.
    pub(crate) fn areas_with<P>(&mut self, stateful: &Stateful<'_, P>) -> Option<Areas<'_>> {
        let states = &stateful.states;
        if stateful.anew {
            states.iter().for_each(|state| state.begin(self.work.arena));
        }
        let [state0, state1] = states.each_ref().map(|State { extent, .. }| extent.range());
        let (constant, input) = self.first_input();
        let Operands { output, scratch, .. } = self.operands;
        let [input, state0, state1, output, scratch] =
            self.work.arena.get_disjoint_mut([input, state0, state1, output.range(), scratch.range()]).ok()?;
        Some(Areas { input: constant.unwrap_or(input), states: [state0, state1], output, scratch })
    }

    /// Returns the first input: its bytes if it lies in the artifact, else its range of the arena.
    fn first_input(&self) -> (Option<&'m [u8]>, Range<usize>) {
        match self.operands.input.place {
            Place::Artifact(bytes) => (Some(bytes), 0..0),
            Place::Arena(extent) => (None, extent.range()),
        }
    }

    /// Splits the arena into what the step reads and the bytes it writes.
    pub(crate) fn split(&mut self) -> Option<(Inputs<'_>, &mut [u8])> {
        let Extent { offset, bytes } = self.operands.output;
        let (offset, length) = (offset as usize, bytes as usize);
        let (before, rest) = self.work.arena.split_at_mut_checked(offset)?;
        let (output, after) = rest.split_at_mut_checked(length)?;
        Some((Inputs { before, after, after_offset: offset + length }, output))
    }

    /// Calls `kernel` with the whole first input and the output.
    pub(crate) fn whole<T: Pod, U: Pod>(&mut self, kernel: impl FnOnce(&[T], &mut [U]) -> KernelResult) -> Option<()> {
        let operands = self.operands;
        let (inputs, output) = self.split()?;
        kernel(inputs.values(&operands.input)?, bytemuck::try_cast_slice_mut(output).ok()?).ok()
    }

    /// Calls `kernel` with both whole inputs and the output.
    pub(crate) fn whole_pair<T: Pod>(
        &mut self,
        other: &Source<'_>,
        kernel: impl FnOnce(&[T], &[T], &mut [T]) -> KernelResult,
    ) -> Option<()> {
        let operands = self.operands;
        let (inputs, output) = self.split()?;
        let (input1, input2) = (inputs.values(&operands.input)?, inputs.values(other)?);
        kernel(input1, input2, bytemuck::try_cast_slice_mut(output).ok()?).ok()
    }

    /// Calls `kernel` with the rows of the first input, the rows of the output, and which of them are asked for.
    pub(crate) fn output_rows<T: Pod>(
        &mut self,
        kernel: impl FnOnce(Rows<'_, T>, &mut RowsMut<'_, T>, Range<usize>) -> KernelResult,
    ) -> Option<()> {
        let (operands, rows) = (self.operands, self.work.rows.clone());
        let (inputs, output) = self.split()?;
        let (from, to) = (operands.input.rows, operands.output_rows);
        let output = bytemuck::try_cast_slice_mut(output).ok()?;
        let mut output = RowsMut::new(output, to.bytes as usize / size_of::<T>(), to.slots as usize)?;
        let input = inputs.values(&operands.input)?;
        kernel(Rows::new(input, from.bytes as usize / size_of::<T>(), from.slots as usize)?, &mut output, rows).ok()
    }

    /// Calls `kernel` with runs of two inputs and the output and, if they are rows, their common shape: the rows that are
    /// asked for, as few runs as rings leave them in; else the whole tensors.
    pub(crate) fn each_pair<P>(
        &mut self,
        pair: &Pair<'_, P>,
        kernel: impl Fn(Option<&[u32]>, &[i8], &[i8], &mut [i8]) -> KernelResult,
    ) -> Option<()> {
        if let Walk::InPlace(place) = pair.walk {
            return self.each_piece(pair, place, kernel);
        }
        if pair.walk == Walk::Whole {
            return self.whole_pair(&pair.other, |input1, input2, output| kernel(None, input1, input2, output));
        }
        let (operands, rows) = (self.operands, self.work.rows.clone());
        let (inputs, output) = self.split()?;
        let (input1, input2) = (inputs.values::<i8>(&operands.input)?, inputs.values::<i8>(&pair.other)?);
        let output = bytemuck::cast_slice_mut(output);
        let layouts = [operands.input.rows, pair.other.rows, operands.output_rows];
        each_run(rows, layouts, |[start1, start2, start], length| {
            let shape = &[u32::try_from(length).ok()?][..];
            let (input1, input2) = (input1.get(start1..start1 + length)?, input2.get(start2..start2 + length)?);
            kernel(Some(shape), input1, input2, output.get_mut(start..start + length)?).ok()
        })
    }

    /// As [`Call::each_pair`] where input `place` is overwritten: piece by piece.
    fn each_piece<P>(
        &mut self,
        pair: &Pair<'_, P>,
        place: u8,
        kernel: impl Fn(Option<&[u32]>, &[i8], &[i8], &mut [i8]) -> KernelResult,
    ) -> Option<()> {
        let layouts = [self.operands.output_rows, pair.other.rows];
        let rows = self.work.rows.clone();
        let (inputs, output) = self.split()?;
        let other = inputs.values::<i8>(&pair.other)?;
        each_run(rows, layouts, |[start, from], length| {
            let other = other.get(from..from + length)?;
            in_pieces(output.get_mut(start..start + length)?, |at, own, output| {
                let (own, output) = (bytemuck::cast_slice(own), bytemuck::cast_slice_mut(output));
                let other = other.get(at..at + own.len())?;
                let (input1, input2) = if place == 0 { (own, other) } else { (other, own) };
                kernel(Some(&[own.len() as u32]), input1, input2, output).ok()
            })
        })
    }

    /// Calls `each` with every input row and output row as bytes: for operators that take one value at a time.
    pub(crate) fn each_row(&mut self, mut each: impl FnMut(&[u8], &mut [u8]) -> Option<()>) -> Option<()> {
        let (operands, rows) = (self.operands, self.work.rows.clone());
        let (inputs, output) = self.split()?;
        if operands.in_place() {
            return each_run(rows, [operands.output_rows], |[start], length| {
                in_pieces(output.get_mut(start..start + length)?, |_, x, y| each(x, y))
            });
        }
        let input = inputs.bytes(&operands.input)?;
        let (x_bytes, y_bytes) = (operands.input.rows.bytes as usize, operands.output_rows.bytes as usize);
        for row in rows {
            let ((from, _), (to, _)) = (operands.input.rows.place(row)?, operands.output_rows.place(row)?);
            each(input.get(from..from + x_bytes)?, output.get_mut(to..to + y_bytes)?)?;
        }
        Some(())
    }

    /// Calls `kernel` with the int16 values of every input row and output row.
    pub(crate) fn each_row_i16(&mut self, kernel: impl Fn(&[i16], &mut [i16]) -> KernelResult) -> Option<()> {
        self.each_row(|x, y| kernel(bytemuck::try_cast_slice(x).ok()?, bytemuck::try_cast_slice_mut(y).ok()?).ok())
    }
}

/// Calls `each` with the bytes that rows begin at in rings of one row length, and the length of the run: as many rows at once as
/// follow one another in all of them.
fn each_run<const N: usize>(
    rows: Range<usize>,
    layouts: [RowLayout; N],
    mut each: impl FnMut([usize; N], usize) -> Option<()>,
) -> Option<()> {
    let mut row = rows.start;
    while row < rows.end {
        let (mut count, mut length) = (rows.end - row, 0);
        let mut starts = [0; N];
        for (start, layout) in starts.iter_mut().zip(layouts) {
            let (first, follow) = layout.place(row)?;
            count = count.min(follow);
            length = layout.bytes as usize;
            *start = first;
        }
        each(starts, count * length)?;
        row += count;
    }
    Some(())
}

/// Bytes that are copied aside before they are overwritten: more where the stack is large and kernels are fast.
const PIECE: usize = if cfg!(feature = "std") { 1024 } else { 64 };

/// Calls `each` with where a piece of `values` begins, a copy of it, and its place.
pub(crate) fn in_pieces(values: &mut [u8], mut each: impl FnMut(usize, &[u8], &mut [u8]) -> Option<()>) -> Option<()> {
    let mut words = [0u32; PIECE / 4];
    for (number, piece) in values.chunks_mut(PIECE).enumerate() {
        let copy = bytemuck::cast_slice_mut(&mut words).get_mut(..piece.len())?;
        copy.copy_from_slice(piece);
        each(number * PIECE, copy, piece)?;
    }
    Some(())
}

/// Returns the kernel's form of a window.
fn window(w: &attrs::Window) -> Window {
    Window {
        kernel: w.kernel.map(|v| v as usize),
        stride: w.stride.map(|v| v as usize),
        dilation: w.dilation.map(|v| v as usize),
        pad: w.pad.map(|v| v as usize),
    }
}

/// Returns the image that a tensor of four axes holds (its batch entries follow one another).
fn image(tensor: &Tensor<'_>) -> Option<Image> {
    let &[_, height, width, channels] = tensor.shape else { return None };
    Some(Image { height: height as usize, width: width as usize, channels: channels as usize })
}
