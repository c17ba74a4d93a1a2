//! The boards' firmware: every image is built as it is flashed, and must lie in its part of the flash map.
//!
//! A board is a package that names a `chip` and a `target` in `[package.metadata.tanbo]`. One with a radio (feature `lora`) is built with and
//! without it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cargo_metadata::{MetadataCommand, Package};
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};
use tanbo_emulated::host::ImageSize;

use crate::workspace::{Error, cargo, root, succeeds};

/// A board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Name, as in `benches/budgets.toml`: the package's without `tanbo-`.
    pub name: String,
    package: String,
    /// Rust target.
    pub target: String,
    bins: Vec<String>,
    has_radio: bool,
}

/// A measured image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The board's name, as in `benches/budgets.toml`.
    pub board: String,
    /// The program, `_lora` behind it where the radio is in it.
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
    metadata.get("chip")?;
    Some(Board {
        name: package.name.trim_start_matches("tanbo-").into(),
        package: package.name.to_string(),
        target: metadata.get("target")?.as_str()?.into(),
        bins: package.targets.iter().filter(|target| target.is_bin()).map(|target| target.name.clone()).collect(),
        has_radio: package.features.contains_key("lora"),
    })
}

/// Builds every image and prints its size; returns the images, and what is wrong with where they lie.
///
/// # Errors
/// A board cannot be built.
pub fn build() -> Result<(Vec<Image>, Vec<String>), Error> {
    let (mut images, mut wrong) = (Vec::new(), Vec::new());
    println!("{:<16} {:<18} {:>12} {:>12} {:>8}", "board", "image", "flash", "RAM", "built");
    for board in list()? {
        for radio in [false, true] {
            if radio && !board.has_radio {
                continue;
            }
            let begin = Instant::now();
            let mut arguments =
                vec!["build", "-q", "--profile", "firmware", "-p", &board.package, "--target", &board.target];
            if board.has_radio && !radio {
                arguments.push("--no-default-features");
            }
            if !succeeds(&mut cargo(&arguments))? {
                return Err(Error(format!("{} does not build; the reason stands above", board.package)));
            }
            let took = begin.elapsed().as_secs();
            for bin in &board.bins {
                let path = target_folder().join(&board.target).join("firmware").join(bin);
                let image = image(&board, bin, radio, &path)?;
                println!(
                    "{:<16} {:<18} {:>12} {:>12} {took:>6} s",
                    image.board,
                    image.name,
                    image.size.flash_code_bytes + image.size.flash_artifact_bytes,
                    image.size.ram_static_bytes,
                );
                wrong.extend(layout(&path)?.into_iter().map(|line| format!("{}, {}: {line}", image.board, image.name)));
                images.push(image);
            }
        }
    }
    Ok((images, wrong))
}

fn target_folder() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}

fn image(board: &Board, bin: &str, radio: bool, path: &Path) -> Result<Image, Error> {
    let size = ImageSize::of(path).map_err(|error| Error(error.to_string()))?;
    let program = bin.strip_prefix(&board.package).map_or("node", |rest| rest.trim_start_matches('-'));
    let program = if program.is_empty() { "node" } else { program };
    Ok(Image { board: board.name.clone(), name: format!("{program}{}", if radio { "_lora" } else { "" }), size })
}

/// Returns what is wrong with where an image lies: it must end before the first model slot, and the parts of the map must follow each other.
fn layout(path: &Path) -> Result<Vec<String>, Error> {
    let bytes = fs::read(path).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    let elf = object::File::parse(&*bytes).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    let symbols: BTreeMap<&str, u64> = elf
        .symbols()
        .filter_map(|symbol| Some((symbol.name().ok()?.strip_prefix("__tanbo_")?, symbol.address())))
        .collect();
    let loaded: Vec<_> =
        elf.segments().filter(|segment| segment.file_range().1 > 0).map(|s| physical(&elf, &s)).collect();
    Ok(judge(&symbols, &loaded))
}

/// Addresses that a programmer writes for a segment.
fn physical(elf: &object::File<'_>, segment: &object::Segment<'_, '_>) -> std::ops::Range<u64> {
    let (offset, len) = segment.file_range();
    let object::File::Elf32(file) = elf else { return segment.address()..segment.address() + len };
    let header = file.elf_program_headers().iter().find(|header| {
        u64::from(header.p_offset.get(file.endian())) == offset && u64::from(header.p_filesz.get(file.endian())) == len
    });
    let start = header.map_or(segment.address(), |header| u64::from(header.p_paddr.get(file.endian())));
    start..start + len
}

fn judge(symbols: &BTreeMap<&str, u64>, loaded: &[std::ops::Range<u64>]) -> Vec<String> {
    const PARTS: [&str; 7] = ["flash", "slots", "selection", "last_words", "identity", "store", "flash_end"];
    let addresses: Option<Vec<u64>> = PARTS.iter().map(|part| symbols.get(part).copied()).collect();
    let Some(addresses) = addresses else { return vec!["the image has no flash map: build.rs makes it".into()] };
    let mut wrong = Vec::new();
    for (parts, pair) in PARTS.windows(2).zip(addresses.windows(2)) {
        if pair[0] >= pair[1] {
            wrong.push(format!("{} at {:#x} is not before {} at {:#x}", parts[0], pair[0], parts[1], pair[1]));
        }
    }
    let image = addresses[0]..addresses[1];
    for range in loaded {
        if range.start < image.start || range.end > image.end {
            wrong.push(format!("{range:#x?} is loaded outside of the firmware's {image:#x?}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::judge;
    use std::collections::BTreeMap;

    fn map() -> BTreeMap<&'static str, u64> {
        [
            ("flash", 0),
            ("slots", 100),
            ("selection", 200),
            ("last_words", 210),
            ("identity", 220),
            ("store", 230),
            ("flash_end", 300),
        ]
        .into()
    }

    #[test]
    fn an_image_in_its_part_passes() {
        assert_eq!(judge(&map(), &[0..10, 10..100]), [""; 0]);
    }

    #[test]
    fn one_that_reaches_into_a_slot_or_has_no_map_is_found() {
        assert_eq!(judge(&map(), &[0..10, 90..101]).len(), 1);
        assert_eq!(judge(&BTreeMap::new(), &[]).len(), 1);
        let mut turned = map();
        turned.insert("identity", 205);
        assert_eq!(judge(&turned, &[]), ["last_words at 0xd2 is not before identity at 0xcd"]);
    }
}
