//! The table of a family of x86-64: every kernel asks the CPU before it runs.

/// Implements [`Kernels`](crate::Kernels) for a family by its modules `registers`, `winograd` and `sum`.
macro_rules! table {
    ($family:ty, $name:literal, $direct:path, $winograd:path, sum: $sum:path, $sum_in_place:path, available: $available:expr) => {
        impl crate::Kernels for $family {
            const NAME: &'static str = $name;
            const DIVISIBLE: bool = true;
            const LAYOUTS: &'static [tanbo_packing::Layout] = &[$direct, $winograd];

            fn available() -> bool {
                $available
            }

            fn conv2d_packed(
                params: &crate::Packed<'_>,
                input: crate::Rows<'_>,
                output: &mut crate::RowsMut<'_>,
                rows: core::ops::Range<usize>,
                scratch: &mut [u8],
            ) -> crate::KernelResult {
                if !Self::available() {
                    return Err(crate::LengthError);
                }
                if params.packing == $winograd.packing {
                    // SAFETY: the CPU has the instructions.
                    return unsafe { winograd::conv2d(params, input, output, rows, scratch) };
                }
                // SAFETY: the CPU has the instructions.
                unsafe { registers::conv2d(params, input, output, rows, scratch) }
            }

            fn depthwise_conv2d_packed(
                params: &crate::Packed<'_>,
                input: crate::Rows<'_>,
                output: &mut crate::RowsMut<'_>,
                rows: core::ops::Range<usize>,
                scratch: &mut [u8],
            ) -> crate::KernelResult {
                if !Self::available() {
                    return Err(crate::LengthError);
                }
                // SAFETY: the CPU has the instructions.
                unsafe { registers::depthwise_conv2d(params, input, output, rows, scratch) }
            }

            fn average_pool2d(
                params: &crate::AveragePool2d<'_>,
                input: crate::Rows<'_>,
                output: &mut crate::RowsMut<'_>,
                rows: core::ops::Range<usize>,
            ) -> crate::KernelResult {
                if !Self::available() {
                    return Err(crate::LengthError);
                }
                // SAFETY: the CPU has the instructions.
                unsafe { crate::arch::x86::pool::average(params, input, output, rows) }
            }

            fn max_pool2d(
                params: &crate::MaxPool2d,
                input: crate::Rows<'_>,
                output: &mut crate::RowsMut<'_>,
                rows: core::ops::Range<usize>,
            ) -> crate::KernelResult {
                if !Self::available() {
                    return Err(crate::LengthError);
                }
                // SAFETY: the CPU has the instructions.
                unsafe { crate::arch::x86::pool::max(params, input, output, rows) }
            }

            fn add(params: &crate::Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> crate::KernelResult {
                if !Self::available() {
                    return Err(crate::LengthError);
                }
                // SAFETY: the CPU has the instructions.
                unsafe { $sum(params, input1, input2, output, 1) }
            }

            fn add_in_place(
                params: &crate::Sum<'_>,
                place: usize,
                values: &mut [i8],
                other: &[i8],
            ) -> crate::KernelResult {
                if !Self::available() {
                    return Err(crate::LengthError);
                }
                // SAFETY: the CPU has the instructions.
                unsafe { $sum_in_place(params, place, values, other) }
            }

            fn sub(params: &crate::Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> crate::KernelResult {
                if !Self::available() {
                    return Err(crate::LengthError);
                }
                // SAFETY: the CPU has the instructions.
                unsafe { $sum(params, input1, input2, output, -1) }
            }
        }
    };
}
