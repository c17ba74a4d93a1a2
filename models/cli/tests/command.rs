//! The command as its users call it: documents, data files, exit codes, and the words people read.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use common::{document, from_npy, npy, npz, tanbo};

/// Small models with the answers of TensorFlow Lite Micro's reference kernels.
fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/tflite/models")
}

fn model(name: &str) -> String {
    models().join(name).with_extension("tflite").display().to_string()
}

/// The byte streams of the models' goldens, in their order.
fn stream(number: usize, length: usize) -> Vec<u8> {
    let mut state = 0x1234_5678u32;
    let lcg = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    match number {
        0 => std::iter::repeat_with(lcg).take(length).collect(),
        1 => (0..length).map(|i| ((7 * i) & 255) as u8).collect(),
        2 => (0..length).map(|i| if i % 2 == 0 { 0x7F } else { 0x80 }).collect(),
        _ => vec![0; length],
    }
}

fn size_of(ty: &str) -> usize {
    match ty {
        "int8" | "uint8" => 1,
        "int16" => 2,
        "int32" | "float32" => 4,
        _ => panic!("type {ty}"),
    }
}

fn shape_of(port: &Value) -> Vec<usize> {
    port["shape"].as_array().unwrap().iter().map(|axis| axis.as_u64().unwrap() as usize).collect()
}

/// The bytes of every input for a stream; a float element takes one byte `b` and is `int8(b) / 16`.
fn inputs(facts: &Value, number: usize) -> Vec<Vec<u8>> {
    let mut at = 0;
    let ports = facts["inputs"].as_array().unwrap();
    let fill = |port: &Value| {
        let ty = port["type"].as_str().unwrap();
        let elements: usize = shape_of(port).iter().product();
        let bytes = elements * if ty == "float32" { 1 } else { size_of(ty) };
        let part = stream(number, at + bytes).split_off(at);
        at += bytes;
        if ty == "float32" {
            part.iter().flat_map(|&b| (f32::from(b as i8) / 16.0).to_le_bytes()).collect()
        } else {
            part
        }
    };
    ports.iter().map(fill).collect()
}

#[test]
fn every_committed_model_equals_its_golden_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut tested = 0;
    for entry in fs::read_dir(models()).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|e| e != "tflite") {
            continue;
        }
        let golden = fs::read(file.with_extension("golden")).unwrap();
        let path = file.display().to_string();
        let facts = document(0, &["inspect", &path]);
        let mut arguments = vec!["run".to_string(), path.clone()];
        for (index, bytes) in inputs(&facts, 0).into_iter().enumerate() {
            let input = folder.path().join(format!("in{index}.bin"));
            fs::write(&input, bytes).unwrap();
            arguments.extend(["--input".to_string(), input.display().to_string()]);
        }
        let outputs: Vec<PathBuf> = (0..facts["outputs"].as_array().unwrap().len())
            .map(|i| folder.path().join(format!("out{i}.bin")))
            .collect();
        for output in &outputs {
            arguments.extend(["--output".to_string(), output.display().to_string()]);
        }
        document(0, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let answer: Vec<u8> = outputs.iter().flat_map(|output| fs::read(output).unwrap()).collect();
        // The golden holds four streams one after the other; `lcg` is the first.
        assert_eq!(answer.len() * 4, golden.len(), "{path}");
        assert!(golden.starts_with(&answer), "{path}: output differs from TFLM's");
        tested += 1;
    }
    assert!(tested >= 40, "{tested} models");
}

