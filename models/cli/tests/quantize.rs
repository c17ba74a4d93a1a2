//! `quantize` and `validate`: what they measure, write, answer and refuse.

mod common;

use std::fs;
use std::path::Path;

use serde_json::Value;

use common::{Folder, document, floats, npy, npz, tanbo};

fn zoo(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic").join(name).display().to_string()
}

/// Files of `models.py`.
fn model(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name).display().to_string()
}

fn hash(artifact: &str) -> Value {
    document(0, &["inspect", artifact])["hash"].clone()
}

#[test]
fn quantize_measures_and_writes_what_is_asked_for() {
    let folder = Folder::new();
    let (float, calibrate, test) = (model("classes.onnx"), model("calibrate.npz"), model("test.npz"));
    let [artifact, ranges, qdq, curve] = ["m.tnb", "r.toml", "q.onnx", "c.svg"].map(|name| folder.at(name));
    let inputs = ["quantize", &float, "--calibrate", &calibrate, "--test", &test];
    let results = ["-o", &artifact, "--ranges-out", &ranges, "--qdq", &qdq, "--curve", &curve];
    let told = document(0, &[&inputs[..], &results[..]].concat());
    assert_eq!((&told["calibration"]["samples"], &told["measured"]["samples"]), (&32.into(), &32.into()));
    assert_eq!(told["measured"]["held_out"], true);
    assert_eq!(told["written"].as_array().map(Vec::len), Some(4));
    assert_eq!(told["artifact_bytes"], fs::metadata(&artifact).unwrap().len());
    assert!(told["decisions"].as_array().is_some_and(|lines| lines.iter().all(|line| line["what"].is_string())));

    // Layers by name, the worst first; the output is what `validate` finds of the artifact itself.
    let measured = &told["measured"];
    let layers = measured["layers"].as_array().unwrap();
    let ratios: Vec<f64> = layers.iter().map(|layer| layer["sqnr_db"].as_f64().unwrap()).collect();
    assert!(ratios.len() >= 2 && ratios.is_sorted(), "{ratios:?}");
    assert!(
        layers.iter().any(|layer| layer["name"] == "positive" && layer["node"] == "Conv+Relu 'conv'"),
        "{layers:?}"
    );
    let validated = document(0, &["validate", &artifact, "--against", &float, "--data", &test]);
    for key in ["agreement", "accuracy", "disagreements"] {
        assert_eq!(validated[key], measured[key], "{key}");
    }
    for key in ["name", "elements", "sqnr_db", "cosine", "max_error", "rms"] {
        assert_eq!(validated["outputs"][0][key], measured["outputs"][0][key], "{key}");
    }

    // Every eighth of the 32 labels is not the float model's class.
    let accuracy = &measured["accuracy"];
    assert_eq!((&accuracy["float"]["count"], &accuracy["float"]["of"]), (&28.into(), &32.into()));
    let [low, difference, high] = ["low", "difference", "high"].map(|key| accuracy[key].as_f64().unwrap());
    assert!(low < difference && difference < high, "{accuracy}");
    let disagreeing = measured["disagreements"]["count"].as_u64().unwrap();
    assert_eq!(measured["agreement"]["count"].as_u64().unwrap() + disagreeing, 32);

    // The picture shows the points of the document.
    let picture = fs::read_to_string(&curve).unwrap();
    let points = told["curve"].as_array().unwrap();
    assert!(points.len() >= 2 && points[0]["label"] == "int8", "{points:?}");
    assert_eq!(picture.matches("<circle").count(), 2 * points.len());
    assert_eq!(points[0]["accuracy"], accuracy["quantized"]);

    // Frozen ranges and the model in QDQ form both give the artifact again.
    for again in [
        vec!["compile", &float, "--ranges", &ranges, "-o", &folder.at("again.tnb")],
        vec!["quantize", &float, "--ranges", &ranges, "-o", &folder.at("again.tnb")],
        vec!["compile", &qdq, "-o", &folder.at("again.tnb")],
    ] {
        document(0, &again);
        assert_eq!(hash(&folder.at("again.tnb")), hash(&artifact), "{again:?}");
    }
    // Nothing to measure with.
    assert!(document(0, &["quantize", &float, "--ranges", &ranges])["measured"].is_null());
}

