//! Building an image for a runner with cargo.

use super::{Outcome, Runner, RunnerError, table::workspace_root};
use object::{Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _};
use std::{
    collections::HashMap,
    env, format,
    fs::{self, File},
    io::{IsTerminal as _, stderr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    string::{String, ToString as _},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
    vec::Vec,
};

/// A binary of the workspace that runs on runners. Its package depends on this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Program<'a> {
    /// Package name.
    pub package: &'a str,
    /// Binary name.
    pub bin: &'a str,
}

/// What an image for one model takes, beside the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSize {
    /// Flash, without `.world`: code, constants and initial values of the engine, this model's plan and operators, and the start-up. Bytes.
    pub flash_code_bytes: u64,
    /// Flash: what the image holds of the artifact, its constants. Bytes.
    pub flash_artifact_bytes: u64,
    /// RAM of static variables, bytes.
    pub ram_static_bytes: u64,
    /// Code of a simulated world around a node, in a section of that name (`.world`): it stands for what is no program. Bytes.
    pub world_bytes: u64,
}

/// The section that `firmware/board-mps2/world.x` makes.
pub const WORLD: &str = ".world";

/// Part of the name of the statics that hold the constants of included artifacts.
const CONSTANTS: &str = "TANBO_CONSTANTS";

/// Wall-clock limit of one inference of an image.
const IMAGE_TIMEOUT: Duration = Duration::from_secs(600);

impl ImageSize {
    /// Size of the image at `path`.
    ///
    /// # Errors
    /// [`RunnerError::File`]; [`RunnerError::Build`] for what is no ELF file.
    pub fn of(path: &Path) -> Result<Self, RunnerError> {
        let bytes = fs::read(path).map_err(|e| RunnerError::file(path.display(), e))?;
        let elf = object::File::parse(&*bytes)
            .map_err(|e| RunnerError::Build { what: path.display().to_string(), message: e.to_string() })?;
        let world = elf.section_by_name(WORLD).map_or(0, |section| section.size());
        // What a programmer would write to flash: every byte of the file that is loaded (code, constants, initial data).
        let flash = elf.segments().map(|segment| segment.file_range().1).sum::<u64>().saturating_sub(world);
        let constants = |symbol: &object::Symbol<'_, '_>| symbol.name().is_ok_and(|name| name.contains(CONSTANTS));
        let artifact: u64 = elf.symbols().filter(constants).map(|symbol| symbol.size()).sum();
        let ram = |section: &object::Section<'_, '_>| matches!(section.name(), Ok(".data" | ".bss" | ".uninit"));
        Ok(Self {
            flash_code_bytes: flash.saturating_sub(artifact),
            flash_artifact_bytes: artifact,
            ram_static_bytes: elf.sections().filter(ram).map(|section| section.size()).sum(),
            world_bytes: world,
        })
    }
}

const IMAGE: Program<'static> = Program { package: "tanbo-target", bin: "tanbo-image" };

/// Runner, package, binary.
type BuiltKey = (String, String, String);

/// Images built by this process: sources do not change under a running command, and cargo takes 0.2 s to say so.
static BUILT: LazyLock<Mutex<HashMap<BuiltKey, PathBuf>>> = LazyLock::new(Mutex::default);

impl Runner {
    /// Builds `program` for this runner, in the `firmware` profile or, with an operating system, the `linux` one; the image's path.
    ///
    /// Progress goes to stderr if that is a terminal; compiler errors always.
    ///
    /// # Errors
    /// [`RunnerError::TargetMissing`], [`RunnerError::Missing`], [`RunnerError::Build`], [`RunnerError::File`].
    pub fn build(&self, program: &Program<'_>) -> Result<PathBuf, RunnerError> {
        let key = (self.name.clone(), String::from(program.package), String::from(program.bin));
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = built.get(&key) {
            return Ok(image.clone());
        }
        let _lock = build_lock()?;
        let variables: Vec<_> = self.memory.iter().map(|memory| ("TANBO_MEMORY", memory.as_path())).collect();
        let executable = self.cargo_build(program, &[], &variables)?;
        let dir = shared_dir()?.join(&self.name);
        fs::create_dir_all(&dir).map_err(|e| RunnerError::file(dir.display(), e))?;
        let image = dir.join(program.bin);
        // By rename: an emulation of the previous image may still be reading it.
        let fresh = dir.join(format!("{}.new", program.bin));
        fs::copy(&executable, &fresh).map_err(|e| RunnerError::file(fresh.display(), e))?;
        fs::rename(&fresh, &image).map_err(|e| RunnerError::file(image.display(), e))?;
        built.insert(key, image.clone());
        Ok(image)
    }

