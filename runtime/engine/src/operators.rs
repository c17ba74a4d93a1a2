//! Where an engine finds the operators of a parsed artifact: in an [`OpSet`](crate::OpSet), or in a list that a program in another
//! language makes of single operators.

use tanbo_format::packing::{Layout, find, runs_apart};
use tanbo_format::{Check, FindCheck, Model, Op, Step};
use tanbo_kernels::{Kernels, Reference};

use crate::error::EngineError;
use crate::ops::{self, Adapter, Records};
use crate::prepared::Prepared;

/// Where an engine finds operators: [`&'static OpSet`](crate::OpSet) and [`OperatorList`], and nothing else.
pub trait Operators: Copy + sealed::Sealed {
    /// Returns the name of the kernel table; of a list of several, the first one's.
    fn table_name(self) -> &'static str;

    #[doc(hidden)]
    fn unavailable(self) -> Option<&'static str>;

    #[doc(hidden)]
    fn find(self, step: &Step<'_>) -> Option<Found>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for &'static crate::OpSet {}
    impl Sealed for super::OperatorList {}
}

/// How a step is made ready and run.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub(crate) adapter: &'static Adapter,
    /// Packings that its constants may have.
    pub(crate) layouts: &'static [Layout],
}

/// Makes step `number` of `model` ready to run, in `into`.
// Out of line: what this needs on the stack is free again while the kernel runs.
#[inline(never)]
pub(crate) fn prepare<'m>(
    operators: impl Operators,
    model: &Model<'m>,
    number: u16,
    into: &mut Option<Prepared<'m>>,
) -> Result<(), EngineError> {
    let at = EngineError::Step(number);
    let step = &model.step(number).ok_or(at)?;
    let found = operators.find(step).ok_or(EngineError::MissingOperator { op: step.op, step: number })?;
    let records = Records { model, number, step, layouts: found.layouts };
    Prepared::decode(into, &records, found.adapter).ok_or(at)
}

/// Returns an error naming the first step of `model` that `operators` lack.
pub(crate) fn cover(operators: impl Operators, model: &Model<'_>) -> Result<(), EngineError> {
    if let Some(table) = operators.unavailable() {
        return Err(EngineError::Unavailable { table });
    }
    for number in 0..model.step_count() as u16 {
        let step = model.step(number).ok_or(EngineError::Step(number))?;
        if operators.find(&step).is_none() {
            return Err(if step.variant == 0 {
                EngineError::MissingOperator { op: step.op, step: number }
            } else {
                EngineError::MissingPacking { op: step.op, step: number, table: operators.table_name() }
            });
        }
    }
    Ok(())
}

/// Packings of an [`Operator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The portable one.
    Portable,
    /// Those of the kernel family, without transforms.
    Packed,
    /// That with transformed weights.
    Winograd,
}

/// One operator in the kernels of one family: its check, how its steps are made ready, and its kernel.
#[derive(Debug)]
pub struct Operator {
    op: Op,
    form: Form,
    table_name: &'static str,
    layouts: &'static [Layout],
    available: fn() -> bool,
    check: Check,
    adapter: &'static Adapter,
}

impl Operator {
    /// Returns `op` in the kernels of `K`: for a `static`, which links nothing else. Where this target does not have the
    /// kernels, an operator with which no engine can be made.
    ///
    /// # Panics
    /// `op` has no such packing. In `const` context, that does not compile.
    #[allow(clippy::panic, reason = "const context: what the family does not have does not compile")]
    pub const fn new<K: Kernels>(op: Op, form: Form) -> Self {
        let adapter = match form {
            _ if !K::COMPILED => ops::adapter::<Reference>(op),
            Form::Portable => ops::adapter::<K>(op),
            Form::Winograd => ops::winograd_adapter::<K>(),
            Form::Packed => match ops::packed_adapter::<K>(op) {
                Some(adapter) => adapter,
                None => panic!("an operator without packings"),
            },
        };
        let check = if matches!(form, Form::Portable) { Check::portable(op) } else { Check::packed(K::LAYOUTS) };
        let available: fn() -> bool = if K::COMPILED { K::available } else { never };
        Self { op, form, table_name: K::NAME, layouts: K::LAYOUTS, available, check, adapter }
    }

    fn runs(&self, op: Op, variant: u8) -> bool {
        let form = match variant {
            0 => Form::Portable,
            _ if runs_apart(variant) => Form::Winograd,
            _ => Form::Packed,
        };
        self.op == op && self.form == form && (variant == 0 || find(self.layouts, variant).is_some())
    }
}

fn never() -> bool {
    false
}

/// Operators one by one: what a program names that cannot use [`op_set!`](crate::op_set).
#[derive(Clone, Copy, Debug)]
pub struct OperatorList(pub &'static [&'static Operator]);

impl OperatorList {
    fn get(self, op: Op, variant: u8) -> Option<&'static Operator> {
        self.0.iter().find(|operator| operator.runs(op, variant)).copied()
    }
}

impl FindCheck for OperatorList {
    fn find(&self, op: Op, variant: u8) -> Option<Check> {
        self.get(op, variant).map(|operator| operator.check)
    }
}

impl Operators for OperatorList {
    fn table_name(self) -> &'static str {
        self.0.first().map_or("", |operator| operator.table_name)
    }

    fn unavailable(self) -> Option<&'static str> {
        self.0.iter().find(|operator| !(operator.available)()).map(|operator| operator.table_name)
    }

    fn find(self, step: &Step<'_>) -> Option<Found> {
        let operator = self.get(step.op, step.variant)?;
        Some(Found { adapter: operator.adapter, layouts: operator.layouts })
    }
}
