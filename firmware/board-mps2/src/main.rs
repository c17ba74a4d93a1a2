#![doc = include_str!("../README.md")]
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

mod stop;

use static_cell::ConstStaticCell;
use stop::Stop;
use tanbo::Arena;
use tanbo_board_mps2::{error, info};
use tanbo_emulated::{arguments, files, ram, stack::Stack};
use tanbo_pipeline::{Change, Pipeline, Recording};
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_emulated::entry!(station);
tanbo_include::include_model!(mod seismic = "../../../models/zoo/seismic/seismic.tnb");

/// The recording, if no argument names another.
const RECORDING: &str = "recording.csv";

static ARENA: ConstStaticCell<Arena<{ seismic::ARENA_BYTES }>> = ConstStaticCell::new(Arena::new());

/// Exit code 0 if the recording was replayed to its end, 2 if not.
fn station() -> u8 {
    #[cfg(target_os = "none")]
    return measured(Stack::current());
    // As much as the board reserves.
    #[cfg(not(target_os = "none"))]
    tanbo_emulated::stack::with_stack(64 << 10, measured).unwrap_or(2)
}

fn measured(stack: Stack) -> u8 {
    let name = match arguments::first_or(RECORDING) {
        Ok(name) => name,
        Err(error) => {
            error!(error);
            return 2;
        }
    };
    match stack.measure(|| replay(&name)) {
        Ok((Ok(()), bytes)) => {
            info!("stack: {} bytes", bytes);
            return 0;
        }
        Ok((Err(stop), _)) => error!(stop),
        Err(overflow) => error!(Stop::Stack(overflow)),
    }
    2
}

fn replay(name: &str) -> Result<(), Stop<'_>> {
    // The recording stands in for the sensor: it lies in RAM that the station itself does not use.
    let ram = ram::take().ok_or(Stop::Taken)?;
    let bytes = files::read(name, ram).map_err(|error| Stop::File { name, error })?;
    let recording = Recording::parse(ram.get(..bytes).unwrap_or_default())?;

    let arena = ARENA.try_take().ok_or(Stop::Taken)?.as_mut();
    let mut pipeline = Pipeline::new(seismic::engine(arena)?, recording.rate())?;
    let rate = recording.rate();
    info!("recording: {} samples at {}/{} Hz", recording.sample_count(), rate.numerator, rate.denominator);
    info!("model: {} bytes, arena {} bytes", seismic::ARTIFACT_BYTES, seismic::ARENA_BYTES);

    let (mut hops, mut scored) = (0u32, 0u32);
    for (time_us, sample) in recording.samples() {
        pipeline.push(time_us, sample, |hop| {
            hops += 1;
            if let Some(score) = hop.score {
                scored += 1;
                info!("score {} at sample {}, {} us", score, hop.sample, hop.time_us);
            }
            if let Some(event) = hop.event {
                let what = match event.change {
                    Change::AlarmOn => "ALARM",
                    Change::AlarmOff => "alarm ends",
                };
                info!("{} at sample {}, {} us, score {:?}", what, event.sample, event.time_us, event.score);
            }
        })?;
    }
    info!("end: {} hops, {} scored", hops, scored);
    Ok(())
}
