//! `tanbo verify`: hash, signature and self-test of a release; of firmware the signature.

use serde::Serialize;
use tanbo_release::PublicKey;

use crate::Verdict;
use crate::args::VerifyArgs;
use crate::error::CliError;
use crate::firmware;
use crate::output::Output;
use crate::release::{self, ReleaseFacts};

#[derive(Serialize)]
struct Document {
    file: String,
    verified: bool,
    #[serde(flatten)]
    release: Option<ReleaseFacts>,
    /// Null where this machine has no kernels for the artifact, and of firmware.
    self_test: Option<bool>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The answer is no where a trusted key did not sign just these bytes, or they compute something else here.
pub fn verify(args: &VerifyArgs, out: &Output) -> Result<Verdict, CliError> {
    let keys = args.keys.iter().map(|path| release::public_key(path)).collect::<Result<Vec<PublicKey>, _>>()?;
    let mut document = Document {
        file: args.file.display().to_string(),
        verified: false,
        release: None,
        self_test: None,
        reason: None,
    };
    if firmware::is_release(&args.file) {
        return verify_firmware(args, &keys, document, out);
    }
    let artifact = release::artifact(&args.file)?;
    match tanbo_release::verify(&artifact, &keys) {
        Err(error) => document.reason = Some(error.to_string()),
        Ok(told) => {
            let model = release::model(&args.file, &artifact)?;
            document.release = Some(ReleaseFacts::of(&told));
            document.self_test = release::self_test(&model, &told.golden)?;
            document.verified = document.self_test != Some(false);
            document.reason = (!document.verified).then(|| tanbo_release::SelfTestError::Outputs.to_string());
        }
    }
    out.document(&document, || {
        let file = &document.file;
        match (&document.release, &document.reason) {
            (Some(ReleaseFacts { name, version, key }), None) => {
                let tested = if document.self_test.is_some() { "passed" } else { "not run: packed for another core" };
                format!("{file}: {name} version {version}, signed with {key}; self-test {tested}\n")
            }
            (_, reason) => format!("{file}: NOT verified: {}\n", reason.as_deref().unwrap_or_default()),
        }
    })?;
    Ok(if document.verified { Verdict::Yes } else { Verdict::No })
}

fn verify_firmware(
    args: &VerifyArgs,
    keys: &[PublicKey],
    mut document: Document,
    out: &Output,
) -> Result<Verdict, CliError> {
    match tanbo_release::verify_firmware(&firmware::release(&args.file)?, keys) {
        Ok(told) => {
            document.verified = true;
            document.release = Some((&told).into());
        }
        Err(error) => document.reason = Some(error.to_string()),
    }
    out.document(&document, || {
        let file = &document.file;
        match &document.release {
            Some(ReleaseFacts { name, version, key }) => {
                format!("{file}: firmware of {name}, version {version}, signed with {key}\n")
            }
            None => format!("{file}: NOT verified: {}\n", document.reason.as_deref().unwrap_or_default()),
        }
    })?;
    Ok(if document.verified { Verdict::Yes } else { Verdict::No })
}