#[test]
fn npy_bin_and_npz_carry_the_same_elements() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let path = model("conv_3x3_same");
    let golden = fs::read(models().join("conv_3x3_same.golden")).unwrap();
    let one = golden.len() / 4;
    let facts = document(0, &["inspect", &path]);
    let (input, output) = (&facts["inputs"][0], &facts["outputs"][0]);
    assert_eq!((shape_of(input), shape_of(output)), (vec![1, 5, 7, 3], vec![1, 5, 7, 4]));
    let streams: Vec<u8> = (0..4).flat_map(|n| inputs(&facts, n).concat()).collect();
    let lcg = &streams[..streams.len() / 4];

    fs::write(at("a.bin"), lcg).unwrap();
    document(0, &["run", &path, "-i", &at("a.bin"), "-o", &at("a.out.npy")]);
    let (header, data) = from_npy(&fs::read(at("a.out.npy")).unwrap());
    assert!(header.contains("'|i1'") && header.contains("(1, 5, 7, 4)"), "{header}");
    assert_eq!(data, golden[..one]);

    // With, without, and with one more leading axis of length 1.
    for shape in ["(1, 5, 7, 3)", "(5, 7, 3)", "(1, 1, 5, 7, 3)"] {
        fs::write(at("b.npy"), npy("|i1", shape, lcg)).unwrap();
        document(0, &["run", &path, "-i", &format!("t0={}", at("b.npy")), "-o", &at("b.bin")]);
        assert_eq!(fs::read(at("b.bin")).unwrap(), golden[..one], "{shape}");
    }

    // Four samples along axis 0, in place of the batch and before it; what we write we can read.
    let (name, result) = (input["name"].as_str().unwrap(), output["name"].as_str().unwrap());
    for (shape, expected) in [("(4, 5, 7, 3)", "(4, 5, 7, 4)"), ("(4, 1, 5, 7, 3)", "(4, 1, 5, 7, 4)")] {
        for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
            let mut archive = zip::ZipWriter::new(fs::File::create(at("c.npz")).unwrap());
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            for (key, data) in [(name, &streams), ("labels", &vec![0; 4])] {
                archive.start_file(format!("{key}.npy"), options).unwrap();
                let shape = if key == name { shape } else { "(4,)" };
                std::io::Write::write_all(&mut archive, &npy("|i1", shape, data)).unwrap();
            }
            archive.finish().unwrap();
            let run = document(0, &["run", &path, "-i", &at("c.npz"), "-o", &at("c.out.npz")]);
            assert_eq!(run["samples"], 4);
            let mut archive = zip::ZipArchive::new(fs::File::open(at("c.out.npz")).unwrap()).unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut archive.by_name(&format!("{result}.npy")).unwrap(), &mut bytes).unwrap();
            let (header, data) = from_npy(&bytes);
            assert!(header.contains(expected), "{header}");
            assert_eq!(data, golden);
        }
    }
}

#[test]
fn arrays_of_int16_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let golden = fs::read(models().join("i16_relu.golden")).unwrap();
    let inspected = document(0, &["inspect", &model("i16_relu")]);
    assert_eq!((&inspected["inputs"][0]["type"], &inspected["outputs"][0]["type"]), (&"int16".into(), &"int16".into()));
    fs::write(at("x.npy"), npy("<i2", "(1, 60)", &stream(0, 120))).unwrap();
    document(0, &["run", &model("i16_relu"), "-i", &at("x.npy"), "-o", &at("y.npy")]);
    let (header, data) = from_npy(&fs::read(at("y.npy")).unwrap());
    assert!(header.contains("<i2"), "{header}");
    assert_eq!(data, golden[..120]);
}

#[test]
fn an_artifact_runs_as_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["conv_3x3_same", "softmax_2d", "depthwise_multiplier3"] {
        let path = model(name);
        let card = at("card.md");
        fs::write(&card, "# A card\n").unwrap();
        for family in ["portable", "dsp"] {
            let compiled = document(0, &["compile", &path, "-o", &at("m.tnb"), "--card", &card, "--target", family]);
            let inspected = document(0, &["inspect", &at("m.tnb")]);
            for key in ["family", "hash", "macs", "macs_source", "weights_bytes", "artifact_bytes", "arena_bytes"] {
                assert_eq!(compiled[key], inspected[key], "{name}: {key}");
            }
            assert_eq!(inspected["family"], family);
            assert_eq!(inspected["card"], "# A card\n");
            assert_eq!(fs::metadata(at("m.tnb")).unwrap().len(), inspected["artifact_bytes"].as_u64().unwrap());
            assert_eq!(document(0, &["card", &at("m.tnb")])["card"], "# A card\n");
            fs::write(at("x.bin"), inputs(&inspected, 0).concat()).unwrap();
            let run = ["run", &at("m.tnb"), "-i", &at("x.bin"), "-o", &at("y.bin")];
            if (family, name) == ("dsp", "conv_3x3_same") {
                // Constants packed for a Cortex-M mean nothing to this machine's kernels.
                let refused = tanbo(&run);
                assert_eq!(refused.status.code(), Some(2), "{refused:?}");
                assert!(
                    String::from_utf8_lossy(&refused.stderr).contains("packed for kernels other than"),
                    "{refused:?}"
                );
                continue;
            }
            document(0, &run);
            let golden = fs::read(models().join(name).with_extension("golden")).unwrap();
            assert_eq!(fs::read(at("y.bin")).unwrap(), golden[..golden.len() / 4], "{name}");
        }
    }
}

