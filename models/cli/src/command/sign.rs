//! `tanbo sign`: an artifact becomes a release.

use serde::Serialize;
use tanbo_format::Model;
use tanbo_release::Signer;

use crate::Verdict;
use crate::args::SignArgs;
use crate::error::CliError;
use crate::files;
use crate::output::Output;
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

/// Writes the signed artifact.
pub fn sign(args: &SignArgs, out: &Output) -> Result<Verdict, CliError> {
    let signer = Signer::from_pem(&release::key_text(&args.key)?)
        .map_err(|error| release::not_a_key(&args.key, error, "private key"))?;
    let artifact = release::artifact(&args.file)?;
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
    let signed = signer.sign(&artifact, args.name, args.version, golden).ok_or_else(damaged)?;
    files::write(&args.output, &signed)?;
    let key = signer.public().id().to_string();
    let document = Document {
        file: args.output.display().to_string(),
        release: ReleaseFacts { name: args.name.to_string(), version: args.version, key },
        hash: crate::facts::hex(model.stated_hash()),
        artifact_bytes: signed.len(),
        self_test_runs: golden.runs,
        self_test_outputs: outputs,
    };
    if outputs < 2 {
        out.note(format_args!("warning: the self-test's inputs all give one output: it shows little"));
    }
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
