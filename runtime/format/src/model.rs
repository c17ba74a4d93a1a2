//! The parsed artifact: typed views of the sections, and accessors that cannot fail.

use tanbo_quant::Rounding;

use crate::check::{Checks, FindCheck};
use crate::error::{FormatError, FormatErrorKind as Kind, Place};
use crate::op::{ConstType, ElementType, Family, Op};
use crate::record::*;
use crate::verify;

/// An artifact whose every extent, index, shape, attribute, lifetime and accumulator bound has been
/// checked. Borrows the bytes; copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) header: &'a Header,
    pub(crate) family: Family,
    pub(crate) storages: &'a [StorageRecord],
    pub(crate) tensors: &'a [TensorRecord],
    pub(crate) steps: &'a [StepRecord],
    pub(crate) chains: &'a [ChainRecord],
    pub(crate) operands: &'a [u16],
    pub(crate) const_extents: &'a [Extent],
    pub(crate) attributes: &'a [i32],
    pub(crate) inputs: &'a [u16],
    pub(crate) outputs: &'a [u16],
    pub(crate) names: &'a [u8],
    pub(crate) constants: &'a [u8],
}

/// A constant of a step, with its element type checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant<'a> {
    /// Signed bytes.
    I8(&'a [i8]),
    /// 16-bit integers.
    I16(&'a [i16]),
    /// 32-bit words.
    I32(&'a [i32]),
    /// 64-bit integers.
    I64(&'a [i64]),
}

impl<'a> Constant<'a> {
    /// Returns the bytes, if this is a byte constant.
    pub fn i8(self) -> Option<&'a [i8]> {
        if let Self::I8(values) = self { Some(values) } else { None }
    }

    /// Returns the values, if this is a constant of 16-bit integers.
    pub fn i16(self) -> Option<&'a [i16]> {
        if let Self::I16(values) = self { Some(values) } else { None }
    }

    /// Returns the values, if this is a constant of 64-bit integers.
    pub fn i64(self) -> Option<&'a [i64]> {
        if let Self::I64(values) = self { Some(values) } else { None }
    }

    /// Returns the number of elements.
    pub fn len(self) -> usize {
        match self {
            Self::I8(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
        }
    }

    /// Returns whether there is no element.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the words, if this is a word constant.
    pub fn i32(self) -> Option<&'a [i32]> {
        if let Self::I32(values) = self { Some(values) } else { None }
    }
}

/// A model that was made of one of windows and takes in what a hop adds to the window before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hops {
    /// Rows of the input in a window.
    pub window_rows: u32,
    /// Rows of the input that an inference takes in.
    pub hop_rows: u32,
    /// Multiply-accumulates that a whole window would take, padding taps counted.
    pub window_macs: u64,
}

/// One step, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Operator.
    pub op: Op,
    /// Packing of the constants.
    pub variant: u8,
    /// Rounding of requantizations.
    pub rounding: Rounding,
    /// Input tensors.
    pub inputs: &'a [u16],
    /// State tensors, read and written in place.
    pub states: &'a [u16],
    /// Output tensor.
    pub output: u16,
    /// Attribute words; decode with [`crate::attrs`].
    pub attrs: &'a [i32],
    /// Storage of the step's temporary bytes.
    pub scratch: Option<u16>,
    constants: &'a [u8],
    const_extents: &'a [Extent],
}

impl<'a> Step<'a> {
    /// Returns constant `index`, or `None` if the operator has no such constant.
    pub fn constant(&self, index: usize) -> Option<Constant<'a>> {
        let ty = *self.op.const_types().get(index)?;
        let bytes = extent_of(self.constants, *self.const_extents.get(index)?)?;
        match ty {
            ConstType::I8 => Some(Constant::I8(bytemuck::cast_slice(bytes))),
            ConstType::I16 => bytemuck::try_cast_slice(bytes).ok().map(Constant::I16),
            ConstType::I32 => bytemuck::try_cast_slice(bytes).ok().map(Constant::I32),
            ConstType::I64 => bytemuck::try_cast_slice(bytes).ok().map(Constant::I64),
        }
    }
}

