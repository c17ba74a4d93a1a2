//! The boards' firmware: every image is built as it is flashed, and must lie where its chip has memory and in its part of the flash map.
//!
//! A board is a package that names a `chip` and a `target` in `[package.metadata.tanbo]`. All programs of one with a radio (feature `lora`) are
//! built with it, and its node, whose name is the package's, without it too; the node of one with a boot loader (feature `boot`) also behind
//! that, without the radio.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::slice;
use std::time::Instant;

use cargo_metadata::{MetadataCommand, Package};
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};
use tanbo_emulated::host::ImageSize;

use crate::workspace::{Error, cargo, root, succeeds, tanbo};

/// A board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Name, as in `benches/budgets.toml`: the package's without `tanbo-`.
    pub name: String,
    package: String,
    /// Rust target.
    pub target: String,
    /// The chip, as probe-rs names it.
    chip: String,
    bins: Vec<String>,
    has_radio: bool,
    has_loader: bool,
}

/// A measured image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The board's name, as in `benches/budgets.toml`.
    pub board: String,
    /// The program, `_lora` behind it where the radio is in it, `_boot` where it lies behind a boot loader.
    pub name: String,
    /// What it takes.
    pub size: ImageSize,
}

/// Returns the boards of the workspace.
///
/// # Errors
/// `cargo metadata` fails.
pub fn list() -> Result<Vec<Board>, Error> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| Error(format!("cargo metadata: {error}")))?;
    Ok(metadata.workspace_packages().into_iter().filter_map(board).collect())
}

fn board(package: &Package) -> Option<Board> {
    let metadata = package.metadata.get("tanbo")?;
    Some(Board {
        chip: metadata.get("chip")?.as_str()?.into(),
        name: package.name.trim_start_matches("tanbo-").into(),
        package: package.name.to_string(),
        target: metadata.get("target")?.as_str()?.into(),
        bins: package.targets.iter().filter(|target| target.is_bin()).map(|target| target.name.clone()).collect(),
        has_radio: package.features.contains_key("lora"),
        has_loader: package.features.contains_key("boot"),
    })
}

/// One way to build a board.
struct Variant {
    /// Of cargo.
    arguments: &'static [&'static str],
    /// Behind the programs' names.
    suffix: &'static str,
    /// Whether only the node is built so.
    node_alone: bool,
}

impl Board {
    fn variants(&self) -> Vec<Variant> {
        let plain: &[&str] = if self.has_radio { &["--no-default-features"] } else { &[] };
        let mut variants = vec![Variant { arguments: plain, suffix: "", node_alone: self.has_radio }];
        if self.has_radio {
            variants.push(Variant { arguments: &[], suffix: "_lora", node_alone: false });
        }
        if self.has_loader {
            let arguments = &["--no-default-features", "--features", "boot"];
            variants.push(Variant { arguments, suffix: "_boot", node_alone: true });
        }
        variants
    }
}

/// Builds every image and prints its size; returns the images, and what is wrong with where they lie.
///
/// # Errors
/// A board cannot be built.
pub fn build() -> Result<(Vec<Image>, Vec<String>), Error> {
    let (mut images, mut wrong) = (Vec::new(), Vec::new());
    let tanbo = tanbo()?.get_program().to_os_string();
    println!("{:<16} {:<18} {:>12} {:>12} {:>8}", "board", "image", "flash", "RAM", "built");
    for board in list()? {
        for variant in board.variants() {
            let begin = Instant::now();
            let mut arguments =
                vec!["build", "-q", "--profile", "firmware", "-p", &board.package, "--target", &board.target];
            arguments.extend(variant.arguments);
            let mut bins = &*board.bins;
            if variant.node_alone {
                arguments.extend(["--bin", &board.package]);
                bins = slice::from_ref(&board.package);
            }
            if !succeeds(&mut cargo(&arguments))? {
                return Err(Error(format!("{} does not build; the reason stands above", board.package)));
            }
            let took = begin.elapsed().as_secs();
            for bin in bins {
                let path = target_folder().join(&board.target).join("firmware").join(bin);
                let image = image(&board, bin, variant.suffix, &path)?;
                println!(
                    "{:<16} {:<18} {:>12} {:>12} {took:>6} s",
                    image.board,
                    image.name,
                    image.size.flash_code_bytes + image.size.flash_artifact_bytes,
                    image.size.ram_static_bytes,
                );
                wrong.extend(
                    layout(&tanbo, &board, &path)?
                        .into_iter()
                        .map(|line| format!("{}, {}: {line}", image.board, image.name)),
                );
                images.push(image);
            }
        }
    }
    Ok((images, wrong))
}

fn target_folder() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}

fn image(board: &Board, bin: &str, suffix: &str, path: &Path) -> Result<Image, Error> {
    let size = ImageSize::of(path).map_err(|error| Error(error.to_string()))?;
    let program = bin.strip_prefix(&board.package).map_or("node", |rest| rest.trim_start_matches('-'));
    let program = if program.is_empty() { "node" } else { program };
    Ok(Image { board: board.name.clone(), name: format!("{program}{suffix}"), size })
}

/// Returns what is wrong with where an image lies on its chip, by the command that everyone has, which needs no probe for it.
fn layout(tanbo: &OsStr, board: &Board, path: &Path) -> Result<Vec<String>, Error> {
    if board.chip.starts_with("esp32") {
        return esp_layout(path);
    }
    let failed = |error: &dyn std::fmt::Display| Error(format!("tanbo flash --dry-run {}: {error}", path.display()));
    let mut command = Command::new(tanbo);
    command.args(["--json", "flash", "--dry-run", "--chip", &board.chip]).arg(path);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| failed(&error))?;
    let checked: Checked = serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))?;
    let mut wrong = checked.wrong;
    if checked.parts.is_empty() {
        wrong.push("the image has no flash map: build.rs makes it".into());
    }
    Ok(wrong)
}

/// Returns what is wrong with the length of an ESP32's image. The addresses in its ELF file are those after the chip's boot loader has mapped
/// and copied it; espflash makes of it what lies in flash (ESP-IDF programming guide, "App Image Format").
fn esp_layout(path: &Path) -> Result<Vec<String>, Error> {
    // As `partitions.csv` of the board says; its test compares.
    const START: u64 = 0x1_0000;
    // The image's header, check byte and hash; a segment's header; twice, up to where code or constants agree with a page of the mapped flash.
    const HEADER: u64 = 24 + 16 + 32;
    const SEGMENT: u64 = 8;
    const PADDING: u64 = 2 * (64 << 10);
    let failed = |error: &dyn std::fmt::Display| Error(format!("{}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    let elf = object::File::parse(&*bytes).map_err(|error| failed(&error))?;
    let slots = elf.symbols().find(|symbol| symbol.name() == Ok("__tanbo_slots")).map(|symbol| symbol.address());
    let Some(slots) = slots else { return Ok(vec!["the image has no flash map: build.rs makes it".into()]) };
    let lengths = elf.segments().map(|segment| segment.file_range().1).filter(|len| *len > 0);
    let end = START + HEADER + PADDING + lengths.map(|len| SEGMENT + len.next_multiple_of(4)).sum::<u64>();
    if end > slots {
        return Ok(vec![format!("it may end at {end:#x}, beyond its part's end at {slots:#x}")]);
    }
    Ok(Vec::new())
}

/// What `tanbo flash --dry-run` answers.
#[derive(serde::Deserialize)]
struct Checked {
    wrong: Vec<String>,
    parts: Vec<serde_json::Value>,
}
