//! Runs the cases of a pack with one kernel table.

use core::fmt;

use crc::{CRC_64_XZ, Crc, Digest};
use tanbo::{Engine, EngineError, FormatError, Model, OpSet, Progress, Storage};

use crate::pack::{Case, Pack, PackError};

/// CRC-64/XZ (ECMA-182, reflected).
static CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// What a suite run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Cases run.
    pub cases: u32,
    /// Cases that failed.
    pub failed: u32,
    /// CRC-64/XZ of all tensors that steps wrote, case by case, step by step.
    pub digest: u64,
}

/// A case that failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Kernel table.
    pub table: &'a str,
    /// Case; empty where the pack itself is damaged.
    pub case: &'a str,
    /// How it failed.
    pub kind: FailureKind,
}

/// How a case failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The pack is damaged.
    Pack(PackError),
    /// The verifier refuses the artifact.
    Format(FormatError),
    /// The engine refuses the artifact, or a step.
    Engine(EngineError),
    /// The case's inputs or expected bytes are not as long as the artifact's tensors.
    Length,
    /// A step wrote something else.
    Tensor {
        /// Step.
        step: u16,
        /// First byte that differs.
        at: usize,
        /// What it should be.
        expected: u8,
        /// What it is.
        got: u8,
    },
    /// `run` left another result in a step's tensor than `step` did, or another one after a reset.
    Run {
        /// Step.
        step: u16,
    },
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, case, kind } = self;
        write!(f, "{table}: {case}: ")?;
        match kind {
            FailureKind::Pack(error) => write!(f, "{error}"),
            FailureKind::Format(error) => write!(f, "{error}"),
            FailureKind::Engine(error) => write!(f, "{error}"),
            FailureKind::Length => f.write_str("inputs or expected bytes are not as long as the tensors"),
            FailureKind::Tensor { step, at, expected, got } => {
                write!(f, "step {step}, byte {at}: {got:#04x}, expected {expected:#04x}")
            }
            FailureKind::Run { step } => write!(f, "step {step}: run() gives another result than step()"),
        }
    }
}

