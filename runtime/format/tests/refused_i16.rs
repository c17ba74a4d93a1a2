//! What the verifier refuses of operators of int16 activations: one hand-made violation per rule.

mod random;

use tanbo_format::FormatErrorKind::{self as Kind, *};
use tanbo_format::emit::{Aligned, Artifact, ConstData, StepSpec, StorageSpec, TensorSpec};
use tanbo_format::{ElementType, Family, Model, Op};
use tanbo_quant::Rounding;

/// x -> op -> y, both int16, with the constants and attributes given.
fn one(op: Op, rounding: Rounding, shapes: [&[u32]; 2], attrs: &[i32], consts: Vec<ConstData>) -> Artifact {
    let tensor = |(i, shape): (u16, &[u32])| TensorSpec {
        name: String::new(),
        ty: ElementType::I16,
        shape: shape.to_vec(),
        scale: 0.5,
        zero_point: 0,
        storage: i,
    };
    let inputs = vec![0; usize::from(op.inputs())];
    let step = StepSpec {
        op,
        variant: 0,
        rounding,
        inputs,
        output: 1,
        consts,
        attrs: attrs.to_vec(),
        scratch: None,
        states: vec![],
    };
    let mut artifact = Artifact {
        family: Family::Portable,
        storages: vec![StorageSpec::Arena { offset: 0, bytes: 0, ring_rows: 0, chains: (0, 0) }; 2],
        tensors: (0..).zip(shapes).map(tensor).collect(),
        steps: vec![step],
        chains: vec![1],
        inputs: vec![0],
        outputs: vec![1],
        source_macs: 0,
        hops: None,
        front_end: Vec::new(),
        card: String::new(),
        signature: Vec::new(),
    };
    random::place(&mut artifact);
    artifact
}

const FULL: [i32; 2] = [-32768, 32767];

fn weights(shift: i8, bias: i64) -> Vec<ConstData> {
    vec![
        ConstData::I8(vec![3; 4]),
        ConstData::I64(vec![bias; 2]),
        ConstData::I32(vec![1 << 30; 2]),
        ConstData::I8(vec![shift; 2]),
    ]
}

fn conv(rounding: Rounding, bits: i32, consts: Vec<ConstData>) -> Artifact {
    let attrs = [1, 1, 1, 1, 1, 1, 0, 0, FULL[0], FULL[1], 1, bits];
    one(Op::Conv2dI16, rounding, [&[1, 2, 3, 2], &[1, 2, 3, 2]], &attrs, consts)
}

fn softmax(rounding: Rounding, tables: Vec<i16>, exponentials: Vec<i32>, length: u32) -> Artifact {
    let consts = vec![ConstData::I16(tables), ConstData::I32(exponentials)];
    one(Op::SoftmaxI16, rounding, [&[length], &[length]], &[1 << 30, 0], consts)
}

fn refused(artifact: &Artifact) -> Option<Kind> {
    artifact.emit().err().map(|error| error.kind)
}

#[test]
fn accumulators_and_multipliers() {
    use Rounding::{Single, Tflite};
    let most = (1 << 47) - 1 - (2 << 22);
    for (artifact, want) in [
        (conv(Single, 64, weights(-5, most)), None),
        (conv(Single, 64, weights(-5, most + 1)), Some(Accumulator)),
        (conv(Single, 64, weights(-5, i64::MIN)), Some(Accumulator)),
        (conv(Tflite, 64, weights(7, most)), None),
        (conv(Tflite, 64, weights(8, 0)), Some(Constant)),
        (conv(Single, 64, weights(8, 0)), None),
        (conv(Tflite, 32, weights(8, 0)), None),
        (conv(Single, 32, weights(0, 0)), Some(Attribute)),
        (conv(Tflite, 16, weights(0, 0)), Some(Attribute)),
        (conv(Tflite, 64, weights(0, 0).into_iter().rev().collect()), Some(Arity)),
    ] {
        assert_eq!(refused(&artifact), want, "{:?}", artifact.steps);
    }
}

