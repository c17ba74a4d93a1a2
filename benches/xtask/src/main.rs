//! `cargo xtask <command>`: set-up, tests and checks of the workspace.
//!
//! Everything CI does is a command here. Exit status: 0 all well, 1 a check failed, 2 it could not be run.

mod bench;
mod board;
mod board_tests;
mod boards;
mod budget;
mod journal;
mod layers;
mod life;
mod models;
mod node_sim;
mod peers;
mod report;
mod results;
mod setup;
mod start;
mod suite;
mod workspace;
mod zoo;

use std::path::PathBuf;
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
    /// Replays the fixtures on the emulated board and on this machine: both must do the same.
    Board,
    /// Builds the firmware of every board, checks where it lies in flash and what it takes against benches/budgets.toml.
    Boards,
    /// Measures flash, RAM and instructions of each model on each board against benches/budgets.toml.
    Budget {
        /// Replace the budgets by what is measured and 5 % instead.
        #[arg(long)]
        update: bool,
    },
    /// Measures each step of the committed models and of those named: instructions, or time on this machine.
    Bench {
        /// host, host:reference, or an emulated core; repeat the flag.
        #[arg(short, long = "runner", default_value = "m4")]
        runners: Vec<String>,
        /// Append the figures to benches/results, with this machine and revision.
        #[arg(long)]
        save: bool,
        /// Instead: from the start of a program that links only the engine and one model to the end of its first inference.
        #[arg(long, conflicts_with = "runners")]
        start: bool,
        /// More models: .onnx, .tflite or .tnb.
        models: Vec<PathBuf>,
    },
    /// Compares this machine's times with those of ONNX Runtime, LiteRT, tract and rten, taken in turns. Needs python3.11 and PyPI.
    Peers {
        /// Models and the files of the other runtimes [default: those of benches/models].
        #[arg(long, value_name = "MODELS.toml")]
        models: Option<PathBuf>,
        /// Rounds; in each, every runtime runs for 5 ms.
        #[arg(long, default_value_t = 200)]
        rounds: u32,
        /// Append the figures to benches/results, with this machine and revision.
        #[arg(long)]
        save: bool,
    },
    /// Estimates how long a node lives on a battery, month by month, with sun, clouds and temperature.
    Life(life::Arguments),
    /// Measures what the journal of an inference takes on an emulated Cortex-M4, and tells when checkpoints pay.
    Journal {
        /// Artifacts compiled for m4.
        #[arg(required = true)]
        models: Vec<PathBuf>,
    },
    /// Runs a node's real image for days on the emulated board: wakes, energy, events, twice the same, and as on this machine.
    NodeSim(node_sim::Arguments),
    /// Decodes the defmt log of an image, from standard input.
    Decode {
        /// The image, an ELF file.
        image: PathBuf,
    },
    /// Runs the tests of an image of embedded-test in QEMU, each in a start of its own: what .cargo/run-emulated calls.
    BoardTests(board_tests::Arguments),
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
        Command::Board => board::check().map(|wrong| report::findings("board", &wrong)),
        Command::Boards => budget::check_boards().map(|wrong| report::findings("boards", &wrong)),
        Command::Budget { update: true } => budget::update().map(|()| true),
        Command::Budget { update: false } => budget::check().map(|wrong| report::findings("budget", &wrong)),
        Command::Bench { start: true, save, models, .. } => start::run(&models, save).map(|()| true),
        Command::Bench { runners, models, save, .. } => bench::run(&runners, &models, save),
        Command::Peers { models, rounds, save } => peers::run(models.as_deref(), rounds, save).map(|()| true),
        Command::Life(arguments) => life::run(&arguments).map(|()| true),
        Command::Journal { models } => journal::run(&models).map(|()| true),
        Command::NodeSim(arguments) => node_sim::run(&arguments),
        Command::Decode { image } => board::decode_stdin(&image).map(|()| true),
        Command::BoardTests(arguments) => board_tests::run(&arguments),
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
