//! Microseconds per inference of each model of the zoo, per kernel table.

use criterion::{Criterion, criterion_group, criterion_main};
use tanbo::pack::repack;
use tanbo::{Engine, Model};
use tanbo_format::emit::Aligned;

fn models(criterion: &mut Criterion) {
    for &(name, artifact) in tanbo_zoo::ALL {
        let model = Model::parse(artifact).expect("the zoo holds artifacts");
        for (family, table) in tanbo_host::tables() {
            let packed = Aligned::new(&repack(&model, family).expect("what was packed is an artifact"));
            let model = Model::parse(&packed).expect("the writer has verified it");
            let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
            let mut engine = Engine::new(&model, table, &mut arena).expect("the table has every operator");
            criterion.bench_function(&format!("{name}/{}", table.table_name()), |bencher| {
                bencher.iter(|| engine.run().expect("a parsed artifact runs"));
            });
        }
    }
}

criterion_group!(benches, models);
criterion_main!(benches);
