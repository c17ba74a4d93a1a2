//! What the verifier refuses: one hand-made violation per rule, among them the classes that the security advisories of
//! other engines name (division by a zero stride, indices of tensors and buffers, sizes that overflow, cycles, ...).

mod random;

use tanbo_format::FormatErrorKind as Kind;
use tanbo_format::emit::{Aligned, Artifact, ConstData, StateStart, StepSpec, StorageSpec, TensorSpec};
use tanbo_format::record::*;
use tanbo_format::{ElementType, Family, FormatError, Hops, Model, Op, Place};
use tanbo_quant::Rounding;

/// Adds a tensor with a storage of its own and returns its number.
fn tensor(artifact: &mut Artifact, shape: &[u32]) -> u16 {
    let number = artifact.tensors.len() as u16;
    let storage = artifact.storages.len() as u16;
    artifact.storages.push(StorageSpec::Arena { offset: 0, bytes: 0, ring_rows: 0, chains: (0, 0) });
    artifact.tensors.push(TensorSpec {
        name: String::new(),
        ty: ElementType::I8,
        shape: shape.to_vec(),
        scale: 0.5,
        zero_point: -1,
        storage,
    });
    number
}

fn step(artifact: &mut Artifact, op: Op, inputs: &[u16], shape: &[u32], attrs: &[i32], consts: Vec<ConstData>) {
    let output = tensor(artifact, shape);
    artifact.steps.push(StepSpec {
        op,
        variant: 0,
        rounding: Rounding::Single,
        inputs: inputs.to_vec(),
        states: vec![],
        output,
        consts,
        attrs: attrs.to_vec(),
        scratch: None,
    });
    artifact.chains.push(1);
}

fn channels(weights: usize, outputs: usize) -> Vec<ConstData> {
    vec![
        ConstData::I8(vec![3; weights]),
        ConstData::I32(vec![7; outputs]),
        ConstData::I32(vec![1 << 30; outputs]),
        ConstData::I8(vec![-5; outputs]),
    ]
}

const MULTIPLIER: [i32; 2] = [1 << 30, -2];

/// Numbers of [`base`]'s steps, which are its tensors' numbers less one.
mod at {
    pub const CONV: usize = 0;
    pub const POOL: usize = 1;
    pub const DENSE: usize = 2;
    pub const SOFTMAX: usize = 3;
    pub const ADD: usize = 4;
    pub const CONCAT: usize = 5;
    pub const SLICE: usize = 6;
    pub const TRANSPOSE: usize = 7;
    pub const PAD: usize = 8;
    pub const MEAN: usize = 9;
    pub const LUT: usize = 10;
    pub const AVERAGE: usize = 12;
}

/// A model that is accepted: x -> conv -> max pool -> dense -> softmax, and the other operators behind them.
fn base() -> Artifact {
    let mut a = Artifact {
        family: Family::Portable,
        storages: Vec::new(),
        tensors: Vec::new(),
        steps: Vec::new(),
        chains: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        source_macs: 0,
        hops: None,
        front_end: Vec::new(),
        card: "a card".into(),
        signature: Vec::new(),
    };
    let x = tensor(&mut a, &[1, 6, 6, 2]);
    a.tensors[0].name = "x".into();
    a.inputs.push(x);
    let [m, s] = MULTIPLIER;
    step(&mut a, Op::Conv2d, &[0], &[1, 4, 4, 4], &[3, 3, 1, 1, 1, 1, 0, 0, -1, 0, -128, 127, 1], channels(72, 4));
    step(&mut a, Op::MaxPool2d, &[1], &[1, 2, 2, 4], &[2, 2, 2, 2, 0, 0, -128, 127], vec![]);
    step(&mut a, Op::FullyConnected, &[2], &[1, 3], &[0, 5, -128, 127], channels(48, 3));
    let exponentials = (0..256).map(|d| 1 << 23 >> (d / 8)).collect();
    step(&mut a, Op::Softmax, &[3], &[1, 3], &[m, s, 0, -128], vec![ConstData::I32(exponentials)]);
    step(&mut a, Op::Add, &[3, 4], &[1, 3], &[0, 0, 0, 20, m, s, m, s, m, s, -128, 127], vec![]);
    step(&mut a, Op::Concat, &[3, 4, 5], &[1, 9], &[1], vec![]);
    step(&mut a, Op::Slice, &[6], &[1, 4], &[0, 8, 0, 0, 0, 0, 1, -2, 0, 0, 0, 0], vec![]);
    step(&mut a, Op::Transpose, &[7], &[4, 1], &[1, 0, 0, 0, 0, 0], vec![]);
    step(&mut a, Op::Pad, &[8], &[5, 2], &[1, 0, 0, 0, 0, 0, -1], vec![]);
    step(&mut a, Op::Mean, &[9], &[5], &[2, 0, 0, m, s, -128, 127], vec![]);
    step(&mut a, Op::Lut, &[10], &[5], &[], vec![ConstData::I8(vec![1; 256])]);
    step(&mut a, Op::Requantize, &[11], &[5], &[0, 0, m, s, -128, 127], vec![]);
    let divisors = vec![ConstData::I32(vec![1 << 30; 4]), ConstData::I8(vec![0; 4])];
    step(&mut a, Op::AveragePool2d, &[1], &[1, 2, 2, 4], &[2, 2, 2, 2, 0, 0, 0, 0, -128, 127], divisors);
    a.outputs = vec![12, 13];
    a.tensors[12].name = "y".into();
    random::place(&mut a);
    a
}

/// x -> gather -> resize -> maximum with itself -> reduction; the squared difference of the resized with itself.
fn selecting() -> Artifact {
    let mut a = base();
    (a.steps, a.chains, a.tensors, a.storages) = Default::default();
    let x = tensor(&mut a, &[1, 3, 2, 2]);
    let [m, s] = MULTIPLIER;
    step(&mut a, Op::Gather, &[x], &[1, 4, 2, 2], &[1], vec![ConstData::I32(vec![2, 0, 0, 1])]);
    let places = [vec![0, 3], vec![1, 4], vec![1, 0, 1], vec![0, 5, 2]].map(ConstData::I32);
    step(&mut a, Op::ResizeBilinear, &[1], &[1, 2, 3, 2], &[4, 5, 0, 0, m, s, -128, 127], places.into());
    step(&mut a, Op::Maximum, &[2, 2], &[1, 2, 3, 2], &[], vec![]);
    step(&mut a, Op::ReduceMin, &[3], &[1, 3], &[0b1010], vec![]);
    let squared = [0, 0, 0, 7, 1 << 30, 0, 1 << 30, 0, m, s, -128, 127];
    step(&mut a, Op::SquaredDifference, &[2, 3], &[1, 2, 3, 2], &squared, vec![]);
    let factors = vec![ConstData::I32(vec![1 << 20; 6]), ConstData::I32(vec![-1; 6])];
    step(&mut a, Op::LayerNorm, &[5], &[1, 2, 3, 2], &[1, 0, 0, 16, 0, 99, 4, 40, -128, 127], factors);
    step(&mut a, Op::L2Norm, &[6], &[1, 2, 3, 2], &[0, 0, -128, 127], vec![]);
    a.outputs = vec![4, 7];
    random::place(&mut a);
    a
}

