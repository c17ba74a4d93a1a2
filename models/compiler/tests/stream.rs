//! Streaming by hops: every output of a streamed model is that of the windowed one, in every bit, from the first hop on.
//!
//! `INSTA_UPDATE=always cargo test -p tanbo-compiler --test stream` accepts a change of the snapshots.

use tanbo::{Engine, Family, Model};
use tanbo_compiler::emit::{Compiled, Options, compile_reported};
use tanbo_compiler::fuse::{Fusing, Tensors};
use tanbo_compiler::graph::{Clamp, Graph, NodeOp, Recurrence, State, Window};
use tanbo_compiler::stream::Streaming;
use tanbo_compiler::testing::{Builder, temporal, text, wake_word, weights};
use tanbo_format::emit::{Aligned, StateStart};
use tanbo_quant::Rounding;

/// An artifact's engine, with the reference kernels.
fn with_engine<R>(artifact: &[u8], work: impl FnOnce(&mut Engine<'_, '_>) -> R) -> R {
    let artifact = Aligned::new(artifact);
    let model = Model::parse(&artifact).expect("the compiler made it");
    let mut arena = Aligned::new(&vec![0x5a; model.arena_bytes()]);
    let table = tanbo::table_or_reference(Family::Portable);
    work(&mut Engine::new(&model, table, &mut arena).expect("an arena"))
}

fn outputs(engine: &mut Engine<'_, '_>, input: &[u8]) -> Vec<Vec<u8>> {
    engine.input_bytes_mut(0).expect("an input").copy_from_slice(input);
    engine.run().expect("it runs");
    (0..engine.model().outputs().len()).map(|n| engine.output_bytes(n).expect("an output").to_vec()).collect()
}

fn compiled(graph: &Graph, streaming: Option<Streaming>, tensors: Tensors) -> Result<Compiled, String> {
    let options = Options { streaming, tensors, ..Options::default() };
    compile_reported(graph, &options).map_err(|error| error.to_string())
}

/// Runs both over `hops` hops of noise; time is the input's outermost axis. The windowed engine knows no past: it is reset before
/// each window.
fn compare(graph: &Graph, streamed: &Compiled, hops: usize, random: &mut fastrand::Rng) {
    let windowed = compiled(graph, None, Tensors::default()).expect("it compiles");
    let facts = streamed.streamed.as_ref().expect("it was streamed");
    let input = &graph.tensors[graph.inputs[0].tensor];
    let row = input.elements() / facts.window;
    let mut window = vec![input.zero_point as u8; input.elements()];
    with_engine(&windowed.artifact, |whole| {
        with_engine(&streamed.artifact, |engine| {
            for hop in 0..hops {
                window.rotate_left(facts.hop * row);
                let fresh = (facts.window - facts.hop) * row;
                let extremes = random.u8(..8) == 0;
                window[fresh..]
                    .fill_with(|| if extremes { *random.choice(&[0x80, 0x7f]).unwrap() } else { random.u8(..) });
                whole.reset();
                let (want, got) = (outputs(whole, &window), outputs(engine, &window[fresh..]));
                assert!(want == got, "hop {hop}\n{}\n{}", text(graph), text(&streamed.graph));
            }
        });
    });
}

#[test]
fn random_graphs_give_the_same_bits_streamed() {
    let graphs = if std::env::var_os("TANBO_SOAK").is_some() { 20_000 } else { 500 };
    let (mut streamed, mut refused, mut macs) = (0, std::collections::BTreeMap::<String, u32>::new(), [0; 2]);
    for seed in 0..graphs {
        let mut random = fastrand::Rng::with_seed(seed);
        let (graph, hop) = temporal(&mut random);
        let tensors = if seed % 3 == 0 { Tensors::Rings(Fusing::default()) } else { Tensors::Whole };
        let hop = Some(hop).filter(|_| seed % 4 != 0);
        match compiled(&graph, Some(Streaming { hop, axis: None }), tensors) {
            Ok(compiled) => {
                let facts = compiled.streamed.clone().unwrap();
                assert!(facts.macs < facts.windowed_macs, "{}", text(&graph));
                compare(&graph, &compiled, 2 * facts.window.div_ceil(facts.hop) + 3, &mut random);
                streamed += 1;
                macs[0] += facts.windowed_macs;
                macs[1] += facts.macs;
            }
            Err(error) => {
                *refused.entry(error.split(": ").nth(1).unwrap_or_default().chars().take(50).collect()).or_default() +=
                    1
            }
        }
    }
    eprintln!("{streamed} of {graphs} graphs streamed, MACs {macs:?}; refused: {refused:#?}");
    assert!(streamed * 2 > graphs, "{streamed} of {graphs}");
}

