//! One job: artifact and inputs from files, runs, outputs to files.

use crate::digest;
use core::{fmt, str};
use tanbo::{Engine, Model, Observer, Slot};
use tanbo_emulated::{
    count::{counted, tanbo_count_begin, tanbo_count_end},
    cycles::Cycles,
    files::{self, FileError, Sink, Source},
    job,
    ram::ALIGN,
    stack::Stack,
};

/// Most inputs, and most outputs, of a model that runs over a stream.
const MOST_PORTS: usize = 8;

/// Steps that stay decoded.
const SLOTS: usize = if tanbo_emulated::SMALL_RAM { 0 } else { 64 };

/// What came of a job, as far as it went.
#[derive(Clone, Debug, Default)]
pub struct JobReport {
    /// Runs begun and ended.
    pub runs: u32,
    /// Calls of steps that were counted by themselves.
    pub calls: u32,
    /// Whether the core counted the cycles of these.
    pub cycles: bool,
    /// Output files written.
    pub outputs: usize,
    /// Files of steps written.
    pub tensors: usize,
    /// Arena that the artifact asks for, bytes.
    pub arena_bytes: usize,
    /// Deepest stack of `run`, bytes.
    pub stack_bytes: usize,
    /// Kernel table.
    pub table: &'static str,
    /// Digest over every intermediate tensor.
    pub digest: Option<[u8; 8]>,
}

/// Why a job was refused.
#[derive(Clone, Debug)]
pub enum Refused {
    /// A file of the job.
    File(job::Name, FileError),
    /// The wish is malformed.
    Wish,
    /// The artifact.
    Model(tanbo::FormatError),
    /// The arena does not fit behind the artifact.
    Arena {
        /// Bytes it needs.
        needed: usize,
        /// Bytes there are.
        free: usize,
    },
    /// The first input, which comes row by row, does not fit behind the arena.
    Input {
        /// Bytes it has.
        needed: usize,
        /// Bytes there are.
        free: usize,
    },
    /// The engine.
    Engine(tanbo::EngineError),
    /// The host gave another number of inputs.
    Inputs {
        /// What the host gave.
        given: usize,
        /// What the model takes.
        expected: usize,
    },
    /// An input file has another length.
    InputLength {
        /// Which input.
        input: usize,
        /// What the host gave, bytes.
        given: usize,
        /// What the model takes, bytes.
        expected: usize,
    },
    /// A stream of a model of too many inputs or outputs.
    Ports,
    /// The tensors of chains of several steps, which are never whole.
    Chains,
    /// `run` used up the stack.
    Stack {
        /// Its size, bytes.
        available: usize,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name, error) => write!(f, "{name}: {error}"),
            Self::Wish => f.write_str("malformed job.txt"),
            Self::Model(error) => write!(f, "artifact: {error}"),
            Self::Arena { needed, free } => {
                write!(f, "the arena needs {needed} bytes, {free} are free beside the artifact")
            }
            Self::Input { needed, free } => {
                write!(f, "the first input has {needed} bytes, {free} are free beside artifact and arena")
            }
            Self::Engine(error) => write!(f, "engine: {error}"),
            Self::Inputs { given, expected } => write!(f, "{given} inputs, but the model takes {expected}"),
            Self::InputLength { input, given, expected } => {
                write!(f, "input {input}: {given} bytes, but the model takes {expected}")
            }
            Self::Ports => write!(f, "a stream has at most {MOST_PORTS} inputs and as many outputs"),
            Self::Chains => f.write_str("steps in rings of rows have no whole tensors: compile with --whole-tensors"),
            Self::Stack { available } => write!(f, "the stack of {available} bytes ran out"),
        }
    }
}

