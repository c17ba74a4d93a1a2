//! A packed step shared among threads: each computes rows of the output as an image of their own, so that no kernel knows of
//! threads, and each value is computed as it is by one thread alone.

use core::cell::RefCell;
use core::ops::Range;
use std::vec::Vec;

use tanbo_format::packing::{Kind, Shape};
use tanbo_kernels::{KernelResult, LEAST_PIXELS, LengthError, Packed, Rows, RowsMut};

use crate::ops::packed::Kernel;

/// Least multiplications of a part: they take a core 5 to 15 microseconds, handing them over takes a few.
const LEAST_MACS: usize = 1 << 20;

std::thread_local! {
    /// Scratch of this thread's parts, in units of 16 bytes: it grows to what the largest needs and stays.
    static SCRATCH: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
}

/// What a step reads and writes.
pub(crate) struct Images<'a> {
    pub input: &'a [i8],
    pub output: &'a mut [i8],
    /// Rows that are held of the input and of the output.
    pub slots: [usize; 2],
    /// Output rows that are asked for.
    pub rows: Range<usize>,
}

/// Computes all rows of a step on up to `threads` threads, or returns `None` if it is not worth it or not possible.
pub(crate) fn run(
    params: &Packed<'_>,
    kind: Kind,
    scratch_bytes: impl Fn(&Shape) -> Option<usize>,
    images: Images<'_>,
    threads: usize,
    kernel: Kernel,
) -> Option<KernelResult> {
    let Shape { kernel: [kernel_h, kernel_w], input: [in_h, in_w, in_c], output: [height, width, channels], .. } =
        params.shape;
    if images.rows != (0..height) || images.slots != [in_h, height] {
        return None;
    }
    let terms = if kind == Kind::Conv2d { in_c } else { 1 };
    let row_macs = [width, channels, kernel_h, kernel_w, terms].into_iter().try_fold(1usize, usize::checked_mul)?;
    let least_rows = LEAST_PIXELS.div_ceil(width.max(1)).max(LEAST_MACS.div_ceil(row_macs.max(1)));
    let parts = threads.min(height / least_rows.max(1));
    if parts < 2 {
        return None;
    }
    let (row_in, row_out) = (in_w.checked_mul(in_c)?, width.checked_mul(channels)?);
    let mut work = Vec::with_capacity(parts);
    let mut rest = images.output;
    for part in 0..parts {
        let rows = height * part / parts..height * (part + 1) / parts;
        let (shape, first) = part_shape(&params.shape, &rows)?;
        let scratch_bytes = scratch_bytes(&shape)?;
        let input = images.input.get(first.checked_mul(row_in)?..)?;
        let (output, after) = rest.split_at_mut_checked(rows.len().checked_mul(row_out)?)?;
        rest = after;
        work.push(Part { shape, input, output, scratch_bytes });
    }
    let mut results = Vec::new();
    results.resize(parts, Err(LengthError));
    // The caller's thread computes the first part itself: it waits only for those that others began.
    rayon::in_place_scope(|scope| {
        let mut parts = work.into_iter().zip(&mut results);
        let own = parts.next();
        for (part, result) in parts {
            scope.spawn(move |_| *result = compute(params, part, kernel));
        }
        if let Some((part, result)) = own {
            *result = compute(params, part, kernel);
        }
    });
    Some(results.into_iter().collect())
}

/// Rows of the output as an image of their own.
struct Part<'a> {
    shape: Shape,
    input: &'a [i8],
    output: &'a mut [i8],
    scratch_bytes: usize,
}

fn compute(params: &Packed<'_>, part: Part<'_>, kernel: Kernel) -> KernelResult {
    let Part { shape, input, output, scratch_bytes } = part;
    let ([in_h, in_w, in_c], [height, width, channels]) = (shape.input, shape.output);
    let input = Rows::new(input, in_w * in_c, in_h).ok_or(LengthError)?;
    let mut output = RowsMut::new(output, width * channels, height).ok_or(LengthError)?;
    SCRATCH.with_borrow_mut(|scratch| {
        let blocks = scratch_bytes.div_ceil(size_of::<u128>());
        if scratch.len() < blocks {
            scratch.resize(blocks, 0);
        }
        let params = Packed { shape, ..*params };
        kernel(&params, input, &mut output, 0..height, bytemuck::cast_slice_mut(scratch))
    })
}

/// Returns output rows `rows` as an image of their own, and the first input row of it.
fn part_shape(shape: &Shape, rows: &Range<usize>) -> Option<(Shape, usize)> {
    let [top, left] = shape.pad;
    let [in_h, in_w, in_c] = shape.input;
    let [_, width, channels] = shape.output;
    let (stride, reach) = (shape.stride[0], (shape.kernel[0].checked_sub(1)?).checked_mul(shape.dilation[0])?);
    // In rows of the padded image: the first row of the part, and the one after its last.
    let begin = rows.start.checked_mul(stride)?;
    let end = rows.end.checked_sub(1)?.checked_mul(stride)?.checked_add(reach)?.checked_add(1)?;
    let first = begin.saturating_sub(top);
    let last = end.saturating_sub(top).min(in_h);
    let count = last.checked_sub(first).filter(|&count| count > 0)?;
    let shape = Shape {
        pad: [top.saturating_sub(begin), left],
        input: [count, in_w, in_c],
        output: [rows.len(), width, channels],
        ..*shape
    };
    Some((shape, first))
}
