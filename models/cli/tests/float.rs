//! Float models on the command line: samples, ranges, and what is said where they are missing or wrong.

mod common;

use std::fs;
use std::path::Path;

use common::{Folder, document, floats, from_npy, npy, npz, tanbo};

/// The zoo's float model, with samples of its one input.
fn zoo(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic").join(name).display().to_string()
}

#[test]
fn a_float_model_runs_with_samples_to_calibrate_it() {
    let folder = Folder::new();
    let (float, samples) = (zoo("float.onnx"), zoo("samples/calibrate.npz"));
    // The quickest way; what else there is has its own test.
    let samples = ["--calibrate", &samples, "--method", "minmax", "--no-equalize", "--no-bias-correction"];
    let document = |code, arguments: &[&str]| document(code, &[arguments, &samples].concat());
    let compiled = document(0, &["compile", &float, "-o", &folder.at("m.tnb")]);
    assert_eq!(compiled["operators"], serde_json::json!(["fully_connected"]));
    // One file, one command, one artifact.
    document(0, &["compile", &float, "-o", &folder.at("again.tnb")]);
    assert_eq!(fs::read(folder.path("m.tnb")).unwrap(), fs::read(folder.path("again.tnb")).unwrap());
    assert_eq!(document(0, &["inspect", &float])["hash"], compiled["hash"]);
    assert_eq!(document(0, &["bench", &float, "--runs", "10"])["bit_exact"], true);

    // Real numbers in and out, near the committed model's, whose score ends at 16.
    let features = fs::read(zoo("golden/features.npy")).unwrap();
    let input = folder.with("x.npz", &npz(&[("features", features)]));
    let run = document(0, &["run", &float, "-i", &input, "-o", &folder.at("y.npy")]);
    assert_eq!((&run["samples"], &run["outputs"][0]["type"]), (&64.into(), &"float32".into()));
    let elements = |bytes: &[u8]| -> Vec<f32> {
        from_npy(bytes).1.as_chunks::<4>().0.iter().map(|&element| f32::from_le_bytes(element)).collect()
    };
    let given = elements(&fs::read(folder.path("y.npy")).unwrap());
    let golden = elements(&fs::read(zoo("golden/scores.npy")).unwrap());
    let near = given.iter().zip(&golden).filter(|(a, b)| (a.clamp(-16.0, 15.875) - *b).abs() < 2.0).count();
    assert!(given.len() == 64 && near >= 60, "{near} of {} are near", given.len());
}

/// The zoo's frozen ranges give the scales of its quantized model.
#[test]
fn the_zoo_s_ranges_need_no_samples() {
    let (float, ranges) = (zoo("float.onnx"), zoo("ranges.toml"));
    let own = document(0, &["inspect", &float, "--ranges", &ranges]);
    let committed = document(0, &["inspect", &zoo("seismic.tnb")]);
    let scales = |document: &serde_json::Value| -> Vec<[serde_json::Value; 2]> {
        let steps = document["steps"].as_array().unwrap().iter();
        steps.map(|step| ["scale", "zero_point"].map(|key| step["output"][key].clone())).collect()
    };
    assert_eq!(scales(&own), scales(&committed));
    assert_eq!(own["state_bytes"], 0);
}

#[test]
fn samples_are_found_by_name_order_or_alone() {
    let folder = Folder::new();
    let float = zoo("float.onnx");
    let rows: Vec<f32> = (0..4 * 31).map(|i| (i % 64) as f32 / 8.0 - 4.0).collect();
    let array = floats("(4, 31)", &rows);
    let hash = |samples: &str| document(0, &["inspect", &float, "--calibrate", samples])["hash"].clone();
    let labels = npy("<i8", "(4,)", &[0; 32]);
    let by_name = hash(&folder.with("a.npz", &npz(&[("labels", labels), ("features", array.clone())])));
    assert_eq!(by_name, hash(&folder.with("b.npz", &npz(&[("arr_0", array.clone())]))));
    let labels = npy("<i8", "(4,)", &[0; 32]);
    assert_eq!(by_name, hash(&folder.with("x.npz", &npz(&[("x", array.clone()), ("labels", labels)]))));
    assert_eq!(by_name, hash(&folder.with("c.npy", &array)));
    // With the model's leading axis of length 1.
    assert_eq!(by_name, hash(&folder.with("d.npy", &floats("(4, 1, 31)", &rows))));
}

