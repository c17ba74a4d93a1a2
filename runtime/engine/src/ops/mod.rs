//! Adapters: a step's records become a kernel's parameters. One file per operator.
//!
//! A run function returns `None` where a record does not fit, which `Model::parse` rules out.

mod add;
mod add_i16;
mod average_pool2d;
mod average_pool2d_i16;
mod batch_matmul;
mod batch_matmul_i16;
mod concat;
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
use tanbo_format::schedule;
use tanbo_format::{Model, Op, Start, Step, Storage, Tensor, attrs};
use tanbo_kernels::{Image, KernelResult, Kernels, Multipliers, Output, OutputI16, Rows, RowsMut, Window};

/// Runs rows of one step.
pub(crate) type RunFn = fn(&mut Call<'_, '_>) -> Option<()>;

/// What a run function gets.
pub(crate) struct Call<'c, 'm> {
    pub model: &'c Model<'m>,
    pub step: Step<'m>,
    pub arena: &'c mut [u8],
    /// Units of work to do: output rows, mostly (see `tanbo_format::schedule::units`); operators that have no rows do all
    /// their work for row 0.
    pub rows: Range<usize>,
    /// Threads that may share a step.
    #[cfg(feature = "threads")]
    pub threads: usize,
}

/// Returns the adapter of `op` with kernels of `K`; in `const` context, so that nothing else is linked.
pub(crate) const fn run_fn<K: Kernels>(op: Op) -> RunFn {
    match op {
        Op::Conv2d => conv2d::run::<K>,
        Op::DepthwiseConv2d => depthwise_conv2d::run::<K>,
        Op::FullyConnected => fully_connected::run::<K>,
        Op::AveragePool2d => average_pool2d::run::<K>,
        Op::MaxPool2d => max_pool2d::run::<K>,
        Op::Mean => mean::run::<K>,
        Op::Add => add::run::<K>,
        Op::Sub => sub::run::<K>,
        Op::Mul => mul::run::<K>,
        Op::Lut => lut::run::<K>,
        Op::Softmax => softmax::run::<K>,
        Op::Pad => pad::run::<K>,
        Op::Concat => concat::run::<K>,
        Op::Slice => slice::run::<K>,
        Op::Transpose => transpose::run::<K>,
        Op::Requantize => requantize::run::<K>,
        Op::Conv2dI16 => conv2d_i16::run::<K>,
        Op::DepthwiseConv2dI16 => depthwise_conv2d_i16::run::<K>,
        Op::FullyConnectedI16 => fully_connected_i16::run::<K>,
        Op::AveragePool2dI16 => average_pool2d_i16::run::<K>,
        Op::MaxPool2dI16 => max_pool2d_i16::run::<K>,
        Op::MeanI16 => mean_i16::run::<K>,
        Op::AddI16 => add_i16::run::<K>,
        Op::SubI16 => sub_i16::run::<K>,
        Op::MulI16 => mul_i16::run::<K>,
        Op::LutI16 => lut_i16::run::<K>,
        Op::SigmoidI16 => sigmoid_i16::run::<K>,
        Op::SoftmaxI16 => softmax_i16::run::<K>,
        Op::Svdf => svdf::run::<K>,
        Op::Lstm => lstm::run::<K>,
        Op::Gru => gru::run::<K>,
        Op::LstmI16 => lstm_i16::run::<K>,
        Op::GruI16 => gru_i16::run::<K>,
        Op::Conv2dI4 => conv2d_i4::run::<K>,
        Op::DepthwiseConv2dI4 => depthwise_conv2d_i4::run::<K>,
        Op::FullyConnectedI4 => fully_connected_i4::run::<K>,
        Op::TransposeConv2d => transpose_conv2d::run::<K>,
        Op::TransposeConv2dI16 => transpose_conv2d_i16::run::<K>,
        Op::BatchMatmul => batch_matmul::run::<K>,
        Op::BatchMatmulI16 => batch_matmul_i16::run::<K>,
        Op::Gather => gather::run::<K>,
        Op::ResizeBilinear => resize_bilinear::run::<K>,
        Op::Minimum => minimum::run::<K>,
        Op::Maximum => maximum::run::<K>,
        Op::ReduceMax => reduce_max::run::<K>,
        Op::ReduceMin => reduce_min::run::<K>,
        Op::SquaredDifference => squared_difference::run::<K>,
        Op::LayerNorm => layer_norm::run::<K>,
        Op::L2Norm => l2_norm::run::<K>,
        Op::Div => div::run::<K>,
    }
}

