//! What quantization cost: errors per tensor, agreement, accuracy, and accuracy against size.

use std::collections::{BTreeSet, HashMap};

use super::execute::Executor;
use super::network::Network;
pub use super::outputs::{Judge, OutputComparison};
use super::rewrite::QUANTIZED;
use super::samples::Samples;
use super::statistics::ErrorSums;
pub use super::statistics::{Accuracy, Proportion};
use super::{Options, Progress, Quantized, Res, Wide, quantize};
use crate::error::{CompileError, CompileErrorKind};
use crate::float::{FloatModel, FloatPort};
use crate::graph::{Graph, NodeOp, Port};
use crate::import::onnx::{Imported, import_with_values};

/// How far a tensor of the artifact is from the float model's.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorError {
    /// Name in the float model.
    pub name: String,
    /// The operators that compute it, and the name of the first: `Conv+Relu 'conv1'`.
    pub producer: String,
    /// Elements of one sample.
    pub elements: usize,
    /// Signal over error, dB; infinite where nothing differs.
    pub sqnr_db: f64,
    /// Cosine of the angle between the two.
    pub cosine: f64,
    /// Largest difference.
    pub max_abs: f64,
    /// Root mean square of the float values.
    pub signal_rms: f64,
}

impl TensorError {
    pub(crate) fn new(port: &FloatPort, producer: String, sums: &ErrorSums) -> Self {
        Self {
            name: port.name.clone(),
            producer,
            elements: port.elements(),
            sqnr_db: sums.sqnr_db(),
            cosine: sums.cosine(),
            max_abs: sums.max_abs(),
            signal_rms: sums.signal_rms(),
        }
    }
}

/// A quantized model against its float model.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Samples compared.
    pub samples: usize,
    /// Tensors of the artifact that the float model has, the worst ratio first.
    pub layers: Vec<TensorError>,
    /// Outputs in the model's order.
    pub outputs: Vec<TensorError>,
    /// Samples whose class, by the first output, is the float model's; `None` where that output is no class.
    pub agreement: Option<Proportion>,
    /// Indices of the others.
    pub disagreeing: Vec<usize>,
    /// Where labels are given.
    pub accuracy: Option<Accuracy>,
}

/// Compares an imported model with its float model over `samples`; `name` is what messages call the float model's file.
///
/// The two have their inputs and outputs in one order; integer inputs and outputs are taken for the real numbers they
/// stand for.
///
/// # Errors
/// Models of different inputs or outputs; labels or a threshold that do not fit; what either model's run refuses.
pub fn compare(
    float: &[u8],
    name: &str,
    imported: &Imported,
    samples: &Samples,
    judge: &Judge,
    progress: &mut dyn FnMut(Progress),
) -> Res<Report> {
    let (network, _) = Network::prepared(float, name)?;
    let model_outputs = network.outputs.len();
    let (graph, layers) = with_layers(&imported.graph, &imported.values, &network);
    let tensors: Vec<String> = layers.iter().map(|(name, _)| name.clone()).collect();
    let reference = FloatModel::load_with(float, name, &tensors)?;
    let executor = Executor::new(&graph)?;
    check_ports(&imported.graph, &reference, name)?;
    let (own, inner) = reference.outputs().split_at(model_outputs.min(reference.outputs().len()));
    let mut outputs = OutputComparison::new(own);
    outputs.check(judge, samples.count())?;
    let mut sums = vec![ErrorSums::default(); inner.len()];
    let total = samples.count();
    executor.run(samples, |i, quantized| {
        let float = reference.run(&samples.sample(i))?;
        outputs.push(&float, quantized)?;
        for ((sums, x), y) in sums.iter_mut().zip(float.iter().skip(own.len())).zip(quantized.iter().skip(own.len())) {
            sums.add(x, y);
        }
        progress(Progress { stage: "comparing samples", done: i + 1, total });
        Ok(())
    })?;
    let mut report = outputs.finish(judge)?;
    for output in &mut report.outputs {
        output.producer = producer(&network, &output.name);
    }
    report.layers = inner
        .iter()
        .zip(&sums)
        .map(|(port, sums)| TensorError::new(port, producer(&network, &port.name), sums))
        .collect();
    report.layers.sort_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
    Ok(report)
}

fn check_ports(graph: &Graph, float: &FloatModel, name: &str) -> Res<()> {
    let elements = |ports: &[Port]| -> Vec<usize> { ports.iter().map(|p| p.source_shape.iter().product()).collect() };
    let theirs = |ports: &[FloatPort]| -> Vec<usize> { ports.iter().map(|p| p.elements()).collect() };
    let outputs = float.outputs().get(..float.model_outputs()).unwrap_or_default();
    for (what, ours, theirs) in [
        ("inputs", elements(&graph.inputs), theirs(float.inputs())),
        ("outputs", elements(&graph.outputs), theirs(outputs)),
    ] {
        if ours != theirs {
            return Err(CompileError::new(
                CompileErrorKind::Inconsistent,
                name,
                format!("its {what} have {theirs:?} elements, those of '{}' {ours:?}", graph.name),
                "compare a model with the float model it was made from",
            ));
        }
    }
    Ok(())
}

