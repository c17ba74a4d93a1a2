//! Cortex-M with the DSP extension (M4, M7, M33): lengths, and how the kernels divide their scratch.
//!
//! Everything is 32-bit words: pointers of these targets are, and hosts that pack must get the same lengths.

use crate::{Kind, Layout, Packing, Shape, Sizes};

/// The packing of `Dsp`.
pub const DSP: Layout = Layout { packing: Packing(1), keeps_scratch: false, sizes };

/// The packing of `Dsp` for 3×3 convolutions by Winograd's F(2×2, 3×3): four products in place of nine, for 3.6 times the bytes.
pub const WINOGRAD: Layout = Layout { packing: Packing(18), keeps_scratch: false, sizes: winograd };

/// Bytes of a word.
const WORD: usize = 4;

/// How a convolution is divided. A patch is its taps in runs, each filled up to whole words of four values: a run for each
/// row of the kernel, read where it lies in the input, or one run of all taps, gathered first, where that takes far fewer
/// words. Weights are `[channels / lanes, words, lanes]` words, zero where runs are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Words of a pixel's patch.
    pub words: usize,
    /// Values of a run.
    pub run: usize,
    /// Whether a run is a row of the kernel.
    pub direct: bool,
    /// Channels that lie together.
    pub lanes: usize,
    /// Output channels rounded up to `lanes`.
    pub channels: usize,
    /// Pixels computed together, at most.
    pub pixels: usize,
    /// Whether patches at the border are gathered value by value.
    pub gathers: bool,
    /// Words of each part of the scratch.
    pub scratch: Scratch,
}

/// Most words of the prepared patches of five pixels.
const FIVE_WORDS: usize = 768;

/// Returns how many pixels a tile has at most, of `pixels` in rows of `width` and `words` words each, and how many channels lie
/// together: four for a single pixel. Five pixels where rows are not made up of threes, if their patches take little memory.
pub fn tiles(pixels: usize, width: usize, words: usize) -> (usize, usize) {
    let most = if width.is_multiple_of(3) || words > FIVE_WORDS / 10 { 3 } else { 5 };
    (if pixels < most { pixels.min(3) } else { most }, if pixels == 1 { 4 } else { 2 })
}

/// Words of each part of a convolution's scratch, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scratch {
    /// Prepared patches.
    pub patch: usize,
    /// Pointers to the runs of the patches, or to gathered patches and these themselves.
    pub sources: usize,
    /// Addresses of the input rows.
    pub lines: usize,
    /// Zero points that stand for a run outside the input.
    pub fill: usize,
}

/// Returns whether a convolution reads of each place of the input one pixel: its patches are found without further scratch.
pub fn is_pointwise(kind: Kind, shape: &Shape) -> bool {
    let ([height, width, inputs], [rows, columns, _]) = (shape.input, shape.output);
    kind == Kind::Conv2d
        && shape.kernel == [1, 1]
        && shape.stride == [1, 1]
        && shape.pad == [0, 0]
        && [height, width] == [rows, columns]
        && inputs.is_multiple_of(WORD)
}

impl Conv2d {
    /// Returns the division of a convolution, also of a depthwise one with a single input channel.
    pub fn new(kind: Kind, shape: &Shape) -> Option<Self> {
        let [input_height, width, inputs] = shape.input;
        let [height, output_width, outputs] = shape.output;
        if (kind == Kind::DepthwiseConv2d && inputs != 1) || [input_height, width, height, output_width].contains(&0) {
            return None;
        }
        let lines = shape.kernel[0];
        let row = shape.kernel[1].checked_mul(inputs)?;
        let depth = lines.checked_mul(row)?;
        // Without whole words, taps of a row must lie side by side.
        let aligned = inputs.is_multiple_of(WORD);
        if depth == 0 || outputs == 0 || !aligned && shape.dilation[1] != 1 {
            return None;
        }
        let (rows, packed) = (lines.checked_mul(row.div_ceil(WORD))?, depth.div_ceil(WORD));
        let direct = rows <= packed.saturating_add(packed / 2);
        let (words, run) = if direct { (rows, row) } else { (packed, depth) };
        let (pixels, lanes) = tiles(height.checked_mul(output_width)?, output_width, words);
        let gathered = words.checked_mul(pixels)?;
        let pointers = if aligned { lines.checked_mul(shape.kernel[1])? } else { lines }.checked_mul(pixels)?;
        let patch = gathered.checked_mul(2)?;
        let scratch = if is_pointwise(kind, shape) {
            Scratch { patch, sources: 0, lines: 0, fill: 0 }
        } else {
            let sources = if aligned { pointers } else { pointers.max(gathered.checked_add(pixels)?) };
            Scratch { patch, sources, lines, fill: run.div_ceil(WORD) }
        };
        Some(Self {
            words,
            run,
            direct,
            lanes,
            channels: outputs.checked_next_multiple_of(lanes)?,
            pixels,
            gathers: !aligned,
            scratch,
        })
    }

    /// Returns the lengths of the step.
    pub fn sizes(&self) -> Option<Sizes> {
        let weights = self.channels.checked_mul(self.words)?.checked_mul(WORD)?;
        let Scratch { patch, sources, lines, fill } = self.scratch;
        Some(lengths(weights, self.channels.checked_mul(4)?, [patch, sources, lines, fill]))
    }
}

