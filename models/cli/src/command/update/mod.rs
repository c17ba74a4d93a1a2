//! `tanbo update`: a signed model goes to a node, over its line or as fragments for a network server.

mod fragments;
mod serial;

use std::mem::offset_of;

use tanbo_format::record::{HEADER_BYTES, Header};
use tanbo_release::{stated_bytes, stated_release};

use crate::Verdict;
use crate::args::UpdateArgs;
use crate::error::CliError;
use crate::output::Output;
use crate::release;

/// Sends it.
pub fn update(args: &UpdateArgs, out: &Output) -> Result<Verdict, CliError> {
    let artifact = release::artifact(&args.file)?;
    let place = args.file.display();
    let stated = stated_bytes(&artifact).filter(|_| artifact.len() >= HEADER_BYTES);
    stated.ok_or_else(|| CliError::new(&place, "no artifact", "give what `tanbo sign` has written"))?;
    let version = match args.release {
        Some(version) => version,
        // What is damaged or unsigned the node refuses: it is asked only where somebody says under which version.
        None => stated_release(&artifact).map(|release| release.version).ok_or_else(|| {
            let remedy = "`tanbo sign` writes it; --release N sends it as it is, and the node refuses it";
            CliError::new(&place, "no version: it has no signature section that can be read", remedy)
        })?,
    };
    let at = offset_of!(Header, hash);
    let hash = artifact.get(at..).and_then(|rest| rest.first_chunk());
    let hash = *hash.ok_or_else(|| CliError::new(&place, "no artifact", ""))?;
    let model = Outgoing { artifact: &artifact, version, hash };
    match (&args.target.port, &args.target.fragments) {
        (Some(port), _) => serial::send(args, port, &model, out),
        (_, Some(path)) => fragments::write(args, path, &model, out),
        (None, None) => Err(CliError::new("update", "no way to the node", "give --port or --fragments")),
    }
}

/// A model on its way.
struct Outgoing<'a> {
    artifact: &'a [u8],
    version: u32,
    /// The hash that it states of itself.
    hash: [u8; 32],
}
