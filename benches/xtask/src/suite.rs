//! The test command: everything, in one order, each check timed.

use tanbo_conformance::runners;
use tanbo_emulated::host::Runner;

use crate::report::{Report, findings};
use crate::workspace::{Error, cargo, each, succeeds, tanbo};
use crate::{board, budget, layers, node_sim, setup, zoo};

/// Targets without an operating system on which these crates must build: the least and the other ISA.
const BARE_TARGETS: [&str; 2] = ["thumbv6m-none-eabi", "riscv32imc-unknown-none-elf"];
/// Crates of the runtime, and what firmware of every board is made of.
const NO_STD: &[&str] = &[
    "tanbo-quant",
    "tanbo-packing",
    "tanbo-wire",
    "tanbo-format",
    "tanbo-kernels",
    "tanbo-signal",
    "tanbo",
    "tanbo-c",
    "tanbo-pipeline",
    "tanbo-board-api",
    "tanbo-drivers",
    "tanbo-store",
    "tanbo-journal",
];

/// Runs every test; with `host_only`, those that need no emulator.
///
/// # Errors
/// None: a check that cannot be run has failed.
pub fn test(host_only: bool) -> Result<bool, Error> {
    let mut report = Report::default();
    if !host_only {
        report.check("set-up", || setup::run().map(|()| true));
    }
    report.check("format and lints", lint);
    report.check("layers", || layers::check().map(|wrong| findings("layers", &wrong)));
    let emulated = ["tanbo-emulated", "tanbo-target", "tanbo-board-mps2"];
    let mut arguments = vec!["test", "--workspace", "--no-fail-fast"];
    if host_only {
        arguments.extend(emulated.iter().flat_map(|package| ["--exclude", package]));
    }
    report.check("tests on this machine", || succeeds(&mut cargo(&arguments)));
    report.check("the README's demo", || succeeds(&mut cargo(&["demo"])));
    report.check("zoo: artifacts compile to the same bytes", || zoo::check(false).map(|wrong| findings("zoo", &wrong)));
    if !host_only {
        for target in BARE_TARGETS {
            report.check(&format!("no_std on {target}"), || {
                let packages = NO_STD.iter().flat_map(|package| ["-p", package]);
                let arguments: Vec<&str> =
                    ["build", "--profile", "firmware", "--target", target].into_iter().chain(packages).collect();
                succeeds(&mut cargo(&arguments))
            });
        }
        report.check("command line on emulated cores", || {
            succeeds(&mut cargo(&["test", "--workspace", "--test", "emulated", "--test", "flash", "--", "--ignored"]))
        });
        report.check("conformance on every runner", || conformance(&[]));
        report.check("seismic model bit-exact on every runner", bit_exact);
        report.check("tests that every board runs, on the emulated one", || {
            let (target, bin) = ("thumbv7em-none-eabihf", "tanbo-board-suite");
            let board = ["test", "-p", "tanbo-board-mps2", "--target", target, "--profile", "firmware", "--bin", bin];
            succeeds(&mut cargo(&board))
        });
        report.check("board: same events as on this machine", || board::check().map(|wrong| findings("board", &wrong)));
        report.check("nodes for days in their world: as planned, as here, twice the same", || {
            node_sim::check().map(|wrong| findings("node-sim", &wrong))
        });
        report.check("budgets of flash, RAM and instructions", || {
            budget::check().map(|wrong| findings("budget", &wrong))
        });
    }
    Ok(report.finish())
}

/// Runs the conformance suite on the named runners, or on all of them, and judges the lines.
///
/// # Errors
/// A runner that does not exist.
pub fn conformance(names: &[String]) -> Result<bool, Error> {
    let chosen: Vec<Runner> = Runner::list()
        .map_err(|error| Error(error.to_string()))?
        .into_iter()
        .filter(|runner| names.is_empty() || names.contains(&runner.name))
        .collect();
    for name in names {
        if !chosen.iter().any(|runner| runner.name == *name) {
            return Err(Error(format!("no runner '{name}'")));
        }
    }
    let (mut lines, failures) = runners::run_host();
    let mut wrong: Vec<String> = failures.lines().map(String::from).collect();
    for (runner, ran) in chosen.iter().zip(each(&chosen, runners::run_emulated)) {
        match ran {
            Ok((found, rest)) => {
                lines.extend(found);
                wrong.extend(rest.lines().map(|line| format!("{}: {line}", runner.name)));
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    for line in &lines {
        println!("{line}");
    }
    if names.is_empty() {
        wrong.extend(runners::judge(&lines));
    } else {
        wrong.extend(lines.iter().filter(|line| line.failed > 0).map(|line| format!("failed: {line}")));
        wrong.extend(runners::disagreements(&lines));
    }
    Ok(findings("conformance", &wrong))
}

/// Runs the seismic model through the command on every runner that holds it; `tanbo bench` fails where a bit differs.
fn bit_exact() -> Result<bool, Error> {
    let runners = Runner::list().map_err(|error| Error(error.to_string()))?;
    let names: Vec<String> = runners.into_iter().map(|runner| runner.name).filter(|name| name != "microbit").collect();
    let model = "models/zoo/seismic/seismic.tnb";
    let equal = each(&names, |name| succeeds(tanbo()?.args(["--json", "bench", model, "--runner", name])));
    equal.into_iter().try_fold(true, |all, one| Ok(all & one?))
}

/// Checks format and lints without changing anything.
///
/// # Errors
/// cargo cannot be started.
pub fn lint() -> Result<bool, Error> {
    let formatted = succeeds(&mut cargo(&["fmt", "--all", "--check"]))?;
    let clean = succeeds(&mut cargo(&["clippy", "-q", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(formatted && clean)
}

/// Runs at full size what `test` runs scaled down.
///
/// # Errors
/// None: a check that cannot be run has failed.
pub fn soak() -> Result<bool, Error> {
    let mut report = Report::default();
    report
        .check("tests at full size", || succeeds(cargo(&["test", "--workspace", "--release"]).env("TANBO_SOAK", "1")));
    report.check("a running node outlives kills of the emulator", || {
        node_sim::kills(node_sim::KILLS_SOAK, 1).map(|wrong| findings("node-sim", &wrong))
    });
    Ok(report.finish())
}
