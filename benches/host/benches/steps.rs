//! Time of single operators in shapes that MLPerf Tiny's models have, per kernel table.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tanbo::pack::repack;
use tanbo::{ElementType, Engine, Family, Model, Op};
use tanbo_format::emit::{Aligned, Artifact, ConstData, StepSpec, StorageSpec, TensorSpec};
use tanbo_quant::Rounding;

/// An operator with weights, input and output shapes, and the number of products per output.
struct Case {
    name: &'static str,
    op: Op,
    input: [u32; 4],
    output: [u32; 4],
    kernel: i32,
    stride: i32,
}

const CASES: [Case; 4] = [
    Case { name: "conv 1x1", op: Op::Conv2d, input: [1, 25, 5, 64], output: [1, 25, 5, 64], kernel: 1, stride: 1 },
    Case { name: "conv 3x3", op: Op::Conv2d, input: [1, 32, 32, 16], output: [1, 32, 32, 16], kernel: 3, stride: 1 },
    Case {
        name: "first conv 3x3",
        op: Op::Conv2d,
        input: [1, 96, 96, 3],
        output: [1, 48, 48, 8],
        kernel: 3,
        stride: 2,
    },
    Case {
        name: "depthwise 3x3",
        op: Op::DepthwiseConv2d,
        input: [1, 25, 5, 64],
        output: [1, 25, 5, 64],
        kernel: 3,
        stride: 1,
    },
];

fn artifact(case: &Case) -> (Vec<u8>, u64) {
    let outputs = case.output[3] as usize;
    let channels = if case.op == Op::Conv2d { case.input[3] as usize } else { 1 };
    let terms = (case.kernel * case.kernel) as usize * channels;
    let mut attrs = vec![case.kernel, case.kernel, case.stride, case.stride, 1, 1, case.kernel / 2, case.kernel / 2];
    attrs.extend([-1, 3, -128, 127]);
    if case.op == Op::Conv2d {
        attrs.push(1);
    }
    let bytes = |shape: [u32; 4]| shape.iter().product::<u32>();
    let storage = |offset, shape| StorageSpec::Arena { offset, bytes: bytes(shape), ring_rows: 0, chains: (0, 0) };
    let tensor = |storage, shape: [u32; 4]| TensorSpec {
        name: String::new(),
        ty: ElementType::I8,
        shape: shape.to_vec(),
        scale: 0.05,
        zero_point: 0,
        storage,
    };
    let artifact = Artifact {
        family: Family::Portable,
        storages: vec![storage(0, case.input), storage(bytes(case.input).next_multiple_of(4), case.output)],
        tensors: vec![tensor(0, case.input), tensor(1, case.output)],
        steps: vec![StepSpec {
            op: case.op,
            variant: 0,
            rounding: Rounding::Single,
            inputs: vec![0],
            states: vec![],
            output: 1,
            consts: vec![
                ConstData::I8((0..outputs * terms).map(|i| (i * 37 % 255) as u8 as i8).collect()),
                ConstData::I32(vec![100; outputs]),
                ConstData::I32(vec![0x5000_0000; outputs]),
                ConstData::I8(vec![-7; outputs]),
            ],
            attrs,
            scratch: None,
        }],
        chains: vec![1],
        inputs: vec![0],
        outputs: vec![1],
        source_macs: 0,
        hops: None,
        front_end: Vec::new(),
        card: String::new(),
        signature: Vec::new(),
    };
    (artifact.emit().expect("the case is an artifact"), u64::from(bytes(case.output)) * terms as u64)
}

fn steps(criterion: &mut Criterion) {
    for case in &CASES {
        let (bytes, macs) = artifact(case);
        let bytes = Aligned::new(&bytes);
        let model = Model::parse(&bytes).expect("the writer has verified it");
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Elements(macs));
        for (family, table) in tanbo_host::tables() {
            let packed = Aligned::new(&repack(&model, family).expect("what was packed is an artifact"));
            let model = Model::parse(&packed).expect("the writer has verified it");
            let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
            let mut engine = Engine::new(&model, table, &mut arena).expect("the table has every operator");
            group.bench_function(table.table_name(), |bencher| {
                bencher.iter(|| engine.run().expect("a parsed artifact runs"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
