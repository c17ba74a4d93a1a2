//! A kernel that is given slices of another length than its parameters say returns an error and does not panic.

use tanbo_kernels::*;
use tanbo_quant::{Multiplier, Rounding};

const ONE: Multiplier = Multiplier { mantissa: 1 << 30, shift: 1 };
const SHAPE: &[u32] = &[2, 3];

fn range(rounding: Rounding) -> Output {
    Output { zero_point: 0, low: -128, high: 127, rounding }
}

/// Calls `kernel` with slices of the lengths of `right` (accepted), then with each in turn longer or shorter by one.
fn refuses_other_lengths<const N: usize>(right: [usize; N], kernel: impl Fn([Vec<u8>; N]) -> KernelResult) {
    let slices = |lengths: [usize; N]| lengths.map(|length| vec![0u8; length]);
    assert_eq!(kernel(slices(right)), Ok(()));
    for wrong in 0..N {
        for other in [right[wrong] - 1, right[wrong] + 1] {
            let mut lengths = right;
            lengths[wrong] = other;
            assert_eq!(kernel(slices(lengths)), Err(LengthError), "slice {wrong} of {other}");
        }
    }
}

fn i8s(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|&b| b as i8).collect()
}

fn words(bytes: &[u8]) -> Vec<i32> {
    bytes.iter().map(|&b| b.into()).collect()
}

const WINDOW: Window = Window { kernel: [2, 2], stride: [1, 1], dilation: [1, 1], pad: [0, 0] };
const INPUT: Image = Image { height: 3, width: 4, channels: 2 };
const OUTPUT: Image = Image { height: 2, width: 3, channels: 4 };
const POOLED: Image = Image { channels: 2, ..OUTPUT };

/// Calls `each` with rows of the lengths, one slot each: the wrong length of a row, not of the image, is what is tried.
fn rows(input: &[u8], output: &[u8], each: impl FnOnce(Rows<'_>, &mut RowsMut<'_>) -> KernelResult) -> KernelResult {
    let (x, mut y) = (i8s(input), i8s(output));
    let (x_len, y_len) = (x.len(), y.len());
    each(Rows::new(&x, x_len, 1).unwrap(), &mut RowsMut::new(&mut y, y_len, 1).unwrap())
}

#[test]
fn convolutions() {
    // Input row, output row, weights, bias, mantissas, shifts.
    refuses_other_lengths([8, 12, 32, 4, 4, 4], |[x, y, weights, bias, mantissas, shifts]| {
        let (weights, bias, mantissas, shifts) = (i8s(&weights), words(&bias), words(&mantissas), i8s(&shifts));
        let multipliers = Multipliers { mantissas: &mantissas, shifts: &shifts };
        let params = Conv2d {
            window: WINDOW,
            input: INPUT,
            output: OUTPUT,
            groups: 1,
            input_zero_point: 0,
            weights: &weights,
            bias: &bias,
            multipliers,
            range: range(Rounding::Single),
        };
        rows(&x, &y, |x, y| Reference::conv2d(&params, x, y, 0..1))
    });
    refuses_other_lengths([8, 12, 16, 4, 4, 4], |[x, y, weights, bias, mantissas, shifts]| {
        let (weights, bias, mantissas, shifts) = (i8s(&weights), words(&bias), words(&mantissas), i8s(&shifts));
        let multipliers = Multipliers { mantissas: &mantissas, shifts: &shifts };
        let params = DepthwiseConv2d {
            window: WINDOW,
            input: INPUT,
            output: OUTPUT,
            input_zero_point: 0,
            weights: &weights,
            bias: &bias,
            multipliers,
            range: range(Rounding::Tflite),
        };
        rows(&x, &y, |x, y| Reference::depthwise_conv2d(&params, x, y, 0..1))
    });
    refuses_other_lengths([6, 8, 12, 4, 4, 4], |[x, y, weights, bias, mantissas, shifts]| {
        let (weights, bias, mantissas, shifts) = (i8s(&weights), words(&bias), words(&mantissas), i8s(&shifts));
        let multipliers = Multipliers { mantissas: &mantissas, shifts: &shifts };
        let params = FullyConnected {
            input_zero_point: 0,
            weights: &weights,
            bias: &bias,
            multipliers,
            range: range(Rounding::Single),
        };
        Reference::fully_connected(&params, &i8s(&x), &mut i8s(&y))
    });
}

