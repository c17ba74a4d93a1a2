//! What a core brings to the convolutions.

use tanbo_packing::Layout;

use crate::Output;

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

/// The kernels of a core and the shape of its tile.
pub(crate) trait Machine {
    /// Its packing.
    const LAYOUT: Layout;
    /// Pixels of a tile.
    const PIXELS: usize;
    /// Words of the patch per group of four terms.
    const GROUP_WORDS: usize;
    /// Words of a depthwise convolution's record.
    const DEPTHWISE_RECORD_WORDS: usize;
    /// Fewest pixels left for which a tile is faster than single pixels.
    const FEWEST: usize;

    /// Writes the patch of a tile: `runs` of as many bytes as `patch` has groups, times four.
    fn fill(runs: &[&[i8]; 4], patch: &mut [i32]);

    /// Writes the patch of a single pixel, a word per term, and returns their sum.
    fn fill_single(run: &[i8], patch: &mut [i32]) -> i32 {
        let mut sum = 0i32;
        for (&x, word) in run.iter().zip(patch) {
            *word = i32::from(x);
            sum += i32::from(x);
        }
        sum
    }

    /// Computes every channel of a tile.
    ///
    /// # Safety
    /// The patch has groups of [`Machine::GROUP_WORDS`] words, at least one; the weights have four bytes for each group and
    /// output, the records what the packing says; `outputs` is not 0, `stride` is the same, and the output has
    /// [`Machine::PIXELS`] pixels of as many bytes.
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

    /// Returns the output value of an accumulator; `record` without its first word.
    fn requantize(record: &[i32], range: &Output, accumulator: i32) -> i8;
}

/// Writes the patch of two pixel pairs, a term of both after another.
#[cfg(not(tanbo_profile = "v6m"))]
pub(crate) fn fill_four(runs: &[&[i8]; 4], patch: &mut [i32]) {
    let [a, b, c, d] = runs;
    for ((((words, &a), &b), &c), &d) in patch.chunks_exact_mut(2).zip(*a).zip(*b).zip(*c).zip(*d) {
        words[0] = i32::from(a) + (i32::from(b) << 16);
        words[1] = i32::from(c) + (i32::from(d) << 16);
    }
}

/// As the packing `high_word` says.
#[cfg(not(tanbo_profile = "v6m"))]
#[inline(always)]
pub(crate) fn requantize(record: &[i32], range: &Output, accumulator: i32) -> i8 {
    let &[m, constant, shift] = record else { return 0 };
    let accumulator = accumulator << 2;
    let high = ((i64::from(accumulator) * i64::from(m)) >> 32) as i32;
    let sign = if super::signed(range) { (accumulator >> 31) << 1 } else { 0 };
    let value = high.wrapping_add(constant).wrapping_add(sign) >> (shift & 31);
    value.clamp(range.low, range.high.max(range.low)) as i8
}