#[test]
fn a_model_fed_by_rows_runs_and_is_measured_as_any() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["conv_3x3_same", "depthwise_multiplier3", "max_pool_2x2"] {
        let path = model(name);
        let whole = document(0, &["compile", &path, "-o", &at("whole.tnb")]);
        let fed = document(0, &["compile", &path, "-o", &at("fed.tnb"), "--input-rows"]);
        assert!(fed["arena_bytes"].as_u64() < whole["arena_bytes"].as_u64(), "{name}");
        fs::write(at("x.bin"), inputs(&whole, 0).concat()).unwrap();
        document(0, &["run", &at("fed.tnb"), "-i", &at("x.bin"), "-o", &at("y.bin")]);
        let golden = fs::read(models().join(name).with_extension("golden")).unwrap();
        assert_eq!(fs::read(at("y.bin")).unwrap(), golden[..golden.len() / 4], "{name}");
        // Compared with the reference kernels on whole tensors.
        let bench = document(0, &["bench", &path, "--input-rows", "--runs", "3"]);
        assert_eq!(bench["bit_exact"], true, "{name}");
    }
    let refused = tanbo(&["bench", &model("conv_3x3_same"), "--input-rows", "--steps"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("leave --input-rows away"), "{refused:?}");
}

#[test]
fn states_carry_over_in_a_stream_and_only_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let file = models().join("../stateful/svdf_batch2.tflite");
    // 24 steps of TensorFlow Lite Micro over each of four streams, `lcg` first.
    let golden = fs::read(file.with_extension("golden")).unwrap();
    let golden = &golden[..golden.len() / 4];
    let path = file.display().to_string();
    fs::write(at("x.npz"), npz(&[("t0", npy("|i1", "(24, 2, 6)", &stream(0, 24 * 12)))])).unwrap();
    document(0, &["run", &path, "-i", &at("x.npz"), "--stream", "-o", &at("y.npy")]);
    assert_eq!(from_npy(&fs::read(at("y.npy")).unwrap()).1, golden);
    // Without it, the first sample is the same, and every sample answers whatever came before.
    document(0, &["run", &path, "-i", &at("x.npz"), "-o", &at("y.npy")]);
    let apart = from_npy(&fs::read(at("y.npy")).unwrap()).1;
    assert_eq!(apart[..6], golden[..6]);
    assert_ne!(apart, golden);
    fs::write(at("last.bin"), &stream(0, 24 * 12)[23 * 12..]).unwrap();
    document(0, &["run", &path, "-i", &at("last.bin"), "-o", &at("last.out.bin")]);
    assert_eq!(fs::read(at("last.out.bin")).unwrap(), apart[23 * 6..]);
    assert_eq!(document(0, &["bench", &path, "--runs", "10"])["bit_exact"], true);
}

#[test]
fn inspect_tells_what_a_model_takes() {
    let facts = document(0, &["inspect", &model("depthwise_multiplier3")]);
    // The published facts of every model: what other tools rely on.
    for key in [
        "macs",
        "macs_source",
        "weights_bytes",
        "artifact_bytes",
        "arena_bytes",
        "inputs",
        "outputs",
        "steps",
        "operators",
        "family",
        "hash",
        "hash_matches",
        "card",
        "signature",
    ] {
        assert!(facts.get(key).is_some(), "{key}");
    }
    let step = &facts["steps"][0];
    let (output, channels) = (shape_of(&step["output"]), shape_of(&step["inputs"][0])[3]);
    assert_eq!(step["op"], "depthwise_conv2d");
    assert_eq!(output[3], 3 * channels);
    // 3x3 taps for every output; one byte per tap and channel, four per bias.
    assert_eq!(facts["macs"], 9 * output.iter().product::<usize>());
    assert_eq!(facts["macs"], facts["macs_source"]);
    assert_eq!(facts["weights_bytes"], (9 + 4) * output[3]);
    assert_eq!(
        (&facts["family"], &facts["signature"], &facts["hash_matches"]),
        (&"portable".into(), &false.into(), &true.into())
    );
}

