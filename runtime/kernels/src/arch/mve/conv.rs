//! Convolutions: patches are pixels of the input, or cut from strips of columns.

use core::ops::Range;

use tanbo_packing::mve::{Conv, MVE, Strip, VECTOR};
use tanbo_packing::{Kind, Shape};

use super::depthwise::fill;
use super::gemm::Matrix;
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Parameters of `tanbo_mve_strip*`, in the order that depthwise.s reads.
#[repr(C)]
struct Source {
    destination: *mut u8,
    first: *const i8,
    pixels: usize,
    channels: usize,
    height: usize,
    rows: usize,
    row_step: usize,
}

unsafe extern "C" {
    fn tanbo_mve_strip(params: *const Source);
    fn tanbo_mve_strip_small(params: *const Source);
}

/// Computes output rows `rows` of a convolution, or of a depthwise one over one channel.
pub(super) fn run(
    kind: Kind,
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let s = &p.shape;
    let ([_, width, channels], [height, output_width, outputs]) = (s.input, s.output);
    let conv = Conv::of(kind, s).filter(|_| p.packing == MVE.packing).ok_or(LengthError)?;
    let lengths = (width.checked_mul(channels), output_width.checked_mul(outputs));
    if lengths != (Some(input.row_len()), Some(output.row_len())) || rows.end > height {
        return Err(LengthError);
    }
    let mut matrix = Matrix::new(p, outputs, conv.chunks)?;
    let Some(strip) = conv.strip else { return pixels(s, conv.taps, &mut matrix, input, output, rows, scratch) };
    let scratch = scratch.get_mut(..strip.bytes).ok_or(LengthError)?;
    for row in rows {
        for start in (0..output_width).step_by(strip.pixels) {
            let count = strip.pixels.min(output_width - start);
            cut(p, &strip, input, row, start, count, scratch)?;
            let out = output.row_mut(row).get_mut(start * outputs..).ok_or(LengthError)?;
            matrix.multiply(signed(scratch), strip.step * strip.column, count, out)?;
        }
    }
    Ok(())
}

/// Fills the strip under output pixels `start..start + count` of row `row`.
#[inline(never)] // its stack is not needed while products are summed
fn cut(
    p: &Packed<'_>,
    strip: &Strip,
    input: Rows<'_>,
    row: usize,
    start: usize,
    count: usize,
    scratch: &mut [u8],
) -> KernelResult {
    let s = &p.shape;
    let ([height, width, channels], [kernel_h, kernel_w], [pad_h, pad_w]) = (s.input, s.kernel, s.pad);
    let zero_point = p.input_zero_point as i8;
    let top = row * s.stride[0];
    let last = top + (kernel_h - 1) * s.dilation[0];
    let whole = top < pad_h || last - pad_h >= height;
    if s.dilation[1] != 1 && kernel_w != 1 {
        fill(scratch, 1, zero_point);
        for column in 0..count * kernel_w {
            let x = (start + column / kernel_w) * s.stride[1] + column % kernel_w * s.dilation[1];
            let Some(x) = x.checked_sub(pad_w).filter(|&x| x < width) else { continue };
            let to = scratch.get_mut(column * strip.column..).ok_or(LengthError)?;
            copy_rows(s, input, top, x * channels..(x + 1) * channels, to)?;
        }
        return Ok(());
    }
    // Columns of the strip, counted from the padding, and those of them that lie in the image.
    let first = start * s.stride[1];
    let columns = (count - 1) * s.stride[1] + kernel_w;
    let inside = first.max(pad_w)..(first + columns).min(width.saturating_add(pad_w));
    if whole || inside.is_empty() {
        fill(scratch, 1, zero_point);
        if inside.is_empty() {
            return Ok(());
        }
    } else {
        let (left, right) = (inside.start - first, inside.end - first);
        if left > 0 {
            fill(scratch.get_mut(..left * strip.column).ok_or(LengthError)?, 1, zero_point);
        }
        if right < columns {
            fill(scratch.get_mut(right * strip.column..columns * strip.column).ok_or(LengthError)?, 1, zero_point);
        }
    }
    let to = scratch.get_mut((inside.start - first) * strip.column..).ok_or(LengthError)?;
    copy_rows(s, input, top, (inside.start - pad_w) * channels..(inside.end - pad_w) * channels, to)
}