/// A tensor's facts.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Element type.
    pub ty: ElementType,
    /// Length of each axis.
    pub shape: &'a [u32],
    /// Real distance between two neighbouring integers.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
    /// Storage number.
    pub storage: u16,
    pub(crate) name: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// Returns the name; empty for tensors that are neither input nor output.
    pub fn name(&self) -> &'a str {
        core::str::from_utf8(self.name).unwrap_or_default()
    }

    /// Returns the number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().map(|&n| n as usize).product()
    }

    /// Returns the number of bytes of all elements.
    pub fn bytes(&self) -> usize {
        self.elements() * self.ty.bytes()
    }

    /// Returns the number of rows: batch times height where there are four axes, else 1.
    pub fn rows(&self) -> u32 {
        if let &[n, h, _, _] = self.shape { n * h } else { 1 }
    }
}

/// Where a storage lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// `bytes` bytes of the arena from `offset` on; with `ring_rows > 0`, a ring of that many rows.
    Arena {
        /// First byte.
        offset: usize,
        /// Number of bytes.
        bytes: usize,
        /// Rows kept, or 0 for a whole tensor.
        ring_rows: usize,
    },
    /// Bytes of the artifact.
    Constant {
        /// First byte in the constants section.
        offset: usize,
        /// Number of bytes.
        bytes: usize,
    },
    /// `bytes` bytes of the arena from `offset` on, which keep their content between inferences.
    State {
        /// First byte.
        offset: usize,
        /// Number of bytes.
        bytes: usize,
    },
}

/// What a state holds at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// The same byte everywhere.
    Fill(u8),
    /// These bytes over and over: the state has as many, or a multiple.
    Image(&'a [u8]),
}

fn extent_of(bytes: &[u8], extent: Extent) -> Option<&[u8]> {
    let start = extent.offset as usize;
    bytes.get(start..start.checked_add(extent.bytes as usize)?)
}

