//! The kernels in registers of 512 bits.

use core::arch::x86_64::*;
use core::hint::black_box;
use core::ops::Range;

use tanbo_packing::Layout;
use tanbo_packing::x86::{Family, LANE_WORDS, VNNI, VNNI_FAMILY};

use crate::arch::x86::{self, BENT, Block, DepthwiseRows, GENERAL, HIGH, LINE, Machine, Pixel, SIGNED, SUM};
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
            // A pixel of few channels: a narrow store crosses fewer cache lines.
            if count <= 16 {
                let values = _mm_maskz_loadu_epi8((1u32 << count).wrapping_sub(1) as u16, from);
                _mm_storeu_si128(to.cast(), _mm_xor_si128(values, _mm512_castsi512_si128(sign)));
                return;
            }
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
    unsafe fn fill(to: *mut u8, count: usize, value: i32, _zero_point: i32) {
        // SAFETY: the caller's.
        unsafe {
            let value = _mm512_set1_epi8((value ^ 0x80) as i8);
            let mut done = 0;
            while done < count {
                _mm512_storeu_si512(to.add(done).cast(), value);
                done = done.wrapping_add(64);
            }
        }
    }

    #[inline(always)]
    unsafe fn conv(block: &Block, registers: usize, _weight_bytes: usize, mode: i32) {
        // SAFETY: the caller's.
        unsafe {
            match (registers, mode) {
                (1, LINE) => conv::<8, 1, LINE>(block),
                (2, LINE) => conv::<8, 2, LINE>(block),
                (3, LINE) => conv::<6, 3, LINE>(block),
                (_, LINE) => conv::<2, 4, LINE>(block),
                (1, BENT) => conv::<8, 1, BENT>(block),
                (2, BENT) => conv::<8, 2, BENT>(block),
                (3, BENT) => conv::<6, 3, BENT>(block),
                (_, BENT) => conv::<2, 4, BENT>(block),
                (1, HIGH) => conv::<8, 1, HIGH>(block),
                (2, HIGH) => conv::<8, 2, HIGH>(block),
                (3, HIGH) => conv::<6, 3, HIGH>(block),
                (_, HIGH) => conv::<2, 4, HIGH>(block),
                (1, SUM) => conv::<8, 1, SUM>(block),
                (2, SUM) => conv::<8, 2, SUM>(block),
                (3, SUM) => conv::<6, 3, SUM>(block),
                (_, SUM) => conv::<2, 4, SUM>(block),
                (1, _) => conv::<8, 1, GENERAL>(block),
                (2, _) => conv::<8, 2, GENERAL>(block),
                (3, _) => conv::<6, 3, GENERAL>(block),
                (_, _) => conv::<2, 4, GENERAL>(block),
            }
        }
    }

    #[inline(always)]
    unsafe fn depthwise(rows: &DepthwiseRows, mode: i32) {
        // SAFETY: the caller's.
        unsafe {
            match (mode, rows.tap_count) {
                (LINE, 12) => depthwise::<LINE, 3>(rows),
                (LINE, _) => depthwise::<LINE, 0>(rows),
                (BENT, 12) => depthwise::<BENT, 3>(rows),
                (BENT, _) => depthwise::<BENT, 0>(rows),
                (HIGH, 12) => depthwise::<HIGH, 3>(rows),
                (HIGH, _) => depthwise::<HIGH, 0>(rows),
                (SUM, 12) => depthwise::<SUM, 3>(rows),
                (SUM, _) => depthwise::<SUM, 0>(rows),
                (_, 12) => depthwise::<GENERAL, 3>(rows),
                (_, _) => depthwise::<GENERAL, 0>(rows),
            }
        }
    }
}

