//! The writer: plain vectors in, verified artifact bytes out; and back again for the round trip.

use std::collections::HashMap;
use std::string::String;
use std::vec::Vec;

use tanbo_quant::Rounding;

use crate::error::{FormatError, FormatErrorKind as Kind, Place};
pub use crate::hash::{content_hash, signed};
use crate::model::{Constant, Hops, Model, Start};
use crate::op::{ConstType, ElementType, Family, MAX_RANK, Op};
use crate::record::*;

/// An artifact before it is bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Kernel family the constants are packed for.
    pub family: Family,
    /// Where elements live.
    pub storages: Vec<StorageSpec>,
    /// Typed views of the storages.
    pub tensors: Vec<TensorSpec>,
    /// Operators in order.
    pub steps: Vec<StepSpec>,
    /// Number of steps in each chain, in order.
    pub chains: Vec<u16>,
    /// Input tensors.
    pub inputs: Vec<u16>,
    /// Output tensors.
    pub outputs: Vec<u16>,
    /// Multiply-accumulates of the source model before compiler passes.
    pub source_macs: u64,
    /// What the header says of streaming.
    pub hops: Option<Hops>,
    /// Front-end section, or empty.
    pub front_end: Vec<u8>,
    /// Model card, or empty.
    pub card: String,
    /// Signature section, or empty.
    pub signature: Vec<u8>,
}

/// A storage before it is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageSpec {
    /// Bytes of the arena.
    Arena {
        /// First byte, a multiple of 4.
        offset: u32,
        /// Number of bytes.
        bytes: u32,
        /// Rows kept, or 0 for a whole tensor.
        ring_rows: u16,
        /// First and last chain in which the bytes are in use.
        chains: (u16, u16),
    },
    /// Bytes of the artifact.
    Constant(Vec<u8>),
    /// Bytes of the arena that keep their content between inferences.
    State {
        /// First byte, a multiple of 4.
        offset: u32,
        /// Number of bytes.
        bytes: u32,
        /// What they hold at first.
        start: StateStart,
    },
}

/// What a state holds at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateStart {
    /// The same byte everywhere.
    Fill(u8),
    /// These bytes over and over: the state has as many, or a multiple.
    Image(Vec<u8>),
}

/// A tensor before it is a record.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Name; only inputs and outputs need one.
    pub name: String,
    /// Element type.
    pub ty: ElementType,
    /// Length of each axis.
    pub shape: Vec<u32>,
    /// Real distance between two neighbouring integers.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
    /// Storage number.
    pub storage: u16,
}

/// A step before it is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSpec {
    /// Operator.
    pub op: Op,
    /// Packing of the constants.
    pub variant: u8,
    /// Rounding of requantizations.
    pub rounding: Rounding,
    /// Input tensors.
    pub inputs: Vec<u16>,
    /// State tensors, as many as [`Op::states`] says.
    pub states: Vec<u16>,
    /// Output tensor.
    pub output: u16,
    /// Constants in the order of [`Op::consts`].
    pub consts: Vec<ConstData>,
    /// Attribute words in the order of [`Op::attrs`].
    pub attrs: Vec<i32>,
    /// Storage of temporary bytes.
    pub scratch: Option<u16>,
}

/// Elements of a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConstData {
    /// Signed bytes.
    I8(Vec<i8>),
    /// 16-bit integers.
    I16(Vec<i16>),
    /// 32-bit words.
    I32(Vec<i32>),
    /// 64-bit integers.
    I64(Vec<i64>),
}

impl ConstData {
    /// Returns the number of bytes.
    pub fn len_bytes(&self) -> usize {
        self.bytes().len()
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::I8(values) => bytemuck::cast_slice(values),
            Self::I16(values) => bytemuck::cast_slice(values),
            Self::I32(values) => bytemuck::cast_slice(values),
            Self::I64(values) => bytemuck::cast_slice(values),
        }
    }

    fn ty(&self) -> ConstType {
        match self {
            Self::I8(_) => ConstType::I8,
            Self::I16(_) => ConstType::I16,
            Self::I32(_) => ConstType::I32,
            Self::I64(_) => ConstType::I64,
        }
    }
}

