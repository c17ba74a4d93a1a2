//! The suite on every runner, and the judgement: exactly the expected lines, no failure, one digest per set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::format;
use std::fs;
use std::string::{String, ToString as _};
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use tanbo_emulated::host::{Program, Runner, RunnerError};
use tanbo_format::emit::Aligned;

use tanbo::Family;

use crate::pack::Pack;
use crate::{FULL, SMALL, generated, suite};

/// The suite as a program for a runner.
pub const PROGRAM: Program<'static> = Program { package: "tanbo-conformance", bin: "tanbo-conformance" };
/// File with the runner's name, which the program prints.
pub const NAME_FILE: &str = "runner.txt";
/// Files with the full set, for machines whose flash does not hold it, and with the sets for a kernel family.
const FULL_FILE: &str = "full.bin";
const PACKED_FILE: &str = "packed.bin";
const LENGTHS_FILE: &str = "lengths.bin";

/// Room for the largest case, in units of 16 bytes.
const ARENA_BLOCKS: usize = 1 << 12;
/// Wall-clock limit of one runner.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Too little RAM for the full set.
const SMALL_ONLY: [&str; 1] = ["microbit"];
/// Every runner that must have run, with the kernel tables it must have used. The reference kernels run the sets of
/// portable cases, a family's table those that are packed for it.
const EXPECTED: [(&str, &str); 24] = [
    ("host", "reference"),
    ("m0", "reference"),
    ("m0", "m0"),
    ("m3", "reference"),
    ("m3", "m3"),
    ("m4", "reference"),
    ("m4", "dsp"),
    ("m7", "reference"),
    ("m7", "dsp"),
    ("m33", "reference"),
    ("m33", "dsp"),
    ("m55", "reference"),
    ("m55", "mve"),
    ("rv32", "reference"),
    ("rv32", "rv32"),
    ("armv7", "reference"),
    ("armv7", "armv7"),
    ("a53", "reference"),
    ("a53", "neon"),
    ("a72", "reference"),
    ("a72", "neon"),
    ("a76", "reference"),
    ("a76", "dotprod"),
    ("microbit", "m0"),
];

/// One line of a report: what one table on one target did with one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Runner.
    pub target: String,
    /// Kernel table.
    pub table: String,
    /// `full` or `small`.
    pub set: String,
    /// Cases run.
    pub cases: u32,
    /// Cases that failed.
    pub failed: u32,
    /// CRC-64 of every tensor that a step wrote, in hex.
    pub digest: String,
}

impl Line {
    /// Returns the line that `text` is, or `None` if it is another one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=')?;
            fields.insert(key, value);
        }
        let get = |key| fields.get(key).map(|value| String::from(*value));
        Some(Self {
            target: get("target")?,
            table: get("table")?,
            set: get("set")?,
            cases: get("cases")?.parse().ok()?,
            failed: get("failed")?.parse().ok()?,
            digest: get("digest")?,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, table, set, cases, failed, digest } = self;
        write!(f, "target={target} table={table} set={set} cases={cases} failed={failed} digest={digest}")
    }
}

/// Builds the program for an emulated runner, runs it, and returns its lines and whatever else it printed.
///
/// # Errors
/// Those of building and running, and [`RunnerError::Failed`] if the program ended with an error without failed cases.
pub fn run_emulated(runner: &Runner) -> Result<(Vec<Line>, String), RunnerError> {
    let image = runner.build(&PROGRAM)?;
    let file = |what: &dyn fmt::Display, error| RunnerError::File { what: what.to_string(), error };
    let dir = tempfile::tempdir().map_err(|e| file(&"temporary directory", e))?;
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).map_err(|e| file(&name, e));
    write(NAME_FILE, format!("{} {}", runner.name, runner.family).as_bytes())?;
    if !SMALL_ONLY.contains(&runner.name.as_str()) {
        write(FULL_FILE, FULL)?;
        if let Some(family) = Family::ALL.iter().copied().find(|family| family.name() == runner.family) {
            let made = |set: Result<Vec<u8>, String>| {
                set.map_err(|message| RunnerError::Build { what: runner.family.clone(), message })
            };
            write(PACKED_FILE, &made(generated::packed(family))?)?;
            write(LENGTHS_FILE, &made(generated::lengths(family))?)?;
        }
    }
    let outcome = runner.run(&image, dir.path(), TIMEOUT)?;
    let (mut lines, mut rest) = (Vec::new(), String::new());
    for text in outcome.console.lines() {
        match Line::parse(text) {
            Some(line) => lines.push(line),
            None => rest += &format!("{text}\n"),
        }
    }
    let failed = lines.iter().any(|line| line.failed > 0);
    if outcome.exit_code != Some(u8::from(failed).into()) || lines.is_empty() {
        return Err(RunnerError::Failed {
            runner: runner.name.clone(),
            exit_code: outcome.exit_code,
            console: outcome.console,
        });
    }
    Ok((lines, rest))
}