impl<'a> Model<'a> {
    /// Parses and verifies an artifact.
    ///
    /// # Errors
    /// A [`FormatError`] with the kind and the place of the first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        Self::parse_for(bytes, Checks::ALL)
    }

    /// Parses and verifies an artifact that has no operators but those of `checks`: a program that names its operators
    /// links the checks of no others.
    ///
    /// # Errors
    /// As [`Model::parse`]; `Operator` at the first step whose operator is not in the set.
    pub fn parse_for(bytes: &'a [u8], checks: &impl FindCheck) -> Result<Self, FormatError> {
        let fail = |kind| FormatError { kind, at: Place::Header };
        if !bytes.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(fail(Kind::Misaligned));
        }
        let head = bytes.get(..HEADER_BYTES).ok_or(fail(Kind::Length))?;
        let header: &Header = bytemuck::try_from_bytes(head).map_err(|_| fail(Kind::Misaligned))?;
        if header.magic != MAGIC {
            return Err(fail(Kind::Magic));
        }
        if header.abi != ABI {
            return Err(fail(Kind::Abi));
        }
        if header.total_bytes as usize != bytes.len() {
            return Err(fail(Kind::Length));
        }
        let family = Family::from_code(header.family).ok_or(fail(Kind::Reserved))?;
        if header.reserved != 0 {
            return Err(fail(Kind::Reserved));
        }
        let mut end = HEADER_BYTES;
        for (number, extent) in header.sections.iter().enumerate() {
            let at = FormatError { kind: Kind::Extent, at: Place::Section(number as u8) };
            // Sections follow one another, each at the next 16-byte boundary: no bytes are unaccounted for.
            let start = end.checked_next_multiple_of(ALIGN).ok_or(at)?;
            if extent.offset as usize != start || !bytes.get(end..start).ok_or(at)?.iter().all(|&b| b == 0) {
                return Err(at);
            }
            end = start.checked_add(extent.bytes as usize).filter(|&e| e <= bytes.len()).ok_or(at)?;
        }
        if end != bytes.len() {
            return Err(fail(Kind::Length));
        }
        let raw = |section: Section| section_bytes(bytes, header, section);
        let model = Self {
            bytes,
            header,
            family,
            storages: cast(raw(Section::Storages), Section::Storages)?,
            tensors: cast(raw(Section::Tensors), Section::Tensors)?,
            steps: cast(raw(Section::Steps), Section::Steps)?,
            chains: cast(raw(Section::Chains), Section::Chains)?,
            operands: cast(raw(Section::Operands), Section::Operands)?,
            const_extents: cast(raw(Section::ConstExtents), Section::ConstExtents)?,
            attributes: cast(raw(Section::Attributes), Section::Attributes)?,
            inputs: cast(raw(Section::Inputs), Section::Inputs)?,
            outputs: cast(raw(Section::Outputs), Section::Outputs)?,
            names: raw(Section::Names),
            constants: raw(Section::Constants),
        };
        verify::verify(&model, checks)?;
        Ok(model)
    }

    /// Returns the artifact's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the kernel family the constants are packed for.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns the number of arena bytes an engine needs, exactly.
    pub fn arena_bytes(&self) -> usize {
        self.header.arena_bytes as usize
    }

    /// Returns the set of operators: bit `n` for operator number `n`.
    pub fn operators(&self) -> u64 {
        u64::from(self.header.operators[0]) | u64::from(self.header.operators[1]) << 32
    }

    /// Returns the multiply-accumulates of the source model before compiler passes, as the compiler counted them.
    pub fn source_macs(&self) -> u64 {
        u64::from(self.header.source_macs[0]) | u64::from(self.header.source_macs[1]) << 32
    }

    /// Returns what the header says of streaming, or `None` if the model was not made of one of windows.
    pub fn hops(&self) -> Option<Hops> {
        let Header { window_rows, hop_rows, window_macs: [low, high], .. } = *self.header;
        (hop_rows > 0).then(|| Hops { window_rows, hop_rows, window_macs: u64::from(low) | u64::from(high) << 32 })
    }

    /// Returns the SHA-256 that the artifact states of itself. Checked by `emit::content_hash`, not by `parse`.
    pub fn stated_hash(&self) -> &'a [u8; 32] {
        &self.header.hash
    }

    /// Returns the front-end section; empty if the model takes tensors, not samples.
    pub fn front_end(&self) -> &'a [u8] {
        section_bytes(self.bytes, self.header, Section::FrontEnd)
    }

    /// Returns the constants section.
    pub fn constants(&self) -> &'a [u8] {
        self.constants
    }

    /// Returns the model card, or an empty string.
    pub fn card(&self) -> &'a str {
        core::str::from_utf8(self.card_bytes()).unwrap_or_default()
    }

    pub(crate) fn card_bytes(&self) -> &'a [u8] {
        section_bytes(self.bytes, self.header, Section::Card)
    }

    /// Returns the signature section; empty if the artifact is not signed.
    pub fn signature(&self) -> &'a [u8] {
        section_bytes(self.bytes, self.header, Section::Signature)
    }

    /// Returns the tensor numbers of the model's inputs.
    pub fn inputs(&self) -> &'a [u16] {
        self.inputs
    }

    /// Returns the tensor numbers of the model's outputs.
    pub fn outputs(&self) -> &'a [u16] {
        self.outputs
    }

    /// Returns the number of tensors.
    pub fn tensor_count(&self) -> usize {
        self.tensors.len()
    }

    /// Returns the number of storages.
    pub fn storage_count(&self) -> usize {
        self.storages.len()
    }

    /// Returns tensor `index`.
    pub fn tensor(&self, index: u16) -> Option<Tensor<'a>> {
        let record = self.tensors.get(usize::from(index))?;
        let start = usize::from(record.name_offset);
        let name = self.names.get(start..start + usize::from(record.name_bytes))?;
        Some(Tensor {
            ty: ElementType::from_code(record.ty)?,
            shape: record.shape.get(..usize::from(record.rank))?,
            scale: f32::from_bits(record.scale),
            zero_point: record.zero_point,
            storage: record.storage,
            name,
        })
    }

    /// Returns where storage `index` lies.
    pub fn storage(&self, index: u16) -> Option<Storage> {
        let record = self.storages.get(usize::from(index))?;
        let (offset, bytes) = (record.offset as usize, record.bytes as usize);
        Some(match record.kind {
            STORAGE_ARENA => Storage::Arena { offset, bytes, ring_rows: usize::from(record.ring_rows) },
            STORAGE_STATE => Storage::State { offset, bytes },
            _ => Storage::Constant { offset, bytes },
        })
    }

    /// Returns what storage `index` holds at first, or `None` if it is no state.
    pub fn state_start(&self, index: u16) -> Option<Start<'a>> {
        let record = self.storages.get(usize::from(index)).filter(|record| record.kind == STORAGE_STATE)?;
        if record.image == NO_IMAGE {
            return Some(Start::Fill(record.fill));
        }
        extent_of(self.constants, Extent { offset: record.image, bytes: record.image_bytes }).map(Start::Image)
    }

    /// Returns the first and the last chain in which storage `index` is in use.
    pub fn storage_lifetime(&self, index: u16) -> Option<(u16, u16)> {
        self.storages.get(usize::from(index)).map(|s| (s.first_chain, s.last_chain))
    }

    /// Returns the bytes of a constant tensor, or `None` if the tensor lives in the arena.
    pub fn constant_tensor(&self, tensor: &Tensor<'_>) -> Option<&'a [u8]> {
        match self.storage(tensor.storage)? {
            Storage::Constant { offset, .. } => self.constants.get(offset..offset.checked_add(tensor.bytes())?),
            Storage::Arena { .. } | Storage::State { .. } => None,
        }
    }

    /// Returns the number of steps.
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// Returns step `index`.
    pub fn step(&self, index: u16) -> Option<Step<'a>> {
        let record = self.steps.get(usize::from(index))?;
        let op = Op::from_code(record.op)?;
        let operand = usize::from(record.operand);
        let inputs = self.operands.get(operand..operand + usize::from(record.inputs))?;
        let operand = operand + inputs.len();
        let states = self.operands.get(operand..operand + usize::from(op.states()))?;
        let constant = usize::from(record.constant);
        let attribute = usize::from(record.attribute);
        Some(Step {
            op,
            variant: record.variant,
            rounding: match record.rounding {
                0 => Rounding::Single,
                1 => Rounding::Tflite,
                _ => return None,
            },
            inputs,
            states,
            output: *self.operands.get(operand + states.len())?,
            attrs: self.attributes.get(attribute..attribute + op.attr_count())?,
            scratch: (record.scratch != NO_STORAGE).then_some(record.scratch),
            constants: self.constants,
            const_extents: self.const_extents.get(constant..constant + op.const_types().len())?,
        })
    }

    /// Returns the output tensor of step `index`, without looking at the rest.
    pub(crate) fn step_output(&self, index: u16) -> Option<u16> {
        let record = self.steps.get(usize::from(index))?;
        let states = usize::from(Op::from_code(record.op)?.states());
        self.operands.get(usize::from(record.operand) + usize::from(record.inputs) + states).copied()
    }

    /// Returns the number of chains.
    pub fn chain_count(&self) -> usize {
        self.chains.len()
    }

    /// Returns the steps of chain `index`.
    pub fn chain(&self, index: u16) -> Option<core::ops::Range<u16>> {
        let record = self.chains.get(usize::from(index))?;
        Some(record.step..record.step.checked_add(record.steps)?)
    }
}

fn section_bytes<'a>(bytes: &'a [u8], header: &Header, section: Section) -> &'a [u8] {
    header.sections.get(section as usize).and_then(|&extent| extent_of(bytes, extent)).unwrap_or_default()
}

fn cast<T: bytemuck::Pod>(bytes: &[u8], section: Section) -> Result<&[T], FormatError> {
    bytemuck::try_cast_slice(bytes)
        .map_err(|_| FormatError { kind: Kind::Extent, at: Place::Section(section as u8) })
        .and_then(|records: &[T]| {
            // Record numbers are u16, and 65,535 means "none". Attribute words and operands are addressed the same way.
            if records.len() < usize::from(u16::MAX) {
                Ok(records)
            } else {
                Err(FormatError { kind: Kind::TooMany, at: Place::Section(section as u8) })
            }
        })
}

/// Bit for convolutions with transformed weights among those of the operators with packed constants: no operator has the
/// number 0.
pub const WINOGRAD_BIT: u64 = 1;
