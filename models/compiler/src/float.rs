//! Float ONNX models, run by tract: the reference that quantization is calibrated and judged against.
//!
//! A model is checked before tract sees it: the importer walks it as if it were quantized
//! ([`crate::quantize`]), which bounds every shape and refuses, by name, what could not be compiled anyway. tract is
//! known to be wrong on quantized operators, so it runs float operators alone; `tests/quantize` compares each with ONNX
//! Runtime.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto};
use tract_onnx::prelude::{
    Datum, IntoTValue, RunOptions, Tensor, TractError, TractResult, TypedModel, TypedSimplePlan, tvec,
};
use tract_onnx::tract_hir::infer::InferenceModelExt;

use crate::error::{CompileError, CompileErrorKind};
use crate::import::onnx::proto;
use crate::quantize::network::Network;
use crate::quantize::rounding;

type Res<T> = Result<T, CompileError>;

/// An input or output of a float model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatPort {
    /// Name in the model.
    pub name: String,
    /// Shape; an open first axis is 1.
    pub shape: Vec<usize>,
}

impl FloatPort {
    /// Returns the number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Returns whether `bytes` are an ONNX model with nodes, none of them quantized.
pub fn is_float(bytes: &[u8]) -> bool {
    let Ok((model, _)) = proto::read(bytes, "") else { return false };
    let graph = model.graph.unwrap_or_default();
    !graph.node.is_empty() && !proto::is_quantized(&graph)
}

/// A float model that can be run, one sample at a time.
pub struct FloatModel {
    name: String,
    inputs: Vec<FloatPort>,
    outputs: Vec<FloatPort>,
    model_outputs: usize,
    /// Where each output comes from.
    sources: Vec<Source>,
    plan: Arc<TypedSimplePlan>,
}

/// Where an output comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// An input, as it is.
    Input(usize),
    /// A result of the plan.
    Plan(usize),
}

impl FloatModel {
    /// Returns the model in the bytes of an ONNX file; `name` is what messages call the file.
    ///
    /// # Errors
    /// As [`FloatModel::load_with`].
    pub fn load(bytes: &[u8], name: &str) -> Res<Self> {
        Self::load_with(bytes, name, &[])
    }

    /// Returns the model, with `tensors` after its own outputs.
    ///
    /// # Errors
    /// A damaged or quantized model; operators that could not be compiled either; sizes beyond what an artifact can be;
    /// a tensor that the model does not have; what tract refuses.
    pub fn load_with(bytes: &[u8], name: &str, tensors: &[String]) -> Res<Self> {
        let network = Network::simplified(bytes, name)?;
        network.check()?;
        let (mut model, _) = proto::read(bytes, name)?;
        if let Some(graph) = &mut model.graph {
            fix_batch(graph, &network);
        }
        Self::of_proto(model, &network, tensors)
    }

    /// Returns the checked `network` as a model, with `tensors` after its own outputs.
    pub(crate) fn of_network(network: &Network, tensors: &[String]) -> Res<Self> {
        Self::of_proto(network.to_proto(), network, tensors)
    }

    fn of_proto(mut model: ModelProto, network: &Network, tensors: &[String]) -> Res<Self> {
        let name = network.name.as_str();
        let graph = model.graph.get_or_insert_default();
        let model_outputs = graph.output.len();
        // What shapes the file claims is not asked: tract finds them. Node names need not be distinct in ONNX; tract wants
        // them so.
        graph.value_info.clear();
        for (index, node) in graph.node.iter_mut().enumerate() {
            node.name = format!("tanbo node {index}");
        }
        let known: HashSet<&str> = graph.node.iter().flat_map(|node| &node.output).map(String::as_str).collect();
        let mut sources: Vec<Source> = (0..model_outputs).map(Source::Plan).collect();
        let mut wanted: Vec<&str> = Vec::new();
        for tensor in tensors {
            if let Some(input) = network.inputs.iter().position(|input| input.name == *tensor) {
                sources.push(Source::Input(input));
            } else if known.contains(tensor.as_str()) {
                sources.push(Source::Plan(model_outputs + wanted.len()));
                wanted.push(tensor);
            } else {
                return Err(CompileError::new(
                    CompileErrorKind::Inconsistent,
                    name,
                    format!("it has no tensor '{tensor}'"),
                    "name a tensor of the float model",
                ));
            }
        }
        let wanted: Vec<ValueInfoProto> =
            wanted.into_iter().map(|name| ValueInfoProto { name: name.into(), ..Default::default() }).collect();
        graph.output.extend(wanted);
        let output_names: Vec<String> = graph.output.iter().map(|info| info.name.clone()).collect();
        let built = guarded(name, || plan(&model, &output_names))?;
        let (plan, shapes) = built.map_err(|error| refused(name, &error))?;
        let of_plan: Vec<FloatPort> =
            output_names.into_iter().zip(shapes).map(|(name, shape)| FloatPort { name, shape }).collect();
        let port = |source: &Source| match *source {
            Source::Input(i) => network.inputs.get(i).cloned(),
            Source::Plan(i) => of_plan.get(i).cloned(),
        };
        let outputs = sources.iter().filter_map(port).collect();
        Ok(Self { name: name.into(), inputs: network.inputs.clone(), outputs, model_outputs, sources, plan })
    }