/// Returns the graph with inner tensors as further outputs, and for each the name in the float model.
fn with_layers(graph: &Graph, values: &[Port], network: &Network) -> (Graph, Vec<(String, usize)>) {
    let known: HashMap<String, usize> = network.producers();
    let mut graph = graph.clone();
    // A view of an input or of a constant is nothing that the artifact computes.
    let mut computed: Vec<bool> = vec![false; graph.tensors.len()];
    for node in &graph.nodes {
        let views = matches!(node.op, NodeOp::Reshape)
            && node.inputs.first().is_none_or(|&input| computed.get(input) != Some(&true));
        if let Some(slot) = computed.get_mut(node.output) {
            *slot = !views;
        }
    }
    let mut layers = Vec::new();
    for value in values {
        let own = value.name.strip_suffix(QUANTIZED).unwrap_or(&value.name);
        let name = own.strip_suffix("_QuantizeLinear_Input").unwrap_or(own);
        if known.contains_key(name) && computed.get(value.tensor) == Some(&true) {
            layers.push((name.to_string(), graph.outputs.len()));
            graph.outputs.push(value.clone());
        }
    }
    (graph, layers)
}

/// Returns the operators that compute a tensor, back to the one with weights or several inputs.
fn producer(network: &Network, tensor: &str) -> String {
    let producers = network.producers();
    let mut kinds = Vec::new();
    let mut name = "";
    let mut tensor = tensor;
    while let Some(node) = producers.get(tensor).and_then(|&i| network.nodes.get(i)) {
        kinds.push(node.op_type.as_str());
        name = &node.name;
        let fused = matches!(
            node.op_type.as_str(),
            "Relu" | "Clip" | "Reshape" | "Flatten" | "Transpose" | "Squeeze" | "Unsqueeze"
        ) || (node.op_type == "Add"
            && node.input.iter().any(|input| network.constants.contains_key(input)));
        let next = node.input.iter().find(|input| !network.constants.contains_key(*input));
        match next.filter(|_| fused && kinds.len() < 8) {
            Some(input) => tensor = input,
            None => break,
        }
    }
    kinds.reverse();
    format!("{} '{name}'", kinds.join("+"))
}

/// A way to quantize a model: its size and what it costs.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// How: `int8`, `int4: conv1, conv2`, `16-bit activations`.
    pub label: String,
    /// Size of the artifact.
    pub artifact_bytes: usize,
    /// Signal over error of the first output, dB.
    pub sqnr_db: f64,
    /// As [`Report::agreement`].
    pub agreement: Option<Proportion>,
    /// Accuracy where labels are given.
    pub accuracy: Option<Proportion>,
}

/// Most points with 4-bit weights.
const NARROW_POINTS: usize = 4;

/// Returns ways to quantize a model with their sizes and costs: 8 bits, 4-bit weights for growing sets of layers, those
/// first that harm least per byte saved, and 16-bit activations. A way that cannot be compiled is left out.
///
/// # Errors
/// As [`quantize`] and [`compare`].
pub fn size_curve(
    model: &[u8],
    name: &str,
    calibration: &Samples,
    evaluation: &Samples,
    judge: &Judge,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Res<Vec<CurvePoint>> {
    let total = NARROW_POINTS + 3;
    let mut done = 0;
    let mut next = || {
        done += 1;
        progress(Progress { stage: "ways to quantize", done, total });
    };
    let plain = Options { int4: BTreeSet::new(), wide: Wide::None, ..options.clone() };
    let base = quantize(model, name, calibration, &plain)?;
    next();
    let mut points = vec![measured("int8", model, name, &base, evaluation, judge)?];
    let order = super::sensitivity(model, name, &base, calibration)?;
    next();
    for part in 1..=NARROW_POINTS {
        next();
        let count = (order.len() * part).div_ceil(NARROW_POINTS);
        if count == 0 || (part > 1 && count == (order.len() * (part - 1)).div_ceil(NARROW_POINTS)) {
            continue;
        }
        let int4: BTreeSet<String> = order.iter().take(count).cloned().collect();
        let label = format!("int4 weights in {count} of {} layers", order.len());
        let narrow = quantize(model, name, calibration, &Options { int4, ..plain.clone() })?;
        match measured(&label, model, name, &narrow, evaluation, judge) {
            Err(error) if error.kind == CompileErrorKind::Unsupported => {}
            point => points.push(point?),
        }
    }
    let wide = quantize(model, name, calibration, &Options { wide: Wide::All, ..plain })?;
    match measured("16-bit activations", model, name, &wide, evaluation, judge) {
        Err(error) if error.kind == CompileErrorKind::Unsupported => {}
        point => points.push(point?),
    }
    next();
    Ok(points)
}

fn measured(
    label: &str,
    model: &[u8],
    name: &str,
    quantized: &Quantized,
    samples: &Samples,
    judge: &Judge,
) -> Res<CurvePoint> {
    let imported = Imported { values: Vec::new(), ..import_with_values(&quantized.onnx, name)? };
    let artifact_bytes = Executor::new(&imported.graph)?.artifact_bytes();
    let report = compare(model, name, &imported, samples, judge, &mut |_| {})?;
    Ok(CurvePoint {
        label: label.into(),
        artifact_bytes,
        sqnr_db: report.outputs.first().map_or(f64::INFINITY, |output| output.sqnr_db),
        agreement: report.agreement,
        accuracy: report.accuracy.map(|accuracy| accuracy.quantized),
    })
}
