//! ONNX QDQ models against ONNX Runtime's own tensors, and refusals. `tests/onnx/README.md`
//! describes the models and how their tensors are made.
#![cfg(feature = "onnx")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_compiler::binding::Binding;
use tanbo_compiler::graph::{Graph, NodeOp, Port, SourceType, TensorId};
use tanbo_compiler::import::onnx::{import, import_with_values};
use tanbo_compiler::{CompileError, CompileErrorKind, Options, compile};
use tanbo_format::ElementType;
use tanbo_format::emit::Aligned;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto};

static OPS: OpSet = OpSet::all::<Reference>();

/// The graph's outputs, as the artifact holds them, for inputs as the artifact holds them.
fn run(graph: &Graph, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let artifact = compile(graph, &Options::default()).unwrap_or_else(|e| panic!("{}: {e}", graph.name));
    let aligned = Aligned::new(&artifact);
    let model = Model::parse(&aligned).unwrap();
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &OPS, &mut arena).unwrap();
    for (i, bytes) in inputs.iter().enumerate() {
        engine.input_bytes_mut(i).unwrap().copy_from_slice(bytes);
    }
    engine.run().unwrap();
    (0..graph.outputs.len()).map(|i| engine.output_bytes(i).unwrap().to_vec()).collect()
}

/// ONNX Runtime's tensors of one sample, by name.
type Tensors = HashMap<String, Vec<u8>>;

fn samples(path: &Path) -> Vec<Tensors> {
    let model = ModelProto::decode(fs::read(path).unwrap().as_slice()).unwrap();
    let mut samples = BTreeMap::<usize, Tensors>::new();
    for tensor in model.graph.unwrap().initializer {
        let (sample, name) = tensor.name.split_once('/').unwrap();
        samples.entry(sample.parse().unwrap()).or_default().insert(name.into(), tensor.raw_data);
    }
    samples.into_values().collect()
}

/// Elements compared, elements that differ, and the largest difference.
#[derive(Clone, Copy, Default)]
struct Tally {
    elements: usize,
    differing: usize,
    most: i32,
}

impl Tally {
    fn add(&mut self, ty: ElementType, ours: &[u8], theirs: &[u8]) {
        assert_eq!(ours.len(), theirs.len());
        let (ours, theirs) = (integers(ty, ours), integers(ty, theirs));
        self.elements += ours.len();
        for (&a, &b) in ours.iter().zip(&theirs) {
            let difference = (a - b).abs();
            self.differing += usize::from(difference != 0);
            self.most = self.most.max(difference);
        }
    }

    fn merge(&mut self, other: Self) {
        self.elements += other.elements;
        self.differing += other.differing;
        self.most = self.most.max(other.most);
    }

    fn equal_percent(&self) -> f64 {
        100.0 * (self.elements - self.differing) as f64 / self.elements as f64
    }
}

/// The elements of an int8 or int16 tensor.
fn integers(ty: ElementType, bytes: &[u8]) -> Vec<i32> {
    match ty {
        ElementType::I16 => bytes.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b).into()).collect(),
        _ => bytes.iter().map(|&b| (b as i8).into()).collect(),
    }
}

/// What a comparison found.
#[derive(Default)]
struct Report {
    /// Each operator fed ONNX Runtime's tensors, by operator.
    operators: BTreeMap<&'static str, Tally>,
    /// 8-bit outputs of the whole model.
    whole: Tally,
    /// Samples whose best output is ONNX Runtime's, or whose two best logits there lie within 2.
    top1: usize,
    samples: usize,
}

