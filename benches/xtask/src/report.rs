//! What the checks said: a line each while they run, a table and one closing line at the end.

use std::time::{Duration, Instant};

use crate::workspace::Error;

/// Checks that have run.
#[derive(Default)]
pub struct Report {
    checks: Vec<(String, bool, Duration)>,
}

impl Report {
    /// Runs a check and notes how it ended. An error is a failure: what could not be run is not green.
    pub fn check(&mut self, name: &str, run: impl FnOnce() -> Result<bool, Error>) {
        println!("== {name}");
        let start = Instant::now();
        let passed = run().unwrap_or_else(|error| {
            eprintln!("{name}: {error}");
            false
        });
        self.checks.push((name.to_string(), passed, start.elapsed()));
    }

    /// Prints the table and the closing line; returns whether all passed.
    pub fn finish(self) -> bool {
        println!("\n{:<44} {:>8} {:>9}", "check", "result", "seconds");
        for (name, passed, time) in &self.checks {
            println!("{name:<44} {:>8} {:>9.1}", if *passed { "ok" } else { "FAILED" }, time.as_secs_f64());
        }
        let failed = self.checks.iter().filter(|(_, passed, _)| !passed).count();
        println!("{} passed, {failed} failed", self.checks.len() - failed);
        failed == 0 && !self.checks.is_empty()
    }
}

/// Prints what a check found; returns whether it found nothing.
pub fn findings(what: &str, wrong: &[String]) -> bool {
    for line in wrong {
        eprintln!("{what}: {line}");
    }
    if wrong.is_empty() {
        println!("{what}: ok");
    }
    wrong.is_empty()
}
