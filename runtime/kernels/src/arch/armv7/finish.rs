//! From sums to outputs, in assembly: q0 and q1 are four sums each.

use crate::Output;

/// Zero point and bounds of an output, as vectors.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Bounds {
    zero_point: [i16; 8],
    low: [i8; 8],
    high: [i8; 8],
}

impl Bounds {
    /// Returns those of `output`, which are int8 values.
    pub fn new(output: &Output) -> Self {
        let (low, high) = (output.low as i8, output.high as i8);
        Self { zero_point: [output.zero_point as i16; 8], low: [low; 8], high: [high; 8] }
    }
}

/// Single rounding: mantissas q2 of q0 and q3 of q1, shifts after q4 q5, shifts before q6 q7.
macro_rules! single {
    () => {
        concat!(
            "vqshl.s32 q0, q0, q6\n vqshl.s32 q1, q1, q7\n vqdmulh.s32 q0, q0, q2\n vqdmulh.s32 q1, q1, q3\n",
            "vrshl.s32 q0, q0, q4\n vrshl.s32 q1, q1, q5\n",
        )
    };
}

/// TensorFlow Lite's rounding: a negative product is lessened by one where there is a shift to the right.
macro_rules! tflite {
    () => {
        concat!(
            "vshl.s32 q0, q0, q6\n vshl.s32 q1, q1, q7\n vqrdmulh.s32 q0, q0, q2\n vqrdmulh.s32 q1, q1, q3\n",
            "vand q2, q0, q4\n vand q3, q1, q5\n vsra.s32 q0, q2, #31\n vsra.s32 q1, q3, #31\n",
            "vrshl.s32 q0, q0, q4\n vrshl.s32 q1, q1, q5\n",
        )
    };
}

/// Eight outputs in d0, from q0 and q1, with `{bounds}`.
macro_rules! narrow {
    () => {
        concat!(
            "vld1.8 {{d4-d7}}, [{bounds}]\n vqmovn.s32 d0, q0\n vqmovn.s32 d1, q1\n vqadd.s16 q0, q0, q2\n",
            "vqmovn.s16 d0, q0\n vmax.s8 d0, d0, d6\n vmin.s8 d0, d0, d7\n",
        )
    };
}

pub(super) use {narrow, single, tflite};
