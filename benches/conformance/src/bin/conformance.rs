//! The suite as a program: bare metal, Linux, host. One line per kernel table and set, failures before it.
//!
//! The small set is part of the image. The full set is, where there is an operating system; a bare machine reads it
//! from the file `full.bin` (over semihosting) if that is there. `runner.txt` names the runner, for the lines, and its kernel
//! family; the sets that are packed for that family are in `packed.bin` and `lengths.bin`. The smallest flash has room for one
//! table: that of its family, which has the reference kernels for what it does not override.
//! Exit code: 0 if no case failed, 1 if one did, 2 if the suite could not run.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use tanbo::{ByFamily, Family, OpSet, TableOf};
use tanbo_conformance::pack::Pack;
use tanbo_conformance::{SMALL, family, suite};
use tanbo_emulated::{files, println, ram};

tanbo_emulated::entry!(conformance);

/// Longest name of a runner with its family, bytes.
const NAME: usize = 48;

/// The kernels of the smallest machine without those for packed constants, of which its cases have none: with them they would
/// not fit its flash.
static SMALLEST: OpSet = OpSet::from_bits::<<ByFamily<{ Family::M0 as u8 }> as TableOf>::Table>(u64::MAX, 0);

fn conformance() -> u8 {
    let mut name = [0u8; NAME];
    let text = match files::read("runner.txt", &mut name) {
        Ok(length) => name.get(..length).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or("?"),
        Err(_) => "host",
    };
    let mut words = text.split_whitespace();
    let target = words.next().unwrap_or("?");
    let table = if tanbo_emulated::SMALL_FLASH {
        Some(&SMALLEST)
    } else {
        words.next().and_then(family).filter(|&family| family != Family::Portable).and_then(tanbo::table)
    };
    let Some(ram) = ram::take() else {
        println!("no free RAM");
        return 2;
    };
    match sets(target, table, ram) {
        Ok(false) => 0,
        Ok(true) => 1,
        Err(()) => 2,
    }
}

/// Runs the sets there are; whether a case failed.
fn sets(target: &str, table: Option<&'static OpSet>, ram: &mut [u8]) -> Result<bool, ()> {
    let mut failed = false;
    if !tanbo_emulated::SMALL_FLASH {
        let reference = tanbo::table_or_reference(Family::Portable);
        failed |= run("small", SMALL, reference, target, ram)?;
        #[cfg(not(target_os = "none"))]
        let full = run("full", tanbo_conformance::FULL, reference, target, ram)?;
        #[cfg(target_os = "none")]
        let full = from_file("full", "full.bin", reference, target, ram)?;
        failed |= full;
    }
    if let Some(table) = table {
        failed |= run("small", SMALL, table, target, ram)?;
        failed |= from_file("packed", "packed.bin", table, target, ram)?;
        failed |= from_file("lengths", "lengths.bin", table, target, ram)?;
    }
    Ok(failed)
}

fn from_file(set: &str, file: &str, table: &'static OpSet, target: &str, ram: &mut [u8]) -> Result<bool, ()> {
    let length = match files::read(file, ram) {
        Ok(length) => length,
        // Whoever runs this compares the lines with those expected: a set that should be there is missed.
        Err(files::FileError::Open) => return Ok(false),
        Err(error) => {
            println!("{file}: {error}");
            return Err(());
        }
    };
    let (pack, rest) = ram.split_at_mut(length);
    let Some(arena) = rest.get_mut(length.next_multiple_of(ram::ALIGN) - length..) else {
        println!("{file} leaves no RAM for an arena");
        return Err(());
    };
    run(set, pack, table, target, arena)
}

fn run(set: &str, pack: &[u8], table: &'static OpSet, target: &str, arena: &mut [u8]) -> Result<bool, ()> {
    let pack = Pack::parse(pack).map_err(|error| println!("set {set}: {error}"))?;
    let summary = suite::run(&pack, table, arena, &mut |failure| println!("{target}: {set}: {failure}"));
    println!(
        "target={target} table={} set={set} cases={} failed={} digest={:016x}",
        table.table_name(),
        summary.cases,
        summary.failed,
        summary.digest
    );
    Ok(summary.failed > 0)
}
