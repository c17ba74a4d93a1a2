//! Attribute words of a step as named numbers: the one place where their order is decoded.

mod dense;
mod norm;
mod recurrent;
mod selection;
mod wide;

pub use dense::{BatchMatmul, fully_connected_i4, transpose_conv2d_i16};
pub use norm::LayerNorm;
pub use recurrent::{Gru, Lstm, Recurrence, Svdf};
pub use selection::ResizeBilinear;
pub use wide::*;

/// A window over height and width with its zero points and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width in taps.
    pub kernel: [i32; 2],
    /// Distance between outputs.
    pub stride: [i32; 2],
    /// Distance between taps.
    pub dilation: [i32; 2],
    /// Padding above and to the left.
    pub pad: [i32; 2],
}

impl Window {
    /// Returns how many rows the window spans.
    pub const fn rows(&self) -> i64 {
        (self.kernel[0] as i64 - 1) * self.dilation[0] as i64 + 1
    }

    /// Returns how many input rows an output row of a transposed convolution needs, at most.
    pub const fn transposed_rows(&self) -> i64 {
        (self.rows() - 1) / self.stride_rows() + 1
    }

    /// Returns the last input row that output row `row` of a transposed convolution needs.
    pub const fn last_transposed_row(&self, row: u32) -> i64 {
        (row as i64 + self.pad[0] as i64) / self.stride_rows()
    }

    /// The distance between rows, 1 in place of one that makes no sense.
    const fn stride_rows(&self) -> i64 {
        if self.stride[0] > 0 { self.stride[0] as i64 } else { 1 }
    }

    /// Returns the first input row under the window of output row `row`; may be negative.
    pub const fn first_row(&self, row: u32) -> i64 {
        row as i64 * self.stride[0] as i64 - self.pad[0] as i64
    }
}

/// Zero points of input and output, and the bounds of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Least output.
    pub low: i32,
    /// Greatest output.
    pub high: i32,
}

/// Attributes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Geometry.
    pub window: Window,
    /// Zero points and bounds.
    pub range: Range,
    /// Number of groups; 1 for a depthwise convolution, where it means nothing.
    pub groups: i32,
}

impl Conv {
    /// Decodes `conv2d`.
    pub fn from_conv2d(words: &[i32]) -> Option<Self> {
        let (groups, words) = words.split_last()?;
        Some(Self { groups: *groups, ..Self::from_depthwise_conv2d(words)? })
    }

    /// Decodes `depthwise_conv2d`.
    pub fn from_depthwise_conv2d(words: &[i32]) -> Option<Self> {
        let &[kh, kw, sh, sw, dh, dw, pt, pl, xz, yz, low, high] = <&[i32; 12]>::try_from(words).ok()?;
        Some(Self {
            window: Window { kernel: [kh, kw], stride: [sh, sw], dilation: [dh, dw], pad: [pt, pl] },
            range: Range { input_zero_point: xz, output_zero_point: yz, low, high },
            groups: 1,
        })
    }
}

/// Attributes of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Geometry; dilation is 1.
    pub window: Window,
    /// Zero points (0 for a maximum) and bounds.
    pub range: Range,
}

impl Pool {
    /// Decodes `average_pool2d`.
    pub fn from_average(words: &[i32]) -> Option<Self> {
        let &[kh, kw, sh, sw, pt, pl, xz, yz, low, high] = <&[i32; 10]>::try_from(words).ok()?;
        Some(Self {
            window: Window { kernel: [kh, kw], stride: [sh, sw], dilation: [1, 1], pad: [pt, pl] },
            range: Range { input_zero_point: xz, output_zero_point: yz, low, high },
        })
    }

    /// Decodes `max_pool2d`.
    pub fn from_max(words: &[i32]) -> Option<Self> {
        let &[kh, kw, sh, sw, pt, pl, low, high] = <&[i32; 8]>::try_from(words).ok()?;
        Self::from_average(&[kh, kw, sh, sw, pt, pl, 0, 0, low, high])
    }
}

/// Decodes `fully_connected`.
pub fn fully_connected(words: &[i32]) -> Option<Range> {
    let &[xz, yz, low, high] = <&[i32; 4]>::try_from(words).ok()?;
    Some(Range { input_zero_point: xz, output_zero_point: yz, low, high })
}

