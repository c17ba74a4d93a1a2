//! What the node does in each mode, and what is on while it sleeps.
//!
//! A plan is data. The firmware takes its deadlines and wake masks from it; the test of the sleep plan asserts that what is
//! on at each wait-for-interrupt is what the plan says, so that a forgotten peripheral is a failing test and not a flat
//! battery; and the estimate of a battery's life adds it up.

use tanbo_board_api::{Depth, WakeMask};

use crate::duty::Mode;

/// The applications of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Application {
    /// Strong motion, by a network behind an STA/LTA gate.
    Seismic,
    /// Water level, by Mofjeld's detector.
    Water,
    /// Air pressure, by its tendency.
    Cyclone,
    /// A paddy's water, by the AWD rule.
    Paddy,
}

impl Application {
    /// All applications.
    pub const ALL: [Self; 4] = [Self::Seismic, Self::Water, Self::Cyclone, Self::Paddy];

    /// Returns its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seismic => "seismic",
            Self::Water => "water",
            Self::Cyclone => "cyclone",
            Self::Paddy => "paddy",
        }
    }

    /// Returns the sensors that it needs, as named in `sensors/`.
    pub const fn sensors(self) -> &'static [&'static str] {
        match self {
            Self::Seismic => &["adxl355", "adxl362"],
            Self::Water => &["ms5837"],
            Self::Cyclone => &["dps310", "sht4x"],
            Self::Paddy => &["ms5837", "sht4x"],
        }
    }
}

/// What a sensor does while the node sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SensorState {
    /// Its supply is switched off, or it is in its deepest sleep.
    Standby,
    /// It watches for a threshold by itself, and wakes the node.
    Watch,
    /// It measures into its FIFO.
    Measure,
}

/// What the radio does while the node sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RadioState {
    /// Asleep.
    Sleep,
    /// It waits for an answer.
    Receive,
    /// It sends.
    Transmit,
}

/// One kind of sleep: what is on at the wait-for-interrupt, and what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What it waits for.
    pub what: &'static str,
    /// How deep the node may sleep.
    pub depth: Depth,
    /// What may end it before its deadline.
    pub wake: WakeMask,
    /// Longest sleep, ms.
    pub longest_ms: u32,
    /// State of each sensor, in the order of [`Application::sensors`].
    pub sensors: &'static [SensorState],
    /// State of the radio.
    pub radio: RadioState,
}

/// What the uplink waits for, while sampling rests: depth, wake mask and deadline of a sleep are those of both, joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What it waits for.
    pub what: &'static str,
    /// How deep the node may sleep.
    pub depth: Depth,
    /// What may end it before its deadline.
    pub wake: WakeMask,
    /// Longest sleep, ms.
    pub longest_ms: u32,
    /// State of the radio.
    pub radio: RadioState,
}

const fn pause(what: &'static str, depth: Depth, wake: WakeMask, longest_ms: u32, radio: RadioState) -> Pause {
    Pause { what, depth, wake, longest_ms, radio }
}

/// There is nothing to send before the deadline.
pub const QUIET: Pause = pause("quiet", Depth::Stop, WakeMask::NONE, DAY_MS, RadioState::Sleep);
/// The radio's share of the air is used up.
pub const AIR: Pause = pause("air", Depth::Stop, WakeMask::NONE, 3_600_000, RadioState::Sleep);
/// The gateway may answer: both of LoRaWAN's windows, and a data base that commits.
pub const ANSWER: Pause = pause("answer", Depth::Stop, WakeMask::UPLINK, 3_000, RadioState::Receive);
/// A frame is on its way, or a sensor converts: the device's interrupt wakes the node without being in the mask.
pub const BUSY: Pause = pause("busy", Depth::Idle, WakeMask::NONE, 10_000, RadioState::Transmit);

/// How the uplink tries again, and how often it asks for the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Pause after the first frame that nobody acknowledged, s; each further one doubles it …
    pub first_s: u32,
    /// … to this, s. A quarter of it is random.
    pub longest_s: u32,
    /// Age of the last time from the gateway at which the node asks again, s.
    pub clock_s: u32,
}

