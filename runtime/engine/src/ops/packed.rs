//! `conv2d`, `depthwise_conv2d` and `fully_connected` with packed constants: constants weights and records.

use tanbo_format::attrs::{self, Conv, Range};
#[cfg(feature = "threads")]
use tanbo_format::packing::{Kind, Shape};
use tanbo_format::packing::{Layout, find};
use tanbo_format::{Op, Storage, Tensor, shape_of};
use tanbo_kernels::{KernelResult, Kernels, Packed, Rows, RowsMut};

use super::{Call, arena_range, row_layout};

pub(crate) type Kernel =
    fn(&Packed<'_>, Rows<'_>, &mut RowsMut<'_>, core::ops::Range<usize>, &mut [u8]) -> KernelResult;

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
    // By reference: taken out of the option, all is copied.
    let prepared = prepare(call, range, K::LAYOUTS);
    let Prepared { params, constant, places, input_rows, output_rows } = prepared.as_ref()?;
    let [input, output, scratch] = call.arena.get_disjoint_mut(places.clone()).ok()?;
    let input = bytemuck::cast_slice(constant.unwrap_or(input));
    let output = bytemuck::cast_slice_mut(output);
    #[cfg(feature = "threads")]
    if K::DIVISIBLE && call.threads > 1 {
        let kind = if call.step.op == Op::DepthwiseConv2d { Kind::DepthwiseConv2d } else { Kind::Conv2d };
        let (weights, records) = (params.weights.len(), params.records.len());
        let variant = call.step.variant;
        let scratch = |shape: &Shape| {
            let sizes = (find(K::LAYOUTS, variant)?.sizes)(kind, shape)?;
            (sizes.weight_bytes == weights && sizes.record_words == records).then_some(sizes.scratch_bytes)
        };
        let images =
            crate::threads::Images { input, output, slots: [input_rows.1, output_rows.1], rows: call.rows.clone() };
        if let Some(done) = crate::threads::run(params, kind, scratch, images, call.threads, kernel) {
            return done.ok();
        }
    }
    let input = Rows::new(input, input_rows.0, input_rows.1)?;
    let mut output = RowsMut::new(output, output_rows.0, output_rows.1)?;
    kernel(params, input, &mut output, call.rows.clone(), scratch).ok()
}

/// What a kernel is called with.
struct Prepared<'m> {
    params: Packed<'m>,
    /// The input, if it lies in the artifact.
    constant: Option<&'m [u8]>,
    /// Input, output and scratch in the arena.
    places: [core::ops::Range<usize>; 3],
    /// Bytes of a row, and rows that are held.
    input_rows: (usize, usize),
    output_rows: (usize, usize),
}

// Apart from the call of the kernel: what this needs on the stack is free again while the kernel runs.
#[inline(never)]
fn prepare<'m>(call: &Call<'_, 'm>, range: Range, layouts: &'static [Layout]) -> Option<Prepared<'m>> {
    let (model, step) = (call.model, &call.step);
    let (x, y) = (call.input(0)?, call.output()?);
    let found = shape_of(step.op, step.attrs, x.shape, y.shape);
    let (_, shape) = found.as_ref()?;
    let params = Packed {
        packing: find(layouts, step.variant)?.packing,
        shape: *shape,
        input_zero_point: range.input_zero_point,
        weights: step.constant(0)?.i8()?,
        records: step.constant(1)?.i32()?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    // A matrix is one row of its rows, whatever the axes of its tensor.
    let rows = |tensor: &Tensor<'_>| match step.op {
        Op::FullyConnected => Some((tensor.bytes(), 1)),
        _ => row_layout(model, tensor),
    };
    let constant = model.constant_tensor(&x);
    let input = if constant.is_some() { 0..0 } else { arena_range(model, &x)? };
    let scratch = match step.scratch {
        Some(storage) => match model.storage(storage)? {
            Storage::Arena { offset, bytes, .. } => offset..offset + bytes,
            _ => return None,
        },
        None => 0..0,
    };
    let places = [input, arena_range(model, &y)?, scratch];
    Some(Prepared { params, constant, places, input_rows: rows(&x)?, output_rows: rows(&y)? })
}
