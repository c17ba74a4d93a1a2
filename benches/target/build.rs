//! Link arguments of a bare-metal image (the scripts come from tanbo-emulated and its run-time crates), and the artifact
//! of `tanbo-image`.

use std::{env, error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
    println!("cargo:rustc-check-cfg=cfg(tanbo_image)");
    println!("cargo:rerun-if-env-changed=TANBO_IMAGE");
    if let Ok(artifact) = env::var("TANBO_IMAGE") {
        if !Path::new(&artifact).is_absolute() {
            return Err(format!("TANBO_IMAGE={artifact}: give an absolute path").into());
        }
        println!("cargo:rerun-if-changed={artifact}");
        println!("cargo:rustc-cfg=tanbo_image");
    }
    Ok(())
}
