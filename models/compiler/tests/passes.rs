//! Passes: random graphs give the same bits with and without, and small graphs become what the snapshots say.
//!
//! `INSTA_UPDATE=always cargo test -p tanbo-compiler --test passes` accepts a change of the snapshots.

use std::fmt::Write as _;

use tanbo_compiler::graph::{Clamp, Graph, NodeOp, Window};
use tanbo_compiler::passes::{Intervals, Pass, Report, Size, Switches, run as run_passes};
use tanbo_compiler::testing::{Builder, mobilenet, random, random_inputs, run, run_artifact, text, weights, window};
use tanbo_compiler::{Compiled, Options, compile, compile_reported};
use tanbo_format::emit::Aligned;
use tanbo_format::{Model, schedule};
use tanbo_quant::Rounding;

/// Fails unless what is left of every tensor holds what it held before, and the artifact gives the same outputs.
fn check(graph: &Graph, switches: &Switches, inputs: &[Vec<Vec<u8>>]) -> (Graph, Report) {
    let options = Options { passes: switches.clone(), ..Options::default() };
    let Compiled { artifact, graph: after, report, .. } =
        compile_reported(graph, &options).unwrap_or_else(|error| panic!("{error}\n{}", text(graph)));
    for inputs in inputs {
        let (want, got) = (run(graph, inputs), run(&after, inputs));
        for node in &after.nodes {
            let tensor = node.output;
            let (want, got) = (&want[&tensor], &got[&tensor]);
            let width = graph.tensors[tensor].shape.last().copied().unwrap_or(1);
            let left: Vec<u8> = match report.kept(tensor) {
                Some(kept) => want.chunks(width).flat_map(|row| kept.iter().map(|&channel| row[channel])).collect(),
                None => want.clone(),
            };
            assert!(left == *got, "'{}' differs\n{}\n{}\n{report}", node.name, text(graph), text(&after));
        }
        let outputs = run_artifact(&artifact, inputs);
        let want: Vec<_> = graph.outputs.iter().map(|port| want[&port.tensor].clone()).collect();
        assert!(outputs == want, "the artifact differs\n{}\n{}\n{report}", text(graph), text(&after));
    }
    (after, report)
}

/// Returns how many steps of a graph's artifact write where they read.
fn overwriting(graph: &Graph) -> usize {
    let artifact = Aligned::new(&compile(graph, &Options::default()).expect("it compiled before"));
    let model = Model::parse(&artifact).expect("an artifact");
    let steps = (0..model.step_count() as u16).filter_map(|step| model.step(step));
    steps.filter(|step| schedule::in_place(&model, step).is_some()).count()
}

/// Returns the bytes of the arena that a graph takes.
fn arena(graph: &Graph, switches: &Switches) -> usize {
    let options = Options { passes: switches.clone(), ..Options::default() };
    let artifact = Aligned::new(&compile(graph, &options).expect("it compiled before"));
    Model::parse(&artifact).expect("an artifact").arena_bytes()
}

#[test]
fn random_graphs_give_the_same_bits_without_what_passes_remove() {
    let graphs = if std::env::var_os("TANBO_SOAK").is_some() { 20_000 } else { 300 };
    let mut found = vec![0u64; Pass::ALL.len()];
    let mut saved = [Size::default(); 2];
    let mut in_place = 0;
    for seed in 0..graphs {
        let mut source = fastrand::Rng::with_seed(seed);
        let graph = random(&mut source);
        let inputs: Vec<_> = (0..3).map(|_| random_inputs(&graph, &mut source)).collect();
        let (_, report) = check(&graph, &Switches::default(), &inputs);
        // Some with one pass alone: what another one hides is seen there.
        if seed % 4 == 0 {
            check(&graph, &Switches::only(*source.choice(&Pass::ALL).unwrap()), &inputs);
        }
        in_place += overwriting(&graph);
        let order = report.saved.iter().find(|(pass, _)| *pass == Pass::Order).expect("it ran").1;
        let without = Switches { without: [Pass::Order].into() };
        let (arena, arena_without) = (arena(&graph, &Switches::default()), arena(&graph, &without));
        assert_eq!(arena + order.arena_bytes as usize, arena_without, "{}", text(&graph));
        for (pass, size) in &report.saved {
            let all = Pass::ALL.iter().position(|other| other == pass).unwrap();
            found[all] += u64::from(*size != Size::default());
        }
        for (total, size) in saved.iter_mut().zip([report.before, report.after]) {
            total.macs += size.macs;
            total.channels += size.channels;
            total.steps += size.steps;
        }
    }
    let found: Vec<_> = Pass::ALL.iter().zip(&found).map(|(pass, count)| format!("{pass} in {count}")).collect();
    eprintln!(
        "{graphs} graphs, no bit of difference: {}; before {:?}, after {:?}",
        found.join(", "),
        saved[0],
        saved[1]
    );
    assert!(in_place > graphs as usize / 100, "{in_place} steps write where they read");
    assert!(found.iter().all(|found| !found.ends_with("in 0")), "a pass found nothing: {found:?}");
}

