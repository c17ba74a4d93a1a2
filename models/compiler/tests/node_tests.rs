//! The node tests that PyPI onnx ships, for the operators that are read (`tests/onnx/README.md`).
//!
//! A case of 8-bit integers is compiled as it is and must give the expected result bit for bit. A float case is
//! quantized with its own inputs as calibration data, compiled and run, and its error must lie within this bound,
//! element by element:
//!
//! - an input is off by at most half its step;
//! - what an operator computes is off by what its rounded weights and bias change (measured: the float operator with the
//!   rounded weights against that with the model's own), by what its operands' errors change (measured: each element of
//!   each operand moved by its own error, up and down, the larger change, summed over elements), and by one step of its
//!   result: half for rounding it, half for integer arithmetic.
//!
//! `tests/onnx/node_tests.md` lists the verdict of every case; `TANBO_WRITE=1` writes it anew.
#![cfg(feature = "onnx")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use prost::Message;
use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_compiler::binding::Binding;
use tanbo_compiler::float::{FloatModel, is_float};
use tanbo_compiler::graph::Graph;
use tanbo_compiler::import::onnx::{import, operators};
use tanbo_compiler::quantize::{Choice, Options as QuantizeOptions, RangeMethod, SampleArray, Samples, quantize};
use tanbo_compiler::{CompileError, Options, compile};
use tanbo_format::emit::Aligned;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

static OPS: OpSet = OpSet::all::<Reference>();

/// ONNX's number of float32.
const FLOAT: i32 = 1;
/// What a number in float32 may be off by, relative to it, after a few operations.
const FLOAT_ERROR: f64 = 1e-6;
/// tract and the expected results may differ by float32's rounding.
const FLOAT_TOLERANCE: f64 = 1e-4;

/// A model and the tensors of its inputs and outputs.
#[derive(Default)]
struct Case {
    model: Vec<u8>,
    inputs: HashMap<String, TensorProto>,
    outputs: HashMap<String, TensorProto>,
}

/// Cases of onnx 1.19.1 whose expected int8 results wrap where the operator is defined to saturate: of -235.7 it makes 20.
/// ONNX Runtime 1.32 gives -128, as is done here. What saturates is not compared in them.
const WRAPPED: [&str; 2] = ["test_qlinearmatmul_2D_int8_float32", "test_qlinearmatmul_3D_int8_float32"];

/// What became of a case.
enum Verdict {
    /// Bit for bit.
    Equal,
    /// Bit for bit but for what saturates.
    EqualButWrapped,
    /// Largest error in percent of its bound.
    Within(f64),
    Refused(String),
    /// The test fails.
    Wrong(String),
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx")
}

/// The cases, and those that are left out: name and reason.
fn cases() -> (BTreeMap<String, Case>, Vec<(String, String)>) {
    let bytes = fs::read(folder().join("node_tests.onnx")).unwrap();
    let mut found = BTreeMap::<String, Case>::new();
    for mut tensor in ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap().initializer {
        let (name, rest) = tensor.name.split_once('/').unwrap();
        let case = found.entry(name.to_string()).or_default();
        match rest.split_once('/') {
            None => case.model = tensor.raw_data,
            Some((group, own)) => {
                let group = if group == "input" { &mut case.inputs } else { &mut case.outputs };
                let own = own.to_string();
                tensor.name.clone_from(&own);
                group.insert(own, tensor);
            }
        }
    }
    let left_out = fs::read_to_string(folder().join("node_tests_left_out.tsv")).unwrap();
    let left_out = left_out.lines().map(|line| line.split_once('\t').unwrap());
    (found, left_out.map(|(name, reason)| (name.to_string(), reason.to_string())).collect())
}

