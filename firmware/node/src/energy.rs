//! What the node's parts draw: state × time × table.

use crate::plan::{Application, Plan, SensorState};

/// What a board draws, its radio included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name: that of its file in `boards/`.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Clock of the core while it works.
    pub clock_mhz: u32,
    /// Least supply, mV.
    pub least_mv: u32,
    /// While the core works, µA.
    pub run_ua: u32,
    /// While the whole board sleeps, sensors not counted, nA.
    pub stop_na: u32,
    /// What the radio adds while it receives, µA.
    pub receive_ua: u32,
    /// What the radio adds while it transmits, µA.
    pub transmit_ua: u32,
}

/// What a sensor draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name: that of its file in `sensors/`.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// While it measures by itself, nA.
    pub measure_na: u32,
    /// During a conversion on request, µA …
    pub convert_ua: u32,
    /// … and how long one takes, µs.
    pub convert_us: u32,
    /// In standby, nA.
    pub standby_na: u32,
    /// While it watches for a threshold, nA.
    pub watch_na: u32,
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// Returns the board of a name.
pub fn board(name: &str) -> Option<&'static Board> {
    BOARDS.iter().find(|board| board.name == name)
}

/// Returns the sensor of a name.
pub fn sensor(name: &str) -> Option<&'static Part> {
    SENSORS.iter().find(|part| part.name == name)
}

impl Part {
    /// Returns what it draws in a state, nA.
    pub const fn state_na(&self, state: SensorState) -> u32 {
        match state {
            SensorState::Standby => self.standby_na,
            SensorState::Watch => self.watch_na,
            SensorState::Measure => self.measure_na,
        }
    }
}

/// A part that a [`Meter`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Load {
    /// Core, memory, regulator.
    Board = 0,
    /// Radio.
    Radio = 1,
    /// Sensors.
    Sensors = 2,
}

impl Load {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Board, Self::Radio, Self::Sensors];
}

/// Charge and time of one load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    current_na: u32,
    since_us: u64,
    /// Charge, pC, and what is left of it in fC.
    picocoulomb: u64,
    femtocoulomb: u64,
}

/// Adds up what the loads drew. Times are microseconds since the node started; one that goes back counts as no time.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    tallies: [Tally; 3],
}

impl Meter {
    /// Returns a meter that starts at `now_us` with nothing on.
    pub fn new(now_us: u64) -> Self {
        Self { tallies: [Tally { since_us: now_us, ..Tally::default() }; 3] }
    }

    /// From now on `load` draws `current_na`.
    pub fn set(&mut self, now_us: u64, load: Load, current_na: u32) {
        if let Some(tally) = self.tallies.get_mut(load as usize) {
            let elapsed_us = now_us.saturating_sub(tally.since_us);
            // A nA for a µs is a fC; whole ms are pC already, so that 64 bits hold a year of an ampere.
            let (ms, us) = (elapsed_us / 1000, elapsed_us % 1000);
            let drawn_na = u64::from(tally.current_na);
            let femtocoulomb = drawn_na * us + tally.femtocoulomb;
            let picocoulomb = drawn_na.saturating_mul(ms).saturating_add(femtocoulomb / 1000);
            tally.picocoulomb = tally.picocoulomb.saturating_add(picocoulomb);
            tally.femtocoulomb = femtocoulomb % 1000;
            tally.since_us = tally.since_us.max(now_us);
            tally.current_na = current_na;
        }
    }

    /// Returns what `load` has drawn until `now_us`, pC.
    pub fn picocoulomb(&self, now_us: u64, load: Load) -> u64 {
        let mut until = self.clone();
        let current_na = self.tallies.get(load as usize).map_or(0, |tally| tally.current_na);
        until.set(now_us, load, current_na);
        until.tallies.get(load as usize).map_or(0, |tally| tally.picocoulomb)
    }

    /// Returns what `load` has drawn until `now_us` from a supply of `mv`, µJ, rounded down.
    pub fn microjoule(&self, now_us: u64, load: Load, mv: u32) -> u64 {
        let nanojoule = u128::from(self.picocoulomb(now_us, load)) * u128::from(mv) / 1_000_000;
        u64::try_from(nanojoule / 1000).unwrap_or(u64::MAX)
    }
}

/// What a node draws over time in one mode, nA on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// The board asleep.
    pub sleep_na: u64,
    /// Sensors between conversions.
    pub sensors_na: u64,
    /// Conversions.
    pub conversions_na: u64,
    /// The core at work.
    pub awake_na: u64,
    /// Frames and their answers.
    pub radio_na: u64,
}

impl Draw {
    /// Returns the sum.
    pub const fn total_na(&self) -> u64 {
        self.sleep_na + self.sensors_na + self.conversions_na + self.awake_na + self.radio_na
    }
}

/// Times that a plan does not say: measured, or estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Work of the core per wake, µs.
    pub awake_us: u64,
    /// Airtime of a frame, µs.
    pub airtime_us: u64,
    /// Receiving per frame: two windows, and an answer, µs.
    pub receive_us: u64,
    /// Work of the core per frame, µs.
    pub frame_work_us: u64,
}

