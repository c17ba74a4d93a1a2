//! What the journal of an inference takes on this core beside its memory's time: instructions, bytes, writes.
//!
//! `model.tnb` is run with checkpoints after more and more units of work, in a memory that is RAM. `cargo xtask journal` starts it and
//! reads its lines, and the instructions between its markers.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use core::convert::Infallible;
use core::fmt;

use embassy_futures::block_on;
use tanbo::{Engine, EngineError, FormatError, Lifetime, Lifetimes, Model, Progress};
use tanbo_emulated::count::counted;
use tanbo_emulated::files::FileError;
use tanbo_emulated::{files, println, ram};
use tanbo_journal::{Journal, JournalError, Memory};
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_emulated::entry!(start);

/// Bytes written at once.
const BUFFER: usize = 512;
/// Units of work between checkpoints.
const EVERY: [u32; 4] = [1, 4, 16, 64];
/// Storages and steps of a model, at most.
const STORAGES: usize = 160;
const STEPS: usize = 160;
/// Room for the artifact's bytes begins at whole multiples of this.
const ALIGN: usize = 16;

/// RAM as a memory that counts.
struct Counting<'c> {
    bytes: &'c mut [u8],
    written: &'c Cell<u32>,
    writes: &'c Cell<u32>,
}

impl Memory for Counting<'_> {
    type Error = Infallible;

    fn page(&self) -> u32 {
        1
    }

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Infallible> {
        let from = self.bytes.get(at as usize..).unwrap_or_default();
        into.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
        Ok(())
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Infallible> {
        let to = self.bytes.get_mut(at as usize..).unwrap_or_default();
        to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        self.written.set(self.written.get() + bytes.len() as u32);
        self.writes.set(self.writes.get() + 1);
        Ok(())
    }
}

/// Why there are no costs.
#[derive(Debug)]
enum Failed {
    File(FileError),
    Format(FormatError),
    Engine(EngineError),
    Journal(JournalError<Infallible>),
    Room,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "model.tnb: {error}"),
            Self::Format(error) => write!(f, "model.tnb: {error}"),
            Self::Engine(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
            Self::Room => f.write_str("not enough RAM for artifact, arena and journal"),
        }
    }
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<JournalError<Infallible>> for Failed {
    fn from(error: JournalError<Infallible>) -> Self {
        Self::Journal(error)
    }
}

fn start() -> u8 {
    match costs() {
        Ok(()) => 0,
        Err(error) => {
            println!("{}", error);
            2
        }
    }
}

fn costs() -> Result<(), Failed> {
    let ram = ram::take().ok_or(Failed::Room)?;
    let len = files::read("model.tnb", ram).map_err(Failed::File)?;
    let (artifact, ram) = ram.split_at_mut_checked(len.next_multiple_of(ALIGN)).ok_or(Failed::Room)?;
    let model = Model::parse(artifact.get(..len).unwrap_or_default()).map_err(Failed::Format)?;
    let ops = tanbo::table_or_reference(model.family());
    let arena_bytes = model.arena_bytes().next_multiple_of(ALIGN);
    let (arena, ram) = ram.split_at_mut_checked(arena_bytes).ok_or(Failed::Room)?;
    let (mut storages, mut scratch) = ([Lifetime::EMPTY; STORAGES], [0; STEPS]);
    let lifetimes = Lifetimes::of(&model, &mut storages, &mut scratch)?;
    // What the markers cost, and the inference by itself.
    counted(|| ());
    let mut engine = Engine::new(&model, ops, &mut *arena)?;
    engine.run()?;
    counted(|| engine.run())?;
    let half = 2 * engine.most_live(&lifetimes)? + 1024;
    let bytes = ram.get_mut(..2 * half).ok_or(Failed::Room)?;
    let (written, writes) = (Cell::new(0), Cell::new(0));
    for every in EVERY {
        let engine = Engine::new(&model, ops, &mut *arena)?;
        let memory = Counting { bytes: &mut *bytes, written: &written, writes: &writes };
        let open = Journal::<_, _, BUFFER>::open(engine, &lifetimes, memory, 0..2 * half as u32);
        let (mut journal, _) = block_on(open)?;
        // The first begins with an empty memory.
        for window in 0..2 {
            let mut checkpoints = 0;
            let told = |what: &str, count: u32| {
                if window > 0 {
                    println!("{} {} {} {}", what, count, written.get(), writes.get());
                }
                written.set(0);
                writes.set(0);
            };
            if window > 0 {
                counted(|| block_on(journal.begin(window)))?
            } else {
                block_on(journal.begin(window))?
            }
            told("begin", every);
            let mut units = 0;
            while journal.step(1)? != Progress::Done {
                units += 1;
                if units % every == 0 {
                    checkpoints += 1;
                    if window > 0 {
                        counted(|| block_on(journal.checkpoint()))?
                    } else {
                        block_on(journal.checkpoint())?
                    }
                }
            }
            told("checkpoints", checkpoints);
            if window > 0 {
                counted(|| block_on(journal.finish()))?
            } else {
                block_on(journal.finish())?
            }
            told("finish", 1);
        }
    }
    Ok(())
}