fn name_of(op: &NodeOp) -> &'static str {
    match op {
        NodeOp::Conv2d { weights, .. } if weights.four_bits => "conv2d_i4",
        NodeOp::DepthwiseConv2d { weights, .. } if weights.four_bits => "depthwise_conv2d_i4",
        NodeOp::FullyConnected { weights, .. } if weights.four_bits => "fully_connected_i4",
        NodeOp::Conv2d { .. } => "conv2d",
        NodeOp::DepthwiseConv2d { .. } => "depthwise_conv2d",
        NodeOp::FullyConnected { .. } => "fully_connected",
        NodeOp::TransposeConv2d { .. } => "transpose_conv2d",
        NodeOp::BatchMatmul { .. } => "batch_matmul",
        NodeOp::AveragePool2d { .. } => "average_pool2d",
        NodeOp::MaxPool2d { .. } => "max_pool2d",
        NodeOp::Mean { .. } => "mean",
        NodeOp::Add { .. } => "add",
        NodeOp::Sub { .. } => "sub",
        NodeOp::Mul { .. } => "mul",
        NodeOp::Lut { .. } => "lut",
        NodeOp::Softmax { .. } => "softmax",
        NodeOp::LutI16 { .. } => "lut_i16",
        NodeOp::SigmoidI16 { .. } => "sigmoid_i16",
        NodeOp::Scale { .. } => "requantize",
        NodeOp::Pad { .. } => "pad",
        NodeOp::Concat { .. } => "concat",
        NodeOp::Slice { .. } => "slice",
        NodeOp::Transpose { .. } => "transpose",
        NodeOp::Requantize { .. } => "requantize",
        NodeOp::Gather { .. } => "gather",
        NodeOp::ResizeBilinear { .. } => "resize_bilinear",
        NodeOp::Minimum => "minimum",
        NodeOp::Maximum => "maximum",
        NodeOp::ReduceMax { .. } => "reduce_max",
        NodeOp::ReduceMin { .. } => "reduce_min",
        NodeOp::Sum { .. } => "sum",
        NodeOp::SquaredDifference { .. } => "squared_difference",
        NodeOp::Div { .. } => "div",
        NodeOp::LayerNorm { .. } => "layer_norm",
        NodeOp::L2Norm { .. } => "l2_norm",
        NodeOp::Reshape => "reshape",
        NodeOp::Copy => "copy",
        NodeOp::Svdf(_) => "svdf",
        NodeOp::Lstm { .. } => "lstm",
        NodeOp::Gru { .. } => "gru",
    }
}