const DAY_US: u64 = 86_400_000_000;

/// Returns what `application` draws on `board` by `plan`, on average. A sensor without a table draws nothing: the tests see
/// to it that there is none.
pub fn draw(application: Application, plan: &Plan, board: &Board, times: &Times) -> Draw {
    let parts = || application.sensors().iter().map(|name| sensor(name));
    let wakes_per_day = if plan.wake_s == 0 { 0 } else { 86_400 / u64::from(plan.wake_s) };
    // fC of a day, over its µs, are nA.
    let average = |femtocoulomb: u64| femtocoulomb / DAY_US;
    let sensors_na = parts().zip(plan.rest.sensors).map(|(part, state)| part.map_or(0, |part| part.state_na(*state)));
    let conversions = parts().zip(plan.conversions).map(|(part, count)| {
        part.map_or(0, |part| u64::from(*count) * u64::from(part.convert_us) * u64::from(part.convert_ua) * 1000)
    });
    let frames = u64::from(plan.frames_per_day);
    let run_na = u64::from(board.run_ua) * 1000;
    let air_fc = times.airtime_us * u64::from(board.transmit_ua) + times.receive_us * u64::from(board.receive_ua);
    Draw {
        sleep_na: board.stop_na.into(),
        sensors_na: sensors_na.map(u64::from).sum(),
        conversions_na: average(wakes_per_day * conversions.sum::<u64>()),
        awake_na: average((wakes_per_day * times.awake_us + frames * times.frame_work_us) * run_na),
        radio_na: average(frames * air_fc * 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duty::Mode;
    use crate::plan::plan;
    use proptest::prelude::*;

    #[test]
    fn every_sensor_of_every_application_has_a_table() {
        for application in Application::ALL {
            for name in application.sensors() {
                assert!(sensor(name).is_some(), "{name}");
            }
        }
        let names: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        assert_eq!(names, ["esp32c3", "nrf52840", "rp2040", "rp2350", "stm32u575", "stm32wle5"]);
        assert_eq!(board("nrf52840").map(|board| board.clock_mhz), Some(64));
        assert_eq!(board("z80"), None);
    }

    #[test]
    fn the_meter_adds_state_times_time() {
        let mut meter = Meter::new(0);
        meter.set(0, Load::Board, 16_000);
        meter.set(1_000_000, Load::Board, 3_300_000);
        meter.set(1_010_000, Load::Board, 16_000);
        // 1 s of 16 µA, 10 ms of 3.3 mA, 1 s of 16 µA.
        assert_eq!(meter.picocoulomb(2_010_000, Load::Board), 16_000_000 + 33_000_000 + 16_000_000);
        assert_eq!(meter.microjoule(2_010_000, Load::Board, 3000), 195);
        assert_eq!(meter.picocoulomb(2_010_000, Load::Radio), 0);
        // A time that goes back adds nothing, and takes nothing away.
        meter.set(5, Load::Board, 16_000);
        assert_eq!(meter.picocoulomb(1_010_000, Load::Board), 16_000_000 + 33_000_000);
        // 1 nA for a µs at a time: nothing is lost to rounding.
        let mut meter = Meter::new(0);
        for now in 0..=5000 {
            meter.set(now, Load::Sensors, 1);
        }
        assert_eq!(meter.picocoulomb(5000, Load::Sensors), 5);
    }

    #[test]
    fn a_mode_that_does_more_draws_more() {
        let times = Times { awake_us: 2000, airtime_us: 206_000, receive_us: 100_000, frame_work_us: 20_000 };
        for application in Application::ALL {
            for board in BOARDS {
                let draws = Mode::ALL.map(|mode| draw(application, &plan(application, mode), board, &times));
                assert!(draws.map(|draw| draw.total_na()).is_sorted(), "{application:?} {} {draws:?}", board.name);
            }
        }
        // By hand: 200 + 0.01 µA of sensors, 2 ms of 3.3 mA each second, 24 frames of (206 ms · 90 mA + 100 ms · 4.6 mA).
        let full =
            draw(Application::Seismic, &plan(Application::Seismic, Mode::Full), board("nrf52840").unwrap(), &times);
        let expected =
            Draw { sleep_na: 16_000, sensors_na: 200_010, conversions_na: 0, awake_na: 6618, radio_na: 5277 };
        assert_eq!(full, expected);
    }

    proptest! {
        #[test]
        fn the_meter_never_overflows_and_never_falls(steps in proptest::collection::vec((any::<u64>(), any::<u32>()), 1..50)) {
            let mut meter = Meter::new(0);
            let mut last = 0;
            for (now, current) in steps {
                meter.set(now, Load::Radio, current);
                let charge = meter.picocoulomb(now, Load::Radio);
                prop_assert!(charge >= last);
                last = charge;
                meter.microjoule(now, Load::Radio, u32::MAX);
            }
        }
    }
}
