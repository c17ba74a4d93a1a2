//! What the world's books say, read from its lines.

use tanbo_board_api::{Depth, WakeMask};
use tanbo_node::duty::Mode;
use tanbo_node::plan::{ANSWER, Application, BUSY, PUMPING, RadioState, SensorState, plan};

use crate::workspace::Error;

/// States of a sensor.
pub const SENSOR_STATES: [SensorState; 3] = [SensorState::Standby, SensorState::Watch, SensorState::Measure];
/// States of the radio.
const RADIO_STATES: [RadioState; 3] = [RadioState::Sleep, RadioState::Receive, RadioState::Transmit];
const DEPTHS: [Depth; 3] = [Depth::Idle, Depth::Stop, Depth::Standby];

/// Times in states, µs; of a node that reset itself those of all its starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Books {
    /// The core at work, idle on a bus, asleep.
    pub core_us: [u64; 3],
    /// The radio asleep, receiving, sending.
    pub radio_us: [u64; 3],
    /// By sensor: in standby, watching, measuring.
    pub sensors_us: [[u64; 3]; 2],
    /// By sensor: during conversions.
    pub converting_us: [u64; 2],
    pub relay_us: u64,
    pub hops: u64,
    pub scored: u64,
    pub stack_bytes: u64,
    pub waits: Vec<Waits>,
}

/// All waits of one kind.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Waits {
    /// rest, bus, pause, air or listen.
    pub wait: String,
    pub mode: usize,
    /// What sampling and the uplink wait for.
    pub sampling: String,
    pub uplink: String,
    pub depth: usize,
    /// Bit 0: a sensor wakes; bit 1: the uplink.
    pub wake: u8,
    pub sensors: [usize; 2],
    pub radio: usize,
    pub relay: bool,
    pub count: u64,
    pub us: u64,
    pub longest_us: u64,
}

/// The numbers of a line.
fn numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

impl Books {
    /// Reads the books of all starts of a node.
    ///
    /// # Errors
    /// A line that is none of the world's.
    pub fn read(lines: &[String]) -> Result<Self, Error> {
        let mut books = Self::default();
        for line in lines {
            let bad = || Error(format!("no line of the books: {line}"));
            let Some((what, rest)) = line.split_once(": ") else { continue };
            let values = numbers(rest);
            let three = || <[u64; 3]>::try_from(values.clone()).map_err(|_| bad());
            match what {
                "core" => add(&mut books.core_us, &three()?),
                "radio" => add(&mut books.radio_us, &three()?),
                "relay" => books.relay_us += values.first().ok_or_else(bad)?,
                "stack" => books.stack_bytes = books.stack_bytes.max(*values.first().ok_or_else(bad)?),
                "event" if rest.contains(" hops, ") => {
                    let [hops, scored, _] = three()?;
                    (books.hops, books.scored) = (books.hops + hops, books.scored + scored);
                }
                "wait" => books.add(wait(rest).ok_or_else(bad)?),
                _ => {
                    let Some(number) = what.strip_prefix("sensor ").and_then(|number| number.parse::<usize>().ok())
                    else {
                        continue;
                    };
                    let [states @ .., converting] = <[u64; 4]>::try_from(values.clone()).map_err(|_| bad())?;
                    add(books.sensors_us.get_mut(number).ok_or_else(bad)?, &states);
                    *books.converting_us.get_mut(number).ok_or_else(bad)? += converting;
                }
            }
        }
        if books.core_us == [0; 3] {
            return Err(Error("the node's world printed no books".into()));
        }
        Ok(books)
    }

    fn add(&mut self, waits: Waits) {
        let same = |known: &&mut Waits| {
            let (count, us, longest_us) = (known.count, known.us, known.longest_us);
            **known == Waits { count, us, longest_us, ..waits.clone() }
        };
        match self.waits.iter_mut().find(same) {
            None => self.waits.push(waits),
            Some(known) => {
                known.count += waits.count;
                known.us += waits.us;
                known.longest_us = known.longest_us.max(waits.longest_us);
            }
        }
    }

    /// All time, µs.
    pub fn total_us(&self) -> u64 {
        self.core_us.iter().sum()
    }

    /// Waits that ended with the node awake: what a board would count as wake-ups of the node itself.
    pub fn wakes(&self) -> u64 {
        self.waits.iter().filter(|waits| waits.wait == "rest").map(|waits| waits.count).sum()
    }

    /// Share of the time with the core at work, parts per million.
    pub fn awake_ppm(&self) -> u64 {
        let [run, ..] = self.core_us;
        (u128::from(run) * 1_000_000 / u128::from(self.total_us().max(1))) as u64
    }

    /// Returns the waits that are not what the plan of the node's mode says, each as a line.
    pub fn against_plan(&self, application: Application) -> Vec<String> {
        let wrong = |waits: &&Waits| !as_planned(application, waits);
        self.waits.iter().filter(wrong).map(|waits| format!("not as planned: {waits:?}")).collect()
    }
}