/// The name of an operator of int16 activations, whose float sums in ONNX Runtime are nearer to the next integer.
fn in_int16(name: &'static str) -> &'static str {
    match name {
        "conv2d" => "conv2d_i16",
        "depthwise_conv2d" => "depthwise_conv2d_i16",
        "fully_connected" => "fully_connected_i16",
        "transpose_conv2d" => "transpose_conv2d_i16",
        "batch_matmul" => "batch_matmul_i16",
        "average_pool2d" => "average_pool2d_i16",
        "max_pool2d" => "max_pool2d_i16",
        "mean" => "mean_i16",
        "add" => "add_i16",
        "sub" => "sub_i16",
        "mul" => "mul_i16",
        "softmax" => "softmax_i16",
        "requantize" => "requantize to int16",
        other => other,
    }
}

/// The part of `graph` that computes `target` from tensors in `known`, and the operator it stands for.
fn part(graph: &Graph, target: &Port, known: &HashMap<TensorId, Vec<u8>>) -> (Graph, &'static str) {
    let mut wanted = vec![target.tensor];
    let mut nodes = Vec::new();
    for node in graph.nodes.iter().rev().filter(|n| n.output == target.tensor || !known.contains_key(&n.output)) {
        if wanted.contains(&node.output) {
            wanted.extend(&node.inputs);
            nodes.push(node.clone());
        }
    }
    let moves = |op: &NodeOp| matches!(op, NodeOp::Reshape | NodeOp::Transpose { .. });
    let main = nodes.iter().find(|n| !moves(&n.op)).or(nodes.first()).map_or("input", |n| name_of(&n.op));
    let main = if graph.tensors[target.tensor].ty == ElementType::I16 { in_int16(main) } else { main };
    nodes.reverse();
    wanted.retain(|t| *t != target.tensor && known.contains_key(t));
    wanted.sort_unstable();
    wanted.dedup();
    // The ports' layout does not matter: arrays are given and taken as the artifact holds them.
    let inputs = wanted.into_iter().map(|tensor| Port {
        tensor,
        source_shape: graph.tensors[tensor].shape.clone(),
        source_type: SourceType::I8,
        perm: None,
        ..target.clone()
    });
    let inputs = inputs.collect();
    let outputs = vec![Port {
        source_shape: graph.tensors[target.tensor].shape.clone(),
        source_type: SourceType::I8,
        perm: None,
        ..target.clone()
    }];
    let name = format!("{} of {}", target.name, graph.name);
    (Graph { name, tensors: graph.tensors.clone(), nodes, inputs, outputs, states: graph.states.clone() }, main)
}

/// Compares a model with ONNX Runtime: each operator on its own, and the whole.
fn compare(path: &Path) -> Result<Report, CompileError> {
    let name = path.file_stem().unwrap().to_string_lossy();
    let imported = import_with_values(&fs::read(path).unwrap(), &name)?;
    let graph = &imported.graph;
    let mut report = Report::default();
    for tensors in samples(&path.with_extension("tensors.onnx")) {
        let mut known = HashMap::<TensorId, Vec<u8>>::new();
        for port in &imported.values {
            let theirs = &tensors.get(&port.name).unwrap_or_else(|| panic!("{name}: no tensor {}", port.name));
            let stored = Binding::of_port(graph, port)?.to_artifact(theirs)?;
            if let Some(same) = known.insert(port.tensor, stored.clone()) {
                assert_eq!(same, stored, "{name}: {} is another tensor's view, but differs", port.name);
            }
        }
        let mut done: Vec<TensorId> = graph.inputs.iter().map(|port| port.tensor).collect();
        for port in &imported.values {
            if done.contains(&port.tensor) {
                continue;
            }
            done.push(port.tensor);
            let (part, operator) = part(graph, port, &known);
            let inputs: Vec<_> = part.inputs.iter().map(|input| known[&input.tensor].clone()).collect();
            let ours = run(&part, &inputs).remove(0);
            report.operators.entry(operator).or_default().add(
                graph.tensors[port.tensor].ty,
                &ours,
                &known[&port.tensor],
            );
        }
        whole(graph, &imported.values, &tensors, &mut report)?;
    }
    Ok(report)
}

/// Compares the whole model's outputs.
fn whole(graph: &Graph, values: &[Port], tensors: &Tensors, report: &mut Report) -> Result<(), CompileError> {
    let bind = |port: &Port| Binding::of_port(graph, port);
    let inputs = graph.inputs.iter().map(|port| bind(port)?.to_artifact(&tensors[&port.name]));
    let outputs = run(graph, &inputs.collect::<Result<Vec<_>, _>>()?);
    let mut same_best = true;
    for (port, ours) in graph.outputs.iter().zip(&outputs) {
        // Float outputs are quantized again: theirs lie on the grid.
        let theirs = bind(port)?.to_artifact(&tensors[&port.name])?;
        report.whole.add(graph.tensors[port.tensor].ty, ours, &theirs);
        let source = |bytes: &[u8]| Ok::<_, CompileError>(reals(port.source_type, &bind(port)?.to_source(bytes)?));
        let (ours, theirs) = (source(ours)?, source(&theirs)?);
        same_best &= best(&ours) == best(&theirs) || logits_are_close(graph, values, tensors, port.tensor);
    }
    report.samples += 1;
    report.top1 += usize::from(same_best);
    Ok(())
}

fn reals(ty: SourceType, bytes: &[u8]) -> Vec<f32> {
    match ty {
        SourceType::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        SourceType::U8 => bytes.iter().map(|&b| f32::from(b)).collect(),
        SourceType::I16 => bytes.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b).into()).collect(),
        _ => bytes.iter().map(|&b| f32::from(b as i8)).collect(),
    }
}

