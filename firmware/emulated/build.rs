//! Puts the machine's `memory.x` where the linker finds it.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=memory");
    // Its debug unit has no cycle counter.
    println!("cargo:rustc-check-cfg=cfg(armv6m)");
    if env::var("TARGET")?.starts_with("thumbv6m") {
        println!("cargo:rustc-cfg=armv6m");
    }
    if env::var("CARGO_CFG_TARGET_OS")? != "none" {
        return Ok(());
    }
    // Machines are the files of memory/: one feature of the same name each.
    let mut machines = Vec::new();
    for entry in fs::read_dir("memory")? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|s| s.to_str()) else { continue };
        let feature = format!("CARGO_FEATURE_{}", name.to_uppercase().replace('-', "_"));
        if env::var_os(feature).is_some() {
            machines.push((name.to_owned(), path));
        }
    }
    println!("cargo:rerun-if-env-changed=TANBO_MEMORY");
    if env::var_os("CARGO_FEATURE_CHIP").is_some() {
        let memory = env::var("TANBO_MEMORY").map_err(|_| "feature chip: set TANBO_MEMORY=/path/memory.x")?;
        println!("cargo:rerun-if-changed={memory}");
        machines.push((String::from("chip"), PathBuf::from(memory)));
    }
    let [(_, memory)] = machines.as_slice() else {
        let names: Vec<_> = machines.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!(
            "a bare-metal build needs exactly one machine feature of tanbo-emulated (the files in \
             firmware/emulated/memory name them); enabled: {names:?}"
        )
        .into());
    };
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy(memory, out.join("memory.x"))?;
    // What cortex-m-rt includes for names of interrupts: there are none.
    fs::write(out.join("device.x"), "")?;
    println!("cargo:rustc-link-search={}", out.display());
    // link.x comes from cortex-m-rt or riscv-rt. --nmagic: no page alignment, flash images stay small.
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    if env::var_os("CARGO_FEATURE_LOG").is_some() {
        println!("cargo:rustc-link-arg-bin=tanbo-logs=-Tdefmt.x");
    }
    Ok(())
}
