//! The kernels in registers of 256 bits.

use core::arch::x86_64::*;
use core::ops::Range;

use tanbo_packing::Layout;
use tanbo_packing::x86::{AVX2, AVX2_FAMILY, Family, LANE_WORDS};

use crate::arch::x86::{self, Block, DepthwiseRows, GENERAL, HIGH, Machine, Pixel, SIGNED, SUM};
use crate::{KernelResult, Packed, Rows, RowsMut};

#[target_feature(enable = "avx2")]
pub(super) fn conv2d(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    // SAFETY: this function is compiled for the instructions.
    unsafe { x86::conv2d::<Registers>(p, input, output, rows, scratch) }
}

#[target_feature(enable = "avx2")]
pub(super) fn depthwise_conv2d(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    // SAFETY: this function is compiled for the instructions.
    unsafe { x86::depthwise_conv2d::<Registers>(p, input, output, rows, scratch) }
}

/// The registers of AVX2.
struct Registers;

impl Machine for Registers {
    const FAMILY: Family = AVX2_FAMILY;
    const LAYOUT: Layout = AVX2;

    #[inline(always)]
    unsafe fn copy(from: *const i8, to: *mut u8, count: usize, zero_point: i32) {
        // SAFETY: the caller's; every load lies in the `count` values.
        unsafe {
            let zero_point = _mm256_set1_epi16(zero_point as i16);
            let half = _mm256_castsi256_si128(zero_point);
            let put = |at: usize, values: __m128i| {
                let wide = _mm256_sub_epi16(_mm256_cvtepi8_epi16(values), zero_point);
                _mm256_storeu_si256(to.add(at.wrapping_mul(2)).cast(), wide);
            };
            let put_half = |at: usize, values: __m128i| {
                let wide = _mm_sub_epi16(_mm_cvtepi8_epi16(values), half);
                _mm_storeu_si128(to.add(at.wrapping_mul(2)).cast(), wide);
            };
            if count >= 16 {
                let last = count.wrapping_sub(16);
                let mut done = 0;
                while done < last {
                    put(done, _mm_loadu_si128(from.add(done).cast()));
                    done = done.wrapping_add(16);
                }
                put(last, _mm_loadu_si128(from.add(last).cast()));
            } else if count >= 8 {
                let last = count.wrapping_sub(8);
                put_half(0, _mm_loadl_epi64(from.cast()));
                put_half(last, _mm_loadl_epi64(from.add(last).cast()));
            } else if count >= 4 {
                let last = count.wrapping_sub(4);
                put_half(0, _mm_cvtsi32_si128(from.cast::<i32>().read_unaligned()));
                put_half(last, _mm_cvtsi32_si128(from.add(last).cast::<i32>().read_unaligned()));
            } else {
                for at in 0..count {
                    put_half(at, _mm_cvtsi32_si128(i32::from(from.add(at).read())));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn fill(to: *mut u8, count: usize, value: i32, zero_point: i32) {
        // SAFETY: the caller's.
        unsafe {
            let value = _mm256_set1_epi16(value.wrapping_sub(zero_point) as i16);
            let bytes = count.wrapping_mul(2);
            let mut done = 0;
            while done < bytes {
                _mm256_storeu_si256(to.add(done).cast(), value);
                done = done.wrapping_add(32);
            }
        }
    }

    #[inline(always)]
    unsafe fn conv(block: &Block, registers: usize, weight_bytes: usize, mode: i32) {
        // SAFETY: the caller's.
        unsafe {
            if weight_bytes == 1 {
                return match (registers, mode) {
                    (1, HIGH) => few::<1, HIGH>(block),
                    (2, HIGH) => few::<2, HIGH>(block),
                    (3, HIGH) => few::<3, HIGH>(block),
                    (_, HIGH) => few::<4, HIGH>(block),
                    (1, SUM) => few::<1, SUM>(block),
                    (2, SUM) => few::<2, SUM>(block),
                    (3, SUM) => few::<3, SUM>(block),
                    (_, SUM) => few::<4, SUM>(block),
                    (1, _) => few::<1, GENERAL>(block),
                    (2, _) => few::<2, GENERAL>(block),
                    (3, _) => few::<3, GENERAL>(block),
                    (_, _) => few::<4, GENERAL>(block),
                };
            }
            match (registers, mode) {
                (1, HIGH) => conv::<8, 1, HIGH>(block),
                (_, HIGH) => conv::<6, 2, HIGH>(block),
                (1, SUM) => conv::<8, 1, SUM>(block),
                (_, SUM) => conv::<6, 2, SUM>(block),
                (1, _) => conv::<8, 1, GENERAL>(block),
                (_, _) => conv::<6, 2, GENERAL>(block),
            }
        }
    }

    #[inline(always)]
    unsafe fn depthwise(rows: &DepthwiseRows, mode: i32) {
        // SAFETY: the caller's.
        unsafe {
            if rows.slides {
                return match mode {
                    HIGH => slide::<HIGH>(rows),
                    SUM => slide::<SUM>(rows),
                    _ => slide::<GENERAL>(rows),
                };
            }
            match (mode, rows.tap_count) {
                (HIGH, 10) => depthwise::<HIGH, 5>(rows),
                (HIGH, _) => depthwise::<HIGH, 0>(rows),
                (SUM, 10) => depthwise::<SUM, 5>(rows),
                (SUM, _) => depthwise::<SUM, 0>(rows),
                (_, 10) => depthwise::<GENERAL, 5>(rows),
                (_, _) => depthwise::<GENERAL, 0>(rows),
            }
        }
    }
}

/// Computes the pixels of a block, `M` at a time with `N` registers of 8 output channels each: `M·N` accumulators, `N`
/// registers of weights, one broadcast of two activations. Per pair of values `M` broadcasts, `N` loads, `M·N` `VPMADDWD` of
/// 16 products and as many `VPADDD`: with `N = 2`, `M = 6` 32 instructions for 192 MAC.
///
/// # Safety
/// The block's pointers reach as far as its numbers say.
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn conv<const M: usize, const N: usize, const MODE: i32>(block: &Block) {
    // SAFETY: the caller's; the pixels are in the block.
    unsafe { block.tiles::<M>(|pixel| tile::<M, N, MODE>(block, pixel), |pixel| tile::<1, N, MODE>(block, pixel)) }
}

/// Computes `M` pixels and returns the next one.
///
/// # Safety
/// As [`conv`]; the pixels are in the block.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn tile<const M: usize, const N: usize, const MODE: i32>(block: &Block, pixel: Pixel) -> Pixel {
    // SAFETY: the caller's.
    unsafe {
        let (places, next) = block.places::<M>(pixel);
        let first = block.output.add(pixel.index.wrapping_mul(block.channels));
        let mut sums = [[_mm256_setzero_si256(); N]; M];
        each!(j < N {
            let bias = record(block.records, j, 0);
            each!(m < M { sums[m][j] = bias; });
        });
        let mut weights = block.weights;
        let mut down = 0usize;
        for _ in 0..block.runs[0].0 {
            let mut across = down;
            for _ in 0..block.runs[1].0 {
                let mut at = across;
                for _ in 0..block.groups {
                    let mut w = [_mm256_setzero_si256(); N];
                    each!(j < N { w[j] = _mm256_loadu_si256(weights.add(32 * j).cast()); });
                    weights = weights.add(32 * N);
                    each!(m < M {
                        let x = _mm256_set1_epi32(places[m].add(at).cast::<i32>().read_unaligned());
                        each!(j < N { sums[m][j] = _mm256_add_epi32(sums[m][j], _mm256_madd_epi16(x, w[j])); });
                    });
                    at = at.wrapping_add(4);
                }
                across = across.wrapping_add(block.runs[1].1);
            }
            down = down.wrapping_add(block.runs[0].1);
        }
        each!(j < N {
            let scale = Scale::load(block.records, j);
            each!(m < M { sums[m][j] = scale.apply::<MODE>(sums[m][j]); });
        });
        let range = Bounds::new(block.zero_point, block.low, block.high);
        let output = |pixel: usize| first.add(pixel.wrapping_mul(block.channels));
        match N {
            1 => each!(four < M.div_ceil(4) {
                let m: [usize; 4] = [4 * four, last(4 * four + 1, M), last(4 * four + 2, M), last(4 * four + 3, M)];
                let bytes = range.pack(sums[m[0]][0], sums[m[1]][0], sums[m[2]][0], sums[m[3]][0]);
                let halves = [_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes)];
                each!(i < 4 {
                    if 4 * four + i < M {
                        let half = if i == 0 || i == 2 { halves[i / 2] } else { _mm_srli_si128::<8>(halves[i / 2]) };
                        if block.valid == 8 {
                            _mm_storel_epi64(output(4 * four + i).cast(), half);
                        } else {
                            write(output(4 * four + i), block.valid, half);
                        }
                    }
                });
            }),
            _ => each!(two < M.div_ceil(2) {
                let m = [2 * two, last(2 * two + 1, M)];
                let bytes = range.pack(sums[m[0]][0], sums[m[0]][1 % N], sums[m[1]][0], sums[m[1]][1 % N]);
                let halves = [_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes)];
                each!(i < 2 {
                    if 2 * two + i < M {
                        if block.valid == 16 {
                            _mm_storeu_si128(output(2 * two + i).cast(), halves[i]);
                        } else {
                            write(output(2 * two + i), block.valid, halves[i]);
                        }
                    }
                });
            }),
        }
        next
    }
}

/// Computes a few pixels one by one, `N` registers of 8 output channels, from weights of one byte: with `N = 4` a broadcast,
/// 4 loads that widen, 4 `VPMADDWD` and 4 `VPADDD` for 64 MAC.
///
/// # Safety
/// As [`conv`].
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn few<const N: usize, const MODE: i32>(block: &Block) {
    // SAFETY: the caller's.
    unsafe {
        let range = Bounds::new(block.zero_point, block.low, block.high);
        let mut pixel = block.pixel(0);
        while pixel.index < block.pixels {
            let output = block.output.add(pixel.index.wrapping_mul(block.channels));
            let ([place], next) = block.places::<1>(pixel);
            pixel = next;
            // Even and odd groups apart, so that additions need not wait for one another.
            let mut sums = [[_mm256_setzero_si256(); N]; 2];
            each!(j < N { sums[0][j] = record(block.records, j, 0); });
            let mut weights = block.weights;
            let mut down = 0usize;
            for _ in 0..block.runs[0].0 {
                let mut across = down;
                for _ in 0..block.runs[1].0 {
                    let mut place = place.add(across);
                    let mut left = block.groups;
                    while left >= 2 {
                        each!(i < 2 {
                            let x = _mm256_set1_epi32(place.add(4 * i).cast::<i32>().read_unaligned());
                            each!(j < N {
                                let w = _mm_loadu_si128(weights.add(16 * (i * N + j)).cast());
                                let products = _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(w));
                                sums[i][j] = _mm256_add_epi32(sums[i][j], products);
                            });
                        });
                        place = place.add(8);
                        weights = weights.add(32 * N);
                        left = left.wrapping_sub(2);
                    }
                    if left > 0 {
                        let x = _mm256_set1_epi32(place.cast::<i32>().read_unaligned());
                        each!(j < N {
                            let w = _mm_loadu_si128(weights.add(16 * j).cast());
                            let products = _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(w));
                            sums[0][j] = _mm256_add_epi32(sums[0][j], products);
                        });
                        weights = weights.add(16 * N);
                    }
                    across = across.wrapping_add(block.runs[1].1);
                }
                down = down.wrapping_add(block.runs[0].1);
            }
            let mut y = [_mm256_setzero_si256(); N];
            each!(j < N {
                let sum = _mm256_add_epi32(sums[0][j], sums[1][j]);
                y[j] = Scale::load(block.records, j).apply::<MODE>(sum);
            });
            let bytes = range.pack(y[0], y[last(1, N)], y[last(2, N)], y[last(3, N)]);
            if block.valid == 32 {
                _mm256_storeu_si256(output.cast(), bytes);
            } else {
                write(output, block.valid.min(16), _mm256_castsi256_si128(bytes));
                if block.valid > 16 {
                    write(output.add(16), block.valid.wrapping_sub(16), _mm256_extracti128_si256::<1>(bytes));
                }
            }
        }
    }
}

