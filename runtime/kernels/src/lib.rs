//! Layer 1: what each operator computes, in integers.
//!
//! Knows slices, shapes and multipliers; knows no artifact and no engine. [`reference`] is the
//! specification: slow, plain, and equal on every target. A family of faster kernels is another
//! type that implements [`Kernels`]: it overrides the operators it has and inherits the reference
//! for the rest, so that it can only ever be as wide, and must be as exact.
#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "pack")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[allow(unsafe_code, reason = "the one place for it")]
pub mod arch;
#[cfg(feature = "pack")]
pub mod pack;
pub mod params;
pub mod reference;
mod rows;

use core::ops::Range;

use tanbo_packing::Layout;

pub use params::*;
pub use rows::{Rows, RowsMut};
pub use tanbo_packing as packing;

/// Least output pixels of a part of an image that [`Kernels::DIVISIBLE`] promises anything of.
pub const LEAST_PIXELS: usize = 64;

/// A slice is not as long as the parameters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthError;

/// Result of a kernel.
pub type KernelResult = Result<(), LengthError>;

macro_rules! kernels {
    (by_row { $($(#[$row_doc:meta])* $row_name:ident($row_params:ty, $element:ty);)* }
     whole { $($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*);)* }) => {
        /// A kernel table: one function per operator, the reference unless overridden.
        pub trait Kernels {
            /// Name that runners print.
            const NAME: &'static str;
            /// Whether the kernels exist on the target that this program is compiled for.
            const COMPILED: bool = true;
            /// Whether rows of a packed step may be computed as an image of their own, with the same constants, if they have
            /// [`LEAST_PIXELS`] pixels: what threads need.
            const DIVISIBLE: bool = false;
            /// Packings that this table reads, with their lengths; none but the portable one by default.
            const LAYOUTS: &'static [Layout] = &[];

            /// Returns whether the CPU that this program runs on has what the kernels need.
            #[inline]
            fn available() -> bool {
                true
            }

            /// Computes output rows of a convolution with packed weights. Rows come in increasing order, in portions; row 0
            /// begins anew, and until then `scratch` keeps what the call before left there.
            ///
            /// # Errors
            /// [`LengthError`] if a slice does not have the length that the packing asks for, or for a packing that this
            /// table does not read.
            #[inline]
            fn conv2d_packed(
                _params: &Packed<'_>,
                _input: Rows<'_>,
                _output: &mut RowsMut<'_>,
                _rows: Range<usize>,
                _scratch: &mut [u8],
            ) -> KernelResult {
                Err(LengthError)
            }

            /// As [`Kernels::conv2d_packed`], of a convolution with transformed weights (Winograd).
            ///
            /// # Errors
            /// As there.
            #[inline]
            fn conv2d_winograd(
                _params: &Packed<'_>,
                _input: Rows<'_>,
                _output: &mut RowsMut<'_>,
                _rows: Range<usize>,
                _scratch: &mut [u8],
            ) -> KernelResult {
                Err(LengthError)
            }

            /// As [`Kernels::conv2d_packed`], of a depthwise convolution.
            ///
            /// # Errors
            /// As there.
            #[inline]
            fn depthwise_conv2d_packed(
                _params: &Packed<'_>,
                _input: Rows<'_>,
                _output: &mut RowsMut<'_>,
                _rows: Range<usize>,
                _scratch: &mut [u8],
            ) -> KernelResult {
                Err(LengthError)
            }

            $($(#[$row_doc])*
            ///
            /// # Errors
            /// [`LengthError`] if a slice does not have the length the parameters ask for.
            #[inline]
            fn $row_name(
                params: &$row_params,
                input: Rows<'_, $element>,
                output: &mut RowsMut<'_, $element>,
                rows: Range<usize>,
            ) -> KernelResult {
                for row in rows {
                    reference::$row_name::run(params, input, output, row)?;
                }
                Ok(())
            })*
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`LengthError`] if a slice does not have the length the parameters ask for.
            #[inline]
            fn $name($($arg: $ty),*) -> KernelResult { reference::$name::run($($arg),*) })*
        }
    };
}

kernels! {
    by_row {
        /// Computes output rows of a convolution.
        conv2d(Conv2d<'_>, i8);
        /// Computes output rows of a depthwise convolution.
        depthwise_conv2d(DepthwiseConv2d<'_>, i8);
        /// Computes output rows of an average pooling.
        average_pool2d(AveragePool2d<'_>, i8);
        /// Computes output rows of a maximum pooling.
        max_pool2d(MaxPool2d, i8);
        /// Computes output rows of a convolution of int16 activations.
        conv2d_i16(Conv2dI16<'_>, i16);
        /// Computes output rows of a depthwise convolution of int16 activations.
        depthwise_conv2d_i16(DepthwiseConv2dI16<'_>, i16);
        /// Computes output rows of an average pooling of int16 activations.
        average_pool2d_i16(AveragePool2d<'_>, i16);
        /// Computes output rows of a maximum pooling of int16 activations.
        max_pool2d_i16(MaxPool2d, i16);
        /// Computes output rows of a convolution whose weights have four bits.
        conv2d_i4(Conv2d<'_>, i8);
        /// Computes output rows of a depthwise convolution whose weights have four bits.
        depthwise_conv2d_i4(DepthwiseConv2d<'_>, i8);
        /// Computes output rows of a transposed convolution.
        transpose_conv2d(Conv2d<'_>, i8);
        /// Computes output rows of a transposed convolution of int16 values.
        transpose_conv2d_i16(Conv2dI16<'_>, i16);
    }
    whole {
        /// Multiplies each input row with the weights.
        fully_connected(params: &FullyConnected<'_>, input: &[i8], output: &mut [i8]);
        /// Takes input rows into the sums of an average pooling with one output row; the last row gives the output.
        average_pool2d_absorb(params: &AveragePool2d<'_>, input: Rows<'_>, rows: Range<usize>, sums: &mut [i32], output: &mut [i8]);
        /// Averages over axes.
        mean(params: &Mean<'_>, input: &[i8], output: &mut [i8]);
        /// Adds with broadcasting.
        add(params: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]);
        /// Adds without broadcasting, where input `place` (0 or 1) lies: `values` holds it before and the output after.
        add_in_place(params: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]);
        /// Subtracts with broadcasting.
        sub(params: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]);
        /// Multiplies with broadcasting.
        mul(params: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]);
        /// Looks values up.
        lut(table: &[i8], input: &[i8], output: &mut [i8]);
        /// Normalized exponentials over the last axis.
        softmax(params: &Softmax<'_>, input: &[i8], output: &mut [i8]);
        /// Surrounds with a constant.
        pad(params: &Pad<'_>, input: &[u8], output: &mut [u8]);
        /// Writes one input of a concatenation into its place.
        concat(params: &Concat<'_>, input: &[u8], output: &mut [u8]);
        /// Picks every stride-th element.
        slice(params: &Slice<'_>, input: &[u8], output: &mut [u8]);
        /// Permutes axes.
        transpose(params: &Transpose<'_>, input: &[u8], output: &mut [u8]);
        /// Moves values to another scale or type.
        requantize(params: &Requantize, input: &[u8], output: &mut [u8]);
        /// Multiplies each int16 input row with the weights.
        fully_connected_i16(params: &FullyConnectedI16<'_>, input: &[i16], output: &mut [i16]);
        /// Averages int16 activations over axes.
        mean_i16(params: &Mean<'_>, input: &[i16], output: &mut [i16]);
        /// Adds int16 activations with broadcasting.
        add_i16(params: &Sum<'_>, input1: &[i16], input2: &[i16], output: &mut [i16]);
        /// Subtracts int16 activations with broadcasting.
        sub_i16(params: &Sum<'_>, input1: &[i16], input2: &[i16], output: &mut [i16]);
        /// Multiplies int16 activations with broadcasting.
        mul_i16(params: &Product<'_>, input1: &[i16], input2: &[i16], output: &mut [i16]);
        /// Looks int16 values up, between the entries on a line.
        lut_i16(params: &LutI16<'_>, input: &[i16], output: &mut [i16]);
        /// Logistic function or hyperbolic tangent of int16 activations.
        sigmoid_i16(params: &SigmoidI16<'_>, input: &[i16], output: &mut [i16]);
        /// Normalized exponentials of int16 activations over the last axis.
        softmax_i16(params: &SoftmaxI16<'_>, input: &[i16], output: &mut [i16]);
        /// Filters the input, and what it was before, kept in `state`.
        svdf(params: &Svdf<'_>, input: &[i8], state: StateMut<'_>, output: &mut [i8]);
        /// Runs a long short-term memory over a sequence.
        lstm(params: &Lstm<'_, i32>, input: &[i8], hidden: &mut [i8], cell: &mut [i16], output: &mut [i8]);
        /// Runs a gated recurrent unit over a sequence.
        gru(params: &Gru<'_, i32>, input: &[i8], hidden: &mut [i8], output: &mut [i8], scratch: &mut [i16]);
        /// Runs a long short-term memory with activations of 16 bits over a sequence.
        lstm_i16(params: &Lstm<'_, i64>, input: &[i16], hidden: &mut [i16], cell: &mut [i16], output: &mut [i16]);
        /// Runs a gated recurrent unit with activations of 16 bits over a sequence.
        gru_i16(params: &Gru<'_, i64>, input: &[i16], hidden: &mut [i16], output: &mut [i16], scratch: &mut [i16]);
        /// Multiplies each input row of `depth` values with weights of four bits.
        fully_connected_i4(params: &FullyConnected<'_>, depth: usize, input: &[i8], output: &mut [i8]);
        /// Multiplies two stacks of matrices of int16 values.
        batch_matmul_i16(params: &BatchMatmul<'_>, input1: &[i16], input2: &[i16], output: &mut [i16]);
        /// Multiplies two stacks of matrices.
        batch_matmul(params: &BatchMatmul<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]);
        /// Picks positions along an axis.
        gather(params: &Gather<'_>, input: &[u8], output: &mut [u8]);
        /// Interpolates between rows and columns.
        resize_bilinear(params: &ResizeBilinear<'_>, input: &[i8], output: &mut [i8]);
        /// Takes the lesser of two values, with broadcasting.
        minimum(params: &Pairwise<'_>, input1: &[u8], input2: &[u8], output: &mut [u8]);
        /// Takes the greater of two values, with broadcasting.
        maximum(params: &Pairwise<'_>, input1: &[u8], input2: &[u8], output: &mut [u8]);
        /// Takes the greatest value over axes.
        reduce_max(params: &Reduction<'_>, input: &[u8], output: &mut [u8]);
        /// Takes the least value over axes.
        reduce_min(params: &Reduction<'_>, input: &[u8], output: &mut [u8]);
        /// Squares the difference, with broadcasting.
        squared_difference(params: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]);
        /// Normalizes runs of values.
        layer_norm(params: &LayerNorm<'_>, input: &[i8], output: &mut [i8]);
        /// Divides with broadcasting.
        div(params: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]);
        /// Divides runs of values by their length in space.
        l2_norm(params: &L2Norm, input: &[i8], output: &mut [i8]);
    }
}

/// The specification, on any target.
#[derive(Clone, Copy, Debug)]
pub struct Reference;

impl Kernels for Reference {
    const NAME: &'static str = "reference";
}
