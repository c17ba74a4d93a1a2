//! A water level node in its world: Mofjeld's detector on an MS5837.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use tanbo_board_mps2::world::chips::{Bus, Ms5837Chip, Pause};
use tanbo_board_mps2::world::{MINUTE_US, World, WorldError, parts, setup, stopped};
use tanbo_drivers::DriverError;
use tanbo_drivers::ms5837::{Model, Ms5837};
use tanbo_methods::water::WaterLevel;
use tanbo_node::plan::Application;
use tanbo_node::{Stop, Water, water};
use tanbo_signal::Decision;
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_board_mps2::node!(node);

/// 60 mm off the prediction in two readings of three. The sensor hangs 5 m deep under air as heavy as 10.3 m of water; 2 m more
/// are a flood.
const SETTINGS: Water = Water {
    level: WaterLevel::COAST,
    decision: Decision { on_score: 60, off_score: 30, votes: 2, of_hops: 3 },
    flood_mm: 17_300,
    calm_mm: 17_200,
};

async fn node() -> Result<Stop<DriverError>, WorldError> {
    let (world, lines) = World::start(Application::Water, World::report)?;
    let mut parts = parts(world, lines)?;
    let setup = setup(world);
    let chip = Ms5837Chip::new(0, world.feed("feed0")?, MINUTE_US);
    let mut gauge = Ms5837::new(Bus::new(world, chip), Pause(world), Model::Ba30).await?;
    let stop = water(&mut parts, &setup, &mut gauge, &SETTINGS).await;
    Ok(stopped(&mut parts.power, stop))
}
