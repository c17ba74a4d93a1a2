//! Kernel tables of this machine.

use tanbo::{OpSet, Reference};

/// The reference kernels: the specification, and what every other table must equal.
pub static REFERENCE: OpSet = OpSet::all::<Reference>();
