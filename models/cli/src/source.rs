//! A model file as an artifact, with the inputs and outputs as the file has them.

use std::path::{Path, PathBuf};

use tanbo_compiler::Options;
use tanbo_compiler::binding::Binding;
use tanbo_compiler::passes::{Report, Switches};
use tanbo_compiler::stream::{Streamed, Streaming};
use tanbo_format::emit::Aligned;
use tanbo_format::{Family, Model};

use crate::args::{FloatArgs, PlanArgs};
use crate::error::CliError;
use crate::files;
use crate::output::Output;

/// What kind of file a model came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Onnx,
    Tflite,
    Tnb,
}

/// A model file that has been read and understood.
pub struct Source {
    path: PathBuf,
    kind: Kind,
    content: Content,
    passes: Switches,
    streaming: Option<Streaming>,
}

enum Content {
    #[cfg(feature = "compile")]
    Graph(tanbo_compiler::graph::Graph),
    Artifact(Aligned),
}

/// An artifact with the names and layouts of the file it came from.
pub struct Loaded {
    path: PathBuf,
    /// Kind of the file.
    pub kind: Kind,
    /// The artifact.
    pub artifact: Aligned,
    /// Inputs in model order, in the file's layout and type.
    pub inputs: Vec<Binding>,
    /// Outputs in model order, in the file's layout and type.
    pub outputs: Vec<Binding>,
    /// Name of each step's node; empty for an artifact, which does not keep them.
    pub step_names: Vec<String>,
    /// What the passes saved; nothing for an artifact, which does not keep it.
    pub report: Option<Report>,
    /// What streaming made of a model; nothing for an artifact.
    pub streamed: Option<Streamed>,
}

impl Source {
    /// Reads a .onnx, .tflite or .tnb file; a float model is quantized as `float` says.
    ///
    /// # Errors
    /// A file that cannot be read or is not understood; a model that cannot be run exactly; a float model without samples
    /// or ranges.
    pub fn open(path: &Path, float: Option<&FloatArgs>, out: &Output) -> Result<Self, CliError> {
        let kind = match files::extension(path).as_str() {
            "onnx" => Kind::Onnx,
            "tflite" => Kind::Tflite,
            "tnb" => Kind::Tnb,
            _ => {
                return Err(CliError::new(
                    path.display(),
                    "unknown kind of file",
                    "give a .onnx, .tflite or .tnb file",
                ));
            }
        };
        let bytes = files::read(path, files::MODEL_LIMIT)?;
        #[cfg(feature = "onnx")]
        let bytes = if kind == Kind::Onnx { self_contained(path, bytes)? } else { bytes };
        let content =
            Self::content(path, kind, &bytes, float, out).map_err(|error| and_others(error, path, kind, &bytes))?;
        Ok(Self { path: path.to_path_buf(), kind, content, passes: Switches::default(), streaming: None })
    }

    fn content(
        path: &Path,
        kind: Kind,
        bytes: &[u8],
        float: Option<&FloatArgs>,
        out: &Output,
    ) -> Result<Content, CliError> {
        // A float .tflite becomes ONNX on its way.
        #[cfg(feature = "onnx")]
        let float_onnx = crate::float::as_onnx(path, bytes)?;
        #[cfg(feature = "onnx")]
        if let Some(onnx) = float_onnx {
            let quantized = crate::float::calibrate(path, &onnx, float, out)?.quantized.onnx;
            return import_onnx(path, &quantized);
        }
        #[cfg(feature = "onnx")]
        crate::float::refuse_options(path, float)?;
        #[cfg(not(feature = "onnx"))]
        let _ = (float, out);
        match kind {
            Kind::Onnx => import_onnx(path, bytes),
            Kind::Tflite => import_tflite(path, bytes),
            Kind::Tnb => {
                let artifact = Aligned::new(bytes);
                parse(path, &artifact)?;
                Ok(Content::Artifact(artifact))
            }
        }
    }