/// Writes the first `count` bytes of a register, at most 16.
///
/// # Safety
/// `to` has room for them.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn write(to: *mut i8, count: usize, bytes: __m128i) {
    let mut values = [0i8; 16];
    // SAFETY: the caller's; `values` has 16 bytes and `count` is bounded by them.
    unsafe {
        _mm_storeu_si128(values.as_mut_ptr().cast(), bytes);
        let from = values.as_ptr();
        if count >= 8 {
            let last = count.min(16).wrapping_sub(8);
            to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned());
            to.add(last).cast::<u64>().write_unaligned(from.add(last).cast::<u64>().read_unaligned());
        } else if count >= 4 {
            let last = count.wrapping_sub(4);
            to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned());
            to.add(last).cast::<u32>().write_unaligned(from.add(last).cast::<u32>().read_unaligned());
        } else {
            for at in 0..count {
                to.add(at).write(from.add(at).read());
            }
        }
    }
}

/// Returns `index`, or the last one below `count`.
const fn last(index: usize, count: usize) -> usize {
    if index < count { index } else { count - 1 }
}

/// Returns word `word` of the records of register `register`.
///
/// # Safety
/// `records` has them.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) unsafe fn record(records: *const i32, register: usize, word: usize) -> __m256i {
    let at = register.wrapping_mul(LANE_WORDS).wrapping_add(word).wrapping_mul(8);
    // SAFETY: the caller's.
    unsafe { _mm256_loadu_si256(records.add(at).cast()) }
}

