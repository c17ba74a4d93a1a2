//! LSTM and GRU of ONNX models against ONNX Runtime, which computes them in float: `tests/onnx/recurrent.py` makes the models.
#![cfg(feature = "onnx")]

use std::fs;
use std::path::Path;

use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_compiler::binding::Binding;
use tanbo_compiler::graph::SourceType;
use tanbo_compiler::import::onnx::import;
use tanbo_compiler::{Options, compile};
use tanbo_format::emit::Aligned;

static OPS: OpSet = OpSet::all::<Reference>();

/// Greatest distance to the float result, in steps of 1/127, and the greatest mean distance. The hidden state is rounded to
/// such steps at each step in time, and what is rounded comes back.
const MOST: i32 = 4;
const MEAN: f64 = 0.4;
/// The same for int16, in steps of 1/32767: sigmoid and tanh are rounded to such steps too.
const WIDE: (i32, f64) = (24, 3.0);
/// The same for a GRU with weights four times as large, which enlarges what is rounded from step to step.
const UNSTABLE: (&str, i32, f64) = ("gru_saturated", 40, 1.5);

/// Returns the integers in the bytes of an output.
fn integers(bytes: &[u8], ty: SourceType) -> Box<dyn Iterator<Item = i32> + '_> {
    match ty {
        SourceType::I16 => Box::new(bytes.as_chunks().0.iter().map(|&pair| i32::from(i16::from_le_bytes(pair)))),
        _ => Box::new(bytes.iter().map(|&byte| i32::from(byte as i8))),
    }
}

#[test]
fn recurrent_layers_are_near_their_float_results() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/recurrent");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".onnx")?.to_string()))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    let mut wrong = vec![];
    for name in &names {
        let read = |ending: &str| fs::read(folder.join(format!("{name}.{ending}"))).unwrap();
        let graph = import(&read("onnx"), name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let artifact = Aligned::new(&compile(&graph, &Options::default()).unwrap_or_else(|e| panic!("{name}: {e}")));
        let model = Model::parse(&artifact).unwrap();
        let mut arena = Aligned::new(&vec![0xa5; model.arena_bytes()]);
        let mut engine = Engine::new(&model, &OPS, &mut arena).unwrap();
        let input = Binding::of_port(&graph, &graph.inputs[0]).unwrap();
        let output = Binding::of_port(&graph, &graph.outputs[0]).unwrap();
        let (x, y) = (read("x"), read("y"));
        assert_eq!(x.len() / input.source_bytes(), 8);
        let (mut most, mut sum, mut count) = (0, 0i64, 0i64);
        for (x, y) in x.chunks_exact(input.source_bytes()).zip(y.chunks_exact(output.source_bytes())) {
            engine.input_bytes_mut(0).unwrap().copy_from_slice(&input.to_artifact(x).unwrap());
            engine.run().unwrap();
            let got = output.to_source(engine.output_bytes(0).unwrap()).unwrap();
            for (got, wanted) in integers(&got, output.ty).zip(integers(y, output.ty)) {
                let distance = (got - wanted).abs();
                (most, sum, count) = (most.max(distance), sum + i64::from(distance), count + 1);
            }
        }
        let mean = sum as f64 / count as f64;
        println!("{name}: at most {most} steps from the float result, {mean:.3} in the mean of {count}");
        let (most_allowed, mean_allowed) = match output.ty {
            SourceType::I16 => WIDE,
            _ if name == UNSTABLE.0 => (UNSTABLE.1, UNSTABLE.2),
            _ => (MOST, MEAN),
        };
        if most > most_allowed || mean > mean_allowed {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "too far: {wrong:?}");
}
