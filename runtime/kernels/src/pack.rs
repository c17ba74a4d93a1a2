//! What a kernel family makes of a step's portable constants: for compilers and hosts.

use alloc::vec::Vec;

use tanbo_packing::{Kind, Packing, Shape};

use crate::{Multipliers, Output};

/// A step with the constants of the portable packing.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Operator.
    pub kind: Kind,
    /// Geometry and images.
    pub shape: &'a Shape,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point, bounds and rounding of the output.
    pub range: Output,
    /// `[output channels, kernel height, kernel width, input channels]`; of a depthwise convolution `[kernel height, kernel
    /// width, output channels]`.
    pub weights: &'a [i8],
    /// One per output channel, at scale input · weight.
    pub bias: &'a [i32],
    /// Input scale · weight scale / output scale, one or one per output channel.
    pub multipliers: Multipliers<'a>,
    /// Whether outputs are asked for row by row; otherwise mostly all at once.
    pub by_rows: bool,
}

/// The constants of a packed step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedConstants {
    /// Their layout.
    pub packing: Packing,
    /// Packed weights.
    pub weights: Vec<i8>,
    /// Records.
    pub records: Vec<i32>,
}

/// Packs a step, or returns `None` where the family's kernels are not proven to give the reference's bits.
pub type PackFn = fn(&Source<'_>) -> Option<PackedConstants>;
