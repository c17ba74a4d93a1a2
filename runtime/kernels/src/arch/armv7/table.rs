//! The kernel table.

use tanbo_packing::{Layout, armv7};

use crate::Kernels;
#[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
use crate::{KernelResult, Packed, Rows, RowsMut};

/// Kernels for ARMv7 with NEON.
#[derive(Clone, Copy, Debug)]
pub struct Armv7;

impl Kernels for Armv7 {
    const NAME: &'static str = "armv7";
    const COMPILED: bool = cfg!(all(target_arch = "arm", target_os = "linux", feature = "std"));
    const LAYOUTS: &'static [Layout] = &[armv7::LAYOUT];

    #[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
    #[inline]
    fn available() -> bool {
        super::detect::is_available()
    }

    #[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
    fn conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: core::ops::Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        super::conv2d::run(params, tanbo_packing::Kind::Conv2d, input, output, rows, scratch)
    }

    #[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
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
}
