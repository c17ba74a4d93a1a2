//! `conv2d`, `depthwise_conv2d` and `fully_connected` with packed constants: constants weights and records.

use tanbo_format::attrs::{self, Conv, Range};
use tanbo_format::packing::{Layout, find};
use tanbo_format::{Op, Tensor, packed_shape};
use tanbo_kernels::{KernelResult, Kernels, Packed, Rows, RowsMut};

use super::{Call, row_layout};

type Kernel = fn(&Packed<'_>, Rows<'_>, &mut RowsMut<'_>, core::ops::Range<usize>, &mut [u8]) -> KernelResult;

pub(crate) fn conv2d<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    run::<K>(call, Conv::from_conv2d(call.step.attrs)?.range, K::conv2d_packed)
}

pub(crate) fn depthwise_conv2d<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    run::<K>(call, Conv::from_depthwise_conv2d(call.step.attrs)?.range, K::depthwise_conv2d_packed)
}

pub(crate) fn fully_connected<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    run::<K>(call, attrs::fully_connected(call.step.attrs)?, K::conv2d_packed)
}

fn run<K: Kernels>(call: &mut Call<'_, '_>, range: Range, kernel: Kernel) -> Option<()> {
    // By reference: taken out of the option, the parameters are copied.
    let params = params(call, range, K::LAYOUTS);
    let params = params.as_ref()?;
    let ((x_bytes, x_slots), (y_bytes, y_slots)) = row_layouts(call)?;
    let rows = call.rows.clone();
    let areas = call.areas()?;
    let input = Rows::new(bytemuck::cast_slice(areas.input), x_bytes, x_slots)?;
    let mut output = RowsMut::new(bytemuck::cast_slice_mut(areas.output), y_bytes, y_slots)?;
    kernel(params, input, &mut output, rows, areas.scratch).ok()
}

// Apart from the call of the kernel: what they need on the stack is free again while it runs.
#[inline(never)]
fn params<'m>(call: &Call<'_, 'm>, range: Range, layouts: &'static [Layout]) -> Option<Packed<'m>> {
    // By reference, as above.
    let found = packed_shape(call.model, &call.step);
    let (_, shape) = found.as_ref()?;
    Some(Packed {
        packing: find(layouts, call.step.variant)?.packing,
        shape: *shape,
        input_zero_point: range.input_zero_point,
        weights: call.step.constant(0)?.i8()?,
        records: call.step.constant(1)?.i32()?,
        range: call.range(range.output_zero_point, range.low, range.high),
    })
}

/// Returns the bytes of a row and the rows that are held, of the input and of the output.
#[inline(never)]
fn row_layouts(call: &Call<'_, '_>) -> Option<((usize, usize), (usize, usize))> {
    // A matrix is one row of its rows, whatever the axes of its tensor.
    let layout = |tensor: &Tensor<'_>| match call.step.op {
        Op::FullyConnected => Some((tensor.bytes(), 1)),
        _ => row_layout(call.model, tensor),
    };
    Some((layout(&call.input(0)?)?, layout(&call.output()?)?))
}
