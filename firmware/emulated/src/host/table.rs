//! The table of runners: `[package.metadata.tanbo.runners]` in `benches/target/Cargo.toml`.

use super::{RunnerError, build::shared_dir};
use std::{
    fs,
    path::PathBuf,
    string::{String, ToString as _},
    vec::Vec,
};

/// One emulated core.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    /// Its name, such as `m4`.
    #[serde(skip)]
    pub name: String,
    /// rustc's target triple.
    pub target: String,
    /// Flags for every crate of an image.
    #[serde(default)]
    pub rustflags: Vec<String>,
    /// The machine's feature of this crate; `None` where the image runs on an operating system.
    pub machine: Option<String>,
    /// The `memory.x` of a real chip, whose machine is `chip` or `small-chip`; no row of the table has one.
    #[serde(skip)]
    pub memory: Option<PathBuf>,
    /// Command that starts the machine.
    pub qemu: String,
    /// Kernel family that artifacts for this runner are packed for.
    pub family: String,
    /// Core whose cycles are estimated beside the instructions: `cortex-m4`, or none.
    pub timings: Option<String>,
    /// Debian packages that building and running need.
    pub apt: Vec<String>,
}

impl Runner {
    /// All runners, in the table's order.
    ///
    /// # Errors
    /// [`RunnerError::Table`], [`RunnerError::File`].
    pub fn list() -> Result<Vec<Self>, RunnerError> {
        let path = workspace_root().join("benches/target/Cargo.toml");
        let text = fs::read_to_string(&path).map_err(|e| RunnerError::file(path.display(), e))?;
        let bad = |e: toml::de::Error| RunnerError::Table(e.to_string());
        let manifest: toml::Table = text.parse().map_err(bad)?;
        let runners = ["package", "metadata", "tanbo", "runners"]
            .iter()
            .try_fold(&manifest, |table, key| table.get(*key)?.as_table())
            .ok_or_else(|| RunnerError::Table(String::from("[package.metadata.tanbo.runners] is missing")))?;
        runners
            .iter()
            .map(|(name, row)| {
                let mut runner: Self = row.clone().try_into().map_err(bad)?;
                runner.name = name.clone();
                Ok(runner)
            })
            .collect()
    }

    /// A runner on a real chip, for [`Runner::build`] alone: Rust target, kernel family and the text of the chip's `memory.x`;
    /// `small`: it has less than 256 KiB of RAM.
    ///
    /// # Errors
    /// [`RunnerError::File`].
    pub fn for_chip(name: &str, target: &str, family: &str, memory: &str, small: bool) -> Result<Self, RunnerError> {
        let folder = shared_dir()?.join(name);
        let path = folder.join("memory.x");
        // Left alone where it says the same, so that nothing is built again.
        if !fs::read_to_string(&path).is_ok_and(|text| text == memory) {
            fs::create_dir_all(&folder)
                .and_then(|()| fs::write(&path, memory))
                .map_err(|e| RunnerError::file(path.display(), e))?;
        }
        let memory = path.canonicalize().map_err(|e| RunnerError::file(path.display(), e))?;
        Ok(Self {
            name: name.into(),
            target: target.into(),
            rustflags: Vec::new(),
            machine: Some(String::from(if small { "small-chip" } else { "chip" })),
            memory: Some(memory),
            qemu: String::new(),
            family: family.into(),
            timings: None,
            apt: Vec::new(),
        })
    }

    /// The runner called `name`.
    ///
    /// # Errors
    /// [`RunnerError::Unknown`] and those of [`Runner::list`].
    pub fn by_name(name: &str) -> Result<Self, RunnerError> {
        let list = Self::list()?;
        let known = list.iter().map(|r| r.name.clone()).collect();
        list.into_iter().find(|r| r.name == name).ok_or(RunnerError::Unknown { name: String::from(name), known })
    }
}

/// Root of the workspace this driver was compiled in: the runners' sources are there.
pub(super) fn workspace_root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or(here.clone(), |root| root.to_path_buf())
}
