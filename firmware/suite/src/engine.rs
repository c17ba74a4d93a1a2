//! The engine on the board's core.

use core::fmt;

use static_cell::ConstStaticCell;
use tanbo::{Arena, Engine, EngineError, FormatError, Model};
use tanbo_conformance::pack::{Pack, PackError};
use tanbo_conformance::suite;
use tanbo_release::{Golden, SelfTestError};

include!(concat!(env!("OUT_DIR"), "/goldens.rs"));

static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());

/// Why a test fails.
#[derive(Debug)]
pub enum Failure {
    /// A second test in one start.
    Twice,
    /// A model of the zoo is refused.
    Format(&'static str, FormatError),
    /// It cannot run.
    Engine(&'static str, EngineError),
    /// It computes something else in the kernels of that name.
    Model(&'static str, &'static str, SelfTestError),
    /// The cases are damaged.
    Pack(PackError),
    /// The tables do not agree.
    Digest(&'static str),
    /// Nothing was tested.
    Nothing,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice => f.write_str("one test in each start: the arena is in use"),
            Self::Format(model, error) => write!(f, "{model}: {error}"),
            Self::Engine(model, error) => write!(f, "{model}: {error}"),
            Self::Model(model, table, error) => write!(f, "{model} in the kernels {table}: {error}"),
            Self::Pack(error) => error.fmt(f),
            Self::Digest(table) => write!(f, "the kernels {table} compute other tensors than the reference"),
            Self::Nothing => f.write_str("there is nothing to test"),
        }
    }
}

/// Runs every model of the zoo in every kernel table that this core has: outputs must be those of the machine that built the test.
///
/// # Errors
/// [`Failure`]: the first difference.
pub fn models() -> Result<(), Failure> {
    let arena = ARENA.try_take().ok_or(Failure::Twice)?;
    for ((name, artifact), golden) in tanbo_zoo::ALL.iter().zip(&GOLDENS) {
        let model = Model::parse(artifact).map_err(|error| Failure::Format(name, error))?;
        for table in tanbo_conformance::tables() {
            let mut engine =
                Engine::new(&model, table, arena.as_mut()).map_err(|error| Failure::Engine(name, error))?;
            golden.test(&mut engine).map_err(|error| Failure::Model(name, table.table_name(), error))?;
        }
    }
    Ok(())
}

/// Runs the small cases of the conformance suite, whose tensors an independent oracle computed, in every kernel table that this core has.
///
/// # Errors
/// [`Failure`] where the tables differ or there are no cases.
///
/// # Panics
/// At the first case with another result, with what it is.
pub fn kernels() -> Result<(), Failure> {
    let arena = ARENA.try_take().ok_or(Failure::Twice)?;
    let pack = Pack::parse(tanbo_conformance::SMALL).map_err(Failure::Pack)?;
    let mut first = None;
    for table in tanbo_conformance::tables() {
        let summary = suite::run(&pack, table, arena.as_mut(), &mut |failure| panic!("{failure}"));
        if summary.cases == 0 {
            return Err(Failure::Nothing);
        }
        if *first.get_or_insert(summary) != summary {
            return Err(Failure::Digest(table.table_name()));
        }
    }
    first.map_or(Err(Failure::Nothing), |_| Ok(()))
}
