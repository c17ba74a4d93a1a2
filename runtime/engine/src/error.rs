//! Why an engine cannot be made or a run cannot go on.

use tanbo_format::Op;

/// An engine's refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// The operator set lacks an operator of the model: add it to `op_set!`, or use `include_model!`.
    MissingOperator {
        /// The operator.
        op: Op,
        /// First step that needs it.
        step: u16,
    },
    /// A step's constants are packed for other kernels: compile the model for this family, or pack the artifact again.
    MissingPacking {
        /// The operator.
        op: Op,
        /// First such step.
        step: u16,
        /// The kernel table that does not read it.
        table: &'static str,
    },
    /// The CPU lacks what the kernels of this table need.
    Unavailable {
        /// The kernel table.
        table: &'static str,
    },
    /// The arena has fewer bytes than the artifact needs.
    ArenaTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The arena does not begin at a 16-byte boundary: use `tanbo::Arena`.
    ArenaMisaligned,
    /// The model has no such input, output or tensor.
    NoSuchTensor,
    /// The model has no such chain.
    NoSuchChain,
    /// The tensor is not int8: use the accessor for bytes.
    NotInt8,
    /// The first input comes row by row: [`crate::Engine::input_row`].
    InputByRows,
    /// The first input is a whole tensor: [`crate::Engine::input_mut`].
    InputIsWhole,
    /// A row of the first input has another length.
    RowLength {
        /// Values of a row.
        expected: usize,
        /// Values given.
        given: usize,
    },
    /// No inference of the model comes to this [`crate::Position`], or not from that one: another model's, or damaged. Begin anew.
    Position,
    /// [`crate::Lifetimes::of`] was given less room than the model needs.
    Lifetimes,
    /// A step does not fit its kernel. `Model::parse` accepts no such artifact.
    Step(u16),
}

impl core::fmt::Display for EngineError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::MissingOperator { op, step } => {
                write!(f, "operator {} (step {step}) is not in the operator set: add it to op_set!", op.name())
            }
            Self::MissingPacking { op, step, table } => write!(
                f,
                "operator {} (step {step}) is packed for kernels other than {table}'s: compile the model for this target",
                op.name()
            ),
            Self::Unavailable { table } => write!(f, "this CPU cannot run the kernels of table {table}"),
            Self::ArenaTooSmall { needed, given } => {
                write!(f, "the arena has {given} bytes, the model needs {needed}")
            }
            Self::ArenaMisaligned => f.write_str("the arena must begin at a 16-byte boundary: use tanbo::Arena"),
            Self::NoSuchTensor => f.write_str("no such input, output or tensor"),
            Self::NoSuchChain => f.write_str("no such chain"),
            Self::NotInt8 => f.write_str("the tensor is not int8: use the accessor for bytes"),
            Self::InputByRows => f.write_str("the first input comes row by row: use Engine::input_row"),
            Self::InputIsWhole => f.write_str("the first input is a whole tensor: use Engine::input_mut and run"),
            Self::RowLength { expected, given } => {
                write!(f, "a row of {given} values, the input has {expected} in a row")
            }
            Self::Position => {
                f.write_str("no inference of this model comes to this position: begin the inference anew")
            }
            Self::Lifetimes => f.write_str("the model has more storages or steps than there is room for lifetimes"),
            Self::Step(step) => write!(f, "step {step} does not fit its kernel"),
        }
    }
}

impl core::error::Error for EngineError {}
