//! `tanbo card`: the card inside an artifact.

use serde::Serialize;
use tanbo_format::Family;

use crate::Verdict;
use crate::args::CardArgs;
use crate::error::CliError;
use crate::output::Output;
use crate::source::Source;

#[derive(Serialize)]
struct Document<'a> {
    file: String,
    card: Option<&'a str>,
}

/// Prints the card; the answer is no if there is none.
pub fn card(args: &CardArgs, out: &Output) -> Result<Verdict, CliError> {
    let loaded = Source::open(&args.file, None, out)?.load_for(None, Family::Portable)?;
    let card = Some(loaded.model()?.card()).filter(|card| !card.is_empty());
    let document = Document { file: args.file.display().to_string(), card };
    out.document(&document, || match card {
        Some(card) => format!("{}\n", card.trim_end()),
        None => format!("{}: no card inside\n", args.file.display()),
    })?;
    Ok(if card.is_some() { Verdict::Yes } else { Verdict::No })
}