#[test]
fn bench_measures_and_compares_with_the_reference() {
    let path = model("conv_3x3_same");
    for runner in ["host", "host:reference"] {
        let bench = document(0, &["bench", &path, "--runner", runner, "--runs", "20"]);
        assert_eq!((&bench["runner"], &bench["bit_exact"]), (&runner.into(), &true.into()));
        assert!(bench["instructions"].is_null() && bench["flash_code_bytes"].is_null());
        let time = &bench["latency_us"];
        assert_eq!(time["runs"], 20);
        assert!(time["min"].as_f64().unwrap() > 0.0 && time["median"].as_f64() >= time["min"].as_f64(), "{time}");
        assert!(bench["stack_bytes"].as_u64().unwrap() > 100);
        let family = bench["family"].as_str().unwrap();
        let inspected = document(0, &["inspect", &path, "--target", family]);
        assert_eq!(bench["arena_bytes"], inspected["arena_bytes"]);
    }
}

#[test]
fn without_json_the_document_is_on_stdout_and_the_table_on_stderr() {
    let output = tanbo(&["inspect", &model("conv_3x3_same")]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["steps"][0]["op"], "conv2d");
    let table = String::from_utf8(output.stderr).unwrap().replace(&model("conv_3x3_same"), "MODEL");
    // The hash changes with every change of the format.
    let table = table.replace(document["hash"].as_str().unwrap(), "HASH");
    insta::assert_snapshot!("inspect_table", table);
}

#[test]
fn inspect_draws_what_lies_where_in_the_arena() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("memory.svg");
    let facts = document(0, &["inspect", &model("conv_3x3_same"), "--svg", &picture.display().to_string()]);
    let storages = facts["storages"].as_array().unwrap();
    let ends = storages.iter().map(|storage| storage["offset"].as_u64().unwrap() + storage["bytes"].as_u64().unwrap());
    assert_eq!(ends.max(), facts["arena_bytes"].as_u64());
    let text = fs::read_to_string(&picture).unwrap();
    // A frame for each storage, with its name and place for whoever points at it.
    assert_eq!(text.matches(" bytes at ").count(), storages.len());
    insta::assert_snapshot!("inspect_svg", text);
}

/// Hops along axis 0 give, hop by hop, what the model gives for the windows that they complete.
#[test]
fn a_streamed_model_takes_hops_and_gives_the_bytes_of_its_windows() {
    const ROW: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let model = model("conv_3x3_valid");
    let compiled = document(0, &["compile", &model, "--stream", "--hop", "2", "-o", &at("m.tnb")]);
    assert_eq!(shape_of(&compiled["inputs"][0]), [1, 2, 5, 2]);
    assert!(compiled["streamed"]["proved_hops"].as_u64() > Some(6), "{compiled}");
    let facts = document(0, &["inspect", &at("m.tnb")]);
    let streamed = &facts["streamed"];
    assert_eq!((&streamed["window_rows"], &streamed["hop_rows"]), (&6.into(), &2.into()));
    assert_eq!((&streamed["window_macs"], &facts["macs"]), (&1080.into(), &540.into()));
    assert!(facts["state_bytes"].as_u64() > Some(0));

    // Five hops, and the windows that they complete: before the first, all is at the input's zero point.
    let signal = stream(0, 5 * 2 * ROW);
    let all = [vec![facts["inputs"][0]["zero_point"].as_i64().unwrap() as u8; 6 * ROW], signal.clone()].concat();
    let windows: Vec<u8> = (1..=5).flat_map(|hop| all[2 * hop * ROW..][..6 * ROW].to_vec()).collect();
    fs::write(at("windows.npz"), npz(&[("t0", npy("|i1", "(5, 6, 5, 2)", &windows))])).unwrap();
    document(0, &["run", &model, "-i", &at("windows.npz"), "-o", &at("want.npy")]);
    let (header, want) = from_npy(&fs::read(at("want.npy")).unwrap());
    fs::write(at("hops.npy"), npy("|i1", "(5, 1, 2, 5, 2)", &signal)).unwrap();
    fs::write(at("short.npy"), npy("|i1", "(5, 2, 5, 2)", &signal)).unwrap();
    fs::write(at("hops.bin"), &signal).unwrap();
    for hops in ["hops.npy", "short.npy", "hops.bin"] {
        let ran =
            document(0, &["run", &at("m.tnb"), "-i", &at(hops), "-o", &at("got.npy"), "--runner", "host:reference"]);
        assert_eq!(ran["samples"], 5);
        let (shape, got) = from_npy(&fs::read(at("got.npy")).unwrap());
        assert_eq!(got, want, "{hops}");
        assert_eq!(shape == header, hops == "short.npy", "{shape} {header}");
        assert!(shape.contains("'shape': (5, "), "{shape}");
    }

    let unwritten = at("no.tnb");
    fs::write(at("odd.bin"), &signal[1..]).unwrap();
    assert_eq!(tanbo(&["run", &at("m.tnb"), "-i", &at("odd.bin")]).status.code(), Some(2));
    for refused in [&["--hop", "2"][..], &["--stream", "--hop", "6"], &["--stream", "--time-axis", "9"]] {
        let arguments = [&["compile", &model, "-o", &unwritten], refused].concat();
        assert_eq!(tanbo(&arguments).status.code(), Some(2), "{refused:?}");
    }
}

