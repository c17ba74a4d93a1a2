//! `cargo xtask life`: an estimate of how long a node lives on a battery.

mod cell;
mod plot;
mod simulate;
mod weather;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use lora_modulation::{Bandwidth, BaseBandModulationParams, CodingRate, SpreadingFactor};
use serde::Deserialize;
use tanbo_node::duty::Mode;
use tanbo_node::energy::{BOARDS, Board, Times, board};
use tanbo_node::plan::{Application, plan};

use crate::workspace::Error;
use cell::Cell;
use simulate::{Case, Record, simulate};
use weather::Place;

/// What to simulate.
#[derive(Args, Clone)]
pub struct Arguments {
    /// seismic, water, cyclone or paddy.
    #[arg(long, default_value = "seismic")]
    app: String,
    /// A table of firmware/node/boards.
    #[arg(long, default_value = "nrf52840")]
    board: String,
    /// Tables of firmware/node/cells [default: all].
    #[arg(long = "cell", value_name = "CELL")]
    cells: Vec<String>,
    /// Degrees, north positive.
    #[arg(long, default_value_t = 35.7, allow_negative_numbers = true)]
    latitude: f64,
    /// Mean share of the sun's radiation that the clouds let through.
    #[arg(long, default_value_t = 0.45)]
    clearness: f64,
    /// Mean temperature, °C.
    #[arg(long, default_value_t = 16.0, allow_negative_numbers = true)]
    celsius: f64,
    /// Half the difference between the warmest and the coldest month, °C.
    #[arg(long, default_value_t = 11.0)]
    yearly: f64,
    /// Half the difference between day and night, °C.
    #[arg(long, default_value_t = 4.0)]
    daily: f64,
    /// Peak power of the panel beside a rechargeable battery, mW.
    #[arg(long, default_value_t = 100.0)]
    panel: f64,
    /// Spreading factor, 7 to 12.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u8).range(7..=12))]
    sf: u8,
    /// Work of the core per wake, µs [default: measured, firmware/node/work.toml].
    #[arg(long)]
    awake_us: Option<u64>,
    /// Longest time to simulate, years.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=50))]
    years: u32,
    /// Of the clouds.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the picture.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// Two receive windows in which nothing comes, and a downlink in one of four: preamble detection 30 ms, an answer 250 ms.
const RECEIVE_US: u64 = 2 * 30_000 + 250_000 / 4;
/// Sealing a frame, talking to the radio: in what was measured per wake.
const FRAME_WORK_US: u64 = 0;
/// What LoRaWAN adds to a payload, bytes, and ours: header and tag.
const FRAME_OVERHEAD: u8 = 13 + 7;

/// What an application's node does, as `cargo xtask node-sim` measured it: `firmware/node/work.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    /// Instructions of a day, frames and all.
    instructions_per_day: u64,
    /// Time of a day in which the core waits for buses, in which no table has its current: it counts as work, s.
    bus_s_per_day: f64,
}

/// Cycles of an instruction on a Cortex-M4: assumed, on the safe side; loads, multiplications and most else take one, jumps three.
const CYCLES_PER_INSTRUCTION: f64 = 1.5;

/// Returns the work of a wake on a core, µs: that of a day over its wakes.
fn awake_us(application: Application, board: &Board) -> Result<u64, Error> {
    let path = crate::workspace::root().join("firmware/node/work.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    let table: BTreeMap<String, Work> =
        toml::from_str(&text).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    let work = table.get(application.name());
    let work = work.ok_or_else(|| Error(format!("{}: nothing of {}", path.display(), application.name())))?;
    let wakes = 86_400.0 / f64::from(plan(application, Mode::Full).wake_s);
    let core_us = work.instructions_per_day as f64 * CYCLES_PER_INSTRUCTION / f64::from(board.clock_mhz);
    Ok(((core_us + work.bus_s_per_day * 1e6) / wakes) as u64)
}

/// Prints the estimate, and writes the picture if asked to.
///
/// # Errors
/// A name that is not known; a file that cannot be read or written.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let (text, picture) = report(arguments)?;
    print!("{text}");
    if let Some(path) = &arguments.plot {
        std::fs::write(path, picture).map_err(|error| Error(format!("{}: {error}", path.display())))?;
        println!("{}: written", path.display());
    }
    Ok(())
}