/// How a register of accumulators is requantized. `HIGH` takes 7 instructions for 8 lanes, `SUM` 8, `GENERAL` 12.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    mantissa: __m256i,
    odd_mantissa: __m256i,
    shift: __m256i,
    /// Even and odd addends; in `HIGH` the first is that of all lanes, in 32 bits.
    addends: [__m256i; 2],
    left: __m256i,
    mask: __m256i,
}

impl Scale {
    /// # Safety
    /// `records` has the records of `register`.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) unsafe fn load(records: *const i32, register: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            Self {
                mantissa: record(records, register, 1),
                odd_mantissa: record(records, register, 7),
                shift: record(records, register, 2),
                addends: [record(records, register, 3), record(records, register, 4)],
                left: record(records, register, 5),
                mask: record(records, register, 6),
            }
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn apply<const MODE: i32>(&self, sums: __m256i) -> __m256i {
        let sums = if MODE == GENERAL { _mm256_sllv_epi32(sums, self.left) } else { sums };
        let mut even = _mm256_mul_epi32(sums, self.mantissa);
        let mut odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(sums), self.odd_mantissa);
        if MODE == SUM || MODE == GENERAL {
            even = _mm256_add_epi64(even, self.addends[0]);
            odd = _mm256_add_epi64(odd, self.addends[1]);
        }
        let mut high = _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd);
        if MODE == HIGH || MODE == SIGNED {
            high = _mm256_add_epi32(high, self.addends[0]);
        }
        if MODE == GENERAL || MODE == SIGNED {
            high = _mm256_add_epi32(high, _mm256_and_si256(_mm256_srai_epi32::<31>(sums), self.mask));
        }
        _mm256_srav_epi32(high, self.shift)
    }
}

