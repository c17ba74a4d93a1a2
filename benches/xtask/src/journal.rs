//! `cargo xtask journal`: what the journal of an inference takes on a Cortex-M4, measured, and whether it pays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanbo_emulated::host::{Program, Runner};
use tanbo_journal::cost::{Decision, EEPROM, FRAM, FRAM_SPI, Inference, Keep, Supply};

use crate::workspace::Error;

const PROGRAM: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-journal-costs" };
const RUNNER: &str = "m4";
const TIMEOUT: Duration = Duration::from_secs(900);
/// The node's core: a cycle for an instruction, its current, and its time from power to the engine (nRF52840: firmware/node/boards).
const MHZ: f64 = 64.0;
const RUN_UA: f64 = 3_300.0;
const START_US: f64 = 2_000.0;
/// Times on power that are tried: from long ones to short ones, as long as an inference takes less than a minute of the core's charge.
const LONGEST_US: f64 = 1e7;
const STEP: f64 = 1.05;
const MOST_UC: f64 = RUN_UA * 60.0;

/// What was measured of a model.
struct Measured {
    instructions: u64,
    begin: Keep,
    end: Keep,
    checkpoints: Vec<(u32, Keep)>,
}

/// Measures artifacts that are compiled for `m4` and prints a row of a table for each.
///
/// # Errors
/// The image does not build or run, or an artifact is none that it takes.
pub fn run(models: &[PathBuf]) -> Result<(), Error> {
    println!(
        "| model | inference | checkpoints: instructions and bytes of all | {} |",
        memories().map(|memory| memory.name).join(" | ")
    );
    println!("|---|---|---|---|---|---|");
    for path in models {
        println!("{}", row(path, &measure(path)?));
    }
    Ok(())
}

fn memories() -> [&'static tanbo_journal::cost::MemoryCost; 3] {
    [&FRAM_SPI, &FRAM, &EEPROM]
}

/// Runs the image on an artifact and reads its lines and counts.
fn measure(path: &Path) -> Result<Measured, Error> {
    let failed = |error: &dyn std::fmt::Display| Error(format!("journal of {}: {error}", path.display()));
    let runner = Runner::by_name(RUNNER).map_err(|error| failed(&error))?;
    let image = runner.build(&PROGRAM).map_err(|error| failed(&error))?;
    let dir = tempfile::tempdir().map_err(|error| failed(&error))?;
    fs::copy(path, dir.path().join("model.tnb")).map_err(|error| failed(&error))?;
    let outcome = runner.run(&image, dir.path(), TIMEOUT).map_err(|error| failed(&error))?;
    if outcome.exit_code != Some(0) {
        return Err(failed(&outcome.console));
    }
    read(&outcome.console, &outcome.pairs).ok_or_else(|| failed(&format!("no costs in '{}'", outcome.console)))
}

/// Reads lines of "what, how many, bytes, writes", each with as many counts, after those of nothing and of the inference.
fn read(console: &str, counts: &[u64]) -> Option<Measured> {
    let [markers, instructions, rest @ ..] = counts else { return None };
    let mut counts = rest.iter().map(|count| count.saturating_sub(*markers));
    let mut measured = Measured {
        instructions: instructions - markers,
        begin: Keep::default(),
        end: Keep::default(),
        checkpoints: Vec::new(),
    };
    for line in console.lines() {
        let (what, numbers) = line.split_once(' ')?;
        let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let [count, bytes, writes] = numbers[..] else { return None };
        let taken = if what == "checkpoints" { count as usize } else { 1 };
        let instructions: Vec<u64> = counts.by_ref().take(taken).collect();
        if instructions.len() != taken {
            return None;
        }
        let keep = Keep { instructions: instructions.iter().sum(), bytes, writes };
        match what {
            "begin" => measured.begin = keep,
            "finish" => measured.end = keep,
            "checkpoints" if count > 0 => measured.checkpoints.push((count as u32, keep)),
            "checkpoints" => {}
            _ => return None,
        }
    }
    (counts.next().is_none() && measured.end != Keep::default()).then_some(measured)
}

/// What is decided as the time on power falls: each decision with the longest time it holds for, ms.
fn decisions(inference: &Inference<'_>, memory: &tanbo_journal::cost::MemoryCost) -> Vec<(Decision, f64)> {
    let mut found: Vec<(Decision, f64)> = Vec::new();
    let mut on_us = LONGEST_US;
    loop {
        let (decision, charge_uc) =
            inference.decide(MHZ, memory, &Supply { on_us, start_us: START_US, run_ua: RUN_UA });
        if charge_uc > MOST_UC {
            return found;
        }
        if found.last().is_none_or(|(last, _)| *last != decision) {
            found.push((decision, on_us / 1000.0));
        }
        on_us /= STEP;
    }
}

fn row(path: &Path, measured: &Measured) -> String {
    let Measured { instructions, begin, end, checkpoints } = measured;
    let inference = Inference { instructions: *instructions, begin: *begin, end: *end, checkpoints };
    let of = |(count, keep): &(u32, Keep)| format!("{count}: {}, {} B", keep.instructions, keep.bytes);
    let told = |memory| {
        let decided = decisions(&inference, memory).into_iter().map(|(decision, below_ms)| match decision {
            Decision::Again if below_ms == LONGEST_US / 1000.0 => String::from("again"),
            Decision::Again => format!("again below {below_ms:.0} ms"),
            Decision::Checkpoints(count) => format!("{count} below {below_ms:.0} ms"),
        });
        decided.collect::<Vec<_>>().join(", ")
    };
    format!(
        "| {} | {instructions}; begin {}, {} B; end {}, {} B | {} | {} |",
        path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        begin.instructions,
        begin.bytes,
        end.instructions,
        end.bytes,
        checkpoints.iter().map(of).collect::<Vec<_>>().join("; "),
        memories().map(told).join(" | ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_belong_to_lines() {
        let console = "begin 1 100 2\ncheckpoints 2 50 3\nfinish 1 20 1\n";
        let measured = read(console, &[5, 1005, 15, 25, 35, 45]).expect("costs");
        assert_eq!((measured.instructions, measured.begin.instructions), (1000, 10));
        assert_eq!(measured.checkpoints, [(2, Keep { instructions: 50, bytes: 50, writes: 3 })]);
        assert_eq!(measured.end, Keep { instructions: 40, bytes: 20, writes: 1 });
        for counts in [&[5, 1005, 15, 25, 35][..], &[5, 1005, 15, 25, 35, 45, 55], &[5]] {
            assert!(read(console, counts).is_none(), "{counts:?}");
        }
        assert!(read("panicked", &[5, 1005]).is_none());
    }
}
