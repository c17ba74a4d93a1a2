//! Resets that a node does not ask for: a supply that falls, for a moment and for a night, and a sensor that hangs.
//!
//! Each on the emulated board and on this machine, which must go through the same modes, starts and events.

use std::fmt;

use tanbo_board_api::ResetCause;
use tanbo_node::duty::{Mode, Policy};
use tanbo_node::plan::Application;
use tanbo_wire::v1;

use super::world::{Case, Place, Run};
use super::{events, world};
use crate::workspace::Error;

/// A battery of this charge at midnight, µAh: after the first earthquake it is below the voltage that a node restarts with …
const CAPACITY_UAH: u64 = 100;
const CHARGE_UAH: u64 = 83;
const QUAKES_S: u64 = 900;
/// … and empty before the sun is up, whose panel brings in this at noon, µW.
const PANEL_UW: u32 = 1_000;
/// Until all of it has happened, s.
const NIGHT_S: u64 = 26_870;
/// When the sensor hangs, and the end of that world, s.
const HANG_S: u64 = 600;
const HANG_END_S: u64 = 1_200;
/// The watchdog's time, and that of a FIFO until somebody reads it, ms.
const WATCHDOG_MS: u64 = 8_000;
const FIFO_MS: u64 = 1_024;

/// A line of the log with a time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told<'l> {
    us: u64,
    what: &'l str,
}

fn told(lines: &[String]) -> Vec<Told<'_>> {
    let split = |line: &'_ String| -> Option<(u64, usize)> {
        let (us, _) = line.strip_prefix("at ")?.split_once(" us: ")?;
        Some((us.parse().ok()?, "at  us: ".len() + us.len()))
    };
    lines.iter().filter_map(|line| split(line).map(|(us, at)| Told { us, what: &line[at..] })).collect()
}

/// The first line from `us` on that begins so.
fn first<'l>(lines: &[Told<'l>], us: u64, what: &str) -> Result<Told<'l>, Error> {
    let found = lines.iter().find(|line| line.us >= us && line.what.starts_with(what));
    found.cloned().ok_or_else(|| Error(format!("resets: no line '{what}' from {us} us on")))
}

/// Causes of all starts, by their numbers.
fn causes(lines: &[Told<'_>]) -> Vec<u32> {
    let cause = |line: &Told<'_>| line.what.strip_prefix("start ")?.rsplit(' ').next()?.parse().ok();
    lines.iter().filter_map(cause).collect()
}

/// What both places must agree on: events; modes in their order, up to the first one in which the last start does something; what started
/// the node, and what it told of that. The core's own work takes no charge on this machine: the sun may lift it some minutes earlier there,
/// and over fewer falls.
fn course(run: &Run) -> Vec<String> {
    let mut course = events(&run.lines);
    course.retain(|event| !event.contains(" hops, "));
    let lines = told(&run.lines);
    let last_start = lines.iter().rposition(|line| line.what.starts_with("start ")).unwrap_or(0);
    let mut modes = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(mode) = line.what.strip_prefix("mode ").and_then(|rest| rest.split(' ').next()) else { continue };
        modes.push(mode);
        if number > last_start && mode != "0" {
            break;
        }
    }
    modes.dedup();
    let mut causes = causes(&lines);
    causes.dedup();
    let boots: Vec<v1::ResetCause> = run.gateway.boots.iter().map(|(cause, _)| *cause).collect();
    course.push(format!("modes {modes:?}, started by {causes:?}, told {boots:?}"));
    course
}

/// Runs a case, told for each place, in both; what is wrong.
fn both(
    name: &str,
    case: impl Fn(Place) -> Result<Case, Error>,
    judge: impl Fn(&Case, &Run) -> Result<Vec<String>, Error>,
) -> Result<Vec<String>, Error> {
    let run = |place| -> Result<(Case, Run), Error> {
        let case = case(place)?;
        let run = world::run(&case, place)?;
        Ok((case, run))
    };
    let ((case, emulated), (_, here)) = (run(Place::Emulated)?, run(Place::Here)?);
    let said = |error: Error| Error(format!("{name}: {error}; the node said:\n{}", emulated.lines.join("\n")));
    let mut wrong = judge(&case, &emulated).map_err(said)?;
    let (one, other) = (course(&emulated), course(&here));
    if one != other {
        wrong.push(format!("the board and its twin differ: {}", super::difference(&one, &other)));
    }
    Ok(wrong.into_iter().map(|line| format!("{name}: {line}")).collect())
}

/// Runs all of them; what is wrong, a line each.
///
/// # Errors
/// Something could not be built or run, or a line that must be there is not.
pub fn check() -> Result<Vec<String>, Error> {
    let mut wrong = both("a supply that falls", night, judge_night)?;
    wrong.extend(both("a sensor that hangs", |_| Ok(hang()), judge_hang)?);
    Ok(wrong)
}

/// A night on a battery that is nearly empty, with a moment without supply while the first event goes into flash.
fn night(place: Place) -> Result<Case, Error> {
    let mut case = super::of(Application::Seismic, NIGHT_S, 1);
    (case.kind.quakes_s, case.spreading, case.air.loss, case.air.wishes) = (Some(QUAKES_S), 7, 0.0, Vec::new());
    (case.capacity_uah, case.charge_uah, case.panel_uw) = (CAPACITY_UAH, CHARGE_UAH, PANEL_UW);
    // When that is, a run until then says.
    let until = world::run(&Case { seconds: QUAKES_S + 60, ..case.clone() }, place)?;
    let lines = told(&until.lines);
    let alarm = first(&lines, 0, "ALARM")?;
    let kept = first(&lines, alarm.us, "kept ")?;
    case.dip_us = Some(alarm.us.midpoint(kept.us));
    Ok(case)
}

