//! What each step of each model takes on emulated cores or on this machine, as tables.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Error, root, tanbo};

/// Measures the committed models and those of `more` on each of `runners`, and prints a table each.
/// Returns whether every output byte equals the reference kernels'.
///
/// # Errors
/// A model that is not there or cannot be measured.
pub fn run(runners: &[String], more: &[PathBuf]) -> Result<bool, Error> {
    let mut models = committed()?;
    models.extend(more.iter().cloned());
    let mut exact = true;
    for runner in runners {
        for model in &models {
            let mut command = tanbo()?;
            // Paths are ours, not the workspace's, where the command runs.
            let path = std::path::absolute(model).map_err(|error| unreadable(model, &error))?;
            command.args(["bench", "--steps", "--runner", runner]).arg(path);
            let output = command.output().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
            // The command's table is on stderr, its document on stdout.
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {}
                Some(1) => exact = false,
                _ => return Err(Error(format!("{} on {runner}: {said}", model.display()))),
            }
            println!("== {} on {runner}\n{said}", model.strip_prefix(root()).unwrap_or(model).display());
        }
    }
    Ok(exact)
}

/// Returns the models of the zoo, and those of `benches/models`, which are for speed only.
fn committed() -> Result<Vec<PathBuf>, Error> {
    let list = |folder: &str| -> Result<Vec<PathBuf>, Error> {
        let folder = root().join(folder);
        let entries = fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
        entries.map(|entry| entry.map(|e| e.path()).map_err(|error| unreadable(&folder, &error))).collect()
    };
    let zoo = list("models/zoo")?.into_iter().map(|folder| folder.join("model.onnx"));
    let random = list("benches/models")?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "onnx"));
    let mut models: Vec<PathBuf> = zoo.chain(random).filter(|path| path.is_file()).collect();
    models.sort();
    Ok(models)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error(format!("{}: {error}", path.display()))
}
