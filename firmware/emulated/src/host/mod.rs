//! Driver of the emulated runners, for programs on the host: build an image, run it in QEMU, read what it wrote.
//!
//! ```no_run
//! use tanbo_emulated::host::{Job, Runner, run_job};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let job = Job::new(std::fs::read("model.tnb")?, vec![std::fs::read("input.bin")?]);
//! let report = run_job(&Runner::by_name("m4")?, &job)?;
//! println!("{} instructions, {} bytes of stack", report.instructions[1], report.stack_bytes);
//! # Ok(()) }
//! ```

mod build;
mod error;
mod plugin;
mod powered;
mod probe;
mod run;
mod table;

pub use build::{ImageSize, Program, WORLD};
pub use error::RunnerError;
pub use powered::Powered;
pub use probe::EmulatedProbe;
pub use run::{Outcome, Profile};
pub use table::Runner;

use crate::job;
use std::{format, fs, path::Path, string::String, time::Duration, vec::Vec};

/// One artifact and one input for [`run_job`].
#[derive(Clone, Debug)]
pub struct Job {
    /// The artifact's bytes (`.tnb`).
    pub artifact: Vec<u8>,
    /// The bytes of each model input, in model order: element type, shape and layout as the artifact has them. Of a stream,
    /// those of each run one after the other.
    pub inputs: Vec<Vec<u8>>,
    /// How often to run. 1 or more.
    pub runs: u32,
    /// Each run goes on from the states that the one before left, with inputs of its own; otherwise every run begins anew,
    /// with the same inputs.
    pub stream: bool,
    /// Also count what each step takes, in one more run.
    pub steps: bool,
    /// Also digest every intermediate tensor, in one more run that is not counted.
    pub digest: bool,
    /// Also take the output tensor of every step, in one more run that is not counted. Of artifacts whose chains have one step each.
    pub tensors: bool,
    /// Wall-clock limit of the emulation.
    pub timeout: Duration,
}

impl Job {
    /// Two runs without counts of steps, digest or tensors, at most ten minutes.
    pub fn new(artifact: Vec<u8>, inputs: Vec<Vec<u8>>) -> Self {
        let timeout = Duration::from_secs(600);
        Self { artifact, inputs, runs: 2, stream: false, steps: false, digest: false, tensors: false, timeout }
    }
}

/// What came back from [`run_job`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The bytes of each model output, in model order, after the last run; of a stream, those of each run one after the other.
    pub outputs: Vec<Vec<u8>>,
    /// Exact instructions of each run, around the engine's `run` only: what the markers cost is taken off. Empty where nothing counts them.
    pub instructions: Vec<u64>,
    /// Exact instructions of each step of one more run, all its calls together, if they were asked for.
    pub steps: Vec<u64>,
    /// Cycles of each run, if anything tells them.
    pub cycles: Vec<u64>,
    /// Cycles of each step.
    pub step_cycles: Vec<u64>,
    /// Whether the core's own counter told them. Otherwise they are an estimate by the core's manual, where the runner names timings.
    pub cycles_measured: bool,
    /// Arena that the artifact asked for, bytes.
    pub arena_bytes: usize,
    /// Deepest stack of the engine's `run`, bytes.
    pub stack_bytes: usize,
    /// Kernel table that ran.
    pub table: String,
    /// Digest over every intermediate tensor, if it was asked for.
    pub digest: Option<String>,
    /// The output tensor of every step, if they were asked for.
    pub tensors: Vec<Vec<u8>>,
}

/// The generic runner program of this workspace.
pub const RUNNER: Program<'static> = Program { package: "tanbo-target", bin: "tanbo-runner" };

/// Runs `job` on `runner`'s generic runner program, which is built if need be.
///
/// # Errors
/// [`RunnerError::Refused`] where the program on the core refused the job (a bad artifact, an input of the wrong length,
/// no room); the other errors where it could not be run or did not end properly.
pub fn run_job(runner: &Runner, job: &Job) -> Result<Report, RunnerError> {
    let mut reports = run_jobs(runner, core::slice::from_ref(job))?;
    reports.pop().unwrap_or_else(|| Err(RunnerError::BadReport { runner: runner.name.clone(), text: String::new() }))
}

/// Runs many jobs in as few emulations as possible: one, and one more after each job that ended with a crash.
///
/// The result has one entry per job, in order.
///
/// # Errors
/// Where nothing could be run at all; what goes wrong in one job is that job's entry.
pub fn run_jobs(runner: &Runner, jobs: &[Job]) -> Result<Vec<Result<Report, RunnerError>>, RunnerError> {
    let image = runner.build(&RUNNER)?;
    run_jobs_by(&runner.name, jobs, true, |dir, timeout| runner.run(&image, dir, timeout))
}

