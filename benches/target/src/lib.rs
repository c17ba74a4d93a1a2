//! Runs any artifact on any core.
//!
//! Layer 4. The program `tanbo-runner` is one source for every target of the table in this crate's `Cargo.toml`: bare
//! metal under QEMU (files over semihosting) and Linux. It knows the engine and the machines, and no model. The host's side,
//! which builds and starts it and reads what it wrote, is `tanbo_emulated::host`.
//!
//! A job by hand: a directory as `tanbo_emulated::job` describes it, and there
//! `TANBO_RUNNER=m4 cargo run -p tanbo-target --bin tanbo-runner --features tanbo-emulated/mps2-an386 --target
//! thumbv7em-none-eabihf --profile firmware`.
#![no_std]

mod digest;
mod run;

pub use digest::digest;
pub use run::{JobReport, Refused, run};
