//! The command line.

#[cfg(feature = "nodes")]
mod nodes;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tanbo_compiler::fuse::{Fusing, Tensors};
use tanbo_compiler::passes::{Pass, Switches};
#[cfg(feature = "onnx")]
use tanbo_compiler::quantize::{RangeMethod, Wide};
use tanbo_format::Family;
use tanbo_release::Name;

#[cfg(all(feature = "nodes", feature = "probe"))]
pub use nodes::ChipArgs;
#[cfg(feature = "nodes")]
pub use nodes::{Format, ListArgs, Provision, ProvisionArgs, RevokeArgs, ShowArgs, UpdateArgs, Whom, WriteArgs};

/// Quantizes, compiles, inspects, runs and measures models on any core.
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
    /// Quantize a float model with calibration samples, and tell what it costs.
    #[cfg(feature = "onnx")]
    Quantize(QuantizeArgs),
    /// Compare a model or artifact with the float model it was made of.
    #[cfg(feature = "onnx")]
    Validate(ValidateArgs),
    /// Show operators, multiply-accumulates, memory, inputs, outputs and steps.
    Inspect(InspectArgs),
    /// Run a model on arrays from files, on this machine or on an emulated core.
    #[cfg(feature = "run")]
    Run(RunArgs),
    /// Measure a model on this machine or on an emulated core, and check it against the reference kernels.
    #[cfg(feature = "run")]
    Bench(BenchArgs),
    /// Compare what every step computes on two runners, and tell the first that differs.
    #[cfg(feature = "run")]
    Diff(DiffArgs),
    /// Send a recording through a model's pipeline: one JSON line per alarm that begins or ends.
    Replay(ReplayArgs),
    /// Replay a real earthquake and real human motion: an alarm for one, none for the other.
    Demo(DemoArgs),
    /// Write firmware, or one model slot, to a chip through a debug probe; or only check where it would lie.
    #[cfg(feature = "probe")]
    Flash(FlashArgs),
    /// Show the log of a chip on a debug probe, decoded, as it comes.
    #[cfg(feature = "probe")]
    Monitor(MonitorArgs),
    /// Tell why no debug probe is found, and what to do.
    #[cfg(unix)]
    Doctor(DoctorArgs),
    /// Print the model card inside an artifact.
    Card(CardArgs),
    /// Make a key pair that signs models and firmware.
    Keygen(KeygenArgs),
    /// Sign an artifact as a release, with a name, a rising version and a self-test; or the firmware of a board.
    Sign(SignArgs),
    /// Check an artifact's hash, signature and self-test, or the signature of firmware.
    Verify(VerifyArgs),
    /// Give nodes their identities and keys, list them, revoke them.
    #[cfg(feature = "nodes")]
    Provision(ProvisionArgs),
    /// Send a signed model to a node, over its line or as fragments for a LoRaWAN network server; or its firmware, over its line.
    #[cfg(feature = "nodes")]
    Update(UpdateArgs),
    /// Write a C header with a model, its arena's size and its operators, for firmware in C.
    Header(HeaderArgs),
}

#[cfg(feature = "compile")]
#[derive(Debug, clap::Args)]
pub struct CompileArgs {
    /// Model: .onnx or .tflite.
    pub file: PathBuf,
    /// Artifact to write.
    #[arg(short, long, value_name = "OUT.tnb")]
    pub output: PathBuf,
    /// Kernel family to pack for: portable, m0, m3, dsp, mve, rv32, armv7, neon, dotprod, avx2, vnni.
    #[arg(long, value_name = "FAMILY", default_value = "portable", value_parser = family)]
    pub target: Family,
    /// Model card to embed: UTF-8 text.
    #[arg(long, value_name = "FILE")]
    pub card: Option<PathBuf>,
    /// Front end to embed, for models that take samples of a sensor: a TOML file with a [front_end] table.
    #[arg(long, value_name = "FILE")]
    pub front_end: Option<PathBuf>,
    #[command(flatten)]
    pub passes: PassArgs,
    #[command(flatten)]
    pub streaming: StreamArgs,
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub float: FloatArgs,
}

