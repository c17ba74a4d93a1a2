//! `include_model!`: an artifact as constants of the program.

/// Declares a module with `BYTES`, `ARENA_BYTES`, `OPERATORS` and `OPS` of an artifact.
///
/// ```ignore
/// tanbo::include_model!(pub mod seismic = include "seismic.tnb", tanbo::Reference);
/// tanbo::include_model!(pub mod seismic = tanbo_zoo::SEISMIC, tanbo::Reference);
/// ```
///
/// The second form takes a constant of type `&[u8]` at a 16-byte boundary. What is not an artifact does not compile.
#[macro_export]
macro_rules! include_model {
    ($vis:vis mod $name:ident = include $path:literal, $kernels:ty) => {
        $crate::include_model!($vis mod $name = &$crate::Aligned(*include_bytes!($path)).0, $kernels);
    };
    ($vis:vis mod $name:ident = $bytes:expr, $kernels:ty) => {
        $vis mod $name {
            #[allow(unused_imports, reason = "the expressions are the caller's")]
            use super::*;
            const CONST_BYTES: &[u8] = $bytes;
            /// The artifact, at a 16-byte boundary.
            pub static BYTES: &[u8] = CONST_BYTES;
            /// Length of the arena.
            pub const ARENA_BYTES: usize = $crate::const_arena_bytes(CONST_BYTES);
            /// Operators, as bits.
            pub const OPERATORS: u64 = $crate::const_operators(CONST_BYTES);
            /// The operators, in kernels of the named family.
            pub static OPS: $crate::OpSet = $crate::OpSet::from_bits::<$kernels>(OPERATORS);
        }
    };
}
