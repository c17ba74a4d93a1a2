//! Time per inference of the zoo's models and of those in `benches/models`, per kernel table; tract runs the same QDQ files,
//! in float, as the baseline.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use tanbo::{Engine, Model};
use tanbo_compiler::{Options, compile, import};
use tanbo_format::emit::Aligned;
use tract_onnx::prelude::{
    Framework as _, InferenceModelExt as _, RunOptions, Tensor, TypedModel, TypedSimplePlan, tvec,
};

const MODELS: [(&str, &str); 3] = [
    ("seismic", "models/zoo/seismic/model.onnx"),
    ("ds_cnn", "benches/models/ds_cnn.onnx"),
    ("resnet8", "benches/models/resnet8.onnx"),
];

fn models(criterion: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, file) in MODELS {
        let bytes = fs::read(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut group = criterion.benchmark_group(name);
        let graph = import::onnx::import(&bytes, name).expect("a committed model");
        for (family, table) in tanbo_host::tables() {
            let artifact = compile(&graph, &Options { family, ..Options::default() }).expect("a committed model");
            let artifact = Aligned::new(&artifact);
            let model = Model::parse(&artifact).expect("what was compiled is an artifact");
            let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
            let mut engine = Engine::new(&model, table, &mut arena).expect("the table has every operator");
            group.bench_function(table.table_name(), |bencher| {
                bencher.iter(|| engine.run().expect("a parsed artifact runs"));
            });
        }
        let (plan, input) = tract(&bytes);
        group.bench_function("tract", |bencher| {
            bencher.iter(|| plan.run(tvec!(input.clone().into())).expect("tract takes the committed models"));
        });
        group.finish();
    }
}

/// tract's plan of a model, and its input in zeros.
fn tract(bytes: &[u8]) -> (Arc<TypedSimplePlan>, Tensor) {
    let model: TypedModel = tract_onnx::onnx()
        .model_for_read(&mut Cursor::new(bytes))
        .and_then(|model| model.into_optimized())
        .expect("tract takes the committed models");
    let input = model.input_fact(0).expect("an input");
    let shape = input.shape.as_concrete().expect("a shape without symbols");
    let input = Tensor::zero_dt(input.datum_type, shape).expect("a tensor");
    (model.into_runnable_with_options(&RunOptions::default()).expect("a plan"), input)
}

criterion_group!(benches, models);
criterion_main!(benches);
