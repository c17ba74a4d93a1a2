//! `y[..,i,j] = requantize(Σ_k (x_1[..,i,k] - z_1) · (x_2[..,k,j] - z_2); m)`; the axes before the last two broadcast,
//! and either input may have its last two exchanged.

use super::{ensure, nd};
use crate::{BatchMatmul, KernelResult, LengthError};

/// Computes every output.
pub fn run(p: &BatchMatmul<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    ensure(nd::elements(p.shapes[0])? == input1.len() && nd::elements(p.shapes[1])? == input2.len())?;
    let [z1, z2] = p.zero_points;
    each_output(p, output, |[at1, at2], [step1, step2], depth| {
        let mut accumulator = 0i32;
        for k in 0..depth {
            accumulator += (i32::from(input1[at1 + k * step1]) - z1) * (i32::from(input2[at2 + k * step2]) - z2);
        }
        p.range.requantize(accumulator, p.multiplier) as i8
    })
}

/// Sets each output to what `sum` returns for the positions where a row of the first input and a column of the second
/// begin, the distance between their elements, and how many there are.
pub(super) fn each_output<T>(
    p: &BatchMatmul<'_>,
    output: &mut [T],
    sum: impl Fn([usize; 2], [usize; 2], usize) -> T,
) -> KernelResult {
    ensure(nd::elements(p.output_shape)? == output.len())?;
    let (stack, &[rows, columns]) = p.output_shape.split_last_chunk::<2>().ok_or(LengthError)?;
    let (stack1, matrix1) = p.shapes[0].split_last_chunk::<2>().ok_or(LengthError)?;
    let (stack2, matrix2) = p.shapes[1].split_last_chunk::<2>().ok_or(LengthError)?;
    let (first, second) = (Matrix::new(matrix1, p.transposed[0]), Matrix::new(matrix2, p.transposed[1]));
    let depth = first.columns;
    ensure(first.rows == rows as usize && second.columns == columns as usize && second.rows == depth)?;
    let mut outputs = output.iter_mut();
    let steps = [nd::broadcast_strides(stack1, stack)?, nd::broadcast_strides(stack2, stack)?];
    nd::walk(stack, [0, 0], steps, |[matrix1, matrix2]| {
        for row in 0..first.rows {
            for column in 0..second.columns {
                let at1 = matrix1 * first.rows * depth + row * first.row_step;
                let at2 = matrix2 * depth * second.columns + column * second.column_step;
                if let Some(y) = outputs.next() {
                    *y = sum([at1, at2], [first.column_step, second.row_step], depth);
                }
            }
        }
    })
}

/// A matrix as it is read, and the distances in memory between its rows and between its columns.
struct Matrix {
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl Matrix {
    fn new(&[outer, inner]: &[u32; 2], transposed: bool) -> Self {
        let (outer, inner) = (outer as usize, inner as usize);
        if transposed {
            Self { rows: inner, columns: outer, row_step: 1, column_step: inner }
        } else {
            Self { rows: outer, columns: inner, row_step: inner, column_step: 1 }
        }
    }
}