fn best(values: &[f32]) -> Option<usize> {
    (0..values.len()).rev().max_by(|&a, &b| values[a].total_cmp(&values[b]))
}

/// Whether ONNX Runtime's two best logits, before the softmax if there is one, lie within 2 of one another.
fn logits_are_close(graph: &Graph, values: &[Port], tensors: &Tensors, output: TensorId) -> bool {
    let softmax = graph.nodes.iter().find(|n| n.output == output && matches!(n.op, NodeOp::Softmax { .. }));
    let logits = softmax.map_or(output, |n| n.inputs[0]);
    let Some(port) = values.iter().find(|port| port.tensor == logits) else { return false };
    let mut integers: Vec<i32> = reals(port.source_type, &tensors[&port.name]).iter().map(|&r| r as i32).collect();
    integers.sort_unstable_by(|a, b| b.cmp(a));
    integers.len() > 1 && integers[0] - integers[1] <= 2
}

fn print(name: &str, report: &Report) {
    for (operator, tally) in &report.operators {
        println!(
            "{name:24} {operator:18} {:8} elements {:4} differ {:9.4} % equal, at most {}",
            tally.elements,
            tally.differing,
            tally.equal_percent(),
            tally.most
        );
    }
    let whole = report.whole;
    println!(
        "{name:24} whole model: {} of {} output elements differ, at most {}; top-1 {} of {}",
        whole.differing, whole.elements, whole.most, report.top1, report.samples
    );
}

/// Convolutions and matrix products of PyTorch's exports.
const FLOAT_BIAS: &str = "product with a float bias";

/// The bound of each operator over all models: at most 1, and 99.99 % equal. AveragePool computes at its input's
/// scale, where exact halves are common: ONNX Runtime's float32 sum takes them either way. A bias in float is rounded
/// to int32, which moves sums by up to half their unit.
fn check_operators(operators: &BTreeMap<&'static str, Tally>) {
    for (operator, tally) in operators {
        assert!(tally.most <= 1, "{operator}: an element differs by {}", tally.most);
        let bound = match *operator {
            "average_pool2d" => 99.5,
            FLOAT_BIAS => 99.8,
            // Lines between a table's entries are within one of the function, and 24 bits of a float32 sum leave one in
            // some hundred results of 16 bits on the other side of a half.
            "lut_i16" => 85.0,
            name if name.contains("16") => 98.0,
            _ => 99.99,
        };
        assert!(tally.equal_percent() >= bound, "{operator}: {} % equal", tally.equal_percent());
    }
}

fn models(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut models: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    models.retain(|path| path.with_extension("tensors.onnx").is_file());
    models.sort();
    models
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/cases")
}

fn case(name: &str) -> Vec<u8> {
    fs::read(cases().join(name).with_extension("onnx")).unwrap()
}