/// Whether a model of windows computes only what a hop adds.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "Streaming")]
pub struct StreamArgs {
    /// Make a model of windows one that takes in a hop at a time and keeps the rest in states. No output changes: each is
    /// that of the window that the hop completes.
    #[arg(long)]
    stream: bool,
    /// With --stream: input rows from one window to the next [default: the fewest by which every tensor moves in whole rows].
    #[arg(long, value_name = "ROWS", requires = "stream")]
    hop: Option<usize>,
    /// With --stream: axis of the input that is time, counted from 0 in the model's own layout [default: the first after the batch].
    #[arg(long, value_name = "AXIS", requires = "stream")]
    time_axis: Option<usize>,
}

impl StreamArgs {
    /// Returns what the compiler is asked for.
    pub fn streaming(&self) -> Option<tanbo_compiler::stream::Streaming> {
        self.stream.then_some(tanbo_compiler::stream::Streaming { hop: self.hop, axis: self.time_axis })
    }
}

/// Which passes run over a model's graph.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PassArgs {
    /// Passes to leave out, separated by commas, or all: constants, no-ops, transposes, clamps, tables, pads, duplicates,
    /// channels, taps, order. No pass changes a result.
    #[arg(long, value_name = "PASSES", value_delimiter = ',', value_parser = passes)]
    without: Vec<Switches>,
}

impl PassArgs {
    /// Returns which passes run.
    pub fn switches(&self) -> Switches {
        Switches { without: self.without.iter().flat_map(|switches| switches.without.iter().copied()).collect() }
    }
}

fn passes(name: &str) -> Result<Switches, String> {
    if name == "all" {
        return Ok(Switches::none());
    }
    Pass::from_name(name).map(|pass| Switches { without: [pass].into() }).ok_or_else(|| {
        let names: Vec<_> = Pass::ALL.iter().map(|pass| pass.name()).collect();
        format!("no such pass; there are {}, and all", names.join(", "))
    })
}

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// Kernel family a model is packed for [default: portable].
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    pub target: Option<Family>,
    /// Picture to write: what lies where in the arena over the steps, with the peak and the lower bound.
    #[arg(long, value_name = "OUT.svg")]
    pub svg: Option<PathBuf>,
    #[command(flatten)]
    pub passes: PassArgs,
    #[command(flatten)]
    pub streaming: StreamArgs,
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub float: FloatArgs,
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