    /// Builds the static library of `package` for this runner, as [`Runner::build`] does programs; the library's path.
    ///
    /// # Errors
    /// Those of [`Runner::build`].
    pub fn build_library(&self, package: &str) -> Result<PathBuf, RunnerError> {
        let _lock = build_lock()?;
        let mut cargo = self.cargo()?;
        cargo.args(["--package", package, "--lib"]);
        self.built(cargo, package, |message| {
            let files = message.get("filenames")?.as_array()?;
            files.iter().filter_map(|file| file.as_str()).find(|file| file.ends_with(".a"))
        })
    }

    /// Runs `cargo build` with some more arguments and variables; the path of what it built.
    fn cargo_build(
        &self,
        program: &Program<'_>,
        args: &[&str],
        variables: &[(&str, &Path)],
    ) -> Result<PathBuf, RunnerError> {
        let mut cargo = self.cargo()?;
        cargo.args(["--package", program.package, "--bin", program.bin]);
        if let Some(machine) = &self.machine {
            let this = env!("CARGO_PKG_NAME");
            let feature = if program.package == this { machine.clone() } else { format!("{this}/{machine}") };
            cargo.args(["--features", &feature]);
        }
        cargo.args(args).envs(variables.iter().copied());
        self.built(cargo, program.bin, |message| {
            let named = message.pointer("/target/name").and_then(|n| n.as_str()) == Some(program.bin);
            message.get("executable").filter(|_| named)?.as_str()
        })
    }

    /// Returns `cargo build` for this runner's target, in its profile.
    fn cargo(&self) -> Result<Command, RunnerError> {
        let toolchain = self.toolchain()?;
        let profile = if self.machine.is_some() { "firmware" } else { "linux" };
        let mut cargo = match toolchain {
            // What called us may have set CARGO and RUSTC to its own toolchain's binaries.
            Toolchain::Current => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Toolchain::Debian => {
                let mut cargo = Command::new("cargo");
                cargo.arg("+debian").env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
                // Debian ships the sources of the standard library instead of foreign builds of it.
                let std = if self.machine.is_some() { "core,alloc,panic_abort" } else { "std,panic_abort" };
                cargo.env("RUSTC_BOOTSTRAP", "1").arg(format!("-Zbuild-std={std}"));
                cargo
            }
        };
        cargo
            .current_dir(workspace_root())
            .args(["build", "--profile", profile, "--message-format", "json-render-diagnostics"])
            .args(["--target", &self.target])
            // Exactly the table's flags, whatever the environment has for the host's sake.
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", self.rustflags.join("\x1f"));
        Ok(cargo)
    }

