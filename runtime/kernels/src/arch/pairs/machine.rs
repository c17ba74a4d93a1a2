//! What a core brings to the convolutions.

use tanbo_packing::Layout;

/// What a tile's kernel reads and moves on. Offsets are known to the assembly.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Job {
    /// First word of the patch.
    pub patch: *const i32,
    /// End of the patch.
    pub patch_end: *const i32,
    /// Weights of the next output channel.
    pub weights: *const i8,
    /// Record of the next output channel.
    pub records: *const i32,
    /// Output channels left, not 0.
    pub outputs: usize,
    /// Where the next channel of the first pixel goes.
    pub output: *mut i8,
    /// Channels of a pixel: distance from one to the next.
    pub stride: usize,
    /// Groups in the first chunk.
    pub first: usize,
    /// Least output value.
    pub low: i32,
    /// Greatest output value.
    pub high: i32,
    /// What is added to a negative high word: -2 where [`super::signed`], else 0.
    pub sign: i32,
    /// What a single pixel's accumulator has besides its products.
    pub base: i32,
}

/// What a depthwise kernel reads and moves on: output rows of one channel. Offsets are known to the assembly.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Lines {
    /// First line of the strip that the next output row reads.
    pub strip: *const i8,
    /// Weights of the channel; words where [`Machine::WIDE_WEIGHTS`].
    pub weights: *const i8,
    /// Record of the channel.
    pub record: *const i32,
    /// Next output.
    pub output: *mut i8,
    /// Distance between outputs of a row.
    pub channels: usize,
    /// Outputs of a row, not 0.
    pub width: usize,
    /// Output rows left, not 0.
    pub rows: usize,
    /// Distance between what two output rows read in the strip.
    pub line_step: usize,
    /// Distance between output rows.
    pub row_step: usize,
    /// Distance between the lines of two kernel rows in the strip.
    pub tap_step: usize,
    /// Height of the kernel, not 0.
    pub height: usize,
    /// Width of the kernel, not 0.
    pub taps: usize,
    /// Distance between what two outputs of a row read.
    pub stride: usize,
    /// Least output value.
    pub low: i32,
    /// Greatest output value.
    pub high: i32,
    /// As [`Job::sign`].
    pub sign: i32,
}

/// The kernels of a core and the shape of its tile.
pub(crate) trait Machine {
    /// Its packing.
    const LAYOUT: Layout;
    /// Fewest pixels left for which a tile is faster than single pixels.
    const FEWEST: usize;

    /// Writes the patch of a tile: for each term the two pairs of its four pixels. Runs have a byte for two words of the patch.
    fn fill(runs: &[&[i8]; 4], patch: &mut [i32]) {
        let [a, b, c, d] = runs;
        for ((((words, &a), &b), &c), &d) in patch.chunks_exact_mut(2).zip(*a).zip(*b).zip(*c).zip(*d) {
            words[0] = i32::from(a) + (i32::from(b) << 16);
            words[1] = i32::from(c) + (i32::from(d) << 16);
        }
    }

    /// Computes every channel of a tile.
    ///
    /// # Safety
    /// The patch has groups of eight words, at least one; the weights have four bytes for each group and
    /// output, the records what the packing says; `outputs` is not 0, `stride` is the same, and the output has four pixels of
    /// as many bytes.
    unsafe fn tile(job: &mut Job);

    /// As [`Machine::tile`] for one pixel; the patch has four words in each group.
    ///
    /// # Safety
    /// As there.
    unsafe fn single(job: &mut Job);

    /// Returns the base of a single pixel whose terms sum to `sum`.
    fn base(_sum: i32) -> i32 {
        0
    }

    /// Whether depthwise kernels read weights as words.
    const WIDE_WEIGHTS: bool = false;
    /// Bits to flip in each activation of a depthwise convolution.
    const FLIP: u8 = 0;

    /// Computes output rows of a channel of a depthwise convolution.
    ///
    /// # Safety
    /// The strip has every line and column that the windows of `rows` rows of `width` outputs cover, the weights a value per tap,
    /// the record what the packing says, the output every place.
    unsafe fn depthwise(lines: &mut Lines);
}