impl From<tanbo::EngineError> for Refused {
    fn from(error: tanbo::EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Does job `n` in `ram`, with the kernels of the artifact's family; fills `report` as it goes.
///
/// # Errors
/// [`Refused`]: whatever the host sent, this is the answer; nothing panics.
pub fn run(n: usize, ram: &mut [u8], stack: &Stack, report: &mut JobReport) -> Result<(), Refused> {
    let wish = {
        let name = job::wish_name(n);
        let mut text = [0u8; 96];
        let len = files::read(&name, &mut text).map_err(|error| Refused::File(name, error))?;
        text.get(..len).and_then(|text| str::from_utf8(text).ok()).and_then(job::Wish::parse).ok_or(Refused::Wish)?
    };
    let name = job::artifact_name(n);
    let len = files::read(&name, ram).map_err(|error| Refused::File(name, error))?;
    // The artifact lies where it is read, as it would in flash; the arena follows.
    let (artifact, rest) = ram.split_at_mut_checked(len.next_multiple_of(ALIGN)).unwrap_or_default();
    let model = Model::parse(artifact.get(..len).unwrap_or_default()).map_err(Refused::Model)?;
    // Any artifact may come: every operator is linked.
    let ops = tanbo::table_or_reference(model.family());
    report.table = ops.table_name();
    report.arena_bytes = model.arena_bytes();
    let free = rest.len();
    let (arena, rest) =
        rest.split_at_mut_checked(report.arena_bytes).ok_or(Refused::Arena { needed: report.arena_bytes, free })?;
    let mut slots = [Slot::EMPTY; SLOTS];
    let mut cycles = CycleFile::create(job::cycles_name(n))?;
    report.cycles = cycles.is_some();
    let mut counter = StepCounter::default();
    let mut engine = Engine::new(&model, ops, arena)?;
    if cfg!(target_os = "none") {
        engine.set_cache(&mut slots);
    }
    // An input that comes row by row is not in the arena.
    let outside = if engine.takes_rows() { input_bytes(&engine)? } else { 0 };
    let free = rest.len();
    let outside = rest.get_mut(..outside).ok_or(Refused::Input { needed: outside, free })?;
    let expected = model.inputs().len();
    if wish.inputs != expected {
        return Err(Refused::Inputs { given: wish.inputs, expected });
    }

    if wish.stream {
        stream(n, &mut engine, wish.runs, outside, stack, &mut cycles, report)?;
    } else {
        for _ in 0..wish.runs {
            // Every run answers the same: no state is kept from the one before.
            engine.reset();
            load_inputs(n, &mut engine, outside)?;
            run_once(&mut engine, outside, stack, &mut cycles, report)?;
        }
        for i in 0..model.outputs().len() {
            let name = job::output_name(n, i);
            files::write(&name, engine.output_bytes(i)?).map_err(|error| Refused::File(name, error))?;
        }
    }
    report.outputs = model.outputs().len();
    if wish.digest {
        engine.reset();
        load_inputs(n, &mut engine, outside)?;
        report.digest = Some(digest(&mut engine)?);
    }
    if wish.tensors {
        engine.reset();
        load_inputs(n, &mut engine, outside)?;
        write_tensors(n, &mut engine, report)?;
    }
    // Last, for what observes the engine has it from here on.
    if wish.steps {
        engine.reset();
        load_inputs(n, &mut engine, outside)?;
        let name = job::calls_name(n);
        counter.calls = Some(Sink::create(&name).map_err(|error| Refused::File(name, error))?);
        counter.cycles = CycleFile::create(job::call_cycles_name(n))?;
        counter.job = n;
        engine.set_observer(&mut counter);
        let result = if engine.takes_rows() { engine.run_with(outside) } else { engine.run() };
        report.calls = counter.count;
        result?;
        counter.written?;
    }
    Ok(())
}

/// Runs once, counting; `outside` is a first input that comes row by row.
fn run_once(
    engine: &mut Engine<'_, '_>,
    outside: &[u8],
    stack: &Stack,
    cycles: &mut Option<CycleFile>,
    report: &mut JobReport,
) -> Result<(), Refused> {
    let by_rows = engine.takes_rows();
    let (result, used) = stack
        .measure(|| {
            begin(cycles);
            let result = counted(|| if by_rows { engine.run_with(outside) } else { engine.run() });
            end(cycles);
            result
        })
        .map_err(|overflow| Refused::Stack { available: overflow.available })?;
    if let Some(cycles) = cycles {
        cycles.put()?;
    }
    report.runs += 1;
    report.stack_bytes = report.stack_bytes.max(used);
    Ok(result?)
}

/// Runs over a stream: each run takes the next part of the input files and appends to the output files.
fn stream(
    n: usize,
    engine: &mut Engine<'_, '_>,
    runs: u32,
    outside: &mut [u8],
    stack: &Stack,
    cycles: &mut Option<CycleFile>,
    report: &mut JobReport,
) -> Result<(), Refused> {
    let (inputs, outputs) = (engine.model().inputs().len(), engine.model().outputs().len());
    let mut sources = heapless::Vec::<Source, MOST_PORTS>::new();
    let mut sinks = heapless::Vec::<Sink, MOST_PORTS>::new();
    for input in 0..inputs {
        let name = job::input_name(n, input);
        let source = Source::open(&name).map_err(|error| Refused::File(name, error))?;
        sources.push(source).map_err(|_| Refused::Ports)?;
    }
    for output in 0..outputs {
        let name = job::output_name(n, output);
        let sink = Sink::create(&name).map_err(|error| Refused::File(name, error))?;
        sinks.push(sink).map_err(|_| Refused::Ports)?;
    }
    engine.reset();
    let by_rows = engine.takes_rows();
    for _ in 0..runs {
        for (input, source) in sources.iter_mut().enumerate() {
            let into = if by_rows && input == 0 { &mut *outside } else { engine.input_bytes_mut(input)? };
            source.next(into).map_err(|error| Refused::File(job::input_name(n, input), error))?;
        }
        run_once(engine, outside, stack, cycles, report)?;
        for (output, sink) in sinks.iter_mut().enumerate() {
            let from = engine.output_bytes(output)?;
            sink.put(from).map_err(|error| Refused::File(job::output_name(n, output), error))?;
        }
    }
    Ok(())
}

/// Cycles of one stretch after the other, and the file for them.
#[derive(Debug)]
struct CycleFile {
    counter: Cycles,
    name: job::Name,
    sink: Sink,
    /// When the stretch began, then its length.
    cycles: u32,
}

impl CycleFile {
    /// Makes the file if the core has a counter that counts.
    fn create(name: job::Name) -> Result<Option<Self>, Refused> {
        let Some(counter) = Cycles::start() else { return Ok(None) };
        let sink = Sink::create(&name).map_err(|error| Refused::File(name.clone(), error))?;
        Ok(Some(Self { counter, name, sink, cycles: 0 }))
    }

    fn put(&mut self) -> Result<(), Refused> {
        self.sink.put(&self.cycles.to_le_bytes()).map_err(|error| Refused::File(self.name.clone(), error))
    }
}

fn begin(cycles: &mut Option<CycleFile>) {
    if let Some(cycles) = cycles {
        cycles.cycles = cycles.counter.now();
    }
}

fn end(cycles: &mut Option<CycleFile>) {
    if let Some(cycles) = cycles {
        cycles.cycles = cycles.counter.since(cycles.cycles);
    }
}

/// Counts each call of a step, and writes down which step it was.
#[derive(Debug)]
struct StepCounter {
    job: usize,
    calls: Option<Sink>,
    cycles: Option<CycleFile>,
    count: u32,
    written: Result<(), Refused>,
}

impl Default for StepCounter {
    fn default() -> Self {
        Self { job: 0, calls: None, cycles: None, count: 0, written: Ok(()) }
    }
}

impl Observer for StepCounter {
    fn begin(&mut self, _: u16) {
        begin(&mut self.cycles);
        tanbo_count_begin();
    }

    fn end(&mut self, step: u16) {
        tanbo_count_end();
        end(&mut self.cycles);
        self.count += 1;
        if let (Some(calls), Ok(())) = (&mut self.calls, &self.written) {
            self.written =
                calls.put(&step.to_le_bytes()).map_err(|error| Refused::File(job::calls_name(self.job), error));
            if let (Some(cycles), Ok(())) = (&mut self.cycles, &self.written) {
                self.written = cycles.put();
            }
        }
    }
}

/// Writes the output tensor of each step of one inference to a file of its own: chains of one step keep them whole.
fn write_tensors(n: usize, engine: &mut Engine<'_, '_>, report: &mut JobReport) -> Result<(), Refused> {
    engine.restart();
    loop {
        let steps = engine.model().chain(engine.chain()).unwrap_or_default();
        if steps.len() != 1 {
            return Err(Refused::Chains);
        }
        let progress = engine.step(u32::MAX)?;
        let step = engine.model().step(steps.start).ok_or(tanbo::EngineError::Step(steps.start))?;
        let name = job::step_name(n, report.tensors);
        files::write(&name, engine.tensor_bytes(step.output)?).map_err(|error| Refused::File(name, error))?;
        report.tensors += 1;
        match progress {
            tanbo::Progress::Done => return Ok(()),
            tanbo::Progress::More => {}
            tanbo::Progress::Input => return Err(tanbo::EngineError::InputByRows.into()),
        }
    }
}

/// Returns the bytes of the first input.
fn input_bytes(engine: &Engine<'_, '_>) -> Result<usize, Refused> {
    let first = engine.model().inputs().first().and_then(|&number| engine.model().tensor(number));
    Ok(first.ok_or(tanbo::EngineError::NoSuchTensor)?.bytes())
}

/// Reads the input files into the arena, which every inference uses up; the first into `outside`, if it comes row by row.
fn load_inputs(n: usize, engine: &mut Engine<'_, '_>, outside: &mut [u8]) -> Result<(), Refused> {
    for input in 0..engine.model().inputs().len() {
        let name = job::input_name(n, input);
        let into = if input == 0 && engine.takes_rows() { &mut *outside } else { engine.input_bytes_mut(input)? };
        let expected = into.len();
        let given = match files::read(&name, into) {
            Ok(len) | Err(FileError::TooLong { len, .. }) => len,
            Err(error) => return Err(Refused::File(name, error)),
        };
        if given != expected {
            return Err(Refused::InputLength { input, given, expected });
        }
    }
    Ok(())
}
