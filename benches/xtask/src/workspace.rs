//! Where the workspace is, and commands run in it.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

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
    // Sources do not change under a running command, and cargo takes its time to say so.
    static BUILT: Mutex<bool> = Mutex::new(false);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    *built = *built || succeeds(&mut cargo(&["build", "-q", "--workspace", "--bin", "tanbo"]))?;
    if !*built {
        return Err(Error("tanbo does not build; the reason stands above".into()));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut command = Command::new(root().join(target).join("debug/tanbo"));
    command.current_dir(root());
    Ok(command)
}

/// Does `work` on each item, as many at a time as there are cores; the results in the items' order. For emulators, each of which takes one core.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..cores.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { break };
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs a command, its output going where ours goes; returns whether it succeeded.
///
/// # Errors
/// The program cannot be started.
pub fn succeeds(command: &mut Command) -> Result<bool, Error> {
    let status = command.status().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
    Ok(status.success())
}
