//! Hostile ONNX files: named cases of each class that other importers had advisories for, small files that ask for
//! much, references to other files, and mutants.
#![cfg(feature = "onnx")]

mod hostile;
#[path = "hostile/onnx.rs"]
mod parts;

use std::fs;
use std::path::Path;

use hostile::{Random, Worst, check_refusal, mutants};
use parts::{FLOAT, INT8, damage, int, make, port};
use prost::Message;
use tanbo_compiler::import::onnx::{import, operators, refused, self_contained};
use tanbo_compiler::{CompileError, CompileErrorKind, Options, compile};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
};

/// ONNX's number of the element type of lists.
const INT64: i32 = 7;

fn models() -> Vec<(String, Vec<u8>)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx");
    let files = ["cases", "recurrent"].iter().flat_map(|folder| {
        let folder = tests.join(folder);
        fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
    });
    let mut models: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .filter(|path| !path.display().to_string().ends_with(".tensors.onnx"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    models.sort();
    assert!(models.len() >= 30, "{} models", models.len());
    models
}

fn model(name: &str) -> ModelProto {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/cases").join(name).with_extension("onnx");
    ModelProto::decode(fs::read(path).unwrap().as_slice()).unwrap()
}

// Models made here.

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 7, ints: values.to_vec(), ..Default::default() }
}

fn tensor(name: &str, dims: &[i64], data_type: i32, raw_data: Vec<u8>) -> TensorProto {
    TensorProto { name: name.into(), dims: dims.to_vec(), data_type, raw_data, ..Default::default() }
}

