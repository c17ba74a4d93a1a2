//! Vectors of accumulators: their scaling and narrowing to int8.

use core::arch::aarch64::*;

use crate::Output;
use crate::arch::arm::scaling;

/// Zero point and bounds of an output, one per lane.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub zero_point: int16x8_t,
    pub low: int8x16_t,
    pub high: int8x16_t,
}

impl Bounds {
    /// Returns those of `output`, which are int8 values.
    #[inline]
    pub fn new(output: &Output) -> Self {
        // SAFETY: NEON is part of every AArch64 target of this crate.
        unsafe {
            Self {
                zero_point: vdupq_n_s16(output.zero_point as i16),
                low: vdupq_n_s8(output.low as i8),
                high: vdupq_n_s8(output.high as i8),
            }
        }
    }

    /// Returns scaled accumulators as outputs, inside the bounds, which without `CLAMP` are those of int8. 8 or 10 instructions for
    /// 16 lanes.
    #[inline(always)]
    pub fn narrow<const CLAMP: bool>(&self, a: [int32x4_t; 4]) -> int8x16_t {
        // SAFETY: as above.
        unsafe {
            let low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a[0]), a[1]), self.zero_point);
            let high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a[2]), a[3]), self.zero_point);
            let y = vqmovn_high_s16(vqmovn_s16(low), high);
            if CLAMP { self.clamp(y) } else { y }
        }
    }

    /// Returns scaled accumulators as outputs, in the lower half.
    #[inline(always)]
    pub fn narrow_half(&self, a: [int32x4_t; 2]) -> int8x16_t {
        // SAFETY: as above.
        unsafe {
            let low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a[0]), a[1]), self.zero_point);
            self.clamp(vcombine_s8(vqmovn_s16(low), vdup_n_s8(0)))
        }
    }

    #[inline(always)]
    fn clamp(&self, y: int8x16_t) -> int8x16_t {
        // SAFETY: as above.
        unsafe { vmaxq_s8(vminq_s8(y, self.high), self.low) }
    }
}

/// Scaling of `N` vectors of four channels.
#[derive(Clone, Copy)]
pub struct Scale<const N: usize> {
    mantissa: [int32x4_t; N],
    right: [int32x4_t; N],
    left: [int32x4_t; N],
}

impl<const N: usize> Scale<N> {
    /// Reads mantissas, shifts after and shifts before of `4 * N` channels, one after another.
    ///
    /// # Safety
    /// `12 * N` words may be read.
    #[inline(always)]
    pub unsafe fn read(record: *const i32) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let read = |field: usize| core::array::from_fn(|i| vld1q_s32(record.add((field * N + i) * 4)));
            Self { mantissa: read(0), right: read(1), left: read(2) }
        }
    }

    /// Returns `a`, accumulators of vector `i`'s channels, scaled. 2 instructions, 3 to round halves away from zero.
    #[inline(always)]
    pub fn apply<const MODE: i32>(&self, i: usize, a: int32x4_t) -> int32x4_t {
        // SAFETY: NEON is part of every AArch64 target of this crate.
        unsafe {
            let a = match MODE {
                scaling::SINGLE_LEFT => vqshlq_s32(a, self.left[i]),
                scaling::TFLITE_LEFT => vshlq_s32(a, self.left[i]),
                _ => a,
            };
            let product = match MODE {
                scaling::SINGLE | scaling::SINGLE_LEFT => vqdmulhq_s32(a, self.mantissa[i]),
                _ => vqrdmulhq_s32(a, self.mantissa[i]),
            };
            let product = match MODE {
                scaling::TFLITE => vsraq_n_s32::<31>(product, product),
                scaling::TFLITE_LEFT => {
                    // The sign of the product where there is a shift, whose word is negative then.
                    vsraq_n_s32::<31>(product, vandq_s32(product, self.right[i]))
                }
                _ => product,
            };
            vrshlq_s32(product, self.right[i])
        }
    }
}

/// Stores the first `channels` (at most 4) of four outputs.
///
/// # Safety
/// So many bytes may be written at `y`.
#[inline(always)]
pub unsafe fn store_four(y: *mut i8, four: i32, channels: usize) {
    // SAFETY: the caller's.
    unsafe {
        if channels == 4 {
            y.cast::<i32>().write_unaligned(four);
        } else {
            y.copy_from_nonoverlapping(four.to_le_bytes().as_ptr().cast(), channels);
        }
    }
}
