//! Link scripts of the image: `memory.x` is tanbo-emulated's, `link.x` cortex-m-rt's, `defmt.x` defmt's.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // Asked by what embedded-test expands to.
    println!("cargo:rustc-check-cfg=cfg(rust_analyzer)");
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        // --nmagic: no page alignment, the flash image stays small.
        for argument in ["-Tlink.x", "-Tdefmt.x", "--nmagic"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
        println!("cargo:rustc-link-arg-bin=tanbo-board-suite=-Tembedded-test.x");
    }
    Ok(())
}
