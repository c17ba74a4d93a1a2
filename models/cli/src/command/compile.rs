//! `tanbo compile`: a model becomes an artifact.

use serde::Serialize;

use crate::Verdict;
use crate::args::CompileArgs;
use crate::error::CliError;
use crate::facts::Facts;
use crate::output::Output;
use crate::source::Source;
use crate::{files, front_end};

/// Longest model card, bytes.
const SECTION_LIMIT: u64 = 1 << 20;

#[derive(Serialize)]
struct Document<'a> {
    output: String,
    #[serde(flatten)]
    facts: &'a Facts,
}

/// Compiles and writes the artifact, and shows what `inspect` shows.
pub fn compile(args: &CompileArgs, out: &Output) -> Result<Verdict, CliError> {
    let source = Source::open(&args.file, Some(&args.float), out)?;
    if !source.is_model() {
        let remedy = "give the .onnx or .tflite model it was made of";
        return Err(CliError::new(args.file.display(), "an artifact is compiled already", remedy));
    }
    let mut options = args.plan.options(args.target);
    options.passes = args.passes.switches();
    options.streaming = args.streaming.streaming();
    if let Some(path) = &args.card {
        options.card = String::from_utf8(files::read(path, SECTION_LIMIT)?)
            .map_err(|_| CliError::new(path.display(), "not UTF-8 text", "save the card as UTF-8"))?;
    }
    if let Some(path) = &args.front_end {
        options.front_end = front_end::read(path)?;
    }
    let loaded = source.load(&options)?;
    files::write(&args.output, &loaded.artifact)?;
    let facts = Facts::of(&args.file, &loaded)?;
    let document = Document { output: args.output.display().to_string(), facts: &facts };
    out.document(&document, || format!("written    {}\n{}", document.output, facts.table()))?;
    Ok(Verdict::Yes)
}
