//! The kernels in registers of 512 bits.

use core::arch::x86_64::*;
use core::ops::Range;

use tanbo_packing::Layout;
use tanbo_packing::x86::{Family, LANE_WORDS, VNNI, VNNI_FAMILY};

use crate::arch::x86::{self, Block, DepthwiseRow, GENERAL, HIGH, Machine, Pixel, SUM};
use crate::{KernelResult, Packed, Rows, RowsMut};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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

/// The registers of AVX-512.
struct Registers;

impl Machine for Registers {
    const FAMILY: Family = VNNI_FAMILY;
    const LAYOUT: Layout = VNNI;

    #[inline(always)]
    unsafe fn copy(from: *const i8, to: *mut u8, count: usize, _zero_point: i32) {
        // SAFETY: the caller's; the last load is masked.
        unsafe {
            let sign = _mm512_set1_epi8(i8::MIN);
            let mut done = 0;
            while done < count {
                let left = count.wrapping_sub(done);
                let values = if left >= 64 {
                    _mm512_loadu_si512(from.add(done).cast())
                } else {
                    _mm512_maskz_loadu_epi8((1u64 << left).wrapping_sub(1), from.add(done))
                };
                _mm512_storeu_si512(to.add(done).cast(), _mm512_xor_si512(values, sign));
                done = done.wrapping_add(64);
            }
        }
    }

    #[inline(always)]
    unsafe fn fill(to: *mut u8, count: usize, zero_point: i32) {
        // SAFETY: the caller's.
        unsafe {
            let value = _mm512_set1_epi8((zero_point ^ 0x80) as i8);
            let mut done = 0;
            while done < count {
                _mm512_storeu_si512(to.add(done).cast(), value);
                done = done.wrapping_add(64);
            }
        }
    }

    #[inline(always)]
    unsafe fn conv(block: &Block, registers: usize, mode: i32) {
        // SAFETY: the caller's.
        unsafe {
            match (registers, mode) {
                (1, HIGH) => conv::<8, 1, HIGH>(block),
                (2, HIGH) => conv::<8, 2, HIGH>(block),
                (3, HIGH) => conv::<6, 3, HIGH>(block),
                (_, HIGH) => conv::<6, 4, HIGH>(block),
                (1, SUM) => conv::<8, 1, SUM>(block),
                (2, SUM) => conv::<8, 2, SUM>(block),
                (3, SUM) => conv::<6, 3, SUM>(block),
                (_, SUM) => conv::<6, 4, SUM>(block),
                (1, _) => conv::<8, 1, GENERAL>(block),
                (2, _) => conv::<8, 2, GENERAL>(block),
                (3, _) => conv::<6, 3, GENERAL>(block),
                (_, _) => conv::<6, 4, GENERAL>(block),
            }
        }
    }

    #[inline(always)]
    unsafe fn depthwise(row: &DepthwiseRow, mode: i32) {
        // SAFETY: the caller's.
        unsafe {
            match (mode, row.tap_count) {
                (HIGH, 12) => depthwise::<HIGH, 3>(row),
                (HIGH, _) => depthwise::<HIGH, 0>(row),
                (SUM, 12) => depthwise::<SUM, 3>(row),
                (SUM, _) => depthwise::<SUM, 0>(row),
                (_, 12) => depthwise::<GENERAL, 3>(row),
                (_, _) => depthwise::<GENERAL, 0>(row),
            }
        }
    }
}