/// Computes the pixels of a block, `M` at a time with `N` registers of 16 output channels each: `M·N` accumulators, `N`
/// registers of weights, one broadcast of four activations. Per group of four values `M` broadcasts, `N` loads and `M·N`
/// `VPDPBUSD` of 64 products: with `N = 4`, `M = 2` 14 instructions for 512 MAC. Eight accumulators are enough to wait for none,
/// and so few that the CPU multiplies for the next pixels while it requantizes these: six pixels take 3 % longer.
///
/// # Safety
/// The block's pointers reach as far as its numbers say.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn conv<const M: usize, const N: usize, const MODE: i32>(block: &Block) {
    // SAFETY: the caller's; the pixels are in the block.
    unsafe { block.tiles::<M>(|pixel| tile::<M, N, MODE>(block, pixel), |pixel| tile::<1, N, MODE>(block, pixel)) }
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
            let scale = Scale::load(block.records, j);
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
pub(super) unsafe fn record(records: *const i32, register: usize, word: usize) -> __m512i {
    // SAFETY: the caller's.
    unsafe {
        _mm512_loadu_si512(records.add(register.wrapping_mul(LANE_WORDS).wrapping_add(word).wrapping_mul(16)).cast())
    }
}

/// How a register of accumulators is requantized. `LINE` takes 3 instructions for 16 lanes, `BENT` 5, `HIGH` 6, `SUM` 7, `GENERAL`
/// 11.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    mantissa: __m512i,
    odd_mantissa: __m512i,
    shift: __m512i,
    /// Even and odd addends; in `HIGH` the first is that of all lanes, in 32 bits; in `BENT` the second is that of negative sums.
    addends: [__m512i; 2],
    left: __m512i,
    mask: __m512i,
}

impl Scale {
    /// # Safety
    /// `records` has the records of `register`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    pub(super) fn apply<const MODE: i32>(&self, sums: __m512i) -> __m512i {
        if MODE == LINE || MODE == BENT {
            const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
            let [addend, below] = self.addends.map(|addend| _mm512_castsi512_ps(addend));
            let addend = match MODE {
                LINE => addend,
                _ => _mm512_mask_blend_ps(_mm512_cmplt_epi32_mask(sums, _mm512_setzero_si512()), addend, below),
            };
            let scale = _mm512_castsi512_ps(self.mantissa);
            // Each instruction says how it rounds: no program's MXCSR changes a bit.
            let value = _mm512_cvt_roundepi32_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(sums);
            return _mm512_cvt_roundps_epi32::<DOWN>(_mm512_fmadd_round_ps::<DOWN>(value, scale, addend));
        }
        let sums = if MODE == GENERAL { _mm512_sllv_epi32(sums, self.left) } else { sums };
        let mut even = _mm512_mul_epi32(sums, self.mantissa);
        let mut odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), self.odd_mantissa);
        if MODE == SUM || MODE == GENERAL {
            even = _mm512_add_epi64(even, self.addends[0]);
            odd = _mm512_add_epi64(odd, self.addends[1]);
        }
        let mut high = _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even);
        if MODE == HIGH || MODE == SIGNED {
            high = _mm512_add_epi32(high, self.addends[0]);
        }
        if MODE == GENERAL || MODE == SIGNED {
            high = _mm512_add_epi32(high, _mm512_and_si512(_mm512_srai_epi32::<31>(sums), self.mask));
        }
        _mm512_srav_epi32(high, self.shift)
    }
}

/// Returns the order of words that puts the four parts of four packed registers one after the other.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
pub(super) fn order_of_parts() -> __m512i {
    _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
}

/// Zero point and bounds of an output.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    zero_point: __m512i,
    low: __m512i,
    high: __m512i,
    order: __m512i,
    /// Whether every int8 from the zero point on, the least of them, may be an output: usual after a ReLU.
    from_least: bool,
    /// Whether every int8 may be an output.
    all: bool,
}

impl Bounds {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    pub(super) fn new(zero_point: i32, low: i32, high: i32) -> Self {
        let all = low <= i8::MIN.into() && high >= i8::MAX.into();
        Self {
            zero_point: _mm512_set1_epi16(zero_point as i16),
            low: _mm512_set1_epi8(low as i8),
            high: _mm512_set1_epi8(high as i8),
            order: order_of_parts(),
            from_least: all && zero_point == i8::MIN.into(),
            all,
        }
    }

