//! Where a model runs: on this machine, on an emulated core, or on a chip behind a debug probe.

use tanbo::{Engine, OpSet, Progress};
use tanbo_emulated::host::{self, Job, Report, RunnerError};
use tanbo_emulated::stack::with_stack;
use tanbo_format::emit::Aligned;
use tanbo_format::{Family, Model};

use crate::engine::Arena;
use crate::error::CliError;
#[cfg(feature = "probe")]
use crate::on_chip::{OnChip, PREFIX};

/// Stack for an inference on this machine, bytes.
const STACK: usize = 1 << 20;

/// Jobs in one emulation: bounds the disk space of their files.
const JOBS: usize = 64;

/// Where a model runs.
#[derive(Clone, Debug)]
pub enum Runner {
    /// This machine, with the fastest kernels it has.
    Host,
    /// This machine, with the reference kernels.
    HostReference,
    /// An emulated core.
    Emulated(host::Runner),
    /// A chip behind a debug probe.
    #[cfg(feature = "probe")]
    Chip(OnChip),
}

/// What came of running samples.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// For each sample the artifact's bytes of every output.
    pub outputs: Vec<Vec<Vec<u8>>>,
    /// For each sample the instructions of each of its runs; empty where nothing counts them: on this machine and on a chip.
    pub instructions: Vec<Vec<u64>>,
    /// Instructions of each step of the last sample, if they were asked for.
    pub steps: Vec<u64>,
    /// Cycles of each of the last sample's runs and steps; empty where nothing tells them.
    pub cycles: [Vec<u64>; 2],
    /// Whether the core's own counter told them; otherwise they are an estimate.
    pub cycles_measured: bool,
    /// Deepest stack of the engine's `run`.
    pub stack_bytes: usize,
    /// Kernel table that ran.
    pub table: String,
}

impl Runner {
    /// Returns the runner called `name`.
    ///
    /// # Errors
    /// No such runner.
    pub fn by_name(name: &str) -> Result<Self, CliError> {
        match name {
            "host" => return Ok(Self::Host),
            "host:reference" => return Ok(Self::HostReference),
            #[cfg(feature = "probe")]
            _ if name.starts_with(PREFIX) => return OnChip::by_name(name).map(Self::Chip),
            _ => {}
        }
        let list = host::Runner::list()?;
        let mut names = vec!["host", "host:reference"];
        names.extend(list.iter().map(|runner| runner.name.as_str()));
        let reason = format!("there is no runner '{name}'");
        let remedy = format!("choose one of {}", names.join(", "));
        match list.into_iter().find(|runner| runner.name == name) {
            Some(runner) => Ok(Self::Emulated(runner)),
            None => Err(CliError::new("--runner", reason, remedy)),
        }
    }

    /// Returns the runner's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::HostReference => "host:reference",
            Self::Emulated(runner) => &runner.name,
            #[cfg(feature = "probe")]
            Self::Chip(chip) => chip.name(),
        }
    }

    /// Returns the kernel family that models are packed for.
    ///
    /// # Errors
    /// A runner table that names an unknown family.
    pub fn family(&self) -> Result<Family, CliError> {
        match self {
            Self::HostReference => Ok(Family::Portable),
            Self::Host => Ok(tanbo::best_family()),
            #[cfg(feature = "probe")]
            Self::Chip(chip) => Ok(chip.family()),
            Self::Emulated(runner) => crate::args::family(&runner.family)
                .map_err(|reason| CliError::new(format_args!("runner {}", runner.name), reason, "correct its table")),
        }
    }

    /// Returns the kernels that run `artifact` on this machine.
    ///
    /// # Errors
    /// An artifact that the verifier refuses.
    pub fn table(&self, artifact: &Aligned) -> Result<&'static OpSet, CliError> {
        let family = match self {
            Self::HostReference => Family::Portable,
            _ => parse(artifact)?.family(),
        };
        Ok(tanbo::table_or_reference(family))
    }

    /// Runs every sample `runs` times, each from the states that an inference starts with.
    ///
    /// # Errors
    /// A runner that cannot be built or started; a model that it has no room for.
    pub fn run(&self, artifact: &Aligned, samples: &[Vec<Vec<u8>>], runs: u32) -> Result<Ran, CliError> {
        self.run_counting(artifact, samples, runs, false)
    }

    /// As [`Runner::run`]; with `steps`, an emulated core also counts what each step takes.
    ///
    /// # Errors
    /// Those of [`Runner::run`].
    pub fn run_counting(
        &self,
        artifact: &Aligned,
        samples: &[Vec<Vec<u8>>],
        runs: u32,
        steps: bool,
    ) -> Result<Ran, CliError> {
        match self {
            Self::Host | Self::HostReference => on_host(artifact, self.table(artifact)?, samples, false),
            _ => {
                let mut all = Ran::default();
                for part in samples.chunks(JOBS) {
                    let job =
                        |inputs: &Vec<Vec<u8>>| Job { runs, steps, ..Job::new(artifact.to_vec(), inputs.clone()) };
                    let jobs: Vec<Job> = part.iter().map(job).collect();
                    for report in self.jobs(&jobs)? {
                        let report = report?;
                        all.outputs.push(report.outputs);
                        all.instructions.push(report.instructions);
                        all.steps = report.steps;
                        all.cycles = [report.cycles, report.step_cycles];
                        all.cycles_measured = report.cycles_measured;
                        all.stack_bytes = all.stack_bytes.max(report.stack_bytes);
                        all.table = report.table;
                    }
                }
                Ok(all)
            }
        }
    }
}

