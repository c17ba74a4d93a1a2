//! `add`, and the parameters it shares with `sub`.

use tanbo_format::{attrs, schedule};
use tanbo_kernels::{KernelResult, Kernels, Sum};

use super::{Call, row_layout};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    match schedule::in_place(call.model, &call.step) {
        Some(input) => in_place(call, input, K::add_in_place),
        None => with_kernel(call, K::add),
    }
}

/// Calls `kernel` with every row that is asked for of the input that is overwritten, and of the other.
fn in_place(
    call: &mut Call<'_, '_>,
    input: usize,
    kernel: fn(&Sum<'_>, usize, &mut [i8], &[i8]) -> KernelResult,
) -> Option<()> {
    let params = params(call, attrs::Sum::from_words(call.step.attrs)?)?;
    let (other, y) = (call.input(1 - input)?, call.output()?);
    let [(length, slots), (_, other_slots)] = [row_layout(call.model, &y)?, row_layout(call.model, &other)?];
    let shape = &[u32::try_from(length).ok()?][..];
    let params = Sum { shapes: [shape, shape], output_shape: shape, ..params };
    let rows = call.rows.clone();
    let (inputs, output) = call.split_int8()?;
    let other = inputs.int8(&other)?;
    for row in rows {
        let (start, from) = (row.checked_rem(slots)? * length, row.checked_rem(other_slots)? * length);
        kernel(&params, input, output.get_mut(start..start + length)?, other.get(from..from + length)?).ok()?;
    }
    Some(())
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    kernel: fn(&Sum<'_>, &[i8], &[i8], &mut [i8]) -> KernelResult,
) -> Option<()> {
    let params = params(call, attrs::Sum::from_words(call.step.attrs)?)?;
    call.each_pair(|shapes, output_shape, input1, input2, output| {
        kernel(&Sum { shapes, output_shape, ..params }, input1, input2, output)
    })
}

pub(super) fn params<'m>(call: &Call<'_, 'm>, attributes: attrs::Sum) -> Option<Sum<'m>> {
    let (x1, x2, y) = (call.input(0)?, call.input(1)?, call.output()?);
    let [m1, m2] = attributes.input_multipliers;
    Some(Sum {
        shapes: [x1.shape, x2.shape],
        output_shape: y.shape,
        zero_points: attributes.input_zero_points,
        left_shift: attributes.left_shift,
        multipliers: [m1.get()?, m2.get()?],
        multiplier: attributes.multiplier.get()?,
        range: call.range(attributes.output_zero_point, attributes.low, attributes.high),
    })
}