#[test]
fn a_wake_word_without_padding_computes_a_twelfth() {
    let hops = if std::env::var_os("TANBO_SOAK").is_some() { 10_000 } else { 200 };
    let graph = wake_word(30, &mut fastrand::Rng::with_seed(1));
    let compiled = compiled(&graph, Some(Streaming::default()), Tensors::default()).unwrap();
    let facts = compiled.streamed.clone().unwrap();
    let state: usize = facts.graph.states.iter().map(|state| facts.graph.tensors[state.tensor].elements()).sum();
    let (macs, window, hop) = (facts.windowed_macs, facts.window, facts.hop);
    eprintln!("{} of {macs} MACs by hops of {hop} of {window} rows, {state} bytes of state", facts.macs);
    assert!(facts.macs * 12 <= facts.windowed_macs, "{} of {}", facts.macs, facts.windowed_macs);
    compare(&graph, &compiled, hops, &mut fastrand::Rng::with_seed(2));
}

/// The shape of MLPerf Tiny's KWS, from ONNX: SAME padding in time, so that a part is computed anew.
#[cfg(feature = "onnx")]
#[test]
fn a_keyword_spotter_with_padding_computes_what_a_hop_and_padding_change() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/models/ds_cnn.onnx");
    let graph = tanbo_compiler::import::onnx::import(&std::fs::read(path).unwrap(), "ds_cnn").unwrap();
    for (hop, most) in [(2, 0.42), (4, 0.46), (10, 0.58), (20, 0.78)] {
        let compiled = compiled(&graph, Some(Streaming { hop: Some(hop), axis: None }), Tensors::default()).unwrap();
        let facts = compiled.streamed.clone().unwrap();
        let share = facts.macs as f64 / facts.windowed_macs as f64;
        assert!(share < most, "{hop}: {} of {}", facts.macs, facts.windowed_macs);
        compare(&graph, &compiled, 49usize.div_ceil(hop) + 2, &mut fastrand::Rng::with_seed(hop as u64));
    }
    let error = compiled(&graph, Some(Streaming { hop: Some(3), axis: None }), Tensors::default()).unwrap_err();
    assert!(error.contains("a hop of 3 is no multiple of that"), "{error}");
}

/// The graph of windows, the graph of a hop, and what was found on the way; both are run and compared.
fn snapshot(graph: &Graph, hop: usize) -> String {
    let compiled = compiled(graph, Some(Streaming { hop: Some(hop), axis: None }), Tensors::default()).unwrap();
    compare(graph, &compiled, 40, &mut fastrand::Rng::with_seed(3));
    let facts = compiled.streamed.unwrap();
    let whole: String = facts.whole.iter().map(|one| format!("{one}\n")).collect();
    let cost =
        format!("{} of {} MACs by hops of {} of {} rows", facts.macs, facts.windowed_macs, facts.hop, facts.window);
    format!("{}\n{}\n{cost}\n{whole}", text(graph), text(&facts.graph))
}

const Q: (f32, i32) = (0.05, -3);

fn conv(taps: usize, stride: usize, pad: usize, channels: usize) -> NodeOp {
    let window = Window { kernel: [taps, 1], stride: [stride, 1], dilation: [1; 2], pad: [pad, 0] };
    let data: Vec<i8> = (0..2 * taps * channels).map(|at| at as i8 * 5 - 20).collect();
    NodeOp::Conv2d { window, groups: 1, weights: weights(&data, &[9, -700], &[0.01]), clamp: Clamp::INT8 }
}

