//! The models that are measured, and their artifacts for a kernel family.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tanbo::{Family, Model};
use tanbo_emulated::host::Runner;
use tanbo_format::emit::Aligned;

use crate::workspace::{Error, root, tanbo};

/// Returns the models of the zoo, and those of `benches/models`, which are for speed only.
///
/// # Errors
/// A folder that cannot be read.
pub fn committed() -> Result<Vec<PathBuf>, Error> {
    let zoo = files("models/zoo")?.into_iter().map(|folder| folder.join("model.onnx"));
    let mut models: Vec<PathBuf> = zoo.filter(|path| path.is_file()).collect();
    models.extend(random()?);
    models.sort();
    Ok(models)
}

/// Returns the models of `benches/models`.
///
/// # Errors
/// A folder that cannot be read.
pub fn random() -> Result<Vec<PathBuf>, Error> {
    let mut models = files("benches/models")?;
    models.retain(|path| path.extension() == Some(OsStr::new("onnx")));
    models.sort();
    Ok(models)
}

fn files(folder: &str) -> Result<Vec<PathBuf>, Error> {
    let folder = root().join(folder);
    let entries = fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
    entries.map(|entry| entry.map(|e| e.path()).map_err(|error| unreadable(&folder, &error))).collect()
}

/// Returns a name for a model: of the zoo its folder's, else its file's.
pub fn name(model: &Path) -> String {
    let stem = model.file_stem().unwrap_or_default();
    let folder = model.parent().and_then(Path::file_name).unwrap_or_default();
    if stem == "model" { folder } else { stem }.to_string_lossy().into_owned()
}

/// Returns the artifact of a model for `family`; an artifact (.tnb) is packed for it.
///
/// # Errors
/// A file that cannot be read, is no model, or cannot be compiled.
pub fn artifact(model: &Path, family: Family) -> Result<Vec<u8>, Error> {
    if model.extension() == Some(OsStr::new("tnb")) {
        let bytes = Aligned::new(&fs::read(model).map_err(|error| unreadable(model, &error))?);
        let failed = |error: tanbo::FormatError| Error(format!("{}: {error}", model.display()));
        let parsed = Model::parse(&bytes).map_err(failed)?;
        return if parsed.family() == family {
            Ok(bytes.to_vec())
        } else {
            tanbo::pack::repack(&parsed, family).map_err(failed)
        };
    }
    // Two cores of one family want the same file.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder).map_err(|error| unreadable(&folder, &error))?;
    let output = folder.join(format!("{}-{}.tnb", name(model), family.name()));
    let model = std::path::absolute(model).map_err(|error| unreadable(model, &error))?;
    let mut command = tanbo()?;
    command.args(["--json", "compile", "--target", family.name()]).arg(&model).arg("-o").arg(&output);
    let said = command.output().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
    if !said.status.success() {
        return Err(Error(format!("{}: {}", model.display(), String::from_utf8_lossy(&said.stderr))));
    }
    fs::read(&output).map_err(|error| unreadable(&output, &error))
}

/// Returns the family that models are packed for on an emulated core.
///
/// # Errors
/// A runner table that names an unknown family.
pub fn family_of(runner: &Runner) -> Result<Family, Error> {
    let family = Family::ALL.iter().copied().find(|family| family.name() == runner.family);
    family.ok_or_else(|| Error(format!("runner {}: there is no kernel family '{}'", runner.name, runner.family)))
}

/// Returns the error of a file that cannot be read or written.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error(format!("{}: {error}", path.display()))
}
