//! The suite as a program: bare metal, Linux, host. One line per kernel table and set, failures before it.
//!
//! The small set is part of the image. The full set is, where there is an operating system; a bare machine reads it
//! from the file `full.bin` (over semihosting) if that is there. `runner.txt` names the runner, for the lines.
//! Exit code: 0 if no case failed, 1 if one did, 2 if the suite could not run.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use tanbo_conformance::pack::Pack;
use tanbo_conformance::{SMALL, suite, tables};
use tanbo_emulated::{files, println, ram};

tanbo_emulated::entry!(conformance);

/// Longest name of a runner, bytes.
const NAME: usize = 32;

fn conformance() -> u8 {
    let mut name = [0u8; NAME];
    let target = match files::read("runner.txt", &mut name) {
        Ok(length) => name.get(..length).and_then(|name| core::str::from_utf8(name).ok()).map_or("?", str::trim),
        Err(_) => "host",
    };
    let Some(ram) = ram::take() else {
        println!("no free RAM");
        return 2;
    };
    match sets(target, ram) {
        Ok(false) => 0,
        Ok(true) => 1,
        Err(()) => 2,
    }
}

/// Runs the sets there are; whether a case failed.
fn sets(target: &str, ram: &mut [u8]) -> Result<bool, ()> {
    let small = run("small", SMALL, target, ram)?;
    #[cfg(not(target_os = "none"))]
    let full = run("full", tanbo_conformance::FULL, target, ram)?;
    #[cfg(target_os = "none")]
    let full = full_from_file(target, ram)?;
    Ok(small | full)
}

#[cfg(target_os = "none")]
fn full_from_file(target: &str, ram: &mut [u8]) -> Result<bool, ()> {
    let length = match files::read("full.bin", ram) {
        Ok(length) => length,
        // Whoever runs this compares the lines with those expected: a set that should be there is missed.
        Err(files::FileError::Open) => return Ok(false),
        Err(error) => {
            println!("full.bin: {error}");
            return Err(());
        }
    };
    let (pack, rest) = ram.split_at_mut(length);
    let Some(arena) = rest.get_mut(length.next_multiple_of(ram::ALIGN) - length..) else {
        println!("full.bin leaves no RAM for an arena");
        return Err(());
    };
    run("full", pack, target, arena)
}

fn run(set: &str, pack: &[u8], target: &str, arena: &mut [u8]) -> Result<bool, ()> {
    let pack = Pack::parse(pack).map_err(|error| println!("set {set}: {error}"))?;
    let mut failed = false;
    for table in tables() {
        let summary = suite::run(&pack, table, arena, &mut |failure| println!("{target}: {set}: {failure}"));
        println!(
            "target={target} table={} set={set} cases={} failed={} digest={:016x}",
            table.table_name(),
            summary.cases,
            summary.failed,
            summary.digest
        );
        failed |= summary.failed > 0;
    }
    Ok(failed)
}