#[test]
fn dead_channels_go_through_chains_of_depthwise_and_pointwise_convolutions() {
    // The second has the size of the visual wake words model and, as that one does, half its work in dead channels.
    for (size, dead, rounding) in [(48, 120, Rounding::Single), (96, 85, Rounding::Tflite)] {
        let mut source = fastrand::Rng::with_seed(size as u64);
        let net = mobilenet(size, dead, rounding, &mut source);
        // Constants away from the zero point are among them: into the bias of what reads them, which never meets padding. (Other than
        // pointwise convolutions read no channel that is constant there, so that a bias for each kind of border would save nothing.)
        let intervals = Intervals::of(&net.graph);
        let raised = net.graph.tensors.iter().enumerate().map(|(tensor, record)| {
            let channels = 0..record.shape.last().copied().unwrap_or(0);
            channels.filter(|&c| intervals.constant(tensor, c).is_some_and(|value| value != record.zero_point)).count()
        });
        let raised: usize = raised.sum();
        assert!(raised > 30, "{raised}");
        let inputs: Vec<_> = (0..2).map(|_| random_inputs(&net.graph, &mut source)).collect();
        let (after, report) = check(&net.graph, &Switches::default(), &inputs);
        assert_eq!(report.after.macs, net.live_macs, "{report}");
        assert_eq!(report.after.weights_bytes, net.live_weights_bytes, "{report}");
        assert_eq!(report.before.channels - report.after.channels, net.dead_channels, "{report}");
        assert_eq!(report.after.steps, report.before.steps, "{}", text(&after));
        assert!(net.live_macs * 2 < report.before.macs, "{report}");
        // Of 7,489,664 multiplications at 96 pixels, 3,657,311 are left.
        assert!(size != 96 || (report.before.macs, report.after.macs) == (7_489_664, 3_657_311), "{report}");
    }
}

#[test]
fn every_pass_can_be_switched_off() {
    let graph = mobilenet(16, 120, Rounding::Tflite, &mut fastrand::Rng::with_seed(3)).graph;
    let mut untouched = graph.clone();
    let report = run_passes(&mut untouched, &Switches::none());
    assert_eq!((report.before, report.saved.len()), (report.after, 0));
    assert_eq!(text(&untouched), text(&graph));
    for pass in Pass::ALL {
        assert_eq!(Pass::from_name(pass.name()), Some(pass));
        let report = run_passes(&mut graph.clone(), &Switches { without: [pass].into() });
        assert!(report.saved.iter().all(|(ran, _)| *ran != pass));
    }
}

/// The graph before and after all passes, and the report; the bits are compared on the way.
fn snapshot(graph: &Graph) -> String {
    let mut source = fastrand::Rng::with_seed(7);
    let inputs: Vec<_> = (0..4).map(|_| random_inputs(graph, &mut source)).collect();
    let (after, report) = check(graph, &Switches::default(), &inputs);
    let mut page = String::new();
    let _ = write!(page, "{}\n{}\n{report}", text(graph), text(&after));
    page
}

const RELU: Clamp = Clamp { low: -128, high: 127 };

#[test]
fn a_channel_that_is_always_zero_goes_with_what_computed_it() {
    let mut b = Builder::new("dead", Rounding::Tflite);
    let x = b.input("x", &[1, 4, 4, 2], (0.5, -128));
    let op = |data: &[i8], bias: &[i32]| NodeOp::Conv2d {
        window: window(1, 1, 0),
        groups: 1,
        weights: weights(data, bias, &[0.01]),
        clamp: RELU,
    };
    let p = b.node("pointwise", op(&[1, 2, 3, 4, 5, 6], &[0, -1_000_000, 9]), &[x], &[1, 4, 4, 3], (0.1, -128));
    let data: Vec<i8> = (1..=27).collect();
    let same =
        NodeOp::DepthwiseConv2d { window: window(3, 1, 1), weights: weights(&data, &[1, 2, 3], &[0.01]), clamp: RELU };
    let d = b.node("depthwise", same, &[p], &[1, 4, 4, 3], (0.1, -128));
    let y = b.node("project", op(&[7, 8, 9], &[-5]), &[d], &[1, 4, 4, 1], (0.2, 3));
    b.output(y);
    insta::assert_snapshot!(snapshot(&b.finish()));
}

