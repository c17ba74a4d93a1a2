//! The specification in code: one file per operator, plain loops, the formula in its comment.

pub mod add;
pub mod average_pool2d;
pub mod batch_matmul;
pub mod concat;
pub mod conv2d;
pub mod conv2d_i4;
pub mod depthwise_conv2d;
pub mod depthwise_conv2d_i4;
pub mod fixed_point;
pub mod fully_connected;
pub mod fully_connected_i4;
pub mod gather;
pub mod lut;
pub mod max_pool2d;
pub mod maximum;
pub mod mean;
pub mod minimum;
pub mod mul;
mod nd;
mod nibbles;
pub mod pad;
pub mod reduce_max;
pub mod reduce_min;
pub mod requantize;
pub mod resize_bilinear;
pub mod slice;
pub mod softmax;
pub mod squared_difference;
pub mod sub;
pub mod transpose;
pub mod transpose_conv2d;

use crate::{KernelResult, LengthError};

/// Returns an error unless `condition` holds.
fn ensure(condition: bool) -> KernelResult {
    if condition { Ok(()) } else { Err(LengthError) }
}
