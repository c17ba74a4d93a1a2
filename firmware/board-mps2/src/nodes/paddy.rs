//! A paddy node in its world: the level in the field tube by an MS5837, an SHT4x for the air, and the relay of a pump.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use tanbo_board_mps2::world::chips::{Bus, Ms5837Chip, Pause, Sht4xChip};
use tanbo_board_mps2::world::{MINUTE_US, World, WorldError, WorldRelay, parts, setup, stopped};
use tanbo_drivers::DriverError;
use tanbo_drivers::ms5837::{Model, Ms5837};
use tanbo_drivers::sht4x::{Address, Sht4x};
use tanbo_methods::fao56::Site;
use tanbo_methods::paddy::Awd;
use tanbo_methods::pump::Pump;
use tanbo_node::plan::Application;
use tanbo_node::{Paddy, Stop, paddy};
use tanbo_signal::Decision;
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_board_mps2::node!(node);

/// The pump of the world brings so much: 20 cm in four hours.
const PUMP_MM_PER_HOUR: i32 = 50;
const SETTINGS: Paddy = Paddy {
    awd: Awd::SAFE,
    decision: Decision { on_score: 0, off_score: -63, votes: 2, of_hops: 2 },
    pump: Pump {
        longest_run_s: 6 * 3600,
        rest_s: 1800,
        longest_day_s: 8 * 3600,
        stale_s: 150,
        proof_s: 900,
        proof_mm: 3,
    },
    site: Site { latitude_deg: 14.0, elevation_m: 20.0, wind_height_m: 2.0, coastal: false },
};

async fn node() -> Result<Stop<DriverError>, WorldError> {
    let (world, lines) = World::start(Application::Paddy, World::report)?;
    let mut parts = parts(world, lines)?;
    let setup = setup(world);
    let chip = Ms5837Chip::pumped(0, world.feed("feed0")?, MINUTE_US, PUMP_MM_PER_HOUR);
    let mut gauge = Ms5837::new(Bus::new(world, chip), Pause(world), Model::Ba30).await?;
    let chip = Sht4xChip::new(1, world.feed("feed1")?, MINUTE_US);
    let mut hygrometer = Sht4x::new(Bus::new(world, chip), Pause(world), Address::Address0x44).await?;
    let mut relay = WorldRelay::new(world);
    let stop = paddy(&mut parts, &setup, (&mut gauge, &mut hygrometer), &mut relay, &SETTINGS).await;
    Ok(stopped(&mut parts.power, stop))
}