/// The bytes of a tensor of 8 bits or float32, however the file holds them.
fn bytes_of(tensor: &TensorProto) -> Vec<u8> {
    if !tensor.raw_data.is_empty() {
        return tensor.raw_data.clone();
    }
    if tensor.data_type == FLOAT {
        return tensor.float_data.iter().flat_map(|v| v.to_le_bytes()).collect();
    }
    tensor.int32_data.iter().map(|&v| v as u8).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn floats_of(tensor: &TensorProto) -> Vec<f32> {
    floats(&bytes_of(tensor))
}

fn shape_of(tensor: &TensorProto) -> Vec<usize> {
    tensor.dims.iter().map(|&d| d as usize).collect()
}

fn operators_of(model: &[u8]) -> BTreeSet<String> {
    let graph = ModelProto::decode(model).unwrap().graph.unwrap();
    graph.node.into_iter().map(|node| node.op_type).collect()
}

/// Runs a graph on tensors as the source has them; returns its outputs as the source has them.
fn run(graph: &Graph, inputs: &HashMap<String, TensorProto>) -> Result<Vec<Vec<u8>>, CompileError> {
    let artifact = compile(graph, &Options::default())?;
    let aligned = Aligned::new(&artifact);
    let model = Model::parse(&aligned).unwrap();
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &OPS, &mut arena).unwrap();
    for (i, port) in graph.inputs.iter().enumerate() {
        let bytes = Binding::of_port(graph, port)?.to_artifact(&bytes_of(&inputs[&port.name]))?;
        engine.input_bytes_mut(i).unwrap().copy_from_slice(&bytes);
    }
    engine.run().unwrap();
    let output = |(i, port)| Binding::of_port(graph, port)?.to_source(engine.output_bytes(i).unwrap());
    graph.outputs.iter().enumerate().map(output).collect()
}

/// A case of 8-bit integers: as it is, bit for bit.
fn judge_integers(case: &Case, name: &str) -> Result<Verdict, CompileError> {
    let graph = import(&case.model, name)?;
    let ours = run(&graph, &case.inputs)?;
    let wrapped = WRAPPED.contains(&name);
    for (port, ours) in graph.outputs.iter().zip(&ours) {
        let theirs = bytes_of(&case.outputs[&port.name]);
        let same = |(a, b): (&u8, &u8)| a == b || wrapped && matches!(*a as i8, -128 | 127);
        if ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(same) {
            return Ok(Verdict::Wrong(format!("'{}' is {ours:?}, expected {theirs:?}", port.name)));
        }
    }
    Ok(if wrapped { Verdict::EqualButWrapped } else { Verdict::Equal })
}

/// A float case: quantized, within the bound.
fn judge_floats(case: &Case, name: &str) -> Result<Verdict, CompileError> {
    let float = FloatModel::load(&case.model, name)?;
    let sample = |port: &tanbo_compiler::float::FloatPort| floats_of(&case.inputs[&port.name]);
    let inputs: Vec<Vec<f32>> = float.inputs().iter().map(sample).collect();
    let slices: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    for (port, result) in float.outputs().iter().zip(float.run(&slices)?) {
        let expected = floats_of(&case.outputs[&port.name]);
        let far = |(a, b): (&f32, &f32)| f64::from((a - b).abs()) > FLOAT_TOLERANCE * f64::from(b.abs()).max(1.0);
        if result.len() != expected.len() || result.iter().zip(&expected).any(far) {
            return Ok(Verdict::Wrong(format!("tract's '{}' is {result:?}, expected {expected:?}", port.name)));
        }
    }
    let arrays = float.inputs().iter().zip(&inputs).map(|(port, data)| SampleArray {
        name: port.name.clone(),
        shape: [1].iter().chain(&port.shape).copied().collect(),
        data: data.clone(),
    });
    let samples = Samples::new(arrays.collect(), float.inputs())?;
    let options = QuantizeOptions {
        ranges: RangeMethod::MinMax,
        bias_correction: Choice::Off,
        equalize: Choice::Off,
        ..QuantizeOptions::default()
    };
    let quantized = quantize(&case.model, name, &samples, &options)?;
    let graph = import(&quantized.onnx, name)?;
    let ours = run(&graph, &case.inputs)?;
    let bounds = bounds(&quantized.onnx, &quantized.reference, name, &slices)?;
    let mut most = 0.0f64;
    for (port, ours) in graph.outputs.iter().zip(&ours) {
        let expected = floats_of(&case.outputs[&port.name]);
        let bound = &bounds[&port.name];
        for (i, (&ours, &expected)) in floats(ours).iter().zip(&expected).enumerate() {
            let error = f64::from((ours - expected).abs());
            // Real numbers are float32 on both sides.
            let bound = bound[i] + FLOAT_ERROR * f64::from(expected.abs()).max(f64::from(f32::MIN_POSITIVE));
            if error > bound {
                let text = format!("element {i} of '{}' is {ours}, expected {expected} ± {bound}", port.name);
                return Ok(Verdict::Wrong(text));
            }
            most = most.max(100.0 * error / bound);
        }
    }
    Ok(Verdict::Within(most))
}