/// Zero point and bounds of an output.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    zero_point: __m256i,
    low: __m256i,
    high: __m256i,
    order: __m256i,
}

impl Bounds {
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn new(zero_point: i32, low: i32, high: i32) -> Self {
        Self {
            zero_point: _mm256_set1_epi16(zero_point as i16),
            low: _mm256_set1_epi8(low as i8),
            high: _mm256_set1_epi8(high as i8),
            order: _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7),
        }
    }

    /// Packs four registers into 32 bytes, in the order of the 128-bit parts: four of each register at a time.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn pack_parts(&self, a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        let first = _mm256_adds_epi16(_mm256_packs_epi32(a, b), self.zero_point);
        let second = _mm256_adds_epi16(_mm256_packs_epi32(c, d), self.zero_point);
        _mm256_min_epi8(_mm256_max_epi8(_mm256_packs_epi16(first, second), self.low), self.high)
    }

    /// Packs four registers into 32 bytes, one after the other.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn pack(&self, a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_permutevar8x32_epi32(self.pack_parts(a, b, c, d), self.order)
    }
}

/// Computes a row of a depthwise convolution, 16 outputs at a time: the values of two taps are interleaved (2 instructions),
/// then two `VPMADDWD` and `VPADDD` of 8 outputs each. For 3x3 taps 10 loads, 10 interleaves, 10 `VPMADDWD` and 10 `VPADDD` for
/// 144 MAC.
///
/// # Safety
/// The row's pointers reach as far as its numbers say.
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn depthwise<const MODE: i32, const GROUPS: usize>(rows: &DepthwiseRows) {
    for row in 0..rows.rows {
        let image = rows.image.wrapping_add(row.wrapping_mul(rows.image_step));
        let output = rows.output.wrapping_add(row.wrapping_mul(rows.width).wrapping_mul(rows.channels));
        // SAFETY: the caller's.
        unsafe { depthwise_row::<MODE, GROUPS>(&DepthwiseRows { image, output, ..*rows }) };
    }
}

