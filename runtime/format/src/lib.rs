//! Layer 1: the artifact's byte layout, its verifier and its writer, side by side.
//!
//! Knows records, extents and what each operator asks of its shapes; knows no kernel and no
//! engine. `Model::parse` (or, for a program's own operators, `Model::parse_for`) is the only validation there is: once it has returned a [`Model`],
//! accessors cannot fail and no byte of the artifact can lead out of bounds. FORMAT.md in this
//! crate is the normative description.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "emit")]
extern crate std;

pub mod attrs;
mod check;
#[cfg(feature = "emit")]
#[allow(clippy::indexing_slicing, reason = "the writer's own vectors; never in an engine")]
pub mod emit;
mod error;
#[cfg(feature = "hash")]
pub mod hash;
mod model;
mod op;
mod packed;
pub mod record;
pub mod schedule;
mod verify;

pub use check::{Check, Checks, FindCheck};
pub use error::{FormatError, FormatErrorKind, Place};
pub use model::{Constant, Hops, Model, Start, Step, Storage, Tensor, WINOGRAD_BIT};
pub use op::{ConstSpec, ConstType, ElementType, Family, MAX_RANK, OP_TABLE_LEN, Op};
pub use packed::{packed_shape, shape_of};
pub use tanbo_packing as packing;