/// Returns how the uplink tries again in `mode`.
pub const fn retry(mode: Mode) -> Retry {
    match mode {
        Mode::Full => Retry { first_s: 8, longest_s: 900, clock_s: 4 * 3600 },
        Mode::Save => Retry { first_s: 30, longest_s: 3600, clock_s: 12 * 3600 },
        Mode::Survive | Mode::Out => Retry { first_s: 120, longest_s: 4 * 3600, clock_s: 24 * 3600 },
    }
}

/// What the node does in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Time between two wakes to read the sensors, s: a FIFO full or one reading each. 0: it never reads.
    pub wake_s: u16,
    /// Conversions that a wake asks of each sensor, in the order of [`Application::sensors`].
    pub conversions: &'static [u8],
    /// Frames with readings or signs of life per day.
    pub frames_per_day: u16,
    /// Payload of such a frame, bytes.
    pub frame_bytes: u8,
    /// The sleep between wakes, by far the longest.
    pub rest: Wait,
}

use SensorState::{Measure, Standby, Watch};

/// Sampling while the pump runs: a reading each minute.
pub const PUMPING: Wait = rest("pump", WakeMask::NONE, 60_000, &[Standby, Standby]);

const DAY_MS: u32 = 86_400_000;

const fn rest(what: &'static str, wake: WakeMask, longest_ms: u32, sensors: &'static [SensorState]) -> Wait {
    Wait { what, depth: Depth::Stop, wake, longest_ms, sensors, radio: RadioState::Sleep }
}

/// Returns what `application` does in `mode`.
pub const fn plan(application: Application, mode: Mode) -> Plan {
    let none = WakeMask::NONE;
    let (wake_s, conversions, frames_per_day, frame_bytes, rest): (u16, &[u8], u16, u8, Wait) = match application {
        Application::Seismic => match mode {
            // 32 samples at 31.25 per second; the watermark wakes the node a little earlier than the deadline.
            Mode::Full => (1, &[0, 0], 24, 12, rest("FIFO", WakeMask::SENSOR, 1024, &[Measure, Standby])),
            Mode::Save => (1, &[0, 0], 6, 12, rest("FIFO", WakeMask::SENSOR, 1024, &[Measure, Standby])),
            // Motion wakes it; until the other sensor has warmed up, the onset is lost.
            Mode::Survive => (0, &[0, 0], 1, 12, rest("motion", WakeMask::SENSOR, DAY_MS, &[Standby, Watch])),
            Mode::Out => (0, &[0, 0], 0, 0, rest("supply", none, OUT_MS, &[Standby, Standby])),
        },
        Application::Water => match mode {
            Mode::Full => (60, &[1], 72, 32, rest("reading", none, 60_000, &[Standby])),
            // Half the readings still make an average.
            Mode::Save => (120, &[1], 12, 32, rest("reading", none, 120_000, &[Standby])),
            // Too few for the detector: the level itself is looked at.
            Mode::Survive => (600, &[1], 1, 12, rest("reading", none, 600_000, &[Standby])),
            Mode::Out => (0, &[0], 0, 0, rest("supply", none, OUT_MS, &[Standby])),
        },
        Application::Cyclone => match mode {
            Mode::Full => (600, &[1, 1], 24, 24, rest("reading", none, 600_000, &[Standby, Standby])),
            Mode::Save => (600, &[1, 1], 6, 24, rest("reading", none, 600_000, &[Standby, Standby])),
            Mode::Survive => (1800, &[1, 0], 1, 12, rest("reading", none, 1_800_000, &[Standby, Standby])),
            Mode::Out => (0, &[0, 0], 0, 0, rest("supply", none, OUT_MS, &[Standby, Standby])),
        },
        Application::Paddy => match mode {
            Mode::Full => (900, &[1, 1], 24, 24, rest("reading", none, 900_000, &[Standby, Standby])),
            Mode::Save => (900, &[1, 1], 4, 24, rest("reading", none, 900_000, &[Standby, Standby])),
            Mode::Survive => (3600, &[1, 0], 1, 12, rest("reading", none, 3_600_000, &[Standby, Standby])),
            Mode::Out => (0, &[0, 0], 0, 0, rest("supply", none, OUT_MS, &[Standby, Standby])),
        },
    };
    Plan { wake_s, conversions, frames_per_day, frame_bytes, rest }
}