    /// Packs four registers into 64 bytes, one after the other.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    pub(super) fn pack(&self, a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> __m512i {
        let (first, second) = (_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
        let bytes = if self.from_least {
            // Packed as uint8, which are 128 more.
            _mm512_xor_si512(_mm512_packus_epi16(first, second), _mm512_set1_epi8(i8::MIN))
        } else {
            let add = |words| _mm512_adds_epi16(words, self.zero_point);
            let bytes = _mm512_packs_epi16(add(first), add(second));
            if self.all { bytes } else { _mm512_min_epi8(_mm512_max_epi8(bytes, self.low), self.high) }
        };
        // Each 128-bit part has four of each register.
        _mm512_permutexvar_epi32(self.order, bytes)
    }
}

/// Computes rows of a depthwise convolution, 16 channels (or the pixels that have them) at a time along each row, weights and
/// records in registers. A group of four taps is 4 loads of 16 bytes, put side by side and transposed (5 instructions), then a
/// `VPDPBUSD`. Where taps are 3x3 and outputs follow one another, a column is transposed once for three outputs: 4 instructions
/// and 3 `VPDPBUSD` for 144 MAC.
///
/// # Safety
/// The rows' pointers reach as far as their numbers say.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn depthwise<const MODE: i32, const GROUPS: usize>(rows: &DepthwiseRows) {
    // SAFETY: the caller's; loads beyond the row's end stay in the slack of the copied image.
    unsafe {
        let groups = if GROUPS > 0 { GROUPS } else { rows.tap_count / 4 };
        let bounds = Bounds::new(rows.zero_point, rows.low, rows.high);
        let orders = Orders::new();
        let step = rows.copied.max(16);
        let count = rows.width.wrapping_mul(rows.copied).div_ceil(step);
        for chunk in 0..rows.period {
            let records = rows.records.add(chunk.wrapping_mul(16 * LANE_WORDS));
            let weights = rows.weights.add(chunk.wrapping_mul(groups).wrapping_mul(64));
            let scale = Scale::load(records, 0);
            let bias = record(records, 0, 0);
            let at = chunk.wrapping_mul(16);
            for row in 0..rows.rows {
                let image = rows.image.add(row.wrapping_mul(rows.image_step).wrapping_add(at));
                let first = rows.output.add(row.wrapping_mul(rows.width).wrapping_mul(rows.channels).wrapping_add(at));
                let mut n = 0usize;
                // Columns `n` and `n + 1`, if the last four outputs have left them.
                let mut columns = [_mm512_setzero_si512(); 2];
                let mut kept = false;
                while n < count {
                    let left = count.wrapping_sub(n);
                    if left >= 4 || (left == 3 && count >= 4) {
                        let begin = n.min(count.wrapping_sub(4));
                        let mut y = [bias; 4];
                        if GROUPS == 3 && rows.slides {
                            let place = image.add(begin.wrapping_mul(step));
                            let next = |i: usize| column(&orders, rows.taps, place.add(i.wrapping_mul(step)));
                            let mut x = [columns[0]; 6];
                            if kept && begin == n {
                                x[1] = columns[1];
                            } else {
                                (x[0], x[1]) = (next(0), next(1));
                            }
                            each!(i < 4 { x[i + 2] = next(i + 2); });
                            each!(k < 3 {
                                let w = _mm512_loadu_si512(weights.add(64 * k).cast());
                                each!(i < 4 { y[i] = _mm512_dpbusd_epi32(y[i], x[i + k], w); });
                            });
                            (columns, kept) = ([x[4], x[5]], true);
                        } else {
                            for group in 0..groups {
                                let taps = rows.taps.add(group.wrapping_mul(16));
                                let w = _mm512_loadu_si512(weights.add(group.wrapping_mul(64)).cast());
                                each!(i < 4 {
                                    let place = image.add(begin.wrapping_add(i).wrapping_mul(step));
                                    y[i] = _mm512_dpbusd_epi32(y[i], four(&orders, taps, place), w);
                                });
                            }
                        }
                        each!(i < 4 { y[i] = scale.apply::<MODE>(y[i]); });
                        let bytes = bounds.pack(y[0], y[1], y[2], y[3]);
                        write(rows, first, chunk, begin, _mm512_castsi512_si128(bytes));
                        write(rows, first, chunk, begin.wrapping_add(1), _mm512_extracti32x4_epi32::<1>(bytes));
                        write(rows, first, chunk, begin.wrapping_add(2), _mm512_extracti32x4_epi32::<2>(bytes));
                        write(rows, first, chunk, begin.wrapping_add(3), _mm512_extracti32x4_epi32::<3>(bytes));
                        n = begin.wrapping_add(4);
                    } else {
                        let place = image.add(n.wrapping_mul(step));
                        let mut y = bias;
                        if GROUPS == 3 && rows.slides {
                            let next = |i: usize| column(&orders, rows.taps, place.add(i.wrapping_mul(step)));
                            let [x0, x1] = if kept { columns } else { [next(0), next(1)] };
                            let x = [x0, x1, next(2)];
                            each!(k < 3 {
                                y = _mm512_dpbusd_epi32(y, x[k], _mm512_loadu_si512(weights.add(64 * k).cast()));
                            });
                            (columns, kept) = ([x[1], x[2]], true);
                        } else {
                            for group in 0..groups {
                                let x = four(&orders, rows.taps.add(group.wrapping_mul(16)), place);
                                let w = _mm512_loadu_si512(weights.add(group.wrapping_mul(64)).cast());
                                y = _mm512_dpbusd_epi32(y, x, w);
                            }
                        }
                        let y = scale.apply::<MODE>(y);
                        write(rows, first, chunk, n, _mm512_castsi512_si128(bounds.pack(y, y, y, y)));
                        n = n.wrapping_add(1);
                    }
                }
            }
        }
    }
}

