//! `conv2d`, `depthwise_conv2d` and `fully_connected` with packed constants: constants weights and records.

use tanbo_format::attrs::{self, Conv, Range};
#[cfg(feature = "threads")]
use tanbo_format::packing::Shape;
use tanbo_format::packing::{Kind, find};
use tanbo_format::shape_of;
use tanbo_kernels::{KernelResult, Kernels, Packed, Rows, RowsMut};

use super::{Call, Params, ParamsRef, Records};

pub(crate) type Kernel =
    fn(&Packed<'_>, Rows<'_>, &mut RowsMut<'_>, core::ops::Range<usize>, &mut [u8]) -> KernelResult;

pub(crate) fn conv2d<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, Conv::from_conv2d(records.step.attrs)?.range)
}

pub(crate) fn depthwise_conv2d<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, Conv::from_depthwise_conv2d(records.step.attrs)?.range)
}

pub(crate) fn fully_connected<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, attrs::fully_connected(records.step.attrs)?)
}

fn params<'m>(records: &Records<'_, 'm>, range: Range) -> Option<Params<'m>> {
    let step = records.step;
    let (_, shape) = shape_of(step.op, step.attrs, records.input(0)?.shape, records.output()?.shape)?;
    Some(Params::Packed(Packed {
        packing: find(records.layouts, step.variant)?.packing,
        shape,
        input_zero_point: range.input_zero_point,
        weights: records.constant(0)?.i8()?,
        records: records.constant(1)?.i32()?,
        range: records.range(range.output_zero_point, range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run_conv2d<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    run::<K>(call, Kind::Conv2d, K::conv2d_packed)
}

#[inline]
pub(crate) fn run_winograd<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    run::<K>(call, Kind::Conv2d, K::conv2d_winograd)
}

#[inline]
pub(crate) fn run_depthwise_conv2d<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    run::<K>(call, Kind::DepthwiseConv2d, K::depthwise_conv2d_packed)
}

#[cfg_attr(
    not(feature = "threads"),
    allow(unused_variables, clippy::extra_unused_type_parameters, reason = "what threads ask")
)]
#[inline(always)]
fn run<K: Kernels>(call: &mut Call<'_, '_>, kind: Kind, kernel: Kernel) -> Option<()> {
    let ParamsRef::Packed(params) = call.params else { return None };
    let (from, to, rows) = (call.operands.input.rows, call.operands.output_rows, call.work.rows.clone());
    #[cfg(feature = "threads")]
    let threads = call.work.threads;
    let areas = call.areas()?;
    let (input, output) = (bytemuck::cast_slice(areas.input), bytemuck::cast_slice_mut(areas.output));
    #[cfg(feature = "threads")]
    if K::DIVISIBLE && threads > 1 {
        let (weights, records) = (params.weights.len(), params.records.len());
        let scratch = |shape: &Shape| {
            let sizes = (find(K::LAYOUTS, params.packing.number())?.sizes)(kind, shape)?;
            (sizes.weight_bytes == weights && sizes.record_words == records).then_some(sizes.scratch_bytes)
        };
        let slots = [from.slots as usize, to.slots as usize];
        let images = crate::threads::Images { input, output, slots, rows: rows.clone() };
        if let Some(done) = crate::threads::run(params, kind, scratch, images, threads, kernel) {
            return done.ok();
        }
    }
    let input = Rows::new(input, from.bytes as usize, from.slots as usize)?;
    let mut output = RowsMut::new(output, to.bytes as usize, to.slots as usize)?;
    kernel(params, input, &mut output, rows, areas.scratch).ok()
}
