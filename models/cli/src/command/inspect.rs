//! `tanbo inspect`: what a model is made of and what it takes.

use tanbo_format::Family;

use crate::Verdict;
use crate::args::InspectArgs;
use crate::error::CliError;
use crate::facts::Facts;
use crate::output::Output;
use crate::source::Source;
use crate::{files, memory};

/// Shows the facts; the answer is no if an artifact's hash is not that of its bytes.
pub fn inspect(args: &InspectArgs, out: &Output) -> Result<Verdict, CliError> {
    let loaded = Source::open(&args.file, Some(&args.float), out)?
        .with_passes(args.passes.switches())
        .with_streaming(args.streaming.streaming())
        .load_planned(args.target, Family::Portable, &args.plan)?;
    let facts = Facts::of(&args.file, &loaded)?;
    if let Some(path) = &args.svg {
        let title = format!("{}: memory over steps", files::stem(&args.file));
        files::write(path, memory::svg(&facts, &title)?.as_bytes())?;
        out.note(format_args!("picture: {}", path.display()));
    }
    out.document(&facts, || facts.table())?;
    Ok(if facts.hash_matches { Verdict::Yes } else { Verdict::No })
}
