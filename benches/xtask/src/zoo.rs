//! The zoo check: every committed artifact is what its committed model compiles to, byte for byte.

use std::fs;
use std::path::Path;

use crate::workspace::{Error, root, succeeds, tanbo};

/// Compiles every model of the zoo again; with `update`, replaces the artifacts, otherwise compares the bytes.
/// Returns what is wrong, a line each.
///
/// # Errors
/// A folder cannot be read, or cargo cannot be started.
pub fn check(update: bool) -> Result<Vec<String>, Error> {
    let zoo = root().join("models/zoo");
    let mut models = Vec::new();
    for entry in fs::read_dir(&zoo).map_err(|error| unreadable(&zoo, &error))? {
        let folder = entry.map_err(|error| unreadable(&zoo, &error))?.path();
        if folder.join("model.toml").is_file() {
            models.push(folder);
        }
    }
    models.sort();
    let mut wrong = Vec::new();
    for folder in &models {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let artifact = folder.join(format!("{name}.tnb"));
        let fresh = root().join("target").join(format!("zoo-{name}.tnb"));
        let output = if update { &artifact } else { &fresh };
        if !compile(folder, output)? {
            wrong.push(format!("{name}: does not compile; the reason stands above"));
        } else if !update && fs::read(&artifact).ok() != fs::read(&fresh).ok() {
            wrong.push(format!(
                "{name}: {} is not what it compiles to: run `cargo xtask zoo --update`",
                artifact.display()
            ));
        }
    }
    if models.is_empty() {
        wrong.push(format!("no model.toml in any folder of {}", zoo.display()));
    }
    Ok(wrong)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error(format!("{}: {error}", path.display()))
}

fn compile(folder: &Path, output: &Path) -> Result<bool, Error> {
    if let Some(parent) = output.parent() {
        fs::create_dir_all(parent).map_err(|error| unreadable(parent, &error))?;
    }
    let mut command = tanbo()?;
    command.args(["--json", "compile"]).arg(folder.join("model.onnx")).arg("-o").arg(output);
    command.arg("--card").arg(folder.join("CARD.md")).arg("--front-end").arg(folder.join("model.toml"));
    succeeds(&mut command)
}