/// A tensor that is quantized, in the quantized model.
struct Point {
    /// What its QuantizeLinear reads, as that node and as the float reference name it.
    raw: String,
    float: String,
    /// What its DequantizeLinear writes.
    cut: String,
    step: f64,
}

/// Returns the bound of the error of each element of each output.
fn bounds(
    quantized: &[u8],
    reference: &[u8],
    name: &str,
    inputs: &[&[f32]],
) -> Result<HashMap<String, Vec<f64>>, CompileError> {
    let mut model = ModelProto::decode(quantized).unwrap();
    let outputs: Vec<String> = model.graph.as_ref().unwrap().output.iter().map(|info| info.name.clone()).collect();
    let points = cut(model.graph.as_mut().unwrap());
    // What every point is in float, and the outputs.
    let wanted: Vec<String> = points.iter().map(|point| point.float.clone()).collect();
    let float = FloatModel::load_with(reference, name, &wanted)?;
    let values = float.run(inputs)?;
    let of = |own: &str| values[float.model_outputs() + wanted.iter().position(|w| w == own).unwrap()].clone();
    let graph = model.graph.as_mut().unwrap();
    let shapes = &float.outputs()[float.model_outputs()..];
    graph.input = points.iter().zip(shapes).map(|(point, port)| info(&point.cut, &port.shape)).collect();
    let computed: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
    let raws = points.iter().map(|point| &point.raw).filter(|raw| computed.contains(raw));
    let rest = outputs.iter().filter(|output| computed.contains(output));
    let targets: Vec<String> = raws.chain(rest).cloned().collect();
    graph.output = targets.iter().map(|target| info(target, &[])).collect();

    let mut at: Vec<Vec<f32>> = points.iter().map(|point| of(&point.float)).collect();
    let mut errors: Vec<Vec<f64>> =
        points.iter().zip(&at).map(|(point, values)| vec![point.step / 2.0; values.len()]).collect();
    let mut found = HashMap::new();
    if !targets.is_empty() {
        let segments = FloatModel::load(&model.encode_to_vec(), name)?;
        let compute = |at: &[Vec<f32>]| segments.run(&at.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let base = compute(&at)?;
        // What rounded weights change.
        let mut moved: Vec<Vec<f64>> = targets
            .iter()
            .zip(&base)
            .map(|(target, base)| {
                let own = points.iter().find(|point| point.raw == *target).map_or(target, |point| &point.float);
                let truth = match outputs.iter().position(|output| output == own) {
                    Some(i) => values[i].clone(),
                    None => of(own),
                };
                base.iter().zip(truth).map(|(a, b)| f64::from((a - b).abs())).collect()
            })
            .collect();
        for p in 0..points.len() {
            if let Some(t) = targets.iter().position(|target| *target == points[p].raw) {
                errors[p] = moved[t].iter().map(|m| m + points[p].step).collect();
            }
            for i in 0..at[p].len() {
                let value = at[p][i];
                let mut largest: Vec<Vec<f64>> = base.iter().map(|b| vec![0.0; b.len()]).collect();
                for sign in [-1.0, 1.0] {
                    at[p][i] = (f64::from(value) + sign * errors[p][i]) as f32;
                    for ((largest, result), base) in largest.iter_mut().zip(compute(&at)?).zip(&base) {
                        for ((largest, result), base) in largest.iter_mut().zip(result).zip(base) {
                            *largest = largest.max(f64::from((result - base).abs()));
                        }
                    }
                }
                at[p][i] = value;
                for (moved, largest) in moved.iter_mut().zip(largest) {
                    moved.iter_mut().zip(largest).for_each(|(m, l)| *m += l);
                }
            }
        }
        found.extend(targets.iter().cloned().zip(moved));
    }
    // An output that is a point is off by the point's own rounding as well.
    for (point, error) in points.iter().zip(errors) {
        found.insert(point.cut.clone(), error.clone());
        found.insert(point.float.clone(), error);
    }
    Ok(outputs.into_iter().map(|output| (output.clone(), found[&output].clone())).collect())
}

/// Takes the QuantizeLinear and DequantizeLinear nodes out of a graph: behind activations what they wrote becomes an
/// input, behind constants the numbers they stand for. Returns the points in the order of the nodes.
fn cut(graph: &mut GraphProto) -> Vec<Point> {
    let constants: HashMap<String, TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.clone(), tensor.clone())).collect();
    let mut points: Vec<Point> = Vec::new();
    let mut quantized: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<NodeProto> = Vec::new();
    for node in std::mem::take(&mut graph.node) {
        match node.op_type.as_str() {
            "QuantizeLinear" => {
                let raw = node.input[0].clone();
                quantized.insert(node.output[0].clone(), points.len());
                points.push(Point {
                    float: raw.strip_suffix("_QuantizeLinear_Input").unwrap_or(&raw).into(),
                    raw,
                    cut: String::new(),
                    step: f64::from(floats_of(&constants[&node.input[1]])[0]),
                });
            }
            "DequantizeLinear" => match quantized.get(&node.input[0]) {
                Some(&point) => {
                    assert!(points[point].cut.is_empty(), "one DequantizeLinear per point");
                    points[point].cut = node.output[0].clone();
                }
                None => graph.initializer.push(dequantized(&node, &constants)),
            },
            _ => kept.push(node),
        }
    }
    graph.node = kept;
    points
}