/// The constants section under construction: equal runs of bytes are stored once.
#[derive(Default)]
struct Constants {
    bytes: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
}

impl Constants {
    fn add(&mut self, data: &[u8], align: usize) -> Extent {
        let bytes = data.len() as u32;
        if let Some(&offset) = self.known.get(data)
            && (offset as usize).is_multiple_of(align)
        {
            return Extent { offset, bytes };
        }
        pad_to(&mut self.bytes, align);
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(data);
        self.known.insert(data.to_vec(), offset);
        Extent { offset, bytes }
    }
}

fn pad_to(bytes: &mut Vec<u8>, align: usize) {
    bytes.resize(bytes.len().next_multiple_of(align), 0);
}

impl Artifact {
    /// Returns the artifact's bytes, which [`Model::parse`] has accepted.
    ///
    /// # Errors
    /// What the verifier refuses, and what does not fit a record field.
    pub fn emit(&self) -> Result<Vec<u8>, FormatError> {
        let mut constants = Constants::default();
        let mut names: Vec<u8> = Vec::new();
        let mut storages = Vec::new();
        let last_chain = u16::try_from(self.chains.len().saturating_sub(1)).unwrap_or(u16::MAX);
        for storage in &self.storages {
            storages.push(match storage {
                &StorageSpec::Arena { offset, bytes, ring_rows, chains } => StorageRecord {
                    kind: STORAGE_ARENA,
                    fill: 0,
                    ring_rows,
                    offset,
                    bytes,
                    first_chain: chains.0,
                    last_chain: chains.1,
                    image: NO_IMAGE,
                    image_bytes: 0,
                },
                StorageSpec::State { offset, bytes, start } => {
                    let (fill, image) = match start {
                        &StateStart::Fill(fill) => (fill, Extent { offset: NO_IMAGE, bytes: 0 }),
                        StateStart::Image(data) => (0, constants.add(data, 1)),
                    };
                    StorageRecord {
                        kind: STORAGE_STATE,
                        fill,
                        ring_rows: 0,
                        offset: *offset,
                        bytes: *bytes,
                        first_chain: 0,
                        last_chain,
                        image: image.offset,
                        image_bytes: image.bytes,
                    }
                }
                StorageSpec::Constant(data) => {
                    let extent = constants.add(data, ALIGN);
                    StorageRecord {
                        kind: STORAGE_CONSTANT,
                        fill: 0,
                        ring_rows: 0,
                        offset: extent.offset,
                        bytes: extent.bytes,
                        first_chain: 0,
                        last_chain: 0,
                        image: NO_IMAGE,
                        image_bytes: 0,
                    }
                }
            });
        }
        let mut tensors = Vec::new();
        for (index, tensor) in self.tensors.iter().enumerate() {
            let fail = |kind| FormatError { kind, at: Place::Tensor(index as u16) };
            if tensor.shape.len() > MAX_RANK {
                return Err(fail(Kind::Shape));
            }
            let mut shape = [1; MAX_RANK];
            shape[..tensor.shape.len()].copy_from_slice(&tensor.shape);
            let name_offset = u16::try_from(names.len()).map_err(|_| fail(Kind::TooMany))?;
            names.extend_from_slice(tensor.name.as_bytes());
            tensors.push(TensorRecord {
                ty: tensor.ty as u8,
                rank: tensor.shape.len() as u8,
                storage: tensor.storage,
                shape,
                scale: tensor.scale.to_bits(),
                zero_point: tensor.zero_point,
                name_offset,
                name_bytes: u16::try_from(tensor.name.len()).map_err(|_| fail(Kind::TooMany))?,
            });
        }
        let mut steps = Vec::new();
        let (mut operands, mut const_extents, mut attributes) = (Vec::new(), Vec::new(), Vec::new());
        for (index, step) in self.steps.iter().enumerate() {
            let fail = |kind| FormatError { kind, at: Place::Step(index as u16) };
            let types_match = step.consts.iter().map(ConstData::ty).eq(step.op.consts().iter().map(|spec| spec.ty));
            let states_match = step.states.len() == usize::from(step.op.states());
            if !types_match || !states_match || step.attrs.len() != step.op.attr_count() {
                return Err(fail(Kind::Arity));
            }
            let place = |length: usize| u16::try_from(length).map_err(|_| fail(Kind::TooMany));
            steps.push(StepRecord {
                op: step.op as u8,
                variant: step.variant,
                rounding: step.rounding as u8,
                inputs: u8::try_from(step.inputs.len()).map_err(|_| fail(Kind::TooMany))?,
                operand: place(operands.len())?,
                constant: place(const_extents.len())?,
                attribute: place(attributes.len())?,
                scratch: step.scratch.unwrap_or(NO_STORAGE),
            });
            operands.extend_from_slice(&step.inputs);
            operands.extend_from_slice(&step.states);
            operands.push(step.output);
            const_extents.extend(step.consts.iter().map(|data| constants.add(data.bytes(), data.alignment())));
            attributes.extend_from_slice(&step.attrs);
        }
        let mut next = 0u16;
        let chains: Vec<ChainRecord> = self
            .chains
            .iter()
            .map(|&steps| {
                let record = ChainRecord { step: next, steps };
                next = next.saturating_add(steps);
                record
            })
            .collect();
        let arena_bytes = self.storages.iter().map(|storage| match storage {
            &StorageSpec::Arena { offset, bytes, .. } | &StorageSpec::State { offset, bytes, .. } => {
                offset.saturating_add(bytes)
            }
            StorageSpec::Constant(_) => 0,
        });
        let operators = self.steps.iter().fold(0u64, |set, step| set | 1 << step.op as u8);
        let mut header = Header {
            magic: MAGIC,
            abi: ABI,
            family: self.family as u8,
            reserved: 0,
            total_bytes: 0,
            arena_bytes: arena_bytes.max().unwrap_or(0),
            operators: [operators as u32, (operators >> 32) as u32],
            sections: [Extent::default(); SECTIONS],
            source_macs: [self.source_macs as u32, (self.source_macs >> 32) as u32],
            window_rows: self.hops.map_or(0, |hops| hops.window_rows),
            hop_rows: self.hops.map_or(0, |hops| hops.hop_rows),
            window_macs: self.hops.map_or([0; 2], |hops| [hops.window_macs as u32, (hops.window_macs >> 32) as u32]),
            hash: [0; 32],
        };
        let sections: [&[u8]; SECTIONS] = [
            bytemuck::cast_slice(&storages),
            bytemuck::cast_slice(&tensors),
            bytemuck::cast_slice(&steps),
            bytemuck::cast_slice(&chains),
            bytemuck::cast_slice(&operands),
            bytemuck::cast_slice(&const_extents),
            bytemuck::cast_slice(&attributes),
            bytemuck::cast_slice(&self.inputs),
            bytemuck::cast_slice(&self.outputs),
            &names,
            &constants.bytes,
            &self.front_end,
            self.card.as_bytes(),
            &self.signature,
        ];
        let mut bytes = std::vec![0; HEADER_BYTES];
        for (extent, section) in header.sections.iter_mut().zip(sections) {
            pad_to(&mut bytes, ALIGN);
            *extent = Extent { offset: bytes.len() as u32, bytes: section.len() as u32 };
            bytes.extend_from_slice(section);
        }
        header.total_bytes =
            u32::try_from(bytes.len()).map_err(|_| FormatError { kind: Kind::Length, at: Place::Header })?;
        bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&header));
        header.hash = content_hash(&bytes);
        bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&header));
        Model::parse(&Aligned::new(&bytes))?;
        Ok(bytes)
    }

    /// Returns the artifact that a model was emitted from, up to the sharing of equal constants.
    pub fn from_model(model: &Model<'_>) -> Option<Self> {
        let storages = model
            .storages
            .iter()
            .enumerate()
            .map(|(index, record)| {
                Some(match record.kind {
                    STORAGE_ARENA => StorageSpec::Arena {
                        offset: record.offset,
                        bytes: record.bytes,
                        ring_rows: record.ring_rows,
                        chains: (record.first_chain, record.last_chain),
                    },
                    STORAGE_STATE => StorageSpec::State {
                        offset: record.offset,
                        bytes: record.bytes,
                        start: match model.state_start(index as u16)? {
                            Start::Fill(fill) => StateStart::Fill(fill),
                            Start::Image(image) => StateStart::Image(image.to_vec()),
                        },
                    },
                    _ => {
                        let start = record.offset as usize;
                        StorageSpec::Constant(model.constants.get(start..start + record.bytes as usize)?.to_vec())
                    }
                })
            })
            .collect::<Option<Vec<_>>>()?;
        let tensors = (0..model.tensor_count() as u16)
            .map(|index| {
                let tensor = model.tensor(index)?;
                Some(TensorSpec {
                    name: tensor.name().into(),
                    ty: tensor.ty,
                    shape: tensor.shape.to_vec(),
                    scale: tensor.scale,
                    zero_point: tensor.zero_point,
                    storage: tensor.storage,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        let steps = (0..model.step_count() as u16)
            .map(|index| {
                let step = model.step(index)?;
                let consts = (0..step.op.consts().len()).map(|c| {
                    Some(match step.constant(c)? {
                        Constant::I8(values) => ConstData::I8(values.to_vec()),
                        Constant::I16(values) => ConstData::I16(values.to_vec()),
                        Constant::I32(values) => ConstData::I32(values.to_vec()),
                        Constant::I64(values) => ConstData::I64(values.to_vec()),
                    })
                });
                Some(StepSpec {
                    op: step.op,
                    variant: step.variant,
                    rounding: step.rounding,
                    inputs: step.inputs.to_vec(),
                    states: step.states.to_vec(),
                    output: step.output,
                    consts: consts.collect::<Option<Vec<_>>>()?,
                    attrs: step.attrs.to_vec(),
                    scratch: step.scratch,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            family: model.family(),
            storages,
            tensors,
            steps,
            chains: model.chains.iter().map(|c| c.steps).collect(),
            inputs: model.inputs().to_vec(),
            outputs: model.outputs().to_vec(),
            source_macs: model.source_macs(),
            hops: model.hops(),
            front_end: model.front_end().to_vec(),
            card: model.card().into(),
            signature: model.signature().to_vec(),
        })
    }
}

impl ConstData {
    fn alignment(&self) -> usize {
        match self {
            // Weights at 16 bytes, so that vector loads are aligned; short tables (shifts) packed.
            Self::I8(values) if values.len() >= ALIGN => ALIGN,
            other => other.ty().bytes(),
        }
    }
}

/// Bytes of an artifact at a 16-byte boundary, as [`Model::parse`] asks.
pub struct Aligned {
    blocks: Vec<Block>,
    bytes: usize,
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(16))]
struct Block([u8; ALIGN]);

impl Aligned {
    /// Returns an aligned copy.
    pub fn new(bytes: &[u8]) -> Self {
        let mut blocks = std::vec![Block([0; ALIGN]); bytes.len().div_ceil(ALIGN)];
        bytemuck::cast_slice_mut::<Block, u8>(&mut blocks)[..bytes.len()].copy_from_slice(bytes);
        Self { blocks, bytes: bytes.len() }
    }
}

impl core::ops::Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.blocks)[..self.bytes]
    }
}

impl core::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.blocks)[..self.bytes]
    }
}