#[test]
fn a_constant_goes_into_the_bias_only_where_no_tap_is_padded() {
    let mut b = Builder::new("constant", Rounding::Single);
    let x = b.input("x", &[1, 4, 4, 1], (0.5, -128));
    let constant = NodeOp::Conv2d {
        window: window(1, 1, 0),
        groups: 1,
        weights: weights(&[3, 0], &[0, 700], &[0.01]),
        clamp: RELU,
    };
    // Channel 1 is always 25 above the zero point.
    let valid = |b: &mut Builder, name: &str, pad: usize| {
        let p = b.node(&format!("{name} before"), constant.clone(), &[x], &[1, 4, 4, 2], (0.14, -128));
        let data: Vec<i8> = (1..=18).collect();
        let size = 2 + 2 * pad;
        let op = NodeOp::Conv2d {
            window: window(3, 1, pad),
            groups: 1,
            weights: weights(&data, &[0], &[0.01]),
            clamp: RELU,
        };
        let y = b.node(name, op, &[p], &[1, size, size, 1], (0.3, -128));
        b.output(y);
    };
    valid(&mut b, "valid", 0);
    let mut same = b.clone();
    insta::assert_snapshot!("constant_valid", snapshot(&b.finish()));
    same.graph.outputs.clear();
    valid(&mut same, "same", 1);
    insta::assert_snapshot!("constant_same", snapshot(&same.finish()));
}

#[test]
fn equal_channels_are_computed_once() {
    let mut b = Builder::new("equal", Rounding::Tflite);
    let x = b.input("x", &[1, 2, 2, 1], (0.5, 0));
    let op = NodeOp::Conv2d {
        window: window(1, 1, 0),
        groups: 1,
        weights: weights(&[5, 9, 5, 5], &[1, 1, 1, 1], &[0.1]),
        clamp: RELU,
    };
    let c = b.node("c", op, &[x], &[1, 2, 2, 4], (0.5, 0));
    let c2 = b.node("relu", NodeOp::Requantize { clamp: Clamp { low: 0, high: 127 } }, &[c], &[1, 2, 2, 4], (0.5, 0));
    let flat = b.node("flat", NodeOp::Reshape, &[c2], &[1, 16], (0.5, 0));
    // The sum with channel 2 fits; that with channel 3 does not.
    let data: Vec<i8> = [10, 20, 30, 120].into_iter().cycle().take(16).collect();
    let fc = NodeOp::FullyConnected { weights: weights(&data, &[0], &[0.01]), clamp: Clamp::INT8 };
    let y = b.node("y", fc.clone(), &[flat], &[1, 1], (1.0, 0));
    let again = b.node("again", fc, &[flat], &[1, 1], (1.0, 0));
    let sum = b.node("sum", NodeOp::Add { clamp: Clamp::INT8 }, &[y, again], &[1, 1], (2.0, 0));
    b.output(sum);
    insta::assert_snapshot!(snapshot(&b.finish()));
}

#[test]
fn concatenations_views_and_slices_lose_channels_too() {
    let mut b = Builder::new("moves", Rounding::Single);
    let x = b.input("x", &[1, 3, 3, 1], (0.5, -128));
    let conv = |data: &[i8], bias: &[i32]| NodeOp::Conv2d {
        window: window(1, 1, 0),
        groups: 1,
        weights: weights(data, bias, &[0.02]),
        clamp: RELU,
    };
    let q = (0.25, -128);
    let left = b.node("left", conv(&[3, 4], &[-1 << 20, 0]), &[x], &[1, 3, 3, 2], q);
    let gone = b.node("gone", conv(&[9], &[-1 << 20]), &[x], &[1, 3, 3, 1], q);
    let right = b.node("right", conv(&[5, 6], &[0, -1 << 20]), &[x], &[1, 3, 3, 2], q);
    let all = b.node("all", NodeOp::Concat { axis: 3 }, &[left, gone, right], &[1, 3, 3, 5], q);
    let cut = b.node("cut", NodeOp::Slice { begin: vec![0, 1, 1, 1], stride: vec![1; 4] }, &[all], &[1, 2, 2, 4], q);
    let pool = Window { kernel: [2, 1], stride: [2, 1], dilation: [1; 2], pad: [0; 2] };
    let pooled = b.node("pooled", NodeOp::MaxPool2d { window: pool, clamp: Clamp::INT8 }, &[cut], &[1, 1, 2, 4], q);
    let flat = b.node("flat", NodeOp::Reshape, &[pooled], &[1, 8], q);
    let data: Vec<i8> = (1..=8).collect();
    let fc = NodeOp::FullyConnected { weights: weights(&data, &[0], &[0.01]), clamp: Clamp::INT8 };
    let y = b.node("y", fc, &[flat], &[1, 1], (0.5, 0));
    b.output(y);
    insta::assert_snapshot!(snapshot(&b.finish()));
}

