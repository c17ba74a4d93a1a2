//! A cyclone node in its world: the tendency of a DPS310's pressure, an SHT4x beside it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use tanbo_board_mps2::world::chips::{Bus, Dps310Chip, Pause, Sht4xChip};
use tanbo_board_mps2::world::{MINUTE_US, World, WorldError, parts, setup, stopped};
use tanbo_drivers::DriverError;
use tanbo_drivers::dps310::{self, Config, Dps310, Oversampling};
use tanbo_drivers::registers::I2cRegisters;
use tanbo_drivers::sht4x::{Address, Sht4x};
use tanbo_methods::pressure::{Pressure, THRESHOLD_SCORE};
use tanbo_node::plan::Application;
use tanbo_node::{Cyclone, Stop, cyclone};
use tanbo_signal::Decision;
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_board_mps2::node!(node);

const SETTINGS: Cyclone = Cyclone {
    pressure: Pressure::CYCLONE,
    decision: Decision { on_score: THRESHOLD_SCORE, off_score: THRESHOLD_SCORE / 2, votes: 2, of_hops: 3 },
};
const BAROMETER: Config = Config { oversampling: Oversampling::X16, rate_hz: None };

async fn node() -> Result<Stop<DriverError>, WorldError> {
    let (world, lines) = World::start(Application::Cyclone, World::report)?;
    let mut parts = parts(world, lines)?;
    let setup = setup(world);
    let chip = Dps310Chip::new(0, world.feed("feed0")?, MINUTE_US);
    let registers = I2cRegisters::new(Bus::new(world, chip), dps310::ADDRESS);
    let mut barometer = Dps310::new(registers, Pause(world), BAROMETER).await?;
    let chip = Sht4xChip::new(1, world.feed("feed1")?, MINUTE_US);
    let mut hygrometer = Sht4x::new(Bus::new(world, chip), Pause(world), Address::Address0x44).await?;
    let stop = cyclone(&mut parts, &setup, (&mut barometer, &mut hygrometer), &SETTINGS).await;
    Ok(stopped(&mut parts.power, stop))
}