/// Computes the pixels of a block, `M` at a time with `N` registers of 16 output channels each: `M·N` accumulators, `N`
/// registers of weights, one broadcast of four activations. Per group of four values `M` broadcasts, `N` loads and `M·N`
/// `VPDPBUSD` of 64 products: with `N = 4`, `M = 6` 34 instructions for 1536 MAC.
///
/// # Safety
/// The block's pointers reach as far as its numbers say.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn conv<const M: usize, const N: usize, const MODE: i32>(block: &Block) {
    // SAFETY: the caller's; every pixel index is below the number of pixels.
    unsafe {
        let mut pixel = block.pixel(0);
        loop {
            let left = block.pixels.wrapping_sub(pixel.index);
            if left >= M {
                pixel = tile::<M, N, MODE>(block, pixel);
            } else if left == 0 {
                break;
            } else if left > 1 && block.pixels >= M {
                // Some pixels again: the same values.
                tile::<M, N, MODE>(block, block.pixel(block.pixels.wrapping_sub(M)));
                break;
            } else {
                pixel = tile::<1, N, MODE>(block, pixel);
            }
        }
    }
}

/// Computes `M` pixels and returns the next one.
///
/// # Safety
/// As [`conv`]; the pixels are in the block.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn tile<const M: usize, const N: usize, const MODE: i32>(block: &Block, pixel: Pixel) -> Pixel {
    // SAFETY: the caller's.
    unsafe {
        let (places, next) = block.places::<M>(pixel);
        let first = block.output.add(pixel.index.wrapping_mul(block.channels));
        let mut sums = [[_mm512_setzero_si512(); N]; M];
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
                    let mut w = [_mm512_setzero_si512(); N];
                    each!(j < N { w[j] = _mm512_loadu_si512(weights.add(64 * j).cast()); });
                    weights = weights.add(64 * N);
                    each!(m < M {
                        let x = _mm512_set1_epi32(places[m].add(at).cast::<i32>().read_unaligned());
                        each!(j < N { sums[m][j] = _mm512_dpbusd_epi32(sums[m][j], x, w[j]); });
                    });
                    at = at.wrapping_add(4);
                }
                across = across.wrapping_add(block.runs[1].1);
            }
            down = down.wrapping_add(block.runs[0].1);
        }
        each!(j < N {
            let scale = Scale::load::<MODE>(block.records, j);
            each!(m < M { sums[m][j] = scale.apply::<MODE>(sums[m][j]); });
        });
        let range = Bounds::new(block.zero_point, block.low, block.high);
        let output = |pixel: usize| first.add(pixel.wrapping_mul(block.channels));
        let full = block.valid == 16 * N;
        match N {
            1 => each!(four < M.div_ceil(4) {
                let m: [usize; 4] = [4 * four, last(4 * four + 1, M), last(4 * four + 2, M), last(4 * four + 3, M)];
                let bytes = range.pack(sums[m[0]][0], sums[m[1]][0], sums[m[2]][0], sums[m[3]][0]);
                let parts = [
                    _mm512_castsi512_si128(bytes),
                    _mm512_extracti32x4_epi32::<1>(bytes),
                    _mm512_extracti32x4_epi32::<2>(bytes),
                    _mm512_extracti32x4_epi32::<3>(bytes),
                ];
                each!(i < 4 {
                    if 4 * four + i < M {
                        if full {
                            _mm_storeu_si128(output(4 * four + i).cast(), parts[i]);
                        } else {
                            _mm_mask_storeu_epi8(output(4 * four + i), (1u16 << block.valid).wrapping_sub(1), parts[i]);
                        }
                    }
                });
            }),
            2 => each!(two < M.div_ceil(2) {
                let m = [2 * two, last(2 * two + 1, M)];
                let bytes = range.pack(sums[m[0]][0], sums[m[0]][1 % N], sums[m[1]][0], sums[m[1]][1 % N]);
                let parts = [_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64::<1>(bytes)];
                each!(i < 2 {
                    if 2 * two + i < M {
                        if full {
                            _mm256_storeu_si256(output(2 * two + i).cast(), parts[i]);
                        } else {
                            _mm256_mask_storeu_epi8(output(2 * two + i), (1u32 << block.valid).wrapping_sub(1), parts[i]);
                        }
                    }
                });
            }),
            _ => each!(m < M {
                let bytes = range.pack(sums[m][0], sums[m][1 % N], sums[m][2 % N], sums[m][N - 1]);
                if full && N == 4 {
                    _mm512_storeu_si512(output(m).cast(), bytes);
                } else {
                    _mm512_mask_storeu_epi8(output(m), (1u64 << block.valid).wrapping_sub(1), bytes);
                }
            }),
        }
        next
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn record(records: *const i32, register: usize, word: usize) -> __m512i {
    // SAFETY: the caller's.
    unsafe {
        _mm512_loadu_si512(records.add(register.wrapping_mul(LANE_WORDS).wrapping_add(word).wrapping_mul(16)).cast())
    }
}

