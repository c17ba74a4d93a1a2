//! `tanbo keygen`: a key pair.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use tanbo_release::Signer;

use crate::Verdict;
use crate::args::KeygenArgs;
use crate::error::CliError;
use crate::output::Output;

#[derive(Serialize)]
struct Document {
    key: String,
    private: String,
    public: String,
}

/// Writes a new key pair.
pub fn keygen(args: &KeygenArgs, out: &Output) -> Result<Verdict, CliError> {
    let public_file = args.file.with_extension("pub.pem");
    let refused = |error| CliError::new("key", error, "");
    let signer = Signer::generate().map_err(refused)?;
    let public = signer.public();
    // The public half first: a private key is never left alone.
    write_new(&public_file, &public.to_pem().map_err(refused)?, 0o644)?;
    write_new(&args.file, &signer.to_pem().map_err(refused)?, 0o600).inspect_err(|_| {
        // What is reported is why the private key was not written.
        let _ = std::fs::remove_file(&public_file);
    })?;
    let document = Document {
        key: public.id().to_string(),
        private: args.file.display().to_string(),
        public: public_file.display().to_string(),
    };
    out.document(&document, || {
        let Document { key, private, public } = &document;
        format!("key      {key}\nprivate  {private}  keep it: who has it can sign models\npublic   {public}  for nodes and `tanbo verify`\n")
    })?;
    Ok(Verdict::Yes)
}

/// Writes a file that there is not yet.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CliError::new(path.display(), "there is such a file, and keys are not written over", "give another name")
        }
        _ => CliError::file(path, &error),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| CliError::file(path, &error))
}