/// x -> conv with nine weights of four bits -> dense with nine of them, and -> transposed convolution; a product of the
/// dense result with itself.
fn dense() -> Artifact {
    let mut a = base();
    (a.steps, a.chains, a.tensors, a.storages) = Default::default();
    let x = tensor(&mut a, &[1, 3, 3, 1]);
    let [m, s] = MULTIPLIER;
    step(&mut a, Op::Conv2dI4, &[x], &[1, 3, 3, 1], &[3, 3, 1, 1, 1, 1, 1, 1, -1, 0, -128, 127, 1], channels(5, 1));
    step(&mut a, Op::FullyConnectedI4, &[1], &[3, 3], &[0, 5, -128, 127, 3], channels(5, 3));
    let window = [2, 2, 2, 2, 1, 1, 0, 0, -1, 0, -128, 127, 1];
    step(&mut a, Op::TransposeConv2d, &[1], &[1, 6, 6, 2], &window, channels(8, 2));
    step(&mut a, Op::BatchMatmul, &[2, 2], &[3, 3], &[0, 1, 4, -4, 0, m, s, -128, 127], vec![]);
    a.outputs = vec![3, 4];
    random::place(&mut a);
    a
}

/// A row of `depth` values times itself as a column.
fn square_of_row(depth: u32) -> Artifact {
    let mut a = base();
    (a.steps, a.chains, a.tensors, a.storages) = Default::default();
    let x = tensor(&mut a, &[1, depth]);
    let [m, s] = MULTIPLIER;
    step(&mut a, Op::BatchMatmul, &[x, x], &[1, 1], &[0, 1, 127, -128, 0, m, s, -128, 127], vec![]);
    a.outputs = vec![1];
    random::place(&mut a);
    a
}

/// The products of nine weights of four bits and a bias just reach the largest word.
/// What goes value by value may write where it reads.
#[test]
fn a_table_may_overwrite_what_it_reads() {
    let mut a = base();
    a.tensors[11].storage = 10;
    random::place(&mut a);
    assert!(a.emit().is_ok(), "{:?}", a.emit());
}

#[test]
fn the_last_bias_for_nine_weights_of_four_bits() {
    let with = |bias| {
        let mut a = dense();
        i32s(&mut a.steps[0].consts[1])[0] = bias;
        a.emit().map(|_| ())
    };
    let most = i32::MAX - 9 * 255 * 8;
    assert_eq!((with(most), with(-most)), (Ok(()), Ok(())));
    let refused = Err(FormatError { kind: Kind::Accumulator, at: Step(0) });
    assert_eq!((with(most + 1), with(-most - 1)), (refused, refused));
}

#[test]
fn the_deepest_product() {
    // 33,025 · 255 · 255 is the last multiple below 2^31.
    assert!(square_of_row(33_025).emit().is_ok());
    let refused = FormatError { kind: Kind::Accumulator, at: Step(0) };
    assert_eq!(square_of_row(33_026).emit().expect_err("accepted"), refused);
}

/// x -> conv 3 x 3 -> ring of 3 rows -> max pool 3 x 3 -> whole, as one chain; then a table reads the result.
fn chained() -> Artifact {
    let mut a = base();
    (a.steps, a.chains, a.tensors, a.storages) = Default::default();
    let x = tensor(&mut a, &[1, 6, 6, 2]);
    step(&mut a, Op::Conv2d, &[x], &[1, 6, 4, 4], &[3, 3, 1, 1, 1, 1, 1, 0, -1, 0, -128, 127, 1], channels(72, 4));
    step(&mut a, Op::MaxPool2d, &[1], &[1, 4, 4, 4], &[3, 1, 1, 1, 0, 0, -128, 127], vec![]);
    step(&mut a, Op::Lut, &[2], &[1, 4, 4, 4], &[], vec![ConstData::I8(vec![1; 256])]);
    a.chains = vec![2, 1];
    a.outputs = vec![3];
    set_ring(&mut a, 1, 3);
    random::place(&mut a);
    a
}

/// Storage numbers of [`stateful`]'s states, which are their tensors' numbers.
const HELD: u16 = 4;
const OTHER: u16 = 5;

/// x -> conv, whose result is added to what a state holds, and then held; a second state begins with an image.
fn stateful() -> Artifact {
    let mut a = base();
    (a.steps, a.chains, a.tensors, a.storages) = Default::default();
    let x = tensor(&mut a, &[1, 6, 6, 2]);
    let [m, s] = MULTIPLIER;
    step(&mut a, Op::Conv2d, &[x], &[1, 4, 4, 4], &[3, 3, 1, 1, 1, 1, 0, 0, -1, 0, -128, 127, 1], channels(72, 4));
    step(&mut a, Op::Add, &[1, HELD], &[1, 4, 4, 4], &[0, 0, 0, 20, m, s, m, s, m, s, -128, 127], vec![]);
    step(&mut a, Op::Concat, &[2], &[1, 4, 4, 4], &[1], vec![]);
    for start in [StateStart::Fill(200), StateStart::Image(vec![9; 64])] {
        tensor(&mut a, &[1, 4, 4, 4]);
        *a.storages.last_mut().unwrap() = StorageSpec::State { offset: 0, bytes: 64, start };
    }
    a.steps[2].output = HELD;
    a.outputs = vec![2];
    random::place(&mut a);
    a
}

fn set_ring(artifact: &mut Artifact, storage: usize, rows: u16) {
    let StorageSpec::Arena { ring_rows, .. } = &mut artifact.storages[storage] else { panic!("not in the arena") };
    *ring_rows = rows;
}

fn set_arena(artifact: &mut Artifact, storage: usize, change: impl FnOnce(&mut u32, &mut u32, &mut (u16, u16))) {
    let StorageSpec::Arena { offset, bytes, chains, .. } = &mut artifact.storages[storage] else {
        panic!("not in the arena")
    };
    change(offset, bytes, chains);
}

fn i8s(data: &mut ConstData) -> &mut Vec<i8> {
    let ConstData::I8(values) = data else { panic!("words") };
    values
}

fn i32s(data: &mut ConstData) -> &mut Vec<i32> {
    let ConstData::I32(values) = data else { panic!("bytes") };
    values
}

/// Overwrites a field of record `index` of a section in emitted bytes.
fn poke(bytes: &mut [u8], section: Section, record_bytes: usize, index: usize, field: usize, value: &[u8]) {
    let extent = header(bytes).sections[section as usize];
    bytes[extent.offset as usize + index * record_bytes + field..][..value.len()].copy_from_slice(value);
}

fn header(bytes: &[u8]) -> Header {
    bytemuck::pod_read_unaligned(&bytes[..HEADER_BYTES])
}

