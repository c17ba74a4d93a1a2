//! The kernel table.

use tanbo_packing::{Layout, dotprod};

use crate::Kernels;
#[cfg(target_arch = "aarch64")]
use crate::{KernelResult, Packed, Rows, RowsMut};

/// Kernels for AArch64 with the dot product: those of NEON, and convolutions by SDOT.
#[derive(Clone, Copy, Debug)]
pub struct Dotprod;

impl Kernels for Dotprod {
    const NAME: &'static str = "dotprod";
    const COMPILED: bool = cfg!(target_arch = "aarch64");
    const LAYOUTS: &'static [Layout] = &[dotprod::LAYOUT];

    #[cfg(target_arch = "aarch64")]
    #[inline]
    fn available() -> bool {
        super::is_available()
    }

    #[cfg(target_arch = "aarch64")]
    fn conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: core::ops::Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        super::conv2d::run(params, tanbo_packing::Kind::Conv2d, input, output, rows, scratch)
    }

    #[cfg(target_arch = "aarch64")]
    fn depthwise_conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: core::ops::Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        if params.shape.input[2] == 1 {
            return super::conv2d::run(params, tanbo_packing::Kind::DepthwiseConv2d, input, output, rows, scratch);
        }
        super::depthwise_conv2d::run(params, input, output, rows, scratch)
    }

    crate::arch::neon::operators!();
}
