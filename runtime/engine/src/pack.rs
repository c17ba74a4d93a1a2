//! Packing of steps for a kernel family: what the compiler does before it plans the memory, and a host when it loads a
//! portable artifact. Results never change.

use alloc::vec::Vec;

use tanbo_format::emit::{Artifact, ConstData, StorageSpec, TensorSpec};
use tanbo_format::packing::{Layout, Sizes, armv7, dotprod, dsp, m0, m3, mve, neon, rv32, winograd, x86};
use tanbo_format::{Family, FormatError, FormatErrorKind, Model, Op, Place, attrs, shape_of};
use tanbo_kernels::arch::packs;
use tanbo_kernels::pack::{PackFn, Source};
use tanbo_kernels::{Multipliers, Output};
use tanbo_quant::Rounding;

/// Returns the family with the fastest kernels that every core of a Rust target without an operating system runs: what firmware is packed for.
/// The portable one where there is none.
pub fn family_for(target: &str) -> Family {
    match target.split('-').next().unwrap_or_default() {
        "thumbv6m" => Family::M0,
        "thumbv7m" => Family::M3,
        "thumbv7em" | "thumbv8m.main" => Family::Dsp,
        core if core.starts_with("riscv32im") => Family::Rv32,
        _ => Family::Portable,
    }
}

/// A step in the portable packing.
#[derive(Clone, Copy, Debug)]
pub struct PortableStep<'a> {
    /// Operator.
    pub op: Op,
    /// Rounding of requantizations.
    pub rounding: Rounding,
    /// Attribute words.
    pub attrs: &'a [i32],
    /// Constants in the order of the operator's.
    pub consts: &'a [ConstData],
    /// Whether the step runs in a chain, row by row, or computes its output at once.
    pub by_rows: bool,
}

/// A step's packed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedStep {
    /// Number of the packing.
    pub variant: u8,
    /// Constants in the order of the operator's.
    pub consts: Vec<ConstData>,
    /// Bytes of scratch that the step needs.
    pub scratch_bytes: usize,
}

/// Each family that packs: how, and which lengths its packings have. The first of a family is what a step gets unless something
/// else is asked for.
const PACKERS: &[(Family, PackFn, &[Layout])] = &[
    (Family::Dsp, packs::dsp, &[dsp::DSP]),
    (Family::Dsp, packs::dsp_winograd, &[dsp::WINOGRAD]),
    (Family::Armv7, packs::armv7, &[armv7::LAYOUT]),
    (Family::Neon, packs::neon, &[neon::LAYOUT]),
    (Family::Dotprod, packs::dotprod, &[dotprod::LAYOUT]),
    (Family::Mve, packs::mve, &[mve::MVE]),
    (Family::M0, packs::m0, &[m0::LAYOUT]),
    (Family::M3, packs::m3, &[m3::LAYOUT]),
    (Family::Rv32, packs::rv32, &[rv32::LAYOUT]),
    (Family::Avx2, packs::avx2, &[x86::AVX2, winograd::AVX2_WINOGRAD]),
    (Family::Vnni, packs::vnni, &[x86::VNNI, winograd::VNNI_WINOGRAD]),
];

/// Packs a step whose input and output have the shapes `x` and `y`; `None` where it stays as it is: an operator or a shape
/// without a packing, or weights for which the family's kernels are not proven exact.
pub fn pack_step(family: Family, step: PortableStep<'_>, x: &[u32], y: &[u32]) -> Option<PackedStep> {
    let packer = PACKERS.iter().find(|packer| packer.0 == family)?;
    packed_by(packer, step, x, y)
}

/// Returns the step in every packing of the family that it can have, what [`pack_step`] gives first.
pub fn packings(family: Family, step: PortableStep<'_>, x: &[u32], y: &[u32]) -> Vec<PackedStep> {
    let packers = PACKERS.iter().filter(|packer| packer.0 == family);
    packers.filter_map(|packer| packed_by(packer, step, x, y)).collect()
}

