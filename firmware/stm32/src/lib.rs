//! What boards with an STM32 have in common, on embassy-stm32: how the core stops, why it started, its watchdog and supply; flash with what
//! lies in it, words that a power cut tore too; the UART's settings. Pins, clocks and registers that chips have differently are the boards'.
//!
//! Layer 2. Empty but for a target: embassy-stm32 wants to know the chip, which the board says.

#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_os = "none")]
pub mod memory;
#[cfg(target_os = "none")]
pub mod power;
#[cfg(target_os = "none")]
pub mod serial;

#[cfg(target_os = "none")]
mod config;
#[cfg(target_os = "none")]
mod torn;

#[cfg(target_os = "none")]
pub use config::{CRYSTAL_PPB, config};
#[cfg(target_os = "none")]
pub use memory::Flash;
#[cfg(target_os = "none")]
pub use power::{StmPart, StmPower, WATCHDOG_MS};
#[cfg(target_os = "none")]
pub use serial::Serial;