#[test]
fn a_flash_budget_is_kept_or_refused() {
    let path = model("conv_3x3_same");
    let usual = document(0, &["inspect", &path, "--target", "dsp"]);
    assert_eq!(usual["steps"][0]["packing"], "dsp");
    assert!(usual["steps"][0]["estimated_instructions"].as_u64().unwrap() > 0);
    // Eight and four channels at a time, which these are not: there is nothing to choose.
    let bytes = usual["artifact_bytes"].to_string();
    assert_eq!(document(0, &["inspect", &path, "--target", "dsp", "--flash-budget", &bytes])["hash"], usual["hash"]);
    let error = document(2, &["inspect", &path, "--target", "dsp", "--flash-budget", "300"]);
    assert!(error["error"]["reason"].as_str().unwrap().contains("more than the flash budget of 300"), "{error}");
}

#[test]
fn a_changed_hash_is_a_no() {
    let folder = tempfile::tempdir().unwrap();
    let artifact = folder.path().join("m.tnb");
    let path = artifact.display().to_string();
    document(0, &["compile", &model("conv_3x3_same"), "-o", &path]);
    assert!(document(1, &["card", &path])["card"].is_null());
    let mut bytes = fs::read(&artifact).unwrap();
    // The last bytes of the header are the hash, 16-byte sections follow at 192.
    bytes[191] ^= 1;
    fs::write(&artifact, &bytes).unwrap();
    assert_eq!(document(1, &["inspect", &path])["hash_matches"], false);
    bytes.truncate(bytes.len() / 2);
    fs::write(&artifact, &bytes).unwrap();
    assert_eq!(tanbo(&["inspect", &path]).status.code(), Some(2));
}

