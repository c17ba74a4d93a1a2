//! `tanbo update`: a signed model goes to a node, over its line or as fragments for a network server; signed firmware over its line.

mod fragments;
mod serial;

use std::mem::offset_of;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tanbo_format::record::{HEADER_BYTES, Header};
use tanbo_release::{FIRMWARE_RECORD_BYTES, stated_bytes, stated_firmware, stated_release};
use tanbo_wire::v1::ModelSender;

use crate::Verdict;
use crate::args::UpdateArgs;
use crate::error::CliError;
use crate::firmware;
use crate::output::Output;
use crate::release;

/// Sends it.
pub fn update(args: &UpdateArgs, out: &Output) -> Result<Verdict, CliError> {
    if firmware::is_release(&args.file) {
        let update = firmware::release(&args.file)?;
        let version = firmware_version(&args.file, &update, args.release)?;
        let port = args.target.port.as_deref().ok_or_else(|| too_long(&args.file, &update))?;
        let sender = ModelSender::firmware(&update, Sha256::digest(&update).into(), version);
        return serial::send(args, port, sender, version, &serial::FIRMWARE, out);
    }
    let artifact = release::artifact(&args.file)?;
    let place = args.file.display();
    let stated = stated_bytes(&artifact).filter(|_| artifact.len() >= HEADER_BYTES);
    stated.ok_or_else(|| CliError::new(&place, "no artifact", "give what `tanbo sign` has written"))?;
    let version = match args.release {
        Some(version) => version,
        // What is damaged or unsigned the node refuses: it is asked only where somebody says under which version.
        None => stated_release(&artifact)
            .map(|release| release.version)
            .ok_or_else(|| no_version(&args.file, "no version: it has no signature section that can be read"))?,
    };
    let at = offset_of!(Header, hash);
    let hash = artifact.get(at..).and_then(|rest| rest.first_chunk());
    let hash = *hash.ok_or_else(|| CliError::new(&place, "no artifact", ""))?;
    release::warn_of_operators(&artifact, out);
    match (&args.target.port, &args.target.fragments) {
        (Some(port), _) => {
            let sender = ModelSender::new(&artifact, hash, version, args.windows);
            serial::send(args, port, sender, version, &serial::MODEL, out)
        }
        (_, Some(path)) => fragments::write(args, path, &Outgoing { artifact: &artifact, version }, out),
        (None, None) => Err(CliError::new("update", "no way to the node", "give --port or --fragments")),
    }
}

fn no_version(file: &Path, reason: &str) -> CliError {
    let remedy = "`tanbo sign` writes it; --release N sends it as it is, and the node refuses it";
    CliError::new(file.display(), reason, remedy)
}

/// Returns the version under which firmware is sent.
fn firmware_version(file: &Path, update: &[u8], said: Option<u32>) -> Result<u32, CliError> {
    let stated = update.split_last_chunk::<FIRMWARE_RECORD_BYTES>();
    let stated = stated.and_then(|(image, record)| stated_firmware(record, image.len()));
    said.or(stated.map(|firmware| firmware.version))
        .ok_or_else(|| no_version(file, "no version: no record of a signature stands at its end"))
}

/// Firmware as fragments.
fn too_long(file: &Path, update: &[u8]) -> CliError {
    /// A fragment's usual bytes.
    const FRAGMENT_BYTES: usize = 48;
    let fragments = update.len().div_ceil(FRAGMENT_BYTES);
    let reason =
        format!("firmware of {fragments} fragments, each an uplink and a downlink: days of a node's time on the air");
    CliError::new(file.display(), reason, "send it over the node's line, with --port")
}

/// A model on its way as fragments.
struct Outgoing<'a> {
    artifact: &'a [u8],
    version: u32,
}