/// Copies the pixels at `values` of the rows under a kernel whose first row is `top`, counted from the padding.
fn copy_rows(s: &Shape, input: Rows<'_>, top: usize, values: Range<usize>, to: &mut [u8]) -> KernelResult {
    let ([height, _, channels], [kernel_h, _], [pad_h, _]) = (s.input, s.kernel, s.pad);
    if s.dilation[0] == 1 {
        // All rows at once where they follow one another.
        let taps = pad_h.saturating_sub(top).min(kernel_h)..(height + pad_h).saturating_sub(top).min(kernel_h);
        if taps.is_empty() {
            return Ok(());
        }
        let first = (top + taps.start).saturating_sub(pad_h);
        if let Some(image) = input.contiguous(first..first + taps.len()) {
            let to = to.get_mut(taps.start * channels..).ok_or(LengthError)?;
            return copy(to, image, values, channels, kernel_h, taps.len());
        }
    }
    for tap in 0..kernel_h {
        let row = (top + tap * s.dilation[0]).checked_sub(pad_h).filter(|&row| row < height);
        let Some(row) = row else { continue };
        copy(to.get_mut(tap * channels..).ok_or(LengthError)?, input.row(row), values.clone(), channels, kernel_h, 1)?;
    }
    Ok(())
}

/// Copies the pixels at `values` of `rows` rows, each row's to every `height`-th place.
fn copy(
    destination: &mut [u8],
    image: &[i8],
    values: Range<usize>,
    channels: usize,
    height: usize,
    rows: usize,
) -> KernelResult {
    let (pixels, row_step) = (values.len() / channels, image.len() / rows);
    let first = image.get(..row_step).and_then(|row| row.get(values)).ok_or(LengthError)?;
    if pixels == 0 || ((pixels - 1) * height + rows) * channels > destination.len() {
        return Err(LengthError);
    }
    let params = Source {
        destination: destination.as_mut_ptr(),
        first: first.as_ptr(),
        pixels,
        channels,
        height,
        rows,
        row_step,
    };
    // Places of a vector's 16 values count bytes.
    let small = channels < VECTOR && (VECTOR - 1) / channels * channels * height + channels <= 256;
    let kernel = if small { tanbo_mve_strip_small } else { tanbo_mve_strip };
    // SAFETY: of each row of `image` the kernel reads what it reads of the first, `pixels` times `channels` values; it
    // writes them `height` times as far apart, a row `channels` behind the one before, up to the end checked above.
    unsafe { kernel(&params) }
    Ok(())
}

/// Computes rows of a convolution whose patches are pixels of `taps` values.
#[inline(never)]
fn pixels(
    s: &Shape,
    taps: usize,
    matrix: &mut Matrix<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let ([_, width, channels], [_, output_width, _]) = (s.input, s.output);
    let step = s.stride[1] * channels;
    let mut next = rows.start;
    while next < rows.end {
        let (first, mut end, mut pixels) = (next * s.stride[0], next + 1, output_width);
        let mut x = input.row(first);
        if rows.len() > 1
            && s.stride == [1, 1]
            && width == output_width
            && let Some(all) = input.contiguous(rows.clone())
            && output.contiguous_mut(rows.clone()).is_some()
        {
            (x, end, pixels) = (all, rows.end, rows.len() * width);
        }
        let y = output.contiguous_mut(next..end).ok_or(LengthError)?;
        run_of_pixels(taps, matrix, x, step, pixels, y, scratch)?;
        next = end;
    }
    Ok(())
}

/// Multiplies pixels `step` values apart.
#[inline(always)]
fn run_of_pixels(
    taps: usize,
    matrix: &mut Matrix<'_>,
    x: &[i8],
    step: usize,
    pixels: usize,
    y: &mut [i8],
    scratch: &mut [u8],
) -> KernelResult {
    // Pixels that can be read in whole vectors; the others are copied.
    let whole = x.len().checked_sub(matrix.patch_len()).map_or(0, |room| (room / step + 1).min(pixels));
    matrix.multiply(x, step, whole, y)?;
    let outputs = y.len() / pixels.max(1);
    for pixel in whole..pixels {
        let patch = scratch.get_mut(..matrix.patch_len()).ok_or(LengthError)?;
        let values = x.get(pixel * step..).and_then(|x| x.get(..taps)).ok_or(LengthError)?;
        patch.iter_mut().zip(values).for_each(|(to, &from)| *to = from as u8);
        matrix.multiply(signed(patch), 0, 1, &mut y[pixel * outputs..])?;
    }
    Ok(())
}

/// Returns the bytes as the int8 values that they are.
fn signed(bytes: &[u8]) -> &[i8] {
    // SAFETY: both types have the same size, alignment and valid bits.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}