/// Runs the sets on this machine with every kernel table it has; returns the lines and the failures.
pub fn run_host() -> (Vec<Line>, String) {
    let (mut lines, mut failures) = (Vec::new(), String::new());
    for family in tanbo::families() {
        let Some(table) = tanbo::table(family) else { continue };
        let mut sets = vec![("small", Ok(SMALL.to_vec()))];
        if family == Family::Portable {
            sets.push(("full", Ok(FULL.to_vec())));
        } else {
            sets.extend([("packed", generated::packed(family)), ("lengths", generated::lengths(family))]);
        }
        for (set, bytes) in sets {
            let run = bytes.and_then(|bytes| {
                let bytes = Aligned::new(&bytes);
                let pack = Pack::parse(&bytes).map_err(|error| error.to_string())?;
                let mut blocks = vec![0u128; ARENA_BLOCKS];
                let arena = bytemuck::cast_slice_mut(&mut blocks);
                let mut report = |failure: &suite::Failure<'_>| failures += &format!("host: {set}: {failure}\n");
                Ok(suite::run(&pack, table, arena, &mut report))
            });
            match run {
                Ok(summary) => lines.push(Line {
                    target: "host".into(),
                    table: table.table_name().into(),
                    set: set.into(),
                    cases: summary.cases,
                    failed: summary.failed,
                    digest: format!("{:016x}", summary.digest),
                }),
                Err(error) => failures += &format!("host: {set}: {error}\n"),
            }
        }
    }
    (lines, failures)
}

/// Returns what is wrong with the lines of all runners: one message each, none if all is well.
///
/// Every expected line and no other, no failed case, and one number of cases and one digest per set.
pub fn judge(lines: &[Line]) -> Vec<String> {
    let host = host_tables();
    let host = host.iter().map(|&table| ("host", table));
    judge_against(lines, &EXPECTED.into_iter().chain(host).collect::<Vec<_>>())
}

/// Returns the tables that this machine must have run besides the reference: what its architecture promises, and whatever
/// else its CPU has.
fn host_tables() -> BTreeSet<&'static str> {
    let promised: &[&str] = if cfg!(target_arch = "x86_64") { &["avx2"] } else { &[] };
    let families = tanbo::families().filter(|&family| family != Family::Portable);
    promised.iter().copied().chain(families.map(Family::name)).collect()
}

fn judge_against(lines: &[Line], expected: &[(&str, &str)]) -> Vec<String> {
    let mut wanted = BTreeSet::new();
    for &(target, table) in expected {
        wanted.insert((target, table, "small"));
        if SMALL_ONLY.contains(&target) {
            continue;
        }
        for set in if table == "reference" { &["full"][..] } else { &["packed", "lengths"][..] } {
            wanted.insert((target, table, *set));
        }
    }
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for line in lines {
        let key = (line.target.as_str(), line.table.as_str(), line.set.as_str());
        if !wanted.contains(&key) {
            wrong.push(format!("not expected: {line}"));
        }
        if !seen.insert(key) {
            wrong.push(format!("twice: {line}"));
        }
        if line.failed > 0 || line.cases == 0 {
            wrong.push(format!("failed: {line}"));
        }
    }
    for (target, table, set) in wanted.difference(&seen) {
        wrong.push(format!("missing: target={target} table={table} set={set}"));
    }
    wrong.extend(disagreements(lines));
    wrong
}

/// Returns one message per set in which the lines differ in the number of cases or in the digest.
pub fn disagreements(lines: &[Line]) -> Vec<String> {
    let mut wrong = Vec::new();
    // A packed case is the full set's case: its tensors are the same.
    for sets in [&["full", "packed"][..], &["small"], &["lengths"]] {
        let of_set = lines.iter().filter(|line| sets.contains(&line.set.as_str()));
        let results: BTreeSet<_> = of_set.map(|line| (line.cases, line.digest.as_str())).collect();
        if results.len() > 1 {
            wrong.push(format!("set {}: not one result but {results:?}", sets.join(" and ")));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(target: &str, set: &str) -> Line {
        Line {
            target: target.into(),
            table: "reference".into(),
            set: set.into(),
            cases: 3,
            failed: 0,
            digest: "0123456789abcdef".into(),
        }
    }

    fn good() -> Vec<Line> {
        vec![line("host", "full"), line("host", "small"), line("microbit", "small")]
    }

    const TWO: [(&str, &str); 2] = [("host", "reference"), ("microbit", "reference")];

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        let line = line("m4", "full");
        assert_eq!(Line::parse(&line.to_string()), Some(line));
        assert_eq!(Line::parse("conv2d/3x3: step 0 differs"), None);
    }

    #[test]
    fn exactly_the_expected_lines_pass() {
        assert!(judge_against(&good(), &TWO).is_empty());
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        type Spoil = fn(&mut Vec<Line>);
        let spoils: [(Spoil, &str); 6] = [
            (|l| _ = l.pop(), "missing: target=microbit"),
            (|l| l.push(line("m4", "full")), "not expected"),
            (|l| l.push(line("host", "full")), "twice"),
            (|l| l[0].failed = 1, "failed"),
            (|l| l[2].digest = "0".into(), "set small: not one result"),
            (|l| l[2].cases = 4, "set small: not one result"),
        ];
        for (spoil, message) in spoils {
            let mut lines = good();
            spoil(&mut lines);
            let wrong = judge_against(&lines, &TWO);
            assert!(wrong.iter().any(|w| w.starts_with(message)), "{message}: {wrong:?}");
        }
    }
}
