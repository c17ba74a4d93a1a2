//! `tanbo bench`: instructions or time, memory, and whether the bits are right.

use std::time::{Duration, Instant};

use serde::Serialize;
use tanbo_format::emit::Aligned;

use crate::Verdict;
use crate::args::BenchArgs;
use crate::chains::{self, ChainCost, Measured};
use crate::error::CliError;
use crate::facts::Facts;
use crate::output::{Output, grouped};
use crate::runner::{self, Runner, infer, load, refused, with_engine};
use crate::source::Source;
use crate::streams::STREAMS;

/// How long timed runs last in all, unless their number is given.
const TIMED: Duration = Duration::from_secs(1);
/// How long the machine warms up.
const WARM_UP: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Document {
    file: String,
    runner: String,
    /// Kernel table that ran.
    table: String,
    family: &'static str,
    /// Exact, of the second run over stream `lcg`, around the engine's `run` only; null on this machine and on a chip.
    instructions: Option<u64>,
    /// By the core's documented timings, beside the count: an estimate, no measurement; null where there are none.
    estimated_cycles: Option<u64>,
    /// By the chip's own cycle counter, of that run; null where there is no chip, or its core has none.
    cycles: Option<u64>,
    /// Wall time on this machine; null on an emulated core, whose time means nothing.
    latency_us: Option<Latency>,
    arena_bytes: usize,
    /// Deepest stack of `run`; with --flash on a bare core, in the image.
    stack_bytes: usize,
    /// Code and constants of an image linked for this model alone, the artifact's excluded; with --flash on a bare core.
    flash_code_bytes: Option<u64>,
    /// Static variables of that image, arena excluded.
    ram_static_bytes: Option<u64>,
    artifact_bytes: usize,
    macs: u64,
    /// Each step, or each chain on this machine, by itself; with --steps.
    steps: Option<Vec<ChainCost>>,
    /// Whether every output byte equals the reference kernels' on this machine; null for an artifact that they cannot read,
    /// being packed for others.
    bit_exact: Option<bool>,
    /// Input streams they were compared on.
    streams: Vec<&'static str>,
}

#[derive(Serialize)]
struct Latency {
    min: f64,
    median: f64,
    p95: f64,
    p99: f64,
    runs: usize,
    /// How this program was compiled.
    build: &'static str,
}

/// Measures; the answer is no if a bit differs from the reference kernels.
pub fn bench(args: &BenchArgs, out: &Output) -> Result<Verdict, CliError> {
    let runner = Runner::by_name(&args.runner)?;
    let source = Source::open(&args.file, Some(&args.float), out)?.with_passes(args.passes.switches());
    let loaded = source.load_planned(args.target, runner.family()?, &args.plan)?;
    let facts = Facts::of(&args.file, &loaded)?;
    let model = loaded.model()?;
    if args.steps && args.plan.input_rows {
        let reason = "an input that comes row by row is not in the arena to be measured step by step";
        return Err(CliError::new("--steps", reason, "leave --input-rows away"));
    }
    let samples = STREAMS.iter().map(|stream| stream.inputs(&model, &loaded.inputs)).collect::<Result<Vec<_>, _>>()?;
    let Some((lcg, others)) = samples.split_first() else {
        return Err(CliError::new("bench", "no input streams", "report this as a bug"));
    };

    // The measured runs first, so that an error comes before long work.
    let mut ran = runner.run_counting(&loaded.artifact, std::slice::from_ref(lcg), 2, args.steps)?;
    let instructions = ran.instructions.first().and_then(|runs| runs.get(1)).copied();
    let [cycles, step_cycles] = std::mem::take(&mut ran.cycles);
    let (cycles, measured) = (cycles.get(1).copied(), ran.cycles_measured);
    let rest = runner.run(&loaded.artifact, others, 1)?;
    ran.outputs.extend(rest.outputs);
    ran.stack_bytes = ran.stack_bytes.max(rest.stack_bytes);

    // The reference kernels read the portable packing.
    let bit_exact = match source.portable()? {
        Some(portable) => Some(runner::reference(&portable.artifact, &samples)?.outputs == ran.outputs),
        None => None,
    };

    let latency_us = match &runner {
        Runner::Host | Runner::HostReference => Some(latency(&runner, &loaded.artifact, lcg, args.runs)?),
        _ => None,
    };
    let steps = match (&runner, &latency_us) {
        _ if !args.steps => None,
        #[cfg(feature = "probe")]
        (Runner::Chip(_), _) if step_cycles.is_empty() => {
            let reason = format_args!("the core of {} counts no cycles", runner.name());
            return Err(CliError::new("--steps", reason, "measure the steps on an emulated core"));
        }
        #[cfg(feature = "probe")]
        (Runner::Chip(_), _) => Some(Measured::Cycles(step_cycles)),
        (Runner::Emulated(_), _) => {
            Some(Measured::Instructions { counts: std::mem::take(&mut ran.steps), cycles: step_cycles })
        }
        (_, latency) => {
            let runs = latency.as_ref().map_or(1, |latency| latency.runs);
            Some(Measured::Nanoseconds(chains::times(&runner, &loaded.artifact, lcg, runs)?))
        }
    };
    let steps = steps.map(|measured| chains::costs(&loaded, &facts, &measured)).transpose()?;
    let image = match &runner {
        Runner::Emulated(core) if args.flash => core.image_size(&loaded.artifact)?,
        _ => None,
    };
    if let (Runner::Emulated(core), Some(_)) = (&runner, &image)
        && let Some((stack, _)) = core.image_run(&loaded.artifact)?
    {
        // The runner's engine decodes records as it goes; the image's does not.
        ran.stack_bytes = usize::try_from(stack).unwrap_or(usize::MAX);
    }
    if args.flash && image.is_none() {
        out.note(format_args!("{}: no flash to measure: it is not a bare-metal core", runner.name()));
    }
    let document = Document {
        file: facts.file,
        runner: runner.name().into(),
        table: ran.table,
        family: facts.family,
        instructions,
        estimated_cycles: cycles.filter(|_| !measured),
        cycles: cycles.filter(|_| measured),
        latency_us,
        arena_bytes: facts.arena_bytes,
        stack_bytes: ran.stack_bytes,
        flash_code_bytes: image.map(|size| size.flash_code_bytes),
        ram_static_bytes: image.map(|size| size.ram_static_bytes),
        artifact_bytes: facts.artifact_bytes,
        macs: facts.macs,
        steps,
        bit_exact,
        streams: STREAMS.iter().map(|stream| stream.name).collect(),
    };
    out.document(&document, || text(&document))?;
    Ok(if bit_exact == Some(false) { Verdict::No } else { Verdict::Yes })
}

