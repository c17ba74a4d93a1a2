//! Products and changes of scale: what one multiplier scales.

use core::ptr;

use tanbo_quant::{Multiplier, Rounding};

use crate::arch::bare::Repeated;
use crate::{Integer, KernelResult, Output, Product, Requantize, reference};

/// Parameters of `tanbo_mve_mul_*` and `tanbo_mve_requantize_*`, in the order that elementwise.s reads.
#[repr(C)]
struct Values {
    out: *mut i8,
    x1: *const i8,
    /// The second input; of a change of scale, the bits that are kept of a value with its sign.
    x2: *const i8,
    count: usize,
    move1: i32,
    move2: i32,
    power: i32,
    mantissa: i32,
    shift: i32,
    zero_point: i32,
    low: i32,
    high: i32,
}

type Kernel = unsafe extern "C" fn(*const Values);

unsafe extern "C" {
    fn tanbo_mve_mul_cut(values: *const Values);
    fn tanbo_mve_mul_tflite(values: *const Values);
    fn tanbo_mve_mul_single(values: *const Values);
    fn tanbo_mve_requantize_cut(values: *const Values);
    fn tanbo_mve_requantize_tflite(values: *const Values);
    fn tanbo_mve_requantize_single(values: *const Values);
}

/// Returns which of the kernels for no second rounding, for TensorFlow Lite's and for one rounding scales values that are at most
/// `most` in magnitude, and its parameters, all but the arrays and zero points of the inputs; `None` where the reference does.
fn plan(multiplier: Multiplier, range: &Output, most: i64, kernels: [Kernel; 3]) -> Option<(Kernel, Values)> {
    let [cut, tflite, single] = kernels;
    let right = -multiplier.shift;
    // In single rounding a value shifted left is scaled by as much more to the right: the same product, rounded once.
    let (kernel, left, right) = match range.rounding {
        Rounding::Single => (single, (1 - right).max(0), right.max(1)),
        Rounding::Tflite if right > 0 => (tflite, 0, right),
        Rounding::Tflite => (cut, -right, 0),
    };
    let values = Values {
        out: ptr::null_mut(),
        x1: ptr::null(),
        x2: ptr::null(),
        count: 0,
        move1: 0,
        move2: 0,
        power: 1i32.checked_shl(left as u32)?,
        mantissa: multiplier.mantissa,
        shift: -right,
        zero_point: range.zero_point,
        low: range.low.checked_sub(range.zero_point)?,
        high: range.high.checked_sub(range.zero_point)?,
    };
    (most << left < 1 << 30).then_some((kernel, values))
}

/// Computes every product.
pub(super) fn mul(p: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    const KERNELS: [Kernel; 3] = [tanbo_mve_mul_cut, tanbo_mve_mul_tflite, tanbo_mve_mul_single];
    let int8 = |value: i32| i8::try_from(value).is_ok();
    let plan = plan(p.multiplier, &p.range, 255 * 255, KERNELS)
        .filter(|(_, values)| values.power == 1 && p.zero_points.into_iter().all(int8));
    let repeated = Repeated::new(p, [input1.len(), input2.len()], output.len());
    let (Some((kernel, mut values)), Some(repeated)) = (plan, repeated) else {
        return reference::mul::run(p, input1, input2, output);
    };
    let ([long, short], [zero1, zero2]) = (repeated.sort([input1, input2]), repeated.sort(p.zero_points));
    (values.move1, values.move2) = (-zero1, -zero2);
    for (x, y) in long.chunks_exact(repeated.length).zip(output.chunks_exact_mut(repeated.length)) {
        (values.out, values.x1, values.x2, values.count) = (y.as_mut_ptr(), x.as_ptr(), short.as_ptr(), y.len());
        // SAFETY: the kernel reads `count` values of each input and writes as many: all three have that length.
        unsafe { kernel(&values) }
    }
    Ok(())
}

/// Moves every value to another scale, zero point or sign; the reference has the types of 16 bits.
pub(super) fn requantize(p: &Requantize, input: &[u8], output: &mut [u8]) -> KernelResult {
    const KERNELS: [Kernel; 3] = [tanbo_mve_requantize_cut, tanbo_mve_requantize_tflite, tanbo_mve_requantize_single];
    let near = p.from != Integer::I16 && p.to != Integer::I16 && (-256..=256).contains(&p.input_zero_point);
    let plan = plan(p.multiplier, &p.range, 512, KERNELS).filter(|_| near && input.len() == output.len());
    let Some((kernel, mut values)) = plan else {
        return reference::requantize::run(p, input, output);
    };
    let kept: usize = if p.from == Integer::U8 { 0xFF } else { usize::MAX };
    (values.x2, values.move1) = (ptr::without_provenance(kept), -p.input_zero_point);
    (values.out, values.x1, values.count) = (output.as_mut_ptr().cast(), input.as_ptr().cast(), output.len());
    // SAFETY: the kernel reads `count` values and writes as many: both lengths, compared above.
    unsafe { kernel(&values) }
    Ok(())
}