    /// Returns whether the file is a model, which can be compiled for any family, and not an artifact.
    #[cfg(feature = "compile")]
    pub fn is_model(&self) -> bool {
        self.kind != Kind::Tnb
    }

    /// Leaves it to `passes` what runs over a model's graph.
    pub fn with_passes(self, passes: Switches) -> Self {
        Self { passes, ..self }
    }

    /// Leaves it to `streaming` whether a model of windows becomes one of hops.
    pub fn with_streaming(self, streaming: Option<Streaming>) -> Self {
        Self { streaming, ..self }
    }

    /// Returns the artifact that the reference kernels run, or `None` of an artifact whose constants are packed for others. No
    /// pass has touched it: what it gives is what the model says.
    ///
    /// # Errors
    /// A model that cannot be run exactly.
    #[cfg(feature = "run")]
    pub fn portable(&self) -> Result<Option<Loaded>, CliError> {
        let loaded = self.load(&Options { passes: Switches::none(), ..Options::default() })?;
        let model = loaded.model()?;
        let packed = (0..model.step_count() as u16).filter_map(|step| model.step(step)).any(|step| step.variant != 0);
        Ok((!packed).then_some(loaded))
    }

    /// Returns the artifact: of a model the one that `options` ask for, of an artifact itself.
    ///
    /// # Errors
    /// A model that cannot be run exactly.
    pub fn load(&self, options: &Options) -> Result<Loaded, CliError> {
        #[cfg(not(feature = "compile"))]
        let _ = options;
        let loaded = |artifact, inputs, outputs, step_names, report, streamed| Loaded {
            path: self.path.clone(),
            kind: self.kind,
            artifact,
            inputs,
            outputs,
            step_names,
            report,
            streamed,
        };
        match &self.content {
            #[cfg(feature = "compile")]
            Content::Graph(graph) => {
                use tanbo_compiler::graph::{NodeOp, Port};
                let refused = |error| CliError::compile(&self.path, error);
                let compiled = tanbo_compiler::compile_reported(graph, options).map_err(refused)?;
                // Of the graph as it was compiled: streamed, its input is a hop.
                let graph = &compiled.graph;
                let bind = |ports: &[Port]| {
                    ports.iter().map(|port| Binding::of_port(graph, port)).collect::<Result<Vec<_>, _>>()
                };
                let names = tanbo_compiler::emit::live_nodes(graph)
                    .iter()
                    .filter(|node| !matches!(node.op, NodeOp::Reshape))
                    .map(|node| node.name.clone())
                    .collect();
                let (inputs, outputs) = (bind(&graph.inputs).map_err(refused)?, bind(&graph.outputs).map_err(refused)?);
                Ok(loaded(
                    Aligned::new(&compiled.artifact),
                    inputs,
                    outputs,
                    names,
                    Some(compiled.report),
                    compiled.streamed,
                ))
            }
            Content::Artifact(artifact) => {
                let model = parse(&self.path, artifact)?;
                let (inputs, outputs) =
                    (Binding::of_model(&model, model.inputs()), Binding::of_model(&model, model.outputs()));
                Ok(loaded(Aligned::new(artifact), inputs, outputs, Vec::new(), None, None))
            }
        }
    }

    /// Returns the artifact for `target`, or for `otherwise` if no target is asked for. A portable artifact is packed for it;
    /// one that is packed already is what it is: a target it is not made for is refused.
    ///
    /// # Errors
    /// A target for an artifact of another one; a model that cannot be run exactly.
    pub fn load_for(&self, target: Option<Family>, otherwise: Family) -> Result<Loaded, CliError> {
        self.load_planned(target, otherwise, &PlanArgs::default())
    }

