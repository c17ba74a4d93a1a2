//! Reading and writing files, within limits.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use crate::error::CliError;

/// Largest model file: 1 GiB.
pub const MODEL_LIMIT: u64 = 1 << 30;

/// Returns the bytes of a file of at most `limit` bytes.
///
/// # Errors
/// A file that cannot be read or is larger.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
    let file = File::open(path).map_err(|error| CliError::file(path, &error))?;
    let too_large = |size: String| {
        CliError::new(
            path.display(),
            format_args!("{size} bytes, at most {limit} are taken"),
            "is this the right file?",
        )
    };
    if let Ok(facts) = file.metadata()
        && facts.len() > limit
    {
        return Err(too_large(facts.len().to_string()));
    }
    let mut bytes = Vec::new();
    // Devices and pipes have no length beforehand.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| CliError::file(path, &error))?;
    if bytes.len() as u64 > limit { Err(too_large(format!("more than {limit}"))) } else { Ok(bytes) }
}

/// Writes a file.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(path, bytes).map_err(|error| CliError::file(path, &error))
}

/// Returns the extension in small letters, or an empty text.
pub fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Returns the file's name without its extension: what messages call a model.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
