//! Operators that are linked: nothing else of a kernel family is.

use tanbo_format::{Checks, FormatError, Model, OP_TABLE_LEN, Op};
use tanbo_kernels::Kernels;

use crate::error::EngineError;
use crate::ops::{self, RunFn};

/// A set of operators of one kernel family. Built in `const` context, so that only what it names is linked.
#[derive(Debug)]
pub struct OpSet {
    table_name: &'static str,
    checks: Checks,
    run: [Option<RunFn>; OP_TABLE_LEN],
}

impl OpSet {
    /// Returns the set with the operators whose bits are set (see [`crate::const_operators`]), in the kernels of `K`.
    #[allow(clippy::indexing_slicing, reason = "const context, bounded by `Op::ALL`")]
    pub const fn from_bits<K: Kernels>(operators: u64) -> Self {
        let mut run = [None; OP_TABLE_LEN];
        let mut i = 0;
        while i < Op::ALL.len() {
            let op = Op::ALL[i];
            if operators >> op as u8 & 1 == 1 {
                run[op as usize] = Some(ops::run_fn::<K>(op));
            }
            i += 1;
        }
        Self { table_name: K::NAME, checks: Checks::from_bits(operators), run }
    }

    /// Returns every operator in the kernels of `K`: for hosts and test runners.
    pub const fn all<K: Kernels>() -> Self {
        Self::from_bits::<K>(u64::MAX)
    }

    /// Parses and verifies an artifact of these operators, as [`Model::parse`] does of all; what the set does not name is
    /// not linked.
    ///
    /// # Errors
    /// As [`Model::parse`]; `Operator` at the first step whose operator is not in the set.
    pub fn parse<'a>(&self, artifact: &'a [u8]) -> Result<Model<'a>, FormatError> {
        Model::parse_for(artifact, &self.checks)
    }

    /// Returns the name of the kernel table.
    pub fn table_name(&self) -> &'static str {
        self.table_name
    }

    pub(crate) fn get(&self, op: Op) -> Option<RunFn> {
        self.run.get(op as usize).copied().flatten()
    }

    /// Returns an error naming the first operator of `model` that is not in the set.
    pub(crate) fn covers(&self, model: &Model<'_>) -> Result<(), EngineError> {
        for step in 0..model.step_count() as u16 {
            let op = model.step(step).ok_or(EngineError::Step(step))?.op;
            if self.get(op).is_none() {
                return Err(EngineError::MissingOperator { op, step });
            }
        }
        Ok(())
    }
}

/// Builds an [`OpSet`] from operator names: `op_set!(Reference: Conv2d, FullyConnected)`.
#[macro_export]
macro_rules! op_set {
    ($kernels:ty: $($op:ident),* $(,)?) => {
        $crate::OpSet::from_bits::<$kernels>(0 $(| 1u64 << $crate::Op::$op as u8)*)
    };
}