/// Runs many jobs as [`run_jobs`] does, where `run` runs the program with files in a folder, for at most a time; `counts`: and counts instructions.
///
/// # Errors
/// Those of `run`, and [`RunnerError::File`].
pub fn run_jobs_by(
    runner: &str,
    jobs: &[Job],
    counts: bool,
    mut run: impl FnMut(&Path, Duration) -> Result<Outcome, RunnerError>,
) -> Result<Vec<Result<Report, RunnerError>>, RunnerError> {
    let dir = tempfile::tempdir().map_err(|e| RunnerError::file("temporary directory", e))?;
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).map_err(|e| RunnerError::file(path.display(), e))
    };
    for (n, job) in jobs.iter().enumerate() {
        let job_dir = dir.path().join(format!("{n}"));
        fs::create_dir(&job_dir).map_err(|e| RunnerError::file(job_dir.display(), e))?;
        put(&job::artifact_name(n), &job.artifact)?;
        for (i, input) in job.inputs.iter().enumerate() {
            put(&job::input_name(n, i), input)?;
        }
        let &Job { runs, stream, steps, digest, tensors, .. } = job;
        let wish = job::Wish { inputs: job.inputs.len(), runs, stream, steps, digest, tensors };
        put(&job::wish_name(n), format!("{wish}").as_bytes())?;
    }
    let mut reports = Vec::with_capacity(jobs.len());
    while reports.len() < jobs.len() {
        let first = reports.len();
        put(job::ORDER, format!("{}", job::Order { first, end: jobs.len() }).as_bytes())?;
        let timeout = jobs.iter().skip(first).map(|job| job.timeout).sum();
        let outcome = run(dir.path(), timeout)?;
        // Of the counts and of the estimates.
        let mut pairs = [net(&outcome.pairs), net(&outcome.cycles)];
        for n in first..jobs.len() {
            // A core that faulted or panicked left no report; its last words are on the console.
            let Ok(text) = fs::read_to_string(dir.path().join(job::report_name(n).as_str())) else {
                reports.push(Err(outcome.failed(runner)));
                break;
            };
            reports.push(read_report(runner, dir.path(), n, &text, counts, &mut pairs));
        }
    }
    Ok(reports)
}

/// The counts but the first: that stretch holds nothing, so that it counts what the markers cost, which is taken off.
fn net(counts: &[u64]) -> impl Iterator<Item = u64> {
    let (markers, counts) = counts.split_first().unwrap_or((&0, &[]));
    counts.iter().map(move |count| count.saturating_sub(*markers))
}

/// The report of job `n`, with its outputs and its share of the counted `pairs`.
fn read_report(
    runner: &str,
    dir: &Path,
    n: usize,
    text: &str,
    counts: bool,
    pairs: &mut [impl Iterator<Item = u64>; 2],
) -> Result<Report, RunnerError> {
    let bad = || RunnerError::BadReport { runner: String::from(runner), text: String::from(text) };
    let report = job::Report::parse(text).ok_or_else(bad)?;
    let mut take = |count: u32| pairs.each_mut().map(|pairs| pairs.take(count as usize).collect::<Vec<_>>());
    let [instructions, mut cycles] = take(report.runs);
    let [calls, mut call_cycles] = take(report.calls);
    if let Some(error) = report.error {
        return Err(RunnerError::Refused { runner: String::from(runner), error: String::from(error) });
    }
    if counts && (instructions.len() != report.runs as usize || calls.len() != report.calls as usize) {
        return Err(bad());
    }
    let read = |name: job::Name| {
        let path = dir.join(name.as_str());
        fs::read(&path).map_err(|e| RunnerError::file(path.display(), e))
    };
    // Which step each call was of.
    let numbers = if report.calls == 0 { Vec::new() } else { read(job::calls_name(n))? };
    let numbers = numbers.as_chunks().0;
    if numbers.len() != report.calls as usize {
        return Err(bad());
    }
    if report.cycles {
        let words = |name: job::Name| -> Result<Vec<u64>, RunnerError> {
            let bytes = read(name)?;
            Ok(bytes.as_chunks().0.iter().map(|word| u64::from(u32::from_le_bytes(*word))).collect())
        };
        cycles = words(job::cycles_name(n))?;
        call_cycles = if report.calls == 0 { Vec::new() } else { words(job::call_cycles_name(n))? };
        if cycles.len() != report.runs as usize || call_cycles.len() != report.calls as usize {
            return Err(bad());
        }
    }
    let by_step = |counts: &[u64]| {
        let mut sums = Vec::new();
        for (&number, count) in numbers.iter().zip(counts) {
            let step = usize::from(u16::from_le_bytes(number));
            sums.resize(sums.len().max(step + 1), 0);
            sums[step] += count;
        }
        sums
    };
    Ok(Report {
        outputs: (0..report.outputs).map(|i| read(job::output_name(n, i))).collect::<Result<_, _>>()?,
        instructions,
        steps: by_step(&calls),
        cycles,
        step_cycles: by_step(&call_cycles),
        cycles_measured: report.cycles,
        arena_bytes: report.arena_bytes,
        stack_bytes: report.stack_bytes,
        table: String::from(report.table),
        digest: report.digest.map(String::from),
        tensors: (0..report.tensors).map(|i| read(job::step_name(n, i))).collect::<Result<_, _>>()?,
    })
}