/// Returns four taps of 16 channels at `place`, each channel's side by side.
///
/// # Safety
/// The taps are distances to 16 bytes each.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn four(orders: &Orders, taps: *const u8, place: *const u8) -> __m512i {
    // SAFETY: the caller's.
    unsafe {
        let load = |i: usize| {
            let distance = taps.cast::<u32>().add(i).read_unaligned() as usize;
            _mm_loadu_si128(place.add(distance).cast())
        };
        let x = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(load(0)), load(1));
        orders.transpose(_mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(x, load(2)), load(3)))
    }
}

/// As [`four`], of the first three taps; the fourth is zero.
///
/// # Safety
/// As there.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn column(orders: &Orders, taps: *const u8, place: *const u8) -> __m512i {
    // SAFETY: the caller's.
    unsafe {
        let load = |i: usize| {
            let distance = taps.cast::<u32>().add(i).read_unaligned() as usize;
            _mm_loadu_si128(place.add(distance).cast())
        };
        let x = _mm512_inserti32x4::<1>(_mm512_zextsi128_si512(load(0)), load(1));
        orders.transpose(_mm512_inserti32x4::<2>(x, load(2)))
    }
}

/// Orders of words and bytes. They are hidden from the compiler, which would make more instructions of them, not fewer.
struct Orders {
    words: __m512i,
    bytes: __m512i,
}

impl Orders {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    fn new() -> Self {
        let bytes = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        Self {
            words: black_box(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
            bytes: black_box(_mm512_broadcast_i32x4(bytes)),
        }
    }

    /// Transposes a matrix of 4 rows of 16 bytes.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    fn transpose(&self, x: __m512i) -> __m512i {
        _mm512_shuffle_epi8(_mm512_permutexvar_epi32(self.words, x), self.bytes)
    }
}

