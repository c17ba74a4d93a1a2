//! TensorFlow Lite models end to end against the outputs of TensorFlow Lite Micro's reference kernels.
//! `tests/tflite/README.md` describes the models, the streams and the goldens.
#![cfg(feature = "tflite")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_compiler::binding::Binding;
use tanbo_compiler::graph::{Graph, NodeOp, Port, SourceType};
use tanbo_compiler::import::tflite::import;
use tanbo_compiler::{CompileError, Options, compile};
use tanbo_format::emit::Aligned;

static OPS: OpSet = OpSet::all::<Reference>();

const STREAMS: [&str; 4] = ["lcg", "ramp", "alt", "zero"];

/// The bytes of a stream, without end.
fn stream(name: &str) -> Box<dyn Iterator<Item = u8>> {
    match name {
        "lcg" => {
            Box::new(std::iter::successors(Some(lcg(0x1234_5678)), |&s| Some(lcg(s))).map(|s: u32| (s >> 24) as u8))
        }
        "ramp" => Box::new((0u8..=255).cycle().map(|i| i.wrapping_mul(7))),
        "alt" => Box::new([0x7f, 0x80].into_iter().cycle()),
        "zero" => Box::new(std::iter::repeat(0)),
        other => panic!("no stream {other}"),
    }
}

fn lcg(s: u32) -> u32 {
    s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
}

fn bindings(graph: &Graph, ports: &[Port]) -> Vec<Binding> {
    ports.iter().map(|port| Binding::of_port(graph, port).unwrap()).collect()
}

/// The outputs, in the source model's type and order, for one stream.
fn run(graph: &Graph, artifact: &[u8], name: &str) -> Vec<u8> {
    run_steps(graph, artifact, name, 1)
}

/// The outputs of so many runs in a row; the same again after a reset.
fn run_steps(graph: &Graph, artifact: &[u8], name: &str, steps: usize) -> Vec<u8> {
    let aligned = Aligned::new(artifact);
    let model = Model::parse(&aligned).unwrap();
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &OPS, &mut arena).unwrap();
    let (inputs, outputs) = (bindings(graph, &graph.inputs), bindings(graph, &graph.outputs));
    let [first, again] = [0, 1].map(|_| {
        engine.reset();
        let mut source = stream(name);
        let mut results = vec![];
        for _ in 0..steps {
            for (i, binding) in inputs.iter().enumerate() {
                let bytes: Vec<u8> = if binding.ty == SourceType::F32 {
                    let reals = source.by_ref().take(binding.elements()).map(|b| f32::from(b as i8) / 16.0);
                    reals.flat_map(f32::to_le_bytes).collect()
                } else {
                    source.by_ref().take(binding.source_bytes()).collect()
                };
                engine.input_bytes_mut(i).unwrap().copy_from_slice(&binding.to_artifact(&bytes).unwrap());
            }
            engine.run().unwrap();
            for (i, binding) in outputs.iter().enumerate() {
                results.extend(binding.to_source(engine.output_bytes(i).unwrap()).unwrap());
            }
        }
        results
    });
    assert_eq!(first, again, "{}: a reset does not give the first states back", graph.name);
    first
}

fn artifact_of(bytes: &[u8], name: &str) -> Result<(Graph, Vec<u8>), CompileError> {
    let graph = import(bytes, name)?;
    let artifact = compile(&graph, &Options::default())?;
    Ok((graph, artifact))
}

/// Files with this extension in `tests/tflite/<folder>`, by name.
fn files(folder: &str, extension: &str) -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tflite").join(folder);
    let paths = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    paths
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path))
        .collect()
}

