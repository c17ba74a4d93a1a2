//! The packings of x86-64: geometry that the packer, the verifier and the kernels share.
//!
//! Both families copy the input into the scratch first, with its border, as values that the multiplications take: int16
//! less the zero point for AVX2, uint8 for VNNI. A tap is then a constant distance away from a pixel, and no kernel knows
//! of padding.

use crate::{Kind, Layout, Packing, Shape, Sizes};

/// AVX2: products of pairs of int16.
pub const AVX2: Layout = Layout { packing: Packing(8), keeps_scratch: true, sizes: avx2 };
/// AVX-512 VNNI: products of four uint8 and int8.
pub const VNNI: Layout = Layout { packing: Packing(16), keeps_scratch: true, sizes: vnni };

/// Words before the records of the lanes: the kind of requantization, then zeros.
pub const HEADER_WORDS: usize = 16;
/// Words of records per lane.
pub const LANE_WORDS: usize = 8;
/// Bytes that a kernel may read past the copied image.
const SLACK: usize = 256;
/// Largest copied image, in bytes: what is larger stays in the portable packing.
const MOST_BYTES: usize = 1 << 28;

/// What differs between the two families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Bytes of a copied activation.
    pub activation_bytes: usize,
    /// Bytes of a packed weight.
    pub weight_bytes: usize,
    /// Activations that are multiplied and added up by one instruction, in each lane.
    pub group: usize,
    /// Accumulators in a register.
    pub lanes: usize,
    /// Most registers of accumulators side by side.
    pub registers: usize,
    /// Outputs of a depthwise block.
    pub block: usize,
}

/// The numbers of AVX2.
pub const AVX2_FAMILY: Family =
    Family { activation_bytes: 2, weight_bytes: 2, group: 2, lanes: 8, registers: 2, block: 16 };
/// The numbers of VNNI.
pub const VNNI_FAMILY: Family =
    Family { activation_bytes: 1, weight_bytes: 1, group: 4, lanes: 16, registers: 4, block: 16 };

/// A convolution: how its input is copied, and where its taps lie. Distances are in values of the copied image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Rows of the copied image.
    pub rows: usize,
    /// Values in a row of the copied image.
    pub row_len: usize,
    /// Columns of the copied image.
    pub width: usize,
    /// Runs of taps that follow one another, and the distance between them: down, then across.
    pub runs: [(usize, usize); 2],
    /// Groups of values in a run; the last one reads on, with weights of zero.
    pub groups: usize,
    /// Values in a run.
    pub run_len: usize,
    /// Registers side by side in a full block of output channels.
    pub registers: usize,
    /// Output channels, in whole registers.
    pub lanes: usize,
    /// Bytes of a packed weight: one where weights are read for so few pixels that their way from memory counts most.
    pub weight_bytes: usize,
}

impl Conv {
    /// Returns the geometry, or `None` for a shape that cannot be.
    pub fn new(family: &Family, shape: &Shape) -> Option<Self> {
        let image = Image::new(shape)?;
        let [_, _, channels] = shape.input;
        let [kernel_h, kernel_w] = shape.kernel;
        let row_len = image.width.checked_mul(channels)?;
        let down = shape.dilation[0].checked_mul(row_len)?;
        let wide = channels.checked_mul(kernel_w)?;
        let (mut runs, mut run_len) = if kernel_w == 1 || shape.dilation[1] == 1 {
            ([(kernel_h, down), (1, 0)], wide)
        } else {
            ([(kernel_h, down), (kernel_w, shape.dilation[1].checked_mul(channels)?)], channels)
        };
        if runs[1].0 == 1 && (kernel_h == 1 || down == run_len) {
            run_len = run_len.checked_mul(kernel_h)?;
            runs[0] = (1, 0);
        }
        let groups = run_len.div_ceil(family.group);
        let depth = groups.checked_mul(family.group)?.checked_mul(runs[0].0)?.checked_mul(runs[1].0)?;
        // The weights of a block should stay in the first-level cache while all pixels pass.
        let block_bytes = family.weight_bytes.checked_mul(family.lanes)?.checked_mul(depth)?;
        let pixels = shape.output[0].checked_mul(shape.output[1])?;
        let few = pixels <= 4;
        let registers = match few {
            true => 4,
            false if block_bytes > (24 << 10) / family.registers => 2,
            false => family.registers,
        };
        let weight_bytes = if few { 1 } else { family.weight_bytes };
        let lanes = shape.output[2].checked_next_multiple_of(family.lanes)?;
        let (rows, width) = (image.rows, image.width);
        let conv = Self { rows, row_len, width, runs, groups, run_len, registers, lanes, weight_bytes };
        (conv.copied(family)? <= MOST_BYTES).then_some(conv)
    }

    /// Returns the groups of all taps.
    pub fn all_groups(&self) -> Option<usize> {
        self.groups.checked_mul(self.runs[0].0)?.checked_mul(self.runs[1].0)
    }

    /// Returns the bytes of the copied image.
    pub fn copied(&self, family: &Family) -> Option<usize> {
        self.rows.checked_mul(self.row_len)?.checked_mul(family.activation_bytes)?.checked_add(SLACK)
    }

    fn sizes(&self, family: &Family) -> Option<Sizes> {
        let weights = self.all_groups()?.checked_mul(family.group)?.checked_mul(self.lanes)?;
        Some(Sizes {
            weight_bytes: weights.checked_mul(self.weight_bytes)?,
            record_words: self.lanes.checked_mul(LANE_WORDS)?.checked_add(HEADER_WORDS)?,
            scratch_bytes: self.copied(family)?,
        })
    }
}