#[test]
fn weights_of_four_bits_and_transposed_convolutions() {
    let multipliers = Multipliers { mantissas: &[1; 1], shifts: &[0; 1] };
    // Input row, output row, weights, bias.
    refuses_other_lengths([8, 12, 16, 4], |[x, y, weights, bias]| {
        let (weights, bias) = (i8s(&weights), words(&bias));
        let range = range(Rounding::Single);
        let (window, input, output) = (WINDOW, INPUT, OUTPUT);
        let params = Conv2d {
            window,
            input,
            output,
            groups: 1,
            input_zero_point: 0,
            weights: &weights,
            bias: &bias,
            multipliers,
            range,
        };
        rows(&x, &y, |x, y| Reference::conv2d_i4(&params, x, y, 0..1))
    });
    refuses_other_lengths([8, 12, 8, 4], |[x, y, weights, bias]| {
        let (weights, bias) = (i8s(&weights), words(&bias));
        let range = range(Rounding::Tflite);
        let (window, input, output) = (WINDOW, INPUT, OUTPUT);
        let params = DepthwiseConv2d {
            window,
            input,
            output,
            input_zero_point: 0,
            weights: &weights,
            bias: &bias,
            multipliers,
            range,
        };
        rows(&x, &y, |x, y| Reference::depthwise_conv2d_i4(&params, x, y, 0..1))
    });
    // Three inputs to three outputs: nine weights in five bytes.
    refuses_other_lengths([6, 6, 5, 3], |[x, y, weights, bias]| {
        let (weights, bias) = (i8s(&weights), words(&bias));
        let range = range(Rounding::Single);
        let params = FullyConnected { input_zero_point: 0, weights: &weights, bias: &bias, multipliers, range };
        Reference::fully_connected_i4(&params, 3, &i8s(&x), &mut i8s(&y))
    });
    refuses_other_lengths([8, 12, 32, 4], |[x, y, weights, bias]| {
        let (weights, bias) = (i8s(&weights), words(&bias));
        let range = range(Rounding::Single);
        let window = Window { stride: [2, 2], ..WINDOW };
        let (input, output) = (INPUT, OUTPUT);
        let params = Conv2d {
            window,
            input,
            output,
            groups: 1,
            input_zero_point: 0,
            weights: &weights,
            bias: &bias,
            multipliers,
            range,
        };
        rows(&x, &y, |x, y| Reference::transpose_conv2d(&params, x, y, 0..1))
    });
}

#[test]
fn products_of_matrices() {
    let params = BatchMatmul {
        shapes: [&[2, 3, 2], &[2, 4]],
        transposed: [false; 2],
        output_shape: &[2, 3, 4],
        zero_points: [0; 2],
        multiplier: ONE,
        range: range(Rounding::Single),
    };
    refuses_other_lengths([12, 8, 24], |[a, b, y]| Reference::batch_matmul(&params, &i8s(&a), &i8s(&b), &mut i8s(&y)));
    let run = |params: &BatchMatmul<'_>| Reference::batch_matmul(params, &[0; 12], &[0; 8], &mut [0; 24]);
    assert_eq!(run(&BatchMatmul { transposed: [false, true], ..params }), Err(LengthError));
    assert_eq!(run(&BatchMatmul { output_shape: &[3, 2, 4], ..params }), Err(LengthError));
    assert_eq!(run(&BatchMatmul { output_shape: &[24], ..params }), Err(LengthError));
}

#[test]
fn groups_that_do_not_divide_and_images_without_rows() {
    let params = Conv2d {
        window: WINDOW,
        input: INPUT,
        output: OUTPUT,
        groups: 1,
        input_zero_point: 0,
        weights: &[0; 32],
        bias: &[0; 4],
        multipliers: Multipliers { mantissas: &[1; 1], shifts: &[0; 1] },
        range: range(Rounding::Single),
    };
    let run = |params: &Conv2d<'_>| rows(&[0; 8], &[0; 12], |x, y| Reference::conv2d(params, x, y, 0..1));
    assert_eq!(run(&params), Ok(()));
    assert_eq!(run(&Conv2d { groups: 0, ..params }), Err(LengthError));
    assert_eq!(run(&Conv2d { groups: 3, ..params }), Err(LengthError));
    assert_eq!(run(&Conv2d { output: Image { height: 0, ..OUTPUT }, ..params }), Err(LengthError));
}

