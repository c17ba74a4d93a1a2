//! Parameters of the operators with states: SVDF, LSTM, GRU.

use tanbo_quant::{Multiplier, Rounding};

use super::{Multipliers, Output};

/// A state of either width, read and written in place.
#[derive(Debug)]
pub enum StateMut<'a> {
    /// Bytes with sign.
    I8(&'a mut [i8]),
    /// 16-bit integers.
    I16(&'a mut [i16]),
}

/// Singular value decomposition filter: `units · rank` filters, each a weighted sum over the input followed by one over
/// time. Filter `u · rank + k` belongs to unit `u`.
#[derive(Clone, Copy, Debug)]
pub struct Svdf<'a> {
    /// Filters per unit.
    pub rank: usize,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the state.
    pub state_zero_point: i32,
    /// `[filters, inputs]`.
    pub feature_weights: &'a [i8],
    /// `[filters, memory]`, the oldest first.
    pub time_weights: &'a [i16],
    /// One per unit.
    pub bias: &'a [i32],
    /// From a weighted sum over the input to the state.
    pub feature: Multiplier,
    /// From a weighted sum over time to the output.
    pub multiplier: Multiplier,
    /// Output.
    pub range: Output,
}

/// What the steps in time of a recurrent layer have in common.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    /// Steps in time.
    pub steps: usize,
    /// Sequences beside one another.
    pub batch: usize,
    /// Values per step of the input.
    pub inputs: usize,
    /// Values per step of the output, and of a state.
    pub units: usize,
    /// Tensors are `[steps, batch, values]`, otherwise `[batch, steps, values]`.
    pub time_major: bool,
    /// The last step first.
    pub reverse: bool,
}

impl Sequence {
    /// Returns the row of input and output in which step `step`, counted in the order of the work, of sequence `batch` lies.
    #[inline]
    pub fn row(&self, step: usize, batch: usize) -> usize {
        let time = if self.reverse { self.steps - 1 - step } else { step };
        if self.time_major { time * self.batch + batch } else { batch * self.steps + time }
    }
}

/// The weighted sums of all gates over the input and over the hidden state, with the multipliers that bring them to Q3.12.
#[derive(Clone, Copy, Debug)]
pub struct Gates<'a, B> {
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the hidden state and of the output.
    pub hidden_zero_point: i32,
    /// `[gates, units, inputs]`.
    pub input_weights: &'a [i8],
    /// `[gates, units, units]`.
    pub recurrent_weights: &'a [i8],
    /// `[gates, units]`, added to the sums over the input.
    pub bias: &'a [B],
    /// One per gate, or one per gate and unit.
    pub input_multipliers: Multipliers<'a>,
    /// As for the input.
    pub recurrent_multipliers: Multipliers<'a>,
    /// Rounding of every multiplication.
    pub rounding: Rounding,
}

/// Long short-term memory; gates in the order input, forget, cell, output. `B` is the type of the biases.
#[derive(Clone, Copy, Debug)]
pub struct Lstm<'a, B> {
    /// Sizes.
    pub sequence: Sequence,
    /// Weighted sums.
    pub gates: Gates<'a, B>,
    /// From forget gate (Q0.15) times cell to cell.
    pub forget: Multiplier,
    /// From input gate times cell gate (both Q0.15) to cell.
    pub update: Multiplier,
    /// From output gate times tanh of the cell (both Q0.15) to the hidden state.
    pub hidden: Multiplier,
    /// Bits after the point of the cell: its scale is `2^-cell_bits`.
    pub cell_bits: u32,
    /// Greatest magnitude of the cell; 0: what an `i16` holds.
    pub cell_clip: i32,
}

/// Gated recurrent unit; gates in the order update, reset, new. `B` is the type of the biases.
#[derive(Clone, Copy, Debug)]
pub struct Gru<'a, B> {
    /// Sizes.
    pub sequence: Sequence,
    /// Weighted sums.
    pub gates: Gates<'a, B>,
    /// Whether the reset gate acts on the weighted sum over the hidden state, not on the hidden state itself.
    pub linear_before_reset: bool,
    /// `[units]`, added to the new gate's sum over the hidden state; only with `linear_before_reset`.
    pub recurrent_bias: &'a [B],
    /// From the hidden state to Q0.15.
    pub unit: Multiplier,
    /// From Q0.30 to the hidden state.
    pub hidden: Multiplier,
}
