//! Float TensorFlow Lite models, translated to ONNX: tract computes what LiteRT does.
#![cfg(all(feature = "onnx", feature = "tflite"))]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use tanbo_compiler::import::tflite::float::{is_float, to_onnx};
use tract_onnx::prelude::*;

/// The bytes of the streams that tests/tflite/README.md defines.
fn stream(name: &str) -> Box<dyn Iterator<Item = u8>> {
    let mut s = 0x1234_5678u32;
    match name {
        "lcg" => Box::new(std::iter::repeat_with(move || {
            s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (s >> 24) as u8
        })),
        "ramp" => Box::new((0u32..).map(|i| (7 * i) as u8)),
        "alt" => Box::new([0x7F, 0x80].into_iter().cycle()),
        _ => Box::new(std::iter::repeat(0)),
    }
}

fn outputs(onnx: &[u8], name: &str) -> Vec<f32> {
    let model = tract_onnx::onnx().model_for_read(&mut Cursor::new(onnx)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    let shapes: Vec<Vec<usize>> = model
        .input_outlets()
        .unwrap()
        .iter()
        .map(|&outlet| model.outlet_fact(outlet).unwrap().shape.as_concrete_finite().unwrap().unwrap().to_vec())
        .collect();
    let model = model.into_optimized().unwrap_or_else(|e| panic!("{name}: {e:?}")).into_runnable().unwrap();
    let mut all = Vec::new();
    for kind in ["lcg", "ramp", "alt", "zero"] {
        let mut bytes = stream(kind);
        let inputs = shapes.iter().map(|shape| {
            let values: Vec<f32> =
                bytes.by_ref().take(shape.iter().product()).map(|b| f32::from(b as i8) / 16.0).collect();
            Tensor::from_shape(shape, &values).unwrap().into()
        });
        for output in model.run(inputs.collect()).unwrap() {
            all.extend_from_slice(output.to_plain_array_view::<f32>().unwrap().as_slice().unwrap());
        }
    }
    all
}

#[test]
fn the_translation_computes_what_the_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tflite/float");
    let mut models = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "tflite") {
            continue;
        }
        models += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let file = fs::read(&path).unwrap();
        assert!(is_float(&file), "{name}");
        let got = outputs(&to_onnx(&file, name).unwrap_or_else(|e| panic!("{name}: {e}")), name);
        let golden = fs::read(path.with_extension("golden")).unwrap();
        let want: Vec<f32> = golden.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(got.len(), want.len(), "{name}");
        // Both sum in f32, in orders of their own.
        let largest = want.iter().fold(0f32, |m, w| m.max(w.abs()));
        for (i, (g, w)) in got.iter().zip(&want).enumerate() {
            assert!((g - w).abs() <= 1e-5 * largest, "{name}, value {i}: {g}, not {w}");
        }
    }
    assert_eq!(models, 58);
}

#[test]
fn a_quantized_model_is_none_of_its_business() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tflite/models");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "tflite") {
            assert!(!is_float(&fs::read(&path).unwrap()), "{}", path.display());
        }
    }
}

#[test]
fn no_damaged_file_panics() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tflite/float/conv_3x3_same.tflite");
    let file = fs::read(path).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut mutant = file.clone();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(..mutant.len());
            mutant[at] = random.u8(..);
        }
        let _ = (is_float(&mutant), to_onnx(&mutant, "mutant"));
    }
}
