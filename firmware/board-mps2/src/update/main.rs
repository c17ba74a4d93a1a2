//! A node that does nothing but take models: over the serial link, and as fragments, which here come over the same wire behind their
//! LoRaWAN port's number. Slots and versions lie in 64 KiB of memory on the board's bus, which QEMU keeps in a file.
//!
//! The memory's last page says who it is; as long as nobody has written it, it waits on its UART to be told. In the current folder, a file
//! `button` is a button held down while it starts (it then listens to be told again), and 8 bytes in `seed` are its randomness.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod node;
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_emulated::entry!(run);

/// Never ends but by an error, or by whoever pulls the plug.
#[cfg(target_os = "none")]
fn run() -> u8 {
    match embassy_futures::block_on(node::run()) {
        Ok(never) => match never {},
        Err(stop) => {
            tanbo_emulated::println!("stop: {}", stop);
            2
        }
    }
}

#[cfg(not(target_os = "none"))]
fn run() -> u8 {
    tanbo_emulated::println!("the slots lie in the emulated board's memory: run it there");
    2
}