fn add(sums: &mut [u64; 3], values: &[u64; 3]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// "rest mode 3 for FIFO and quiet: depth 1 wake 1 sensors 2 0 radio 0 relay 0: 9 times, 8 us, longest 7 us".
fn wait(line: &str) -> Option<Waits> {
    let (wait, rest) = line.split_once(" mode ")?;
    let (mode, rest) = rest.split_once(" for ")?;
    let (names, rest) = rest.split_once(": ")?;
    let (sampling, uplink) = names.split_once(" and ")?;
    let [depth, wake, first, second, radio, relay, count, us, longest_us] = *numbers(rest) else { return None };
    Some(Waits {
        wait: wait.into(),
        mode: mode.parse().ok()?,
        sampling: sampling.into(),
        uplink: uplink.into(),
        depth: depth as usize,
        wake: wake as u8,
        sensors: [first as usize, second as usize],
        radio: radio as usize,
        relay: relay != 0,
        count,
        us,
        longest_us,
    })
}

/// Whether what is on in a wait is what the plan says. The radio listens in its windows only: asleep between them is no less than
/// planned. Buses and conversions are short waits of drivers, in which more may be on: a sensor that is switched on, but no radio that
/// is not asked for.
fn as_planned(application: Application, waits: &Waits) -> bool {
    let (Some(mode), Some(radio), Some(depth)) =
        (Mode::ALL.get(waits.mode), RADIO_STATES.get(waits.radio), DEPTHS.get(waits.depth))
    else {
        return false;
    };
    let rest = if waits.sampling == PUMPING.what { PUMPING } else { plan(application, *mode).rest };
    let sensors: Vec<SensorState> =
        waits.sensors.iter().filter_map(|state| SENSOR_STATES.get(*state).copied()).take(rest.sensors.len()).collect();
    let transmits = *radio == RadioState::Transmit;
    if waits.wait != "rest" {
        return *depth <= Depth::Stop;
    }
    let uplink = match waits.uplink.as_str() {
        name if name == ANSWER.what => *radio != RadioState::Transmit && waits.wake & 2 != 0,
        name if name == BUSY.what => transmits || *radio == RadioState::Sleep,
        _ => *radio == RadioState::Sleep,
    };
    let wakes = rest.wake.has(WakeMask::SENSOR) == (waits.wake & 1 != 0);
    let deep = *depth == rest.depth || waits.uplink == BUSY.what && *depth == BUSY.depth;
    uplink
        && deep
        && wakes
        && waits.sampling == rest.what
        && sensors == rest.sensors
        && waits.longest_us <= longest_us(&rest)
}

/// A wait may end a little after its time: another one began in between.
fn longest_us(rest: &tanbo_node::plan::Wait) -> u64 {
    u64::from(rest.longest_ms) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(String::from).collect()
    }

    const GOOD: &str = "core: 10 us at work, 20 us idle, 9970 us asleep\n\
        radio: 9000 us asleep, 400 us receiving, 600 us sending\n\
        sensor 0: 0 us standby, 0 us watching, 10000 us measuring, 0 us converting\n\
        sensor 1: 10000 us standby, 0 us watching, 0 us measuring, 5 us converting\n\
        relay: 3 us\n\
        event: 9 hops, 4 scored, digest 77\n\
        wait: rest mode 3 for FIFO and quiet: depth 1 wake 1 sensors 2 0 radio 0 relay 0: 9 times, 8 us, longest 7 us\n";

    #[test]
    fn books_are_read_and_added_up() {
        let twice = lines(&format!("{GOOD}{GOOD}"));
        let books = Books::read(&twice).expect("books");
        assert_eq!((books.core_us, books.radio_us), ([20, 40, 19_940], [18_000, 800, 1200]));
        assert_eq!((books.sensors_us[0], books.converting_us, books.relay_us), ([0, 0, 20_000], [0, 10], 6));
        assert_eq!((books.hops, books.scored, books.wakes(), books.awake_ppm()), (18, 8, 18, 1000));
        assert_eq!(books.waits.len(), 1);
        assert!(Books::read(&lines("relay: 3 us")).is_err());
        assert!(Books::read(&lines("core: x us")).is_err());
    }

    #[test]
    fn what_is_on_beside_the_plan_is_found() {
        let judge = |text: &str| Books::read(&lines(text)).expect("books").against_plan(Application::Seismic).len();
        assert_eq!(judge(GOOD), 0);
        for (from, to) in [
            ("sensors 2 0", "sensors 2 1"),
            ("sensors 2 0", "sensors 0 0"),
            ("depth 1", "depth 0"),
            ("wake 1", "wake 0"),
            ("radio 0 relay", "radio 1 relay"),
            ("longest 7", "longest 1024001"),
            ("mode 3", "mode 0"),
        ] {
            assert_eq!(judge(&GOOD.replace(from, to)), 1, "{from} {to}");
        }
        // The radio may listen while an answer may come.
        assert_eq!(
            judge(
                &GOOD.replace("quiet", "answer").replace("wake 1", "wake 3").replace("radio 0 relay", "radio 1 relay")
            ),
            0
        );
    }
}