#[derive(Debug, clap::Args)]
pub struct KeygenArgs {
    /// Private key to write (PKCS#8, readable by its owner alone); the public half goes beside it as KEY.pub.pem. No file is
    /// written over.
    #[arg(value_name = "KEY.pem")]
    pub file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct SignArgs {
    /// Artifact, whose signature is replaced if it has one; or a board's firmware, built with --features boot: its ELF file, or a
    /// binary (.bin).
    pub file: PathBuf,
    /// Private key, as `keygen` or openssl writes it (PKCS#8).
    #[arg(short, long, value_name = "KEY.pem")]
    pub key: PathBuf,
    /// What the model is for, 1 to 8 characters of a-z, 0-9 and -: nodes take updates of the same name. Of firmware: the board, which an
    /// ELF file says itself.
    #[arg(long, value_parser = Name::new)]
    pub name: Option<Name>,
    /// Version, higher than that of every release before: nodes never go back.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub version: u32,
    /// The same model in the portable packing, for an artifact that is packed for another core: it computes the outputs of the
    /// self-test, which no packing changes.
    #[arg(long, value_name = "PORTABLE.tnb")]
    pub portable: Option<PathBuf>,
    /// Artifact to write; of firmware OUT.tnf.
    #[arg(short, long, value_name = "OUT.tnb")]
    pub output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Artifact, or firmware (.tnf).
    pub file: PathBuf,
    /// Public key that is trusted (SubjectPublicKeyInfo); repeat the flag.
    #[arg(short, long = "key", value_name = "KEY.pub.pem", required = true)]
    pub keys: Vec<PathBuf>,
}

/// A chip on a probe.
#[cfg(feature = "probe")]
#[derive(Debug, clap::Args)]
pub struct ProbeArgs {
    /// Chip, as probe-rs names it: nRF52840_xxAA, STM32WLE5JCIx, ...
    #[arg(long, value_name = "NAME")]
    pub chip: String,
    /// Debug probe: VENDOR:PRODUCT or VENDOR:PRODUCT:SERIAL, as `doctor` lists them [default: the only one].
    #[arg(long, value_name = "PROBE")]
    pub probe: Option<String>,
}

#[cfg(feature = "probe")]
#[derive(Debug, clap::Args)]
pub struct FlashArgs {
    /// Firmware: an ELF file, as the linker wrote it.
    pub image: PathBuf,
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// Only check where everything would lie; needs no probe.
    #[arg(long)]
    pub dry_run: bool,
    /// Write this signed model instead, into the slot that is not in use, and have the node check it and try it: IMAGE is the firmware that
    /// runs there. A model that fails its trial is gone after it, as one that came over the air.
    #[arg(long, value_name = "FILE.tnb", requires = "keys")]
    pub model: Option<PathBuf>,
    /// Take a model whose version is not above that of the slot in use. Above what the node has ever committed it must be all the same.
    #[arg(long, requires = "model")]
    pub older: bool,
    /// Public key that the firmware trusts: the model must be signed with it; repeat the flag.
    #[arg(long = "key", value_name = "KEY.pub.pem", requires = "model")]
    pub keys: Vec<PathBuf>,
}

#[cfg(feature = "probe")]
#[derive(Debug, clap::Args)]
pub struct MonitorArgs {
    /// The firmware that runs on the chip: an ELF file, as the linker wrote it.
    pub image: PathBuf,
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// Start the firmware anew, to see its log from the beginning.
    #[arg(long)]
    pub reset: bool,
}

#[cfg(unix)]
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Folder that stands for /: of another machine's files.
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub root: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct HeaderArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// Header to write.
    #[arg(short, long, value_name = "OUT.h")]
    pub output: PathBuf,
    /// Kernel family to pack for [default: portable].
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    pub target: Option<Family>,
    /// Name of the array; the macros begin with it in capitals.
    #[arg(long, default_value = "model")]
    pub name: String,
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
    /// Samples are the steps of one stream: a model with states goes on from where the sample before left it. Without it
    /// each sample starts anew.
    #[arg(long)]
    pub stream: bool,
    /// host, host:reference, an emulated core (m0 m3 m4 m7 m33 m55 rv32 armv7 a53 a72 a76), or a chip on a debug probe
    /// (probe:CHIP).
    #[arg(short, long, default_value = "host")]
    pub runner: String,
    /// Kernel family a model is packed for [default: the runner's].
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    pub target: Option<Family>,
    #[command(flatten)]
    pub passes: PassArgs,
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub float: FloatArgs,
}

#[cfg(feature = "run")]
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// host, host:reference, an emulated core (m0 m3 m4 m7 m33 m55 rv32 armv7 a53 a72 a76), or a chip on a debug probe
    /// (probe:CHIP).
    #[arg(short, long, default_value = "host")]
    pub runner: String,
    /// Also measure each step by itself, in one more run: instructions; on this machine the time of each chain of steps.
    #[arg(long)]
    pub steps: bool,
    /// Also build a bare-metal image linked for this model alone, and measure its flash, static RAM and stack.
    #[arg(long)]
    pub flash: bool,
    /// Timed runs on this machine [default: as many as take a second, 10 to 10000].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: Option<u32>,
    /// Kernel family a model is packed for [default: the runner's].
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    pub target: Option<Family>,
    #[command(flatten)]
    pub passes: PassArgs,
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub float: FloatArgs,
}

#[cfg(feature = "run")]
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// A second one of the same steps, for the second runner, such as the same model with other weights [default: the first].
    pub other: Option<PathBuf>,
    /// The two runners; given once, it is compared with host:reference. Names as for `bench`.
    #[arg(short, long = "runner", required = true)]
    pub runners: Vec<String>,
    /// Inputs, one sample: FILE.npy, FILE.npz or FILE.bin, or NAME=FILE where there are several [default: the stream lcg of
    /// `bench`].
    #[arg(short, long = "input", value_name = "[NAME=]FILE")]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub passes: PassArgs,
    #[command(flatten)]
    pub float: FloatArgs,
}