impl Runner {
    /// Runs jobs with the runner program, on a core that has one.
    fn jobs(&self, jobs: &[Job]) -> Result<Vec<Result<Report, RunnerError>>, CliError> {
        match self {
            Self::Emulated(runner) => Ok(host::run_jobs(runner, jobs)?),
            #[cfg(feature = "probe")]
            Self::Chip(chip) => chip.run(jobs),
            Self::Host | Self::HostReference => Ok(Vec::new()),
        }
    }

    fn job(&self, job: Job) -> Result<Report, CliError> {
        match self.jobs(&[job])?.pop() {
            Some(report) => Ok(report?),
            None => Err(CliError::new(format_args!("runner {}", self.name()), "no report", "report this as a bug")),
        }
    }

    /// Returns the output tensor of every step of one inference, of an artifact that keeps them whole.
    ///
    /// # Errors
    /// Those of [`Runner::run`]; steps in rings of rows.
    pub fn tensors(&self, artifact: &Aligned, inputs: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, CliError> {
        match self {
            Self::Host | Self::HostReference => {
                with_engine(artifact, self.table(artifact)?, |engine, _| tensors_of(engine, inputs))
            }
            _ => Ok(self.job(Job { runs: 1, tensors: true, ..Job::new(artifact.to_vec(), inputs.to_vec()) })?.tensors),
        }
    }

    /// Runs samples as the steps of one stream: each finds the states that the one before left.
    ///
    /// # Errors
    /// Those of [`Runner::run`].
    pub fn run_stream(&self, artifact: &Aligned, samples: &[Vec<Vec<u8>>]) -> Result<Ran, CliError> {
        match self {
            Self::Host | Self::HostReference => on_host(artifact, self.table(artifact)?, samples, true),
            _ => {
                let inputs = samples.first().map_or(0, Vec::len);
                let input = |n: usize| samples.iter().filter_map(|sample| sample.get(n)).flatten().copied().collect();
                let runs = u32::try_from(samples.len())
                    .map_err(|_| CliError::new("--input", "too many samples for one stream", "give fewer at a time"))?;
                let job = Job::new(artifact.to_vec(), (0..inputs).map(input).collect());
                let report = self.job(Job { runs, stream: true, ..job })?;
                let part = |output: &Vec<u8>, sample| {
                    let bytes = output.len() / samples.len().max(1);
                    output.get(sample * bytes..(sample + 1) * bytes).unwrap_or_default().to_vec()
                };
                let outputs = (0..samples.len()).map(|at| report.outputs.iter().map(|all| part(all, at)).collect());
                Ok(Ran {
                    outputs: outputs.collect(),
                    instructions: report.instructions.iter().map(|&count| vec![count]).collect(),
                    stack_bytes: report.stack_bytes,
                    table: report.table,
                    ..Ran::default()
                })
            }
        }
    }
}

fn parse(artifact: &Aligned) -> Result<Model<'_>, CliError> {
    Model::parse(artifact).map_err(|error| CliError::new("artifact", error, "compile the model again"))
}