/// How a register of accumulators is requantized. `HIGH` takes 6 instructions for 16 lanes, `SUM` 7, `GENERAL` 11.
#[derive(Clone, Copy)]
struct Scale {
    mantissa: __m512i,
    odd_mantissa: __m512i,
    shift: __m512i,
    /// Even and odd addends; in `HIGH` the first is that of all lanes, in 32 bits.
    addends: [__m512i; 2],
    left: __m512i,
    mask: __m512i,
}

impl Scale {
    /// # Safety
    /// `records` has the records of `register`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    unsafe fn load<const MODE: i32>(records: *const i32, register: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let mantissa = record(records, register, 1);
            let (high, low) = (record(records, register, 3), record(records, register, 4));
            let addends = match MODE {
                HIGH => [high, high],
                // Each 64-bit lane: the high word of a lane above its low word.
                _ => [
                    _mm512_mask_blend_epi32(0xaaaa, low, _mm512_slli_epi64::<32>(high)),
                    _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(low), high),
                ],
            };
            Self {
                mantissa,
                odd_mantissa: _mm512_srli_epi64::<32>(mantissa),
                shift: record(records, register, 2),
                addends,
                left: record(records, register, 5),
                mask: record(records, register, 6),
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    fn apply<const MODE: i32>(&self, sums: __m512i) -> __m512i {
        let sums = if MODE == GENERAL { _mm512_sllv_epi32(sums, self.left) } else { sums };
        let mut even = _mm512_mul_epi32(sums, self.mantissa);
        let mut odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), self.odd_mantissa);
        if MODE != HIGH {
            even = _mm512_add_epi64(even, self.addends[0]);
            odd = _mm512_add_epi64(odd, self.addends[1]);
        }
        let mut high = _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even);
        if MODE == HIGH {
            high = _mm512_add_epi32(high, self.addends[0]);
        }
        if MODE == GENERAL {
            high = _mm512_add_epi32(high, _mm512_and_si512(_mm512_srai_epi32::<31>(sums), self.mask));
        }
        _mm512_srav_epi32(high, self.shift)
    }
}

/// Zero point and bounds of an output.
#[derive(Clone, Copy)]
struct Bounds {
    zero_point: __m512i,
    low: __m512i,
    high: __m512i,
    order: __m512i,
}

impl Bounds {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    fn new(zero_point: i32, low: i32, high: i32) -> Self {
        Self {
            zero_point: _mm512_set1_epi16(zero_point as i16),
            low: _mm512_set1_epi8(low as i8),
            high: _mm512_set1_epi8(high as i8),
            order: _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        }
    }

    /// Packs four registers into 64 bytes, in the order of the 128-bit parts: four of each register at a time.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    fn pack_parts(&self, a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> __m512i {
        let first = _mm512_adds_epi16(_mm512_packs_epi32(a, b), self.zero_point);
        let second = _mm512_adds_epi16(_mm512_packs_epi32(c, d), self.zero_point);
        _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(first, second), self.low), self.high)
    }

    /// Packs four registers into 64 bytes, one after the other.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    fn pack(&self, a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> __m512i {
        _mm512_permutexvar_epi32(self.order, self.pack_parts(a, b, c, d))
    }
}

