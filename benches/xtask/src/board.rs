//! The board under QEMU: its defmt log decoded, and compared with the same station on this machine.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _, stdin, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanbo_emulated::host::{Program, Runner};
use tanbo_log::{Line, Log};

use crate::workspace::{Error, cargo, root};

/// The board's image.
pub const BOARD: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-board-mps2" };
/// Core of the board.
const RUNNER: &str = "m4";
/// Where the recordings lie.
const FIXTURES: &str = "models/zoo/seismic/fixtures";
/// Each recording, and whether it holds an earthquake.
const RECORDINGS: [(&str, bool); 2] = [("south-napa-2014-ce68150.csv", true), ("basic-motions-wrist.csv", false)];
/// Longest emulation; a minute of samples takes seconds.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Start of the one line that must differ: a desktop's stack is not a board's.
const STACK: &str = "stack: ";
/// Start of the line that says an alarm was raised.
const ALARM: &str = "ALARM at ";
/// Start of the line that says the recording was replayed to its end.
const END: &str = "end: ";

/// What the board did with a recording.
pub struct BoardRun {
    /// Path of the image.
    pub image: PathBuf,
    /// Decoded log.
    pub lines: Vec<String>,
    /// Deepest stack, bytes.
    pub stack_bytes: u64,
}

/// Replays every fixture on the board and on this machine; returns what is wrong, a line each: logs that differ, an
/// earthquake without an alarm, a motion with one.
///
/// # Errors
/// Something could not be built or run.
pub fn check() -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join(FIXTURES)).map_err(|error| Error(format!("{FIXTURES}: {error}")))? {
        let path = entry.map_err(|error| Error(format!("{FIXTURES}: {error}")))?.path();
        let known = |name: &OsStr| RECORDINGS.iter().any(|(recording, _)| name == *recording);
        if path.extension() == Some(OsStr::new("csv")) && !path.file_name().is_some_and(known) {
            wrong.push(format!("{}: say in board.rs whether it holds an earthquake", path.display()));
        }
    }
    for (name, quake) in RECORDINGS {
        let recording = root().join(FIXTURES).join(name);
        let host = run_host(&recording)?;
        let board = run_board(&recording)?;
        println!("{name}: {} lines, stack {} bytes", board.lines.len(), board.stack_bytes);
        for line in board.lines.iter().filter(|line| line.starts_with(ALARM) || line.starts_with(END)) {
            println!("{name}: {line}");
        }
        wrong.extend(judge(&host, &board.lines, quake).into_iter().map(|line| format!("{name}: {line}")));
    }
    Ok(wrong)
}

/// Runs the board on a recording.
///
/// # Errors
/// It cannot be built or run, its log cannot be decoded, or it did not exit with 0.
pub fn run_board(recording: &Path) -> Result<BoardRun, Error> {
    let failed = |error: &dyn std::fmt::Display| Error(format!("board on {}: {error}", recording.display()));
    let runner = Runner::by_name(RUNNER).map_err(|error| failed(&error))?;
    let image = runner.build(&BOARD).map_err(|error| failed(&error))?;
    let elf = fs::read(&image).map_err(|error| failed(&error))?;
    let dir = tempfile::tempdir().map_err(|error| failed(&error))?;
    fs::copy(recording, dir.path().join("recording.csv")).map_err(|error| failed(&error))?;
    let outcome = runner.run(&image, dir.path(), TIMEOUT).map_err(|error| failed(&error))?;
    // `outcome.console` is text; the log is not.
    let console = fs::read(dir.path().join("console.txt")).map_err(|error| failed(&error))?;
    let lines = decode(&elf, &console)?;
    if outcome.exit_code != Some(0) {
        return Err(failed(&format!("exit code {:?}; it said:\n{}", outcome.exit_code, lines.join("\n"))));
    }
    let stack_bytes = lines
        .iter()
        .find_map(|line| line.strip_prefix(STACK)?.strip_suffix(" bytes")?.parse().ok())
        .ok_or_else(|| failed(&"no line about the stack"))?;
    Ok(BoardRun { image, lines, stack_bytes })
}