/// A multiplier as its two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiplierWords {
    /// Mantissa.
    pub mantissa: i32,
    /// Shift.
    pub shift: i32,
}

impl MultiplierWords {
    /// Returns the multiplier, or `None` if a part is out of range.
    pub fn get(self) -> Option<tanbo_quant::Multiplier> {
        tanbo_quant::Multiplier::new(self.mantissa, self.shift)
    }
}

/// Attributes of `requantize`, and of `mean` without its axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantize {
    /// Zero points and bounds.
    pub range: Range,
    /// Scale of the input over scale of the output.
    pub multiplier: MultiplierWords,
}

impl Requantize {
    /// Decodes `requantize`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[xz, yz, mantissa, shift, low, high] = <&[i32; 6]>::try_from(words).ok()?;
        Some(Self {
            range: Range { input_zero_point: xz, output_zero_point: yz, low, high },
            multiplier: MultiplierWords { mantissa, shift },
        })
    }
}

/// Attributes of `mean`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mean {
    /// Bit `i` is set if axis `i` is reduced.
    pub axes: i32,
    /// Zero points, bounds, and the multiplier that includes the division.
    pub requantize: Requantize,
}

impl Mean {
    /// Decodes `mean`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let (axes, words) = words.split_first()?;
        Some(Self { axes: *axes, requantize: Requantize::from_words(words)? })
    }
}

/// Attributes of `add` and `sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Zero points of the inputs.
    pub input_zero_points: [i32; 2],
    /// Bits of headroom given to each input before it is scaled.
    pub left_shift: i32,
    /// Multipliers of the inputs.
    pub input_multipliers: [MultiplierWords; 2],
    /// Multiplier of the sum.
    pub multiplier: MultiplierWords,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Least output.
    pub low: i32,
    /// Greatest output.
    pub high: i32,
}

impl Sum {
    /// Decodes `add` or `sub`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[z1, z2, zy, left_shift, m1, s1, m2, s2, m, s, low, high] = <&[i32; 12]>::try_from(words).ok()?;
        Some(Self {
            input_zero_points: [z1, z2],
            left_shift,
            input_multipliers: [
                MultiplierWords { mantissa: m1, shift: s1 },
                MultiplierWords { mantissa: m2, shift: s2 },
            ],
            multiplier: MultiplierWords { mantissa: m, shift: s },
            output_zero_point: zy,
            low,
            high,
        })
    }
}

/// Attributes of `mul`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Zero points of the inputs.
    pub input_zero_points: [i32; 2],
    /// Multiplier of the product.
    pub multiplier: MultiplierWords,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Least output.
    pub low: i32,
    /// Greatest output.
    pub high: i32,
}

impl Product {
    /// Decodes `mul`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[z1, z2, zy, mantissa, shift, low, high] = <&[i32; 7]>::try_from(words).ok()?;
        Some(Self {
            input_zero_points: [z1, z2],
            multiplier: MultiplierWords { mantissa, shift },
            output_zero_point: zy,
            low,
            high,
        })
    }
}

/// Attributes of `softmax`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// Scale of the differences (TensorFlow Lite rounding) or of the probability.
    pub multiplier: MultiplierWords,
    /// Differences below this give zero (TensorFlow Lite rounding only).
    pub diff_min: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
}

impl Softmax {
    /// Decodes `softmax`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[mantissa, shift, diff_min, output_zero_point] = <&[i32; 4]>::try_from(words).ok()?;
        Some(Self { multiplier: MultiplierWords { mantissa, shift }, diff_min, output_zero_point })
    }
}

/// Attributes of `pad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad {
    /// Elements before the input, per axis.
    pub before: [i32; 6],
    /// What the border is filled with.
    pub value: i32,
}

impl Pad {
    /// Decodes `pad`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let (value, before) = words.split_last()?;
        Some(Self { before: before.try_into().ok()?, value: *value })
    }
}

/// Attributes of `slice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// First element, per axis.
    pub begin: [i32; 6],
    /// Distance between elements, per axis.
    pub stride: [i32; 6],
}

impl Slice {
    /// Decodes `slice`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let (begin, stride) = words.split_at_checked(6)?;
        Some(Self { begin: begin.try_into().ok()?, stride: stride.try_into().ok()? })
    }
}

/// Decodes `transpose`: input axis of each output axis.
pub fn transpose(words: &[i32]) -> Option<[i32; 6]> {
    words.try_into().ok()
}