fn list(name: &str, values: &[i64]) -> TensorProto {
    tensor(name, &[values.len() as i64], INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// A model with input `x` of int8, `s` and `z` to quantize with, `d` the dequantized input, `c` a list of eight
/// integers, and what `nodes` make of these: its output is `y`.
fn around(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> Vec<u8> {
    let mut all = vec![make("DequantizeLinear", &["x", "s", "z"], "d", vec![])];
    all.extend(nodes);
    let mut constants = vec![
        tensor("s", &[], FLOAT, 0.1f32.to_le_bytes().to_vec()),
        tensor("z", &[], INT8, vec![0]),
        list("c", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ];
    constants.extend(initializer);
    let graph = GraphProto {
        node: all,
        initializer: constants,
        input: vec![port("x", INT8, &[1, 4, 4, 4])],
        output: vec![port("y", INT8, &[])],
        ..Default::default()
    };
    ModelProto {
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { version: 20, ..Default::default() }],
        ..Default::default()
    }
    .encode_to_vec()
}

fn offer(worst: &mut Worst, file: &[u8], what: &str) -> Option<CompileError> {
    worst.offer(file, || what.into(), |bytes| import(bytes, "hostile"))
}

// Named cases.

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

fn node<'a>(model: &'a mut ModelProto, op_type: &str) -> &'a mut NodeProto {
    graph(model).node.iter_mut().find(|n| n.op_type == op_type).unwrap()
}

fn set(node: &mut NodeProto, attribute: AttributeProto) {
    node.attribute.retain(|a| a.name != attribute.name);
    node.attribute.push(attribute);
}

/// The weights of the first Conv: the initializer that its DequantizeLinear reads.
fn weights(model: &mut ModelProto) -> &mut TensorProto {
    let dequantized = node(model, "Conv").input[1].clone();
    let graph = graph(model);
    let source = graph.node.iter().find(|n| n.output.contains(&dequantized)).unwrap().input[0].clone();
    graph.initializer.iter_mut().find(|t| t.name == source).unwrap()
}

/// Class of defect, model, how it is spoiled, and what place and reason of the refusal must hold.
type Case = (&'static str, &'static str, fn(&mut ModelProto), [&'static str; 2]);

const CONV: &str = "conv_stride_pad";

const CASES: &[Case] = &[
    ("zero stride", CONV, |m| set(node(m, "Conv"), ints("strides", &[0, 0])), ["Conv", "strides"]),
    ("negative stride", CONV, |m| set(node(m, "Conv"), ints("strides", &[-1, i64::MIN])), ["Conv", "strides"]),
    ("zero dilation", CONV, |m| set(node(m, "Conv"), ints("dilations", &[0, 1])), ["Conv", "dilations"]),
    ("huge dilation", CONV, |m| set(node(m, "Conv"), ints("dilations", &[1 << 28, 1 << 28])), ["Conv", "taps"]),
    ("negative pads", CONV, |m| set(node(m, "Conv"), ints("pads", &[-1, 0, 0, 0])), ["Conv", "negative pads"]),
    ("huge pads", CONV, |m| set(node(m, "Conv"), ints("pads", &[i64::MAX; 4])), ["Conv", "pads"]),
    ("zero groups", CONV, |m| set(node(m, "Conv"), int("group", 0)), ["Conv", "0 groups"]),
    ("negative groups", CONV, |m| set(node(m, "Conv"), int("group", -1)), ["Conv", "groups"]),
    ("groups that do not divide", CONV, |m| set(node(m, "Conv"), int("group", 1 << 40)), ["Conv", "groups"]),
    (
        "zero filter",
        CONV,
        |m| {
            let w = weights(m);
            w.dims[2] = 0;
            w.raw_data.clear();
        },
        ["", ""],
    ),
    (
        "zero pooling window",
        "max_pool_ceil",
        |m| set(node(m, "MaxPool"), ints("kernel_shape", &[0, 2])),
        ["MaxPool", "kernel_shape"],
    ),
    (
        "huge pooling window",
        "average_pool_ceil",
        |m| set(node(m, "AveragePool"), ints("kernel_shape", &[1 << 27, 1 << 27])),
        ["AveragePool", "window"],
    ),
    ("axis before the first", "gemm_softmax", |m| set(node(m, "Softmax"), int("axis", i64::MIN)), ["Softmax", "axes"]),
    ("axis behind the last", "gemm_softmax", |m| set(node(m, "Softmax"), int("axis", i64::MAX)), ["Softmax", "axes"]),
    (
        "axes that repeat",
        "channel_shuffle",
        |m| set(node(m, "Transpose"), ints("perm", &[0, 0, 0, 0, 0])),
        ["Transpose", "axes"],
    ),
    (
        "more axes than a tensor has",
        "channel_shuffle",
        |m| set(node(m, "Transpose"), ints("perm", &[0; 1000])),
        ["Transpose", "1000 axes"],
    ),
    ("name that nothing defines", CONV, |m| node(m, "Conv").input[0] = "nowhere".into(), ["Conv", "reads 'nowhere'"]),
    (
        "node that reads its own result",
        CONV,
        |m| {
            let n = node(m, "Conv");
            n.input[0] = n.output[0].clone();
        },
        ["Conv", "reads"],
    ),
    (
        "nodes in a cycle, or backwards",
        CONV,
        |m| graph(m).node.reverse(),
        ["", "which no input, initializer or earlier node defines"],
    ),
    (
        "result over a constant",
        CONV,
        |m| {
            let name = graph(m).initializer[0].name.clone();
            node(m, "Conv").output[0] = name;
        },
        ["Conv", "used twice"],
    ),
    (
        "result over an input",
        CONV,
        |m| {
            let name = graph(m).input[0].name.clone();
            node(m, "Conv").output[0] = name;
        },
        ["Conv", "used twice"],
    ),
    (
        "constant of a name that exists",
        CONV,
        |m| {
            let t = graph(m).initializer[0].clone();
            graph(m).initializer.push(t);
        },
        ["initializer", "used twice"],
    ),
    (
        "output that nothing defines",
        CONV,
        |m| graph(m).output[0].name = "nowhere".into(),
        ["output 'nowhere'", "nothing defines it"],
    ),
    ("no output", CONV, |m| graph(m).output.clear(), ["hostile", "no outputs"]),
    ("node without inputs", CONV, |m| node(m, "Conv").input.clear(), ["Conv", "input 0 is missing"]),
    ("node without outputs", CONV, |m| node(m, "Conv").output.clear(), ["Conv", "output 0 has no name"]),
    ("constant without bytes", CONV, |m| weights(m).raw_data.clear(), ["initializer", "0 elements of data"]),
    (
        "bytes that are not the shape's",
        CONV,
        |m| {
            weights(m).raw_data.pop();
        },
        ["initializer", "elements of data"],
    ),
    (
        "extents whose product overflows",
        CONV,
        |m| weights(m).dims = vec![1 << 40, 1 << 40],
        ["initializer", "too large"],
    ),
    (
        "extents whose product is zero and overflows",
        CONV,
        |m| {
            let w = weights(m);
            w.dims = vec![0, 1 << 40, 1 << 40];
            w.raw_data.clear();
        },
        ["initializer", "too large"],
    ),
    ("negative extent", CONV, |m| weights(m).dims[0] = -1, ["initializer", "negative extent"]),
    ("a thousand axes", CONV, |m| weights(m).dims = vec![1; 1000], ["initializer", "1000 axes"]),
    ("element type that does not exist", CONV, |m| weights(m).data_type = 99, ["", "element type 99"]),
    ("constant in segments", CONV, |m| weights(m).segment = Some(Default::default()), ["initializer", "segments"]),
    ("input of no type", CONV, |m| graph(m).input[0].r#type = None, ["input", "no tensor"]),
    (
        "input of huge extents",
        CONV,
        |m| graph(m).input[0] = port("x", FLOAT, &[1, i64::MAX, i64::MAX]),
        ["input 'x'", "shape"],
    ),
    ("input of negative extent", CONV, |m| graph(m).input[0] = port("x", FLOAT, &[1, -3, 4]), ["input 'x'", "open"]),
    (
        "scale that is no number",
        CONV,
        |m| {
            for t in &mut graph(m).initializer {
                if t.data_type == FLOAT {
                    t.raw_data = f32::NAN.to_le_bytes().repeat(t.raw_data.len() / 4);
                }
            }
        },
        ["", "not a positive number"],
    ),
    (
        "scale of zero",
        CONV,
        |m| {
            for t in &mut graph(m).initializer {
                if t.data_type == FLOAT {
                    t.raw_data.fill(0);
                }
            }
        },
        ["", "not a positive number"],
    ),
    (
        "as many zero points as none",
        CONV,
        |m| {
            let n = node(m, "DequantizeLinear");
            n.input[2] = n.input[1].clone();
        },
        ["Dequantize", ""],
    ),
    (
        "quantization left out",
        "gemm_softmax",
        |m| {
            let gemm = graph(m).node.iter().rev().find(|n| n.op_type == "Gemm").unwrap().output[0].clone();
            node(m, "Softmax").input[0] = gemm;
        },
        ["Softmax", "no QuantizeLinear"],
    ),
    ("attribute of another type", CONV, |m| set(node(m, "Conv"), int("strides", 2)), ["Conv", "not of type"]),
    (
        "attribute that is no text",
        CONV,
        |m| {
            set(
                node(m, "Conv"),
                AttributeProto { name: "auto_pad".into(), r#type: 3, s: vec![0xff, 0xfe], ..Default::default() },
            )
        },
        ["Conv", "UTF-8"],
    ),
    ("name of a megabyte", CONV, |m| node(m, "Conv").name = "n".repeat(1 << 20), ["hostile", "1048576 bytes"]),
    (
        "name that drives the terminal",
        CONV,
        |m| {
            let n = node(m, "Conv");
            n.name = "\u{1b}[2J".into();
            n.op_type = "Nonsense\n".into();
        },
        ["Nonsense", "cannot run"],
    ),
    ("sparse constant", CONV, |m| graph(m).sparse_initializer.push(Default::default()), ["hostile", "sparse"]),
    (
        "operator set of the future",
        CONV,
        |m| m.opset_import.iter_mut().for_each(|o| o.version = i64::MAX),
        ["hostile", "operator set"],
    ),
    ("no operator set", CONV, |m| m.opset_import.clear(), ["hostile", "no operator set"]),
    ("data in another file", CONV, |m| weights(m).data_location = Some(1), ["initializer", "in another file"]),
];

#[test]
fn each_class_of_defect_is_refused_by_name() {
    let mut worst = Worst::new();
    let mut wrong = vec![];
    for (class, name, change, [place, reason]) in CASES {
        let mut model = model(name);
        assert!(offer(&mut worst, &model.encode_to_vec(), name).is_none(), "{name} is sound");
        change(&mut model);
        match offer(&mut worst, &model.encode_to_vec(), class) {
            None => wrong.push(format!("{class}: accepted")),
            Some(error) => {
                check_refusal(&error);
                println!("{class}: {error}");
                if !error.place.contains(place) || !error.reason.contains(reason) {
                    wrong.push(format!("{class}: {error}"));
                }
            }
        }
    }
    worst.report("named cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_that_are_no_models_give_errors() {
    let mut worst = Worst::new();
    let claims_too_much = [0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f];
    for file in [&[][..], b"GIF89a", b"TFL3____", &[0xff; 64], &[0x3a, 0x00], &claims_too_much] {
        let error = offer(&mut worst, file, &format!("{} bytes", file.len()));
        check_refusal(&error.expect("it is no model"));
    }
    worst.report("no models");
}

/// A message of protobuf: the content behind key and length.
fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

/// Two bytes of the file, two thousand of memory.
#[test]
fn a_file_of_empty_messages_is_refused_before_it_is_decoded() {
    let mut worst = Worst::new();
    // In a graph: nodes, initializers, ports; in a node: attributes.
    for (field, what) in
        [(1, "nodes"), (5, "initializers"), (11, "inputs"), (13, "value infos"), (15, "sparse tensors")]
    {
        let file = message(7, &[field << 3 | 2, 0].repeat(4 << 20));
        let error = offer(&mut worst, &file, what).expect(what);
        assert_eq!(error.kind, CompileErrorKind::TooLarge, "{what}: {error}");
    }
    let attributes = message(7, &message(1, &[0x2a, 0].repeat(4 << 20)));
    let error = offer(&mut worst, &attributes, "attributes").expect("attributes");
    assert_eq!(error.kind, CompileErrorKind::TooLarge, "{error}");
    worst.report("empty messages");
}

/// Graphs in attributes of nodes in graphs: prost gives up at a depth of 100.
#[test]
fn nested_graphs_do_not_exhaust_the_stack() {
    let mut worst = Worst::new();
    for depth in [10, 40, 100, 1000, 20_000] {
        let mut graph = vec![];
        for _ in 0..depth {
            graph = message(1, &message(5, &message(6, &graph)));
        }
        let file = [message(7, &graph), message(8, &[0x10, 20])].concat();
        check_refusal(&offer(&mut worst, &file, &format!("{depth} graphs")).expect("it has no inputs"));
    }
    worst.report("nested graphs");
}

/// A kilobyte that asks for terabytes, or for hours: each node doubles, or keeps, what the one before it made.
#[test]
fn a_small_file_cannot_ask_for_much() {
    let mut worst = Worst::new();
    let names: Vec<String> = (0..=60).map(|i| format!("v{i}")).collect();
    let chain = |first: &str, last: &str, link: &dyn Fn(&str, &str) -> NodeProto| -> Vec<NodeProto> {
        let mut nodes = vec![make("Identity", &[first], "v0", vec![])];
        nodes.extend(names.iter().zip(&names[1..]).map(|(from, to)| link(from, to)));
        nodes.push(make(last, &["v60", "s", "z"], "y", vec![]));
        nodes
    };
    let two = list("two", &[2, 1, 1, 1]);
    let pads = list("pads", &[0, 0, 0, 0, 0, 0, 1 << 20, 1 << 20]);
    let huge = list("huge", &[1 << 20, 1 << 20, 1 << 20, 1 << 20]);
    let one = tensor("one", &[], FLOAT, 1f32.to_le_bytes().to_vec());
    let wide = || tensor("wide", &[128, 4, 1, 1], INT8, vec![1; 512]);
    let double = |from: &str, to: &str| make("Concat", &[from, from], to, vec![int("axis", 0)]);
    let mut files: Vec<(&str, Vec<u8>)> = vec![
        ("lists joined with themselves", around(chain("c", "QuantizeLinear", &double), vec![])),
        ("activations joined with themselves", around(chain("x", "Identity", &double), vec![])),
        ("floats joined with themselves", around(chain("d", "QuantizeLinear", &double), vec![])),
        (
            "a list added to itself",
            around(chain("c", "QuantizeLinear", &|a, b| make("Add", &[a, a], b, vec![])), vec![]),
        ),
        (
            "a list multiplied by itself",
            around(chain("c", "QuantizeLinear", &|a, b| make("Mul", &[a, a], b, vec![])), vec![]),
        ),
        (
            "padding that doubles",
            around(chain("x", "Identity", &|a, b| make("Pad", &[a, "pads"], b, vec![])), vec![pads]),
        ),
        (
            "repeated tiles",
            around(chain("x", "Identity", &|a, b| make("Tile", &[a, "two"], b, vec![])), vec![two.clone()]),
        ),
        (
            "resizing",
            around(
                chain("d", "QuantizeLinear", &|a, b| make("Resize", &[a, "", "", "huge"], b, vec![])),
                vec![huge.clone()],
            ),
        ),
    ];
    for (what, op, inputs) in [
        ("a constant of a huge shape", "ConstantOfShape", vec!["huge"]),
        ("a list expanded to a huge shape", "Expand", vec!["c", "huge"]),
        ("a scalar expanded to a huge shape", "Expand", vec!["one", "huge"]),
        ("an activation expanded to a huge shape", "Expand", vec!["d", "huge"]),
        ("an activation in a huge shape", "Reshape", vec!["d", "huge"]),
        ("a range of a million million", "Range", vec!["one", "huge", "one"]),
    ] {
        let nodes = vec![make(op, &inputs, "v", vec![]), make("QuantizeLinear", &["v", "s", "z"], "y", vec![])];
        files.push((what, around(nodes, vec![huge.clone(), one.clone()])));
    }
    // Four levels of forty parts: two million leaves.
    let mut nested = vec![];
    for level in 0..4 {
        let from = if level == 0 { "d".into() } else { format!("n{}", level - 1) };
        nested.push(make("Concat", &[from.as_str(); 40], &format!("n{level}"), vec![int("axis", 1)]));
    }
    nested.push(make("QuantizeLinear", &["n3", "s", "z"], "y", vec![]));
    files.push(("joins of joins", around(nested, vec![])));
    // A convolution of many channels that waits, kept by each node that follows.
    let mut kept =
        vec![make("DequantizeLinear", &["wide", "s", "z"], "w", vec![]), make("Conv", &["d", "w"], "v0", vec![])];
    kept.extend(names.iter().zip(&names[1..]).map(|(a, b)| make("Relu", &[a], b, vec![])));
    kept.push(make("QuantizeLinear", &["v60", "s", "z"], "y", vec![]));
    files.push(("a waiting convolution", around(kept, vec![wide()])));
    // Each average pool carries a multiplier for each number of taps.
    let window = vec![ints("kernel_shape", &[256, 256]), ints("pads", &[126, 126, 126, 126])];
    let mut pools = vec![];
    for i in 0..12 {
        pools.push(make("AveragePool", &["d"], &format!("p{i}"), window.clone()));
        pools.push(make("QuantizeLinear", &[&format!("p{i}"), "s", "z"], &format!("q{i}"), vec![]));
    }
    let joined: Vec<String> = (0..12).map(|i| format!("q{i}")).collect();
    let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
    pools.push(make("Concat", &joined, "y", vec![int("axis", 1)]));
    files.push(("pools of a large window", around(pools, vec![])));

    for (what, file) in &files {
        assert!(file.len() < 6000, "{what}: {} bytes", file.len());
        match offer(&mut worst, file, what) {
            Some(error) => {
                check_refusal(&error);
                println!("{what}, {} bytes: {error}", file.len());
            }
            None => println!("{what}, {} bytes: compiles", file.len()),
        }
    }
    assert!(worst.bytes.0 < 64 << 20, "{} bytes for {}", worst.bytes.0, worst.bytes.1);
    worst.report("small files");
}

/// The same at half a megabyte: what each node may keep is bounded by the file, so that no product of two sizes grows.
#[test]
fn a_large_file_cannot_ask_for_its_square() {
    let mut worst = Worst::new();
    let count = 10_000;
    let name = |i: usize| format!("v{i}");
    let mut waiting =
        vec![make("DequantizeLinear", &["wide", "s", "z"], "w", vec![]), make("Conv", &["d", "w"], "v0", vec![])];
    waiting.extend((0..count).map(|i| make("Relu", &[&name(i)], &name(i + 1), vec![])));
    let wide = tensor("wide", &[25_000, 4, 1, 1], INT8, vec![1; 100_000]);
    let sums = (0..count).map(|i| make("Add", &["long", "c8"], &name(i), vec![])).collect();
    let lists = vec![list("long", &[1; 25_000]), list("c8", &[1])];
    let mut parts = vec![make("Concat", &vec!["d"; 25_000], "v0", vec![int("axis", 1)])];
    parts.extend((0..count).map(|i| make("Reshape", &[&name(i), "open"], &name(i + 1), vec![])));
    let slices = (0..count)
        .map(|i| make("Slice", &["x", "zero", "three", "zero"], &name(i), vec![]))
        .chain([make("Identity", &["v0"], "y", vec![])])
        .collect();
    let bounds = vec![list("zero", &[0]), list("three", &[1])];
    for (what, file) in [
        ("a waiting convolution", around(waiting, vec![wide])),
        ("sums of a long list", around(sums, lists)),
        ("moves of a join of many", around(parts, vec![list("open", &[-1])])),
        ("slices nothing reads", around(slices, bounds)),
    ] {
        match offer(&mut worst, &file, what) {
            Some(error) => {
                check_refusal(&error);
                println!("{what}, {} bytes: {error}", file.len());
            }
            None => println!("{what}, {} bytes: compiles", file.len()),
        }
    }
    worst.report("large files");
}

// Data in other files.

#[test]
fn data_is_read_from_the_models_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = model(CONV);
    let sound = model.encode_to_vec();
    // Every initializer, one behind the other, some with a length and some without.
    let mut data = vec![0xee; 16];
    let count = graph(&mut model).initializer.len();
    for (i, tensor) in graph(&mut model).initializer.iter_mut().enumerate() {
        if tensor.raw_data.is_empty() {
            continue;
        }
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
        tensor.external_data = vec![
            entry("location", "sub/weights.bin".into()),
            entry("offset", data.len().to_string()),
            entry("length", tensor.raw_data.len().to_string()),
        ];
        data.extend(std::mem::take(&mut tensor.raw_data));
        if i == count - 1 {
            tensor.external_data.pop();
        }
        tensor.data_location = Some(1);
    }
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/weights.bin"), &data).unwrap();
    let bytes = model.encode_to_vec();
    assert!(import(&bytes, "external").is_err());
    let whole = self_contained(bytes.clone(), "external", folder.path()).unwrap();
    let artifact = |bytes: &[u8]| compile(&import(bytes, "m").unwrap(), &Options::default()).unwrap();
    assert_eq!(artifact(&whole), artifact(&sound));
    // A model without other files is what it was.
    assert_eq!(self_contained(sound.clone(), "sound", folder.path()).unwrap(), sound);

    fs::write(folder.path().join("sub/weights.bin"), &data[..data.len() - 1]).unwrap();
    let error = self_contained(bytes, "external", folder.path()).and_then(|b| import(&b, "external")).unwrap_err();
    check_refusal(&error);
}

#[test]
fn no_file_outside_the_models_folder_is_read() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("model");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(outer.path().join("secret.bin"), [7; 64]).unwrap();
    fs::write(folder.join("own.bin"), [1; 64]).unwrap();
    let absolute = outer.path().join("secret.bin").display().to_string();
    let mut locations = vec![
        ("absolute", absolute.as_str(), "not in the model's folder"),
        ("parent", "../secret.bin", "not in the model's folder"),
        ("parent behind a folder", "sub/../../secret.bin", "not in the model's folder"),
        ("the folder itself by a detour", "sub/../own.bin", "not in the model's folder"),
        ("this folder", ".", "not in the model's folder"),
        ("a folder", "sub", "no file"),
        ("a share", "\\\\server\\share\\secret.bin", "no plain path"),
        ("a drive", "C:secret.bin", "no plain path"),
        ("backslashes", "..\\secret.bin", "no plain path"),
        ("a zero byte", "own.bin\0.png", "no plain path"),
        ("an address", "file:///etc/passwd", "no plain path"),
        ("nothing", "", "no plain path"),
        ("a missing file", "missing.bin", "cannot be read"),
        ("a file as folder", "own.bin/x", "cannot be read"),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outer.path().join("secret.bin"), folder.join("link.bin")).unwrap();
        std::os::unix::fs::symlink(outer.path(), folder.join("away")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("zeros.bin")).unwrap();
        std::os::unix::fs::symlink("circle.bin", folder.join("circle.bin")).unwrap();
        locations.extend([
            ("a link to a file outside", "link.bin", "link to outside"),
            ("a link to a folder outside", "away/secret.bin", "link to outside"),
            ("a link to a device", "zeros.bin", "link to outside"),
            ("a link to itself", "circle.bin", "cannot be read"),
        ]);
    }
    let with = |entries: &[(&str, &str)]| {
        let mut model = model(CONV);
        let tensor = weights(&mut model);
        tensor.raw_data.clear();
        tensor.data_location = Some(1);
        tensor.external_data = entries
            .iter()
            .map(|(key, value)| StringStringEntryProto { key: (*key).into(), value: (*value).into() })
            .collect();
        self_contained(model.encode_to_vec(), "hostile", &folder)
    };
    for (what, location, reason) in locations {
        let error = with(&[("location", location)]).expect_err(what);
        check_refusal(&error);
        println!("{what}: {error}");
        assert!(error.place.contains("initializer") && error.reason.contains(reason), "{what}: {error}");
    }
    for (what, offset, length, reason) in [
        ("behind the end", "65", "0", "beyond the 64 bytes"),
        ("longer than the file", "60", "5", "beyond the 64 bytes"),
        ("a length of all memory", "0", "18446744073709551615", "beyond the 64 bytes"),
        ("an offset of all memory", "18446744073709551615", "1", "beyond the 64 bytes"),
        ("a negative offset", "-1", "1", "no number of bytes"),
        ("a length that is no number", "0", "0x10", "no number of bytes"),
    ] {
        let error = with(&[("location", "own.bin"), ("offset", offset), ("length", length)]).expect_err(what);
        check_refusal(&error);
        assert!(error.reason.contains(reason), "{what}: {error}");
    }
    let error = with(&[("offset", "0"), ("location2", "own.bin")]).expect_err("no location");
    assert!(error.reason.contains("does not name"), "{error}");
}

// Mutants.

#[test]
fn truncated_files_give_errors_or_artifacts() {
    let mut worst = Worst::new();
    for (name, file) in models() {
        let step = (file.len() / mutants(100, 1 << 20)).max(1);
        for len in (0..file.len()).step_by(step) {
            offer(&mut worst, &file[..len], &format!("{name} cut to {len}"));
        }
    }
    worst.report("truncated files");
}

#[test]
fn mutated_files_give_errors_or_artifacts() {
    let mut worst = Worst::new();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let models = models();
    let mutants = mutants(6_000, 100_000);
    for (name, original) in &models {
        for number in 0..mutants.div_ceil(models.len()) {
            let mut bytes = original.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(6) {
                    0 => bytes[at] = random.below(256) as u8,
                    1 => bytes[at] ^= 1 << random.below(8),
                    2 => drop(bytes.remove(at)),
                    3 => bytes.insert(at, *random.pick(&[0x00, 0x01, 0x7f, 0x80, 0xff])),
                    // A number of the greatest length.
                    4 => drop(bytes.splice(at..=at, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])),
                    _ => {
                        let from = random.below(bytes.len());
                        let copied: Vec<u8> = bytes[from..].iter().copied().take(random.below(64)).collect();
                        drop(bytes.splice(at..at, copied));
                    }
                }
            }
            worst.offer(&bytes, || format!("mutant {number} of {name}"), |b| import(b, "mutant"));
        }
    }
    worst.report("mutants");
    // Most bytes are weights and names, but enough hit the structure.
    let (accepted, refused) = (worst.accepted, worst.files - worst.accepted);
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

#[test]
fn damaged_graphs_give_errors_or_artifacts() {
    let mut worst = Worst::new();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let operators: Vec<String> = operators()
        .into_iter()
        .flatten()
        .map(|row| row.0.to_string())
        .chain(refused().map(|row| row.0.to_string()))
        .chain(["Tile", "Range", "ConstantOfShape", "Where"].map(String::from))
        .collect();
    let models: Vec<(String, ModelProto)> =
        models().into_iter().map(|(name, file)| (name, ModelProto::decode(file.as_slice()).unwrap())).collect();
    let mutants = mutants(6_000, 100_000);
    for (name, original) in &models {
        for number in 0..mutants.div_ceil(models.len()) {
            let mut model = original.clone();
            for _ in 0..=random.below(3) {
                damage(&mut model, &operators, &mut random);
            }
            let bytes = model.encode_to_vec();
            worst.offer(&bytes, || format!("damaged graph {number} of {name}"), |b| import(b, "damaged"));
        }
    }
    worst.report("damaged graphs");
    let (accepted, refused) = (worst.accepted, worst.files - worst.accepted);
    assert!(accepted > 100 && refused > 1000, "{accepted} accepted, {refused} refused");
}