#[test]
fn pools() {
    refuses_other_lengths([8, 6, 4, 4], |[x, y, mantissas, shifts]| {
        let (mantissas, shifts) = (words(&mantissas), i8s(&shifts));
        let params = AveragePool2d {
            window: WINDOW,
            input: INPUT,
            output: POOLED,
            input_zero_point: 0,
            divisors: Multipliers { mantissas: &mantissas, shifts: &shifts },
            range: range(Rounding::Single),
        };
        rows(&x, &y, |x, y| Reference::average_pool2d(&params, x, y, 0..1))
    });
    let params = MaxPool2d { window: WINDOW, input: INPUT, output: POOLED, bounds: [-128, 127] };
    refuses_other_lengths([8, 6], |[x, y]| rows(&x, &y, |x, y| Reference::max_pool2d(&params, x, y, 0..1)));
}

#[test]
fn an_average_of_nothing() {
    // The window lies in the padding.
    let params = AveragePool2d {
        window: Window { pad: [2, 0], ..WINDOW },
        input: INPUT,
        output: POOLED,
        input_zero_point: 0,
        divisors: Multipliers { mantissas: &[], shifts: &[] },
        range: range(Rounding::Tflite),
    };
    let result = rows(&[0; 8], &[0; 6], |x, y| Reference::average_pool2d(&params, x, y, 0..1));
    assert_eq!(result, Err(LengthError));
}

#[test]
fn element_by_element() {
    let multipliers = [ONE; 2];
    let range = range(Rounding::Single);
    let sum = Sum {
        shapes: [SHAPE, &[3]],
        output_shape: SHAPE,
        zero_points: [0; 2],
        left_shift: 20,
        multipliers,
        multiplier: ONE,
        range,
    };
    refuses_other_lengths([6, 3, 6], |[a, b, y]| Reference::add(&sum, &i8s(&a), &i8s(&b), &mut i8s(&y)));
    refuses_other_lengths([6, 3, 6], |[a, b, y]| Reference::sub(&sum, &i8s(&a), &i8s(&b), &mut i8s(&y)));
    let squared = Sum { left_shift: 7, ..sum };
    refuses_other_lengths([6, 3, 6], |[a, b, y]| {
        Reference::squared_difference(&squared, &i8s(&a), &i8s(&b), &mut i8s(&y))
    });
    let product = Product { shapes: [SHAPE, &[3]], output_shape: SHAPE, zero_points: [0; 2], multiplier: ONE, range };
    refuses_other_lengths([6, 3, 6], |[a, b, y]| Reference::mul(&product, &i8s(&a), &i8s(&b), &mut i8s(&y)));
    refuses_other_lengths([6, 3, 6], |[a, b, y]| Reference::div(&product, &i8s(&a), &i8s(&b), &mut i8s(&y)));
    // Shapes that do not broadcast.
    for shape in [&[2u32][..], &[1, 1, 3]] {
        let product = Product { shapes: [SHAPE, shape], ..product };
        let other = vec![0; shape.iter().product::<u32>() as usize];
        assert_eq!(Reference::mul(&product, &[0; 6], &other, &mut [0; 6]), Err(LengthError));
    }
    refuses_other_lengths([256, 6, 6], |[table, x, y]| Reference::lut(&i8s(&table), &i8s(&x), &mut i8s(&y)));
    let mean = Mean { shape: SHAPE, axes: 0b10, input_zero_point: 0, multiplier: ONE, range };
    refuses_other_lengths([6, 2], |[x, y]| Reference::mean(&mean, &i8s(&x), &mut i8s(&y)));
    refuses_other_lengths([6, 6, 256], |[x, y, exponentials]| {
        // One, so that the sum is not zero.
        let exponentials = vec![1 << 23; exponentials.len()];
        let params = Softmax { length: 3, multiplier: ONE, diff_min: 0, exponentials: &exponentials, range };
        Reference::softmax(&params, &i8s(&x), &mut i8s(&y))
    });
    for (from, to) in [(Integer::I8, Integer::I16), (Integer::I16, Integer::U8), (Integer::I16, Integer::I16)] {
        let params = Requantize { from, to, input_zero_point: 0, multiplier: ONE, range };
        let lengths = [3 * from.bytes(), 3 * to.bytes()];
        refuses_other_lengths(lengths, |[x, mut y]| Reference::requantize(&params, &x, &mut y));
    }
}