#[test]
fn errors_name_place_reason_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let conv = model("conv_3x3_same");
    let add = model("add_same_shape");
    let good = at("good.bin", &[0; 105]);
    let artifact = folder.path().join("m.tnb").display().to_string();
    document(0, &["compile", &conv, "-o", &artifact]);
    let packed = folder.path().join("dsp.tnb").display().to_string();
    document(0, &["compile", &conv, "-o", &packed, "--target", "dsp"]);
    let mut cut = fs::read(&artifact).unwrap();
    cut.pop();

    let calls: Vec<Vec<String>> = [
        vec!["inspect", "missing.tflite"],
        vec!["inspect", &at("model.pb", b"")],
        vec!["inspect", &at("empty.tflite", b"")],
        vec!["inspect", &at("garbage.tflite", &[0xA5; 300])],
        vec!["inspect", &at("empty.tnb", b"")],
        vec!["inspect", &at("cut.tnb", &cut)],
        vec!["inspect", &packed, "--target", "mve"],
        vec!["inspect", &conv, "--target", "m9"],
        vec!["compile", &artifact, "-o", "x.tnb"],
        vec!["compile", &conv, "-o", &at("card.tnb", b""), "--card", &at("card.bin", &[0xFF])],
        vec!["run", &conv, "-i", &good, "-r", "z80"],
        vec!["run", &conv, "-i", &at("short.bin", &[0; 104])],
        vec!["run", &conv, "-i", &at("x.txt", b"")],
        vec!["run", &conv, "-i", "t0=missing.npy"],
        vec!["run", &conv, "-i", &at("float.npy", &npy("<f4", "(1,)", &[0; 4]))],
        vec!["run", &conv, "-i", &at("double.npy", &npy("<f8", "(1,)", &[0; 8]))],
        vec!["run", &conv, "-i", &at("shape.npy", &npy("|i1", "(7, 5, 3)", &[0; 105]))],
        vec!["run", &conv, "-i", &at("batch.npy", &npy("|i1", "(2, 5, 7, 3)", &[0; 210]))],
        vec!["run", &conv, "-i", &at("lying.npy", &npy("|i1", "(1, 5, 7, 3)", &[0; 104]))],
        vec!["run", &conv, "-i", &at("huge.npy", &npy("|i1", "(4294967296, 4294967296, 4294967296)", &[0; 8]))],
        vec!["run", &conv, "-i", &at("not.npz", b"PK")],
        vec!["run", &conv, "-i", &good, "-i", &good],
        vec!["run", &conv, "-i", &good, "-o", "y.csv"],
        vec!["run", &conv, "-i", &good, "-o", "a.bin", "-o", "b.bin"],
        vec!["run", &add, "-i", &good],
        vec!["bench", &conv, "--runner", "host:fast"],
        vec!["replay", &artifact, "-i", &good],
        vec!["replay", &artifact, "-i", &at("r.csv", b"t_s,x_gal,y_gal,z_gal\n0.0,1,2,3\n0.1,1,2,3\n0.2,1,2,3\n")],
    ]
    .into_iter()
    .map(|call| call.into_iter().map(String::from).collect())
    .collect();

    let mut text = String::new();
    for call in calls {
        let arguments: Vec<&str> = call.iter().map(String::as_str).collect();
        let output = tanbo(&arguments);
        assert_eq!(output.status.code(), Some(2), "{call:?}");
        assert!(output.stdout.is_empty(), "{call:?} writes to stdout");
        text += &format!("$ tanbo {}\n{}\n", call.join(" "), String::from_utf8(output.stderr).unwrap());
    }
    let text =
        text.replace(&folder.path().display().to_string(), "TMP").replace(&models().display().to_string(), "MODELS");
    insta::assert_snapshot!("errors", text);

    // With --json the error is the document.
    let error = document(2, &["inspect", "missing.tflite"]);
    assert_eq!(error["error"]["place"], "missing.tflite");
}

