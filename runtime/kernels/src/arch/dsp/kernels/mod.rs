//! The kernels of [`Dsp`] and what they share.

mod add;
mod average_pool2d;
mod conv2d;
mod depthwise_conv2d;
mod lanes;
mod max_pool2d;
mod mean;
mod mul;
mod patch;
mod pointwise;
mod requantize;
mod scale;
mod taps;
mod tile;
mod window3x3;
mod winograd;

use core::ops::Range;

use tanbo_packing::{Kind, Layout, Packing, Sizes, dsp};

use super::Dsp;
use crate::arch::bare;
use crate::{
    AveragePool2d, KernelResult, Kernels, LengthError, MaxPool2d, Mean, Output, Packed, Product, Requantize, Rows,
    RowsMut, Softmax, Sum,
};

/// First line of the assembly. The targets for v8-M leave the DSP extension out.
#[cfg(tanbo_profile = "v8m.main")]
macro_rules! isa {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(tanbo_profile = "v8m.main"))]
macro_rules! isa {
    () => {
        ".syntax unified"
    };
}
use isa;

impl Kernels for Dsp {
    const NAME: &'static str = "dsp";
    const LAYOUTS: &'static [Layout] = &[dsp::DSP, dsp::WINOGRAD];

    fn conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        conv2d::run(Kind::Conv2d, params, input, output, rows, scratch)
    }

    fn conv2d_winograd(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        winograd::run(params, input, output, rows, scratch)
    }

    fn depthwise_conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        depthwise_conv2d::run(params, input, output, rows, scratch)
    }

    fn average_pool2d(
        params: &AveragePool2d<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
    ) -> KernelResult {
        average_pool2d::run(params, input, output, rows)
    }

    fn average_pool2d_absorb(
        params: &AveragePool2d<'_>,
        input: Rows<'_>,
        rows: Range<usize>,
        sums: &mut [i32],
        output: &mut [i8],
    ) -> KernelResult {
        average_pool2d::absorb(params, input, rows, sums, output)
    }

    fn add_in_place(params: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
        add::in_place(params, place, values, other)
    }

    fn max_pool2d(params: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
        max_pool2d::run(params, input, output, rows)
    }

    fn mean(params: &Mean<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
        mean::run(params, input, output)
    }

    fn add(params: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
        add::run(params, input1, input2, output)
    }

    fn mul(params: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
        mul::run(params, input1, input2, output)
    }

    fn requantize(params: &Requantize, input: &[u8], output: &mut [u8]) -> KernelResult {
        requantize::run(params, input, output)
    }

    #[inline]
    fn lut(table: &[i8], input: &[i8], output: &mut [i8]) -> KernelResult {
        bare::lut(table, input, output)
    }

    #[inline]
    fn softmax(params: &Softmax<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
        bare::softmax(params, input, output)
    }
}

fn ensure(condition: bool) -> KernelResult {
    if condition { Ok(()) } else { Err(LengthError) }
}

/// Returns an error unless constants and rows have the lengths of a step in `packing`.
fn check(packing: Packing, sizes: &Sizes, p: &Packed<'_>, input: &Rows<'_>, output: &RowsMut<'_>) -> KernelResult {
    let row = |[_, width, channels]: [usize; 3]| width.checked_mul(channels).ok_or(LengthError);
    ensure(p.packing == packing && p.weights.as_ptr().cast::<u32>().is_aligned())?;
    ensure(p.weights.len() == sizes.weight_bytes && p.records.len() == sizes.record_words)?;
    ensure(input.row_len() == row(p.shape.input)? && output.row_len() == row(p.shape.output)?)
}

/// Returns the whole words of a scratch.
fn words(scratch: &mut [u8]) -> &mut [u32] {
    // SAFETY: four bytes of any values are a word.
    unsafe { scratch.align_to_mut().1 }
}

/// Returns an address, which has 32 bits on every target of these kernels.
fn address(pointer: *const i8) -> u32 {
    pointer.expose_provenance() as u32
}

/// Returns the input row under row `ky` of the kernel at output row `row`, empty outside the input.
fn line<'a>(p: &Packed<'_>, input: Rows<'a>, row: usize, ky: usize) -> &'a [i8] {
    let y = (row * p.shape.stride[0] + ky * p.shape.dilation[0]).wrapping_sub(p.shape.pad[0]);
    if y < p.shape.input[0] { input.row(y) } else { &[] }
}

/// Clamps outputs to bounds narrower than int8's, which the assembly clamps to.
fn clamp(range: &Output, outputs: &mut [i8]) {
    if range.low > i8::MIN.into() || range.high < i8::MAX.into() {
        for y in outputs {
            *y = (i32::from(*y).max(range.low).min(range.high)) as i8;
        }
    }
}
