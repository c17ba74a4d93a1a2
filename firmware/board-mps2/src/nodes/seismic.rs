//! A seismic node in its world: the network behind its gate on an ADXL355, an ADXL362 that watches while power is short.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use core::pin::pin;

use static_cell::ConstStaticCell;
use tanbo::Arena;
use tanbo_board_mps2::world::chips::{Adxl355Chip, Adxl362Chip};
use tanbo_board_mps2::world::{World, WorldError, parts, setup, stopped};
use tanbo_drivers::DriverError;
use tanbo_drivers::adxl355::{self, Adxl355};
use tanbo_drivers::adxl362::{self, Adxl362};
use tanbo_drivers::registers::SpiRegisters;
use tanbo_node::plan::Application;
use tanbo_node::{Seismic, Stop, seismic as run};
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_board_mps2::node!(node);
tanbo_include::include_model!(mod seismic = "../../../../models/zoo/seismic/seismic.tnb");

static ARENA: ConstStaticCell<Arena<{ seismic::ARENA_BYTES }>> = ConstStaticCell::new(Arena::new());

/// ±2 g at the model's own rate. The FIFO has 128 ms left when it wakes the node: a page of the store takes less.
const ACCELEROMETER: adxl355::Config =
    adxl355::Config { range: adxl355::Range::G2, rate: adxl355::Rate::Hz31_25, watermark: 28, wake_axes: 0 };
const MOTION: adxl362::Config =
    adxl362::Config { range: adxl362::Range::G2, rate: adxl362::Rate::Hz12_5, watermark: 1, wake_at_6hz: true };
/// Motion of 5 gal in two looks in a row: half a second of what everybody feels.
const SETTINGS: Seismic = Seismic { model: [0; 4], motion_mgal: 5_000, motion_readings: 2 };

async fn node() -> Result<Stop<DriverError>, WorldError> {
    let (world, lines) = World::start(Application::Seismic, World::report)?;
    let mut parts = parts(world, lines)?;
    let setup = setup(world);
    let chip = Adxl355Chip::new(world, 0, world.feed("feed0")?);
    let mut accelerometer = Adxl355::new(SpiRegisters(chip), ACCELEROMETER).await?;
    let mut motion = Adxl362::new(Adxl362Chip::new(world, 1, world.feed("feed1")?), MOTION).await?;
    let arena = ARENA.try_take().ok_or(WorldError::Taken)?.as_mut();
    // What was checked when it was compiled parses.
    let engine = seismic::engine(arena).map_err(|_| WorldError::Taken)?;
    let stop = pin!(run(&mut parts, &setup, (&mut accelerometer, &mut motion), engine, &SETTINGS)).await;
    Ok(stopped(&mut parts.power, stop))
}
