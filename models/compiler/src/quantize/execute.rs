//! A compiled graph, run on samples of real numbers: what the quantized model answers, in real numbers.

use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_format::emit::Aligned;

use super::Res;
use super::samples::Samples;
use crate::binding::Binding;
use crate::emit::{Options, compile};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Graph, SourceType};

/// The specification; every other kernel table equals it.
static OPERATORS: OpSet = OpSet::all::<Reference>();
/// Largest arena: 1 GiB.
const ARENA_LIMIT: usize = 1 << 30;

/// An artifact with the way its inputs and outputs map to the source model.
pub(crate) struct Executor {
    name: String,
    artifact: Aligned,
    length: usize,
    inputs: Vec<Binding>,
    outputs: Vec<Binding>,
}

impl Executor {
    /// Compiles `graph`.
    pub(crate) fn new(graph: &Graph) -> Res<Self> {
        let bytes = compile(graph, &Options::default())?;
        let bind = |ports: &[crate::graph::Port]| -> Res<Vec<Binding>> {
            ports.iter().map(|port| Binding::of_port(graph, port)).collect()
        };
        Ok(Self {
            name: graph.name.clone(),
            length: bytes.len(),
            artifact: Aligned::new(&bytes),
            inputs: bind(&graph.inputs)?,
            outputs: bind(&graph.outputs)?,
        })
    }

    /// Returns the size of the artifact in bytes.
    pub(crate) fn artifact_bytes(&self) -> usize {
        self.length
    }

    /// Gives the outputs of each sample, in real numbers, to `each`. State is not kept from sample to sample.
    pub(crate) fn run(&self, samples: &Samples, mut each: impl FnMut(usize, &[Vec<f32>]) -> Res<()>) -> Res<()> {
        let failed = |error: &dyn std::fmt::Display| {
            CompileError::new(CompileErrorKind::Inconsistent, &self.name, error.to_string(), "compile the model again")
        };
        let model = Model::parse(&self.artifact).map_err(|error| failed(&error))?;
        if model.arena_bytes() > ARENA_LIMIT {
            return Err(CompileError::new(
                CompileErrorKind::TooLarge,
                &self.name,
                format!("it asks for an arena of {} bytes, at most {ARENA_LIMIT} are given", model.arena_bytes()),
                "use a model with smaller activations",
            ));
        }
        let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
        for sample in 0..samples.count() {
            let mut engine = Engine::new(&model, &OPERATORS, &mut arena).map_err(|error| failed(&error))?;
            for (i, (binding, reals)) in self.inputs.iter().zip(samples.sample(sample)).enumerate() {
                let bytes = binding.to_artifact(&source_bytes(binding, reals))?;
                let slot = engine.input_bytes_mut(i).ok().filter(|slot| slot.len() == bytes.len());
                slot.ok_or_else(|| failed(&"an input is missing"))?.copy_from_slice(&bytes);
            }
            engine.run().map_err(|error| failed(&error))?;
            let mut outputs = Vec::with_capacity(self.outputs.len());
            for (i, binding) in self.outputs.iter().enumerate() {
                let bytes = engine.output_bytes(i).map_err(|error| failed(&error))?;
                outputs.push(reals(binding, &binding.to_source(bytes)?));
            }
            each(sample, &outputs)?;
        }
        Ok(())
    }
}

/// Returns the source model's bytes for real numbers.
fn source_bytes(binding: &Binding, reals: &[f32]) -> Vec<u8> {
    let integer = |low: i32, high: i32| {
        move |&real: &f32| tanbo_quant::quantize(real, binding.scale, binding.zero_point, low, high)
    };
    match binding.ty {
        SourceType::F32 => reals.iter().flat_map(|real| real.to_le_bytes()).collect(),
        SourceType::I8 => reals.iter().map(integer(-128, 127)).map(|q| q as u8).collect(),
        SourceType::U8 => reals.iter().map(integer(0, 255)).map(|q| q as u8).collect(),
        SourceType::I16 => reals.iter().map(integer(-32768, 32767)).flat_map(|q| (q as i16).to_le_bytes()).collect(),
        SourceType::I32 => reals.iter().flat_map(|&real| (real as i32).to_le_bytes()).collect(),
    }
}

/// Returns the real numbers that the source model's bytes stand for.
fn reals(binding: &Binding, bytes: &[u8]) -> Vec<f32> {
    let real = |q: i32| (q - binding.zero_point) as f32 * binding.scale;
    match binding.ty {
        SourceType::F32 => bytes.as_chunks().0.iter().map(|&c| f32::from_le_bytes(c)).collect(),
        SourceType::I8 => bytes.iter().map(|&b| real(i32::from(b as i8))).collect(),
        SourceType::U8 => bytes.iter().map(|&b| real(i32::from(b))).collect(),
        SourceType::I16 => bytes.as_chunks().0.iter().map(|&c| real(i32::from(i16::from_le_bytes(c)))).collect(),
        SourceType::I32 => bytes.as_chunks().0.iter().map(|&c| real(i32::from_le_bytes(c))).collect(),
    }
}