fn known<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Error {
    Error(format!("no {what} {name}; there are {}", names.collect::<Vec<_>>().join(", ")))
}

/// Airtime of a frame, µs, at 125 kHz and 4/5.
fn airtime_us(sf: u8, bytes: u8) -> u64 {
    let factor = match sf {
        7 => SpreadingFactor::_7,
        8 => SpreadingFactor::_8,
        9 => SpreadingFactor::_9,
        10 => SpreadingFactor::_10,
        11 => SpreadingFactor::_11,
        _ => SpreadingFactor::_12,
    };
    let modulation = BaseBandModulationParams::new(factor, Bandwidth::_125KHz, CodingRate::_4_5);
    modulation.time_on_air_us(Some(8), true, bytes).into()
}

/// Returns the text and the picture.
fn report(arguments: &Arguments) -> Result<(String, String), Error> {
    let application =
        Application::ALL.into_iter().find(|application| application.name() == arguments.app).ok_or_else(|| {
            known("application", &arguments.app, Application::ALL.iter().map(|application| application.name()))
        })?;
    let board = board(&arguments.board)
        .ok_or_else(|| known("board", &arguments.board, BOARDS.iter().map(|board| board.name)))?;
    let all = Cell::all()?;
    let mut cells = Vec::new();
    for name in
        if arguments.cells.is_empty() { all.keys().collect() } else { arguments.cells.iter().collect::<Vec<_>>() }
    {
        let cell = all.get(name).ok_or_else(|| known("cell", name, all.keys().map(String::as_str)))?;
        cells.push(cell);
    }
    let frame_bytes = plan(application, Mode::Full).frame_bytes + FRAME_OVERHEAD;
    let awake_us = match arguments.awake_us {
        Some(awake_us) => awake_us,
        None => awake_us(application, board)?,
    };
    let times = Times {
        awake_us,
        airtime_us: airtime_us(arguments.sf, frame_bytes),
        receive_us: RECEIVE_US,
        frame_work_us: FRAME_WORK_US,
    };
    let place = Place {
        latitude_deg: arguments.latitude,
        clearness: arguments.clearness,
        celsius: arguments.celsius,
        yearly_celsius: arguments.yearly,
        daily_celsius: arguments.daily,
    };
    let case = |cell| Case {
        application,
        board,
        cell,
        place,
        times,
        panel_mw: arguments.panel,
        seed: arguments.seed,
        years: arguments.years,
    };
    let records: Vec<(&Cell, Result<Record, Error>)> =
        cells.into_iter().map(|cell| (cell, simulate(&case(cell)))).collect();
    let mut text = heading(application, board, arguments, &times, frame_bytes);
    if let Some((_, Ok(record))) = records.iter().find(|(_, record)| record.is_ok()) {
        text += &draws(record);
    }
    for (cell, record) in &records {
        text += &match record {
            Ok(record) => year(cell, record),
            Err(Error(why)) => format!("\n{}\n  {why}\n", cell.about),
        };
    }
    text += &lives(&records, arguments.years);
    let curves: Vec<plot::Curve<'_>> = records
        .iter()
        .filter_map(|(cell, record)| {
            let record = record.as_ref().ok()?;
            Some(plot::Curve {
                label: format!("{}: {}", cell.about, life(cell, record, arguments.years)),
                weeks: &record.weeks,
            })
        })
        .collect();
    let title = format!("Charge left: {} on {} (estimate)", application.name(), board.about);
    let subtitle = format!(
        "{:.1}°, mean {:.0} °C, SF{}, seed {}",
        place.latitude_deg, place.celsius, arguments.sf, arguments.seed
    );
    Ok((text, plot::svg(&title, &subtitle, arguments.years, &curves)))
}

fn heading(application: Application, board: &Board, arguments: &Arguments, times: &Times, frame_bytes: u8) -> String {
    let Arguments { latitude, celsius, yearly, daily, clearness, sf, seed, .. } = arguments;
    format!(
        "ESTIMATE, not a measurement: {} on {}, sensors {}\n\
         currents from firmware/node/boards and sensors, duty policy and plan as the firmware has them\n\
         {latitude}° latitude, {celsius} °C ± {yearly} in the year ± {daily} in the day, clearness {clearness}, seed {seed}\n\
         {} µs of work per wake, frames of {frame_bytes} bytes at SF{sf}: {} ms on air\n",
        application.name(),
        board.about,
        application.sensors().join(" and "),
        times.awake_us,
        times.airtime_us / 1000,
    )
}

