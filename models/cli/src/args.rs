//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tanbo_format::Family;

/// Compiles, inspects, runs and measures quantized models on any core.
///
/// stdout carries one JSON document (replay: JSON lines); everything else goes to stderr.
/// Exit code 0: yes. 1: ran, and the answer is no. 2: error.
#[derive(Debug, Parser)]
#[command(name = "tanbo", version)]
pub struct Args {
    /// Compact JSON on stdout, no tables; errors as JSON too.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile a model into an artifact.
    #[cfg(feature = "compile")]
    Compile(CompileArgs),
    /// Show operators, multiply-accumulates, memory, inputs, outputs and steps.
    Inspect(InspectArgs),
    /// Run a model on arrays from files, on this machine or on an emulated core.
    #[cfg(feature = "run")]
    Run(RunArgs),
    /// Measure a model on this machine or on an emulated core, and check it against the reference kernels.
    #[cfg(feature = "run")]
    Bench(BenchArgs),
    /// Send a recording through a model's pipeline: one JSON line per alarm that begins or ends.
    Replay(ReplayArgs),
    /// Replay a real earthquake and real human motion: an alarm for one, none for the other.
    Demo(DemoArgs),
    /// Print the model card inside an artifact.
    Card(CardArgs),
}

#[cfg(feature = "compile")]
#[derive(Debug, clap::Args)]
pub struct CompileArgs {
    /// Quantized model: .onnx or .tflite.
    pub file: PathBuf,
    /// Artifact to write.
    #[arg(short, long, value_name = "OUT.tnb")]
    pub output: PathBuf,
    /// Kernel family to pack for: portable, m0, m3, dsp, mve, rv32, armv7, neon, dotprod, avx2.
    #[arg(long, value_name = "FAMILY", default_value = "portable", value_parser = family)]
    pub target: Family,
    /// Model card to embed: UTF-8 text.
    #[arg(long, value_name = "FILE")]
    pub card: Option<PathBuf>,
    /// Front end to embed, for models that take samples of a sensor: a TOML file with a [front_end] table.
    #[arg(long, value_name = "FILE")]
    pub front_end: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// Kernel family a model is packed for [default: portable].
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    pub target: Option<Family>,
}

#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Artifact with a front end.
    pub file: PathBuf,
    /// Recording: CSV with the columns t_s,x_gal,y_gal,z_gal at an even rate.
    #[arg(short, long, value_name = "RECORDING.csv")]
    pub input: PathBuf,
    /// Picture to write: waveforms, score, alarms.
    #[arg(long, value_name = "OUT.svg")]
    pub svg: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Folder for the pictures [default: target/demo].
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct CardArgs {
    /// Artifact.
    pub file: PathBuf,
}

#[cfg(feature = "run")]
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// Input array: .npy or .bin (raw little-endian) in the model's own layout and type. Inputs in model order, or
    /// NAME=FILE; repeat the flag. One .npz holds all inputs by name, with many samples along axis 0.
    #[arg(short, long = "input", value_name = "[NAME=]FILE", required = true)]
    pub inputs: Vec<String>,
    /// Output array: .npy or .bin, in model order or NAME=FILE; repeat the flag. One .npz takes all outputs by name.
    /// Without it, small outputs are in the JSON document.
    #[arg(short, long = "output", value_name = "[NAME=]FILE")]
    pub outputs: Vec<String>,
    /// host, host:reference, or an emulated core: m0 m3 m4 m7 m33 m55 rv32 armv7 a53 a72 a76.
    #[arg(short, long, default_value = "host")]
    pub runner: String,
    /// Kernel family a model is packed for [default: the runner's].
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    pub target: Option<Family>,
}

#[cfg(feature = "run")]
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// host, host:reference, or an emulated core: m0 m3 m4 m7 m33 m55 rv32 armv7 a53 a72 a76.
    #[arg(short, long, default_value = "host")]
    pub runner: String,
    /// Also build a bare-metal image linked for this model alone, and measure its flash and static RAM.
    #[arg(long)]
    pub flash: bool,
    /// Timed runs on this machine [default: as many as take a second, 10 to 10000].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: Option<u32>,
    /// Kernel family a model is packed for [default: the runner's].
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    pub target: Option<Family>,
}

/// Returns the family called `name`.
pub fn family(name: &str) -> Result<Family, String> {
    Family::ALL.iter().copied().find(|family| family.name() == name).ok_or_else(|| {
        let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
        format!("no such kernel family; there are {}", names.join(", "))
    })
}
