//! What the importers' tables declare, against every committed model: what a source operator became must be declared,
//! and what is declared must have been seen. The support matrix is made from these tables.
#![cfg(all(feature = "onnx", feature = "tflite"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use tanbo_compiler::graph::Graph;
use tanbo_compiler::import::{onnx, tflite};
use tanbo_compiler::lower::lower;
use tanbo_compiler::{Options, compile};
use tanbo_format::Op;
use tract_onnx::pb::{ModelProto, TensorProto};

type Rows = Vec<(&'static str, &'static [Op])>;

/// Models of a folder of `tests/`, by extension.
fn models(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let paths = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == extension));
    paths.sort();
    paths
}

/// The operators that a graph's nodes become, each with the node's name.
fn steps(graph: &Graph) -> Vec<(String, Op)> {
    let lowered = graph.nodes.iter().map(|node| (node, lower(graph, node).unwrap_or_else(|e| panic!("{e}"))));
    lowered.filter_map(|(node, lowered)| Some((node.name.clone(), lowered?.op))).collect()
}

/// Fails unless each operator that can become something was seen to.
fn check_seen(rows: &Rows, seen: &BTreeSet<(String, Op)>, elsewhere: &BTreeSet<String>) {
    let shown = |row: &(&'static str, &'static [Op])| {
        row.1.is_empty() || row.1.iter().any(|&op| seen.contains(&(row.0.to_string(), op))) || elsewhere.contains(row.0)
    };
    let missing: Vec<_> = rows.iter().filter(|row| !shown(row)).map(|row| row.0).collect();
    assert!(missing.is_empty(), "no committed model shows what becomes of {missing:?}");
}

#[test]
fn tflite_operators_become_what_their_table_declares() {
    let rows: Rows = tflite::operators().collect();
    let mut seen = BTreeSet::new();
    for path in models("tflite/models", "tflite").into_iter().chain(models("tflite/stateful", "tflite")) {
        let graph = tflite::import(&fs::read(&path).unwrap(), "model").unwrap_or_else(|e| panic!("{path:?}: {e}"));
        for (place, op) in steps(&graph) {
            // A node is named after its operator: `operator 3 (ADD)`.
            let source = place.split(['(', ')']).nth(1).unwrap_or_else(|| panic!("{path:?}: {place}")).to_string();
            let row = rows.iter().find(|row| row.0 == source);
            let declared = row.is_some_and(|row| row.1.contains(&op));
            assert!(declared, "{path:?}: {source} became {}, which its row does not declare", op.name());
            seen.insert((source, op));
        }
    }
    check_seen(&rows, &seen, &BTreeSet::new());
}

#[test]
fn onnx_operators_become_what_their_tables_declare() {
    let rows: Rows = onnx::operators().concat();
    let mut undeclared = vec![];
    let mut seen = BTreeSet::new();
    let mut read = BTreeSet::new();
    // Of the cases, those with answers: the others are refused.
    let mut paths = models("onnx/cases", "onnx");
    paths.retain(|path| path.with_extension("tensors.onnx").is_file());
    paths.extend(models("onnx/recurrent", "onnx"));
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let nodes = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap().node;
        let source = |domain: &str, kind: &str| match domain {
            "" | "ai.onnx" => kind.to_string(),
            domain => format!("{domain}.{kind}"),
        };
        let sources: BTreeSet<String> = nodes.iter().map(|n| source(&n.domain, &n.op_type)).collect();
        let graph = onnx::import(&bytes, "model").unwrap_or_else(|e| panic!("{path:?}: {e}"));
        // Transposes come from the layout as well, channels last.
        for (_, op) in steps(&graph).into_iter().filter(|step| step.1 != Op::Transpose) {
            // A node of the graph stands for several of the file: one of them must declare it.
            let declaring = rows.iter().filter(|row| sources.contains(row.0) && row.1.contains(&op));
            let declaring: Vec<_> = declaring.map(|row| (row.0.to_string(), op)).collect();
            if declaring.is_empty() {
                undeclared.push(format!("{}: {}", path.display(), op.name()));
            }
            seen.extend(declaring);
        }
        read.extend(sources);
    }
    // The node tests that onnx ships run some functions that no model of ours has; the tests below show others.
    let mut run = node_tests();
    assert!(run.len() > 50, "{run:?}");
    run.extend(["PRelu", "com.microsoft.QuantizeLinear", "com.microsoft.DequantizeLinear"].map(String::from));
    let shown = |name: &String| {
        // Transposes alone cannot be told from the layout's.
        rows.iter().any(|row| row.0 == name && row.1.iter().all(|&op| op == Op::Transpose))
    };
    let elsewhere = read.iter().filter(|name| shown(name)).chain(&run).cloned().collect();
    check_seen(&rows, &seen, &elsewhere);
    let unread: Vec<_> =
        rows.iter().map(|row| row.0).filter(|name| !read.contains(*name) && !run.contains(*name)).collect();
    assert!(unread.is_empty(), "no committed model has {unread:?}");
}

fn every_function() -> ModelProto {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/cases/every_function.onnx");
    ModelProto::decode(fs::read(path).unwrap().as_slice()).unwrap()
}

fn artifact(model: &ModelProto) -> Vec<u8> {
    let graph = onnx::import(&model.encode_to_vec(), "model").unwrap_or_else(|e| panic!("{e}"));
    compile(&graph, &Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn microsofts_quantize_linear_is_onnx_s() {
    let mut model = every_function();
    let own = artifact(&model);
    for node in model.graph.as_mut().unwrap().node.iter_mut().filter(|node| node.op_type.ends_with("uantizeLinear")) {
        node.domain = "com.microsoft".into();
    }
    assert_eq!(artifact(&model), own);
}

#[test]
fn prelu_of_one_slope_is_leaky_relu() {
    let mut model = every_function();
    let leaky = artifact(&model);
    let graph = model.graph.as_mut().unwrap();
    let node = graph.node.iter_mut().find(|node| node.op_type == "LeakyRelu").expect("it has every function");
    let alpha = node.attribute.iter().find(|a| a.name == "alpha").map_or(0.01, |a| a.f);
    node.attribute.clear();
    node.op_type = "PRelu".into();
    node.input.push("slope".into());
    let slope = TensorProto {
        name: "slope".into(),
        data_type: 1,
        raw_data: alpha.to_le_bytes().to_vec(),
        ..Default::default()
    };
    graph.initializer.push(slope);
    assert_eq!(artifact(&model), leaky);
}

/// The operators of the node tests that are equal or within their bound.
fn node_tests() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/node_tests.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let passed = page.lines().filter_map(|line| match line.split(" | ").collect::<Vec<_>>()[..] {
        [_, operators, verdict] if !verdict.starts_with("refused") => Some(operators),
        _ => None,
    });
    passed.flat_map(|operators| operators.split(", ")).map(String::from).collect()
}
