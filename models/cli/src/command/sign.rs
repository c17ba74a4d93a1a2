//! `tanbo sign`: an artifact, or an image of firmware, becomes a release.

use serde::Serialize;
use tanbo_format::Model;
use tanbo_release::Signer;

use crate::Verdict;
use crate::args::SignArgs;
use crate::error::CliError;
use crate::files;
use crate::firmware::{self, Image};
use crate::output::{Output, grouped};
use crate::release::{self, ReleaseFacts};

#[derive(Serialize)]
struct Document {
    file: String,
    #[serde(flatten)]
    release: ReleaseFacts,
    hash: String,
    artifact_bytes: usize,
    self_test_runs: u8,
    self_test_outputs: usize,
}

#[derive(Serialize)]
struct FirmwareDocument {
    file: String,
    #[serde(flatten)]
    release: ReleaseFacts,
    /// Of the image, filled up to whole words.
    image_bytes: usize,
    /// With its record.
    update_bytes: usize,
}

/// Writes the signed artifact or firmware.
pub fn sign(args: &SignArgs, out: &Output) -> Result<Verdict, CliError> {
    let signer = Signer::from_pem(&release::key_text(&args.key)?)
        .map_err(|error| release::not_a_key(&args.key, error, "private key"))?;
    match firmware::image(&args.file)? {
        Some(image) => sign_firmware(args, &signer, &image, out),
        None => sign_artifact(args, &signer, out),
    }
}

fn sign_firmware(args: &SignArgs, signer: &Signer, image: &Image, out: &Output) -> Result<Verdict, CliError> {
    let place = args.file.display();
    let wrong = |reason: String, remedy: &str| CliError::new(&place, reason, remedy);
    let name = match (args.name, image.board) {
        (Some(name), Some(board)) if name != board => {
            let reason = format!("linked for the board {board}, not for {name}");
            return Err(wrong(reason, "leave --name out: the image says for which board it is"));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(wrong("a binary does not say for which board it is".into(), "say it with --name")),
    };
    if !firmware::is_release(&args.output) {
        return Err(CliError::new(args.output.display(), "not a name for signed firmware", "let it end in .tnf"));
    }
    let update = signer.sign_firmware(&image.bytes, name, args.version);
    let update = update.ok_or_else(|| wrong("longer than 4 GiB".into(), "is this the right file?"))?;
    files::write(&args.output, &update)?;
    let document = FirmwareDocument {
        file: args.output.display().to_string(),
        release: ReleaseFacts { name: name.to_string(), version: args.version, key: signer.public().id().to_string() },
        image_bytes: image.bytes.len(),
        update_bytes: update.len(),
    };
    out.document(&document, || {
        let FirmwareDocument { file, release: ReleaseFacts { name, version, key }, update_bytes, .. } = &document;
        let bytes = grouped(*update_bytes as u64);
        format!("{file}: firmware of {name}, version {version}, {bytes} bytes, signed with {key}\n")
    })?;
    Ok(Verdict::Yes)
}

fn sign_artifact(args: &SignArgs, signer: &Signer, out: &Output) -> Result<Verdict, CliError> {
    let artifact = release::artifact(&args.file)?;
    let unnamed = || CliError::new(args.file.display(), "nobody says what the model is for", "say it with --name");
    let name = args.name.ok_or_else(unnamed)?;
    let model = release::model(&args.file, &artifact)?;
    let (golden, outputs) = match &args.portable {
        None => release::golden(&args.file, &model)?.ok_or_else(|| {
            CliError::new(
                args.file.display(),
                format_args!("packed for {}, which this machine does not run", model.family().name()),
                "give the same model compiled for portable with --portable, for the self-test",
            )
        })?,
        Some(path) => {
            let artifact = release::artifact(path)?;
            let portable = release::model(path, &artifact)?;
            if ports(&portable) != ports(&model) {
                let remedy = "compile both from one model";
                return Err(CliError::new(path.display(), "its inputs and outputs are others", remedy));
            }
            release::golden(path, &portable)?
                .ok_or_else(|| CliError::new(path.display(), "not portable", "compile it with --target portable"))?
        }
    };
    let damaged = || CliError::new(args.file.display(), "the content is not what its hash says", "compile it again");
    let signed = signer.sign(&artifact, name, args.version, golden).ok_or_else(damaged)?;
    files::write(&args.output, &signed)?;
    let key = signer.public().id().to_string();
    let document = Document {
        file: args.output.display().to_string(),
        release: ReleaseFacts { name: name.to_string(), version: args.version, key },
        hash: crate::facts::hex(model.stated_hash()),
        artifact_bytes: signed.len(),
        self_test_runs: golden.runs,
        self_test_outputs: outputs,
    };
    if outputs < 2 {
        out.note(format_args!("warning: the self-test's inputs all give one output: it shows little"));
    }
    release::warn_of_operators(&artifact, out);
    out.document(&document, || {
        let ReleaseFacts { name, version, key } = &document.release;
        format!("{}: {name} version {version}, signed with {key}\n", document.file)
    })?;
    Ok(Verdict::Yes)
}

/// Types and shapes at the boundary.
fn ports(model: &Model<'_>) -> Vec<(u8, Vec<u32>)> {
    let numbers = model.inputs().iter().chain(model.outputs());
    let tensors = numbers.filter_map(|number| model.tensor(*number));
    tensors.map(|tensor| (tensor.ty as u8, tensor.shape.to_vec())).collect()
}
