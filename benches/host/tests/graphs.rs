//! Random graphs on every kernel table of this machine, with and without passes: the bits are those of the reference kernels
//! run node by node.

use tanbo::pack::repack;
use tanbo::{Engine, Model, OpSet};
use tanbo_compiler::graph::Graph;
use tanbo_compiler::passes::Switches;
use tanbo_compiler::testing::{mobilenet, random, random_inputs, run, text};
use tanbo_compiler::{Options, compile};
use tanbo_format::emit::Aligned;
use tanbo_quant::Rounding;

/// Graphs of the random test; a hundred times as many with TANBO_SOAK set.
const GRAPHS: u64 = 150;

/// Returns the outputs of an artifact on one kernel table.
fn outputs(artifact: &[u8], table: &'static OpSet, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let aligned = Aligned::new(artifact);
    let model = Model::parse(&aligned).unwrap();
    let mut arena = Aligned::new(&vec![0x55; model.arena_bytes()]);
    let mut engine = Engine::new(&model, table, &mut arena).unwrap();
    for (number, bytes) in inputs.iter().enumerate() {
        engine.input_bytes_mut(number).unwrap().copy_from_slice(bytes);
    }
    engine.run().unwrap();
    (0..model.outputs().len()).map(|number| engine.output_bytes(number).unwrap().to_vec()).collect()
}

fn check(graph: &Graph, inputs: &[Vec<u8>]) {
    let values = run(graph, inputs);
    let want: Vec<_> = graph.outputs.iter().map(|port| values[&port.tensor].clone()).collect();
    for passes in [Switches::default(), Switches::none()] {
        let options = Options { passes: passes.clone(), ..Options::default() };
        let portable = Aligned::new(&compile(graph, &options).unwrap());
        let model = Model::parse(&portable).unwrap();
        for (family, table) in tanbo_host::tables() {
            let got = outputs(&repack(&model, family).unwrap(), table, inputs);
            assert!(got == want, "{} with {passes:?} differs\n{}", table.table_name(), text(graph));
        }
    }
}

#[test]
fn random_graphs_give_the_same_bits_on_every_table() {
    let graphs = if std::env::var_os("TANBO_SOAK").is_some() { 100 * GRAPHS } else { GRAPHS };
    for seed in 0..graphs {
        let mut source = fastrand::Rng::with_seed(1 << 32 | seed);
        let graph = random(&mut source);
        check(&graph, &random_inputs(&graph, &mut source));
    }
}

#[test]
fn a_mobilenet_gives_the_same_bits_on_every_table() {
    let mut source = fastrand::Rng::with_seed(5);
    let graph = mobilenet(32, 120, Rounding::Tflite, &mut source).graph;
    check(&graph, &random_inputs(&graph, &mut source));
}