    /// As [`Source::load_for`], a model with its memory planned as `plan` says.
    ///
    /// # Errors
    /// As there.
    pub fn load_planned(&self, target: Option<Family>, otherwise: Family, plan: &PlanArgs) -> Result<Loaded, CliError> {
        let wanted = target.unwrap_or(otherwise);
        let mut loaded =
            self.load(&Options { passes: self.passes.clone(), streaming: self.streaming, ..plan.options(wanted) })?;
        let model = loaded.model()?;
        if model.family() == Family::Portable && wanted != Family::Portable {
            let packed = tanbo::pack::repack(&model, wanted).map_err(|error| {
                let reason = format!("packed for family {}: {error}", wanted.name());
                CliError::new(self.path.display(), reason, "give --target portable")
            })?;
            loaded.artifact = Aligned::new(&packed);
        }
        let family = loaded.model()?.family();
        match target {
            Some(target) if target != family => Err(CliError::new(
                self.path.display(),
                format_args!("packed for family {}, not {}", family.name(), target.name()),
                "give the .onnx or .tflite model, or leave --target away",
            )),
            _ => Ok(loaded),
        }
    }
}

impl Loaded {
    /// Returns the artifact, parsed.
    ///
    /// # Errors
    /// An artifact that the verifier refuses.
    pub fn model(&self) -> Result<Model<'_>, CliError> {
        parse(&self.path, &self.artifact)
    }
}

fn parse<'a>(path: &Path, artifact: &'a Aligned) -> Result<Model<'a>, CliError> {
    Model::parse(artifact).map_err(|error| {
        CliError::new(path.display(), error, "compile the model again with `tanbo compile`, or copy the file again")
    })
}

/// Returns the model with what it keeps in other files of its folder.
///
/// # Errors
/// A file that is missing or outside the model's folder.
#[cfg(feature = "onnx")]
pub fn self_contained(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, CliError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    tanbo_compiler::import::onnx::self_contained(bytes, &files::stem(path), folder)
        .map_err(|error| CliError::compile(path, error))
}

/// Returns an error with the refusals of all operators that are not read, if it is not the only one.
fn and_others(mut error: CliError, path: &Path, kind: Kind, bytes: &[u8]) -> CliError {
    #[cfg(feature = "compile")]
    {
        let name = files::stem(path);
        let refused = match kind {
            #[cfg(feature = "onnx")]
            Kind::Onnx => tanbo_compiler::import::onnx::unsupported(bytes, &name),
            #[cfg(feature = "tflite")]
            Kind::Tflite => tanbo_compiler::import::tflite::unsupported(bytes, &name),
            _ => Vec::new(),
        };
        let refused = refused.into_iter().map(|other| CliError::compile(path, other));
        error.others = refused.filter(|other| other.place != error.place).collect();
    }
    #[cfg(not(feature = "compile"))]
    let _ = (&mut error, path, kind, bytes);
    error
}

#[cfg(feature = "onnx")]
fn import_onnx(path: &Path, bytes: &[u8]) -> Result<Content, CliError> {
    tanbo_compiler::import::onnx::import(bytes, &files::stem(path))
        .map(Content::Graph)
        .map_err(|error| CliError::compile(path, error))
}

#[cfg(feature = "tflite")]
fn import_tflite(path: &Path, bytes: &[u8]) -> Result<Content, CliError> {
    tanbo_compiler::import::tflite::import(bytes, &files::stem(path))
        .map(Content::Graph)
        .map_err(|error| CliError::compile(path, error))
}

#[cfg(not(feature = "onnx"))]
fn import_onnx(path: &Path, _: &[u8]) -> Result<Content, CliError> {
    Err(not_built(path, "onnx"))
}

#[cfg(not(feature = "tflite"))]
fn import_tflite(path: &Path, _: &[u8]) -> Result<Content, CliError> {
    Err(not_built(path, "tflite"))
}

#[cfg(not(all(feature = "onnx", feature = "tflite")))]
fn not_built(path: &Path, feature: &str) -> CliError {
    let remedy = format_args!("build tanbo with its feature `{feature}`: cargo tanbo has it");
    CliError::new(path.display(), format_args!("this build of tanbo does not read .{feature}"), remedy)
}