/// The float constant that a DequantizeLinear makes of an integer one. Zero points are zero.
fn dequantized(node: &NodeProto, constants: &HashMap<String, TensorProto>) -> TensorProto {
    let (tensor, scales) = (&constants[&node.input[0]], floats_of(&constants[&node.input[1]]));
    let zero_points = node.input.get(2).map(|name| bytes_of(&constants[name])).unwrap_or_default();
    let zero_point = match zero_points.as_slice() {
        &[one] if tensor.data_type == 3 => i32::from(one as i8),
        zeros => {
            assert!(zeros.iter().all(|&z| z == 0), "{}: zero points", node.name);
            0
        }
    };
    let integers: Vec<i32> = match tensor.data_type {
        3 => tensor.raw_data.iter().map(|&b| i32::from(b as i8)).collect(),
        6 => tensor.raw_data.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b)).collect(),
        other => panic!("{}: constant of type {other}", node.name),
    };
    let shape = shape_of(tensor);
    let axis = node.attribute.iter().find(|a| a.name == "axis").map_or(1, |a| a.i);
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis } as usize;
    let inner: usize = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let real = |(i, q): (usize, &i32)| {
        let scale = scales[if scales.len() == 1 { 0 } else { i / inner % scales.len() }];
        ((q - zero_point) as f32 * scale).to_le_bytes()
    };
    TensorProto {
        name: node.output[0].clone(),
        data_type: FLOAT,
        dims: tensor.dims.clone(),
        raw_data: integers.iter().enumerate().flat_map(real).collect(),
        ..TensorProto::default()
    }
}

