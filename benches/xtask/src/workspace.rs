//! Where the workspace is, and commands run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a check could not be run.
#[derive(Debug)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Returns the workspace's folder.
pub fn root() -> PathBuf {
    // This crate lies two folders below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(PathBuf::from).unwrap_or_default()
}

/// Returns `cargo` with arguments, to be run in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Returns the `tanbo` command, built with the features that the tests of the whole workspace use: built on its own, its
/// largest dependencies would be compiled a second time.
///
/// # Errors
/// It does not build.
pub fn tanbo() -> Result<Command, Error> {
    if !succeeds(&mut cargo(&["build", "-q", "--workspace", "--bin", "tanbo"]))? {
        return Err(Error("tanbo does not build; the reason stands above".into()));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut command = Command::new(root().join(target).join("debug/tanbo"));
    command.current_dir(root());
    Ok(command)
}

/// Runs a command, its output going where ours goes; returns whether it succeeded.
///
/// # Errors
/// The program cannot be started.
pub fn succeeds(command: &mut Command) -> Result<bool, Error> {
    let status = command.status().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
    Ok(status.success())
}
