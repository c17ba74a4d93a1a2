//! The table.

use core::ops::Range;

use tanbo_packing::Layout;
use tanbo_packing::x86::AVX2;

use super::Avx2;
use super::registers;
use crate::{KernelResult, Kernels, LengthError, Packed, Rows, RowsMut};

impl Kernels for Avx2 {
    const NAME: &'static str = "avx2";
    const LAYOUTS: &'static [Layout] = &[AVX2];

    fn available() -> bool {
        std::arch::is_x86_feature_detected!("avx2")
    }

    fn conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        if !Self::available() {
            return Err(LengthError);
        }
        // SAFETY: the CPU has the instructions.
        unsafe { registers::conv2d(params, input, output, rows, scratch) }
    }

    fn depthwise_conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        if !Self::available() {
            return Err(LengthError);
        }
        // SAFETY: the CPU has the instructions.
        unsafe { registers::depthwise_conv2d(params, input, output, rows, scratch) }
    }
}
