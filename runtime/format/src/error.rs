//! Why bytes are not an artifact, and where.

/// A refusal by [`crate::Model::parse`] or by the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// What is wrong.
    pub kind: FormatErrorKind,
    /// Where: the meaning of the number depends on the kind's place.
    pub at: Place,
}

/// Where in an artifact something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The header.
    Header,
    /// Section with this number ([`crate::record::Section`]).
    Section(u8),
    /// Storage with this index.
    Storage(u16),
    /// Tensor with this index.
    Tensor(u16),
    /// Step with this index.
    Step(u16),
    /// Chain with this index.
    Chain(u16),
    /// Model input with this index.
    Input(u16),
    /// Model output with this index.
    Output(u16),
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Section(number) => write!(f, "section {number}"),
            Self::Storage(index) => write!(f, "storage {index}"),
            Self::Tensor(index) => write!(f, "tensor {index}"),
            Self::Step(index) => write!(f, "step {index}"),
            Self::Chain(index) => write!(f, "chain {index}"),
            Self::Input(index) => write!(f, "input {index}"),
            Self::Output(index) => write!(f, "output {index}"),
        }
    }
}

/// What is wrong with an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// Shorter than its header or than the length the header tells, or longer.
    Length,
    /// Not an artifact.
    Magic,
    /// Made for another version of the format.
    Abi,
    /// The bytes do not begin at a 16-byte boundary.
    Misaligned,
    /// A reserved field is not zero, or an enumeration has an unknown value.
    Reserved,
    /// An extent leaves its section, or sections are out of order.
    Extent,
    /// More records than a limit of the format allows.
    TooMany,
    /// An index names a record that does not exist.
    Index,
    /// A shape with a zero, too many elements, or one that does not fit its storage.
    Shape,
    /// An operator number or variant this version does not know.
    Operator,
    /// A number of operands, constants or attributes that the operator does not have.
    Arity,
    /// An element type that the operator does not take.
    Type,
    /// A constant of the wrong length.
    Constant,
    /// An attribute out of its range.
    Attribute,
    /// The worst-case accumulator does not fit 32 bits.
    Accumulator,
    /// Two storages alive at once share arena bytes, or a step writes what it reads.
    Overlap,
    /// A tensor is read before it is written, or outside its storage's lifetime.
    Lifetime,
    /// A chain of several steps that cannot run row by row, or a ring with too few rows.
    Chain,
    /// A state operand that is no state, or a step inside a chain that writes a state.
    State,
    /// A hop that is not shorter than its window, or not made of rows of the model's only input.
    Hops,
    /// The header's arena size or operator set is not what the records need.
    Summary,
}

impl core::fmt::Display for FormatError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let what = match self.kind {
            FormatErrorKind::Length => "the length does not match (truncated file?)",
            FormatErrorKind::Magic => "not a Tanbo artifact (compile the model first)",
            FormatErrorKind::Abi => "made for another format version (compile the model again)",
            FormatErrorKind::Misaligned => "the bytes must begin at a 16-byte boundary",
            FormatErrorKind::Reserved => "unknown or reserved value",
            FormatErrorKind::Extent => "an extent leaves its section",
            FormatErrorKind::TooMany => "more records than the format allows",
            FormatErrorKind::Index => "an index names nothing",
            FormatErrorKind::Shape => "impossible shape, or larger than its storage",
            FormatErrorKind::Operator => "unknown operator or kernel variant",
            FormatErrorKind::Arity => "wrong number of operands, constants or attributes",
            FormatErrorKind::Type => "element type not taken by the operator",
            FormatErrorKind::Constant => "a constant has the wrong length",
            FormatErrorKind::Attribute => "an attribute is out of range",
            FormatErrorKind::Accumulator => "the accumulator could exceed 32 bits",
            FormatErrorKind::Overlap => "live storages overlap",
            FormatErrorKind::Lifetime => "a tensor is read where it is not alive",
            FormatErrorKind::Chain => "the chain cannot run row by row",
            FormatErrorKind::State => "a state operand is no state, or a state is written inside a chain",
            FormatErrorKind::Hops => "the hop does not fit its window or the input",
            FormatErrorKind::Summary => "the header does not match the records",
        };
        write!(f, "{}: {what}", self.at)
    }
}

impl core::error::Error for FormatError {}
