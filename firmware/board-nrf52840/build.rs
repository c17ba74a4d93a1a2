//! Link scripts of the image.

#[path = "src/flash.rs"]
mod flash;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src/flash.rs");
    let part = if cfg!(feature = "boot") { flash::UPDATES.active.clone() } else { flash::MAP.firmware() };
    tanbo_flash_map::build::link_part(&flash::MAP.part(part), &["-Tdefmt.x"])
}
