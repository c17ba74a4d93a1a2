//! Sums and table look-ups.

use core::ptr;

use tanbo_quant::{Multiplier, Rounding};

use crate::{KernelResult, LengthError, Sum, reference};

/// Parameters of `tanbo_mve_add_*`, in the order that elementwise.s reads.
#[repr(C)]
struct Add {
    out: *mut i8,
    x1: *const i8,
    x2: *const i8,
    count: usize,
    move1: i32,
    move2: i32,
    mantissa1: i32,
    shift1: i32,
    mantissa2: i32,
    shift2: i32,
    mantissa: i32,
    shift: i32,
    zero_point: i32,
    power1: i32,
    power2: i32,
    low: i32,
    high: i32,
}

unsafe extern "C" {
    fn tanbo_mve_add_exact_cut(params: *const Add);
    fn tanbo_mve_add_exact(params: *const Add);
    fn tanbo_mve_add_tflite(params: *const Add);
    fn tanbo_mve_add_single(params: *const Add);
    fn tanbo_mve_lut(out: *mut i8, x: *const i8, table: *const i8, count: usize);
}

/// An input of an addition: `scale(x · 2^left + moved)`.
struct Operand {
    left: i32,
    zero_point: i32,
    multiplier: Multiplier,
}

impl Operand {
    /// Returns the operand with a shift to the right, or `None` if there is none.
    fn new(left: i32, zero_point: i32, multiplier: Multiplier) -> Option<Self> {
        // A half is a bit more to the left and another half: exact, as all the bits below are zero.
        let half = multiplier == Multiplier { mantissa: 1 << 30, shift: 0 };
        let (left, shift) = if half { (left + 1, -1) } else { (left, multiplier.shift) };
        let (known, distance) = ((1..=21).contains(&left) && shift < 0, (-1 << 8..=1 << 8).contains(&zero_point));
        (known && distance).then_some(Self { left, zero_point, multiplier: Multiplier { shift, ..multiplier } })
    }

    /// Returns the power of two that the operand is multiplied by, if it is one: no bit is lost then.
    fn exact(&self) -> Option<i32> {
        let left = self.left - 1 + self.multiplier.shift;
        (self.multiplier.mantissa == 1 << 30 && left >= 0).then_some(left)
    }

    fn power(&self) -> i32 {
        1 << self.left
    }

    fn moved(&self, left: i32) -> i32 {
        self.zero_point.wrapping_neg() << left
    }
}

type AddKernel = unsafe extern "C" fn(*const Add);

/// Returns the kernel for sums of `count` values and its parameters, all but the arrays, and which input comes first; `None`
/// where the reference adds.
fn plan(p: &Sum<'_>, count: usize) -> Option<(AddKernel, Add, usize)> {
    let operand = |i: usize| Operand::new(p.left_shift, p.zero_points[i], p.multipliers[i]);
    let (a, b) = (operand(0)?, operand(1)?);
    if p.multiplier.shift >= 0 {
        return None;
    }
    // The exact one first: a sum does not care.
    let (a, b, first) = if a.exact().is_some() { (a, b, 0) } else { (b, a, 1) };
    let exact = a.exact().filter(|_| p.range.rounding == Rounding::Tflite);
    let kernel: AddKernel = match (p.range.rounding, exact) {
        (Rounding::Single, _) => tanbo_mve_add_single,
        (Rounding::Tflite, None) => tanbo_mve_add_tflite,
        (Rounding::Tflite, Some(_)) if p.range.low >= p.range.zero_point => tanbo_mve_add_exact_cut,
        (Rounding::Tflite, Some(_)) => tanbo_mve_add_exact,
    };
    let params = Add {
        out: ptr::null_mut(),
        x1: ptr::null(),
        x2: ptr::null(),
        count,
        move1: a.moved(exact.unwrap_or(a.left)),
        move2: b.moved(b.left),
        mantissa1: exact.map_or(a.multiplier.mantissa, |left| 1 << left),
        shift1: a.multiplier.shift,
        mantissa2: b.multiplier.mantissa,
        shift2: b.multiplier.shift,
        mantissa: p.multiplier.mantissa,
        shift: p.multiplier.shift,
        zero_point: p.range.zero_point,
        power1: a.power(),
        power2: b.power(),
        low: p.range.low.wrapping_sub(p.range.zero_point),
        high: p.range.high.wrapping_sub(p.range.zero_point),
    };
    Some((kernel, params, first))
}

/// Adds arrays of one shape; the reference adds the others.
pub(super) fn add(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let same = p.shapes[0] == p.output_shape && p.shapes[1] == p.output_shape;
    let lengths = input1.len() == output.len() && input2.len() == output.len();
    let Some((kernel, mut params, first)) = plan(p, output.len()).filter(|_| same && lengths) else {
        return reference::add::run(p, input1, input2, output);
    };
    let (x1, x2) = if first == 0 { (input1, input2) } else { (input2, input1) };
    (params.out, params.x1, params.x2) = (output.as_mut_ptr(), x1.as_ptr(), x2.as_ptr());
    // SAFETY: the kernel reads `count` values of each input and writes as many: their lengths, compared above.
    unsafe { kernel(&params) }
    Ok(())
}

/// Adds to the values in place: they are input `place`.
pub(super) fn add_in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    if place > 1 || values.len() != other.len() {
        return Err(LengthError);
    }
    let Some((kernel, mut params, first)) = plan(p, values.len()) else {
        return reference::add_in_place::run(p, place, values, other);
    };
    params.out = values.as_mut_ptr();
    let values = params.out.cast_const();
    (params.x1, params.x2) = if first == place { (values, other.as_ptr()) } else { (other.as_ptr(), values) };
    // SAFETY: as in `add`; the kernel reads four values of both inputs before it writes four.
    unsafe { kernel(&params) }
    Ok(())
}

/// Looks values up.
pub(super) fn lut(table: &[i8], input: &[i8], output: &mut [i8]) -> KernelResult {
    if table.len() != 256 || input.len() != output.len() {
        return Err(LengthError);
    }
    // SAFETY: the kernel reads as many values as it writes, and the table at bytes below 256.
    unsafe { tanbo_mve_lut(output.as_mut_ptr(), input.as_ptr(), table.as_ptr(), output.len()) }
    Ok(())
}
