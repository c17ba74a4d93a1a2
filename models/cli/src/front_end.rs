//! The front end of a detection model, from the `[front_end]` table of its TOML description.

use std::path::Path;

use serde::Deserialize;
use tanbo_signal::FrontEnd;

use crate::error::CliError;
use crate::files;

/// Longest description, bytes.
const LIMIT: u64 = 1 << 20;

/// The description; other tables of it are for other readers.
#[derive(Deserialize)]
struct Description {
    front_end: FrontEnd,
}

/// Returns the front-end record for the artifact.
///
/// # Errors
/// A file that cannot be read or is no such TOML, and a front end out of range.
pub fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let refused =
        |error: &dyn std::fmt::Display, remedy| CliError::new(path.display(), error.to_string().trim_end(), remedy);
    let text =
        String::from_utf8(files::read(path, LIMIT)?).map_err(|error| refused(&error, "save the file as UTF-8"))?;
    let remedy = "give a TOML file with a [front_end] table, such as the model.toml of a model in the zoo";
    let description: Description = toml::from_str(&text).map_err(|error| refused(&error, remedy))?;
    description.front_end.validate().map_err(|error| refused(&error, "correct the [front_end] table"))?;
    Ok(description.front_end.encode().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEISMIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../zoo/seismic/model.toml");

    fn read_text(text: &str) -> Result<Vec<u8>, CliError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn the_zoo_s_front_end_becomes_its_record() {
        let record = read(Path::new(SEISMIC)).unwrap();
        assert_eq!(FrontEnd::decode(&record).unwrap().rate.numerator, 125);
    }

    #[test]
    fn says_what_is_wrong() {
        let good = std::fs::read_to_string(SEISMIC).unwrap();
        for (text, reason) in [
            (String::new(), "front_end"),
            ("front_end = 1".into(), "front_end"),
            (good.replace("hop_samples = 8", "hop_samples = 0"), "hop_samples = 0 is out of range"),
            (good.replace("hop_samples = 8", "hop_smaples = 8"), "hop_smaples"),
        ] {
            let error = read_text(&text).unwrap_err();
            assert!(error.reason.contains(reason), "{error}");
            assert!(!error.remedy.is_empty());
        }
    }
}
