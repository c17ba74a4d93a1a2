//! Hostile float ONNX files through calibration and quantization: tract must not see what it would panic on or ask
//! memory for.
#![cfg(feature = "onnx")]

mod hostile;
#[path = "hostile/onnx.rs"]
mod parts;

use std::fs;
use std::path::Path;

use hostile::{Random, Worst, check_refusal, mutants};
use parts::{FLOAT, damage, make, port};
use prost::Message;
use tanbo_compiler::CompileError;
use tanbo_compiler::float::FloatModel;
use tanbo_compiler::graph::Graph;
use tanbo_compiler::import::onnx::{import, operators, refused};
use tanbo_compiler::quantize::{Choice, Options, RangeMethod, SampleArray, Samples, quantize};
use tract_onnx::pb::{GraphProto, ModelProto, OperatorSetIdProto, TensorProto};

fn models() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quantize/cases");
    let mut models: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx") && !path.ends_with("answers.onnx"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    models.sort();
    assert!(models.len() >= 3, "{} models", models.len());
    models
}

/// The graph of a float model, calibrated on two samples.
fn through_the_quantizer(bytes: &[u8]) -> Result<Graph, CompileError> {
    let model = FloatModel::load(bytes, "float")?;
    let arrays = model.inputs().iter().map(|input| {
        let count = 2 * input.elements();
        let data = (0..count).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect();
        let shape = [2].into_iter().chain(input.shape.iter().copied()).collect();
        SampleArray { name: input.name.clone(), shape, data }
    });
    let samples = Samples::new(arrays.collect(), model.inputs())?;
    let options = Options {
        ranges: RangeMethod::MinMax,
        bias_correction: Choice::Off,
        equalize: Choice::Off,
        ..Options::default()
    };
    let quantized = quantize(bytes, "float", &samples, &options)?;
    import(&quantized.onnx, "float")
}

#[test]
fn mutated_float_models_give_errors_or_artifacts() {
    let mut worst = Worst::new();
    let mut random = Random(0x1234_5678_9abc_def1);
    let operators: Vec<String> = operators()
        .into_iter()
        .flatten()
        .map(|row| row.0.to_string())
        .chain(refused().map(|row| row.0.to_string()))
        .collect();
    let models = models();
    let mut unsound = Vec::new();
    let mutants = mutants(300, 10_000);
    for (name, original) in &models {
        let decoded = ModelProto::decode(original.as_slice()).unwrap();
        if let Some(reason) = worst.offer(original, || name.clone(), through_the_quantizer) {
            unsound.push(format!("{name}: {reason}"));
        }
        for number in 0..mutants.div_ceil(models.len()) {
            let bytes = if random.below(2) == 0 {
                let mut model = decoded.clone();
                for _ in 0..=random.below(2) {
                    damage(&mut model, &operators, &mut random);
                }
                model.encode_to_vec()
            } else {
                let mut bytes = original.clone();
                for _ in 0..=random.below(3) {
                    let at = random.below(bytes.len());
                    bytes[at] = random.below(256) as u8;
                }
                bytes
            };
            worst.offer(&bytes, || format!("mutant {number} of {name}"), through_the_quantizer);
        }
    }
    // Logarithms and quotients cannot take these samples.
    assert!(unsound.iter().all(|reason| reason.contains("for calibration sample")), "{unsound:#?}");
    worst.report("float mutants");
    let (accepted, refused) = (worst.accepted, worst.files - worst.accepted);
    assert!(accepted > 20 && refused > 100, "{accepted} accepted, {refused} refused");
}

/// tract reads the extent of the channels without asking whether there is one.
#[test]
fn a_normalization_without_channels_is_refused() {
    let mut worst = Worst::new();
    for dims in [&[][..], &[5]] {
        let parameter = |name: &str| TensorProto {
            name: name.into(),
            dims: vec![5],
            data_type: FLOAT,
            raw_data: 1f32.to_le_bytes().repeat(5),
            ..Default::default()
        };
        let graph = GraphProto {
            node: vec![make("BatchNormalization", &["x", "s", "b", "m", "v"], "y", vec![])],
            initializer: ["s", "b", "m", "v"].map(parameter).to_vec(),
            input: vec![port("x", FLOAT, dims)],
            output: vec![port("y", FLOAT, dims)],
            ..Default::default()
        };
        let opset_import = vec![OperatorSetIdProto { version: 20, ..Default::default() }];
        let file = ModelProto { graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec();
        let error = worst.offer(&file, || format!("{} axes", dims.len()), through_the_quantizer).expect("refused");
        check_refusal(&error);
        assert!(error.place.contains("BatchNormalization"), "{error}");
    }
}
