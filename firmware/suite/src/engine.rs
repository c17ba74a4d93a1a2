//! The engine on the board's core, with the kernels that firmware has there. What an independent oracle computed is what must come out, so that
//! the reference kernels are not needed. Other operators and lengths are `cargo xtask conformance`'s, on an emulated core of the same kind:
//! boards of 256 KB have no room for all.

use core::fmt;

use static_cell::ConstStaticCell;
use tanbo::{Aligned, Arena, Engine, EngineError, Family, FormatError, OpSet};
use tanbo_conformance::pack::{Pack, PackError};
use tanbo_conformance::suite;
use tanbo_release::{Golden, SelfTestError};

/// A file that the build made, at a boundary that suits artifacts.
macro_rules! included {
    ($file:literal) => {
        &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $file))).0
    };
}

include!(concat!(env!("OUT_DIR"), "/subjects.rs"));

static CASES: &[u8] = included!("cases.bin");
static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());

/// A model with what it must compute.
struct Subject {
    name: &'static str,
    artifact: &'static [u8],
    golden: Golden,
}

/// Why a test fails.
#[derive(Debug)]
pub enum Failure {
    /// A second test in one start.
    Twice,
    /// A model of the zoo is refused.
    Format(&'static str, FormatError),
    /// It cannot run.
    Engine(&'static str, EngineError),
    /// It computes something else.
    Model(&'static str, SelfTestError),
    /// The cases are damaged.
    Pack(PackError),
    /// The core does not run the kernels of its target.
    Kernels,
    /// Nothing was tested.
    Nothing,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice => f.write_str("one test in each start: the arena is in use"),
            Self::Format(model, error) => write!(f, "{model}: {error}"),
            Self::Engine(model, error) => write!(f, "{model}: {error}"),
            Self::Model(model, error) => write!(f, "{model}: {error}"),
            Self::Pack(error) => error.fmt(f),
            Self::Kernels => write!(f, "the core has no kernels of the family {}", FAMILY.name()),
            Self::Nothing => f.write_str("there is nothing to test"),
        }
    }
}

fn kernel_table() -> Result<&'static OpSet, Failure> {
    tanbo::table_of::<OPERATORS, PACKED_OPERATORS>(FAMILY).ok_or(Failure::Kernels)
}

/// Runs every model of the zoo: outputs must be those of the machine that built the test.
///
/// # Errors
/// [`Failure`]: the first difference.
pub fn models() -> Result<(), Failure> {
    let (arena, table) = (ARENA.try_take().ok_or(Failure::Twice)?, kernel_table()?);
    for Subject { name, artifact, golden } in MODELS {
        let model = table.parse(artifact).map_err(|error| Failure::Format(name, error))?;
        let mut engine = Engine::new(&model, table, arena.as_mut()).map_err(|error| Failure::Engine(name, error))?;
        golden.test(&mut engine).map_err(|error| Failure::Model(name, error))?;
    }
    if MODELS.is_empty() { Err(Failure::Nothing) } else { Ok(()) }
}

/// Runs small cases of the conformance suite, whose tensors an independent oracle computed.
///
/// # Errors
/// [`Failure`] where there are no cases.
///
/// # Panics
/// At the first case with another result, with what it is.
pub fn kernels() -> Result<(), Failure> {
    let (arena, table) = (ARENA.try_take().ok_or(Failure::Twice)?, kernel_table()?);
    let pack = Pack::parse(CASES).map_err(Failure::Pack)?;
    let summary = suite::run(&pack, table, arena.as_mut(), &mut |failure| panic!("{failure}"));
    if summary.cases == 0 { Err(Failure::Nothing) } else { Ok(()) }
}
