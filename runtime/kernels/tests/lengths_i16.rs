//! A kernel of int16 activations that is given slices of another length than its parameters say returns an error and does
//! not panic.

use tanbo_kernels::*;
use tanbo_quant::{Multiplier, Rounding};

const ONE: Multiplier = Multiplier { mantissa: 1 << 30, shift: 1 };
const WINDOW: Window = Window { kernel: [2, 2], stride: [1, 1], dilation: [1, 1], pad: [0, 0] };
const INPUT: Image = Image { height: 3, width: 4, channels: 2 };
const OUTPUT: Image = Image { height: 2, width: 3, channels: 4 };

/// Calls `kernel` with these lengths (accepted), then with each in turn longer or shorter by one.
fn refuses_other_lengths<const N: usize>(right: [usize; N], kernel: impl Fn([usize; N]) -> KernelResult) {
    assert_eq!(kernel(right), Ok(()));
    for wrong in 0..N {
        for other in [right[wrong] - 1, right[wrong] + 1] {
            let mut lengths = right;
            lengths[wrong] = other;
            assert_eq!(kernel(lengths), Err(LengthError), "slice {wrong} of {other}");
        }
    }
}

fn range(rounding: Rounding) -> OutputI16 {
    OutputI16 { low: -32768, high: 32767, rounding, narrow: false }
}

fn rows(x: usize, y: usize, each: impl FnOnce(Rows<'_, i16>, &mut RowsMut<'_, i16>) -> KernelResult) -> KernelResult {
    let (input, mut output) = (vec![0i16; x], vec![0i16; y]);
    each(Rows::new(&input, x, 1).unwrap(), &mut RowsMut::new(&mut output, y, 1).unwrap())
}

#[test]
fn convolutions_and_matrices() {
    refuses_other_lengths([8, 12, 32, 4, 4, 4], |[x, y, weights, bias, mantissas, shifts]| {
        let params = Conv2dI16 {
            window: WINDOW,
            input: INPUT,
            output: OUTPUT,
            groups: 1,
            weights: &vec![1; weights],
            bias: &vec![0; bias],
            multipliers: Multipliers { mantissas: &vec![0; mantissas], shifts: &vec![0; shifts] },
            range: range(Rounding::Single),
        };
        rows(x, y, |x, y| Reference::conv2d_i16(&params, x, y, 0..1))
    });
    refuses_other_lengths([8, 12, 16, 4, 4, 4], |[x, y, weights, bias, mantissas, shifts]| {
        let params = DepthwiseConv2dI16 {
            window: WINDOW,
            input: INPUT,
            output: OUTPUT,
            weights: &vec![1; weights],
            bias: &vec![0; bias],
            multipliers: Multipliers { mantissas: &vec![0; mantissas], shifts: &vec![0; shifts] },
            range: range(Rounding::Tflite),
        };
        rows(x, y, |x, y| Reference::depthwise_conv2d_i16(&params, x, y, 0..1))
    });
    refuses_other_lengths([6, 8, 12, 4, 4, 4], |[x, y, weights, bias, mantissas, shifts]| {
        let params = FullyConnectedI16 {
            weights: &vec![1; weights],
            bias: &vec![0; bias],
            multipliers: Multipliers { mantissas: &vec![0; mantissas], shifts: &vec![0; shifts] },
            range: range(Rounding::Tflite),
        };
        Reference::fully_connected_i16(&params, &vec![0; x], &mut vec![0; y])
    });
}

#[test]
fn functions() {
    refuses_other_lengths([6, 6, 17], |[x, y, table]| {
        let params = LutI16 { interpolated_bits: 12, table: &vec![0; table] };
        Reference::lut_i16(&params, &vec![0; x], &mut vec![0; y])
    });
    refuses_other_lengths([6, 6, 256], |[x, y, table]| {
        let params = SigmoidI16 { tanh: true, multiplier: 3, right_shift: 0, table: &vec![0; table] };
        Reference::sigmoid_i16(&params, &vec![0; x], &mut vec![0; y])
    });
    let softmax = |length, rounding, tables: usize, exponentials: usize, x: usize, y: usize| {
        let params = SoftmaxI16 {
            length,
            multiplier: ONE,
            rounding,
            tables: &vec![20_000; tables],
            exponentials: &vec![1 << 30; exponentials],
        };
        Reference::softmax_i16(&params, &vec![0; x], &mut vec![0; y])
    };
    refuses_other_lengths([6, 6, 1026], |[x, y, tables]| softmax(3, Rounding::Tflite, tables, 0, x, y));
    refuses_other_lengths([6, 6, 512], |[x, y, exponentials]| softmax(3, Rounding::Single, 0, exponentials, x, y));
    assert_eq!(softmax(0, Rounding::Single, 0, 512, 6, 6), Err(LengthError));
    assert_eq!(softmax(65_536, Rounding::Single, 0, 512, 65_536, 65_536), Err(LengthError));
}

#[test]
fn a_table_of_zeros_is_no_division_by_zero() {
    let params =
        SoftmaxI16 { length: 3, multiplier: ONE, rounding: Rounding::Tflite, tables: &[0; 1026], exponentials: &[] };
    assert_eq!(Reference::softmax_i16(&params, &[0; 3], &mut [0; 3]), Err(LengthError));
}
