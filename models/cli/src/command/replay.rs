//! `tanbo replay`: a recording through an artifact's pipeline, one JSON line per event.

use tanbo_format::Family;
use tanbo_pipeline::Recording;

use crate::Verdict;
use crate::args::ReplayArgs;
use crate::error::CliError;
use crate::files;
use crate::output::Output;
use crate::session;
use crate::source::Source;

/// Longest recording: 1 GiB of text, some 30 million samples.
const RECORDING_LIMIT: u64 = 1 << 30;

/// Prints a line for every alarm that begins or ends.
pub fn replay(args: &ReplayArgs, out: &Output) -> Result<Verdict, CliError> {
    let loaded = Source::open(&args.file, None, out)?.load_for(None, Family::Portable)?;
    let text = files::read(&args.input, RECORDING_LIMIT)?;
    let recording = Recording::parse(&text).map_err(|error| CliError::new(args.input.display(), error, ""))?;
    let session = session::replay(&args.file, &loaded.artifact, &recording, |event| out.line(event))?;
    if let Some(path) = &args.svg {
        let title = args.input.display().to_string();
        let subtitle = format!("through {}", args.file.display());
        files::write(path, session::picture(&title, &subtitle, &recording, &session).as_bytes())?;
        out.note(format_args!("picture: {}", path.display()));
    }
    let rate = f64::from(recording.rate().numerator) / f64::from(recording.rate().denominator);
    out.note(format_args!(
        "{} samples at {rate} Hz, {} hops, {} events",
        recording.sample_count(),
        session.hops.len(),
        session.events.len()
    ));
    Ok(Verdict::Yes)
}
