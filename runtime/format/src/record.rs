//! Fixed-size records of the artifact, exactly as they lie in flash.

use bytemuck::{Pod, Zeroable};

/// First four bytes of an artifact.
pub const MAGIC: [u8; 4] = *b"TNBO";
/// Version of the byte layout and of the arithmetic.
pub const ABI: u16 = 3;
/// Alignment of the artifact and of every section in bytes.
pub const ALIGN: usize = 16;
/// Most storages an artifact can hold (the verifier compares them pairwise).
pub const MAX_STORAGES: usize = 1024;
/// Most steps in one chain (the engine keeps a row counter for each).
pub const MAX_CHAIN_STEPS: usize = 16;
/// Most elements of a tensor.
pub const MAX_ELEMENTS: u64 = 1 << 28;
/// Longest arena in bytes, so that every offset and distance fits the `isize` of a 32-bit target.
pub const MAX_ARENA_BYTES: u32 = 1 << 30;
/// Most taps or terms under one accumulator: each is at most 255 · 128, and the sum must fit an `i32`.
pub const MAX_TERMS: u64 = i32::MAX as u64 / (255 * 128);
/// Most entries of biases, multipliers and exponentials, summed over all steps: steps may share constants, and the
/// verifier looks at every entry of every step.
pub const MAX_CHECKED_ENTRIES: u64 = 1 << 22;
/// No storage: the value of [`StepRecord::scratch`] where a step needs none.
pub const NO_STORAGE: u16 = u16::MAX;
/// No image: the value of [`StorageRecord::image`] where a storage has none.
pub const NO_IMAGE: u32 = u32::MAX;

/// Sections, in the order in which they follow the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// [`StorageRecord`]s.
    Storages = 0,
    /// [`TensorRecord`]s.
    Tensors = 1,
    /// [`StepRecord`]s.
    Steps = 2,
    /// [`ChainRecord`]s.
    Chains = 3,
    /// Tensor numbers (u16) that steps read and write.
    Operands = 4,
    /// [`Extent`]s in [`Section::Constants`].
    ConstExtents = 5,
    /// Attribute words (i32) of the steps.
    Attributes = 6,
    /// Tensor numbers (u16) of the model's inputs.
    Inputs = 7,
    /// Tensor numbers (u16) of the model's outputs.
    Outputs = 8,
    /// UTF-8 names of inputs and outputs.
    Names = 9,
    /// Weights, biases, multipliers, tables.
    Constants = 10,
    /// Front-end parameters, opaque here; `tanbo-signal` reads them.
    FrontEnd = 11,
    /// Model card, UTF-8.
    Card = 12,
    /// Signature over the header's hash; checked by whoever receives an artifact.
    Signature = 13,
}

/// Number of sections.
pub const SECTIONS: usize = 14;

/// A run of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Extent {
    /// First byte.
    pub offset: u32,
    /// Number of bytes.
    pub bytes: u32,
}

/// The first bytes of an artifact.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// [`ABI`].
    pub abi: u16,
    /// [`crate::Family`] number.
    pub family: u8,
    /// Zero.
    pub reserved: u8,
    /// Length of the artifact.
    pub total_bytes: u32,
    /// Length of the arena an engine needs.
    pub arena_bytes: u32,
    /// Bit `n` is set if operator number `n` occurs; low word first.
    pub operators: [u32; 2],
    /// Where each section lies, from the start of the artifact.
    pub sections: [Extent; SECTIONS],
    /// Multiply-accumulates of the source model before compiler passes; information only. Low word first.
    pub source_macs: [u32; 2],
    /// Of a streamed model: rows of its input that a window of the model it was made of had; else 0.
    pub window_rows: u32,
    /// Of a streamed model: rows of its input that an inference takes in; else 0.
    pub hop_rows: u32,
    /// Of a streamed model: multiply-accumulates that a whole window would take; information only. Low word first.
    pub window_macs: [u32; 2],
    /// SHA-256 of the artifact up to the signature section, with this field, `total_bytes` and the length of the
    /// signature section as zeros: the same whether signed or not.
    pub hash: [u8; 32],
}

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = size_of::<Header>();
const _: () = assert!(HEADER_BYTES == 192 && HEADER_BYTES.is_multiple_of(ALIGN));

/// Where a tensor's elements live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct StorageRecord {
    /// 0: arena; 1: constants section; 2: state, bytes of the arena that keep their content between inferences.
    pub kind: u8,
    /// What each byte of a state without an image is at first; else 0.
    pub fill: u8,
    /// 0: the tensor is whole; otherwise the number of rows kept, row `r` at slot `r mod ring_rows`.
    pub ring_rows: u16,
    /// First byte in the arena or in the constants section.
    pub offset: u32,
    /// Number of bytes.
    pub bytes: u32,
    /// First chain in which the bytes are in use (0 for constants, inputs and states).
    pub first_chain: u16,
    /// Last chain in which the bytes are in use; of a state the model's last.
    pub last_chain: u16,
    /// First byte in the constants section of what a state holds at first, or [`NO_IMAGE`].
    pub image: u32,
    /// Number of bytes of it, of which the state is a multiple: it holds them over and over. 0 where there is no image.
    pub image_bytes: u32,
}

/// [`StorageRecord::kind`] of bytes in the arena.
pub const STORAGE_ARENA: u8 = 0;
/// [`StorageRecord::kind`] of bytes in the artifact.
pub const STORAGE_CONSTANT: u8 = 1;
/// [`StorageRecord::kind`] of bytes in the arena that keep their content between inferences.
pub const STORAGE_STATE: u8 = 2;

impl StorageRecord {
    /// Returns whether the bytes are in the arena.
    pub fn in_arena(&self) -> bool {
        self.kind == STORAGE_ARENA || self.kind == STORAGE_STATE
    }
}

/// A typed view of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct TensorRecord {
    /// [`crate::ElementType`] number.
    pub ty: u8,
    /// Number of axes, at most 6.
    pub rank: u8,
    /// Storage number.
    pub storage: u16,
    /// Length of each axis; 1 beyond the rank.
    pub shape: [u32; 6],
    /// Bits of the f32 scale; information for the boundary, never used by kernels.
    pub scale: u32,
    /// Zero point.
    pub zero_point: i32,
    /// First byte of the name in [`Section::Names`]: the length of all names before.
    pub name_offset: u16,
    /// Length of the name in bytes.
    pub name_bytes: u16,
}

/// One operator applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct StepRecord {
    /// [`crate::Op`] number.
    pub op: u8,
    /// Packing of the constants: 0 is the portable one.
    pub variant: u8,
    /// [`tanbo_quant::Rounding`] number.
    pub rounding: u8,
    /// Number of input tensors; in [`Section::Operands`] the operator's states and one output tensor follow them.
    pub inputs: u8,
    /// First operand: the number of operands of all steps before.
    pub operand: u16,
    /// First constant in [`Section::ConstExtents`]: the number of constants of all steps before.
    pub constant: u16,
    /// First attribute word: the number of attribute words of all steps before.
    pub attribute: u16,
    /// Storage of per-step temporary bytes, or [`NO_STORAGE`].
    pub scratch: u16,
}

/// Steps that run row by row together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ChainRecord {
    /// First step.
    pub step: u16,
    /// Number of steps.
    pub steps: u16,
}