fn info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dim =
        shape.iter().map(|&d| Dimension { value: Some(dimension::Value::DimValue(d as i64)), ..Dimension::default() });
    let tensor = type_proto::Tensor { elem_type: FLOAT, shape: Some(TensorShapeProto { dim: dim.collect() }) };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { value, ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

fn judge(case: &Case, name: &str) -> Verdict {
    let judged = if is_float(&case.model) { judge_floats(case, name) } else { judge_integers(case, name) };
    judged.unwrap_or_else(|error| Verdict::Refused(format!("{}; {}", error.reason, error.remedy)))
}

fn table(verdicts: &BTreeMap<String, (String, Verdict)>, left_out: &[(String, String)]) -> String {
    let count = |wanted: fn(&Verdict) -> bool| verdicts.values().filter(|(_, verdict)| wanted(verdict)).count();
    let mut text = format!(
        "# Node tests of onnx 1.19.1\n\n\
         Generated by `TANBO_WRITE=1 cargo test -p tanbo-compiler --test node_tests`. Of {} cases {} are of operators that are\n\
         read: {} equal bit for bit, {} within the bound, {} refused. `tests/node_tests.rs` states the bound; the figure is the\n\
         largest error in percent of it.\n\n| case | operators | verdict |\n|---|---|---|\n",
        verdicts.len() + left_out.len(),
        verdicts.len(),
        count(|v| matches!(v, Verdict::Equal | Verdict::EqualButWrapped)),
        count(|v| matches!(v, Verdict::Within(_))),
        count(|v| matches!(v, Verdict::Refused(_))),
    );
    for (name, (operators, verdict)) in verdicts {
        let verdict = match verdict {
            Verdict::Equal => "equal".into(),
            Verdict::EqualButWrapped => "equal, but for values that saturate: the expected result wraps them".into(),
            Verdict::Within(percent) => format!("within the bound: {percent:.0} %"),
            Verdict::Refused(reason) => format!("refused: {}", reason.replace('|', "\\|").replace('\n', " ")),
            Verdict::Wrong(text) => format!("WRONG: {text}"),
        };
        writeln!(text, "| {} | {operators} | {verdict} |", name.trim_start_matches("test_")).unwrap();
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reason) in left_out {
        reasons.entry(reason).or_default().push(name.trim_start_matches("test_"));
    }
    text.push_str("\n## Left out\n\n| reason | cases |\n|---|---|\n");
    for (reason, names) in reasons {
        writeln!(text, "| {reason} | {} |", names.join(", ")).unwrap();
    }
    text
}

/// A line without its figure, and the figure.
fn parts(line: &str) -> (String, Option<f64>) {
    match line.split_once("within the bound: ") {
        Some((start, rest)) => (start.into(), rest.split(' ').next().and_then(|figure| figure.parse().ok())),
        None => (line.into(), None),
    }
}

#[test]
fn node_tests_of_onnx() {
    let (cases, left_out) = cases();
    let only = std::env::var("TANBO_NODE_TEST").ok();
    let chosen = cases.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only)));
    let queue = Mutex::new(chosen);
    let judged = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let Some((name, case)) = queue.lock().unwrap().next() else { return };
            let operators = operators_of(&case.model).into_iter().collect::<Vec<_>>().join(", ");
            let verdict = judge(case, name);
            judged.lock().unwrap().insert(name.clone(), (operators, verdict));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let verdicts = judged.into_inner().unwrap();
    let wrong: Vec<String> = verdicts
        .iter()
        .filter_map(|(name, (_, verdict))| match verdict {
            Verdict::Wrong(text) => Some(format!("{name}: {}", text.chars().take(300).collect::<String>())),
            _ => None,
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if let Some(only) = only {
        println!("{}", table(&verdicts, &[]));
        return assert!(!verdicts.is_empty(), "no case named {only}");
    }
    let text = table(&verdicts, &left_out);
    let path = folder().join("node_tests.md");
    if std::env::var_os("TANBO_WRITE").is_some() {
        fs::write(&path, &text).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap();
    for (ours, theirs) in text.lines().zip(committed.lines()) {
        // Other vector units round float32 otherwise.
        let ((ours_start, ours_figure), (theirs_start, theirs_figure)) = (parts(ours), parts(theirs));
        let near = ours_figure.zip(theirs_figure).is_none_or(|(a, b)| (a - b).abs() <= 2.0);
        let same = ours_start == theirs_start && near && ours_figure.is_some() == theirs_figure.is_some();
        assert!(same, "{}:\n{ours}\n{theirs}\nTANBO_WRITE=1 writes it anew", path.display());
    }
    assert_eq!(text.lines().count(), committed.lines().count(), "{}", path.display());
}

/// An operator that is read and has node tests is among them: node_tests.onnx is as new as the table of operators.
#[test]
fn no_operator_that_is_read_is_left_out() {
    let (_, left_out) = cases();
    for (operator, _) in operators().into_iter().flatten() {
        for (name, reason) in &left_out {
            let unread = reason.strip_prefix("operator ").and_then(|rest| rest.strip_suffix(" is not read"));
            let listed = unread.is_some_and(|unread| unread.split(", ").any(|other| other == operator));
            assert!(!listed, "{name}: {operator} is read now; write node_tests.onnx anew (node_tests.py)");
        }
    }
}