/// # Safety
/// As [`depthwise`], of one row.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn depthwise_row<const MODE: i32, const GROUPS: usize>(row: &DepthwiseRows) {
    // SAFETY: the caller's; loads beyond the row's end stay in the slack of the copied image.
    unsafe {
        let groups = if GROUPS > 0 { GROUPS } else { row.tap_count / 2 };
        let length = row.width.wrapping_mul(row.copied);
        let bounds = Bounds::new(row.zero_point, row.low, row.high);
        let mut table = 0usize;
        let mut done = 0usize;
        while done < length {
            let records = row.records.add(table.wrapping_mul(16 * LANE_WORDS));
            let mut weights = row.weights.add(table.wrapping_mul(groups).wrapping_mul(64));
            let image = row.image.add(done.wrapping_mul(2));
            let mut sums = [record(records, 0, 0), record(records, 1, 0)];
            let mut taps = row.taps.cast::<u32>();
            for _ in 0..groups {
                let a = _mm256_loadu_si256(image.add(taps.read_unaligned() as usize).cast());
                let b = _mm256_loadu_si256(image.add(taps.add(1).read_unaligned() as usize).cast());
                taps = taps.add(2);
                let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), _mm256_loadu_si256(weights.cast()));
                let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), _mm256_loadu_si256(weights.add(32).cast()));
                sums = [_mm256_add_epi32(sums[0], low), _mm256_add_epi32(sums[1], high)];
                weights = weights.add(64);
            }
            let low = Scale::load(records, 0).apply::<MODE>(sums[0]);
            let high = Scale::load(records, 1).apply::<MODE>(sums[1]);
            let bytes = _mm256_permute4x64_epi64::<0b1000>(bounds.pack_parts(low, high, low, high));
            let bytes = _mm256_castsi256_si128(bytes);
            let left = length.wrapping_sub(done);
            if row.copied != row.channels {
                spread(row, done, left.min(16), bytes);
            } else if left >= 16 {
                _mm_storeu_si128(row.output.add(done).cast(), bytes);
            } else {
                write(row.output.add(done), left, bytes);
            }
            done = done.wrapping_add(16);
            table = table.wrapping_add(1);
            if table == row.period {
                table = 0;
            }
        }
    }
}

