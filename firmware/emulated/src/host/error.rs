//! Why a runner could not do its work, and the remedy.

use std::{fmt, io, string::String, string::ToString as _, vec::Vec};

/// Why a runner could not be built or run. Each message names the remedy where there is one.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunnerError {
    /// No runner has this name.
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The table of runners in `benches/target/Cargo.toml` cannot be read.
    Table(String),
    /// A program is not installed.
    Missing {
        /// Its name.
        program: String,
        /// Command that installs it.
        remedy: String,
    },
    /// The compiler cannot build for the runner's target.
    TargetMissing {
        /// The target triple.
        target: String,
    },
    /// `cargo build` or the C compiler failed; what it said went to stderr or is in `message`.
    Build {
        /// What was built.
        what: String,
        /// What the tool said.
        message: String,
    },
    /// A file of the host cannot be read or written.
    File {
        /// Which.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// The emulation did not end in time.
    Timeout {
        /// Which runner.
        runner: String,
        /// Limit, seconds.
        seconds: u64,
        /// What the program printed.
        console: String,
    },
    /// The emulation ended with an error: a fault, a panic, or QEMU's own.
    Failed {
        /// Which runner.
        runner: String,
        /// Exit code; `None` if it ended otherwise: by a signal, or a chip's core that stopped.
        exit_code: Option<i32>,
        /// What the program printed.
        console: String,
    },
    /// A chip or its probe did not answer.
    Chip {
        /// Which runner.
        runner: String,
        /// What was wrong, with a remedy.
        reason: String,
    },
    /// The program on the core refused the job.
    Refused {
        /// Which runner.
        runner: String,
        /// Its reason.
        error: String,
    },
    /// The program's report does not make sense.
    BadReport {
        /// Which runner.
        runner: String,
        /// The report.
        text: String,
    },
}

impl RunnerError {
    pub(super) fn file(what: impl fmt::Display, error: io::Error) -> Self {
        Self::File { what: what.to_string(), error }
    }
}

impl fmt::Display for RunnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, known } => write!(f, "no runner `{name}`; there are: {}", known.join(", ")),
            Self::Table(message) => write!(f, "table of runners in benches/target/Cargo.toml: {message}"),
            Self::Missing { program, remedy } => write!(f, "{program} is not installed: {remedy}"),
            Self::TargetMissing { target } => {
                write!(f, "the compiler has no standard library for {target}: rustup target add {target}")
            }
            Self::Build { what, message } => write!(f, "building {what} failed: {message}"),
            Self::File { what, error } => write!(f, "{what}: {error}"),
            Self::Timeout { runner, seconds, console } => {
                write!(f, "runner {runner}: no end within {seconds} s (a longer timeout may help)")?;
                quoted(f, console)
            }
            Self::Failed { runner, exit_code, console } => {
                match exit_code {
                    Some(code) => write!(f, "runner {runner}: ended with code {code}")?,
                    None => write!(f, "runner {runner}: ended without a code")?,
                }
                quoted(f, console)
            }
            Self::Chip { runner, reason } => write!(f, "runner {runner}: {reason}"),
            Self::Refused { runner, error } => write!(f, "runner {runner}: {error}"),
            Self::BadReport { runner, text } => {
                write!(f, "runner {runner}: a report that makes no sense (is its image up to date?)")?;
                quoted(f, text)
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.trim().is_empty() { Ok(()) } else { write!(f, "; it said: {}", text.trim()) }
}

impl std::error::Error for RunnerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            _ => None,
        }
    }
}
