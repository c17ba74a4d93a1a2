//! Figures that are kept: `benches/results/<machine>/<date>.csv`, a line each.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::models::unreadable;
use crate::workspace::{Error, root};

/// A figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub model: String,
    /// The core, this machine, or another runtime.
    pub runner: String,
    /// Kernel table, of ours.
    pub table: String,
    /// First step of the chain; empty for a whole inference.
    pub step: String,
    /// Operators of the chain.
    pub operators: String,
    /// Multiply-accumulates.
    pub macs: Option<u64>,
    /// What the value counts, with its unit: `instructions`, `estimated_cycles`, `nanoseconds_min` and so on.
    pub quantity: &'static str,
    /// The value.
    pub value: f64,
}

/// Appends figures to the file of this machine and day, with day and revision before each.
///
/// # Errors
/// A file that cannot be written; no `git` or `date`.
pub fn save(figures: &[Figure]) -> Result<(), Error> {
    let date = printed(Command::new("date").args(["-u", "+%F"]))?;
    let revision =
        printed(Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).current_dir(root()))?;
    let path = root().join("benches/results").join(machine()?).join(format!("{date}.csv"));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| unreadable(folder, &error))?;
    }
    let fresh = !path.exists();
    let file = OpenOptions::new().append(true).create(true).open(&path).map_err(|error| unreadable(&path, &error))?;
    write(file, fresh, [&date, &revision], figures).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    println!("{}: {} figures added", path.strip_prefix(root()).unwrap_or(&path).display(), figures.len());
    Ok(())
}

/// Writes figures, each behind `when`: day and revision.
fn write(to: impl io::Write, heading: bool, when: [&str; 2], figures: &[Figure]) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    if heading {
        let names = ["date", "revision", "model", "runner", "table", "step", "operators", "macs", "quantity", "value"];
        writer.write_record(names)?;
    }
    for figure in figures {
        writer.serialize((when, figure))?;
    }
    Ok(writer.flush()?)
}

/// Returns a name of this machine's CPU that a folder can have.
fn machine() -> Result<String, Error> {
    let path = Path::new("/proc/cpuinfo");
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, name)| name);
    Ok(folder_name(model.unwrap_or(std::env::consts::ARCH)))
}

/// Returns letters and digits in lower case, with one hyphen between words.
fn folder_name(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// Returns what a command prints.
///
/// # Errors
/// It cannot be started or fails.
pub fn printed(command: &mut Command) -> Result<String, Error> {
    let output = command.output().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
    if !output.status.success() {
        return Err(Error(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Figure, folder_name, write};

    #[test]
    fn a_figure_is_a_line() {
        let figure = Figure {
            model: "m".into(),
            runner: "onnx runtime int8".into(),
            table: String::new(),
            step: "3".into(),
            operators: "conv2d,add".into(),
            macs: Some(7),
            quantity: "nanoseconds_min",
            value: 12.5,
        };
        let mut text = Vec::new();
        write(&mut text, true, ["2026-01-31", "abc"], &[figure.clone(), Figure { macs: None, ..figure }])
            .expect("lines");
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "date,revision,model,runner,table,step,operators,macs,quantity,value");
        assert_eq!(lines[1], "2026-01-31,abc,m,onnx runtime int8,,3,\"conv2d,add\",7,nanoseconds_min,12.5");
        assert_eq!(lines[2], "2026-01-31,abc,m,onnx runtime int8,,3,\"conv2d,add\",,nanoseconds_min,12.5");
    }

    #[test]
    fn machines_get_a_folder_each() {
        assert_eq!(folder_name(" Intel(R) Xeon(R) CPU @ 2.80GHz"), "intel-r-xeon-r-cpu-2-80ghz");
        assert_eq!(folder_name("../.."), "");
    }
}
