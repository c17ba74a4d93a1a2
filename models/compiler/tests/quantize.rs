//! Float models: tract against ONNX Runtime's answers, the passes against both, and the way through the quantizer.
//! `tests/quantize/README.md` describes the models and how the answers are made.
#![cfg(feature = "onnx")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use prost::Message;
use tanbo_compiler::CompileErrorKind;
use tanbo_compiler::float::{FloatModel, is_float};
use tanbo_compiler::import::onnx::{import_with_values, operators};
use tanbo_compiler::quantize::report::{Judge, Report, compare};
use tanbo_compiler::quantize::{
    Choice, Options, Quantized, RangeMethod, Ranges, SampleArray, Samples, Wide, quantize, quantize_frozen,
};
use tract_onnx::pb::ModelProto;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/quantize/cases")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{name}.onnx"))).unwrap()
}

/// Per case and sample: ONNX Runtime's arrays by name.
type Answers = BTreeMap<String, BTreeMap<usize, BTreeMap<String, Vec<f32>>>>;

fn answers() -> Answers {
    let model = ModelProto::decode(bytes("answers").as_slice()).unwrap();
    let mut all = Answers::new();
    for tensor in model.graph.unwrap().initializer {
        let [case, sample, name] = tensor.name.splitn(3, '/').collect::<Vec<_>>().try_into().unwrap();
        let values = tensor.raw_data.as_chunks().0.iter().map(|&c| f32::from_le_bytes(c)).collect();
        let samples = all.entry(case.to_string()).or_default();
        samples.entry(sample.parse().unwrap()).or_default().insert(name.to_string(), values);
    }
    assert_eq!(all.len(), fs::read_dir(folder()).unwrap().count() - 1, "a case has no answers, or answers no case");
    all
}

fn samples(answers: &BTreeMap<usize, BTreeMap<String, Vec<f32>>>, model: &FloatModel) -> Samples {
    let array = |port: &tanbo_compiler::float::FloatPort| SampleArray {
        name: port.name.clone(),
        shape: [answers.len()].iter().chain(&port.shape).copied().collect(),
        data: answers.values().flat_map(|tensors| tensors[&port.name].clone()).collect(),
    };
    Samples::new(model.inputs().iter().map(array).collect(), model.inputs()).unwrap()
}

fn calibrated(name: &str, options: &Options) -> (Vec<u8>, Samples, Quantized) {
    let model = bytes(name);
    let float = FloatModel::load(&model, name).unwrap();
    let samples = samples(&answers()[name], &float);
    let quantized = quantize(&model, name, &samples, options).unwrap();
    (model, samples, quantized)
}

fn report(float: &[u8], quantized: &Quantized, samples: &Samples) -> Report {
    let imported = import_with_values(&quantized.onnx, "quantized").unwrap_or_else(|e| panic!("{e}"));
    compare(float, "float", &imported, samples, &Judge::default(), &mut |_| {}).unwrap_or_else(|e| panic!("{e}"))
}

/// Largest difference in proportion to the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-30f32, |most, v| most.max(v.abs()));
    a.iter().zip(b).fold(0.0f32, |most, (x, y)| most.max((x - y).abs())) / largest
}

/// float32 sums in another order, and polynomials for exponentials in both.
const FLOAT_TOLERANCE: f32 = 1e-5;
/// Constants folded into weights round once more each.
const FOLDED_TOLERANCE: f32 = 2e-5;

#[test]
fn tract_gives_the_answers_of_onnx_runtime() {
    for (name, samples) in answers() {
        let model = FloatModel::load(&bytes(&name), &name).unwrap_or_else(|e| panic!("{name}: {e}"));
        for tensors in samples.values() {
            let inputs: Vec<&[f32]> = model.inputs().iter().map(|port| tensors[&port.name].as_slice()).collect();
            let outputs = model.run(&inputs).unwrap_or_else(|e| panic!("{name}: {e}"));
            for (port, values) in model.outputs().iter().zip(&outputs) {
                let off = difference(values, &tensors[&port.name]);
                assert!(off <= FLOAT_TOLERANCE, "{name}, {}: {off}", port.name);
            }
        }
    }
}

