//! Kernel families: one folder each, compiled for the targets that have it. The only place with `unsafe` or assembly.

#[cfg(all(target_arch = "x86_64", feature = "std"))]
/// Repeats a block for each `$i` below `$n`, a constant of at most 16: registers in arrays stay registers only where every
/// index is a constant from the first compiler pass on.
macro_rules! each {
    ($i:ident < $n:tt $body:block) => { each!(@ $i $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) };
    ($i:ident < $n:ident . div_ceil ($d:literal) $body:block) => { each!(@ $i ($n.div_ceil($d)), $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) };
    (@ $i:ident $n:tt, $body:block, $($index:literal)*) => {{
        $(if $index < $n {
            let $i: usize = $index;
            $body
        })*
    }};
}

// First: its macros are those of the families below.
#[cfg(any(feature = "pack", all(target_arch = "x86_64", feature = "std")))]
#[macro_use]
mod x86;

mod arm;
pub mod armv7;
pub mod avx2;
#[cfg(all(target_os = "none", any(target_arch = "arm", target_arch = "riscv32")))]
mod bare;
pub mod dotprod;
pub mod dsp;
pub mod m0;
pub mod m3;
pub mod mve;
pub mod neon;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32", feature = "pack"))]
mod pairs;
pub mod rv32;
pub mod vnni;

/// The packing functions of the families, for compilers and hosts.
#[cfg(feature = "pack")]
pub mod packs {
    pub use super::armv7::pack::pack as armv7;
    pub use super::dotprod::pack::pack as dotprod;
    pub use super::dsp::{pack as dsp, winograd as dsp_winograd};
    pub use super::m0::pack as m0;
    pub use super::m3::pack as m3;
    pub use super::mve::pack::pack as mve;
    pub use super::neon::pack::pack as neon;
    pub use super::rv32::pack as rv32;
    pub use super::x86::pack::{avx2, vnni};
}
