#![doc = include_str!("../README.md")]
//!
//! # Layer
//!
//! Layer 2. Knows artifacts (`tanbo-format`) and kernels (`tanbo-kernels`) and is where they meet. Knows no sensor, no
//! time, no operating system. The only `unsafe` under it is in `tanbo-kernels`, and there is none on this path.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "pack")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod arena;
mod either;
mod engine;
mod error;
mod feed;
pub mod included;
mod op_set;
mod operators;
mod ops;
#[cfg(feature = "pack")]
pub mod pack;
mod plan;
mod prepared;
mod resume;
mod tables;
#[cfg(feature = "threads")]
mod threads;

pub use arena::{Aligned, Arena};
pub use either::EitherPlan;
pub use engine::{Engine, Progress};
pub use error::EngineError;
pub use op_set::OpSet;
pub use operators::{Form, Operator, OperatorList, Operators};
pub use plan::{Observer, Parsed, Plan, Port};
pub use prepared::{Extent, Slot};
pub use resume::{Lifetime, Lifetimes, Position};
pub use tables::{ByFamily, TableOf, best_family, families, table, table_of, table_or_reference};
pub use tanbo_format::{ElementType, Family, FormatError, FormatErrorKind, Model, Op, Start, Step, Storage, Tensor};
pub use tanbo_kernels::{Kernels, Reference};