#[test]
fn errors_say_what_to_give() {
    let folder = Folder::new();
    let (float, good) = (zoo("float.onnx"), zoo("samples/calibrate.npz"));
    let row = floats("(1, 31)", &[0.5; 31]);
    let with = |name: &str, arrays: &[(&str, Vec<u8>)]| folder.with(name, &npz(arrays));
    let mut nan = [0.5; 62];
    nan[40] = f32::NAN;
    let mut endless = nan;
    endless[40] = f32::NEG_INFINITY;
    // A file of some hundred bytes that says it holds 2 GiB.
    let mut bomb = npz(&[("features", row.clone())]);
    let size = (row.len() as u32).to_le_bytes();
    for at in 0..bomb.len() - 4 {
        if bomb[at..at + 4] == size {
            bomb[at..at + 4].copy_from_slice(&(1u32 << 31).to_le_bytes());
        }
    }
    let mut calls = vec![
        vec!["inspect", &float],
        vec!["run", &float, "-i", "x y.npy"],
        vec!["bench", &float, "--runner", "m4"],
        vec!["compile", &float, "-o", "m.tnb", "--method", "mse"],
        vec!["card", &float],
        vec!["inspect", &float, "--calibrate", &good, "--ranges", "r.toml"],
        vec!["inspect", &float, "--calibrate", &good, "--method", "best"],
        vec!["inspect", &float, "--calibrate", &good, "--method", "percentile:5"],
        vec!["inspect", &float, "--calibrate", &good, "--activations", "auto:high"],
    ];
    // Every operator that stands in the way, not only the first.
    let refused = format!("{}/tests/models/refused.onnx", env!("CARGO_MANIFEST_DIR"));
    calls.push(vec!["inspect", &refused]);
    let quantized = zoo("model.onnx");
    let artifact = zoo("seismic.tnb");
    calls.push(vec!["inspect", &quantized, "--calibrate", &good]);
    calls.push(vec!["inspect", &artifact, "--ranges", "ranges.toml"]);
    let not_ranges = folder.with("not.toml", b"features = { scale = 0.25, zero_point = 0 }");
    calls.push(vec!["inspect", &float, "--ranges", &not_ranges]);
    let files = [
        "missing.npz".to_string(),
        folder.with("x.txt", b""),
        folder.with("not.npz", b"PK"),
        folder.with("bomb.npz", &bomb),
        with("nothing.npz", &[]),
        with("other.npz", &[("x", row.clone()), ("z", row.clone())]),
        with("double.npz", &[("features", npy("<f8", "(1, 31)", &[0; 248]))]),
        with("shape.npz", &[("features", floats("(31,)", &[0.5; 31]))]),
        with("empty.npz", &[("features", floats("(0, 31)", &[]))]),
        with("nan.npz", &[("features", floats("(2, 31)", &nan))]),
        with("endless.npz", &[("features", floats("(2, 31)", &endless))]),
        with("two.npz", &[("features", row.clone()), ("y", row.clone()), ("labels", row.clone())]),
        with("float.npz", &[("features", row.clone()), ("y", floats("(1,)", &[1.0]))]),
        with("matrix.npz", &[("features", row.clone()), ("y", npy("|u1", "(1, 2)", &[0, 1]))]),
        with("below.npz", &[("features", row.clone()), ("y", npy("|i1", "(1,)", &[255]))]),
        with("more.npz", &[("features", row.clone()), ("y", npy("|u1", "(2,)", &[0, 1]))]),
    ];
    calls.extend(files.iter().map(|file| vec!["inspect", &float, "--calibrate", file]));

    let mut text = String::new();
    for call in &calls {
        let output = tanbo(call);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{call:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{call:?} writes to stdout");
        text += &format!("$ tanbo {}\n{stderr}\n", call.join(" "));
    }
    let text = text.replace(&folder.at(""), "TMP/").replace(&zoo(""), "ZOO/");
    let text = text.replace(&format!("{}/tests/models/", env!("CARGO_MANIFEST_DIR")), "MODELS/");
    insta::assert_snapshot!("float_errors", text);
}
