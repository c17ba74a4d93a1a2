//! Link scripts of the image: it lies in the boot loader's part of the board's flash map.

#[path = "../board-stm32u5/src/flash.rs"]
mod flash;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../board-stm32u5/src/flash.rs");
    tanbo_flash_map::build::link_part(&flash::MAP.part(flash::UPDATES.loader.clone()), &["-Tdefmt.x"])
}
