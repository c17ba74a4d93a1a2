//! What each operator asks of its shapes, attributes and constants, so that its kernels need not ask.
//!
//! One function per operator, in the file of its family; [`Checks`] holds those that a program names, so that no others
//! are linked.

mod conv;
mod dense;
mod elementwise;
mod moves;
mod norm;
mod packed;
mod pool;
mod recurrent;
mod selection;
mod softmax;
mod wide;

use tanbo_packing::Layout;
use tanbo_quant::{Multiplier, Rounding};

use crate::attrs::{self, Conv, ConvI16, MultiplierWords, Pool, Range, Window};
use crate::error::FormatErrorKind as Kind;
use crate::model::{Constant, Model, Step, Tensor};
use crate::op::{ElementType, MAX_RANK, OP_TABLE_LEN, Op};
use crate::record::MAX_TERMS;

type Checked = Result<(), Kind>;

/// Checks a step of one operator: its first input and its output are given, further inputs are in the step.
type CheckFn = fn(&Model<'_>, &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked;

/// As [`CheckFn`], of a step with one of these packings.
type PackedCheckFn = fn(&Model<'_>, &Step<'_>, y: &Tensor<'_>, &'static [Layout]) -> Checked;

/// What steps of one operator and packing must satisfy.
#[derive(Clone, Copy, Debug)]
pub struct Check(Form);

#[derive(Clone, Copy, Debug)]
enum Form {
    Portable(CheckFn),
    Packed(PackedCheckFn, &'static [Layout]),
}

impl Check {
    /// Returns the check of `op` in the portable packing. In `const` context, so that no other is linked.
    pub const fn portable(op: Op) -> Self {
        Self(Form::Portable(check_fn(op)))
    }

    /// Returns the check of the packings `layouts`.
    pub const fn packed(layouts: &'static [Layout]) -> Self {
        Self(Form::Packed(packed::step, layouts))
    }

    pub(crate) fn step(self, model: &Model<'_>, step: &Step<'_>, y: &Tensor<'_>) -> Checked {
        match self.0 {
            Form::Portable(check) => {
                let x = step.inputs.first().and_then(|&t| model.tensor(t)).ok_or(Kind::Arity)?;
                check(model, step, &x, y)
            }
            Form::Packed(check, layouts) => check(model, step, y, layouts),
        }
    }
}

/// Where [`Model::parse_for`] finds the checks: what has none is refused.
pub trait FindCheck {
    /// Returns the check of steps of `op` whose constants have the packing `variant`.
    fn find(&self, op: Op, variant: u8) -> Option<Check>;
}

/// The checks of a set of operators and packings. An artifact with any other is refused.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    portable: [Option<CheckFn>; OP_TABLE_LEN],
    packed: Option<Check>,
}

impl Checks {
    /// The checks of every operator in every packing.
    pub const ALL: &'static Self = &Self::new(u64::MAX, tanbo_packing::ALL);

    /// Returns the checks of the operators whose bits are set, in the portable packing, and of the packings `layouts`. In
    /// `const` context, so that no others are linked.
    #[allow(clippy::indexing_slicing, reason = "const context, bounded by `Op::ALL`")]
    pub const fn new(operators: u64, layouts: &'static [Layout]) -> Self {
        let mut checks = [None; OP_TABLE_LEN];
        let mut i = 0;
        while i < Op::ALL.len() {
            let op = Op::ALL[i];
            if operators >> op as u8 & 1 == 1 {
                checks[op as usize] = Some(check_fn(op));
            }
            i += 1;
        }
        // Without packings, their check is not linked.
        Self { portable: checks, packed: if layouts.is_empty() { None } else { Some(Check::packed(layouts)) } }
    }
}

impl FindCheck for Checks {
    fn find(&self, op: Op, variant: u8) -> Option<Check> {
        if variant != 0 {
            return self.packed;
        }
        self.portable.get(op as usize).copied().flatten().map(|check| Check(Form::Portable(check)))
    }
}

const fn check_fn(op: Op) -> CheckFn {
    match op {
        Op::Conv2d => conv::conv2d,
        Op::DepthwiseConv2d => conv::depthwise_conv2d,
        Op::FullyConnected => conv::fully_connected,
        Op::AveragePool2d => pool::average_pool2d,
        Op::MaxPool2d => pool::max_pool2d,
        Op::Mean => pool::mean,
        Op::Add | Op::Sub => elementwise::sum,
        Op::Mul | Op::Div => elementwise::product,
        Op::Lut => elementwise::lut,
        Op::Softmax => softmax::softmax,
        Op::Pad => moves::pad,
        Op::Concat => moves::concat,
        Op::Slice => moves::slice,
        Op::Transpose => moves::transpose,
        Op::Requantize => elementwise::requantize,
        Op::Conv2dI16 => wide::conv2d,
        Op::DepthwiseConv2dI16 => wide::depthwise_conv2d,
        Op::FullyConnectedI16 => wide::fully_connected,
        Op::AveragePool2dI16 => wide::average_pool2d,
        Op::MaxPool2dI16 => wide::max_pool2d,
        Op::MeanI16 => wide::mean,
        Op::AddI16 | Op::SubI16 => wide::sum,
        Op::MulI16 => wide::product,
        Op::LutI16 => wide::lut,
        Op::SigmoidI16 => wide::sigmoid,
        Op::SoftmaxI16 => wide::softmax,
        Op::Svdf => recurrent::svdf,
        Op::Lstm | Op::LstmI16 => recurrent::lstm,
        Op::Gru | Op::GruI16 => recurrent::gru,
        Op::Conv2dI4 => dense::conv2d_i4,
        Op::DepthwiseConv2dI4 => dense::depthwise_conv2d_i4,
        Op::FullyConnectedI4 => dense::fully_connected_i4,
        Op::TransposeConv2d => dense::transpose_conv2d,
        Op::TransposeConv2dI16 => wide::transpose_conv2d,
        Op::BatchMatmul => dense::batch_matmul,
        Op::BatchMatmulI16 => wide::batch_matmul,
        Op::Gather => selection::gather,
        Op::ResizeBilinear => selection::resize_bilinear,
        Op::Minimum | Op::Maximum => selection::pairwise,
        Op::ReduceMax | Op::ReduceMin => selection::reduction,
        Op::SquaredDifference => elementwise::squared_difference,
        Op::LayerNorm => norm::layer_norm,
        Op::L2Norm => norm::l2_norm,
    }
}

/// Positions (row · stride + tap · dilation) stay below this, so that kernels may use i32.
const MAX_POSITION: i64 = 1 << 30;

fn ensure(condition: bool, kind: Kind) -> Checked {
    if condition { Ok(()) } else { Err(kind) }
}

/// Returns how many words and bytes of constants the checks of a step look at one by one.
pub(crate) fn entries(step: &Step<'_>) -> u64 {
    // Of weights and tables only the length matters; they come first.
    let unseen = match step.op {
        Op::Svdf | Op::Lstm | Op::Gru | Op::LstmI16 | Op::GruI16 => 2,
        op => usize::from(op.has_weights() || matches!(op, Op::Lut | Op::LutI16 | Op::SigmoidI16)),
    };
    let lengths = (0..step.op.const_types().len()).skip(unseen);
    let lengths = lengths.map(|index| step.constant(index).map_or(0, Constant::len));
    lengths.sum::<usize>() as u64
}

/// Returns tensor `index` of the step's inputs.
fn input<'a>(model: &Model<'a>, step: &Step<'_>, index: usize) -> Result<Tensor<'a>, Kind> {
    step.inputs.get(index).and_then(|&t| model.tensor(t)).ok_or(Kind::Arity)
}

/// Both tensors are int8.
fn int8(x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.ty == ElementType::I8 && y.ty == ElementType::I8, Kind::Type)
}

