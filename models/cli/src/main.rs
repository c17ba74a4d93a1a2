//! Layer 4: the `tanbo` command.
//!
//! Knows files, arguments and people; what it shows is computed by the crates below. Every command prints one JSON
//! document on stdout and nothing else there (`replay`: JSON lines); tables, progress, builds and emulators go to
//! stderr. On a terminal, without `--json`, the table takes the document's place.
//!
//! Exit codes: 0 yes; 1 ran, and the answer is no; 2 error.
#![forbid(unsafe_code)]

#[cfg(feature = "onnx")]
mod agreement;
mod args;
#[cfg(feature = "run")]
mod arrays;
#[cfg(feature = "run")]
mod chains;
mod command;
#[cfg(feature = "onnx")]
mod curve;
mod draw;
mod engine;
mod error;
mod facts;
mod files;
mod firmware;
#[cfg(feature = "onnx")]
mod float;
#[cfg(feature = "compile")]
mod front_end;
mod memory;
#[cfg(feature = "nodes")]
mod nodes;
#[cfg(feature = "run")]
mod npy;
#[cfg(feature = "run")]
mod npz;
#[cfg(all(feature = "probe", feature = "run"))]
mod on_chip;
mod output;
mod picture;
#[cfg(unix)]
mod probes;
mod release;
#[cfg(feature = "run")]
mod runner;
#[cfg(feature = "onnx")]
mod samples;
mod session;
#[cfg(feature = "probe")]
mod slots;
mod source;
#[cfg(feature = "run")]
mod streams;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use output::Output;

/// Whether the answer is yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Yes,
    /// Ran, and the answer is no: a mismatch, a missing alarm. Exit code 1.
    No,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let out = Output::new(args.json);
    let result = match &args.command {
        Command::Card(args) => command::card::card(args, &out),
        Command::Keygen(args) => command::keygen::keygen(args, &out),
        Command::Sign(args) => command::sign::sign(args, &out),
        Command::Verify(args) => command::verify::verify(args, &out),
        #[cfg(feature = "compile")]
        Command::Compile(args) => command::compile::compile(args, &out),
        #[cfg(feature = "onnx")]
        Command::Quantize(args) => command::quantize::quantize(args, &out),
        #[cfg(feature = "onnx")]
        Command::Validate(args) => command::validate::validate(args, &out),
        #[cfg(feature = "run")]
        Command::Diff(args) => command::diff::diff(args, &out),
        #[cfg(unix)]
        Command::Doctor(args) => command::doctor::doctor(args, &out),
        #[cfg(feature = "nodes")]
        Command::Provision(args) => command::provision::provision(args, &out),
        #[cfg(feature = "nodes")]
        Command::Update(args) => command::update::update(args, &out),
        #[cfg(feature = "probe")]
        Command::Flash(args) => command::flash::flash(args, &out),
        #[cfg(feature = "probe")]
        Command::Monitor(args) => command::monitor::monitor(args, &out),
        Command::Header(args) => command::header::header(args, &out),
        Command::Inspect(args) => command::inspect::inspect(args, &out),
        Command::Demo(args) => command::demo::demo(args, &out),
        Command::Replay(args) => command::replay::replay(args, &out),
        #[cfg(feature = "run")]
        Command::Run(args) => command::run::run(args, &out),
        #[cfg(feature = "run")]
        Command::Bench(args) => command::bench::bench(args, &out),
    };
    match result {
        Ok(Verdict::Yes) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(error) => {
            out.error(&error);
            ExitCode::from(2)
        }
    }
}
