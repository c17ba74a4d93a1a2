//! A MobileNet with dead channels: time to compile it, and of an inference per kernel table with and without passes.

use criterion::{Criterion, criterion_group, criterion_main};
use tanbo::pack::repack;
use tanbo::{Engine, Model};
use tanbo_compiler::passes::Switches;
use tanbo_compiler::testing::mobilenet;
use tanbo_compiler::{Options, compile};
use tanbo_format::emit::Aligned;
use tanbo_quant::Rounding;

fn graphs(criterion: &mut Criterion) {
    // About half of the channels, as in MLPerf Tiny's person model.
    let graph = mobilenet(96, 128, Rounding::Tflite, &mut fastrand::Rng::with_seed(1)).graph;
    for (name, passes) in [("all passes", Switches::default()), ("no pass", Switches::none())] {
        let options = Options { passes, ..Options::default() };
        criterion.bench_function(&format!("compile/{name}"), |bencher| {
            bencher.iter(|| compile(&graph, &options).expect("it can be compiled"));
        });
        let portable = Aligned::new(&compile(&graph, &options).expect("it can be compiled"));
        let model = Model::parse(&portable).expect("the compiler has verified it");
        for (family, table) in tanbo_host::tables() {
            let packed = Aligned::new(&repack(&model, family).expect("what was packed is an artifact"));
            let model = Model::parse(&packed).expect("the writer has verified it");
            let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
            let mut engine = Engine::new(&model, table, &mut arena).expect("the table has every operator");
            criterion.bench_function(&format!("mobilenet/{name}/{}", table.table_name()), |bencher| {
                bencher.iter(|| engine.run().expect("a parsed artifact runs"));
            });
        }
    }
}

criterion_group!(benches, graphs);
criterion_main!(benches);
