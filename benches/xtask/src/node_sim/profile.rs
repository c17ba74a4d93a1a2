//! Where the node's instructions go: from the addresses of a profile to the sources they come from.

use std::path::Path;

use addr2line::Loader;
use object::{Object as _, ObjectSection as _};
use tanbo_emulated::host::WORLD;

use crate::workspace::Error;

/// Parts of the node's work, in the order in which they are printed, and parts of the paths of their sources.
const PARTS: [(&str, &[&str]); 12] = [
    ("simulation", &["board-mps2/src/world", "board-mps2/src/board", "board-mps2/src/log"]),
    ("sleep and timers", &["firmware/emulated"]),
    ("sampling: drivers", &["firmware/drivers", "/sht4x-", "/embedded-hal"]),
    ("filters, features and gate", &["runtime/signal"]),
    (
        "network",
        &["runtime/engine", "runtime/kernels", "runtime/quant", "runtime/packing", "runtime/format", "models/include"],
    ),
    ("classical methods", &["runtime/methods", "/libm-"]),
    ("decision", &["runtime/pipeline"]),
    ("store", &["firmware/store", "/sequential-storage-", "/embedded-storage"]),
    ("frames and their tags", &["runtime/wire", "/aes-", "/cmac-", "/cipher-", "/hybrid-array", "/digest-", "/cobs-"]),
    ("the node: tasks, plan, energy", &["firmware/node", "firmware/board-api", "/embassy-", "board-mps2/src/nodes"]),
    ("log", &["/defmt", "/semihosting-", "/cortex-m"]),
    ("copies and divisions", &[""]),
];

/// Parts that are none of the node's.
const AROUND: [&str; 4] = ["simulation", "sleep and timers", "log", "copies and divisions"];
/// Most of the node's sources in the world's section, thousandths: comparisons of its types, which both sides know.
const MOST_INLINED: u64 = 20;

/// Instructions of each part.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Part {
    pub name: &'static str,
    pub instructions: u64,
}

/// Sorts the counts of a profile into parts: an instruction belongs to the innermost function with a source of ours or of a crate that is
/// known; what the compiler's own library does out of line belongs to nobody.
///
/// # Errors
/// An image without line numbers.
pub fn parts(image: &Path, counts: &[(u64, u64)]) -> Result<Vec<Part>, Error> {
    let failed = |error: &dyn std::fmt::Display| Error(format!("{}: {error}", image.display()));
    let loader = Loader::new(image).map_err(|error| failed(&error))?;
    let mut sums = PARTS.map(|(name, _)| Part { name, instructions: 0 });
    for (address, count) in counts {
        let mut frames = loader.find_frames(*address).map_err(|error| failed(&error))?;
        let mut found = PARTS.len() - 1;
        while let Some(frame) = frames.next().map_err(|error| failed(&error))? {
            let file = frame.location.and_then(|location| location.file).unwrap_or_default();
            let of = |(_, paths): &(&str, &[&str])| paths.iter().any(|path| !path.is_empty() && file.contains(path));
            if let Some(part) = PARTS.iter().position(of) {
                found = part;
                break;
            }
        }
        sums[found].instructions += count;
    }
    Ok(sums.into_iter().filter(|part| part.instructions > 0).collect())
}

/// Checks that what lies beside the node's flash is the world and nothing of the node: by the sources that the compiler inlined there.
///
/// # Errors
/// An image without line numbers or without the section; more than [`MOST_INLINED`] of it are the node's.
pub fn check_world(image: &Path) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| Error(format!("{}: {error}", image.display()));
    let bytes = std::fs::read(image).map_err(|error| failed(&error))?;
    let elf = object::File::parse(&*bytes).map_err(|error| failed(&error))?;
    let section =
        elf.section_by_name(WORLD).ok_or_else(|| failed(&"no section of the world: firmware/board-mps2/world.x"))?;
    let addresses = (section.address()..section.address() + section.size()).step_by(2);
    let found = parts(image, &addresses.map(|address| (address, 1)).collect::<Vec<_>>())?;
    let sum = |parts: &[Part]| parts.iter().map(|part| part.instructions).sum::<u64>();
    let all = sum(&found);
    let of_node: Vec<Part> = found.into_iter().filter(|part| !AROUND.contains(&part.name)).collect();
    if sum(&of_node) * 1000 > all * MOST_INLINED {
        return Err(failed(&format!(
            "of the node, in the world's section: {of_node:?} of {all}; `#[inline(never)]` keeps them apart"
        )));
    }
    Ok(())
}