/// Writes the outputs of chunk `chunk` at place `n` of a row whose outputs begin at `first`.
///
/// # Safety
/// The row's output has the pixels that they belong to.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn write(rows: &DepthwiseRows, first: *mut i8, chunk: usize, n: usize, bytes: __m128i) {
    // SAFETY: the caller's.
    unsafe {
        if rows.copied >= 16 {
            let to = first.add(n.wrapping_mul(rows.channels));
            let valid = rows.channels.wrapping_sub(chunk.wrapping_mul(16));
            if valid >= 16 {
                _mm_storeu_si128(to.cast(), bytes);
            } else {
                _mm_mask_storeu_epi8(to, (1u16 << valid).wrapping_sub(1), bytes);
            }
            return;
        }
        // Several pixels: whole, or without the channels that fill them up.
        let pixels = 16 / rows.copied;
        let left = rows.width.wrapping_sub(n.wrapping_mul(pixels)).min(pixels);
        let mut to = first.add(n.wrapping_mul(pixels).wrapping_mul(rows.channels));
        if rows.copied == rows.channels {
            let mask = (1u32 << left.wrapping_mul(rows.copied)).wrapping_sub(1) as u16;
            _mm_mask_storeu_epi8(to, mask, bytes);
            return;
        }
        let mut values = [0i8; 32];
        _mm_storeu_si128(values.as_mut_ptr().cast(), bytes);
        for pixel in 0..left {
            let from = values.as_ptr().wrapping_add(pixel.wrapping_mul(rows.copied));
            _mm_mask_storeu_epi8(to, (1u16 << rows.channels).wrapping_sub(1), _mm_loadu_si128(from.cast()));
            to = to.add(rows.channels);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::arch::asm;

    use super::*;
    use crate::Kernels;
    use crate::arch::vnni::Vnni;

    /// Returns the outputs of 16 sums under a control word of the floating-point unit.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn outputs<const MODE: i32>(records: &[i32; 16 * LANE_WORDS], sums: [i32; 16], control: u32) -> [i32; 16] {
        let (mut usual, mut y) = (0u32, [0; 16]);
        // SAFETY: the arrays are as long as the registers; the usual control word is back before other floats are computed.
        unsafe {
            let scale = Scale::load(black_box(records.as_ptr()), 0);
            let sums = _mm512_loadu_si512(black_box(sums.as_ptr()).cast());
            asm!("stmxcsr [{}]", in(reg) &mut usual);
            asm!("ldmxcsr [{}]", in(reg) &control);
            let value = black_box(scale.apply::<MODE>(black_box(sums)));
            asm!("ldmxcsr [{}]", in(reg) &usual);
            _mm512_storeu_si512(y.as_mut_ptr().cast(), value);
        }
        y
    }

    #[test]
    fn no_control_word_changes_a_line() {
        if !Vnni::available() {
            std::println!("not on this CPU: it has no AVX-512 VNNI");
            return;
        }
        let mut records = [0; 16 * LANE_WORDS];
        for lane in 0..16 {
            // Such as the packer makes: normal numbers all.
            records[16 + lane] = (0.001_953_7_f32 + 1e-5 * lane as f32).to_bits() as i32;
            records[3 * 16 + lane] = (0.499_99_f32 + 1e-6 * lane as f32).to_bits() as i32;
            records[4 * 16 + lane] = 0.498_01_f32.to_bits() as i32;
        }
        for first in [-70_000, -2_600, -9, 0, 255, 33_333, 16_777_217, i32::MIN, i32::MAX - 15] {
            let sums: [i32; 16] = core::array::from_fn(|lane| first + lane as i32);
            // SAFETY: the CPU has the instructions.
            let both = |control: u32| unsafe {
                [outputs::<LINE>(&records, sums, control), outputs::<BENT>(&records, sums, control)]
            };
            let usual = 0x1f80;
            let want = both(usual);
            for rounding in 0..4u32 {
                // Denormal results and operands as zeros, or not.
                for zeros in [0, 0x8000, 0x0040, 0x8040] {
                    let control = usual | rounding << 13 | zeros;
                    assert_eq!(both(control), want, "control word {control:#x}, sums from {first}");
                }
            }
        }
    }
}
