//! Inferences in the memory on the board's bus, window after window, until somebody pulls the plug.

use embassy_embedded_hal::adapter::BlockingAsync;
use tanbo::{Engine, EngineError, Lifetimes, Plan};
use tanbo_board_api::conformance::Failure;
use tanbo_board_mps2::Mps2I2c;
use tanbo_drivers::DriverError;
use tanbo_drivers::mb85rc::{Mb85rc, Size};
use tanbo_emulated::println;
use tanbo_journal::{Found, Journal, JournalError};

use crate::bus::broken;
use crate::windows;

tanbo_include::include_model!(mod streamed_model = "../../journal/tests/data/streamed.tnb");
tanbo_include::include_model!(mod rings_model = "../../journal/tests/data/rings.tnb");

/// Bytes of the memory, and how many are written at once.
const RANGE: core::ops::Range<u32> = 0..8 << 10;
const BUFFER: usize = 64;
/// Units of work between checkpoints.
const EVERY: u32 = 3;
/// No test waits for so many.
const WINDOWS: u64 = 1_000_000;

/// A model with states.
pub async fn streamed(i2c: Mps2I2c) -> Result<(), Failure> {
    let mut arena = tanbo::Arena::<{ streamed_model::ARENA_BYTES }>::new();
    outlive(i2c, streamed_model::engine(arena.as_mut()), &streamed_model::LIFETIMES).await
}

/// A model with rings and sums of a pool.
pub async fn rings(i2c: Mps2I2c) -> Result<(), Failure> {
    let mut arena = tanbo::Arena::<{ rings_model::ARENA_BYTES }>::new();
    outlive(i2c, rings_model::engine(arena.as_mut()), &rings_model::LIFETIMES).await
}

async fn outlive<P: Plan<'static>>(
    i2c: Mps2I2c,
    engine: Result<Engine<'static, '_, P>, EngineError>,
    lifetimes: &Lifetimes<'_>,
) -> Result<(), Failure> {
    let memory = Mb85rc::new(BlockingAsync::new(i2c), 0x50, Size::Kbit256).map_err(broken)?;
    let run = async {
        let engine = engine?;
        let (mut journal, found) = Journal::<_, _, BUFFER>::open(engine, lifetimes, memory, RANGE).await?;
        let first = match found {
            Found::Nothing => {
                println!("nothing");
                0
            }
            Found::Unfinished { window } => {
                println!("unfinished {}", window);
                window
            }
            Found::Finished { window } => {
                println!("finished {} {:?}", window, journal.engine().output(0)?);
                window + 1
            }
        };
        for window in first..WINDOWS {
            if found != (Found::Unfinished { window }) {
                windows::fill(window, journal.input_mut(0)?);
                journal.begin(window).await?;
            }
            let mut units = 0;
            let due = || {
                units += 1;
                units % EVERY == 0
            };
            journal.run(1, due).await?;
            println!("window {} {:?}", window, journal.engine().output(0)?);
        }
        Ok::<(), JournalError<DriverError>>(())
    };
    run.await.map_err(|error| {
        println!("{}", error);
        Failure { promise: "an inference is kept", found: 0 }
    })
}
