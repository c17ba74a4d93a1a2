//! `cargo xtask <command>`: set-up, tests and checks of the workspace.
//!
//! Everything CI does is a command here. Exit status: 0 all well, 1 a check failed, 2 it could not be run.

mod layers;
mod report;
mod setup;
mod suite;
mod workspace;
mod zoo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, tests and checks of the Tanbo workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what the tests need: Debian packages (as root) and Rust targets; prints the commands otherwise.
    Setup,
    /// Runs every test: on this machine and on every emulated core.
    Test {
        /// Only what needs no emulator: the inner loop.
        #[arg(long)]
        host: bool,
    },
    /// Checks that each crate depends only on crates of lower layers.
    Layers,
    /// Runs the conformance suite on the named runners, or on all of them.
    Conformance {
        /// Runners; all, if none is named.
        runners: Vec<String>,
    },
    /// Compiles every model of the zoo again and compares the bytes.
    Zoo {
        /// Replace the artifacts instead.
        #[arg(long)]
        update: bool,
    },
    /// Formats nothing, changes nothing: rustfmt and clippy as checks.
    Lint,
    /// Runs at full size what the tests run scaled down.
    Soak,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Setup => setup::run().map(|()| true),
        Command::Test { host } => suite::test(host),
        Command::Layers => layers::check().map(|wrong| report::findings("layers", &wrong)),
        Command::Conformance { runners } => suite::conformance(&runners),
        Command::Zoo { update } => zoo::check(update).map(|wrong| report::findings("zoo", &wrong)),
        Command::Lint => suite::lint(),
        Command::Soak => suite::soak(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}
