#![doc = include_str!("../README.md")]
//!
//! # Layer
//!
//! Layer 3, on the host only: the full verifier and the engine's decoding run while the program is compiled, and become
//! constants (`tanbo::included`).
#![forbid(unsafe_code)]

mod emit;
mod input;
mod model;

use proc_macro::TokenStream;

/// Declares a module with an artifact, verified and decoded: `include_model!(pub mod model = "model.tnb")`.
///
/// The path is relative to the file that the macro is in; `env!` and `concat!` may stand for it, as in
/// `concat!(env!("OUT_DIR"), "/model.tnb")`. When the file changes, the program is compiled again. What is not an artifact
/// does not compile: the error names the file, what is wrong and where in it.
///
/// The module holds
///
/// - `ARENA_BYTES`: length of the arena;
/// - `MODEL`: the artifact, and `engine(arena)`: an engine of it, of the type `Engine`. Its kernels are those of the family
///   that the artifact is compiled for, and nothing else is linked: no verifier, no decoding of records;
/// - `LIFETIMES`: what of the arena counts half-way through an inference, for `Engine::changed`. Linked only where it is named;
/// - `OPS`: these kernels and the verifier for their operators, for another artifact that arrives later
///   (`OPS.parse(bytes)`). Linked only where it is named.
#[proc_macro]
pub fn include_model(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as input::Input);
    model::module(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
