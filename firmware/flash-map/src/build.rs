//! For build scripts of boards.

use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use crate::{FlashMap, Part, Updates};

/// Writes `memory.x` and names the link scripts: `link.x` is cortex-m-rt's, `defmt.x` defmt's, `more` the HAL's, and for the
/// program of `src/suite.rs`, called as the package with `-suite`, embedded-test's. Nothing for an operating system.
///
/// # Errors
/// Outside of a build script.
pub fn link(map: &FlashMap, more: &[&str]) -> Result<(), Box<dyn Error>> {
    link_behind(map, None, more)
}

/// As [`link`], for a board that has a boot loader: the image lies behind it where `updates` is given.
///
/// # Errors
/// Outside of a build script.
pub fn link_behind(map: &FlashMap, updates: Option<&Updates>, more: &[&str]) -> Result<(), Box<dyn Error>> {
    let part = updates.map_or_else(|| map.part(map.firmware()), |updates| map.active(updates));
    link_part(&part, &[&["-Tdefmt.x"][..], more].concat())
}

/// As [`link`], for an image that lies elsewhere ([`FlashMap::part`]) and names its log's script in `more` itself.
///
/// # Errors
/// Outside of a build script.
pub fn link_part(part: &Part<'_>, more: &[&str]) -> Result<(), Box<dyn Error>> {
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        fs::write(out.join("memory.x"), part.to_string())?;
        println!("cargo::rustc-link-search={}", out.display());
        // --nmagic: no page alignment, the flash image stays small; --icf=all: functions with the same code are one.
        for argument in ["-Tlink.x", "--nmagic", "--icf=all"].iter().chain(more) {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
        if Path::new("src/suite.rs").exists() {
            println!("cargo::rustc-link-arg-bin={}-suite=-Tembedded-test.x", env::var("CARGO_PKG_NAME")?);
        }
    }
    // Asked by what embedded-test expands to.
    println!("cargo::rustc-check-cfg=cfg(rust_analyzer)");
    Ok(())
}