#[test]
fn movers_of_bytes() {
    let element_bytes = 2;
    let pad =
        Pad { input_shape: SHAPE, output_shape: &[3, 4], before: [1, 0, 0, 0, 0, 0], value: [9; 4], element_bytes };
    refuses_other_lengths([12, 24], |[x, mut y]| Reference::pad(&pad, &x, &mut y));
    let concat = Concat { input_shape: SHAPE, output_shape: &[2, 5], axis: 1, begin: 2, element_bytes };
    refuses_other_lengths([12, 20], |[x, mut y]| Reference::concat(&concat, &x, &mut y));
    let slice = Slice {
        input_shape: SHAPE,
        output_shape: &[2, 2],
        begin: [1, 2, 0, 0, 0, 0],
        stride: [-1, -2, 0, 0, 0, 0],
        element_bytes,
    };
    refuses_other_lengths([12, 8], |[x, mut y]| Reference::slice(&slice, &x, &mut y));
    let transpose = Transpose { input_shape: SHAPE, output_shape: &[3, 2], perm: [1, 0, 0, 0, 0, 0], element_bytes };
    refuses_other_lengths([12, 12], |[x, mut y]| Reference::transpose(&transpose, &x, &mut y));
}

#[test]
fn normalizations() {
    refuses_other_lengths([6, 6, 3, 3], |[x, y, gamma, beta]| {
        let params = LayerNorm {
            center: true,
            input_zero_point: 0,
            variance_shift: 0,
            epsilon: 0,
            gamma: &words(&gamma),
            beta: &words(&beta),
            beta_shift: 0,
            shift: 22,
            range: range(Rounding::Single),
        };
        Reference::layer_norm(&params, &i8s(&x), &mut i8s(&y))
    });
    let params = L2Norm { length: 3, input_zero_point: 0, range: range(Rounding::Tflite) };
    refuses_other_lengths([6, 6], |[x, y]| Reference::l2_norm(&params, &i8s(&x), &mut i8s(&y)));
}

#[test]
fn selections() {
    // Input, output, indices.
    refuses_other_lengths([12, 8, 2], |[x, mut y, indices]| {
        let params = Gather { shape: SHAPE, axis: 1, indices: &words(&indices), element_bytes: 2 };
        Reference::gather(&params, &x, &mut y)
    });
    let outside = |indices: &[i32]| {
        let params = Gather { shape: SHAPE, axis: 1, indices, element_bytes: 1 };
        Reference::gather(&params, &[0; 6], &mut [0; 4])
    };
    assert_eq!((outside(&[0, 2]), outside(&[0, 3]), outside(&[-1, 0])), (Ok(()), Err(LengthError), Err(LengthError)));
    for ty in [Integer::I8, Integer::I16] {
        let size = ty.bytes();
        let pair = Pairwise { shapes: [SHAPE, &[3]], output_shape: SHAPE, ty };
        refuses_other_lengths([6 * size, 3 * size, 6 * size], |[a, b, mut y]| {
            Reference::minimum(&pair, &a, &b, &mut y)
        });
        refuses_other_lengths([6 * size, 3 * size, 6 * size], |[a, b, mut y]| {
            Reference::maximum(&pair, &a, &b, &mut y)
        });
        let reduction = Reduction { shape: SHAPE, axes: 0b10, ty };
        refuses_other_lengths([6 * size, 2 * size], |[x, mut y]| Reference::reduce_max(&reduction, &x, &mut y));
        refuses_other_lengths([6 * size, 2 * size], |[x, mut y]| Reference::reduce_min(&reduction, &x, &mut y));
    }
    // Input, output, positions and weights of rows and of columns.
    refuses_other_lengths([24, 12, 2, 2, 3, 3], |[x, y, rows, row_weights, columns, column_weights]| {
        let [rows, row_weights] = [rows, row_weights].map(|v| words(&v));
        let [columns, column_weights] = [columns, column_weights].map(|v| words(&v));
        let params = ResizeBilinear {
            input: INPUT,
            output: POOLED,
            axes: [
                Interpolation { positions: &rows, weights: &row_weights, unit: 1 },
                Interpolation { positions: &columns, weights: &column_weights, unit: 1 },
            ],
            input_zero_point: 0,
            multiplier: ONE,
            range: range(Rounding::Tflite),
        };
        Reference::resize_bilinear(&params, &i8s(&x), &mut i8s(&y))
    });
}

#[test]
fn rows_longer_than_their_slice() {
    assert!(Rows::new(&[0; 6], 3, 2).is_some());
    assert!(Rows::new(&[0; 5], 3, 2).is_none());
    assert!(Rows::new(&[0; 6], 3, 0).is_none());
    assert!(Rows::new(&[0; 6], usize::MAX, 2).is_none());
    assert!(RowsMut::new(&mut [0; 5], 3, 2).is_none());
    let rows = Rows::new(&[1, 2, 3, 4], 2, 2).unwrap();
    assert_eq!((rows.row(0), rows.row(5)), (&[1, 2][..], &[3, 4][..]));
}
