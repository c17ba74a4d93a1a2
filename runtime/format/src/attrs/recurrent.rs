//! Attributes of the operators with states.

use super::MultiplierWords;

/// Attributes of `svdf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Svdf {
    /// Filters per unit.
    pub rank: i32,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the state.
    pub state_zero_point: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// From the sum over the input to the state.
    pub feature: MultiplierWords,
    /// From the sum over time to the output.
    pub multiplier: MultiplierWords,
}

impl Svdf {
    /// Decodes `svdf`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[rank, zx, zs, zy, fm, fs, mantissa, shift] = <&[i32; 8]>::try_from(words).ok()?;
        Some(Self {
            rank,
            input_zero_point: zx,
            state_zero_point: zs,
            output_zero_point: zy,
            feature: MultiplierWords { mantissa: fm, shift: fs },
            multiplier: MultiplierWords { mantissa, shift },
        })
    }
}

/// What `lstm` and `gru` have in common. Flags are 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// Tensors are `[steps, batch, values]`, otherwise `[batch, steps, values]`.
    pub time_major: i32,
    /// The last step first.
    pub reverse: i32,
    /// States keep their content between inferences; otherwise they start anew in each.
    pub keep: i32,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the hidden state and the output.
    pub hidden_zero_point: i32,
}

/// Attributes of `lstm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lstm {
    /// Order and zero points.
    pub recurrence: Recurrence,
    /// From forget gate times cell to cell.
    pub forget: MultiplierWords,
    /// From input gate times cell gate to cell.
    pub update: MultiplierWords,
    /// From output gate times tanh of the cell to the hidden state.
    pub hidden: MultiplierWords,
    /// Bits after the point of the cell.
    pub cell_bits: i32,
    /// Greatest magnitude of the cell, or 0.
    pub cell_clip: i32,
}

impl Lstm {
    /// Decodes `lstm` and `lstm_i16`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[time_major, reverse, keep, zx, zh, fm, fs, um, us, hm, hs, cell_bits, cell_clip] =
            <&[i32; 13]>::try_from(words).ok()?;
        Some(Self {
            recurrence: Recurrence { time_major, reverse, keep, input_zero_point: zx, hidden_zero_point: zh },
            forget: MultiplierWords { mantissa: fm, shift: fs },
            update: MultiplierWords { mantissa: um, shift: us },
            hidden: MultiplierWords { mantissa: hm, shift: hs },
            cell_bits,
            cell_clip,
        })
    }
}

/// Attributes of `gru`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gru {
    /// Order and zero points.
    pub recurrence: Recurrence,
    /// Whether (1 or 0) the reset gate acts on the sum over the hidden state.
    pub linear_before_reset: i32,
    /// From the hidden state to Q0.15.
    pub unit: MultiplierWords,
    /// From Q0.30 to the hidden state.
    pub hidden: MultiplierWords,
}

impl Gru {
    /// Decodes `gru` and `gru_i16`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[time_major, reverse, keep, linear_before_reset, zx, zh, um, us, hm, hs] =
            <&[i32; 10]>::try_from(words).ok()?;
        Some(Self {
            recurrence: Recurrence { time_major, reverse, keep, input_zero_point: zx, hidden_zero_point: zh },
            linear_before_reset,
            unit: MultiplierWords { mantissa: um, shift: us },
            hidden: MultiplierWords { mantissa: hm, shift: hs },
        })
    }
}