/// Gives `work` an engine on this machine, with the kernels of `table`, and the means to measure its stack.
///
/// # Errors
/// An artifact or engine that is refused; what `work` returns.
pub fn with_engine<R: Send>(
    artifact: &Aligned,
    table: &'static OpSet,
    work: impl FnOnce(&mut Engine<'_, '_>, &tanbo_emulated::stack::Stack) -> Result<R, CliError> + Send,
) -> Result<R, CliError> {
    let model = parse(artifact)?;
    let mut arena = Arena::of(&model)?;
    let result = with_stack(STACK, |stack| {
        let mut engine = Engine::new(&model, table, arena.get()).map_err(refused)?;
        work(&mut engine, &stack)
    });
    result.unwrap_or_else(|| Err(CliError::new("host", "the inference thread ended early", "report this as a bug")))
}

/// Writes a sample into the engine's inputs, but for one that comes row by row.
///
/// # Errors
/// Inputs of another length, which bindings do not give.
pub fn load(engine: &mut Engine<'_, '_>, inputs: &[Vec<u8>]) -> Result<(), CliError> {
    for (index, input) in inputs.iter().enumerate().skip(usize::from(engine.takes_rows())) {
        let place = engine.input_bytes_mut(index).map_err(refused)?;
        if place.len() != input.len() {
            let reason = format_args!("{} bytes for an input of {}", input.len(), place.len());
            return Err(CliError::new(format_args!("input {index}"), reason, "give an array of its shape and type"));
        }
        place.copy_from_slice(input);
    }
    Ok(())
}

/// Runs one inference over a sample that is loaded.
///
/// # Errors
/// Those of the engine.
pub fn infer(engine: &mut Engine<'_, '_>, inputs: &[Vec<u8>]) -> Result<(), tanbo::EngineError> {
    match inputs.first() {
        Some(first) if engine.takes_rows() => engine.run_with(first),
        _ => engine.run(),
    }
}

/// Returns an engine's refusal as an error.
pub fn refused(error: tanbo::EngineError) -> CliError {
    CliError::new("engine", error, "compile the model again")
}

fn on_host(artifact: &Aligned, table: &'static OpSet, samples: &[Vec<Vec<u8>>], stream: bool) -> Result<Ran, CliError> {
    with_engine(artifact, table, |engine, stack| {
        let mut ran = Ran { table: engine.table_name().into(), ..Ran::default() };
        for inputs in samples {
            if !stream {
                engine.reset();
            }
            load(engine, inputs)?;
            if ran.outputs.is_empty() {
                let overflow = |_| CliError::new("host", "the inference used up its stack", "report this as a bug");
                let (result, used) = stack.measure(|| infer(engine, inputs)).map_err(overflow)?;
                result.map_err(refused)?;
                ran.stack_bytes = used;
            } else {
                infer(engine, inputs).map_err(refused)?;
            }
            let outputs = (0..engine.model().outputs().len())
                .map(|index| engine.output_bytes(index).map(<[u8]>::to_vec).map_err(refused))
                .collect::<Result<_, _>>()?;
            ran.outputs.push(outputs);
        }
        Ok(ran)
    })
}

/// Runs one inference chain by chain; the output tensor of each step.
fn tensors_of(engine: &mut Engine<'_, '_>, inputs: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, CliError> {
    load(engine, inputs)?;
    let mut tensors = Vec::new();
    loop {
        let steps = engine.model().chain(engine.chain()).unwrap_or_default();
        if steps.len() != 1 || engine.takes_rows() {
            let reason = "steps in rings of rows have no whole tensors";
            return Err(CliError::new("artifact", reason, "give the .onnx or .tflite model it was made of"));
        }
        let progress = engine.step(u32::MAX).map_err(refused)?;
        let output = engine.model().step(steps.start).map(|step| step.output);
        let output = output.ok_or(tanbo::EngineError::Step(steps.start)).map_err(refused)?;
        tensors.push(engine.tensor_bytes(output).map_err(refused)?.to_vec());
        if progress == Progress::Done {
            return Ok(tensors);
        }
    }
}

/// Runs samples with the reference kernels on this machine.
///
/// # Errors
/// Those of [`Runner::run`].
pub fn reference(artifact: &Aligned, samples: &[Vec<Vec<u8>>]) -> Result<Ran, CliError> {
    Runner::HostReference.run(artifact, samples, 1)
}