/// How memory is planned. Results do not depend on it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Memory")]
pub struct PlanArgs {
    /// Keep every tensor whole. Otherwise steps for a microcontroller run row by row through rings, where that takes less of the
    /// arena: as little as there can be at an estimated cost of 3 % more instructions.
    #[arg(long, conflicts_with_all = ["rows", "arena", "input_rows"])]
    pub whole_tensors: bool,
    /// Rings of rows for any family.
    #[arg(long)]
    pub rows: bool,
    /// Arena that the plan may take, bytes: the cheapest plan within it; 0 for the least arena at any cost.
    #[arg(long, value_name = "BYTES")]
    pub arena: Option<u32>,
    /// The firmware gives the first input row by row (`Engine::input_row`), so that it is never whole in the arena.
    #[arg(long)]
    pub input_rows: bool,
    /// Bytes that the artifact may have: of the packings that each step can have, the combination with the fewest estimated
    /// instructions that fits. Winograd's transforms of 3x3 convolutions (dsp) take 3.6 times the bytes of the weights and about half the
    /// instructions, two rows at a time. Without it, each step has its family's usual packing.
    #[arg(long, value_name = "BYTES")]
    pub flash_budget: Option<u32>,
}

impl PlanArgs {
    /// Returns the compiler's options for a kernel family.
    pub fn options(&self, family: Family) -> tanbo_compiler::Options {
        let fusing = Fusing { arena_bytes: self.arena, input_by_rows: self.input_rows };
        let tensors = if self.whole_tensors {
            Tensors::Whole
        } else if self.rows || fusing != Fusing::default() {
            Tensors::Rings(fusing)
        } else {
            Tensors::ByFamily
        };
        let flash_budget = self.flash_budget;
        tanbo_compiler::Options { family, tensors, flash_budget, ..tanbo_compiler::Options::default() }
    }
}

/// How a float model is quantized.
#[cfg(feature = "onnx")]
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Float models")]
pub struct FloatArgs {
    /// Calibration samples: .npz with one float32 array per input by name (or arr_0, arr_1 ... in model order; any name for
    /// a single input), samples along axis 0; or .npy for a single input.
    #[arg(long, value_name = "X.npz")]
    pub calibrate: Option<PathBuf>,
    /// Ranges frozen by `quantize --ranges-out`, in place of samples.
    #[arg(long, value_name = "RANGES.toml", conflicts_with_all = ["calibrate", "method", "activations", "int4", "no_equalize", "no_bias_correction"])]
    pub ranges: Option<PathBuf>,
    /// How activation ranges are found: minmax, percentile[:P] (P of 100 [default: 99.99]), mse, or auto, which takes for
    /// each tensor what gives the least error [default: auto].
    #[arg(long, value_name = "METHOD", value_parser = range_method)]
    pub method: Option<RangeMethod>,
    /// Type of the activations: int8, int16, auto[:DB] (int16 where it takes that to reach an output SQNR of DB
    /// [default: 30]), or names of nodes for int16, separated by commas [default: int8].
    #[arg(long, value_name = "TYPE", value_parser = activations)]
    pub activations: Option<Wide>,
    /// Nodes with 4-bit weights, separated by commas, or all.
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub int4: Vec<String>,
    /// Leave the weights of successive layers as they are.
    #[arg(long)]
    pub no_equalize: bool,
    /// Leave the biases as they are.
    #[arg(long)]
    pub no_bias_correction: bool,
}

/// A build that does not read .onnx has nothing to quantize.
#[cfg(not(feature = "onnx"))]
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FloatArgs {}

#[cfg(feature = "onnx")]
#[derive(Debug, clap::Args)]
pub struct QuantizeArgs {
    /// Float model: .onnx.
    pub file: PathBuf,
    #[command(flatten)]
    pub float: FloatArgs,
    /// Samples to measure with, kept apart from calibration; `labels` (or `y`) in it are classes.
    #[arg(long, value_name = "T.npz")]
    pub test: Option<PathBuf>,
    /// An output of one element means class 1 from this value on, class 0 below it.
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = finite)]
    pub threshold: Option<f64>,
    /// Artifact to write.
    #[arg(short, long, value_name = "OUT.tnb")]
    pub output: Option<PathBuf>,
    /// Kernel family to pack the artifact for.
    #[arg(long, value_name = "FAMILY", default_value = "portable", value_parser = family)]
    pub target: Family,
    /// Frozen ranges to write: a file to commit, `--ranges` gives the same model from it without samples.
    #[arg(long, value_name = "RANGES.toml")]
    pub ranges_out: Option<PathBuf>,
    /// Quantized model to write, in QDQ form, for other tools.
    #[arg(long, value_name = "MODEL.qdq.onnx")]
    pub qdq: Option<PathBuf>,
    /// Picture of accuracy against size to write. Quantizes the model several times over.
    #[arg(long, value_name = "CURVE.svg", conflicts_with = "ranges")]
    pub curve: Option<PathBuf>,
}

