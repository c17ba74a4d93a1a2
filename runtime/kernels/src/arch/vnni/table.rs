//! The table.

use core::ops::Range;

use tanbo_packing::Layout;
use tanbo_packing::winograd::VNNI_WINOGRAD;
use tanbo_packing::x86::VNNI;

use super::Vnni;
use super::{registers, sum, winograd};
use crate::arch::x86::pool;
use crate::{AveragePool2d, KernelResult, Kernels, LengthError, MaxPool2d, Packed, Rows, RowsMut, Sum};

impl Kernels for Vnni {
    const NAME: &'static str = "vnni";
    const DIVISIBLE: bool = true;
    const LAYOUTS: &'static [Layout] = &[VNNI, VNNI_WINOGRAD];

    fn available() -> bool {
        std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512vnni")
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
        if params.packing == VNNI_WINOGRAD.packing {
            // SAFETY: the CPU has the instructions.
            return unsafe { winograd::conv2d(params, input, output, rows, scratch) };
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
    fn average_pool2d(
        params: &AveragePool2d<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
    ) -> KernelResult {
        if !Self::available() {
            return Err(LengthError);
        }
        // SAFETY: the CPU has the instructions.
        unsafe { pool::average(params, input, output, rows) }
    }

    fn max_pool2d(params: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
        if !Self::available() {
            return Err(LengthError);
        }
        // SAFETY: the CPU has the instructions.
        unsafe { pool::max(params, input, output, rows) }
    }

    fn add(params: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
        if !Self::available() {
            return Err(LengthError);
        }
        // SAFETY: the CPU has the instructions.
        unsafe { sum::sum(params, input1, input2, output, 1) }
    }

    fn sub(params: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
        if !Self::available() {
            return Err(LengthError);
        }
        // SAFETY: the CPU has the instructions.
        unsafe { sum::sum(params, input1, input2, output, -1) }
    }
}