#[cfg(all(feature = "onnx", feature = "nodes", feature = "probe"))]
#[test]
fn help_is_complete() {
    let mut text = String::new();
    for command in ["", "inspect", "run", "bench", "quantize", "validate", "provision write", "update"] {
        let command: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = tanbo(&command);
        assert!(output.status.success());
        text += &format!("$ tanbo {}\n{}\n", command.join(" "), String::from_utf8(output.stdout).unwrap());
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn the_demo_alarms_on_the_quake_and_not_on_the_motion() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display().to_string();
    let demo = document(0, &["demo", "--output", &at]);
    assert_eq!(demo["as_expected"], true);
    let [quake, motion] = demo["recordings"].as_array().unwrap().as_slice() else { panic!("{demo}") };
    assert_eq!((&quake["alarm"], &motion["alarm"]), (&true.into(), &false.into()));
    assert_eq!(motion["events"].as_array().map(Vec::len), Some(0));
    for replayed in [quake, motion] {
        let picture = fs::read_to_string(replayed["picture"].as_str().unwrap()).unwrap();
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    }
    // What a newcomer sees, to the sample.
    let output = tanbo(&["demo", "--output", &at]);
    let text = String::from_utf8(output.stderr).unwrap().replace(&at, "FOLDER");
    // The card counts too, and its words may change.
    let text = text.replace(&format!("{} bytes", demo["artifact_bytes"]), "SIZE bytes");
    insta::assert_snapshot!("demo", text);

    // `replay` of the same files says the same.
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic");
    let artifact = zoo.join("seismic.tnb").display().to_string();
    let recording = zoo.join("fixtures/south-napa-2014-ce68150.csv").display().to_string();
    let output = tanbo(&["--json", "replay", &artifact, "--input", &recording]);
    let lines: Vec<Value> = output
        .stdout
        .split(|&b| b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!(&lines, quake["events"].as_array().unwrap());
}

#[cfg(feature = "onnx")]
#[test]
fn the_zoo_s_golden_vectors_come_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic");
    let scores = from_npy(&fs::read(zoo.join("golden/scores.npy")).unwrap()).1;
    // An .npz is a zip of .npy files: the golden features are one as they are.
    fs::write(at("x.npz"), npz(&[("features", fs::read(zoo.join("golden/features.npy")).unwrap())])).unwrap();
    let onnx = zoo.join("model.onnx").display().to_string();
    let run = document(0, &["run", &onnx, "-i", &at("x.npz"), "-o", &at("y.npy")]);
    assert_eq!(run["outputs"][0]["type"], "float32");
    assert_eq!(from_npy(&fs::read(at("y.npy")).unwrap()).1, scores);
}

#[test]
fn a_header_for_c_holds_the_artifact_and_names_its_operators() {
    let folder = tempfile::tempdir().unwrap();
    let artifact = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime/engine/tests/data/two_layers.tnb");
    let output = folder.path().join("net.h").display().to_string();
    let arguments = ["header", artifact.to_str().unwrap(), "-o", &output, "--name", "net"];
    let facts = document(0, &arguments);
    let header = fs::read_to_string(&output).unwrap();
    for line in [
        format!("#define NET_ARENA_BYTES {}", facts["arena_bytes"]),
        format!("#define NET_STEPS {}", facts["steps"]),
        format!("static const TANBO_ALIGNED(16) uint8_t net[{}] = {{", facts["artifact_bytes"]),
        "    &tanbo_reference_fully_connected".to_string(),
    ] {
        assert!(header.lines().any(|found| found == line), "{line}: {header}");
    }
    let (_, array) = header.split_once("= {").unwrap();
    let bytes: Vec<u8> = array.split([',', '\n', ' ']).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(bytes, fs::read(&artifact).unwrap());
    let packed = document(0, &[&arguments[..], &["--target", "dsp"]].concat());
    assert_eq!(packed["family"], "dsp");
    assert!(fs::read_to_string(&output).unwrap().contains("&tanbo_dsp_fully_connected_packed"));
    let refused = tanbo(&["header", artifact.to_str().unwrap(), "-o", &output, "--name", "2nd"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn steps_of_two_runners_are_compared_and_the_first_that_differs_is_told() {
    let same = document(0, &["diff", &model("conv_3x3_same"), "--runner", "host"]);
    assert_eq!(same["runners"], serde_json::json!(["host:reference", "host"]));
    assert_eq!((same["steps"].as_u64(), same["differing"].as_array().map(Vec::len)), (Some(1), Some(0)));

    // The weights of the last layer are others.
    let artifact = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("one.tnb"), &artifact).unwrap();
    let aligned = tanbo_format::emit::Aligned::new(&artifact);
    let parsed = tanbo::Model::parse(&aligned).unwrap();
    let last = parsed.step(parsed.step_count() as u16 - 1).unwrap();
    let weights = last.constant(0).unwrap().i8().unwrap();
    let place = weights.as_ptr().addr() - aligned.as_ptr().addr();
    let mut other = artifact.clone();
    other[place..place + weights.len()].fill(127);
    fs::write(at("other.tnb"), &other).unwrap();
    let input: Vec<u8> = (0..31).map(|index| index * 4).collect();
    fs::write(at("x.bin"), input).unwrap();
    let files = [at("one.tnb"), at("other.tnb"), at("x.bin")];
    let differ = document(1, &["diff", &files[0], &files[1], "-r", "host", "-r", "host:reference", "-i", &files[2]]);
    let steps = differ["differing"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{differ}");
    let step = &steps[0];
    assert_eq!((&step["step"], &step["operator"]), (&2.into(), &"fully_connected".into()));
    assert_eq!((&step["values"], &step["of"], &step["first"]), (&1.into(), &1.into(), &serde_json::json!([0, 0])));
    let found: Vec<i64> = step["found"].as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect();
    assert_eq!(step["greatest"].as_u64().unwrap(), found[0].abs_diff(found[1]));

    for (arguments, reason) in [
        (vec!["diff", &files[0], &model("conv_3x3_same"), "-r", "host"], "other steps"),
        (vec!["diff", &files[0], "-r", "host", "-r", "host", "-r", "host"], "3 runners"),
        (vec!["diff", &files[0], "-r", "nowhere"], "no runner 'nowhere'"),
    ] {
        let refused = tanbo(&arguments);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(reason), "{reason}");
    }
}
