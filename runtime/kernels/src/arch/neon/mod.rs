//! AArch64 without the dot product: Cortex-A53, A72.

#[cfg(target_arch = "aarch64")]
pub(super) mod add;
#[cfg(target_arch = "aarch64")]
mod conv2d;
#[cfg(target_arch = "aarch64")]
pub(super) mod copy;
#[cfg(target_arch = "aarch64")]
pub(super) mod depthwise_conv2d;
#[cfg(target_arch = "aarch64")]
pub(super) mod lanes;
#[cfg(target_arch = "aarch64")]
pub(super) mod line_3x3;
#[cfg(target_arch = "aarch64")]
pub(super) mod lut;
#[cfg(target_arch = "aarch64")]
pub(super) mod mul;
#[cfg(feature = "pack")]
pub(super) mod pack;
#[cfg(target_arch = "aarch64")]
pub(super) mod pool;
#[cfg(target_arch = "aarch64")]
pub(super) mod requantize;
mod table;
#[cfg(target_arch = "aarch64")]
mod uniform;

/// The operators that every AArch64 table has from here.
macro_rules! operators {
    () => {
        #[cfg(target_arch = "aarch64")]
        fn add(params: &crate::Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> crate::KernelResult {
            crate::arch::neon::add::run(params, input1, input2, output)
        }

        #[cfg(target_arch = "aarch64")]
        fn add_in_place(params: &crate::Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> crate::KernelResult {
            crate::arch::neon::add::in_place(params, place, values, other)
        }

        #[cfg(target_arch = "aarch64")]
        fn mul(params: &crate::Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> crate::KernelResult {
            crate::arch::neon::mul::run(params, input1, input2, output)
        }

        #[cfg(target_arch = "aarch64")]
        fn lut(table: &[i8], input: &[i8], output: &mut [i8]) -> crate::KernelResult {
            crate::arch::neon::lut::run(table, input, output)
        }

        #[cfg(target_arch = "aarch64")]
        fn requantize(params: &crate::Requantize, input: &[u8], output: &mut [u8]) -> crate::KernelResult {
            crate::arch::neon::requantize::run(params, input, output)
        }

        #[cfg(target_arch = "aarch64")]
        fn mean(params: &crate::Mean<'_>, input: &[i8], output: &mut [i8]) -> crate::KernelResult {
            crate::arch::neon::pool::mean(params, input, output)
        }

        #[cfg(target_arch = "aarch64")]
        fn average_pool2d(
            params: &crate::AveragePool2d<'_>,
            input: crate::Rows<'_>,
            output: &mut crate::RowsMut<'_>,
            rows: core::ops::Range<usize>,
        ) -> crate::KernelResult {
            crate::arch::neon::pool::average(params, input, output, rows)
        }

        #[cfg(target_arch = "aarch64")]
        fn max_pool2d(
            params: &crate::MaxPool2d,
            input: crate::Rows<'_>,
            output: &mut crate::RowsMut<'_>,
            rows: core::ops::Range<usize>,
        ) -> crate::KernelResult {
            crate::arch::neon::pool::max(params, input, output, rows)
        }
    };
}
pub(super) use operators;

pub use table::Neon;
