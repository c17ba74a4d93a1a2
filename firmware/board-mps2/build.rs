//! Link scripts of the image: `memory.x` is tanbo-emulated's, `link.x` cortex-m-rt's, `defmt.x` defmt's, `world.x` the board's own.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=world.x");
    // Asked by what embedded-test expands to.
    println!("cargo:rustc-check-cfg=cfg(rust_analyzer)");
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        println!("cargo:rustc-link-search={}", env::var("CARGO_MANIFEST_DIR")?);
        // world.x first: the first script that names a function places it. --nmagic: no page alignment, the flash image stays small;
        // --icf=all: functions with the same code are one.
        for argument in ["-Tworld.x", "-Tlink.x", "-Tdefmt.x", "--nmagic", "--icf=all"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
        println!("cargo:rustc-link-arg-bin=tanbo-board-suite=-Tembedded-test.x");
    }
    Ok(())
}
