//! `tanbo header`: an artifact as a C header, for the library of `runtime/c`.

use serde::Serialize;
use tanbo_format::Family;

use crate::Verdict;
use crate::args::HeaderArgs;
use crate::error::CliError;
use crate::files;
use crate::output::Output;
use crate::source::Source;

#[derive(Serialize)]
struct Document {
    output: String,
    family: &'static str,
    artifact_bytes: usize,
    arena_bytes: usize,
    steps: usize,
}

/// Writes the header.
pub fn header(args: &HeaderArgs, out: &Output) -> Result<Verdict, CliError> {
    let name = &args.name;
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !letters || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let reason = format_args!("{name:?} cannot be the name of a variable in C");
        return Err(CliError::new("--name", reason, "take letters, digits and _, a letter first"));
    }
    let loaded = Source::open(&args.file, None, out)?.load_for(args.target, Family::Portable)?;
    let model = loaded.model()?;
    files::write(&args.output, tanbo_compiler::c_header(&model, name).as_bytes())?;
    let document = Document {
        output: args.output.display().to_string(),
        family: model.family().name(),
        artifact_bytes: model.bytes().len(),
        arena_bytes: model.arena_bytes(),
        steps: model.step_count(),
    };
    out.document(&document, || {
        let Document { output, family, artifact_bytes, arena_bytes, .. } = &document;
        format!("written    {output}\nfamily     {family}\nartifact   {artifact_bytes} bytes\narena      {arena_bytes} bytes\n")
    })?;
    Ok(Verdict::Yes)
}