    /// Runs `cargo`; the path that `path_in` finds in its messages about what it built.
    fn built(
        &self,
        mut cargo: Command,
        name: &str,
        path_in: impl Fn(&serde_json::Value) -> Option<&str>,
    ) -> Result<PathBuf, RunnerError> {
        if !stderr().is_terminal() {
            cargo.arg("--quiet");
        }
        let out = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|e| RunnerError::Missing {
            program: String::from("cargo"),
            remedy: format!("install Rust from https://rustup.rs ({e})"),
        })?;
        let what = || format!("{name} for {}", self.name);
        if !out.status.success() {
            let message = format!("cargo ended with {}, see above; its linker may need: {}", out.status, self.remedy());
            return Err(RunnerError::Build { what: what(), message });
        }
        let messages = String::from_utf8_lossy(&out.stdout);
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        // The last: what was asked for is built after what it needs.
        messages
            .filter(|message| message.get("reason").and_then(|r| r.as_str()) == Some("compiler-artifact"))
            .filter_map(|message| path_in(&message).map(PathBuf::from))
            .last()
            .ok_or_else(|| RunnerError::Build { what: what(), message: String::from("cargo named no file") })
    }

    /// Size of an image linked for `artifact` alone, which is run once over zeros; `None` for runners with an operating system, where it means nothing.
    ///
    /// # Errors
    /// Those of [`Runner::build`] and [`Runner::run`]; [`RunnerError::Build`] for bytes that are no artifact, or where the
    /// machine's flash is too small; [`RunnerError::Failed`] if the image does not end with 0.
    pub fn image_size(&self, artifact: &[u8]) -> Result<Option<ImageSize>, RunnerError> {
        if self.machine.is_none() {
            return Ok(None);
        }
        self.image(artifact, &["--no-default-features"], |image, _| ImageSize::of(image)).map(Some)
    }

    /// Deepest stack of the engine's `run` in an image linked for `artifact` alone, bytes, and the CRC-32 (ISO-HDLC) of its
    /// outputs over zeros; `None` for runners with an operating system.
    ///
    /// # Errors
    /// Those of [`Runner::image_size`].
    pub fn image_run(&self, artifact: &[u8]) -> Result<Option<(u64, u32)>, RunnerError> {
        if self.machine.is_none() {
            return Ok(None);
        }
        let said = |outcome: &Outcome| {
            let (stack, crc) = outcome.console.trim().strip_prefix("stack ")?.split_once(" outputs ")?;
            Some((stack.parse().ok()?, u32::from_str_radix(crc, 16).ok()?))
        };
        self.image(artifact, &[], |_, outcome| said(outcome).ok_or_else(|| outcome.failed(&self.name))).map(Some)
    }

    /// Exact instructions of an image linked for `artifact` alone, from its start to its end after one inference over
    /// zeros: start-up and all.
    ///
    /// # Errors
    /// Those of [`Runner::image_size`].
    pub fn first_inference(&self, artifact: &[u8]) -> Result<u64, RunnerError> {
        let total = |_: &Path, outcome: &Outcome| outcome.total.ok_or_else(|| outcome.failed(&self.name));
        self.image(artifact, &["--no-default-features"], total)
    }

    /// Builds and runs an image linked for `artifact` alone; what `use_it` makes of its path and outcome.
    fn image<T>(
        &self,
        artifact: &[u8],
        args: &[&str],
        use_it: impl FnOnce(&Path, &Outcome) -> Result<T, RunnerError>,
    ) -> Result<T, RunnerError> {
        let dir = tempfile::tempdir().map_err(|e| RunnerError::file("temporary directory", e))?;
        let executable = dir.path().join("image");
        {
            let _lock = build_lock()?;
            // One place for all, so that cargo rebuilds this image instead of keeping one per artifact.
            let path = shared_dir()?.join("image.tnb");
            fs::write(&path, artifact).map_err(|e| RunnerError::file(path.display(), e))?;
            let path = path.canonicalize().map_err(|e| RunnerError::file(path.display(), e))?;
            let built = self.cargo_build(&IMAGE, args, &[("TANBO_IMAGE", &path)])?;
            fs::copy(&built, &executable).map_err(|e| RunnerError::file(built.display(), e))?;
        }
        // A size is worth something only if the image works.
        let outcome = self.run(&executable, dir.path(), IMAGE_TIMEOUT)?;
        if outcome.exit_code != Some(0) || outcome.pairs.len() != 1 {
            return Err(outcome.failed(&self.name));
        }
        use_it(&executable, &outcome)
    }

    /// The toolchain that can build for this runner.
    fn toolchain(&self) -> Result<Toolchain, RunnerError> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let libdir = Command::new(rustc)
            .current_dir(workspace_root())
            .args(["--print", "target-libdir", "--target", &self.target])
            .stderr(Stdio::null())
            .output()
            .map_err(|e| RunnerError::Missing {
                program: String::from("rustc"),
                remedy: format!("install Rust from https://rustup.rs ({e})"),
            })?;
        if Path::new(String::from_utf8_lossy(&libdir.stdout).trim()).is_dir() {
            return Ok(Toolchain::Current);
        }
        let linked = Command::new("rustup").args(["toolchain", "list"]).stderr(Stdio::null()).output();
        let has_debian = linked.is_ok_and(|out| {
            String::from_utf8_lossy(&out.stdout).lines().any(|line| line.split_whitespace().next() == Some("debian"))
        });
        if has_debian {
            return Ok(Toolchain::Debian);
        }
        Err(RunnerError::TargetMissing { target: self.target.clone() })
    }

    /// Command that installs what this runner needs.
    pub fn remedy(&self) -> String {
        format!("apt install {}", self.apt.join(" "))
    }
}

/// Runners with the same triple share cargo's output path: this lock is held until the image has been used or copied.
fn build_lock() -> Result<File, RunnerError> {
    let path = shared_dir()?.join("build.lock");
    let lock = File::create(&path).map_err(|e| RunnerError::file(path.display(), e))?;
    lock.lock().map_err(|e| RunnerError::file(path.display(), e))?;
    Ok(lock)
}

enum Toolchain {
    Current,
    /// Debian's rustc, linked into rustup as `debian`.
    Debian,
}

/// Directory for images and the plugin, below cargo's target directory.
pub(super) fn shared_dir() -> Result<PathBuf, RunnerError> {
    let target = workspace_root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let dir = target.join("runners");
    fs::create_dir_all(&dir).map_err(|e| RunnerError::file(dir.display(), e))?;
    Ok(dir)
}
