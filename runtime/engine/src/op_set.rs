//! Operators that are linked: nothing else of a kernel family is.

use tanbo_format::packing::{Layout, find, runs_apart};
use tanbo_format::{Checks, FormatError, Model, OP_TABLE_LEN, Op, Step, WINOGRAD_BIT};
use tanbo_kernels::Kernels;

use crate::error::EngineError;
use crate::ops::{self, Adapter, Records};
use crate::prepared::Prepared;

/// A set of operators of one kernel family. Built in `const` context, so that only what it names is linked.
#[derive(Debug)]
pub struct OpSet {
    table_name: &'static str,
    checks: Checks,
    layouts: &'static [Layout],
    available: fn() -> bool,
    portable: [Option<&'static Adapter>; OP_TABLE_LEN],
    packed: [Option<&'static Adapter>; PACKED_TABLE_LEN],
    winograd: Option<&'static Adapter>,
}

/// One more than the greatest number of an operator that has packings.
const PACKED_TABLE_LEN: usize = Op::FullyConnected as usize + 1;

impl OpSet {
    /// Returns the set, in the kernels of `K`, with the operators whose bits are set: `operators` in the portable packing
    /// (bit `op as u8` of each), `packed` in those of the family (likewise).
    #[allow(clippy::indexing_slicing, reason = "const context, bounded by `Op::ALL`")]
    pub const fn from_bits<K: Kernels>(operators: u64, packed: u64) -> Self {
        let layouts: &'static [Layout] = if packed == 0 { &[] } else { K::LAYOUTS };
        let mut set = Self {
            table_name: K::NAME,
            checks: Checks::new(operators, layouts),
            layouts,
            available: K::available,
            portable: [None; OP_TABLE_LEN],
            packed: [None; PACKED_TABLE_LEN],
            winograd: None,
        };
        if packed & WINOGRAD_BIT != 0 {
            set.winograd = Some(ops::winograd_adapter::<K>());
        }
        let mut i = 0;
        while i < Op::ALL.len() {
            let op = Op::ALL[i];
            if operators >> op as u8 & 1 == 1 {
                set.portable[op as usize] = Some(ops::adapter::<K>(op));
            }
            if !layouts.is_empty() && packed >> op as u8 & 1 == 1 && (op as usize) < PACKED_TABLE_LEN {
                set.packed[op as usize] = ops::packed_adapter::<K>(op);
            }
            i += 1;
        }
        set
    }

    /// Returns every operator in the kernels of `K`, in every packing: for hosts and test runners.
    pub const fn all<K: Kernels>() -> Self {
        Self::from_bits::<K>(u64::MAX, u64::MAX)
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

    /// Returns whether the CPU that this program runs on has what the kernels need.
    pub fn is_available(&self) -> bool {
        (self.available)()
    }

    /// Makes step `number` of `model` ready to run, in `into`.
    // Out of line: what this needs on the stack is free again while the kernel runs.
    #[inline(never)]
    pub(crate) fn prepare<'m>(
        &self,
        model: &Model<'m>,
        number: u16,
        into: &mut Option<Prepared<'m>>,
    ) -> Result<(), EngineError> {
        let at = EngineError::Step(number);
        let step = &model.step(number).ok_or(at)?;
        let adapter = self.get(step).ok_or(EngineError::MissingOperator { op: step.op, step: number })?;
        let records = Records { model, number, step, layouts: self.layouts };
        Prepared::decode(into, &records, adapter).ok_or(at)
    }

    fn get(&self, step: &Step<'_>) -> Option<&'static Adapter> {
        if step.variant == 0 {
            return self.portable.get(step.op as usize).copied().flatten();
        }
        find(self.layouts, step.variant)?;
        if runs_apart(step.variant) {
            return self.winograd;
        }
        self.packed.get(step.op as usize).copied().flatten()
    }

    /// Returns an error naming the first step of `model` that is not in the set.
    pub(crate) fn covers(&self, model: &Model<'_>) -> Result<(), EngineError> {
        if !self.is_available() {
            return Err(EngineError::Unavailable { table: self.table_name });
        }
        for number in 0..model.step_count() as u16 {
            let step = model.step(number).ok_or(EngineError::Step(number))?;
            if self.get(&step).is_none() {
                return Err(if step.variant == 0 {
                    EngineError::MissingOperator { op: step.op, step: number }
                } else {
                    EngineError::MissingPacking { op: step.op, step: number, table: self.table_name }
                });
            }
        }
        Ok(())
    }
}

/// Builds an [`OpSet`] from operator names: `op_set!(Reference: Conv2d, FullyConnected)`.
#[macro_export]
macro_rules! op_set {
    ($kernels:ty: $($op:ident),* $(,)?) => {
        $crate::OpSet::from_bits::<$kernels>(
            0 $(| 1u64 << $crate::Op::$op as u8)*, 0 $(| 1u64 << $crate::Op::$op as u8)*)
    };
}