fn score(b: &mut Builder, x: usize, channels: usize) {
    let mean = b.node("mean", NodeOp::Mean { axes: vec![1, 2], clamp: Clamp::INT8 }, &[x], &[1, channels], Q);
    let data: Vec<i8> = (0..channels).map(|at| 10 * at as i8 - 7).collect();
    let op = NodeOp::FullyConnected { weights: weights(&data, &[5], &[0.02]), clamp: Clamp::INT8 };
    let y = b.node("score", op, &[mean], &[1, 1], (0.1, 0));
    b.output(y);
}

#[test]
fn without_padding_only_new_rows_are_computed() {
    let mut b = Builder::new("valid", Rounding::Single);
    let x = b.input("x", &[1, 12, 1, 2], Q);
    let c1 = b.node("c1", conv(3, 1, 0, 2), &[x], &[1, 10, 1, 2], Q);
    let c2 = b.node("c2", conv(4, 2, 0, 2), &[c1], &[1, 4, 1, 2], Q);
    score(&mut b, c2, 2);
    insta::assert_snapshot!(snapshot(&b.finish(), 2));
}

#[test]
fn rows_that_padding_reaches_are_computed_anew() {
    let mut b = Builder::new("same", Rounding::Tflite);
    let x = b.input("x", &[1, 14, 1, 1], Q);
    let c1 = b.node("c1", conv(3, 1, 1, 1), &[x], &[1, 14, 1, 2], Q);
    let c2 = b.node("c2", conv(3, 1, 1, 2), &[c1], &[1, 14, 1, 2], Q);
    score(&mut b, c2, 2);
    insta::assert_snapshot!(snapshot(&b.finish(), 2));
}

#[test]
fn branches_of_different_lengths_wait_for_each_other() {
    let mut b = Builder::new("residual", Rounding::Single);
    let x = b.input("x", &[1, 9, 1, 2], Q);
    let c = b.node("c", conv(5, 1, 0, 2), &[x], &[1, 5, 1, 2], Q);
    let cut = b.node("cut", NodeOp::Slice { begin: vec![0, 2, 0, 0], stride: vec![1; 4] }, &[x], &[1, 5, 1, 2], Q);
    let sum = b.node("sum", NodeOp::Add { clamp: Clamp::INT8 }, &[c, cut], &[1, 5, 1, 2], Q);
    score(&mut b, sum, 2);
    insta::assert_snapshot!(snapshot(&b.finish(), 1));
}

#[test]
fn only_what_the_last_row_needs_is_computed_of_causal_padding() {
    let mut b = Builder::new("causal", Rounding::Tflite);
    let x = b.input("x", &[1, 16, 1, 1], Q);
    let c1 = b.node("c1", conv(3, 1, 2, 1), &[x], &[1, 16, 1, 2], Q);
    let c2 = b.node("c2", conv(3, 1, 2, 2), &[c1], &[1, 16, 1, 2], Q);
    let last = b.node("last", NodeOp::Slice { begin: vec![0, 15, 0, 0], stride: vec![1; 4] }, &[c2], &[1, 1, 1, 2], Q);
    score(&mut b, last, 2);
    insta::assert_snapshot!(snapshot(&b.finish(), 1));
}

#[test]
fn time_may_be_flattened_with_features() {
    let mut b = Builder::new("flat", Rounding::Tflite);
    let x = b.input("x", &[1, 24], Q);
    let image = b.node("image", NodeOp::Reshape, &[x], &[1, 8, 3, 1], Q);
    let c = b.node("c", conv(3, 1, 0, 1), &[image], &[1, 6, 3, 2], Q);
    let flat = b.node("flat", NodeOp::Reshape, &[c], &[1, 36], Q);
    let data: Vec<i8> = (0..36).collect();
    let op = NodeOp::FullyConnected { weights: weights(&data, &[5], &[0.001]), clamp: Clamp::INT8 };
    let y = b.node("score", op, &[flat], &[1, 1], (0.1, 0));
    b.output(y);
    insta::assert_snapshot!(snapshot(&b.finish(), 1));
}

