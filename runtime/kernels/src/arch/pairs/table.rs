//! The kernel table of every core of this kind.

/// Implements [`Kernels`](crate::Kernels) for a [`Machine`](super::Machine).
///
/// A macro, not an implementation for all machines: generic functions are inlined otherwise, for 200 to 400 bytes and up to 0.5 % more
/// instructions of a model.
macro_rules! table {
    ($machine:ty, $name:literal) => {
        impl $crate::Kernels for $machine {
            const NAME: &'static str = $name;
            const LAYOUTS: &'static [tanbo_packing::Layout] = &[<$machine as $crate::arch::pairs::Machine>::LAYOUT];

            fn conv2d_packed(
                params: &$crate::Packed<'_>,
                input: $crate::Rows<'_>,
                output: &mut $crate::RowsMut<'_>,
                rows: core::ops::Range<usize>,
                scratch: &mut [u8],
            ) -> $crate::KernelResult {
                $crate::arch::pairs::conv2d::<Self>(params, input, output, rows, scratch)
            }

            fn depthwise_conv2d_packed(
                params: &$crate::Packed<'_>,
                input: $crate::Rows<'_>,
                output: &mut $crate::RowsMut<'_>,
                rows: core::ops::Range<usize>,
                scratch: &mut [u8],
            ) -> $crate::KernelResult {
                $crate::arch::pairs::depthwise_conv2d::<Self>(params, input, output, rows, scratch)
            }

            fn average_pool2d(
                params: &$crate::AveragePool2d<'_>,
                input: $crate::Rows<'_>,
                output: &mut $crate::RowsMut<'_>,
                rows: core::ops::Range<usize>,
            ) -> $crate::KernelResult {
                $crate::arch::pairs::average_pool2d(params, input, output, rows)
            }

            fn add(params: &$crate::Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> $crate::KernelResult {
                $crate::arch::pairs::add(params, input1, input2, output)
            }

            fn add_in_place(
                params: &$crate::Sum<'_>,
                place: usize,
                values: &mut [i8],
                other: &[i8],
            ) -> $crate::KernelResult {
                $crate::arch::pairs::add_in_place(params, place, values, other)
            }

            fn mul(
                params: &$crate::Product<'_>,
                input1: &[i8],
                input2: &[i8],
                output: &mut [i8],
            ) -> $crate::KernelResult {
                $crate::arch::pairs::mul(params, input1, input2, output)
            }

            fn requantize(params: &$crate::Requantize, input: &[u8], output: &mut [u8]) -> $crate::KernelResult {
                $crate::arch::pairs::requantize(params, input, output)
            }

            #[inline]
            fn lut(table: &[i8], input: &[i8], output: &mut [i8]) -> $crate::KernelResult {
                $crate::arch::bare::lut(table, input, output)
            }

            #[inline]
            fn softmax(params: &$crate::Softmax<'_>, input: &[i8], output: &mut [i8]) -> $crate::KernelResult {
                $crate::arch::bare::softmax(params, input, output)
            }
        }
    };
}
pub(crate) use table;
