//! Link scripts of the image.

#[path = "src/flash.rs"]
mod flash;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src/flash.rs");
    let updates = cfg!(feature = "boot").then_some(&flash::UPDATES);
    tanbo_flash_map::build::link_behind(&flash::MAP, updates, &[])
}
