//! Link arguments of the image. Its memory is esp-hal's; the flash map's symbols say where the other parts lie.

#[path = "src/flash.rs"]
mod flash;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src/flash.rs");
    // Asked by what embedded-test expands to.
    println!("cargo::rustc-check-cfg=cfg(rust_analyzer)");
    if std::env::var("CARGO_CFG_TARGET_OS")? == "none" {
        // --icf=all: functions with the same code are one.
        for argument in ["-Tdefmt.x", "-Tlinkall.x", "--icf=all"] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
        for (name, value) in flash::MAP.symbols() {
            println!("cargo::rustc-link-arg-bins=--defsym={name}={value:#x}");
        }
        println!("cargo::rustc-link-arg-bin=tanbo-board-esp32c3-suite=-Tembedded-test.x");
    }
    Ok(())
}
