//! What the commands about releases share: artifacts in files, keys in files, self-tests on this machine.

use std::path::Path;

use serde::Serialize;
use tanbo::{Engine, Family, Model, Op};
use tanbo_format::emit::Aligned;
use tanbo_release::{Golden, KeyError, PublicKey, Release, operators, stated_operators};

use crate::engine::Arena;
use crate::error::CliError;
use crate::files;
use crate::output::Output;

/// Largest key file.
const KEY_LIMIT: u64 = 1 << 16;
/// Inferences of a self-test.
const RUNS: u8 = 8;
/// Seeds that are tried until one gives different outputs for half of the inputs.
const SEEDS: u32 = 16;

/// What a signature section says, as documents have it.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseFacts {
    /// What the model is for.
    pub name: String,
    /// Rises with each release of the name.
    pub version: u32,
    /// First bytes of the public key's hash.
    pub key: String,
}

impl ReleaseFacts {
    /// Returns what `release` says.
    pub fn of(release: &Release) -> Self {
        Self { name: release.name.to_string(), version: release.version, key: release.key.to_string() }
    }
}

/// Returns the bytes of an artifact, of which nothing is checked.
///
/// # Errors
/// A file that cannot be read, or is no .tnb.
pub fn artifact(path: &Path) -> Result<Aligned, CliError> {
    if files::extension(path) != "tnb" {
        return Err(CliError::new(path.display(), "not an artifact", "give a .tnb file: `tanbo compile` makes one"));
    }
    files::read(path, files::MODEL_LIMIT).map(|bytes| Aligned::new(&bytes))
}

/// Returns the model of an artifact.
///
/// # Errors
/// What the verifier refuses.
pub fn model<'a>(path: &Path, artifact: &'a Aligned) -> Result<Model<'a>, CliError> {
    Model::parse(artifact).map_err(|error| CliError::new(path.display(), error, "compile the model again"))
}

/// Warns of operators that nodes' firmware does not have: they refuse the model before they run it.
pub fn warn_of_operators(artifact: &[u8], out: &Output) {
    let operators = stated_operators(artifact).unwrap_or(0);
    let names = |linked: &[Op]| {
        let names: Vec<_> = operators::lacking(operators, linked).map(Op::name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    match (names(operators::MANY), names(operators::FEW)) {
        (Some(names), _) => {
            out.note(format_args!("warning: nodes refuse this model unless their firmware was built with {names}"));
        }
        (None, Some(names)) => {
            out.note(format_args!(
                "warning: nodes with 256 KiB of flash (STM32WL) refuse this model: they lack {names}"
            ));
        }
        (None, None) => {}
    }
}

/// Returns the text of a key file.
///
/// # Errors
/// A file that cannot be read, or is no text.
pub fn key_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(files::read(path, KEY_LIMIT)?).map_err(|_| not_a_key(path, KeyError::Pem, ""))
}

/// Returns the error of a file that is not the key that is wanted.
pub fn not_a_key(path: &Path, error: KeyError, wanted: &str) -> CliError {
    CliError::new(path.display(), error, format_args!("`tanbo keygen` makes keys: here the {wanted} is wanted"))
}

/// Returns a public key.
///
/// # Errors
/// A file that cannot be read, or is no public key.
pub fn public_key(path: &Path) -> Result<PublicKey, CliError> {
    PublicKey::from_pem(&key_text(path)?).map_err(|error| not_a_key(path, error, "public half (.pub.pem)"))
}

/// Returns a self-test of the model and how many different outputs it has; `None` where this machine has no kernels for it.
///
/// # Errors
/// An arena too large, an input by rows that are too long.
pub fn golden(path: &Path, model: &Model<'_>) -> Result<Option<(Golden, usize)>, CliError> {
    let Some(mut ready) = Ready::of(model)? else { return Ok(None) };
    let mut best: Option<(Golden, usize)> = None;
    for seed in 1..=SEEDS {
        let mut seen = std::collections::BTreeSet::new();
        let golden = ready.run(model, |engine| Golden::of(engine, seed, RUNS, |digest| _ = seen.insert(digest)));
        let golden = golden.map_err(|error| CliError::new(path.display(), error, ""))?;
        if best.is_none_or(|(_, outputs)| seen.len() > outputs) {
            best = Some((golden, seen.len()));
        }
        if seen.len() >= usize::from(RUNS / 2) {
            break;
        }
    }
    Ok(best)
}

/// Returns whether the model computes here what it computed where it was signed; `None` where this machine has no kernels for it.
///
/// # Errors
/// An arena too large.
pub fn self_test(model: &Model<'_>, golden: &Golden) -> Result<Option<bool>, CliError> {
    let Some(mut ready) = Ready::of(model)? else { return Ok(None) };
    Ok(Some(ready.run(model, |engine| golden.test(engine)).is_ok()))
}

/// Kernels and arena for a model.
struct Ready {
    ops: &'static tanbo::OpSet,
    arena: Arena,
}

impl Ready {
    fn of(model: &Model<'_>) -> Result<Option<Self>, CliError> {
        let ops = match model.family() {
            // The specification.
            Family::Portable => Some(tanbo::table_or_reference(Family::Portable)),
            family => tanbo::table(family),
        };
        ops.map(|ops| Arena::of(model).map(|arena| Self { ops, arena })).transpose()
    }

    fn run<T>(
        &mut self,
        model: &Model<'_>,
        f: impl FnOnce(&mut Engine<'_, '_>) -> Result<T, tanbo_release::SelfTestError>,
    ) -> Result<T, tanbo_release::SelfTestError> {
        f(&mut Engine::new(model, self.ops, self.arena.get())?)
    }
}
