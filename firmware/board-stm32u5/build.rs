//! Link scripts of the image.

#[path = "src/flash.rs"]
mod flash;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src/flash.rs");
    tanbo_flash_map::build::link(&flash::MAP, &[])
}