fn judge_night(case: &Case, run: &Run) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: &dyn fmt::Display| {
        if !holds {
            wrong.push(what.to_string());
        }
    };
    let lines = told(&run.lines);
    let dip_us = case.dip_us.unwrap_or(0);
    let fell = first(&lines, dip_us, "reset 2")?;
    let dark = first(&lines, fell.us, "brown-out")?;
    let back = first(&lines, dark.us, "power is back")?;
    let begins = |line: &&Told<'_>, words: &[&str]| words.iter().any(|word| line.what.starts_with(word));
    let after = lines.iter().filter(|line| line.us >= back.us);
    let up = after.clone().find(|line| begins(line, &["mode 1", "mode 2", "mode 3"]));
    let up = up.ok_or_else(|| Error("resets: the node stays out".into()))?;
    let mv = up.what.rsplit(' ').nth(1).and_then(|mv| mv.parse::<u16>().ok()).unwrap_or(0);
    let sent =
        lines.iter().find(|line| line.us >= up.us && line.what.starts_with("sent ") && line.what.ends_with(" event"));
    let sent = sent.ok_or_else(|| Error("resets: no event was sent".into()))?;
    must(
        !lines.iter().any(|line| line.us < up.us && begins(&line, &["kept"])),
        &"the first event got into flash by itself",
    );
    let quiet = |line: &&Told<'_>| (fell.us..up.us).contains(&line.us);
    must(
        !lines.iter().filter(quiet).any(|line| begins(&line, &["sent", "ALARM", "mode 1", "mode 2", "mode 3"])),
        &"the node was not out until the supply was there again",
    );
    must(mv >= Policy::TWO_AA.restart_mv, &format_args!("it went on at {mv} mV"));
    let number: Option<u32> = sent.what.split([' ', ',']).nth(1).and_then(|number| number.parse().ok());
    let arrived = number.and_then(|number| run.gateway.disk.get(&number));
    must(arrived.is_some_and(|(_, kind)| *kind == "event"), &"the event of the last words did not arrive");
    must(number.is_some_and(|number| run.gateway.acknowledged.contains(&number)), &"nor was it acknowledged");
    let causes = causes(&lines);
    // The morning's sun may be too weak for the node that it lets go.
    let (by_power, by_brown_out) = (ResetCause::PowerOn as u32, ResetCause::BrownOut as u32);
    let falls = causes.iter().filter(|cause| **cause == by_brown_out).count();
    must(
        causes.first() == Some(&by_power) && falls >= 2 && falls + 1 == causes.len(),
        &format_args!("it started by {causes:?}"),
    );
    let told: Vec<v1::ResetCause> = run.gateway.boots.iter().map(|(cause, _)| *cause).collect();
    must(told == [v1::ResetCause::PowerOn, v1::ResetCause::BrownOut], &format_args!("it told of starts by {told:?}"));
    let hours = |us: u64| us as f64 / 3.6e9;
    println!(
        "brown-out: {falls} starts after one; no supply for a moment at {:.3} h, as the first event went into flash; {} at {:.2} h; power at {:.2} h; mode {} at \
         {:.2} h and {mv} mV, and the event {:.1} s later",
        hours(fell.us),
        dark.what,
        hours(dark.us),
        hours(back.us),
        up.what.as_bytes()[5] - b'0',
        hours(up.us),
        (sent.us - up.us) as f64 / 1e6,
    );
    Ok(wrong)
}

/// The accelerometer answers no more.
fn hang() -> Case {
    let mut case = super::of(Application::Seismic, HANG_END_S, 1);
    (case.kind.quakes_s, case.spreading, case.air.loss, case.hang_s) = (Some(QUAKES_S), 7, 0.0, Some(HANG_S));
    case
}

fn judge_hang(_: &Case, run: &Run) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    let lines = told(&run.lines);
    let bitten = first(&lines, 0, "reset 3")?;
    let after_ms = (bitten.us - HANG_S * 1_000_000) / 1000;
    println!("watchdog: the sensor hangs at {HANG_S} s, the node is reset {after_ms} ms later");
    if !(WATCHDOG_MS..=WATCHDOG_MS + FIFO_MS).contains(&after_ms) {
        wrong.push(format!("the watchdog bit {after_ms} ms after the sensor hung"));
    }
    let causes = causes(&lines);
    if causes != [ResetCause::PowerOn, ResetCause::Watchdog].map(|cause| cause as u32) {
        wrong.push(format!("it started by {causes:?}"));
    }
    let told: Vec<v1::ResetCause> = run.gateway.boots.iter().map(|(cause, _)| *cause).collect();
    if told != [v1::ResetCause::PowerOn, v1::ResetCause::Watchdog] {
        wrong.push(format!("it told of starts by {told:?}"));
    }
    // It goes on in its mode, and finds the earthquake.
    let start = first(&lines, bitten.us, "start ")?;
    if first(&lines, start.us, "mode ")?.what.as_bytes().get(5) != Some(&(b'0' + Mode::Full as u8)) {
        wrong.push(String::from("it did not go on in its mode"));
    }
    first(&lines, start.us, "ALARM")?;
    Ok(wrong)
}