fn set_header(bytes: &mut [u8], change: impl FnOnce(&mut Header)) {
    let mut changed = header(bytes);
    change(&mut changed);
    bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&changed));
}

/// Returns the refusal of a changed artifact.
fn spec(mut artifact: Artifact, change: fn(&mut Artifact)) -> FormatError {
    assert!(artifact.emit().is_ok(), "{:?}", artifact.emit());
    change(&mut artifact);
    artifact.emit().expect_err("accepted")
}

/// Returns the refusal of changed bytes.
fn raw(change: fn(&mut Vec<u8>)) -> FormatError {
    raw_of(base(), change)
}

fn raw_of(artifact: Artifact, change: fn(&mut Vec<u8>)) -> FormatError {
    let mut bytes = artifact.emit().unwrap();
    change(&mut bytes);
    Model::parse(&Aligned::new(&bytes)).expect_err("accepted")
}

macro_rules! refused {
    ($($name:ident: $refusal:expr => $kind:ident, $place:expr;)*) => {
        $(#[test]
        fn $name() {
            let error = $refusal;
            assert_eq!(error, FormatError { kind: Kind::$kind, at: $place }, "{error}");
        })*

        #[test]
        fn every_kind_of_refusal_has_a_case() {
            let mut kinds: Vec<Kind> = vec![$(Kind::$kind),*];
            kinds.sort_by_key(|&kind| kind as u8);
            kinds.dedup();
            assert!(kinds.iter().enumerate().all(|(number, &kind)| kind as usize == number), "{kinds:?}");
            assert_eq!(kinds.last(), Some(&Kind::Summary));
        }
    };
}

use Place::{Chain, Input, Output, Section as In, Step, Storage, Tensor};