#[cfg(feature = "onnx")]
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Model or artifact: .onnx, .tflite or .tnb.
    pub file: PathBuf,
    /// Float model it should agree with: .onnx.
    #[arg(long, value_name = "FLOAT.onnx")]
    pub against: PathBuf,
    /// Samples for the float model: .npz as for --calibrate, with `labels` (or `y`) where known.
    #[arg(long, value_name = "X.npz")]
    pub data: PathBuf,
    /// No element of an output may differ by more.
    #[arg(long, value_name = "E", value_parser = limit)]
    pub max_error: Option<f64>,
    /// Least signal-to-quantization-noise ratio of every output, dB.
    #[arg(long, value_name = "DB", allow_negative_numbers = true, value_parser = finite)]
    pub min_sqnr: Option<f64>,
    /// Least share of samples with the class of the float model, 0 to 1 or as 99.5%.
    #[arg(long, value_name = "P", value_parser = share)]
    pub min_agreement: Option<f64>,
    /// Most samples with another class than the float model.
    #[arg(long, value_name = "N")]
    pub max_disagreements: Option<usize>,
    /// An output of one element means class 1 from this value on, class 0 below it.
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = finite)]
    pub threshold: Option<f64>,
    /// How the axes of the file's inputs and outputs lie against the float model's: same, channels-last, or auto, which
    /// asks where shapes alone do not tell.
    #[arg(long, value_name = "LAYOUT", default_value = "auto")]
    pub layout: Layout,
    /// Where the file runs; its bits are compared with the reference kernels'. host, host:reference, an emulated core
    /// (m0 m3 m4 m7 m33 m55 rv32 armv7 a53 a72 a76), or a chip on a debug probe (probe:CHIP).
    #[arg(short, long, default_value = "host")]
    pub runner: String,
    #[command(flatten)]
    pub float: FloatArgs,
}

/// How the axes of a file lie against the float model's.
#[cfg(feature = "onnx")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    Auto,
    Same,
    ChannelsLast,
}

#[cfg(feature = "onnx")]
fn range_method(text: &str) -> Result<RangeMethod, String> {
    let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
    match (name, number) {
        ("minmax", None) => Ok(RangeMethod::MinMax),
        ("mse", None) => Ok(RangeMethod::Mse),
        ("auto", None) => Ok(RangeMethod::Auto),
        ("percentile", None) => Ok(RangeMethod::Percentile(99.99)),
        ("percentile", Some(number)) => match number.parse() {
            Ok(percent) if percent > 50.0 && percent <= 100.0 => Ok(RangeMethod::Percentile(percent)),
            _ => Err("the percentile must be above 50 and at most 100, such as percentile:99.9".into()),
        },
        _ => Err("give minmax, percentile, percentile:99.9, mse or auto".into()),
    }
}

#[cfg(feature = "onnx")]
fn activations(text: &str) -> Result<Wide, String> {
    match text.split_once(':').unwrap_or((text, "30")) {
        ("int8", _) if text == "int8" => Ok(Wide::None),
        ("int16", _) if text == "int16" => Ok(Wide::All),
        ("auto", decibels) => match decibels.parse::<f64>() {
            Ok(output_sqnr_db) if output_sqnr_db.is_finite() => Ok(Wide::Auto { output_sqnr_db }),
            _ => Err("give auto or, with another output SQNR in dB, auto:40".into()),
        },
        _ => Ok(Wide::Nodes(text.split(',').map(String::from).collect())),
    }
}

#[cfg(feature = "onnx")]
fn finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "give a number".into())
}

#[cfg(feature = "onnx")]
fn limit(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|value| *value >= 0.0).ok_or_else(|| "give a number, 0 or more".into())
}

/// Reads `0.995` or `99.5%`.
#[cfg(feature = "onnx")]
fn share(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.parse().map(|percent: f64| percent / 100.0),
        None => text.parse(),
    };
    value.ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "give 0 to 1, such as 0.995, or 99.5%".into())
}

/// Returns the family called `name`.
pub fn family(name: &str) -> Result<Family, String> {
    Family::ALL.iter().copied().find(|family| family.name() == name).ok_or_else(|| {
        let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
        format!("no such kernel family; there are {}", names.join(", "))
    })
}