/// A depthwise convolution. The copied image has its columns sorted by their phase of the stride, so that the outputs of a
/// row, channels and all, follow one another as their taps do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Rows of the copied image.
    pub rows: usize,
    /// Values in a row of the copied image.
    pub row_len: usize,
    /// Channels of a copied column: the output's, filled up to a power of two up to 16 or a multiple of 16.
    pub channels: usize,
    /// Columns of each phase.
    pub columns: usize,
    /// Phases: the stride across.
    pub phases: usize,
    /// Taps, in whole groups.
    pub taps: usize,
    /// Whether a group has taps of one column; else they are in the order of the weights.
    pub by_column: bool,
    /// Whether taps are 3x3 and neighbouring outputs share two columns of them, whole registers apart.
    pub slides: bool,
    /// Blocks after which the channels begin at the same lane again.
    pub period: usize,
}

impl Depthwise {
    /// Returns the geometry, or `None` for a shape that cannot be.
    pub fn new(family: &Family, shape: &Shape) -> Option<Self> {
        let image = Image::new(shape)?;
        let [_, _, outputs] = shape.output;
        if !outputs.is_multiple_of(shape.input[2]) {
            return None;
        }
        let channels =
            if outputs <= 16 { outputs.next_power_of_two() } else { outputs.checked_next_multiple_of(16)? };
        let phases = shape.stride[1];
        let last_tap = shape.dilation[1].checked_mul(shape.kernel[1] - 1)?;
        let columns = shape.output[1].checked_add(last_tap / phases)?;
        let row_len = columns.checked_mul(phases)?.checked_mul(channels)?;
        let slides = shape.kernel == [3, 3] && shape.stride[1] == 1 && shape.dilation[1] == 1 && channels >= 16;
        let taps = shape.kernel[0].checked_mul(shape.kernel[1])?.checked_next_multiple_of(family.group)?;
        let filled = shape.kernel[0].checked_next_multiple_of(family.group)?.checked_mul(shape.kernel[1])?;
        let by_column = slides || (family.group > 2 && filled == taps);
        let taps = if by_column { filled } else { taps };
        let period = match channels {
            0..=16 => 1,
            _ if channels.is_multiple_of(family.block) => channels / family.block,
            // A multiple of 16: at most the block's 16s turn before it fits again.
            _ => lcm(channels, family.block)? / family.block,
        };
        let depthwise = Self { rows: image.rows, row_len, channels, columns, phases, taps, by_column, slides, period };
        (depthwise.copied(family)? <= MOST_BYTES).then_some(depthwise)
    }

    /// Returns which tap is the one with this number: down and across; `None` for what fills a group up.
    pub fn tap(&self, family: &Family, shape: &Shape, number: usize) -> Option<[usize; 2]> {
        let [kernel_h, kernel_w] = shape.kernel;
        let [ky, kx] = if self.by_column {
            let filled = kernel_h.next_multiple_of(family.group);
            [number % filled, number / filled]
        } else {
            [number / kernel_w, number % kernel_w]
        };
        (ky < kernel_h && kx < kernel_w).then_some([ky, kx])
    }

    /// Returns the distance of a tap from its output.
    pub fn distance(&self, shape: &Shape, [ky, kx]: [usize; 2]) -> usize {
        let across = kx * shape.dilation[1];
        let column = across % self.phases * self.columns + across / self.phases;
        ky * shape.dilation[0] * self.row_len + column * self.channels
    }

    /// Returns the bytes of the copied image.
    pub fn copied(&self, family: &Family) -> Option<usize> {
        self.rows.checked_mul(self.row_len)?.checked_mul(family.activation_bytes)?.checked_add(SLACK)
    }

    fn sizes(&self, family: &Family) -> Option<Sizes> {
        let lanes = self.period.checked_mul(family.block)?;
        // The distances of the taps lie behind the copied image.
        Some(Sizes {
            weight_bytes: lanes.checked_mul(self.taps)?.checked_mul(family.weight_bytes)?,
            record_words: lanes.checked_mul(LANE_WORDS)?.checked_add(HEADER_WORDS)?,
            scratch_bytes: self.copied(family)?.checked_add(self.taps.checked_mul(4)?)?,
        })
    }
}

/// The input with its border.
struct Image {
    rows: usize,
    width: usize,
}

impl Image {
    fn new(shape: &Shape) -> Option<Self> {
        let all = [shape.kernel, shape.stride, shape.dilation];
        let images = [shape.input, shape.output];
        if all.as_flattened().contains(&0) || images.as_flattened().contains(&0) {
            return None;
        }
        let extent = |axis: usize| {
            let outputs = (shape.output[axis] - 1).checked_mul(shape.stride[axis])?;
            let taps = (shape.kernel[axis] - 1).checked_mul(shape.dilation[axis])?;
            outputs.checked_add(taps)?.checked_add(1)
        };
        // Above and beside a border as wide as all memory nothing would be left.
        (shape.pad.iter().all(|&pad| pad <= MOST_BYTES)).then_some(())?;
        let image = Self { rows: extent(0)?, width: extent(1)? };
        (image.rows <= MOST_BYTES && image.width <= MOST_BYTES).then_some(image)
    }
}

/// Returns the least common multiple.
fn lcm(a: usize, b: usize) -> Option<usize> {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    (a / x).checked_mul(b)
}

fn avx2(kind: Kind, shape: &Shape) -> Option<Sizes> {
    sizes(&AVX2_FAMILY, kind, shape)
}

fn vnni(kind: Kind, shape: &Shape) -> Option<Sizes> {
    sizes(&VNNI_FAMILY, kind, shape)
}

fn sizes(family: &Family, kind: Kind, shape: &Shape) -> Option<Sizes> {
    match kind {
        Kind::Conv2d => Conv::new(family, shape)?.sizes(family),
        Kind::DepthwiseConv2d => Depthwise::new(family, shape)?.sizes(family),
    }
}