refused! {
    // The file.
    empty_file: raw(Vec::clear) => Length, Place::Header;
    header_alone: raw(|b| b.truncate(HEADER_BYTES)) => Length, Place::Header;
    appended_byte: raw(|b| b.push(0)) => Length, Place::Header;
    appended_byte_that_the_header_counts: raw(|b| { b.push(0); set_header(b, |h| h.total_bytes += 1) })
        => Length, Place::Header;
    other_magic: raw(|b| b[0] = b'X') => Magic, Place::Header;
    older_version: raw(|b| b[4] = 2) => Abi, Place::Header;
    newer_version: raw(|b| b[4] = 4) => Abi, Place::Header;
    unknown_family: raw(|b| b[6] = 250) => Reserved, Place::Header;
    reserved_byte_of_the_header: raw(|b| b[7] = 1) => Reserved, Place::Header;
    misaligned_bytes: {
        let bytes = base().emit().unwrap();
        let mut shifted = Aligned::new(&[&[0; 4], &bytes[..]].concat());
        Model::parse(&shifted[4..]).expect_err("accepted");
        shifted[0] = 1;
        Model::parse(&shifted[1..]).expect_err("accepted")
    } => Misaligned, Place::Header;
    section_beyond_the_end: raw(|b| set_header(b, |h| h.sections[13].bytes = 16)) => Extent, In(13);
    section_length_overflows: raw(|b| set_header(b, |h| h.sections[10].bytes = u32::MAX)) => Extent, In(10);
    sections_overlap: raw(|b| set_header(b, |h| h.sections[3].offset -= 16)) => Extent, In(3);
    gap_that_is_not_zero: raw(|b| {
        let card = header(b).sections[Section::Card as usize];
        b[(card.offset + card.bytes) as usize] = 1;
    }) => Extent, In(Section::Signature as u8);
    section_that_ends_inside_a_record: raw(|b| {
        // The chains, 4 bytes each, lose a byte to the gap behind them.
        set_header(b, |h| h.sections[Section::Chains as usize].bytes -= 1);
        let chains = header(b).sections[Section::Chains as usize];
        b[(chains.offset + chains.bytes) as usize..][..1].fill(0);
    }) => Extent, In(Section::Chains as u8);
    card_that_is_not_text: raw(|b| {
        let card = header(b).sections[Section::Card as usize];
        b[card.offset as usize] = 0xff;
    }) => Reserved, In(Section::Card as u8);
    arena_larger_than_needed: raw(|b| set_header(b, |h| h.arena_bytes += 4)) => Summary, Place::Header;
    operator_that_does_not_occur: raw(|b| set_header(b, |h| h.operators[0] ^= 1 << Op::Sub as u8))
        => Summary, Place::Header;
    operator_that_is_not_stated: raw(|b| set_header(b, |h| h.operators[0] ^= 1 << Op::Add as u8))
        => Summary, Place::Header;
    window_without_a_hop: raw(|b| set_header(b, |h| h.window_rows = 6)) => Hops, Place::Header;
    window_macs_without_a_hop: raw(|b| set_header(b, |h| h.window_macs[1] = 1)) => Hops, Place::Header;
    hop_as_long_as_its_window: raw(|b| set_header(b, |h| (h.window_rows, h.hop_rows) = (6, 6))) => Hops, Input(0);
    hop_that_is_no_part_of_the_input: raw(|b| set_header(b, |h| (h.window_rows, h.hop_rows) = (60, 5))) => Hops, Input(0);
    hops_of_two_inputs: spec(base(), |a| {
        a.hops = Some(Hops { window_rows: 12, hop_rows: 6, window_macs: 0 });
        a.inputs.push(0);
    }) => Hops, Place::Header;
    too_many_records: spec(base(), |a| a.inputs = vec![0; 65_535]) => TooMany, In(Section::Inputs as u8);

    // Storages.
    huge_arena: spec(base(), |a| set_arena(a, 0, |offset, _, _| *offset = 0xffff_0000)) => TooMany, Place::Header;
    storage_end_overflows: raw(|b| poke(b, Section::Storages, 24, 0, 4, &[0xfc, 0xff, 0xff, 0xff])) => Extent, Storage(0);
    storage_beyond_the_arena: raw(|b| poke(b, Section::Storages, 24, 0, 4, &(1u32 << 20).to_le_bytes()))
        => Extent, Storage(0);
    storage_at_an_odd_offset: spec(base(), |a| set_arena(a, 13, |offset, _, _| *offset += 2)) => Extent, Storage(13);
    unknown_kind_of_storage: raw(|b| poke(b, Section::Storages, 24, 0, 0, &[3])) => Reserved, Storage(0);
    fill_of_what_is_no_state: raw(|b| poke(b, Section::Storages, 24, 0, 1, &[1])) => Reserved, Storage(0);
    image_of_what_is_no_state: raw(|b| poke(b, Section::Storages, 24, 0, 16, &[0; 4])) => Reserved, Storage(0);
    lifetime_that_ends_before_it_begins: spec(base(), |a| set_arena(a, 1, |_, _, chains| *chains = (2, 1)))
        => Lifetime, Storage(1);
    lifetime_beyond_the_last_chain: spec(base(), |a| set_arena(a, 1, |_, _, chains| chains.1 = 99))
        => Lifetime, Storage(1);
    overlapping_storages: spec(base(), |a| {
        let StorageSpec::Arena { offset: first, .. } = a.storages[0] else { panic!() };
        set_arena(a, 1, |offset, _, _| *offset = first);
    }) => Overlap, Storage(1);
    too_many_storages: spec(base(), |a| a.storages.resize(1025, StorageSpec::Constant(Vec::new())))
        => TooMany, In(Section::Storages as u8);

    // Tensors.
    unknown_element_type: raw(|b| poke(b, Section::Tensors, 40, 2, 0, &[4])) => Type, Tensor(2);
    rank_seven: raw(|b| poke(b, Section::Tensors, 40, 2, 1, &[7])) => Shape, Tensor(2);
    length_beyond_the_rank: raw(|b| poke(b, Section::Tensors, 40, 3, 4 + 20, &[2])) => Shape, Tensor(3);
    axis_of_zero: spec(base(), |a| a.tensors[1].shape[1] = 0) => Shape, Tensor(1);
    number_of_elements_overflows: spec(base(), |a| a.tensors[1].shape = vec![1 << 16; 4]) => Shape, Tensor(1);
    number_of_elements_wraps_to_a_small_one: spec(base(), |a| a.tensors[1].shape = vec![1 << 31, 1 << 31, 4, 64])
        => Shape, Tensor(1);
    too_many_elements: spec(base(), |a| a.tensors[1].shape = vec![1 << 28, 2]) => Shape, Tensor(1);
    storage_smaller_than_its_tensor: spec(base(), |a| set_arena(a, 1, |_, bytes, _| *bytes -= 1)) => Shape, Tensor(1);
    storage_larger_than_its_tensor: spec(base(), |a| set_arena(a, 1, |_, bytes, _| *bytes += 1)) => Shape, Tensor(1);
    tensor_without_storage: spec(base(), |a| a.tensors[1].storage = 99) => Index, Tensor(1);
    scale_that_is_not_a_number: spec(base(), |a| a.tensors[1].scale = f32::NAN) => Attribute, Tensor(1);
    negative_scale: spec(base(), |a| a.tensors[1].scale = -1.0) => Attribute, Tensor(1);
    zero_point_outside_its_type: spec(base(), |a| a.tensors[1].zero_point = 128) => Attribute, Tensor(1);
    name_outside_the_names: raw(|b| poke(b, Section::Tensors, 40, 12, 38, &[9])) => Extent, Tensor(12);
    shared_name: raw(|b| poke(b, Section::Tensors, 40, 12, 36, &[0])) => Extent, Tensor(12);
    name_that_is_not_text: raw(|b| poke(b, Section::Names, 1, 0, 0, &[0xff])) => Reserved, Tensor(0);
    name_of_nothing: raw(|b| set_header(b, |h| h.sections[Section::Names as usize].bytes += 1))
        => Extent, In(Section::Names as u8);

    // Steps: records.
    unknown_operator: raw(|b| poke(b, Section::Steps, 12, 0, 0, &[0])) => Operator, Step(0);
    unknown_packing: spec(base(), |a| a.steps[0].variant = 255) => Operator, Step(0);
    unknown_rounding: raw(|b| poke(b, Section::Steps, 12, 0, 2, &[2])) => Reserved, Step(0);
    missing_input: spec(base(), |a| a.steps[at::ADD].inputs.truncate(1)) => Arity, Step(4);
    concatenation_of_nothing: spec(base(), |a| a.steps[at::CONCAT].inputs.clear()) => Arity, Step(5);
    bad_tensor_index_in: spec(base(), |a| a.steps[at::ADD].inputs[1] = 99) => Index, Step(4);
    bad_tensor_index_out: spec(base(), |a| a.steps[at::ADD].output = 99) => Index, Step(4);
    shared_operands: raw(|b| poke(b, Section::Steps, 12, 4, 4, &[0])) => Extent, Step(4);
    shared_constants: raw(|b| poke(b, Section::Steps, 12, at::DENSE, 6, &[0])) => Extent, Step(2);
    shared_attributes: raw(|b| poke(b, Section::Steps, 12, 4, 8, &[0])) => Extent, Step(4);
    attributes_of_nothing: raw(|b| {
        // One word more than the steps have, taken from the gap behind them.
        let words = header(b).sections[Section::Attributes as usize].bytes;
        assert!(!words.is_multiple_of(16), "no gap");
        set_header(b, |h| h.sections[Section::Attributes as usize].bytes += 4);
    }) => Extent, In(Section::Attributes as u8);
    constant_beyond_the_section: raw(|b| poke(b, Section::ConstExtents, 8, 0, 4, &u32::MAX.to_le_bytes()))
        => Constant, Step(0);
    misaligned_words: raw(|b| {
        let extents = header(b).sections[Section::ConstExtents as usize].offset as usize + 8;
        b[extents] += 1;
    }) => Constant, Step(0);
    same_tensor_as_input_and_output: spec(base(), |a| a.steps[at::SOFTMAX].output = 3) => Overlap, Step(3);
    same_storage_as_input_and_output: spec(base(), |a| a.tensors[4].storage = 3) => Overlap, Step(3);
    overwriting_in_another_form: spec(base(), |a| (a.tensors[11].storage, a.tensors[11].shape) = (10, vec![5, 1]))
        => Overlap, Step(10);
    overwriting_both_inputs: spec(base(), |a| a.steps[at::ADD].inputs = vec![5, 5]) => Overlap, Step(4);
    overwriting_without_rows: spec(base(), |a| a.tensors[5].storage = 3) => Overlap, Step(4);
    writing_to_a_constant: spec(base(), |a| a.storages[13] = StorageSpec::Constant(vec![0; 16])) => Overlap, Step(12);
    scratch_without_storage: spec(base(), |a| a.steps[0].scratch = Some(999)) => Index, Step(0);
    scratch_in_an_input: spec(base(), |a| a.steps[0].scratch = Some(0)) => Overlap, Step(0);
    scratch_in_the_output: spec(base(), |a| a.steps[0].scratch = Some(1)) => Overlap, Step(0);
    scratch_in_a_constant: spec(base(), |a| {
        a.storages.push(StorageSpec::Constant(vec![1; 8]));
        a.steps[0].scratch = Some(a.storages.len() as u16 - 1);
    }) => Overlap, Step(0);
    other_type_than_int8: spec(base(), |a| a.tensors[0].ty = ElementType::U8) => Attribute, Tensor(0);
    unsigned_input_of_a_convolution: spec(base(), |a| (a.tensors[0].ty, a.tensors[0].zero_point) = (ElementType::U8, 0))
        => Type, Step(0);

    // Windows.
    zero_stride: spec(base(), |a| a.steps[at::CONV].attrs[2] = 0) => Attribute, Step(0);
    zero_kernel: spec(base(), |a| a.steps[at::CONV].attrs[1] = 0) => Attribute, Step(0);
    zero_dilation: spec(base(), |a| a.steps[at::CONV].attrs[4] = 0) => Attribute, Step(0);
    zero_groups: spec(base(), |a| a.steps[at::CONV].attrs[12] = 0) => Attribute, Step(0);
    negative_groups: spec(base(), |a| a.steps[at::CONV].attrs[12] = -1) => Attribute, Step(0);
    groups_that_do_not_divide: spec(base(), |a| a.steps[at::CONV].attrs[12] = 3) => Shape, Step(0);
    negative_stride: spec(base(), |a| a.steps[at::CONV].attrs[2] = -1) => Attribute, Step(0);
    negative_padding: spec(base(), |a| a.steps[at::CONV].attrs[6] = -1) => Attribute, Step(0);
    position_overflows: spec(base(), |a| a.steps[at::CONV].attrs[2] = i32::MAX) => Attribute, Step(0);
    number_of_taps_overflows: spec(base(), |a| a.steps[at::CONV].attrs[..2].fill(1 << 29)) => Accumulator, Step(0);
    kernel_that_wraps_to_no_weights: spec(base(), |a| {
        // 2^29 · 2^29 taps · 4 outputs · 2 channels wrap to 0 in 64 bits thrice over.
        a.steps[at::CONV].attrs[..2].fill(1 << 29);
        i8s(&mut a.steps[at::CONV].consts[0]).clear();
    }) => Accumulator, Step(0);
    zero_pool_kernel: spec(base(), |a| a.steps[at::POOL].attrs[0] = 0) => Attribute, Step(1);
    zero_pool_stride: spec(base(), |a| a.steps[at::POOL].attrs[2] = 0) => Attribute, Step(1);
    first_pool_window_without_taps: spec(base(), |a| a.steps[at::POOL].attrs[4] = 2) => Shape, Step(1);
    last_pool_window_without_taps: spec(base(), |a| a.steps[at::POOL].attrs[2] = 4) => Shape, Step(1);
    average_without_divisors: spec(base(), |a| {
        i32s(&mut a.steps[at::AVERAGE].consts[0]).clear();
        i8s(&mut a.steps[at::AVERAGE].consts[1]).clear();
    }) => Constant, Step(12);
    pool_that_changes_channels: spec(base(), |a| (a.tensors[13].shape, a.steps[12].op) = (vec![1, 2, 4, 2], Op::AveragePool2d))
        => Shape, Step(12);
    convolution_of_a_vector: spec(base(), |a| a.tensors[0].shape = vec![72]) => Shape, Step(0);
    other_batch: spec(base(), |a| a.tensors[1].shape = vec![2, 2, 4, 4]) => Shape, Step(0);

    // Weights of four bits, transposed convolutions, matrix products.
    half_a_byte_too_many: spec(dense(), |a| i8s(&mut a.steps[0].consts[0])[4] = 0x13) => Reserved, Step(0);
    four_bits_too_few: spec(dense(), |a| _ = i8s(&mut a.steps[0].consts[0]).pop()) => Constant, Step(0);
    four_bits_too_many: spec(dense(), |a| i8s(&mut a.steps[0].consts[0]).push(0)) => Constant, Step(0);
    half_a_byte_too_many_in_a_matrix: spec(dense(), |a| i8s(&mut a.steps[1].consts[0])[4] = -1) => Reserved, Step(1);
    rows_of_nothing: spec(dense(), |a| a.steps[1].attrs[4] = 0) => Constant, Step(1);
    rows_of_less_than_nothing: spec(dense(), |a| a.steps[1].attrs[4] = -3) => Attribute, Step(1);
    rows_of_another_length: spec(dense(), |a| a.steps[1].attrs[4] = 4) => Constant, Step(1);
    transposed_without_stride: spec(dense(), |a| a.steps[2].attrs[2] = 0) => Attribute, Step(2);
    transposed_with_other_weights: spec(dense(), |a| i8s(&mut a.steps[2].consts[0]).push(0)) => Constant, Step(2);
    transposed_of_another_batch: spec(dense(), |a| a.tensors[3].shape = vec![2, 6, 6, 1]) => Shape, Step(2);
    product_neither_plain_nor_transposed: spec(dense(), |a| a.steps[3].attrs[0] = 2) => Attribute, Step(3);
    product_of_a_vector: spec(dense(), |a| (a.tensors[2].shape, a.steps[1].op) = (vec![9], Op::FullyConnectedI4))
        => Shape, Step(3);
    product_of_another_shape: spec(dense(), |a| a.tensors[4].shape = vec![9, 1]) => Shape, Step(3);
    product_without_its_second_input: spec(dense(), |a| _ = a.steps[3].inputs.pop()) => Arity, Step(3);
    product_of_unsigned_bytes: spec(dense(), |a| (a.tensors[4].ty, a.tensors[4].zero_point) = (ElementType::U8, 0))
        => Type, Step(3);

    // Constants.
    missing_weights: spec(base(), |a| i8s(&mut a.steps[at::CONV].consts[0]).clear()) => Constant, Step(0);
    one_weight_too_few: spec(base(), |a| _ = i8s(&mut a.steps[at::CONV].consts[0]).pop()) => Constant, Step(0);
    missing_bias: spec(base(), |a| i32s(&mut a.steps[at::CONV].consts[1]).clear()) => Constant, Step(0);
    missing_multipliers: spec(base(), |a| {
        i32s(&mut a.steps[at::CONV].consts[2]).clear();
        i8s(&mut a.steps[at::CONV].consts[3]).clear();
    }) => Constant, Step(0);
    fewer_shifts_than_mantissas: spec(base(), |a| _ = i8s(&mut a.steps[at::CONV].consts[3]).pop()) => Constant, Step(0);
    shift_out_of_range: spec(base(), |a| i8s(&mut a.steps[at::CONV].consts[3])[2] = 31) => Constant, Step(0);
    negative_mantissa: spec(base(), |a| i32s(&mut a.steps[at::CONV].consts[2])[2] = -1) => Constant, Step(0);
    constants_of_the_wrong_type: spec(base(), |a| a.steps[at::CONV].consts.swap(0, 1)) => Arity, Step(0);
    dense_without_outputs: spec(base(), |a| {
        for constant in &mut a.steps[at::DENSE].consts {
            match constant {
                ConstData::I8(values) => values.clear(),
                ConstData::I16(values) => values.clear(),
                ConstData::I32(values) => values.clear(),
                ConstData::I64(values) => values.clear(),
            }
        }
    }) => Shape, Step(2);
    dense_with_one_multiplier_and_no_outputs: spec(base(), |a| {
        a.steps[at::DENSE].consts =
            vec![ConstData::I8(vec![]), ConstData::I32(vec![]), ConstData::I32(vec![1]), ConstData::I8(vec![0])];
    }) => Shape, Step(2);
    dense_that_does_not_divide_its_input: spec(base(), |a| {
        i8s(&mut a.steps[at::DENSE].consts[0]).truncate(15);
    }) => Shape, Step(2);
    short_table: spec(base(), |a| _ = i8s(&mut a.steps[at::LUT].consts[0]).pop()) => Constant, Step(10);
    exponentials_that_sum_to_zero: spec(base(), |a| i32s(&mut a.steps[at::SOFTMAX].consts[0]).fill(0))
        => Constant, Step(3);
    negative_exponential: spec(base(), |a| i32s(&mut a.steps[at::SOFTMAX].consts[0])[9] = -1) => Constant, Step(3);

    // Selections.
    gathered_from_outside: spec(selecting(), |a| i32s(&mut a.steps[0].consts[0])[1] = 3) => Constant, Step(0);
    gathered_from_before: spec(selecting(), |a| i32s(&mut a.steps[0].consts[0])[1] = -1) => Constant, Step(0);
    one_index_too_few: spec(selecting(), |a| _ = i32s(&mut a.steps[0].consts[0]).pop()) => Shape, Step(0);
    gather_along_no_axis: spec(selecting(), |a| a.steps[0].attrs[0] = 4) => Attribute, Step(0);
    gather_that_changes_another_axis: spec(selecting(), |a| a.steps[0].attrs[0] = 2) => Shape, Step(0);
    gather_that_changes_the_type: spec(selecting(), |a| {
        a.tensors[0].ty = ElementType::I16;
        random::place(a);
    }) => Type, Step(0);
    row_beyond_the_image: spec(selecting(), |a| i32s(&mut a.steps[1].consts[0])[0] = 4) => Constant, Step(1);
    weight_above_its_unit: spec(selecting(), |a| i32s(&mut a.steps[1].consts[3])[1] = 6) => Constant, Step(1);
    negative_weight: spec(selecting(), |a| i32s(&mut a.steps[1].consts[1])[0] = -1) => Constant, Step(1);
    one_weight_of_rows_too_few: spec(selecting(), |a| _ = i32s(&mut a.steps[1].consts[1]).pop()) => Constant, Step(1);
    unit_of_zero: spec(selecting(), |a| a.steps[1].attrs[0] = 0) => Attribute, Step(1);
    units_that_overflow: spec(selecting(), |a| a.steps[1].attrs[..2].fill(1 << 12)) => Attribute, Step(1);
    resize_that_changes_the_batch: spec(selecting(), |a| a.tensors[2].shape = vec![2, 1, 3, 2]) => Shape, Step(1);
    maximum_of_two_types: spec(selecting(), |a| {
        a.tensors[3].ty = ElementType::I16;
        random::place(a);
    }) => Type, Step(2);
    minimum_over_no_axis: spec(selecting(), |a| a.steps[3].attrs[0] = 1 << 4) => Attribute, Step(3);
    minimum_over_another_axis: spec(selecting(), |a| a.steps[3].attrs[0] = 0b0110) => Shape, Step(3);
    square_that_overflows: spec(selecting(), |a| a.steps[4].attrs[3] = 8) => Attribute, Step(4);
    square_of_what_is_not_halved: spec(selecting(), |a| a.steps[4].attrs[6] = (1 << 30) + 1) => Attribute, Step(4);
    normalization_of_other_lengths: spec(selecting(), |a| _ = i32s(&mut a.steps[5].consts[1]).pop()) => Constant, Step(5);
    normalization_over_no_run: spec(selecting(), |a| {
        _ = i32s(&mut a.steps[5].consts[0]).pop();
        _ = i32s(&mut a.steps[5].consts[1]).pop();
    }) => Shape, Step(5);
    odd_variance_shift: spec(selecting(), |a| a.steps[5].attrs[3] = 15) => Attribute, Step(5);
    negative_epsilon: spec(selecting(), |a| a.steps[5].attrs[5] = -1) => Attribute, Step(5);
    term_shifted_too_far: spec(selecting(), |a| a.steps[5].attrs[6] = 31) => Attribute, Step(5);
    sum_shifted_too_little: spec(selecting(), |a| a.steps[5].attrs[7] = 21) => Attribute, Step(5);
    length_that_overflows: spec(selecting(), |a| {
        let length = 33_026;
        a.tensors[0].shape = vec![length];
        a.steps = vec![a.steps[6].clone()];
        (a.steps[0].inputs[0], a.chains) = (0, vec![1]);
        a.tensors[7].shape = vec![length];
        a.outputs = vec![7];
        random::place(a);
    }) => Accumulator, Step(0);
    centre_that_is_no_flag: spec(selecting(), |a| a.steps[5].attrs[0] = 2) => Attribute, Step(5);

    // Accumulators.
    bias_that_overflows: spec(base(), |a| i32s(&mut a.steps[at::CONV].consts[1])[1] = i32::MAX) => Accumulator, Step(0);
    smallest_bias: spec(base(), |a| i32s(&mut a.steps[at::CONV].consts[1])[1] = i32::MIN) => Accumulator, Step(0);
    mean_of_too_many: spec(base(), |a| {
        a.tensors[9].shape = vec![5, 65_794];
        (a.steps[at::PAD].attrs[0], a.steps[at::PAD].attrs[1]) = (0, 0);
        random::place(a);
    }) => Accumulator, Step(9);
    tflite_softmax_of_too_many: spec(base(), |a| {
        a.tensors[3].shape = vec![512];
        a.tensors[4].shape = vec![512];
        a.steps[at::DENSE].consts = channels(512 * 16, 512);
        a.steps[at::SOFTMAX].rounding = Rounding::Tflite;
        a.steps[at::SOFTMAX].consts = vec![ConstData::I32(vec![])];
        random::place(a);
    }) => Accumulator, Step(3);
    constants_looked_at_too_often: spec(base(), |a| {
        // Many small records that all name the same long constant.
        a.tensors[3].shape = vec![1, 1 << 18];
        a.tensors[4].shape = vec![1, 1 << 18];
        for step in &mut a.steps[at::DENSE..=at::DENSE] {
            step.consts = channels(1 << 22, 1 << 18);
        }
        let dense = a.steps[at::DENSE].clone();
        a.steps.splice(at::DENSE..at::DENSE, vec![dense; 6]);
        a.chains.extend([1; 6]);
        random::place(a);
    }) => TooMany, Step(7);

    // Attributes.
    negative_axis: spec(base(), |a| a.steps[at::CONCAT].attrs[0] = -1) => Attribute, Step(5);
    axis_beyond_the_rank: spec(base(), |a| a.steps[at::CONCAT].attrs[0] = 2) => Attribute, Step(5);
    concatenation_of_other_length: spec(base(), |a| {
        a.tensors[6].shape = vec![1, 10];
        a.steps[at::SLICE].attrs[1] = 9;
        random::place(a);
    }) => Shape, Step(5);
    concatenation_along_another_axis: spec(base(), |a| a.steps[at::CONCAT].attrs[0] = 0) => Shape, Step(5);
    negative_begin: spec(base(), |a| a.steps[at::SLICE].attrs[1] = -1) => Attribute, Step(6);
    begin_outside: spec(base(), |a| a.steps[at::SLICE].attrs[1] = 9) => Attribute, Step(6);
    slice_that_runs_out: spec(base(), |a| a.steps[at::SLICE].attrs[7] = -3) => Attribute, Step(6);
    stride_of_one_element: spec(base(), |a| a.steps[at::SLICE].attrs[6] = i32::MAX) => Attribute, Step(6);
    begin_beyond_the_rank: spec(base(), |a| a.steps[at::SLICE].attrs[2] = 1) => Reserved, Step(6);
    negative_permutation: spec(base(), |a| a.steps[at::TRANSPOSE].attrs[0] = -1) => Attribute, Step(7);
    permutation_beyond_the_rank: spec(base(), |a| a.steps[at::TRANSPOSE].attrs[0] = 2) => Attribute, Step(7);
    axis_twice: spec(base(), |a| {
        (a.tensors[7].shape, a.tensors[8].shape) = (vec![2, 2], vec![2, 2]);
        (a.steps[at::SLICE].attrs, a.tensors[6].shape) = (vec![0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0], vec![3, 3]);
        (a.steps[at::CONCAT].attrs[0], a.steps[at::TRANSPOSE].attrs[0]) = (0, 0);
        a.steps[at::TRANSPOSE].attrs[1] = 0;
    }) => Attribute, Step(7);
    negative_border: spec(base(), |a| a.steps[at::PAD].attrs[0] = -1) => Attribute, Step(8);
    border_beyond_the_output: spec(base(), |a| a.steps[at::PAD].attrs[0] = 2) => Attribute, Step(8);
    border_overflows: spec(base(), |a| a.steps[at::PAD].attrs[1] = i32::MAX) => Attribute, Step(8);
    border_value_outside_its_type: spec(base(), |a| a.steps[at::PAD].attrs[6] = 128) => Attribute, Step(8);
    mean_over_an_axis_that_is_not_there: spec(base(), |a| a.steps[at::MEAN].attrs[0] = 4) => Attribute, Step(9);
    mean_over_negative_axes: spec(base(), |a| a.steps[at::MEAN].attrs[0] = -1) => Attribute, Step(9);
    mean_of_other_length: spec(base(), |a| a.steps[at::MEAN].attrs[0] = 1) => Shape, Step(9);
    shift_beyond_the_word: spec(base(), |a| a.steps[at::MEAN].attrs[4] = -32) => Attribute, Step(9);
    too_much_headroom: spec(base(), |a| a.steps[at::ADD].attrs[3] = 21) => Attribute, Step(4);
    sum_that_overflows: spec(base(), |a| a.steps[at::ADD].attrs[5] = 1) => Attribute, Step(4);
    sum_of_other_shapes: spec(base(), |a| {
        a.tensors[5].shape = vec![1, 4];
        a.tensors[6].shape = vec![1, 10];
        random::place(a);
    }) => Shape, Step(4);
    zero_point_of_a_step: spec(base(), |a| a.steps[at::CONV].attrs[8] = 128) => Attribute, Step(0);
    bounds_in_the_wrong_order: spec(base(), |a| {
        (a.steps[at::CONV].attrs[10], a.steps[at::CONV].attrs[11]) = (1, 0);
    }) => Attribute, Step(0);
    bounds_outside_the_type: spec(base(), |a| a.steps[at::CONV].attrs[11] = 128) => Attribute, Step(0);
    requantization_to_int32: spec(base(), |a| {
        a.tensors[12].ty = ElementType::I32;
        random::place(a);
    }) => Type, Step(11);
    softmax_shift_that_overflows: spec(base(), |a| {
        a.steps[at::SOFTMAX].rounding = Rounding::Tflite;
        a.steps[at::SOFTMAX].consts = vec![ConstData::I32(vec![])];
        a.steps[at::SOFTMAX].attrs[1] = 24;
        a.steps[at::SOFTMAX].attrs[2] = -125;
    }) => Attribute, Step(3);

    // Order and lifetimes.
    cycle: spec(base(), |a| {
        // The add reads what the concatenation after it writes.
        let (add, concat) = (a.steps[at::ADD].output, a.steps[at::CONCAT].output);
        a.tensors[usize::from(concat)].shape = vec![1, 3];
        a.steps[at::CONCAT].inputs = vec![add];
        a.steps[at::ADD].inputs[1] = concat;
        a.steps[at::SLICE].attrs[1] = 2;
        (a.tensors[7].shape, a.tensors[8].shape) = (vec![1, 1], vec![1, 1]);
        a.steps[at::PAD].attrs[1] = 1;
        random::place(a);
    }) => Lifetime, Step(4);
    read_before_it_is_written: spec(base(), |a| { a.steps.swap(at::POOL, at::AVERAGE); random::place(a) }) => Lifetime, Step(2);
    read_after_its_last_chain: spec(base(), |a| set_arena(a, 1, |_, _, chains| chains.1 = 0)) => Lifetime, Step(1);
    written_before_its_first_chain: spec(base(), |a| set_arena(a, 1, |_, _, chains| chains.0 = 1)) => Lifetime, Step(0);
    input_that_lives_too_late: spec(base(), |a| set_arena(a, 0, |offset, _, chains| (*offset, *chains) = (4096, (1, 1))))
        => Lifetime, Input(0);
    input_without_tensor: spec(base(), |a| a.inputs[0] = 99) => Index, Input(0);
    input_twice: spec(base(), |a| a.inputs.push(0)) => Lifetime, Input(1);
    output_without_tensor: spec(base(), |a| a.outputs[0] = 99) => Index, Output(0);
    output_that_dies_early: spec(base(), |a| a.outputs[0] = 2) => Lifetime, Output(0);
    output_that_is_never_written: spec(base(), |a| {
        let lonely = tensor(a, &[3]);
        a.outputs.push(lonely);
        random::place(a);
    }) => Lifetime, Output(2);
    output_that_is_a_constant: spec(base(), |a| {
        let constant = tensor(a, &[3]);
        a.storages[usize::from(constant)] = StorageSpec::Constant(vec![1; 3]);
        a.outputs.push(constant);
    }) => Lifetime, Output(2);

    // States.
    state_image_beyond_the_constants: raw_of(stateful(), |b| {
        poke(b, Section::Storages, 24, OTHER.into(), 16, &(1u32 << 20).to_le_bytes());
    }) => Extent, Storage(OTHER);
    state_image_whose_end_overflows: raw_of(stateful(), |b| {
        poke(b, Section::Storages, 24, OTHER.into(), 16, &0xffff_fff0_u32.to_le_bytes());
    }) => Extent, Storage(OTHER);
    state_image_of_no_bytes: raw_of(stateful(), |b| poke(b, Section::Storages, 24, OTHER.into(), 20, &[0; 4]))
        => Extent, Storage(OTHER);
    state_that_is_no_multiple_of_its_image: raw_of(stateful(), |b| {
        poke(b, Section::Storages, 24, OTHER.into(), 20, &48_u32.to_le_bytes());
    }) => Constant, Storage(OTHER);
    length_of_no_image: raw_of(stateful(), |b| poke(b, Section::Storages, 24, HELD.into(), 20, &[1]))
        => Reserved, Storage(HELD);
    state_with_image_and_fill: raw_of(stateful(), |b| poke(b, Section::Storages, 24, OTHER.into(), 1, &[1]))
        => Reserved, Storage(OTHER);
    state_that_begins_late: raw_of(stateful(), |b| poke(b, Section::Storages, 24, HELD.into(), 12, &[1]))
        => Lifetime, Storage(HELD);
    state_that_ends_early: raw_of(stateful(), |b| poke(b, Section::Storages, 24, HELD.into(), 14, &[1]))
        => Lifetime, Storage(HELD);
    state_as_a_ring: raw_of(stateful(), |b| poke(b, Section::Storages, 24, HELD.into(), 2, &[4]))
        => Lifetime, Storage(HELD);
    state_where_something_else_lies: spec(stateful(), |a| {
        let StorageSpec::Arena { offset: taken, .. } = a.storages[2] else { panic!() };
        let StorageSpec::State { offset, .. } = &mut a.storages[usize::from(HELD)] else { panic!() };
        *offset = taken;
    }) => Overlap, Storage(HELD);
    states_that_overlap: spec(stateful(), |a| {
        let StorageSpec::State { offset: taken, .. } = a.storages[usize::from(HELD)] else { panic!() };
        let StorageSpec::State { offset, .. } = &mut a.storages[usize::from(OTHER)] else { panic!() };
        *offset = taken;
    }) => Overlap, Storage(OTHER);
    state_smaller_than_its_tensor: spec(stateful(), |a| {
        let StorageSpec::State { bytes, .. } = &mut a.storages[usize::from(HELD)] else { panic!() };
        *bytes -= 1;
    }) => Shape, Tensor(HELD);
    state_as_input: spec(stateful(), |a| a.inputs.push(HELD)) => Lifetime, Input(1);
    state_as_output: spec(stateful(), |a| a.outputs.push(HELD)) => Lifetime, Output(1);
    state_as_scratch: spec(stateful(), |a| a.steps[0].scratch = Some(OTHER)) => Overlap, Step(0);
    state_read_and_written_by_one_step: spec(stateful(), |a| {
        a.steps[2].inputs[0] = HELD;
        a.steps[2].output = HELD;
    }) => Overlap, Step(2);
    state_written_inside_a_chain: spec(stateful(), |a| {
        a.steps.truncate(1);
        let table = vec![ConstData::I8(vec![1; 256])];
        step(a, Op::Lut, &[HELD], &[1, 4, 4, 4], &[], table);
        a.steps[0].output = HELD;
        a.chains = vec![2];
        a.outputs = vec![a.steps[1].output];
        random::place(a);
    }) => State, Step(0);

    // Chains and rings.
    steps_without_chain: spec(base(), |a| { a.chains.pop(); random::place(a) }) => Chain, In(Section::Chains as u8);
    chain_without_steps: spec(base(), |a| a.chains.insert(0, 0)) => Chain, Chain(0);
    chain_with_too_many_steps: spec(chained(), |a| {
        let table = a.steps[2].clone();
        for _ in 0..31 {
            let number = tensor(a, &[1, 4, 4, 4]);
            a.steps.push(StepSpec { inputs: vec![a.outputs[0]], output: number, ..table.clone() });
            a.outputs[0] = number;
        }
        a.chains = vec![34];
        random::place(a);
    }) => Chain, Chain(0);
    chain_that_skips_a_step: raw(|b| poke(b, Section::Chains, 4, 1, 0, &[2])) => Chain, Chain(1);
    chain_of_steps_that_have_no_rows: spec(base(), |a| {
        a.chains = vec![1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        random::place(a);
    }) => Chain, Step(2);
    ring_too_small: spec(chained(), |a| { set_ring(a, 1, 2); random::place(a) }) => Chain, Chain(0);
    ring_between_chains: spec(chained(), |a| { a.chains = vec![1, 1, 1]; set_arena(a, 1, |_, _, c| *c = (0, 0)) })
        => Chain, Step(0);
    ring_that_outlives_its_chain: spec(chained(), |a| set_arena(a, 1, |_, _, chains| *chains = (0, 1)))
        => Lifetime, Storage(1);
    ring_as_input_too_small: spec(chained(), |a| { set_ring(a, 0, 2); random::place(a) }) => Chain, Chain(0);
    ring_as_input_of_two_chains: spec(chained(), |a| {
        set_ring(a, 0, 6);
        set_arena(a, 0, |_, _, chains| *chains = (0, 1));
    }) => Lifetime, Storage(0);
    ring_as_input_of_words: spec(chained(), |a| {
        set_ring(a, 0, 3);
        a.tensors[0].ty = ElementType::I16;
        a.tensors[0].zero_point = 0;
        random::place(a);
    }) => Type, Step(0);
    ring_as_result_of_a_chain: spec(chained(), |a| {
        a.chains = vec![2];
        a.steps.pop();
        a.outputs = vec![2];
        set_ring(a, 2, 4);
        random::place(a);
    }) => Chain, Step(1);
    ring_of_a_vector: spec(chained(), |a| a.tensors[1].shape = vec![96]) => Chain, Tensor(1);
    row_chain_with_two_batch_entries: spec(chained(), |a| {
        set_ring(a, 1, 0);
        for tensor in &mut a.tensors {
            tensor.shape[0] = 2;
        }
        random::place(a);
    }) => Chain, Step(0);
    intermediate_of_a_chain_read_later: spec(chained(), |a| {
        set_ring(a, 1, 0);
        a.steps[2].inputs[0] = 1;
        a.tensors[3].shape = vec![1, 6, 4, 4];
        random::place(a);
    }) => Lifetime, Step(2);
    intermediate_of_a_chain_as_output: spec(chained(), |a| {
        set_ring(a, 1, 0);
        a.chains = vec![2];
        a.steps.pop();
        a.outputs = vec![1];
        random::place(a);
    }) => Lifetime, Output(0);
    chain_that_writes_where_it_reads: spec(chained(), |a| {
        a.tensors[0].shape = vec![1, 4, 4, 4];
        a.tensors[2].storage = 0;
        a.steps[0].consts = channels(3 * 3 * 4 * 4, 4);
        a.tensors[1].shape = vec![1, 6, 4, 4];
        random::place(a);
        set_arena(a, 2, |offset, bytes, _| (*offset, *bytes) = (0, 0));
    }) => Overlap, Step(1);
    scratch_in_an_earlier_input_of_its_chain: spec(chained(), |a| a.steps[1].scratch = Some(0)) => Overlap, Step(1);
    reading_scratch: spec(base(), |a| {
        let scratch = tensor(a, &[1, 3]);
        a.steps[at::DENSE].scratch = Some(scratch);
        a.steps[at::ADD].inputs[1] = scratch;
        random::place(a);
        set_arena(a, usize::from(scratch), |offset, _, chains| (*offset, chains.0) = (4096, 0));
    }) => Lifetime, Step(4);
}