/// Computes rows of a depthwise convolution with 3x3 taps, 16 channels at a time along each row. A column of three values is
/// interleaved once and goes into the sums of three outputs: 3 loads, 4 interleaves, 12 `VPMADDWD` and 12 `VPADDD` for 144 MAC.
/// Registers: 6 sums, 4 of the column, one of products; weights and records come from the first-level cache.
///
/// # Safety
/// The rows' pointers reach as far as their numbers say.
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn slide<const MODE: i32>(rows: &DepthwiseRows) {
    // SAFETY: the caller's; a row has two more columns than outputs.
    unsafe {
        let bounds = Bounds::new(rows.zero_point, rows.low, rows.high);
        let step = rows.copied.wrapping_mul(2);
        let distance = |tap: usize| rows.taps.cast::<u32>().add(tap).read_unaligned() as usize;
        let down = [distance(0), distance(1), distance(2)];
        for chunk in 0..rows.period {
            let records = rows.records.add(chunk.wrapping_mul(16 * LANE_WORDS));
            let weights = rows.weights.add(chunk.wrapping_mul(6 * 64));
            let valid = rows.channels.wrapping_sub(chunk.wrapping_mul(16)).min(16);
            let (bias, scales) =
                ([record(records, 0, 0), record(records, 1, 0)], [Scale::load(records, 0), Scale::load(records, 1)]);
            // The sums of a column of taps with the weights of column `k`, added to `sums`.
            let add = |sums: [__m256i; 2], x: &[__m256i; 4], k: usize| {
                let w = |i: usize| _mm256_loadu_si256(weights.add(k.wrapping_mul(128).wrapping_add(32 * i)).cast());
                let products = [
                    _mm256_add_epi32(_mm256_madd_epi16(x[0], w(0)), _mm256_madd_epi16(x[2], w(2))),
                    _mm256_add_epi32(_mm256_madd_epi16(x[1], w(1)), _mm256_madd_epi16(x[3], w(3))),
                ];
                [_mm256_add_epi32(sums[0], products[0]), _mm256_add_epi32(sums[1], products[1])]
            };
            for row in 0..rows.rows {
                let image = rows.image.add(row.wrapping_mul(rows.image_step).wrapping_add(chunk.wrapping_mul(32)));
                let mut to = rows
                    .output
                    .add(row.wrapping_mul(rows.width).wrapping_mul(rows.channels))
                    .add(chunk.wrapping_mul(16));
                let column = |n: usize| {
                    let place = image.add(n.wrapping_mul(step));
                    let load = |i: usize| _mm256_loadu_si256(place.add(down[i]).cast());
                    let (a, b, c) = (load(0), load(1), load(2));
                    let none = _mm256_setzero_si256();
                    [
                        _mm256_unpacklo_epi16(a, b),
                        _mm256_unpackhi_epi16(a, b),
                        _mm256_unpacklo_epi16(c, none),
                        _mm256_unpackhi_epi16(c, none),
                    ]
                };
                let finish = |sums: [__m256i; 2]| {
                    let words = _mm256_packs_epi32(scales[0].apply::<MODE>(sums[0]), scales[1].apply::<MODE>(sums[1]));
                    _mm256_adds_epi16(words, bounds.zero_point)
                };
                let put = |to: *mut i8, bytes: __m128i| {
                    if valid == 16 {
                        _mm_storeu_si128(to.cast(), bytes);
                    } else {
                        write(to, valid, bytes);
                    }
                };
                let x = column(0);
                let first = add(bias, &x, 0);
                let x = column(1);
                let (mut older, mut newer) = (add(first, &x, 1), add(bias, &x, 0));
                let mut n = 0usize;
                while n < rows.width {
                    let x = column(n.wrapping_add(2));
                    let done = finish(add(older, &x, 2));
                    let (next, last) = (add(newer, &x, 1), add(bias, &x, 0));
                    n = n.wrapping_add(1);
                    let mut both = [done; 2];
                    (older, newer) = (next, last);
                    if n < rows.width {
                        let x = column(n.wrapping_add(2));
                        both[1] = finish(add(older, &x, 2));
                        (older, newer) = (add(newer, &x, 1), add(bias, &x, 0));
                        n = n.wrapping_add(1);
                    }
                    let bytes = _mm256_packs_epi16(both[0], both[1]);
                    let bytes = _mm256_min_epi8(_mm256_max_epi8(bytes, bounds.low), bounds.high);
                    let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
                    put(to, _mm256_castsi256_si128(bytes));
                    to = to.wrapping_add(rows.channels);
                    if n.is_multiple_of(2) {
                        put(to, _mm256_extracti128_si256::<1>(bytes));
                        to = to.wrapping_add(rows.channels);
                    }
                }
            }
        }
    }
}

/// Writes the first `count` bytes, outputs from `begin` on, without those that fill channels up.
///
/// # Safety
/// The row's output has the pixels that they belong to.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn spread(row: &DepthwiseRows, begin: usize, count: usize, bytes: __m128i) {
    let mut values = [0i8; 32];
    // SAFETY: `values` has 16 bytes from every place among the first 16; a pixel's channels end where `channels` says.
    unsafe {
        _mm_storeu_si128(values.as_mut_ptr().cast(), bytes);
        let mut done = 0;
        while done < count {
            let at = begin.wrapping_add(done);
            let (pixel, channel) = (at / row.copied, at % row.copied);
            let run = row.copied.wrapping_sub(channel).min(count.wrapping_sub(done));
            let keep = row.channels.saturating_sub(channel).min(run);
            let to = row.output.add(pixel.wrapping_mul(row.channels).wrapping_add(channel));
            write(to, keep, _mm_loadu_si128(values.as_ptr().wrapping_add(done).cast()));
            done = done.wrapping_add(run);
        }
    }
}
