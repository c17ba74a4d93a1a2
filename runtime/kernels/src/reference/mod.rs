//! The specification in code: one file per operator, plain loops, the formula in its comment.

pub mod add;
pub mod add_i16;
pub mod add_in_place;
pub mod average_pool2d;
pub mod average_pool2d_absorb;
pub mod average_pool2d_i16;
pub mod batch_matmul;
pub mod batch_matmul_i16;
pub mod concat;
pub mod conv2d;
pub mod conv2d_i16;
pub mod conv2d_i4;
pub mod depthwise_conv2d;
pub mod depthwise_conv2d_i16;
pub mod depthwise_conv2d_i4;
pub mod div;
pub mod fixed_point;
pub mod fully_connected;
pub mod fully_connected_i16;
pub mod fully_connected_i4;
pub mod gather;
pub mod gru;
pub mod gru_i16;
pub mod l2_norm;
pub mod layer_norm;
pub mod lstm;
pub mod lstm_i16;
pub mod lut;
pub mod lut_i16;
pub mod max_pool2d;
pub mod max_pool2d_i16;
pub mod maximum;
pub mod mean;
pub mod mean_i16;
pub mod minimum;
pub mod mul;
pub mod mul_i16;
mod nd;
mod nibbles;
pub mod pad;
pub mod reduce_max;
pub mod reduce_min;
pub mod requantize;
pub mod resize_bilinear;
pub mod sigmoid16;
pub mod sigmoid_i16;
pub mod slice;
pub mod softmax;
pub mod softmax_i16;
pub mod squared_difference;
pub mod sub;
pub mod sub_i16;
pub mod svdf;
pub mod transpose;
pub mod transpose_conv2d;
pub mod transpose_conv2d_i16;

use crate::{KernelResult, LengthError};

/// An activation's element: int8 and int16 share what differs in nothing but the bounds.
trait Activation: Copy + Into<i32> {
    /// Least value.
    const LEAST: i32;

    /// Returns a value that the operator's bounds keep within the type.
    fn bounded(value: i32) -> Self;
}

impl Activation for i8 {
    const LEAST: i32 = i8::MIN as i32;

    fn bounded(value: i32) -> Self {
        value as i8
    }
}

impl Activation for i16 {
    const LEAST: i32 = i16::MIN as i32;

    fn bounded(value: i32) -> Self {
        value as i16
    }
}

/// Returns an error unless `condition` holds.
fn ensure(condition: bool) -> KernelResult {
    if condition { Ok(()) } else { Err(LengthError) }
}
