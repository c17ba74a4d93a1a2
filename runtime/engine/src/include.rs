//! `include_model!`: an artifact as constants of the program.

/// Declares a module with `BYTES`, `ARENA_BYTES`, `OPERATORS`, `PACKED` and `OPS` of an artifact.
///
/// The kernels are those of the family that the artifact is compiled for.
///
/// ```
/// tanbo::include_model!(pub mod dense = include "../tests/data/two_layers.tnb");
///
/// const BYTES: &[u8] = &tanbo::Aligned(*include_bytes!("../tests/data/two_layers.tnb")).0;
/// tanbo::include_model!(mod same = BYTES);
///
/// # fn main() {
/// assert_eq!(dense::ARENA_BYTES, same::ARENA_BYTES);
/// # }
/// ```
///
/// The second form takes a constant of type `&[u8]` at a 16-byte boundary. What is not an artifact does not compile.
#[macro_export]
macro_rules! include_model {
    ($vis:vis mod $name:ident = include $path:literal) => {
        $crate::include_model!($vis mod $name = &$crate::Aligned(*include_bytes!($path)).0);
    };
    ($vis:vis mod $name:ident = $bytes:expr) => {
        $vis mod $name {
            // The caller's expressions see the caller's names only, not the ones below.
            mod given {
                #[allow(unused_imports, reason = "what the expressions need")]
                use super::super::*;
                pub(super) const INCLUDED_ARTIFACT: &[u8] = $bytes;
                const FAMILY: u8 = $crate::const_family(INCLUDED_ARTIFACT);
                pub(super) type IncludedTable = <$crate::ByFamily<FAMILY> as $crate::TableOf>::Table;
            }
            /// The artifact, at a 16-byte boundary.
            pub static BYTES: &[u8] = given::INCLUDED_ARTIFACT;
            /// Length of the arena.
            pub const ARENA_BYTES: usize = $crate::const_arena_bytes(given::INCLUDED_ARTIFACT);
            /// Operators in the portable packing, as bits.
            pub const OPERATORS: u64 = $crate::const_operators(given::INCLUDED_ARTIFACT);
            /// Operators packed for the kernel family, as bits.
            pub const PACKED: u64 = $crate::const_packed_operators(given::INCLUDED_ARTIFACT);
            /// The operators, in the kernels of the artifact's family.
            pub static OPS: $crate::OpSet = $crate::OpSet::from_bits::<given::IncludedTable>(OPERATORS, PACKED);
        }
    };
}