#[test]
fn every_model_equals_its_golden() {
    let models = files("models", "tflite");
    let goldens = files("models", "golden");
    assert!(models.keys().eq(goldens.keys()), "models and goldens are not the same set");
    assert!(models.len() >= 250, "{} models", models.len());
    let mut operators = BTreeMap::<String, usize>::new();
    let mut wrong = vec![];
    for (name, path) in &models {
        let (graph, artifact) = match artifact_of(&fs::read(path).unwrap(), name) {
            Ok(compiled) => compiled,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        for node in &graph.nodes {
            *operators.entry(node.name.split(['(', ')']).nth(1).unwrap().into()).or_default() += 1;
        }
        let golden = fs::read(&goldens[name]).unwrap();
        let mut expected = golden.as_slice();
        for stream in STREAMS {
            let outputs = run(&graph, &artifact, stream);
            let (head, rest) = expected.split_at(outputs.len().min(expected.len()));
            expected = rest;
            if outputs != head {
                let at = outputs.iter().zip(head).position(|(a, b)| a != b);
                let differing = outputs.iter().zip(head).filter(|(a, b)| a != b).count();
                wrong.push(format!("{name}, {stream}: {differing} of {} bytes differ, first {at:?}", outputs.len()));
            }
        }
        if !expected.is_empty() {
            wrong.push(format!("{name}: {} bytes of the golden are left over", expected.len()));
        }
    }
    assert!(wrong.is_empty(), "{} failures\n{}", wrong.len(), wrong.join("\n"));
    // Every operator that the importer takes, DEQUANTIZE aside: that one is no node.
    let expected = [
        "ABS",
        "ADD",
        "AVERAGE_POOL_2D",
        "BATCH_MATMUL",
        "BATCH_TO_SPACE_ND",
        "BROADCAST_TO",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "DEPTH_TO_SPACE",
        "ELU",
        "EXP",
        "EXPAND_DIMS",
        "FULLY_CONNECTED",
        "GATHER",
        "GATHER_ND",
        "GELU",
        "HARD_SWISH",
        "L2_NORMALIZATION",
        "LEAKY_RELU",
        "LOG",
        "LOGISTIC",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MIRROR_PAD",
        "MUL",
        "PACK",
        "PAD",
        "PADV2",
        "PRELU",
        "QUANTIZE",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "RELU",
        "RELU6",
        "RELU_0_TO_1",
        "RELU_N1_TO_1",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "REVERSE_V2",
        "RSQRT",
        "SLICE",
        "SOFTMAX",
        "SPACE_TO_BATCH_ND",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SPLIT_V",
        "SQRT",
        "SQUARED_DIFFERENCE",
        "SQUEEZE",
        "STRIDED_SLICE",
        "SUB",
        "SUM",
        "TANH",
        "TILE",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
        "UNPACK",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !operators.contains_key(**name)).collect();
    assert!(missing.is_empty(), "no model has {missing:?}");
    println!("{} models x {} streams equal TensorFlow Lite Micro; nodes: {operators:?}", models.len(), STREAMS.len());
}

#[test]
fn published_models_equal_their_digests() {
    let Ok(folder) = std::env::var("TANBO_MODELS_DIR") else {
        println!("TANBO_MODELS_DIR is not set: only the committed models were checked, not the four published ones");
        return;
    };
    let list =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tflite/real_models.sha256")).unwrap();
    let digests: BTreeMap<&str, &str> = list.lines().filter_map(|l| l.split_once("  ")).map(|(d, k)| (k, d)).collect();
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let models: Vec<&str> = digests.keys().filter_map(|key| key.strip_suffix(".tflite")).collect();
    assert_eq!(models.len(), 4);
    for name in models {
        let path = Path::new(&folder).join(format!("{name}.tflite"));
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(digest(&bytes), digests[format!("{name}.tflite").as_str()], "another {name}");
        let (graph, artifact) = artifact_of(&bytes, name).unwrap_or_else(|e| panic!("{name}: {e}"));
        for stream in STREAMS {
            let outputs = run(&graph, &artifact, stream);
            assert_eq!(digest(&outputs), digests[format!("{name}.{stream}").as_str()], "{name}, {stream}");
        }
        println!("{name}: 4 streams equal TensorFlow Lite Micro");
    }
}

/// Variables, SVDF and LSTM over several runs in a row.
#[test]
fn stateful_models_equal_their_goldens_over_24_steps() {
    const STEPS: usize = 24;
    let (models, goldens) = (files("stateful", "tflite"), files("stateful", "golden"));
    assert!(models.keys().eq(goldens.keys()), "models and goldens are not the same set");
    assert!(models.len() >= 60, "{} models", models.len());
    let mut wrong = vec![];
    for (name, path) in &models {
        let (graph, artifact) = match artifact_of(&fs::read(path).unwrap(), name) {
            Ok(compiled) => compiled,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let outputs: Vec<u8> = STREAMS.iter().flat_map(|stream| run_steps(&graph, &artifact, stream, STEPS)).collect();
        let golden = fs::read(&goldens[name]).unwrap();
        if outputs != golden {
            let at = outputs.iter().zip(&golden).position(|(a, b)| a != b);
            let differing = outputs.iter().zip(&golden).filter(|(a, b)| a != b).count();
            wrong.push(format!(
                "{name}: {differing} of {} bytes differ, first {at:?} of {}",
                golden.len(),
                outputs.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} failures\n{}", wrong.len(), wrong.join("\n"));
    println!("{} models x {} streams x {STEPS} steps equal TensorFlow Lite Micro", models.len(), STREAMS.len());
}

/// Four streaming models, and every tensor that their convolutions write, over 200 steps: `tflite/wakeword/SOURCE.md`.
#[test]
fn wake_word_models_equal_tflm_over_200_steps() {
    const STEPS: usize = 200;
    let models = files("wakeword", "tflite");
    let digests = fs::read_to_string(models["alexa"].with_file_name("taps.sha256")).unwrap();
    let digests: BTreeMap<&str, &str> =
        digests.lines().filter_map(|l| l.split_once("  ")).map(|(d, k)| (k, d)).collect();
    assert_eq!((models.len(), digests.len()), (4, 4));
    for (name, path) in &models {
        let (mut graph, artifact) = artifact_of(&fs::read(path).unwrap(), name).unwrap_or_else(|e| panic!("{e}"));
        let outputs: Vec<u8> = STREAMS.iter().flat_map(|stream| run_steps(&graph, &artifact, stream, STEPS)).collect();
        assert!(outputs == fs::read(path.with_extension("golden")).unwrap(), "{name}: another score");
        // The reads and assignments of a streaming network need no copies: the one step for each state is its shift.
        let model = Aligned::new(&artifact);
        let model = Model::parse(&model).unwrap();
        let copies = (0..model.step_count() as u16).filter_map(|step| model.step(step));
        let copies = copies.filter(|step| step.op == tanbo::Op::Concat && step.inputs.len() == 1).count();
        assert_eq!(copies, 0, "{name}: steps that only copy");
        let tapped = |op: &NodeOp| {
            matches!(op, NodeOp::Conv2d { .. } | NodeOp::DepthwiseConv2d { .. } | NodeOp::FullyConnected { .. })
        };
        let taps = graph.nodes.iter().filter(|node| tapped(&node.op)).map(|node| Port {
            tensor: node.output,
            source_shape: graph.tensors[node.output].shape.clone(),
            source_type: SourceType::I8,
            ..graph.outputs[0].clone()
        });
        graph.outputs = taps.collect();
        let artifact = compile(&graph, &Options::default()).unwrap();
        let taps: Vec<u8> = STREAMS.iter().flat_map(|stream| run_steps(&graph, &artifact, stream, STEPS)).collect();
        assert_eq!(hex::encode(Sha256::digest(&taps)), digests[name.as_str()], "{name}: another tensor inside");
        println!("{name}: {} bytes of {STEPS} steps x {} streams equal TFLM's", taps.len(), STREAMS.len());
    }
}

#[test]
fn refused_models_name_their_operator() {
    let models = files("refused", "tflite");
    assert!(models.len() >= 20, "{} models", models.len());
    let mut accepted = vec![];
    for (name, path) in &models {
        match artifact_of(&fs::read(path).unwrap(), name) {
            Ok(_) => accepted.push(name),
            Err(error) => {
                println!("{name}: {error}");
                assert!(error.place.contains("operator "), "{name}: {error}");
                assert!(!error.remedy.is_empty(), "{name}: {error}");
            }
        }
    }
    assert!(accepted.is_empty(), "not refused: {accepted:?}");
}