/// Runs the board's program on this machine; returns its lines.
fn run_host(recording: &Path) -> Result<Vec<String>, Error> {
    let mut command = cargo(&["run", "--quiet", "--package", BOARD.package, "--"]);
    let output =
        command.arg(recording).output().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error(format!("{} on this machine: {}\n{message}", BOARD.package, output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
}

/// Returns what is wrong with a pair of logs.
fn judge(host: &[String], board: &[String], quake: bool) -> Vec<String> {
    let own = |log: &[String]| -> VecDeque<String> { log.iter().filter(|l| !l.starts_with(STACK)).cloned().collect() };
    let (mut here, mut there) = (own(host), own(board));
    let mut wrong = Vec::new();
    while wrong.len() < 10 {
        match (here.pop_front(), there.pop_front()) {
            (None, None) => break,
            (here, there) if here == there => {}
            (here, there) => {
                let text = |line: Option<String>| line.unwrap_or_else(|| String::from("(nothing)"));
                wrong.push(format!("this machine: {}; board: {}", text(here), text(there)));
            }
        }
    }
    if !board.iter().any(|line| line.starts_with(END)) {
        wrong.push(String::from("the board did not reach the end of the recording"));
    }
    let alarms = board.iter().filter(|line| line.starts_with(ALARM)).count();
    if quake && alarms == 0 {
        wrong.push(String::from("an earthquake, and no alarm"));
    }
    if !quake && alarms > 0 {
        wrong.push(format!("no earthquake, and {alarms} alarms"));
    }
    wrong
}

/// Returns the lines of `bytes`, as the image `elf` wrote them. What is no defmt frame (a panic's message, QEMU's own) is taken as text.
///
/// # Errors
/// The image has no defmt table.
pub fn decode(elf: &[u8], bytes: &[u8]) -> Result<Vec<String>, Error> {
    let mut log = log(elf)?;
    let mut lines = log.take(bytes);
    lines.extend(log.end());
    Ok(lines.iter().map(ToString::to_string).collect())
}

/// Copies a log from stdin to stdout, decoded, as it comes.
///
/// # Errors
/// The image cannot be read or has no defmt table.
pub fn decode_stdin(image: &Path) -> Result<(), Error> {
    let elf = fs::read(image).map_err(|error| Error(format!("{}: {error}", image.display())))?;
    let mut log = log(&elf)?;
    let put = |lines: Vec<Line>| {
        for line in lines {
            // Nobody may be listening any more; the emulation goes on.
            let _ = writeln!(stdout(), "{line}");
        }
    };
    for byte in stdin().lock().bytes() {
        put(log.take(&[byte.map_err(|error| Error(format!("standard input: {error}")))?]));
    }
    put(log.end());
    Ok(())
}

/// Returns the decoder of what the image `elf` logs.
///
/// # Errors
/// The image has no defmt table.
pub fn log(elf: &[u8]) -> Result<Log, Error> {
    Log::of(elf).map_err(|error| Error(format!("{error}: {}", error.remedy())))
}

#[cfg(test)]
mod tests {
    use super::judge;

    const LOG: [&str; 5] =
        ["recording: 2 samples", "score 3 at sample 7", "ALARM at sample 7", "end: 9 hops", "stack: 80 bytes"];

    fn log(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| String::from(*line)).collect()
    }

    #[test]
    fn equal_logs_pass_whatever_their_stacks() {
        let mut host = LOG;
        host[4] = "stack: 99 bytes";
        assert_eq!(judge(&log(&host), &log(&LOG), true), [""; 0]);
    }

    #[test]
    fn a_changed_missing_or_added_line_is_found() {
        let mut changed = LOG;
        changed[1] = "score 4 at sample 7";
        let wrong = judge(&log(&LOG), &log(&changed), true);
        assert_eq!(wrong, ["this machine: score 3 at sample 7; board: score 4 at sample 7"]);
        for gone in 0..4 {
            let mut lines = log(&LOG);
            lines.remove(gone);
            assert!(!judge(&log(&LOG), &lines, true).is_empty(), "without {gone}");
            assert!(!judge(&lines, &log(&LOG), true).is_empty(), "with {gone}");
        }
        assert!(!judge(&[], &[], true).is_empty());
    }

    #[test]
    fn alarms_must_fit_the_recording() {
        assert_eq!(judge(&log(&LOG), &log(&LOG), false), ["no earthquake, and 1 alarms"]);
        let calm = log(&[LOG[0], LOG[3]]);
        assert_eq!(judge(&calm, &calm, false), [""; 0]);
        assert_eq!(judge(&calm, &calm, true), ["an earthquake, and no alarm"]);
    }
}
