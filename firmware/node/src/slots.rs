//! What a model slot must hold before anything of it is run.

use core::{fmt, mem::offset_of};

use tanbo::{EitherPlan, EngineError, Family, FormatError, Model, Op, OpSet};
use tanbo_format::OP_TABLE_LEN;
use tanbo_format::record::Header;
use tanbo_pipeline::{Pipeline, Rate};
use tanbo_release::{Name, PublicKey, Release, ReleaseError, SelfTestError, stated_bytes, stated_operators, verify};

/// What this node takes.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'k> {
    /// What the model is for.
    pub name: Name,
    /// Keys that were provisioned.
    pub keys: &'k [PublicKey],
    /// Version of the model inside the firmware: none below it is taken.
    pub least_version: u32,
    /// Kernel family of this core; portable artifacts are taken too.
    pub family: Family,
    /// Operators that are linked.
    pub operators: &'static OpSet,
    /// Length of the arena, bytes.
    pub arena_bytes: usize,
    /// Rate of the sensor, which a model's front end must be able to take.
    pub rate: Rate,
}

/// Why a model is not taken. None of these leaves a trace but in the fault log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Hash, signature, or what was signed.
    Release(ReleaseError),
    /// A model for something else.
    OtherName(Name),
    /// Not above the version that was committed last, or below the firmware's.
    Older {
        /// Its version.
        version: u32,
        /// The least that would be taken.
        least: u32,
    },
    /// It was tried as often as a version may be: release a higher one.
    GivenUp {
        /// Its version.
        version: u32,
    },
    /// The verifier.
    Format(FormatError),
    /// It has an operator that is not linked.
    Operator(Op),
    /// Packed for another core.
    Family(Family),
    /// It needs a larger arena.
    Arena {
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that there are.
        room: usize,
    },
    /// Packed in a way that is not linked, or for kernels that this core has not.
    Engine(EngineError),
    /// No front end, or one that does not fit the sensor or the model.
    FrontEnd,
    /// It computes something else here than where it was signed.
    SelfTest(SelfTestError),
    /// Longer than a slot.
    TooLong {
        /// Its length, bytes.
        bytes: usize,
        /// A slot's, bytes.
        room: usize,
    },
    /// A part came that does not follow the one before.
    Gap {
        /// Where it was to go on.
        expected: usize,
        /// Where the part begins.
        at: usize,
    },
    /// Not all of it came.
    Truncated {
        /// Bytes that came.
        received: usize,
        /// Its length, bytes.
        bytes: usize,
    },
    /// The memory does not hold what was written: it was not erased, or is worn out.
    Memory {
        /// First byte of the part.
        at: usize,
    },
    /// A trial is going on, or nothing is being received.
    NotNow,
}

/// Numbers of refusals from here on name an operator by its own number.
const OPERATORS: u8 = 64;
const _: () = assert!(OP_TABLE_LEN <= OPERATORS as usize);

impl Refusal {
    /// Returns the number that frames and the fault log have; 0 stands for none. A number is never given a second meaning.
    pub fn code(self) -> u8 {
        match self {
            Self::Release(error) => error.code(),
            Self::OtherName(_) => 16,
            Self::Older { .. } => 17,
            Self::GivenUp { .. } => 18,
            Self::Format(_) => 19,
            Self::Family(_) => 20,
            Self::Arena { .. } => 21,
            Self::Engine(_) => 22,
            Self::FrontEnd => 23,
            Self::SelfTest(_) => 24,
            Self::TooLong { .. } => 25,
            Self::Gap { .. } => 26,
            Self::Truncated { .. } => 27,
            Self::Memory { .. } => 28,
            Self::NotNow => 29,
            // 64 to 127.
            Self::Operator(op) => OPERATORS | op as u8,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(error) => error.fmt(f),
            Self::OtherName(name) => write!(f, "a model for {name}"),
            Self::Older { version, least } => write!(f, "version {version}; {least} is the least that is taken"),
            Self::GivenUp { version } => write!(f, "version {version} was tried too often: release a higher one"),
            Self::Format(error) => error.fmt(f),
            Self::Operator(op) => write!(f, "the operator {}, which this firmware has not", op.name()),
            Self::Family(family) => write!(f, "packed for {}, which is another core", family.name()),
            Self::Arena { needed, room } => write!(f, "an arena of {needed} bytes; there are {room}"),
            Self::Engine(error) => error.fmt(f),
            Self::FrontEnd => f.write_str("a front end for another sensor or rate"),
            Self::SelfTest(error) => error.fmt(f),
            Self::TooLong { bytes, room } => write!(f, "{bytes} bytes for a slot of {room}"),
            Self::Gap { expected, at } => write!(f, "a part at byte {at} where byte {expected} was to come"),
            Self::Truncated { received, bytes } => write!(f, "{received} of {bytes} bytes came"),
            Self::Memory { at } => write!(f, "the slot does not hold what was written at byte {at}"),
            Self::NotNow => f.write_str("a trial is going on, or nothing is being received"),
        }
    }
}

impl core::error::Error for Refusal {}

/// Returns the model that a slot holds and what was signed with it, if it is one that this node can run. Its version is not looked at.
///
/// # Errors
/// [`Refusal`]: the first thing that is wrong.
pub fn examine<'a>(slot: &'a [u8], demands: &Demands<'_>) -> Result<(Model<'a>, Release), Refusal> {
    let bytes = stated_bytes(slot).ok_or(Refusal::Release(ReleaseError::NoArtifact))?;
    let artifact = slot.get(..bytes).ok_or(Refusal::TooLong { bytes, room: slot.len() })?;
    // Nothing but hash and signature touches bytes of which nobody knows where they are from.
    let release = verify(artifact, demands.keys).map_err(Refusal::Release)?;
    if release.name != demands.name {
        return Err(Refusal::OtherName(release.name));
    }
    // Before the verifier, which of another core's packing can only say that it does not know it.
    let family = artifact.get(offset_of!(Header, family)).copied().and_then(Family::from_code);
    match family {
        Some(family) if ![Family::Portable, demands.family].contains(&family) => return Err(Refusal::Family(family)),
        _ => {}
    }
    if let Some(op) = stated_operators(artifact).and_then(|operators| demands.operators.missing(operators)) {
        return Err(Refusal::Operator(op));
    }
    let model = demands.operators.parse(artifact).map_err(Refusal::Format)?;
    let (needed, room) = (model.arena_bytes(), demands.arena_bytes);
    if needed > room {
        return Err(Refusal::Arena { needed, room });
    }
    let plan = EitherPlan::parsed(&model, demands.operators);
    Pipeline::check(&plan, demands.rate).map_err(|_| Refusal::FrontEnd)?;
    Ok((model, release))
}