/// Computes a row of a depthwise convolution, 64 outputs at a time: the bytes of four taps are interleaved (8 instructions),
/// then four `VPDPBUSD` of 16 outputs each. For 3x3 taps 9 loads, 24 interleaves and 12 `VPDPBUSD` for 576 MAC.
///
/// # Safety
/// The row's pointers reach as far as its numbers say.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn depthwise<const MODE: i32, const GROUPS: usize>(row: &DepthwiseRow) {
    // SAFETY: the caller's; loads beyond the row's end stay in the slack of the copied image.
    unsafe {
        let groups = if GROUPS > 0 { GROUPS } else { row.tap_count / 4 };
        let length = row.width.wrapping_mul(row.copied);
        let bounds = Bounds::new(row.zero_point, row.low, row.high);
        let mut table = 0;
        let mut done = 0;
        while done < length {
            let records = row.records.add(table * 64 * LANE_WORDS);
            let mut weights = row.weights.add(table * groups * 256);
            let image = row.image.add(done);
            let mut sums = [record(records, 0, 0), record(records, 1, 0), record(records, 2, 0), record(records, 3, 0)];
            let mut taps = row.taps.cast::<u32>();
            for _ in 0..groups {
                let x: [__m512i; 4] = core::array::from_fn(|i| {
                    _mm512_loadu_si512(image.add(taps.add(i).read_unaligned() as usize).cast())
                });
                taps = taps.add(4);
                let (low01, high01) = (_mm512_unpacklo_epi8(x[0], x[1]), _mm512_unpackhi_epi8(x[0], x[1]));
                let (low23, high23) = (_mm512_unpacklo_epi8(x[2], x[3]), _mm512_unpackhi_epi8(x[2], x[3]));
                let parts = [
                    _mm512_unpacklo_epi16(low01, low23),
                    _mm512_unpackhi_epi16(low01, low23),
                    _mm512_unpacklo_epi16(high01, high23),
                    _mm512_unpackhi_epi16(high01, high23),
                ];
                for (j, (sum, x)) in sums.iter_mut().zip(parts).enumerate() {
                    *sum = _mm512_dpbusd_epi32(*sum, x, _mm512_loadu_si512(weights.add(j.wrapping_mul(64)).cast()));
                }
                weights = weights.add(256);
            }
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = Scale::load::<MODE>(records, j).apply::<MODE>(*sum);
            }
            let bytes = bounds.pack_parts(sums[0], sums[1], sums[2], sums[3]);
            let left = length.wrapping_sub(done);
            if row.copied != row.channels {
                spread(row, done, left.min(64), bytes);
            } else if left >= 64 {
                _mm512_storeu_si512(row.output.add(done).cast(), bytes);
            } else {
                _mm512_mask_storeu_epi8(row.output.add(done), (1u64 << left).wrapping_sub(1), bytes);
            }
            done = done.wrapping_add(64);
            table = table.wrapping_add(1);
            if table == row.period {
                table = 0;
            }
        }
    }
}

/// Writes the first `count` bytes, outputs from `begin` on, without those that fill channels up.
///
/// # Safety
/// The row's output has the pixels that they belong to.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn spread(row: &DepthwiseRow, begin: usize, count: usize, bytes: __m512i) {
    let mut values = [0i8; 64];
    // SAFETY: `values` has the 64 bytes; a pixel's channels end where `channels` says.
    unsafe {
        _mm512_storeu_si512(values.as_mut_ptr().cast(), bytes);
        let mut done = 0;
        while done < count {
            let at = begin.wrapping_add(done);
            let (pixel, channel) = (at / row.copied, at % row.copied);
            let run = row.copied.wrapping_sub(channel).min(count.wrapping_sub(done));
            let keep = row.channels.saturating_sub(channel).min(run);
            let to = row.output.add(pixel.wrapping_mul(row.channels).wrapping_add(channel));
            let mask = if keep >= 64 { u64::MAX } else { (1u64 << keep).wrapping_sub(1) };
            let part = _mm512_maskz_loadu_epi8(mask, values.as_ptr().wrapping_add(done));
            _mm512_mask_storeu_epi8(to, mask, part);
            done = done.wrapping_add(run);
        }
    }
}
