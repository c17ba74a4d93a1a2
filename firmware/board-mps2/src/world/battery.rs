//! A battery: what the parts draw goes out of it, what a panel brings goes in.

use tanbo_board_api::Supply;
use tanbo_node::energy::{self, Board};
use tanbo_node::plan::{Application, RadioState};

use super::machine::TICKS_PER_US;
use super::tally::{Core, Plug, SENSORS};
use super::{SECOND_US, Settings};

/// The board whose currents the world books while it runs; the books allow to compute any other's afterwards.
pub(super) const BOARD: &Board = &energy::boards::NRF52840;
/// Voltage of two alkaline cells by what is left, thousandths and mV: `firmware/node/cells/aa.toml`.
const VOLTAGE: [(u64, u64); 8] =
    [(0, 1600), (50, 2000), (100, 2140), (250, 2360), (500, 2540), (750, 2720), (900, 2920), (1000, 3160)];
/// Charge is booked in nA times ticks: those of a µAh.
const PER_UAH: u128 = 3_600_000_000_000 * TICKS_PER_US as u128;
/// Of the sun's day.
const DAY_S: u64 = 86_400;

/// The battery.
#[derive(Debug)]
pub struct Battery {
    sensors: [Option<&'static energy::Part>; SENSORS],
    capacity: u128,
    left: u128,
    panel_uw: u32,
}

impl Battery {
    /// A battery of a node with the sensors of `application`.
    pub(super) fn new(settings: &Settings, application: Application) -> Self {
        let capacity = u128::from(settings.capacity_uah) * PER_UAH;
        let mut sensors = [None; SENSORS];
        for (part, name) in sensors.iter_mut().zip(application.sensors()) {
            *part = energy::sensor(name);
        }
        Self {
            sensors,
            capacity,
            left: capacity.min(u128::from(settings.charge_uah) * PER_UAH),
            panel_uw: settings.panel_uw,
        }
    }

    /// What the parts draw for some ticks.
    pub(super) fn draw(&mut self, on: &Plug, core: Core, converting: [bool; SENSORS], ticks: u64) {
        let ua = |ua: u32| u64::from(ua) * 1000;
        let core = if core == Core::Stop { BOARD.stop_na.into() } else { ua(BOARD.run_ua) };
        let radio = match on.radio {
            RadioState::Sleep => 0,
            RadioState::Receive => ua(BOARD.receive_ua),
            RadioState::Transmit => ua(BOARD.transmit_ua),
        };
        let sensors = self.sensors.iter().zip(on.sensors).zip(converting).map(|((part, state), converting)| {
            part.map_or(0, |part| u64::from(part.state_na(state)) + if converting { ua(part.convert_ua) } else { 0 })
        });
        let na = core + radio + sensors.sum::<u64>();
        self.left = self.left.saturating_sub(na.saturating_mul(ticks).into());
    }

    /// The sun at a time of the world: a triangle from 6 to 18 h.
    fn harvest_uw(&self, world_us: u64) -> u64 {
        let second = world_us / SECOND_US % DAY_S;
        let from_noon = second.abs_diff(DAY_S / 2);
        let share = (DAY_S / 4).saturating_sub(from_noon);
        u64::from(self.panel_uw) * share / (DAY_S / 4)
    }

    /// Takes the harvest of a span at a time of the world.
    pub(super) fn harvest(&mut self, world_us: u64, span_us: u64) {
        // A µW at 2.5 V are 400 nA.
        let charge = u128::from(self.harvest_uw(world_us)) * 400 * u128::from(span_us * TICKS_PER_US);
        self.left = (self.left + charge).min(self.capacity);
    }

    /// Returns what is left, µAh.
    pub(super) fn left_uah(&self) -> u64 {
        (self.left / PER_UAH) as u64
    }

    /// Returns what is left, thousandths.
    pub fn charge_permille(&self) -> u64 {
        (self.left * 1000 / self.capacity.max(1)) as u64
    }

    /// Returns the voltage, mV.
    pub fn millivolts(&self) -> u64 {
        let charge = self.charge_permille();
        let (mut below, mut above) = ((0, 0), (1000, 0));
        for point in VOLTAGE {
            if point.0 <= charge {
                below = point;
                above = point;
            } else {
                above = point;
                break;
            }
        }
        below.1 + (above.1 - below.1) * (charge - below.0) / (above.0 - below.0).max(1)
    }

    /// Returns what the board measures.
    pub(super) fn supply(&self, world_us: u64) -> Supply {
        Supply {
            mv: u16::try_from(self.millivolts()).ok(),
            trend_mv_per_h: None,
            charge_permille: None,
            harvest_mw: (self.panel_uw > 0).then(|| (self.harvest_uw(world_us) / 1000) as u16),
        }
    }
}
