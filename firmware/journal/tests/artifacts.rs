//! The artifacts that the emulated board is killed with: a graph that is streamed, with states, and convolutions by rows through
//! rings, with a branch and a pool that keeps sums. `TANBO_WRITE=1 cargo test -p tanbo-journal --test artifacts` makes them anew.

use std::path::Path;

use tanbo::{Model, Storage};
use tanbo_compiler::fuse::{Fusing, Tensors};
use tanbo_compiler::graph::{Clamp, Graph, NodeOp};
use tanbo_compiler::stream::Streaming;
use tanbo_compiler::testing::{self, Builder, weights, window};
use tanbo_compiler::{Options, compile};
use tanbo_format::emit::Aligned;
use tanbo_quant::Rounding;

const CLAMP: Clamp = Clamp::INT8;
/// Of a graph with some hundred bytes of states.
const SEED: u64 = 3;

/// Returns the committed artifact, which is the one that the compiler makes, as states, rings and steps with scratch.
fn committed(name: &str, graph: &Graph, streaming: Option<Streaming>) -> [usize; 3] {
    let tensors = Tensors::Rings(Fusing { arena_bytes: Some(0), input_by_rows: false });
    let options = Options { tensors, streaming, ..Options::default() };
    let artifact = compile(graph, &options).expect("a model");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    if std::env::var_os("TANBO_WRITE").is_some() {
        std::fs::write(&path, &artifact).expect("a file");
    }
    assert_eq!(std::fs::read(&path).expect("a file"), artifact, "{name}");
    let bytes = Aligned::new(&artifact);
    let model = Model::parse(&bytes).expect("an artifact");
    let storages = || (0..model.storage_count() as u16).filter_map(|storage| model.storage(storage));
    let states = storages().filter(|storage| matches!(storage, Storage::State { .. })).count();
    let rings = storages().filter(|storage| matches!(storage, Storage::Arena { ring_rows: 1.., .. })).count();
    let scratch = (0..model.step_count() as u16).filter(|&step| model.step(step).expect("a step").scratch.is_some());
    let counts = [states, rings, scratch.count()];
    println!("{name}: {} bytes, arena {}, {counts:?} states, rings, scratch", artifact.len(), model.arena_bytes());
    counts
}

#[test]
fn the_streamed_graph_has_states() {
    let (graph, hop) = testing::temporal(&mut fastrand::Rng::with_seed(SEED));
    let [states, ..] = committed("streamed.tnb", &graph, Some(Streaming { hop: Some(hop), axis: None }));
    assert!(states > 0);
}

#[test]
fn the_convolutions_have_rings() {
    let mut random = fastrand::Rng::with_seed(6);
    let mut b = Builder::new("rings", Rounding::Tflite);
    let mut conv = |taps: usize, inputs: usize, outputs: usize, stride: usize| {
        let data: Vec<i8> = (0..taps * taps * inputs * outputs).map(|_| random.i8(-127..)).collect();
        let weights = weights(&data, &vec![50; outputs], &[0.004]);
        NodeOp::Conv2d { window: window(taps, stride, taps / 2), groups: 1, weights, clamp: CLAMP }
    };
    let x = b.input("x", &[1, 12, 4, 2], (0.05, 3));
    let first = b.node("first", conv(3, 2, 4, 1), &[x], &[1, 12, 4, 4], (0.1, -3));
    let second = b.node("second", conv(3, 4, 4, 1), &[first], &[1, 12, 4, 4], (0.1, 0));
    let sum = b.node("sum", NodeOp::Add { clamp: CLAMP }, &[first, second], &[1, 12, 4, 4], (0.2, 0));
    let third = b.node("third", conv(3, 4, 4, 2), &[sum], &[1, 6, 2, 4], (0.2, 2));
    let pool = NodeOp::AveragePool2d {
        window: tanbo_compiler::graph::Window { kernel: [6, 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] },
        clamp: CLAMP,
        count_include_pad: false,
    };
    let mean = b.node("mean", pool, &[third], &[1, 1, 1, 4], (0.2, 2));
    let y = b.node("y", conv(1, 4, 4, 1), &[mean], &[1, 1, 1, 4], (0.1, 0));
    b.output(y);
    let [_, rings, scratch] = committed("rings.tnb", &b.finish(), None);
    assert!(rings >= 2 && scratch >= 1, "{rings} rings, {scratch} steps with scratch");
}
