//! `add`, and the parameters and ways it shares with `sub` and `squared_difference`.

use tanbo_format::attrs;
use tanbo_kernels::{KernelResult, Kernels, Sum};

use super::{Call, Pair, Params, ParamsRef, Records, Walk, each_run};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    Some(Params::Sum(pair(records, attrs::Sum::from_words(records.step.attrs)?)?))
}

/// Returns the parameters of a sum with these attributes.
pub(super) fn pair<'m>(records: &Records<'_, 'm>, attributes: attrs::Sum) -> Option<Pair<'m, Sum<'m>>> {
    let (x1, x2, y) = (records.input(0)?, records.input(1)?, records.output()?);
    let [m1, m2] = attributes.input_multipliers;
    records.pair(Sum {
        shapes: [x1.shape, x2.shape],
        output_shape: y.shape,
        zero_points: attributes.input_zero_points,
        left_shift: attributes.left_shift,
        multipliers: [m1.get()?, m2.get()?],
        multiplier: attributes.multiplier.get()?,
        range: records.range(attributes.output_zero_point, attributes.low, attributes.high),
    })
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Sum(pair) = call.params else { return None };
    match pair.walk {
        Walk::InPlace(place) => in_place(call, pair, place.into(), K::add_in_place),
        _ => with_kernel(call, pair, K::add),
    }
}

/// Calls `kernel` with the rows that are asked for of the input that is overwritten, and of the other: as many at once as follow
/// one another in both.
fn in_place(
    call: &mut Call<'_, '_>,
    pair: &Pair<'_, Sum<'_>>,
    place: usize,
    kernel: fn(&Sum<'_>, usize, &mut [i8], &[i8]) -> KernelResult,
) -> Option<()> {
    let layouts = [call.operands.output_rows, pair.other.rows];
    let rows = call.work.rows.clone();
    let (inputs, output) = call.split()?;
    let other = inputs.values(&pair.other)?;
    let output = bytemuck::cast_slice_mut(output);
    each_run(rows, layouts, |[start, from], length| {
        let shape = &[u32::try_from(length).ok()?][..];
        let params = Sum { shapes: [shape, shape], output_shape: shape, ..pair.params };
        kernel(&params, place, output.get_mut(start..start + length)?, other.get(from..from + length)?).ok()
    })
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    pair: &Pair<'_, Sum<'_>>,
    kernel: fn(&Sum<'_>, &[i8], &[i8], &mut [i8]) -> KernelResult,
) -> Option<()> {
    call.each_pair(pair, |shape, input1, input2, output| match shape {
        Some(shape) => {
            let params = Sum { shapes: [shape, shape], output_shape: shape, ..pair.params };
            kernel(&params, input1, input2, output)
        }
        None => kernel(&pair.params, input1, input2, output),
    })
}