#[test]
fn what_cannot_be_streamed_is_refused_by_name_with_a_remedy() {
    let mut page = String::new();
    let mut refuse = |name: &str, graph: &Graph, hop: Option<usize>, axis: Option<usize>| {
        let error = compiled(graph, Some(Streaming { hop, axis }), Tensors::default()).expect_err(name);
        page.push_str(&format!("{name}\n  {error}\n"));
    };
    let net = |rows: usize, op: NodeOp, left: usize| {
        let mut b = Builder::new("net", Rounding::Tflite);
        let x = b.input("x", &[1, rows, 1, 2], Q);
        let c = b.node("c", op, &[x], &[1, left, 1, 2], Q);
        score(&mut b, c, 2);
        b.finish()
    };
    let plain = net(12, conv(3, 1, 0, 2), 10);
    refuse("a hop of no rows", &plain, Some(0), None);
    refuse("a hop of a window", &plain, Some(12), None);
    refuse("no such axis", &plain, None, Some(7));
    refuse("an axis of one position", &plain, None, Some(2));
    refuse("channels as time", &plain, None, Some(3));
    refuse("a hop that is no multiple of a stride", &net(13, conv(3, 2, 0, 2), 6), Some(3), None);
    refuse("a hop that renews everything", &plain, Some(11), None);
    refuse("padding that reaches everything", &net(6, conv(5, 1, 2, 2), 6), Some(2), None);

    let mut b = Builder::new("two", Rounding::Tflite);
    let x = b.input("x", &[1, 6, 1, 2], Q);
    let z = b.input("z", &[1, 6, 1, 2], Q);
    let sum = b.node("sum", NodeOp::Add { clamp: Clamp::INT8 }, &[x, z], &[1, 6, 1, 2], Q);
    score(&mut b, sum, 2);
    refuse("two inputs", &b.finish(), None, None);

    let mut b = Builder::new("dense", Rounding::Tflite);
    let x = b.input("x", &[1, 6, 1, 2], Q);
    let op = NodeOp::FullyConnected { weights: weights(&[1; 24], &[5, 6], &[0.02]), clamp: Clamp::INT8 };
    let y = b.node("dense", op, &[x], &[1, 2], Q);
    b.output(y);
    refuse("each output of all rows", &b.finish(), None, None);

    let mut b = Builder::new("turned", Rounding::Tflite);
    let x = b.input("x", &[1, 6, 1, 2], Q);
    let turned = b.node("turned", NodeOp::Transpose { perm: vec![0, 3, 2, 1] }, &[x], &[1, 2, 1, 6], Q);
    let c = b.node("c", conv(1, 1, 0, 6), &[turned], &[1, 2, 1, 2], Q);
    score(&mut b, c, 2);
    refuse("time as channels", &b.finish(), None, None);

    // A GRU that begins each window anew, and one that goes on.
    for keep in [false, true] {
        let mut b = Builder::new("gru", Rounding::Single);
        let x = b.input("x", &[1, 6, 2], (0.01, 0));
        let h = b.tensor("h", &[1, 2], (1.0 / 128.0, 0));
        b.graph.states.push(State { tensor: h, start: StateStart::Fill(0) });
        let weights = Recurrence {
            input_weights: vec![20; 12],
            input_scales: vec![0.01],
            recurrent_weights: vec![-30; 12],
            recurrent_scales: vec![0.01],
            bias: vec![0; 6],
            recurrent_bias: vec![0; 2],
            time_major: false,
            reverse: false,
            keep,
        };
        let op = NodeOp::Gru { weights, linear_before_reset: true };
        let y = b.node("gru", op, &[x], &[1, 6, 2], (1.0 / 128.0, 0));
        b.graph.nodes[0].states.push(h);
        b.output(y);
        refuse(if keep { "a GRU that goes on" } else { "a GRU that begins anew" }, &b.finish(), None, None);
    }
    insta::assert_snapshot!(page);
}