fn draws(record: &Record) -> String {
    let mut text = String::from("\nµA on average   board  sensors  conversions  at work  radio    total\n");
    for (mode, draw) in Mode::ALL.iter().zip(&record.draws).rev() {
        let ua = |na: u64| na as f64 / 1000.0;
        let _ = writeln!(
            text,
            "  {:12} {:6.1} {:8.1} {:12.2} {:8.2} {:6.2} {:8.1}",
            format!("{mode:?}").to_lowercase(),
            ua(draw.sleep_na),
            ua(draw.sensors_na),
            ua(draw.conversions_na),
            ua(draw.awake_na),
            ua(draw.radio_na),
            ua(draw.total_na())
        );
    }
    text
}

/// The first year, month by month.
fn year(cell: &Cell, record: &Record) -> String {
    let mut text = format!(
        "\n{}, the first year\n  month    °C  harvest mAh  used mAh  left %  least mV   hours full  save  survive  out\n",
        cell.about
    );
    for (number, month) in record.months.iter().take(12).enumerate() {
        let [out, survive, save, full] = month.hours;
        let _ = writeln!(
            text,
            "  {:5} {:5.1} {:12.1} {:9.1} {:7.1} {:9.0} {:12} {:5} {:8} {:4}",
            number + 1,
            month.celsius,
            month.harvest_mah,
            month.used_mah,
            100.0 * month.left,
            month.least_mv,
            full,
            save,
            survive,
            out
        );
    }
    text
}

fn life(cell: &Cell, record: &Record, years: u32) -> String {
    let simulated = record.life_hours.map_or(f64::from(years), |hours| hours as f64 / 8766.0);
    if simulated >= f64::from(cell.shelf_years) {
        return format!("{} years, as long as the battery keeps", cell.shelf_years);
    }
    match record.life_hours {
        Some(hours) if hours < 8766 => format!("{} days", hours / 24),
        Some(_) => format!("{simulated:.1} years"),
        None => format!("more than {years} years"),
    }
}

fn lives(records: &[(&Cell, Result<Record, Error>)], years: u32) -> String {
    let mut text = String::from("\nlife (estimate)\n");
    for (cell, record) in records {
        let life = record.as_ref().map_or("none".into(), |record| life(cell, record, years));
        let _ = writeln!(text, "  {:52} {life}", cell.about);
    }
    text + "  promised by others: Dragino LSE01, 4 to 8.5 Ah, a frame per 20 minutes: up to 10 years; CropX: 1 to 2 seasons\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn reported(line: &[&str]) -> Result<(String, String), Error> {
        report(&Line::parse_from([&["life"], line].concat()).arguments)
    }

    #[test]
    fn what_people_read() {
        let (text, picture) = reported(&["--app", "water", "--years", "6"]).unwrap();
        insta::assert_snapshot!("life", text);
        assert!(picture.starts_with("<svg") && picture.matches("<path").count() == 3);
    }

    #[test]
    fn the_picture_in_the_readme_is_what_the_code_draws() {
        let path = crate::workspace::root().join("firmware/node/life.svg");
        let (_, picture) = reported(&[]).unwrap();
        if std::env::var_os("TANBO_WRITE").is_some() {
            std::fs::write(&path, &picture).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(committed == picture, "TANBO_WRITE=1 cargo test -p xtask life writes firmware/node/life.svg again");
    }

    #[test]
    fn names_that_are_not_known_are_told() {
        let told = |line: &[&str]| reported(line).unwrap_err().0;
        assert_eq!(told(&["--app", "tea"]), "no application tea; there are seismic, water, cyclone, paddy");
        assert_eq!(
            told(&["--board", "z80"]),
            "no board z80; there are esp32c3, nrf52840, rp2040, rp2350, stm32u575, stm32wle5"
        );
        assert_eq!(told(&["--cell", "potato"]), "no cell potato; there are aa, lisocl2, nimh-solar");
    }

    #[test]
    fn airtime_is_that_of_the_calculators() {
        // 12 bytes.
        assert_eq!([7, 9, 12].map(|sf| airtime_us(sf, 12) / 1000), [41, 144, 1155]);
    }
}