/// Returns the adapter of `op` with packed constants, `None` if it has no packings. As [`run_fn`].
pub(crate) const fn packed_run_fn<K: Kernels>(op: Op) -> Option<RunFn> {
    match op {
        Op::Conv2d => Some(packed::conv2d::<K>),
        Op::DepthwiseConv2d => Some(packed::depthwise_conv2d::<K>),
        Op::FullyConnected => Some(packed::fully_connected::<K>),
        _ => None,
    }
}

/// The arena without the output: what a step may read.
pub(crate) struct Inputs<'c, 'm> {
    model: &'c Model<'m>,
    before: &'c [u8],
    after: &'c [u8],
    after_offset: usize,
}

impl<'c, 'm: 'c> Inputs<'c, 'm> {
    /// Returns the bytes of `tensor`; for a ring, the rows it holds.
    pub fn bytes(&self, tensor: &Tensor<'_>) -> Option<&'c [u8]> {
        match self.model.storage(tensor.storage)? {
            Storage::Constant { .. } => self.model.constant_tensor(tensor),
            Storage::Arena { offset, bytes, .. } | Storage::State { offset, bytes } => {
                let length = tensor.bytes().min(bytes);
                if let Some(offset) = offset.checked_sub(self.after_offset) {
                    self.after.get(offset..offset + length)
                } else {
                    self.before.get(offset..offset + length)
                }
            }
        }
    }

    /// Returns the int8 values of `tensor`.
    pub fn int8(&self, tensor: &Tensor<'_>) -> Option<&'c [i8]> {
        self.bytes(tensor).map(bytemuck::cast_slice)
    }

    /// Returns the int16 values of `tensor`.
    pub fn int16(&self, tensor: &Tensor<'_>) -> Option<&'c [i16]> {
        self.values(tensor)
    }

    fn values<T: Pod>(&self, tensor: &Tensor<'_>) -> Option<&'c [T]> {
        bytemuck::try_cast_slice(self.bytes(tensor)?).ok()
    }

    /// Returns the rows of `tensor`.
    pub fn rows<T: Pod>(&self, tensor: &Tensor<'_>) -> Option<Rows<'c, T>> {
        let (row_bytes, slots) = row_layout(self.model, tensor)?;
        Rows::new(self.values(tensor)?, row_bytes / size_of::<T>(), slots)
    }
}

/// Returns the bytes of a row and the number of rows kept.
fn row_layout(model: &Model<'_>, tensor: &Tensor<'_>) -> Option<(usize, usize)> {
    let rows = tensor.rows() as usize;
    let slots = match model.storage(tensor.storage)? {
        Storage::Arena { ring_rows, .. } if ring_rows > 0 => ring_rows.min(rows),
        _ => rows,
    };
    Some((tensor.bytes().checked_div(rows)?, slots))
}

/// Returns where in the arena `tensor` lies; for a ring, the rows it holds.
fn arena_range(model: &Model<'_>, tensor: &Tensor<'_>) -> Option<Range<usize>> {
    match model.storage(tensor.storage)? {
        Storage::Arena { offset, bytes, .. } | Storage::State { offset, bytes } => {
            Some(offset..offset + tensor.bytes().min(bytes))
        }
        Storage::Constant { .. } => None,
    }
}

/// Gives storage `index` its first content, if it is a state.
pub(crate) fn start_state(model: &Model<'_>, index: u16, arena: &mut [u8]) {
    let (Some(start), Some(Storage::State { offset, bytes })) = (model.state_start(index), model.storage(index)) else {
        return;
    };
    let Some(state) = arena.get_mut(offset..offset + bytes) else { return };
    match start {
        Start::Fill(byte) => state.fill(byte),
        Start::Image(image) => state.iter_mut().zip(image).for_each(|(byte, &first)| *byte = first),
    }
}

/// Most state operands of an operator.
const MAX_STATES: usize = 2;

/// What a step with states reads and writes.
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
    /// Returns the first input, the states, the output and the scratch bytes of the step, apart from one another.
    pub fn areas(&mut self) -> Option<Areas<'_>> {
        let model = self.model;
        let x = self.input(0)?;
        let constant = model.constant_tensor(&x);
        let output = arena_range(model, &self.output()?)?;
        let scratch = match self.step.scratch {
            Some(storage) => match model.storage(storage)? {
                Storage::Arena { offset, bytes, .. } => offset..offset + bytes,
                _ => return None,
            },
            None => 0..0,
        };
        let input = if constant.is_some() { 0..0 } else { arena_range(model, &x)? };
        // Most steps have no states, and three ranges are compared sooner than five.
        if self.step.states.is_empty() {
            let [input, output, scratch] = self.arena.get_disjoint_mut([input, output, scratch]).ok()?;
            return Some(Areas { input: constant.unwrap_or(input), states: Default::default(), output, scratch });
        }
        let mut ranges = [const { 0..0 }; MAX_STATES];
        for (range, &state) in ranges.iter_mut().zip(self.step.states) {
            *range = arena_range(model, &model.tensor(state)?)?;
        }
        let [state0, state1] = ranges;
        let [input, state0, state1, output, scratch] =
            self.arena.get_disjoint_mut([input, state0, state1, output, scratch]).ok()?;
        Some(Areas { input: constant.unwrap_or(input), states: [state0, state1], output, scratch })
    }

    /// Returns input tensor `index`.
    pub fn input(&self, index: usize) -> Option<Tensor<'m>> {
        self.model.tensor(*self.step.inputs.get(index)?)
    }

    /// Returns the output tensor.
    pub fn output(&self) -> Option<Tensor<'m>> {
        self.model.tensor(self.step.output)
    }

    /// Splits the arena into what the step reads and the bytes it writes.
    pub fn split(&mut self) -> Option<(Inputs<'_, 'm>, &mut [u8])> {
        let tensor = self.output()?;
        let Range { start: offset, end } = arena_range(self.model, &tensor)?;
        let length = end - offset;
        let (before, rest) = self.arena.split_at_mut_checked(offset)?;
        let (output, after) = rest.split_at_mut_checked(length)?;
        Some((Inputs { model: self.model, before, after, after_offset: offset + length }, output))
    }

    /// As [`Call::split`], with the output as int8 values.
    pub fn split_int8(&mut self) -> Option<(Inputs<'_, 'm>, &mut [i8])> {
        let (inputs, output) = self.split()?;
        Some((inputs, bytemuck::cast_slice_mut(output)))
    }

    /// As [`Call::split`], with the output as int16 values.
    pub fn split_int16(&mut self) -> Option<(Inputs<'_, 'm>, &mut [i16])> {
        let (inputs, output) = self.split()?;
        Some((inputs, bytemuck::try_cast_slice_mut(output).ok()?))
    }

    /// As [`Call::split`], with the output as rows.
    pub fn split_rows<T: Pod>(&mut self) -> Option<(Inputs<'_, 'm>, RowsMut<'_, T>)> {
        let (row_bytes, slots) = row_layout(self.model, &self.output()?)?;
        let (inputs, output) = self.split()?;
        let output = bytemuck::try_cast_slice_mut(output).ok()?;
        Some((inputs, RowsMut::new(output, row_bytes / size_of::<T>(), slots)?))
    }

    /// Calls `kernel` with the rows of `x`, the rows of the output, and which of them are asked for.
    pub fn output_rows<T: Pod>(
        &mut self,
        x: &Tensor<'_>,
        kernel: impl FnOnce(Rows<'_, T>, &mut RowsMut<'_, T>, Range<usize>) -> KernelResult,
    ) -> Option<()> {
        let rows = self.rows.clone();
        let (inputs, mut output) = self.split_rows()?;
        kernel(inputs.rows(x)?, &mut output, rows).ok()
    }

    /// Calls `kernel` with runs of two inputs and the output and the shapes of all three: without broadcasting, the rows that
    /// are asked for, as few runs as rings leave them in; else the whole tensors.
    pub fn each_pair(
        &mut self,
        kernel: impl Fn([&[u32]; 2], &[u32], &[i8], &[i8], &mut [i8]) -> KernelResult,
    ) -> Option<()> {
        let (x1, x2, y) = (self.input(0)?, self.input(1)?, self.output()?);
        let by_rows = schedule::is_row_wise(self.model, &self.step);
        let layouts = [row_layout(self.model, &x1)?, row_layout(self.model, &x2)?, row_layout(self.model, &y)?];
        let rows = self.rows.clone();
        let (inputs, output) = self.split_int8()?;
        let (input1, input2) = (inputs.int8(&x1)?, inputs.int8(&x2)?);
        if !by_rows {
            return kernel([x1.shape, x2.shape], y.shape, input1, input2, output).ok();
        }
        let [(length, _), ..] = layouts;
        let mut row = rows.start;
        while row < rows.end {
            // As many rows as follow one another in all three.
            let mut count = rows.end - row;
            let mut starts = [0; 3];
            for (start, (_, slots)) in starts.iter_mut().zip(layouts) {
                let slot = row.checked_rem(slots)?;
                count = count.min(slots - slot);
                *start = slot * length;
            }
            let [start1, start2, start] = starts;
            let run = count * length;
            let shape = &[u32::try_from(run).ok()?][..];
            let (input1, input2) = (input1.get(start1..start1 + run)?, input2.get(start2..start2 + run)?);
            kernel([shape, shape], shape, input1, input2, output.get_mut(start..start + run)?).ok()?;
            row += count;
        }
        Some(())
    }

    /// Calls `each` with every input row and output row as bytes: for operators that take one value at a time.
    pub fn each_row(&mut self, mut each: impl FnMut(&[u8], &mut [u8]) -> Option<()>) -> Option<()> {
        let (x, y) = (self.input(0)?, self.output()?);
        let (x_bytes, x_slots) = row_layout(self.model, &x)?;
        let (y_bytes, y_slots) = row_layout(self.model, &y)?;
        let rows = self.rows.clone();
        let (inputs, output) = self.split()?;
        let input = inputs.bytes(&x)?;
        for row in rows {
            let (from, to) = (row.checked_rem(x_slots)? * x_bytes, row.checked_rem(y_slots)? * y_bytes);
            each(input.get(from..from + x_bytes)?, output.get_mut(to..to + y_bytes)?)?;
        }
        Some(())
    }

    /// Returns the bounds and zero point of the output.
    pub fn range(&self, zero_point: i32, low: i32, high: i32) -> Output {
        Output { zero_point, low, high, rounding: self.step.rounding }
    }

    /// Returns the bounds of an int16 output.
    pub fn range_i16(&self, low: i32, high: i32) -> OutputI16 {
        OutputI16 { low, high, rounding: self.step.rounding, narrow: false }
    }

    /// Calls `kernel` with the int16 values of every input row and output row.
    pub fn each_row_i16(&mut self, kernel: impl Fn(&[i16], &mut [i16]) -> KernelResult) -> Option<()> {
        self.each_row(|x, y| kernel(bytemuck::try_cast_slice(x).ok()?, bytemuck::try_cast_slice_mut(y).ok()?).ok())
    }

    /// Returns the multipliers in constants `first` and `first + 1`.
    pub fn multipliers(&self, first: usize) -> Option<Multipliers<'m>> {
        Some(Multipliers { mantissas: self.step.constant(first)?.i32()?, shifts: self.step.constant(first + 1)?.i8()? })
    }
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
