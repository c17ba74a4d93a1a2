//! The table, on a target that can have Helium.

use core::ops::Range;

use tanbo_packing::{Kind, Layout, mve};

use super::{Mve, conv, depthwise, elementwise, pool, scaled};
use crate::arch::bare;
use crate::{
    AveragePool2d, KernelResult, Kernels, MaxPool2d, Mean, Packed, Product, Requantize, Rows, RowsMut, Softmax, Sum,
};

// `.cpu` in the files names what they use: the target's own features stop at Armv8-M.
core::arch::global_asm!(include_str!("gemm.s"), options(raw));
core::arch::global_asm!(include_str!("depthwise.s"), options(raw));
core::arch::global_asm!(include_str!("elementwise.s"), options(raw));

impl Kernels for Mve {
    const NAME: &'static str = "mve";
    const LAYOUTS: &'static [Layout] = &[mve::MVE];

    /// Asks the register MVFR1 (Armv8-M manual, field MVE). Code without the privilege to read it takes the word of whoever
    /// compiled the artifact for Helium.
    fn available() -> bool {
        const MVFR1: *const u32 = 0xe000_ef44 as *const u32;
        let control: u32;
        // SAFETY: any code may read CONTROL.
        unsafe { core::arch::asm!("mrs {}, control", out(reg) control, options(nomem, nostack, preserves_flags)) };
        // SAFETY: bit 0 is the lack of privilege; with it, every core of this profile has the register.
        control & 1 == 1 || unsafe { MVFR1.read_volatile() } >> 8 & 15 != 0
    }

    #[inline]
    fn conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        conv::run(Kind::Conv2d, params, input, output, rows, scratch)
    }

    #[inline]
    fn depthwise_conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        if params.shape.input[2] == 1 {
            return conv::run(Kind::DepthwiseConv2d, params, input, output, rows, scratch);
        }
        depthwise::run(params, input, output, rows, scratch)
    }

    #[inline]
    fn average_pool2d(
        params: &AveragePool2d<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
    ) -> KernelResult {
        pool::average(params, input, output, rows)
    }

    #[inline]
    fn max_pool2d(params: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
        pool::greatest(params, input, output, rows)
    }

    #[inline]
    fn mean(params: &Mean<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
        pool::mean(params, input, output)
    }

    #[inline]
    fn add(params: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
        elementwise::add(params, input1, input2, output)
    }

    #[inline]
    fn mul(params: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
        scaled::mul(params, input1, input2, output)
    }

    #[inline]
    fn requantize(params: &Requantize, input: &[u8], output: &mut [u8]) -> KernelResult {
        scaled::requantize(params, input, output)
    }

    #[inline]
    fn softmax(params: &Softmax<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
        bare::softmax(params, input, output)
    }

    #[inline]
    fn lut(table: &[i8], input: &[i8], output: &mut [i8]) -> KernelResult {
        elementwise::lut(table, input, output)
    }

    #[inline]
    fn add_in_place(params: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
        elementwise::add_in_place(params, place, values, other)
    }

    #[inline]
    fn average_pool2d_absorb(
        params: &AveragePool2d<'_>,
        input: Rows<'_>,
        rows: Range<usize>,
        sums: &mut [i32],
        output: &mut [i8],
    ) -> KernelResult {
        pool::absorb(params, input, rows, sums, output)
    }
}
