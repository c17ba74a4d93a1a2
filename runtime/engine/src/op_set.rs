//! Operators that are linked: nothing else of a kernel family is.

use tanbo_format::packing::{Layout, find, runs_apart};
use tanbo_format::{Checks, FormatError, Model, OP_TABLE_LEN, Op, Step, WINOGRAD_BIT};
use tanbo_kernels::Kernels;

use crate::operators::{Found, Operators};
use crate::ops::{self, Adapter};

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

    /// Returns the first of these operators (bit `op as u8` of each) that the set does not name in any packing.
    pub fn missing(&self, operators: u64) -> Option<Op> {
        let named = |op: Op| {
            let at = op as usize;
            [self.portable.get(at), self.packed.get(at)].iter().flatten().any(|adapter| adapter.is_some())
        };
        Op::ALL.iter().copied().find(|op| operators >> *op as u8 & 1 == 1 && !named(*op))
    }

    /// Returns the name of the kernel table.
    pub fn table_name(&self) -> &'static str {
        self.table_name
    }

    /// Returns whether the CPU that this program runs on has what the kernels need.
    pub fn is_available(&self) -> bool {
        (self.available)()
    }
}

impl Operators for &'static OpSet {
    fn table_name(self) -> &'static str {
        self.table_name
    }

    fn unavailable(self) -> Option<&'static str> {
        (!self.is_available()).then_some(self.table_name)
    }

    fn find(self, step: &Step<'_>) -> Option<Found> {
        let adapter = if step.variant == 0 {
            self.portable.get(step.op as usize).copied().flatten()
        } else {
            find(self.layouts, step.variant)?;
            if runs_apart(step.variant) { self.winograd } else { self.packed.get(step.op as usize).copied().flatten() }
        };
        Some(Found { adapter: adapter?, layouts: self.layouts })
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
