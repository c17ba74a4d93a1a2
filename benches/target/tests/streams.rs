//! A streamed model on emulated cores: every output of many hops in a row is that of the model of windows on this machine.

use std::time::Duration;

use crc::{CRC_64_XZ, Crc};
use tanbo::{Engine, Family, Model};
use tanbo_compiler::graph::Graph;
use tanbo_compiler::stream::Streaming;
use tanbo_compiler::testing::wake_word;
use tanbo_compiler::{Options, compile, compile_reported};
use tanbo_emulated::host::{Job, Runner, run_job};
use tanbo_format::emit::Aligned;

/// Returns the outputs of the model of windows for each hop of a signal, which was at the input's zero point before.
fn of_windows(graph: &Graph, signal: &[u8], hop_bytes: usize) -> Vec<u8> {
    let artifact = Aligned::new(&compile(graph, &Options::default()).expect("it compiles"));
    let model = Model::parse(&artifact).expect("the compiler made it");
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, tanbo::table_or_reference(Family::Portable), &mut arena).expect("an arena");
    let input = &graph.tensors[graph.inputs[0].tensor];
    let mut window = vec![input.zero_point as u8; input.elements()];
    let mut outputs = Vec::new();
    for hop in signal.chunks_exact(hop_bytes) {
        window.rotate_left(hop_bytes);
        let fresh = window.len() - hop_bytes;
        window[fresh..].copy_from_slice(hop);
        engine.input_bytes_mut(0).expect("an input").copy_from_slice(&window);
        engine.run().expect("it runs");
        outputs.extend_from_slice(engine.output_bytes(0).expect("an output"));
    }
    outputs
}

/// 10,000 hops with `TANBO_SOAK` set.
#[test]
fn a_streamed_wake_word_gives_the_bits_of_its_windows_on_every_core() {
    let hops = if std::env::var_os("TANBO_SOAK").is_some() { 10_000 } else { 200 };
    let graph = wake_word(30, &mut fastrand::Rng::with_seed(1));
    let mut random = fastrand::Rng::with_seed(2);
    let mut signal: Vec<u8> = Vec::new();
    let mut want = Vec::new();
    for name in ["m0", "m4", "a72"] {
        let runner = Runner::by_name(name).unwrap_or_else(|e| panic!("{e}"));
        let family = Family::ALL.iter().copied().find(|family| family.name() == runner.family).expect("a family");
        let options = Options { family, streaming: Some(Streaming::default()), ..Options::default() };
        let compiled = compile_reported(&graph, &options).unwrap_or_else(|e| panic!("{e}"));
        let facts = compiled.streamed.expect("it was streamed");
        let hop_bytes = graph.tensors[graph.inputs[0].tensor].elements() / facts.window * facts.hop;
        if signal.is_empty() {
            signal.extend((0..hops as usize * hop_bytes).map(|_| random.u8(..)));
            want = of_windows(&graph, &signal, hop_bytes);
            let distinct: std::collections::BTreeSet<&u8> = want.iter().collect();
            assert!(distinct.len() > 20, "scores that hardly differ prove little: {distinct:?}");
        }
        let job = Job::new(compiled.artifact, vec![signal.clone()]);
        let job = Job { runs: hops, stream: true, timeout: Duration::from_secs(3600), ..job };
        let report = run_job(&runner, &job).unwrap_or_else(|e| panic!("{name}: {e}"));
        let digest = |bytes: &[u8]| Crc::<u64>::new(&CRC_64_XZ).checksum(bytes);
        println!(
            "{name} ({}): {hops} hops, digest {:016x}, of windows {:016x}; {} MACs and {} instructions a hop",
            report.table,
            digest(&report.outputs[0]),
            digest(&want),
            facts.macs,
            report.instructions.iter().sum::<u64>() / u64::from(hops),
        );
        assert!(report.outputs == [want.clone()], "{name}");
        assert_eq!(report.instructions.len(), hops as usize);
    }
}