fn packed_by(
    &(_, pack, layouts): &(Family, PackFn, &[Layout]),
    step: PortableStep<'_>,
    x: &[u32],
    y: &[u32],
) -> Option<PackedStep> {
    let (kind, shape) = shape_of(step.op, step.attrs, x, y)?;
    let conv = match step.op {
        Op::Conv2d => attrs::Conv::from_conv2d(step.attrs),
        Op::DepthwiseConv2d => attrs::Conv::from_depthwise_conv2d(step.attrs),
        _ => None,
    };
    let (words, groups) = match conv {
        Some(conv) => (conv.range, conv.groups),
        None => (attrs::fully_connected(step.attrs)?, 1),
    };
    let [ConstData::I8(weights), ConstData::I32(bias), ConstData::I32(mantissas), ConstData::I8(shifts)] = step.consts
    else {
        return None;
    };
    if groups != 1 || bias.len() != *shape.output.last()? {
        return None;
    }
    let range =
        Output { zero_point: words.output_zero_point, low: words.low, high: words.high, rounding: step.rounding };
    let source = Source {
        kind,
        shape: &shape,
        input_zero_point: words.input_zero_point,
        range,
        weights,
        bias,
        multipliers: Multipliers { mantissas, shifts },
        by_rows: step.by_rows,
    };
    let packed = pack(&source)?;
    let layout = layouts.iter().find(|layout| layout.packing == packed.packing)?;
    let Sizes { weight_bytes, record_words, scratch_bytes } = (layout.sizes)(kind, &shape)?;
    debug_assert_eq!(
        (packed.weights.len(), packed.records.len()),
        (weight_bytes, record_words),
        "{:?}",
        packed.packing
    );
    let consts = [
        ConstData::I8(packed.weights),
        ConstData::I32(packed.records),
        ConstData::I32(Vec::new()),
        ConstData::I8(Vec::new()),
    ];
    Some(PackedStep { variant: packed.packing.number(), consts: consts.into(), scratch_bytes })
}

/// Returns the artifact with every step packed for `family` that can be, without its signature. The arena grows by the
/// scratch of the largest chain; a compiler that packs before it plans needs less.
///
/// # Errors
/// More storages or bytes than an artifact may have.
pub fn repack(model: &Model<'_>, family: Family) -> Result<Vec<u8>, FormatError> {
    repack_with(model, family, pack_step)
}

/// As [`repack`], each step as `pack` says, for which [`pack_step`] or one of [`packings`] can stand.
///
/// # Errors
/// As [`repack`].
pub fn repack_with(
    model: &Model<'_>,
    family: Family,
    pack: impl Fn(Family, PortableStep<'_>, &[u32], &[u32]) -> Option<PackedStep>,
) -> Result<Vec<u8>, FormatError> {
    let fail = |kind| FormatError { kind, at: Place::Header };
    let mut artifact = Artifact::from_model(model).ok_or(fail(FormatErrorKind::Index))?;
    artifact.family = family;
    artifact.signature.clear();
    let end = u32::try_from(model.arena_bytes()).map_err(|_| fail(FormatErrorKind::TooMany))?;
    let mut number = 0;
    for (chain, &count) in artifact.chains.iter().enumerate() {
        let chain = u16::try_from(chain).map_err(|_| fail(FormatErrorKind::TooMany))?;
        let mut offset = aligned(end).ok_or(fail(FormatErrorKind::TooMany))?;
        for step in artifact.steps.iter_mut().skip(number).take(usize::from(count)) {
            let shape = |tensor: Option<&u16>| tensor.and_then(|&t| artifact.tensors.get(usize::from(t)));
            let (Some(TensorSpec { shape: x, .. }), Some(TensorSpec { shape: y, .. })) =
                (shape(step.inputs.first()), shape(Some(&step.output)))
            else {
                continue;
            };
            if step.variant != 0 {
                continue;
            }
            let portable = PortableStep {
                op: step.op,
                rounding: step.rounding,
                attrs: &step.attrs,
                consts: &step.consts,
                by_rows: count > 1,
            };
            let Some(packed) = pack(family, portable, x, y) else { continue };
            (step.variant, step.consts) = (packed.variant, packed.consts);
            if packed.scratch_bytes > 0 {
                let bytes = u32::try_from(packed.scratch_bytes).map_err(|_| fail(FormatErrorKind::TooMany))?;
                let storage = u16::try_from(artifact.storages.len()).map_err(|_| fail(FormatErrorKind::TooMany))?;
                artifact.storages.push(StorageSpec::Arena { offset, bytes, ring_rows: 0, chains: (chain, chain) });
                step.scratch = Some(storage);
                offset = offset.checked_add(bytes).and_then(aligned).ok_or(fail(FormatErrorKind::TooMany))?;
            }
        }
        number += usize::from(count);
    }
    artifact.emit()
}

/// Scratch begins at a 16-byte boundary of the arena.
fn aligned(offset: u32) -> Option<u32> {
    offset.checked_next_multiple_of(16)
}