/// Returns the wall time of single runs, after a warm-up.
fn latency(runner: &Runner, artifact: &Aligned, inputs: &[Vec<u8>], runs: Option<u32>) -> Result<Latency, CliError> {
    let mut times = with_engine(artifact, runner.table(artifact)?, |engine, _| {
        let mut once = || -> Result<Duration, CliError> {
            load(engine, inputs)?;
            let start = Instant::now();
            infer(engine, inputs).map_err(refused)?;
            Ok(start.elapsed())
        };
        let start = Instant::now();
        let mut warm = 0u32;
        while warm == 0 || start.elapsed() < WARM_UP {
            once()?;
            warm += 1;
        }
        let each = (start.elapsed() / warm).max(Duration::from_nanos(100));
        let fitting = u32::try_from(TIMED.as_nanos() / each.as_nanos().max(1)).unwrap_or(u32::MAX);
        (0..runs.unwrap_or(fitting.clamp(10, 10_000))).map(|_| once()).collect::<Result<Vec<_>, _>>()
    })?;
    times.sort_unstable();
    // The value below which the share `permille` of all lies (nearest rank).
    let rank = |permille: usize| {
        let index = (times.len() * permille).div_ceil(1000).saturating_sub(1);
        times.get(index).map_or(0.0, |time| time.as_nanos() as f64 / 1000.0)
    };
    Ok(Latency {
        min: rank(0),
        median: rank(500),
        p95: rank(950),
        p99: rank(990),
        runs: times.len(),
        build: if cfg!(debug_assertions) { "dev" } else { "release" },
    })
}

fn text(document: &Document) -> String {
    let mut rows = vec![("runner", format!("{}, table {}", document.runner, document.table))];
    if let Some(instructions) = document.instructions {
        let per_mac = if document.macs == 0 {
            String::new()
        } else {
            format!(" ({:.2} per MAC)", instructions as f64 / document.macs as f64)
        };
        rows.push(("instructions", format!("{}{per_mac}", grouped(instructions))));
    }
    if let Some(cycles) = document.cycles {
        rows.push(("cycles", format!("{}, measured (DWT)", grouped(cycles))));
    } else if document.latency_us.is_none() {
        let estimate = |cycles| format!("{}, estimate (TRM timings)", grouped(cycles));
        rows.push(("cycles", document.estimated_cycles.map_or_else(|| "n/a on this core".into(), estimate)));
    }
    if let Some(time) = &document.latency_us {
        let Latency { min, median, p95, p99, runs, build } = time;
        rows.push((
            "latency",
            format!("median {median:.1} us, min {min:.1}, p95 {p95:.1}, p99 {p99:.1} ({runs} runs, {build} build)"),
        ));
    }
    let bytes = |n: u64| format!("{} bytes", grouped(n));
    rows.push(("arena", bytes(document.arena_bytes as u64)));
    rows.push(("stack", bytes(document.stack_bytes as u64)));
    if let (Some(flash), Some(ram)) = (document.flash_code_bytes, document.ram_static_bytes) {
        rows.push(("code", format!("{} flash, {} static RAM", bytes(flash), bytes(ram))));
        let all = document.arena_bytes as u64 + document.stack_bytes as u64 + ram;
        rows.push(("RAM", format!("{}: arena, stack and static", bytes(all))));
    }
    rows.push(("artifact", bytes(document.artifact_bytes as u64)));
    let streams = document.streams.join(", ");
    let exact = match document.bit_exact {
        Some(true) => format!("yes (streams {streams})"),
        Some(false) => format!("NO: it differs from the reference kernels (streams {streams})"),
        None => "not compared: packed for other kernels than the reference; give the model".into(),
    };
    rows.push(("bit-exact", exact));
    let mut text: String = rows.into_iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect();
    if let Some(steps) = &document.steps {
        text += &format!("\n{}", chains::text(steps, document.instructions.or(document.cycles)));
    }
    text
}