#[test]
fn moves_that_change_nothing_go() {
    let mut b = Builder::new("moves", Rounding::Tflite);
    let q = (0.5, 4);
    let x = b.input("x", &[1, 2, 3, 4], q);
    let relu = |b: &mut Builder, name: &str, x, shape: &[usize]| {
        b.node(name, NodeOp::Requantize { clamp: Clamp { low: 4, high: 127 } }, &[x], shape, q)
    };
    let first = relu(&mut b, "first", x, &[1, 2, 3, 4]);
    let t1 = b.node("t1", NodeOp::Transpose { perm: vec![0, 3, 1, 2] }, &[first], &[1, 4, 2, 3], q);
    // It is at least 4 already.
    let second = relu(&mut b, "second", t1, &[1, 4, 2, 3]);
    let t2 = b.node("t2", NodeOp::Transpose { perm: vec![0, 2, 3, 1] }, &[second], &[1, 2, 3, 4], q);
    let one = b.node("one", NodeOp::Concat { axis: 3 }, &[t2], &[1, 2, 3, 4], q);
    let padded = b.node("padded", NodeOp::Pad { before: vec![0, 1, 1, 0], value: 4 }, &[one], &[1, 4, 5, 4], q);
    let data: Vec<i8> = (0..36).collect();
    let op = NodeOp::DepthwiseConv2d {
        window: window(3, 1, 0),
        weights: weights(&data, &[0; 4], &[0.01]),
        clamp: Clamp::INT8,
    };
    let d = b.node("d", op, &[padded], &[1, 2, 3, 4], q);
    let d = relu(&mut b, "after", d, &[1, 2, 3, 4]);
    let turned = b.node("turned", NodeOp::Transpose { perm: vec![0, 3, 1, 2] }, &[d], &[1, 4, 2, 3], q);
    let flat = b.node("flat", NodeOp::Reshape, &[turned], &[1, 24], q);
    let data: Vec<i8> = (0..24).collect();
    let fc = NodeOp::FullyConnected { weights: weights(&data, &[0], &[0.01]), clamp: Clamp::INT8 };
    let y = b.node("y", fc, &[flat], &[1, 1], (0.5, 0));
    let table = |f: fn(i32) -> i32| NodeOp::Lut { table: Box::new(std::array::from_fn(|q| f(q as i32 - 128) as i8)) };
    let half = b.node("half", table(|q| q / 2), &[y], &[1, 1], q);
    let turned = b.node("negative", table(|q| (-q).min(127)), &[half], &[1, 1], q);
    b.output(turned);
    insta::assert_snapshot!(snapshot(&b.finish()));
}

#[test]
fn kernels_lose_taps_that_meet_only_padding_and_nodes_of_constants_go() {
    let mut b = Builder::new("taps", Rounding::Single);
    let x = b.input("x", &[1, 1, 5, 2], (0.5, 0));
    let data: Vec<i8> = (1..=36).collect();
    let op = NodeOp::Conv2d {
        window: window(3, 1, 1),
        groups: 1,
        weights: weights(&data, &[0, 0], &[0.01]),
        clamp: Clamp::INT8,
    };
    let c = b.node("c", op, &[x], &[1, 1, 5, 2], (0.5, 0));
    let one = b.constant("one", &[2], (0.5, 0), &[1, 2]);
    let two = b.constant("two", &[2], (0.5, 0), &[3, 4]);
    let both = b.node("both", NodeOp::Add { clamp: Clamp::INT8 }, &[one, two], &[2], (0.5, 0));
    let y = b.node("y", NodeOp::Add { clamp: Clamp::INT8 }, &[c, both], &[1, 1, 5, 2], (0.5, 0));
    b.output(y);
    insta::assert_snapshot!(snapshot(&b.finish()));
}
