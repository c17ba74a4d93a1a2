//! As fragments for a LoRaWAN network server's queue of downlinks (TS004-1.0.0).

use std::path::Path;

use data_encoding::BASE64;
use serde::Serialize;
use tanbo_fragments::{MAX_FRAGMENTS, PORT, Request, Session, fragment};

use super::Outgoing;
use crate::Verdict;
use crate::args::{Format, UpdateArgs};
use crate::error::CliError;
use crate::files;
use crate::output::Output;

#[derive(Serialize)]
struct Document {
    output: String,
    version: u32,
    bytes: usize,
    session: u8,
    fragment_bytes: usize,
    /// Of the model.
    fragments: u16,
    /// Fragments of parity.
    parity: u16,
    /// Longest payload, bytes.
    payload_bytes: usize,
    f_port: u8,
}

/// A line for ChirpStack.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Downlink<'a> {
    dev_eui: &'a str,
    confirmed: bool,
    f_port: u8,
    data: String,
}

/// Writes the payloads: the session's set-up, the model, parity, a question for what is there.
pub fn write(args: &UpdateArgs, path: &Path, model: &Outgoing<'_>, out: &Output) -> Result<Verdict, CliError> {
    let cut = &args.cut;
    let session = Session::new(cut.session, model.artifact.len(), cut.fragment_bytes, model.version.to_le_bytes())
        .map_err(|error| {
            CliError::new(args.file.display(), error, "--fragment-bytes and --session say how it is cut")
        })?;
    let parity = (u32::from(session.fragments()) * u32::from(cut.redundancy)).div_ceil(100);
    let all = u32::from(session.fragments()) + parity;
    let all = u16::try_from(all).ok().filter(|all| *all <= MAX_FRAGMENTS).ok_or_else(|| {
        let reason = format!("{all} fragments; a session has at most {MAX_FRAGMENTS}");
        CliError::new(args.file.display(), reason, "longer ones with --fragment-bytes, or less --redundancy")
    })?;
    let mut payloads = vec![payload(&Request::setup(session))?];
    let mut bytes = vec![0; session.fragment_bytes()];
    for number in 1..=all {
        if fragment(&session, model.artifact, number, &mut bytes) {
            payloads.push(payload(&Request::Fragment { index: session.index(), number, bytes: &bytes })?);
        }
    }
    payloads.push(payload(&Request::Status { index: session.index(), all: true })?);
    if path.is_dir() {
        for (number, payload) in payloads.iter().enumerate() {
            files::write(&path.join(format!("{number:05}.bin")), payload)?;
        }
    } else {
        files::write(path, lines(args, &payloads)?.as_bytes())?;
    }
    let document = Document {
        output: path.display().to_string(),
        version: model.version,
        bytes: model.artifact.len(),
        session: session.index(),
        fragment_bytes: session.fragment_bytes(),
        fragments: session.fragments(),
        parity: all - session.fragments(),
        payload_bytes: payloads.iter().map(Vec::len).max().unwrap_or(0),
        f_port: PORT,
    };
    out.document(&document, || {
        let Document { output, version, fragments, parity, payload_bytes, .. } = &document;
        format!(
            "{output}: version {version} in {fragments} fragments and {parity} of parity, payloads of up to {payload_bytes} bytes on FPort {PORT}, \
             in the order in which they are to be queued\n"
        )
    })?;
    Ok(Verdict::Yes)
}

fn payload(request: &Request<'_>) -> Result<Vec<u8>, CliError> {
    let mut room = [0; 256];
    let len = request.write(&mut room).ok_or_else(|| CliError::new("fragment", "it does not fit a payload", ""))?;
    Ok(room.get(..len).unwrap_or_default().to_vec())
}

fn lines(args: &UpdateArgs, payloads: &[Vec<u8>]) -> Result<String, CliError> {
    let mut text = String::new();
    for payload in payloads {
        match args.cut.format {
            Format::Hex => text += &format!("{PORT} {}", hex::encode(payload)),
            Format::Chirpstack => {
                let node = args
                    .node
                    .ok_or_else(|| CliError::new("--format chirpstack", "no node", "say which with --node"))?;
                let (dev_eui, data) = (&hex::encode(node), BASE64.encode(payload));
                let line = Downlink { dev_eui, confirmed: false, f_port: PORT, data };
                text += &serde_json::to_string(&line).map_err(|error| CliError::new("fragment", error, ""))?;
            }
        }
        text.push('\n');
    }
    Ok(text)
}
