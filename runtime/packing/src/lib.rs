//! Layer 0: which packings of weights there are, and how many bytes each takes.
//!
//! Knows shapes and sizes; knows neither weights nor artifacts. The verifier asks here how long the constants and the
//! scratch of a packed step must be, and the kernels that read them ask again before they touch a byte. What lies in
//! these bytes is told in FORMAT.md and by the `pack` function of the kernel family.
#![no_std]
#![forbid(unsafe_code)]

pub mod arm;
pub mod armv7;
pub mod dotprod;
pub mod dsp;
pub mod m0;
pub mod m3;
pub mod mve;
pub mod neon;
pub mod pairs;
pub mod rv32;
pub mod winograd;
pub mod x86;

/// A packing: a layout of a step's constants that the kernels of one family read. Each family's file names its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packing(u8);

impl Packing {
    /// Returns the number: `variant` of a step record, never 0.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// The operators that have packings. A fully connected step is a convolution with a kernel of one tap over an image of
/// one row, its width the number of rows of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `conv2d` with one group, and `fully_connected`.
    Conv2d,
    /// `depthwise_conv2d`.
    DepthwiseConv2d,
}

/// Shape of a packed step: what its lengths follow from. Nothing is promised of the numbers: they come from an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Height and width of the kernel in taps.
    pub kernel: [usize; 2],
    /// Distance between outputs.
    pub stride: [usize; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub pad: [usize; 2],
    /// Height, width and channels of the input image.
    pub input: [usize; 3],
    /// Height, width and channels of the output image.
    pub output: [usize; 3],
}

/// Lengths of a packed step's constants, exact, and of its scratch, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sizes {
    /// Bytes of packed weights.
    pub weight_bytes: usize,
    /// 32-bit words of records: what the kernel wants of each output channel besides weights.
    pub record_words: usize,
    /// Bytes of scratch; 0 for none.
    pub scratch_bytes: usize,
}

/// One packing with its lengths.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Whether a call of the kernel goes on from what the call before left in the scratch. Otherwise the steps of a chain
    /// share one scratch.
    pub keeps_scratch: bool,
    /// Which packing.
    pub packing: Packing,
    /// Returns the lengths of a step, or `None` for a shape that this packing does not have.
    pub sizes: fn(Kind, &Shape) -> Option<Sizes>,
}

/// Every packing.
pub const ALL: &[Layout] = &[
    dsp::DSP,
    dsp::WINOGRAD,
    mve::MVE,
    x86::AVX2,
    x86::VNNI,
    winograd::AVX2_WINOGRAD,
    winograd::VNNI_WINOGRAD,
    armv7::LAYOUT,
    neon::LAYOUT,
    dotprod::LAYOUT,
    m0::LAYOUT,
    m3::LAYOUT,
    rv32::LAYOUT,
];

/// Returns whether `variant` is a packing that kernels of its own run, not those of the family's usual packing: firmware without such
/// a step does not link them.
pub const fn runs_apart(variant: u8) -> bool {
    variant == dsp::WINOGRAD.packing.number()
}

/// Returns the layout with this number among `layouts`.
pub fn find(layouts: &'static [Layout], variant: u8) -> Option<&'static Layout> {
    layouts.iter().find(|layout| layout.packing.number() == variant)
}
