//! Runs the suite on this machine and on every emulated runner, or on those named, and judges.
//!
//! `cargo run -p tanbo-conformance --features host --example all_runners [RUNNER...]`

use std::process::ExitCode;

use tanbo_conformance::runners;
use tanbo_emulated::host::Runner;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let (mut lines, failures) = runners::run_host();
    eprint!("{failures}");
    for line in &lines {
        println!("{line}");
    }
    for runner in Runner::list()? {
        if named.is_empty() || named.contains(&runner.name) {
            let (own, rest) = runners::run_emulated(&runner)?;
            eprint!("{rest}");
            for line in own {
                println!("{line}");
                lines.push(line);
            }
        }
    }
    let mut wrong = runners::judge(&lines);
    if !named.is_empty() {
        wrong.retain(|message| !message.starts_with("missing"));
    }
    for message in &wrong {
        eprintln!("{message}");
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