fn byte_constant<'a>(step: &Step<'a>, index: usize) -> Result<&'a [i8], Kind> {
    step.constant(index).and_then(Constant::i8).ok_or(Kind::Constant)
}

fn word_constant<'a>(step: &Step<'a>, index: usize) -> Result<&'a [i32], Kind> {
    step.constant(index).and_then(Constant::i32).ok_or(Kind::Constant)
}

fn multiplier(words: MultiplierWords) -> Checked {
    words.get().map(|_| ()).ok_or(Kind::Attribute)
}

fn multipliers(step: &Step<'_>, first: usize, lengths: [usize; 2]) -> Checked {
    let (mantissas, shifts) = (word_constant(step, first)?, byte_constant(step, first + 1)?);
    ensure(mantissas.len() == shifts.len() && lengths.contains(&shifts.len()), Kind::Constant)?;
    for (&mantissa, &shift) in mantissas.iter().zip(shifts) {
        Multiplier::new(mantissa, i32::from(shift)).ok_or(Kind::Constant)?;
    }
    Ok(())
}

fn bounds(low: i32, high: i32, ty: ElementType) -> Checked {
    let (least, greatest) = ty.range();
    ensure(least <= low && low <= high && high <= greatest, Kind::Attribute)
}

fn zero_point(value: i32, ty: ElementType) -> Checked {
    bounds(value, value, ty)
}

fn range(range: &Range, x: ElementType, y: ElementType) -> Checked {
    zero_point(range.input_zero_point, x)?;
    zero_point(range.output_zero_point, y)?;
    bounds(range.low, range.high, y)
}

/// Shapes of an operator with a window, and positions that fit an i32.
fn window_geometry(window: &Window, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let (&[xn, xh, xw, _], &[yn, yh, yw, _]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(xn == yn, Kind::Shape)?;
    for (axis, (inputs, outputs)) in [(xh, yh), (xw, yw)].into_iter().enumerate() {
        let get = |values: &[i32; 2]| values.get(axis).map(|&v| i64::from(v)).ok_or(Kind::Attribute);
        let (kernel, stride) = (get(&window.kernel)?, get(&window.stride)?);
        let (dilation, pad) = (get(&window.dilation)?, get(&window.pad)?);
        ensure(kernel > 0 && stride > 0 && dilation > 0 && pad >= 0, Kind::Attribute)?;
        let last = i64::from(outputs) * stride + kernel * dilation + pad;
        ensure(last < MAX_POSITION && i64::from(inputs) < MAX_POSITION, Kind::Attribute)?;
    }
    Ok(())
}

/// `|Σ (x - zero point)·w + bias|` is at most `terms · 255 · 128 + |bias|`.
fn accumulator(terms: u64, bias: &[i32]) -> Checked {
    ensure(terms <= MAX_TERMS, Kind::Accumulator)?;
    let largest = bias.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0);
    ensure(terms * 255 * 128 + u64::from(largest) <= i32::MAX as u64, Kind::Accumulator)
}

/// Returns the taps of a window whose geometry is checked; saturates.
fn taps(window: &Window) -> u64 {
    let [height, width] = window.kernel.map(|taps| u64::try_from(taps).unwrap_or(0));
    height.saturating_mul(width)
}