    /// Returns the inputs in the model's order.
    pub fn inputs(&self) -> &[FloatPort] {
        &self.inputs
    }

    /// Returns the outputs in the model's order, then the tensors that were asked for.
    pub fn outputs(&self) -> &[FloatPort] {
        &self.outputs
    }

    /// Returns how many of [`FloatModel::outputs`] are the model's own.
    pub fn model_outputs(&self) -> usize {
        self.model_outputs
    }

    /// Returns the outputs of one sample, inputs in the model's order.
    ///
    /// # Errors
    /// Inputs of another number or length; what tract refuses while it runs.
    pub fn run(&self, inputs: &[&[f32]]) -> Res<Vec<Vec<f32>>> {
        let wrong = inputs.len() != self.inputs.len()
            || inputs.iter().zip(&self.inputs).any(|(data, port)| data.len() != port.elements());
        if wrong {
            let given: Vec<usize> = inputs.iter().map(|data| data.len()).collect();
            return Err(CompileError::new(
                CompileErrorKind::Inconsistent,
                &self.name,
                format!("{given:?} elements were given for inputs {:?}", self.inputs),
                "give each input of the model, in its shape",
            ));
        }
        let run = || -> TractResult<Vec<Vec<f32>>> {
            let mut values = tvec!();
            for (data, port) in inputs.iter().zip(&self.inputs) {
                values.push(Tensor::from_shape(&port.shape, data)?.into_tvalue());
            }
            let results = self.plan.run(values)?;
            let of = |source: &Source| match *source {
                Source::Input(i) => Ok(inputs.get(i).map(|data| data.to_vec()).unwrap_or_default()),
                Source::Plan(i) => {
                    let value = results.get(i).ok_or_else(|| TractError::msg("a result is missing"))?;
                    Ok(value.to_plain_array_view::<f32>()?.iter().copied().collect())
                }
            };
            self.sources.iter().map(of).collect()
        };
        guarded(&self.name, run)?.map_err(|error| refused(&self.name, &error))
    }
}

/// Gives the inputs of a graph the shapes that were checked.
fn fix_batch(graph: &mut GraphProto, network: &Network) {
    let constants: HashSet<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
    graph.input.retain(|info| !constants.contains(&info.name));
    let shapes: HashMap<&str, &FloatPort> = network.inputs.iter().map(|port| (port.name.as_str(), port)).collect();
    for info in &mut graph.input {
        if let Some(port) = shapes.get(info.name.as_str()) {
            *info = crate::quantize::network::value_info(port);
        }
    }
    for info in &mut graph.output {
        info.r#type = None;
    }
}

/// Returns the runnable model and the shapes of its outputs.
fn plan(model: &ModelProto, outputs: &[String]) -> TractResult<(Arc<TypedSimplePlan>, Vec<Vec<usize>>)> {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(rounding::ROUNDED, rounding::build);
    let parsed = onnx.parse(model, None)?;
    if let Some(name) = parsed.unresolved_inputs.first() {
        return Err(TractError::msg(format!("nothing defines '{name}'")));
    }
    let typed: TypedModel = parsed.model.into_typed()?;
    let mut shapes = Vec::with_capacity(outputs.len());
    for i in 0..outputs.len() {
        let fact = typed.output_fact(i)?;
        if fact.datum_type != f32::datum_type() {
            let name = outputs.get(i).map_or("", String::as_str);
            return Err(TractError::msg(format!("tensor '{name}' is not float32")));
        }
        let shape = fact.shape.as_concrete().ok_or_else(|| TractError::msg("a shape is open"))?;
        shapes.push(shape.to_vec());
    }
    let optimized = typed.into_optimized()?;
    Ok((optimized.into_runnable_with_options(&RunOptions::default())?, shapes))
}

/// Runs tract's code: a panic inside becomes an error. The checks before are meant to leave none; tract states no such
/// promise for files from outside.
fn guarded<T>(name: &str, run: impl FnOnce() -> T) -> Res<T> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        CompileError::new(
            CompileErrorKind::Malformed,
            name,
            "tract, which runs float models, gave up on it",
            "check the model with onnx.checker.check_model(model, full_check=True)",
        )
    })
}

fn refused(name: &str, error: &TractError) -> CompileError {
    CompileError::new(
        CompileErrorKind::Unsupported,
        name,
        format!("tract, which runs float models, refuses it: {error:#}").replace('\n', " "),
        "check the model with onnx.checker.check_model(model, full_check=True); simplify it (onnxsim)",
    )
}