#[test]
fn small_models_equal_onnx_runtime() {
    let models = models(&cases());
    assert!(models.len() >= 30, "{} models", models.len());
    let mut operators = BTreeMap::<&str, Tally>::new();
    for path in &models {
        let name = path.file_stem().unwrap().to_string_lossy();
        let report = compare(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        print(&name, &report);
        let float_bias = name.starts_with("pytorch_qat") || name.starts_with("pytorch_pt2e");
        for (operator, tally) in report.operators {
            let product = matches!(operator, "conv2d" | "depthwise_conv2d" | "fully_connected");
            let operator = if float_bias && product { FLOAT_BIAS } else { operator };
            operators.entry(operator).or_default().merge(tally);
        }
        assert!(report.whole.most <= 2, "{name}: an output differs by {}", report.whole.most);
    }
    let expected = [
        "add",
        "add_i16",
        "average_pool2d",
        "average_pool2d_i16",
        "batch_matmul",
        "batch_matmul_i16",
        "concat",
        "conv2d",
        "conv2d_i16",
        "conv2d_i4",
        "depthwise_conv2d",
        "depthwise_conv2d_i16",
        "depthwise_conv2d_i4",
        "div",
        "fully_connected",
        "fully_connected_i16",
        "fully_connected_i4",
        "gather",
        "layer_norm",
        "lut",
        "lut_i16",
        "max_pool2d",
        "max_pool2d_i16",
        "maximum",
        "mean",
        "mean_i16",
        "minimum",
        "mul",
        "mul_i16",
        "pad",
        FLOAT_BIAS,
        "reduce_max",
        "requantize",
        "requantize to int16",
        "reshape",
        "resize_bilinear",
        "slice",
        "softmax",
        "softmax_i16",
        "sub",
        "sub_i16",
        "sum",
        "transpose",
        "transpose_conv2d",
        "transpose_conv2d_i16",
    ];
    assert!(operators.keys().copied().eq(expected), "{:?}", operators.keys());
    check_operators(&operators);
}

/// `TANBO_MODELS_DIR` holds models and their tensors: `ort_compare.py tensors MODEL.onnx MODEL.tensors.onnx`.
#[test]
#[ignore = "needs models in TANBO_MODELS_DIR"]
fn models_of_a_folder_equal_onnx_runtime() {
    let folder = std::env::var("TANBO_MODELS_DIR").expect("TANBO_MODELS_DIR names the folder of models");
    let models = models(Path::new(&folder));
    assert!(!models.is_empty(), "no model with tensors in {folder}");
    let mut operators = BTreeMap::<&str, Tally>::new();
    let mut refused = Vec::new();
    for path in &models {
        let name = path.file_stem().unwrap().to_string_lossy();
        let report = match compare(path) {
            Ok(report) => report,
            Err(error) => {
                refused.push(format!("{name}: {error}"));
                continue;
            }
        };
        print(&name, &report);
        assert_eq!(report.top1, report.samples, "{name}: another best output");
        for (operator, tally) in report.operators {
            operators.entry(operator).or_default().merge(tally);
        }
    }
    check_operators(&operators);
    assert!(refused.is_empty(), "{} refused\n{}", refused.len(), refused.join("\n"));
}

/// An edit of a model that must be refused, and what the message must hold.
type Refusal = (&'static str, &'static str, fn(&mut ModelProto), CompileErrorKind, [&'static str; 3]);

fn node<'a>(model: &'a mut ModelProto, op_type: &str) -> &'a mut NodeProto {
    model.graph.as_mut().unwrap().node.iter_mut().find(|n| n.op_type == op_type).unwrap()
}

fn set_int(node: &mut NodeProto, name: &str, value: i64) {
    node.attribute.retain(|a| a.name != name);
    node.attribute.push(AttributeProto { name: name.into(), r#type: 2, i: value, ..Default::default() });
}

const REFUSALS: &[Refusal] = &[
    (
        "float model",
        "conv_stride_pad",
        |m| {
            m.graph
                .as_mut()
                .unwrap()
                .node
                .retain(|n| !n.op_type.ends_with("uantizeLinear") && !n.op_type.ends_with("equantizeLinear"))
        },
        CompileErrorKind::Unsupported,
        ["conv_stride_pad", "in float", "quantize it first"],
    ),
    (
        "old operator set",
        "conv_stride_pad",
        |m| m.opset_import.iter_mut().for_each(|o| o.version = 10),
        CompileErrorKind::Unsupported,
        ["conv_stride_pad", "operator set 10", "convert_version"],
    ),
    (
        "operator that cannot run",
        "conv_stride_pad",
        |m| node(m, "Conv").op_type = "TopK".into(),
        CompileErrorKind::Unsupported,
        ["Conv_", "TopK cannot run", "on the host"],
    ),
    (
        "batch normalization",
        "conv_stride_pad",
        |m| node(m, "Conv").op_type = "BatchNormalization".into(),
        CompileErrorKind::Unsupported,
        ["(BatchNormalization)", "does not follow a convolution", "quant_pre_process"],
    ),
    (
        "other domain",
        "conv_stride_pad",
        |m| node(m, "Conv").domain = "com.example".into(),
        CompileErrorKind::Unsupported,
        ["Conv_", "com.example", "standard ONNX operators"],
    ),
    (
        "float output",
        "conv_stride_pad",
        |m| {
            let conv =
                m.graph.as_ref().unwrap().node.iter().rev().find(|n| n.op_type == "Conv").unwrap().output[0].clone();
            m.graph.as_mut().unwrap().output[0].name = conv;
        },
        CompileErrorKind::Unsupported,
        ["output 'conv", "no QuantizeLinear follows", "quantize the last operator"],
    ),
    (
        "missing quantization inside",
        "gemm_softmax",
        |m| {
            let gemm =
                m.graph.as_ref().unwrap().node.iter().rev().find(|n| n.op_type == "Gemm").unwrap().output[0].clone();
            node(m, "Softmax").input[0] = gemm;
        },
        CompileErrorKind::Unsupported,
        ["Softmax_", "no QuantizeLinear stands after node 'Gemm_", "quantize every operator"],
    ),
    (
        "external data",
        "conv_stride_pad",
        |m| m.graph.as_mut().unwrap().initializer[0].data_location = Some(1),
        CompileErrorKind::Unsupported,
        ["initializer '", "in another file", "save_as_external_data=False"],
    ),
    (
        "short data",
        "conv_stride_pad",
        |m| {
            let tensor = m.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.raw_data.len() > 8).unwrap();
            tensor.raw_data.pop();
        },
        CompileErrorKind::Malformed,
        ["initializer '", "elements of data", "check_model"],
    ),
    (
        "huge shape",
        "conv_stride_pad",
        |m| m.graph.as_mut().unwrap().initializer[0].dims = vec![1 << 40, 1 << 40],
        CompileErrorKind::Malformed,
        ["initializer '", "too large", "check_model"],
    ),
    (
        "blocks",
        "gemm_softmax",
        |m| set_int(node(m, "DequantizeLinear"), "block_size", 16),
        CompileErrorKind::Unsupported,
        ["Dequantize", "in blocks", "per tensor or per channel"],
    ),
    (
        "dilated pool",
        "max_pool_ceil",
        |m| {
            let pool = node(m, "MaxPool");
            pool.attribute.retain(|a| a.name != "dilations");
            let dilations =
                AttributeProto { name: "dilations".into(), r#type: 7, ints: vec![2, 2], ..Default::default() };
            pool.attribute.push(dilations);
        },
        CompileErrorKind::Unsupported,
        ["MaxPool_", "dilation", "without dilation"],
    ),
    (
        "undefined name",
        "conv_stride_pad",
        |m| node(m, "Conv").input[0] = "nowhere".into(),
        CompileErrorKind::Malformed,
        ["Conv_", "it reads 'nowhere'", "check_model"],
    ),
    (
        "name used twice",
        "conv_stride_pad",
        |m| {
            let again = node(m, "Conv").clone();
            m.graph.as_mut().unwrap().node.push(again);
        },
        CompileErrorKind::Malformed,
        ["Conv_", "used twice", "check_model"],
    ),
    (
        "scale picked at run time",
        "qop_integer_products",
        |m| {
            let dynamic = NodeProto {
                name: "dynamic".into(),
                op_type: "DynamicQuantizeLinear".into(),
                input: vec!["x".into()],
                output: vec!["xq".into(), "xs".into(), "xz".into()],
                ..Default::default()
            };
            m.graph.as_mut().unwrap().node.insert(0, dynamic);
        },
        CompileErrorKind::Unsupported,
        ["dynamic", "DynamicQuantizeLinear cannot run", "quantize_static"],
    ),
    (
        "int32 sums as an output",
        "qop_integer_dequantized",
        |m| {
            let sums = node(m, "MatMulInteger").output[0].clone();
            m.graph.as_mut().unwrap().output[0].name = sums;
        },
        CompileErrorKind::Unsupported,
        ["output 'matmulinteger", "float or int32", "quantize the last operator"],
    ),
    (
        "weights that do not fit int8",
        "qop_conv_uint8_weights",
        |m| {
            let zero = node(m, "QLinearConv").input[5].clone();
            let zero = m.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.name == zero).unwrap();
            zero.int32_data.clear();
            zero.raw_data = vec![3];
        },
        CompileErrorKind::Unsupported,
        ["(QLinearConv)", "do not fit int8", "WeightSymmetric"],
    ),
    (
        "operator of the operator format on floats",
        "qop_conv_int8",
        |m| node(m, "QLinearConv").input[0] = "x".into(),
        CompileErrorKind::Inconsistent,
        ["(QLinearConv)", "in float, not int8 or uint8", "check_model"],
    ),
    (
        "last operator in float",
        "pytorch_pt2e_x86",
        |_| (),
        CompileErrorKind::Unsupported,
        ["node_sigmoid", "no QuantizeLinear stands after node 'node_linear' (Gemm)", "XNNPACKQuantizer"],
    ),
    (
        "float bias whose rounding would show",
        "pytorch_qat_eager",
        |m| {
            let bias = m.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.name == "dense.bias").unwrap();
            bias.raw_data = [0.01f32; 4].iter().flat_map(|b| b.to_le_bytes()).collect();
            let output = node(m, "Gemm").output[0].clone();
            let quantize =
                m.graph.as_mut().unwrap().node.iter_mut().find(|n| n.input.first() == Some(&output)).unwrap();
            let scale = quantize.input[1].clone();
            let scale = m.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.name == scale).unwrap();
            // Outputs in steps near those of the sums.
            scale.raw_data = 1e-5f32.to_le_bytes().to_vec();
        },
        CompileErrorKind::Unsupported,
        ["Gemm", "the bias of channel", "quantize the bias"],
    ),
    (
        "negative alpha",
        "gemm_softmax",
        |m| {
            let gemm = node(m, "Gemm");
            gemm.attribute.retain(|a| a.name != "alpha");
            gemm.attribute.push(AttributeProto { name: "alpha".into(), r#type: 1, f: -1.0, ..Default::default() });
        },
        CompileErrorKind::Unsupported,
        ["Gemm_", "alpha = -1", "fold alpha"],
    ),
    (
        "bias that no integer is near",
        "gemm_softmax",
        |m| {
            let gemm = node(m, "Gemm").input[2].clone();
            let graph = m.graph.as_mut().unwrap();
            let scale = graph.node.iter().find(|n| n.output[0] == gemm).unwrap().input[1].clone();
            let scale = graph.initializer.iter_mut().find(|t| t.name == scale).unwrap();
            // The bias comes in steps of 1000.3 times its unit.
            let values = scale.raw_data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b) * 1000.3);
            scale.raw_data = values.flat_map(f32::to_le_bytes).collect();
        },
        CompileErrorKind::Unsupported,
        ["Gemm_", "the bias of channel", "QuantizeBias"],
    ),
];

#[test]
fn what_cannot_run_is_refused_with_place_reason_and_remedy() {
    for (what, name, edit, kind, parts) in REFUSALS {
        let mut model = ModelProto::decode(case(name).as_slice()).unwrap();
        edit(&mut model);
        let error = import(&model.encode_to_vec(), name).expect_err(what);
        assert_eq!(error.kind, *kind, "{what}: {error}");
        let [place, reason, remedy] = parts;
        assert!(error.place.contains(place), "{what}: {error}");
        assert!(error.reason.contains(reason), "{what}: {error}");
        assert!(error.remedy.contains(remedy), "{what}: {error}");
    }
}