/// How a 3×3 convolution without strides is divided for Winograd's F(2×2, 3×3): two tiles of 2×2 output pixels, then all output
/// channels, four at a time. Weights are `[channels / 4, 16, inputs / 2, 4]` words of two halfwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winograd {
    /// Words of transformed input of two tiles: 16 positions for each two input channels.
    pub values: usize,
    /// Groups of four output channels.
    pub groups: usize,
    /// Words of zero points that stand for a pixel outside the input.
    pub fill: usize,
}

impl Winograd {
    /// Positions of a transformed tile.
    pub const POSITIONS: usize = 16;
    /// Words of the products of two tiles and four channels.
    pub const PRODUCTS: usize = 8 * Self::POSITIONS;

    /// Returns the division of a convolution: eight input channels a pass, four output channels.
    pub fn new(kind: Kind, shape: &Shape) -> Option<Self> {
        let [height, width, inputs] = shape.input;
        let [output_height, output_width, outputs] = shape.output;
        let plain = (shape.kernel, shape.stride, shape.dilation) == ([3, 3], [1, 1], [1, 1]);
        let whole = inputs.is_multiple_of(8) && outputs.is_multiple_of(4);
        if kind != Kind::Conv2d
            || !plain
            || !whole
            || [height, width, inputs, output_height, output_width, outputs].contains(&0)
        {
            return None;
        }
        let values = inputs.checked_mul(Self::POSITIONS)?;
        Some(Self { values, groups: outputs / 4, fill: inputs / WORD })
    }

    /// Returns the lengths of the step.
    pub fn sizes(&self) -> Option<Sizes> {
        let weights = self.values.checked_mul(2)?.checked_mul(self.groups)?.checked_mul(WORD)?;
        let scratch = [self.values, Self::PRODUCTS, Self::POSITIONS, self.fill];
        Some(lengths(weights, self.groups.checked_mul(16)?, scratch))
    }
}

fn winograd(kind: Kind, shape: &Shape) -> Option<Sizes> {
    Winograd::new(kind, shape)?.sizes()
}

/// How a depthwise convolution with as many output as input channels is divided: groups of four channels, of which the
/// last ends with the last channel and may overlap the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Groups.
    pub groups: usize,
    /// Taps.
    pub taps: usize,
    /// Words of zero points that stand for taps outside the input.
    pub fill: usize,
    /// For a 3×3 window that walks one or two columns at a time: words prepared of four channels of a row.
    pub prepared: Option<usize>,
}

impl Depthwise {
    /// Words prepared of two columns of four channels.
    pub const PAIR: usize = 12;

    /// Returns the division of a depthwise convolution.
    #[inline]
    pub fn new(kind: Kind, shape: &Shape) -> Option<Self> {
        let [height, width, channels] = shape.input;
        if kind != Kind::DepthwiseConv2d || shape.output[2] != channels || channels < 4 {
            return None;
        }
        let taps = shape.kernel[0].checked_mul(shape.kernel[1])?;
        if [taps, height, width, shape.output[0], shape.output[1]].contains(&0) {
            return None;
        }
        let prepared = prepared_pairs(shape).and_then(|pairs| pairs.checked_mul(Self::PAIR));
        Some(Self { groups: channels.div_ceil(4), taps, fill: channels.div_ceil(WORD), prepared })
    }

    /// Returns the lengths of the step.
    #[inline]
    pub fn sizes(&self) -> Option<Sizes> {
        let channels = self.groups.checked_mul(4)?;
        match self.prepared {
            Some(words) => Some(lengths(0, channels.checked_mul(9)?, [words])),
            None => {
                let weights = channels.checked_mul(self.taps)?.checked_mul(2)?;
                Some(lengths(weights, channels.checked_mul(4)?, [self.taps, self.fill]))
            }
        }
    }
}

/// Returns the column pairs that a row of 3×3 windows reads, or `None` for another window.
fn prepared_pairs(shape: &Shape) -> Option<usize> {
    let [rows, columns] = [shape.output[0], shape.output[1]];
    let [top, left] = shape.pad;
    if shape.kernel != [3, 3] || shape.dilation != [1, 1] || top > 1 || left > 1 || !matches!(shape.stride[1], 1 | 2) {
        return None;
    }
    // The middle row of every window lies inside.
    let last = rows.checked_sub(1)?.checked_mul(shape.stride[0])?.checked_add(1)?.checked_sub(top)?;
    if last >= shape.input[0] {
        return None;
    }
    if shape.stride[1] == 1 { columns.div_ceil(2).checked_add(1) } else { columns.checked_add(1) }
}

fn lengths<const N: usize>(weight_bytes: usize, record_words: usize, scratch: [usize; N]) -> Sizes {
    let words = scratch.iter().fold(0usize, |sum, &words| sum.saturating_add(words));
    Sizes { weight_bytes, record_words, scratch_bytes: words.saturating_mul(WORD) }
}

fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    match Depthwise::new(kind, shape) {
        Some(division) => division.sizes(),
        None => Conv2d::new(kind, shape)?.sizes(),
    }
}