/// How often a node that is out looks at its supply.
const OUT_MS: u32 = 900_000;

/// Age of a measurement of the supply at which a node that is awake anyway looks again, ms.
pub const SUPPLY_MS: u32 = 60_000;
/// Age at which any node wakes for it, ms.
pub const SUPPLY_LONGEST_MS: u32 = OUT_MS;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sleep of every application, as people read it: a change here is a change of what is on for years.
    const EXPECTED: &str = "\
seismic Out     supply  900 s    Stop none   Standby Standby Sleep
seismic Survive motion  86400 s  Stop sensor Standby Watch Sleep
seismic Save    FIFO    1.024 s  Stop sensor Measure Standby Sleep
seismic Full    FIFO    1.024 s  Stop sensor Measure Standby Sleep
water   Out     supply  900 s    Stop none   Standby Sleep
water   Survive reading 600 s    Stop none   Standby Sleep
water   Save    reading 120 s    Stop none   Standby Sleep
water   Full    reading 60 s     Stop none   Standby Sleep
cyclone Out     supply  900 s    Stop none   Standby Standby Sleep
cyclone Survive reading 1800 s   Stop none   Standby Standby Sleep
cyclone Save    reading 600 s    Stop none   Standby Standby Sleep
cyclone Full    reading 600 s    Stop none   Standby Standby Sleep
paddy   Out     supply  900 s    Stop none   Standby Standby Sleep
paddy   Survive reading 3600 s   Stop none   Standby Standby Sleep
paddy   Save    reading 900 s    Stop none   Standby Standby Sleep
paddy   Full    reading 900 s    Stop none   Standby Standby Sleep
";

    #[test]
    fn what_is_on_at_each_sleep() {
        let mut text = String::new();
        for application in Application::ALL {
            for mode in Mode::ALL {
                let Wait { what, depth, wake, longest_ms, sensors, radio } = plan(application, mode).rest;
                let wake = if wake == WakeMask::NONE { "none" } else { "sensor" };
                let longest = format!("{} s", f64::from(longest_ms) / 1000.0);
                let sensors: Vec<String> = sensors.iter().map(|state| format!("{state:?}")).collect();
                text += &format!(
                    "{:7} {:7} {what:7} {longest:8} {depth:?} {wake:6} {} {radio:?}\n",
                    application.name(),
                    format!("{mode:?}"),
                    sensors.join(" ")
                );
            }
        }
        assert_eq!(text, EXPECTED);
    }

    #[test]
    fn plans_fit_their_sensors_and_modes() {
        for application in Application::ALL {
            let sensors = application.sensors();
            for mode in Mode::ALL {
                let plan = plan(application, mode);
                assert_eq!(plan.rest.sensors.len(), sensors.len());
                assert_eq!(plan.conversions.len(), sensors.len());
                assert_eq!(plan.rest.radio, RadioState::Sleep);
                // Who waits for a sensor has one on; who has none on waits for none.
                let on = plan.rest.sensors.iter().any(|state| *state != Standby);
                assert_eq!(plan.rest.wake.has(WakeMask::SENSOR), on);
                assert!(mode != Mode::Out || plan.wake_s == 0 && plan.frames_per_day == 0 && !on);
                assert!(plan.wake_s == 0 || u32::from(plan.wake_s) * 1000 <= plan.rest.longest_ms);
            }
            let frames = Mode::ALL.map(|mode| plan(application, mode).frames_per_day);
            assert!(frames.is_sorted(), "a mode that does more sends no less");
        }
    }
}
