#![doc = include_str!("../README.md")]
#![no_std]

pub mod flash;

#[cfg(target_os = "none")]
mod board;

#[cfg(target_os = "none")]
pub use board::*;

#[cfg(test)]
mod tests {
    extern crate std;
    use crate::flash::MAP;
    use std::{format, vec::Vec};

    #[test]
    fn espflash_gets_the_same_parts() {
        let lines: Vec<&str> =
            include_str!("../partitions.csv").lines().filter(|line| !line.starts_with('#')).collect();
        let line = |name, kind, range: core::ops::Range<u32>| {
            format!("{name}, {kind}, {:#x}, {:#x}", range.start, range.end - range.start)
        };
        let firmware = line("firmware", "app, factory", MAP.firmware());
        let rest = line("tanbo", "data, undefined", MAP.firmware().end..MAP.flash().end);
        assert_eq!(lines, [firmware, rest]);
    }
}
