//! Where words go: documents to stdout, everything else to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::error::CliError;

/// What may be printed where.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    person_reads_stdout: bool,
}

impl Output {
    /// Returns the output for `--json` or not.
    pub fn new(json: bool) -> Self {
        Self { json, person_reads_stdout: !json && io::stdout().is_terminal() }
    }

    /// Prints a command's document on stdout, and without `--json` its table on stderr. On a terminal, only the table.
    ///
    /// # Errors
    /// A document that cannot be written.
    pub fn document(&self, document: &impl Serialize, table: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.person_reads_stdout {
            return print(&table());
        }
        let text = if self.json { serde_json::to_string(document) } else { serde_json::to_string_pretty(document) };
        print(&(text.map_err(|error| CliError::new("stdout", error, ""))? + "\n"))?;
        if !self.json {
            eprint!("{}", table());
        }
        Ok(())
    }

    /// Prints one JSON line on stdout.
    ///
    /// # Errors
    /// A line that cannot be written.
    pub fn line(&self, line: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(line).map_err(|error| CliError::new("stdout", error, ""))?;
        print(&(text + "\n"))
    }

    /// Tells a person what is going on.
    pub fn note(&self, text: std::fmt::Arguments<'_>) {
        if !self.json || io::stderr().is_terminal() {
            eprintln!("{text}");
        }
    }

    /// Prints one line of a stream on stdout: its JSON, or on a terminal its text.
    ///
    /// # Errors
    /// A line that cannot be written.
    #[cfg(feature = "probe")]
    pub fn event(&self, line: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.person_reads_stdout { print(&(text() + "\n")) } else { self.line(line) }
    }

    /// Returns a line that tells how long work goes on; empty where nobody reads it.
    #[cfg(any(feature = "nodes", feature = "onnx", feature = "probe"))]
    pub fn progress(&self) -> Progress {
        Progress { terminal: io::stderr().is_terminal(), quiet: self.json, stage: "", shown: None }
    }

    /// Reports an error on stderr, with `--json` also as a document on stdout.
    pub fn error(&self, error: &CliError) {
        eprintln!("error: {error}");
        if self.json
            && let Ok(text) = serde_json::to_string(&serde_json::json!({ "error": error }))
        {
            // Nobody is left to be told if stdout is closed.
            let _ = print(&(text + "\n"));
        }
    }
}

/// How far long work has come: on a terminal one line that is written over, elsewhere one line per stage. Our own, because
/// `indicatif` brings five crates for it.
#[cfg(any(feature = "nodes", feature = "onnx", feature = "probe"))]
pub struct Progress {
    terminal: bool,
    quiet: bool,
    stage: &'static str,
    shown: Option<std::time::Instant>,
}

#[cfg(any(feature = "nodes", feature = "onnx", feature = "probe"))]
impl Progress {
    /// Shows a step of the quantizer.
    #[cfg(feature = "onnx")]
    pub fn show(&mut self, now: tanbo_compiler::quantize::Progress) {
        self.step(now.stage, now.done as u64, now.total as u64);
    }

    /// Shows a step, at most ten a second.
    pub fn step(&mut self, stage: &'static str, done: u64, total: u64) {
        let new = self.stage != stage;
        self.stage = stage;
        if self.terminal {
            let soon = self.shown.is_some_and(|shown| shown.elapsed().as_millis() < 100);
            if new || done == total || !soon {
                // The end of the line is cleared: stages have words of different lengths.
                eprint!("\r{stage}: {} of {}\x1b[K", grouped(done), grouped(total));
                self.shown = Some(std::time::Instant::now());
            }
        } else if new && !self.quiet {
            eprintln!("{stage}: {} to do", grouped(total));
        }
    }
}

#[cfg(any(feature = "nodes", feature = "onnx", feature = "probe"))]
impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Writes to stdout; a reader that has seen enough (`head`) is no error.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::new("stdout", error, "")),
        _ => Ok(()),
    }
}

/// Lines up columns under their headings in the first row: numbers to the right, everything else to the left.
pub fn table(rows: &[Vec<String>]) -> String {
    let number = |cell: &String| {
        let digits = cell.strip_prefix('-').unwrap_or(cell);
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || ",.".contains(c))
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<usize> =
        (0..columns).map(|n| cells(n).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    let right: Vec<bool> = (0..columns).map(|n| cells(n).count() > 1 && cells(n).skip(1).all(number)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, &width), &right) in row.iter().zip(&widths).zip(&right) {
            line += &if right { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Returns a number with thousands separated: `7,696,191`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a shape as `1x49x10x1`; `scalar` without axes.
pub fn shape(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(usize::to_string).collect();
    if axes.is_empty() { "scalar".into() } else { axes.join("x") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts: Vec<String> = [0, 999, 1000, 7_696_191].iter().map(|&n| grouped(n)).collect();
        assert_eq!(texts, ["0", "999", "1,000", "7,696,191"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["op", "MACs", "shape"], ["conv2d", "1,200", "1x2"], ["add", "-1", "scalar"]];
        let rows = rows.map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "op       MACs  shape\nconv2d  1,200  1x2\nadd        -1  scalar\n");
    }
}