impl From<FormatError> for FailureKind {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl From<EngineError> for FailureKind {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Rows per call of `Engine::step`, in turn: a step must give the same bits in whatever portions it runs.
const BUDGETS: [u32; 4] = [1, u32::MAX, 2, 3];
/// What the arena holds before a run, in turn: nothing may depend on it.
const PATTERNS: [u8; 2] = [0xa5, 0x5a];

/// Runs every case with the kernels of `table`, and reports each failure.
///
/// `arena` begins at a 16-byte boundary and is as large as the largest case asks; each case gets exactly its own size.
pub fn run(pack: &Pack<'_>, table: &'static OpSet, arena: &mut [u8], report: &mut dyn FnMut(&Failure<'_>)) -> Summary {
    let mut summary = Summary { cases: 0, failed: 0, digest: 0 };
    let mut digest = CRC.digest();
    for (case, budget) in pack.cases().zip(BUDGETS.into_iter().cycle()) {
        let (name, result) = match case {
            Ok(case) => (case.name, run_case(&case, table, budget, arena, &mut digest)),
            Err(error) => ("", Err(FailureKind::Pack(error))),
        };
        summary.cases += 1;
        if let Err(kind) = result {
            summary.failed += 1;
            report(&Failure { table: table.table_name(), case: name, kind });
        }
    }
    summary.digest = digest.finalize();
    summary
}

/// Runs a case in portions and compares every tensor after its chain; then runs it again in one go, and once more after a
/// reset. A case has as many runs in a row as it has inputs for.
fn run_case(
    case: &Case<'_>,
    table: &'static OpSet,
    budget: u32,
    arena: &mut [u8],
    digest: &mut Digest<'_, u64>,
) -> Result<(), FailureKind> {
    let model = table.parse(case.artifact)?;
    let needed = model.arena_bytes();
    let given = arena.len();
    let arena = arena.get_mut(..needed).ok_or(EngineError::ArenaTooSmall { needed, given })?;

    arena.fill(PATTERNS[0]);
    let mut engine = Engine::new(&model, table, arena)?;
    let mut expected = case.expected;
    let mut first_difference = Ok(());
    for inputs in runs(&model, case)? {
        set_inputs(&mut engine, inputs)?;
        let mut progress = Progress::More;
        while progress == Progress::More {
            let chain = engine.chain();
            progress = engine.step(budget)?;
            if progress == Progress::More && engine.chain() == chain {
                continue;
            }
            for step in model.chain(chain).ok_or(FailureKind::Length)? {
                let Some(got) = whole_output(&engine, step)? else { continue };
                digest.update(got);
                let (wanted, rest) = expected.split_at_checked(got.len()).ok_or(FailureKind::Length)?;
                expected = rest;
                // The first difference is the one that explains; the rest still counts for the digest.
                first_difference = first_difference.and(compare(step, got, wanted));
            }
        }
    }
    if !expected.is_empty() {
        return Err(FailureKind::Length);
    }
    first_difference?;

    arena.fill(PATTERNS[1]);
    let mut engine = Engine::new(&model, table, arena)?;
    for _ in 0..2 {
        engine.reset();
        let mut expected = case.expected;
        for inputs in runs(&model, case)? {
            set_inputs(&mut engine, inputs)?;
            engine.run()?;
            for step in 0..model.step_count() as u16 {
                let Some(got) = whole_output(&engine, step)? else { continue };
                let (wanted, rest) = expected.split_at_checked(got.len()).ok_or(FailureKind::Length)?;
                expected = rest;
                compare(step, got, wanted).map_err(|_| FailureKind::Run { step })?;
            }
        }
    }
    Ok(())
}

/// The inputs' bytes of each run.
fn runs<'c>(model: &Model<'_>, case: &Case<'c>) -> Result<core::slice::ChunksExact<'c, u8>, FailureKind> {
    let bytes = run_bytes(model);
    if bytes == 0 || case.inputs.is_empty() || !case.inputs.len().is_multiple_of(bytes) {
        return Err(FailureKind::Length);
    }
    Ok(case.inputs.chunks_exact(bytes))
}

/// Returns the bytes of all inputs of one run.
pub(crate) fn run_bytes(model: &Model<'_>) -> usize {
    model.inputs().iter().filter_map(|&input| model.tensor(input)).map(|tensor| tensor.bytes()).sum()
}

/// Writes the inputs of a run, one after the other in `bytes`.
pub(crate) fn set_inputs(engine: &mut Engine<'_, '_>, mut bytes: &[u8]) -> Result<(), FailureKind> {
    for index in 0..engine.model().inputs().len() {
        let input = engine.input_bytes_mut(index)?;
        let (own, rest) = bytes.split_at_checked(input.len()).ok_or(FailureKind::Length)?;
        input.copy_from_slice(own);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(()) } else { Err(FailureKind::Length) }
}

/// The tensor that a step wrote; `None` for a ring, which holds only its last rows.
fn whole_output<'e>(engine: &'e Engine<'_, '_>, step: u16) -> Result<Option<&'e [u8]>, FailureKind> {
    let model = engine.model();
    let number = model.step(step).ok_or(FailureKind::Length)?.output;
    let tensor = model.tensor(number).ok_or(FailureKind::Length)?;
    if let Some(Storage::Arena { ring_rows: 1.., .. }) = model.storage(tensor.storage) {
        return Ok(None);
    }
    Ok(Some(engine.tensor_bytes(number)?))
}

fn compare(step: u16, got: &[u8], wanted: &[u8]) -> Result<(), FailureKind> {
    match got.iter().zip(wanted).position(|(got, wanted)| got != wanted) {
        None => Ok(()),
        Some(at) => {
            let byte = |bytes: &[u8]| bytes.get(at).copied().unwrap_or_default();
            Err(FailureKind::Tensor { step, at, expected: byte(wanted), got: byte(got) })
        }
    }
}
