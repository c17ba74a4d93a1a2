#![doc = include_str!("../README.md")]
#![no_std]

pub mod flash;

#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod watchdog;

#[cfg(target_os = "none")]
pub use board::*;