/// Least signal over error, dB, of outputs of 8 bits, where it is not [`LEAST_SQNR_DB`].
const LEAST_SQNR_OF: &[(&str, f64)] = &[
    // A step of Floor that 8 bits miss is a whole 1.
    ("functions", 26.0),
    // What `equalization_saves_uneven_channels` mends.
    ("uneven_channels", 9.0),
];
const LEAST_SQNR_DB: f64 = 30.0;

/// Without the trials, which take time.
fn plain() -> Options {
    Options { ranges: RangeMethod::MinMax, bias_correction: Choice::Off, equalize: Choice::Off, ..Options::default() }
}

#[test]
fn every_case_goes_through_the_quantizer_within_its_error() {
    let mut failures = Vec::new();
    for (name, answers) in answers() {
        let model = bytes(&name);
        let float = FloatModel::load(&model, &name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let samples = samples(&answers, &float);
        let quantized = match quantize(&model, &name, &samples, &plain()) {
            Ok(quantized) => quantized,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        // The passes change nothing that a real number would show.
        let reference = FloatModel::load(&quantized.reference, &name).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (i, tensors) in &answers {
            let outputs = reference.run(&samples.sample(*i)).unwrap();
            for (port, values) in reference.outputs().iter().zip(&outputs) {
                let off = difference(values, &tensors[&port.name]);
                assert!(off <= FOLDED_TOLERANCE, "{name}, {}: {off}", port.name);
            }
        }
        let report = report(&quantized.reference, &quantized, &samples);
        let least = LEAST_SQNR_OF.iter().find(|(case, _)| *case == name).map_or(LEAST_SQNR_DB, |(_, least)| *least);
        for output in report.outputs.iter().filter(|output| output.sqnr_db < least) {
            failures.push(format!("{name}, {} {}: {:.1} dB", output.producer, output.name, output.sqnr_db));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Operators that the importer takes and no float model has.
const NOT_FLOAT: &[&str] = &[
    "QuantizeLinear",
    "DequantizeLinear",
    "com.microsoft.QuantizeLinear",
    "com.microsoft.DequantizeLinear",
    "Constant",
];

#[test]
fn every_operator_has_a_float_case() {
    let mut missing: BTreeSet<&str> = operators()[0].iter().map(|row| row.0).collect();
    for name in answers().keys() {
        let graph = ModelProto::decode(bytes(name).as_slice()).unwrap().graph.unwrap();
        for node in &graph.node {
            missing.remove(node.op_type.as_str());
        }
    }
    missing.retain(|name| !NOT_FLOAT.contains(name));
    assert!(missing.is_empty(), "no case in tests/quantize/cases has {missing:?}: add it to generate.py");
}

#[test]
fn the_same_samples_give_the_same_bytes_and_frozen_ranges_give_them_again() {
    for (name, options) in [
        ("residual", Options::default()),
        ("uneven_channels", Options { equalize: Choice::On, bias_correction: Choice::On, ..Options::default() }),
        ("conv", Options { ranges: RangeMethod::Percentile(99.0), ..Options::default() }),
        ("gemm", Options { int4: ["Gemm_0".to_string()].into(), ..Options::default() }),
        ("conv", Options { wide: Wide::All, ..plain() }),
    ] {
        let (model, samples, first) = calibrated(name, &options);
        let second = quantize(&model, name, &samples, &options).unwrap();
        assert!(first.onnx == second.onnx && first.ranges == second.ranges, "{name}");
        let text = first.ranges.to_toml();
        let frozen = Ranges::from_toml(&text, "ranges.toml").unwrap();
        assert_eq!(frozen.to_toml(), text);
        assert!(quantize_frozen(&model, name, &frozen).unwrap().onnx == first.onnx, "{name}");
    }
}

#[test]
fn frozen_ranges_of_another_model_are_refused() {
    let (_, _, quantized) = calibrated("conv", &plain());
    let error = quantize_frozen(&bytes("gemm"), "gemm.onnx", &quantized.ranges).unwrap_err();
    assert_eq!(error.kind, CompileErrorKind::Inconsistent);
    assert!(error.to_string().contains("another model"), "{error}");
    for (from, to, reason) in [
        ("version = 1", "version = 2", "version 2"),
        ("version = 1", "version = 1\nextra = 3", "unknown field"),
        ("low = ", "low = 1.0 # ", "not finite or does not hold 0"),
        ("samples", "simples", "unknown field"),
    ] {
        let text = quantized.ranges.to_toml().replacen(from, to, 1);
        let error = Ranges::from_toml(&text, "ranges.toml").unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn equalization_saves_uneven_channels() {
    let of = |equalize| {
        let options =
            Options { equalize, ranges: RangeMethod::MinMax, bias_correction: Choice::Off, ..Options::default() };
        let (model, samples, quantized) = calibrated("uneven_channels", &options);
        let changed = quantized.ranges.equalization.len();
        (changed, report(&model, &quantized, &samples).outputs[0].sqnr_db)
    };
    let (without, with) = (of(Choice::Off), of(Choice::On));
    assert_eq!((without.0, with.0), (0, 1));
    assert!(with.1 > without.1 + 3.0, "{without:?} {with:?}");
    let auto = of(Choice::Auto);
    assert_eq!(auto, with);
}

#[test]
fn bias_correction_takes_the_shift_of_the_mean_back() {
    // Weights of four bits shift means visibly.
    let of = |bias_correction| {
        let int4 = ["Gemm_0".to_string(), "Gemm_2".to_string()].into();
        let options = Options { bias_correction, equalize: Choice::Off, int4, ..Options::default() };
        let (model, samples, quantized) = calibrated("gemm", &options);
        let corrected = quantized.ranges.bias_correction.len();
        (corrected, report(&model, &quantized, &samples).outputs[0].sqnr_db)
    };
    let (without, with) = (of(Choice::Off), of(Choice::On));
    assert_eq!((without.0, with.0), (0, 2));
    assert!(with.1 > without.1 + 1.0, "{without:?} {with:?}");
}

#[test]
fn sixteen_bits_reach_what_eight_do_not() {
    for name in ["conv", "conv_forms", "gemm", "matmul_add", "residual", "softmax"] {
        let of = |wide| {
            let (model, samples, quantized) = calibrated(name, &Options { wide, ..plain() });
            let sixteen = quantized.ranges.tensor.values().filter(|range| range.bits == 16).count();
            let report = report(&model, &quantized, &samples);
            let worst = report.outputs.iter().map(|output| output.sqnr_db).fold(f64::INFINITY, f64::min);
            (sixteen, quantized.ranges.tensor.len(), worst)
        };
        let (narrow, wide) = (of(Wide::None), of(Wide::All));
        assert_eq!((narrow.0, wide.0), (0, wide.1), "{name}");
        // What is left is the error of the weights.
        assert!(wide.2 > narrow.2 + 1.0, "{name}: {narrow:?} {wide:?}");
        // Asked for what 8 bits give, and for more.
        assert_eq!(of(Wide::Auto { output_sqnr_db: narrow.2 - 3.0 }).0, 0, "{name}");
        assert_eq!(of(Wide::Auto { output_sqnr_db: narrow.2 + 3.0 }), wide, "{name}");
    }
}

#[test]
fn the_report_names_the_worst_layer_first() {
    let (model, samples, quantized) = calibrated("residual", &plain());
    let report = report(&quantized.reference, &quantized, &samples);
    assert!(report.layers.len() >= 4, "{report:?}");
    assert!(report.layers.is_sorted_by(|a, b| a.sqnr_db <= b.sqnr_db));
    assert!(report.layers.iter().any(|layer| layer.producer == "Conv+Relu 'Conv_0'"), "{report:?}");
    assert!(report.layers.iter().all(|layer| layer.max_abs > 0.0 && layer.cosine > 0.99 && layer.cosine <= 1.0));
    assert_eq!(report.outputs.len(), 2);
    let (classes, samples, quantized) = calibrated("gemm", &plain());
    let imported = import_with_values(&quantized.onnx, "quantized").unwrap();
    let labelled = |count: usize| Judge { labels: Some(vec![0; count]), ..Judge::default() };
    let judged = compare(&classes, "float", &imported, &samples, &labelled(samples.count()), &mut |_| {}).unwrap();
    let accuracy = judged.accuracy.unwrap();
    assert_eq!((accuracy.float.total, accuracy.quantized.total), (samples.count(), samples.count()));
    let error = compare(&classes, "float", &imported, &samples, &labelled(5), &mut |_| {}).unwrap_err();
    assert_eq!(error.place, "labels");
    let other = compare(&model, "residual", &imported, &samples, &Judge::default(), &mut |_| {}).unwrap_err();
    assert!(other.to_string().contains("inputs"), "{other}");
}

#[test]
fn samples_are_checked() {
    let model = FloatModel::load(&bytes("arithmetic"), "arithmetic").unwrap();
    let array = |name: &str, shape: &[usize], value: f32| SampleArray {
        name: name.into(),
        shape: shape.to_vec(),
        data: vec![value; shape.iter().product()],
    };
    let (x, y) = (array("x", &[2, 1, 3, 4, 4], 0.5), array("y", &[2, 3, 1, 4], 0.5));
    assert_eq!(Samples::new(vec![y.clone(), x.clone()], model.inputs()).unwrap().count(), 2);
    for (arrays, reason) in [
        (vec![x.clone()], "'y'"),
        (vec![x.clone(), y.clone(), array("z", &[2], 0.0)], "no such input"),
        (vec![x.clone(), array("y", &[3, 3, 1, 4], 0.5)], "3 samples"),
        (vec![x.clone(), array("y", &[2, 3, 4], 0.5)], "holds no samples"),
        (vec![x.clone(), array("y", &[2, 3, 1, 4], f32::NAN)], "not finite"),
        (vec![array("x", &[0, 3, 4, 4], 0.0), array("y", &[0, 3, 1, 4], 0.0)], "no samples"),
    ] {
        let error = Samples::new(arrays, model.inputs()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn what_is_not_taken_is_refused_by_name() {
    use tract_onnx::pb::NodeProto;
    let model = bytes("conv");
    assert!(is_float(&model));
    assert!(!is_float(&calibrated("conv", &plain()).2.onnx));
    assert!(!is_float(b"nonsense"));
    let changed = |change: &dyn Fn(&mut Vec<NodeProto>)| {
        let mut proto = ModelProto::decode(model.as_slice()).unwrap();
        change(&mut proto.graph.as_mut().unwrap().node);
        FloatModel::load(&proto.encode_to_vec(), "model").err().map(|error| error.to_string()).unwrap_or_default()
    };
    let kind = |kind: &'static str| move |nodes: &mut Vec<NodeProto>| nodes[1].op_type = kind.into();
    assert!(changed(&kind("NonZero")).contains("NonZero"));
    assert!(changed(&|nodes| nodes[1].domain = "com.example".into()).contains("com.example"));
    assert!(changed(&|nodes| nodes[1].input[0] = "nothing".into()).contains("nothing"));
    assert!(changed(&|nodes| nodes.swap(0, 1)).contains("earlier node"));
    assert_eq!(changed(&|_| ()), "");
}