#[test]
fn figures_of_the_calibration_samples_are_called_an_estimate() {
    let output = tanbo(&[
        "quantize",
        &model("classes.onnx"),
        "--calibrate",
        &model("calibrate.npz"),
        "--method",
        "minmax",
        "--no-equalize",
        "--no-bias-correction",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["measured"]["held_out"], false);
    // Figures depend on the float arithmetic of the machine.
    let table = String::from_utf8(output.stderr).unwrap().replace(&model(""), "MODELS/");
    let masked: String = table.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let squeezed: Vec<String> =
        masked.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    insta::assert_snapshot!("quantize_table", squeezed.join("\n"));
}

#[test]
fn a_one_element_output_is_judged_by_its_threshold() {
    let samples = [zoo("samples/calibrate.npz"), zoo("samples/test.npz")];
    let told = document(
        0,
        &["quantize", &zoo("float.onnx"), "--calibrate", &samples[0], "--test", &samples[1], "--threshold", "0.125"],
    );
    let accuracy = &told["measured"]["accuracy"];
    // What ONNX Runtime gives for the float model: 0.91155 of 1,221.
    assert_eq!((&accuracy["float"]["count"], &accuracy["float"]["of"]), (&1113.into(), &1221.into()));
    let share = accuracy["quantized"]["share"].as_f64().unwrap();
    assert!(share > 0.85, "{accuracy}");
    // The committed artifact, made by other means.
    let told = document(
        0,
        &[
            "validate",
            &zoo("seismic.tnb"),
            "--against",
            &zoo("float.onnx"),
            "--data",
            &samples[1],
            "--threshold",
            "0.125",
        ],
    );
    assert_eq!(told["accuracy"]["quantized"]["count"], 1122);
}

#[test]
fn validate_answers() {
    let folder = Folder::new();
    let (float, calibrate, test) = (model("classes.onnx"), model("calibrate.npz"), model("test.npz"));
    let [artifact, qdq] = ["m.tnb", "q.onnx"].map(|name| folder.at(name));
    document(0, &["quantize", &float, "--calibrate", &calibrate, "-o", &artifact, "--qdq", &qdq]);
    let validate = |code, file: &str, limits: &[&str]| {
        document(code, &[&["validate", file, "--against", &float, "--data", &test][..], limits].concat())
    };
    // Channels last in the artifact, first in the models: the same answers.
    let told = validate(0, &artifact, &[]);
    assert_eq!(validate(0, &qdq, &[])["outputs"], told["outputs"]);
    assert_eq!(validate(0, &float, &["--calibrate", &calibrate])["outputs"], told["outputs"]);
    assert_eq!(
        (&told["bit_exact"], &told["valid"], &told["checks"]),
        (&true.into(), &true.into(), &Value::Array(vec![]))
    );
    assert_eq!(validate(0, &artifact, &["--runner", "host:reference"])["table"], "reference");
    // Read with its axes as they lie, the input is another one.
    let mixed = validate(0, &artifact, &["--layout", "same"]);
    assert!(mixed["outputs"][0]["sqnr_db"].as_f64() < told["outputs"][0]["sqnr_db"].as_f64());

    let (ratio, error) =
        (told["outputs"][0]["sqnr_db"].as_f64().unwrap(), told["outputs"][0]["max_error"].as_f64().unwrap());
    for (flag, yes, no) in [("--min-sqnr", ratio - 0.1, ratio + 0.1), ("--max-error", error * 1.01, error * 0.99)] {
        let (yes, no) = (yes.to_string(), no.to_string());
        assert_eq!(validate(0, &artifact, &[flag, &yes])["valid"], true);
        let told = validate(1, &artifact, &[flag, &no]);
        assert_eq!((&told["valid"], &told["checks"][0]["holds"]), (&false.into(), &false.into()));
    }

    // The seismic artifact was calibrated on other samples: some scores lie on the other side of the threshold.
    let [artifact, float, test] = ["seismic.tnb", "float.onnx", "samples/test.npz"].map(zoo);
    let validate = |code, limits: &[&str]| {
        let what = ["validate", &artifact, "--against", &float, "--data", &test, "--threshold", "0.125"];
        document(code, &[&what[..], limits].concat())
    };
    let told = validate(0, &[]);
    let count = told["disagreements"]["count"].as_u64().unwrap();
    let share = told["agreement"]["share"].as_f64().unwrap();
    assert!(count > 0, "{told}");
    validate(0, &["--min-agreement", &format!("{}%", 100.0 * share - 0.01)]);
    validate(1, &["--min-agreement", &(share + 0.001).to_string()]);
    validate(0, &["--max-disagreements", &count.to_string()]);
    // Several limits: one that does not hold is enough.
    let told = validate(1, &["--max-disagreements", &(count - 1).to_string(), "--min-sqnr", "-100"]);
    assert_eq!((&told["checks"][0]["check"], &told["checks"][0]["holds"]), (&"min_sqnr".into(), &true.into()));
    assert_eq!(
        (&told["checks"][1]["check"], &told["checks"][1]["holds"]),
        (&"max_disagreements".into(), &false.into())
    );
}

#[test]
fn inputs_are_told_apart_by_name_or_order() {
    let folder = Folder::new();
    let two = model("two.onnx");
    let (a, b) = (floats("(2, 4)", &[1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.0, 2.0]), floats("(2, 4)", &[0.5; 8]));
    let named = folder.with("named.npz", &npz(&[("b", b.clone()), ("a", a.clone())]));
    let ordered = folder.with("ordered.npz", &npz(&[("arr_0", a), ("arr_1", b)]));
    let [one, other] =
        [&named, &ordered].map(|file| document(0, &["inspect", &two, "--calibrate", file])["hash"].clone());
    assert_eq!(one, other);
    let told = document(0, &["validate", &two, "--calibrate", &named, "--against", &two, "--data", &ordered]);
    assert!(told["outputs"][0]["max_error"].as_f64() < Some(0.05), "{told}");
}

#[test]
fn errors_say_what_to_give() {
    let folder = Folder::new();
    let (float, calibrate, test) = (model("classes.onnx"), model("calibrate.npz"), model("test.npz"));
    let [artifact, ranges] = ["m.tnb", "r.toml"].map(|name| folder.at(name));
    document(0, &["quantize", &float, "--calibrate", &calibrate, "-o", &artifact, "--ranges-out", &ranges]);
    let x = npy("<f4", "(1, 2, 4, 6)", &[0; 192]);
    let beyond = folder.with("beyond.npz", &npz(&[("x", x.clone()), ("labels", npy("|u1", "(1,)", &[3]))]));
    let fewer = folder.with("fewer.npz", &npz(&[("x", x), ("labels", npy("|u1", "(0,)", &[]))]));
    let (seismic, quantized, seismic_samples) = (zoo("float.onnx"), zoo("model.onnx"), zoo("samples/test.npz"));
    let seismic_artifact = zoo("seismic.tnb");
    let quantize = ["quantize", &float, "--calibrate", &calibrate];
    let validate = ["validate", &artifact, "--against", &float, "--data", &test];
    let calls: Vec<Vec<&str>> = vec![
        vec!["quantize", &float],
        vec!["quantize", &quantized, "--calibrate", &calibrate],
        vec!["quantize", &seismic, "--ranges", &ranges],
        [&quantize[..], &["--test", &beyond]].concat(),
        [&quantize[..], &["--test", &fewer]].concat(),
        [&quantize[..], &["--test", &test, "--threshold", "0"]].concat(),
        [&quantize[..], &["--int4", "nothing"]].concat(),
        [&quantize[..], &["--activations", "nothing"]].concat(),
        [&quantize[..], &["-o", "missing/m.tnb"]].concat(),
        vec!["quantize", &float, "--ranges", &ranges, "--curve", "c.svg"],
        vec!["quantize", &seismic, "--calibrate", &seismic_samples],
        vec!["validate", &artifact, "--against", &quantized, "--data", &test],
        vec!["validate", &artifact, "--against", &float, "--data", &seismic_samples],
        vec!["validate", &artifact, "--against", &float, "--data", &beyond],
        vec!["validate", &seismic_artifact, "--against", &float, "--data", &test],
        vec!["validate", &seismic_artifact, "--against", &seismic, "--data", &seismic_samples],
        [&validate[..], &["--threshold", "0.5"]].concat(),
        [&validate[..], &["--min-agreement", "2"]].concat(),
        [&validate[..], &["--max-error", "-1"]].concat(),
        [&validate[..], &["--runner", "z80"]].concat(),
        [&validate[..], &["--calibrate", &calibrate]].concat(),
    ];
    let mut text = String::new();
    for call in &calls {
        let output = tanbo(call);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{call:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{call:?} writes to stdout");
        // How long it took to get there is for people.
        let stderr: Vec<&str> = stderr.lines().filter(|line| !line.ends_with(" to do")).collect();
        text += &format!("$ tanbo {}\n{}\n\n", call.join(" "), stderr.join("\n"));
    }
    let text = text.replace(&folder.at(""), "TMP/").replace(&zoo(""), "ZOO/").replace(&model(""), "MODELS/");
    insta::assert_snapshot!("quantize_errors", text);
}