#[test]
fn tables() {
    let lut = |bits: i32, entries: usize| {
        one(Op::LutI16, Rounding::Single, [&[5], &[5]], &[bits], vec![ConstData::I16(vec![0; entries])])
    };
    assert_eq!(refused(&lut(12, 17)), None);
    assert_eq!(refused(&lut(0, 65_537)), None);
    assert_eq!(refused(&lut(12, 16)), Some(Constant));
    assert_eq!(refused(&lut(13, 9)), Some(Attribute));
    assert_eq!(refused(&lut(-1, 17)), Some(Attribute));
    let sigmoid = |attrs: [i32; 3], entries: usize| {
        one(Op::SigmoidI16, Rounding::Single, [&[5], &[5]], &attrs, vec![ConstData::I16(vec![-32768; entries])])
    };
    assert_eq!(refused(&sigmoid([1, 32_767, 31], 256)), None);
    assert_eq!(refused(&sigmoid([2, 3, 0], 256)), Some(Attribute));
    assert_eq!(refused(&sigmoid([0, 32_768, 0], 256)), Some(Attribute));
    assert_eq!(refused(&sigmoid([0, -1, 0], 256)), Some(Attribute));
    assert_eq!(refused(&sigmoid([0, 3, 32], 256)), Some(Attribute));
    assert_eq!(refused(&sigmoid([0, 3, 0], 255)), Some(Constant));
}

#[test]
fn softmax_cannot_divide_by_zero() {
    use Rounding::{Single, Tflite};
    let with = |index: usize, value: i16| {
        let mut tables = vec![20_000i16; 1026];
        tables[index] = value;
        tables
    };
    assert_eq!(refused(&softmax(Tflite, with(0, 0), vec![], 65_535)), None);
    assert_eq!(refused(&softmax(Tflite, with(0, 0), vec![], 65_536)), Some(Accumulator));
    assert_eq!(refused(&softmax(Tflite, with(7, -1), vec![], 4)), Some(Constant));
    assert_eq!(refused(&softmax(Tflite, with(511, 16_383), vec![], 4)), Some(Constant));
    assert_eq!(refused(&softmax(Tflite, with(512, 0), vec![], 4)), Some(Constant));
    assert_eq!(refused(&softmax(Tflite, vec![20_000; 1025], vec![], 4)), Some(Constant));
    let ones = |first: i32| [vec![first], vec![1 << 30; 511]].concat();
    assert_eq!(refused(&softmax(Single, vec![], ones(1 << 30), 4)), None);
    assert_eq!(refused(&softmax(Single, vec![], ones((1 << 30) - 1), 4)), Some(Constant));
    assert_eq!(refused(&softmax(Single, vec![], vec![1 << 30; 511], 4)), Some(Constant));
    assert_eq!(refused(&softmax(Single, with(0, 0), ones(1 << 30), 4)), Some(Constant));
}

#[test]
fn sums_types_and_headroom() {
    use Rounding::Tflite;
    let mean = |count: u32| {
        let attrs = [1, 1 << 30, 0, FULL[0], FULL[1]];
        one(Op::MeanI16, Tflite, [&[count, 2], &[2]], &attrs, vec![])
    };
    assert_eq!(refused(&mean(65_535)), None);
    assert_eq!(refused(&mean(65_536)), Some(Accumulator));
    let add = |left_shift: i32, shift: i32| {
        let attrs = [left_shift, 1 << 30, 0, 1 << 30, shift, 1 << 30, 0, FULL[0], FULL[1]];
        one(Op::AddI16, Tflite, [&[5], &[5]], &attrs, vec![])
    };
    assert_eq!(refused(&add(15, 0)), None);
    assert_eq!(refused(&add(16, 0)), Some(Attribute));
    assert_eq!(refused(&add(15, 1)), Some(Attribute));
    let mut narrow = add(15, 0);
    narrow.tensors[1].ty = ElementType::I8;
    random::place(&mut narrow);
    assert_eq!(refused(&narrow), Some(Type));
    let bytes = add(15, 0).emit().unwrap();
    assert!(Model::parse(&Aligned::new(&bytes)).is_ok());
}
