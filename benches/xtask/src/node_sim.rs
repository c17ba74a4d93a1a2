//! `cargo xtask node-sim`: the node's real image for days on the emulated board, and what it did.

mod books;
mod gateway;
mod input;
mod kills;
mod plot;
mod profile;
mod resets;
mod world;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tanbo_board_mps2::world::EPOCH_US;
use tanbo_emulated::host::ImageSize;
use tanbo_node::energy::{BOARDS, Board, board, sensor};
use tanbo_node::plan::Application;
use tanbo_node::settings::key;
use tanbo_wire::v1::Set;

use crate::workspace::Error;
use books::{Books, SENSOR_STATES};
use gateway::{Air, Record, Wish};
use input::Kind;
use profile::Part;
use world::{Case, Place, Run};

/// What to simulate.
#[derive(Args, Clone)]
pub struct Arguments {
    /// seismic, water, cyclone or paddy.
    #[arg(long, default_value = "seismic")]
    app: String,
    /// Length of the simulation; a tenth of a day will do.
    #[arg(long, default_value_t = 1.0)]
    days: f64,
    /// Of everything that is random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nothing but noise and tides: no earthquakes, people, storms.
    #[arg(long)]
    quiet: bool,
    /// Spreading factor, 7 to 12.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u8).range(7..=12))]
    sf: u8,
    /// Share of the frames that are lost, each way.
    #[arg(long, default_value_t = 0.1)]
    loss: f64,
    /// When the gateway is off, in hours: FROM-TO; repeat the flag.
    #[arg(long = "outage", value_name = "FROM-TO", value_parser = outage)]
    outages: Vec<(u64, u64)>,
    /// Charge of the two AA cells at the start, percent.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=100))]
    charge: u64,
    /// Capacity of the battery, mAh.
    #[arg(long, default_value_t = 2500.0)]
    capacity: f64,
    /// Peak of a solar panel, mW.
    #[arg(long, default_value_t = 0.0)]
    panel: f64,
    /// Second in which the supply is away for a moment.
    #[arg(long, value_name = "SECOND")]
    dip: Option<u64>,
    /// Second from which on the first sensor does not answer, until the node is reset.
    #[arg(long, value_name = "SECOND")]
    hang: Option<u64>,
    /// Instead of all this: pulls the plug of a seismic node so often, and judges what is left each time.
    #[arg(long, value_name = "TIMES")]
    kills: Option<usize>,
    /// Instead of all this: a supply that falls, for a moment and for a night, and a sensor that hangs.
    #[arg(long)]
    resets: bool,
    /// Board whose currents the energy is told for, a table of firmware/node/boards.
    #[arg(long, default_value = "nrf52840")]
    board: String,
    /// Where to write a picture of what happened when.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Print the node's log, too.
    #[arg(long)]
    log: bool,
    /// Print everything as one line of JSON.
    #[arg(long)]
    json: bool,
}

fn outage(text: &str) -> Result<(u64, u64), String> {
    let hours =
        |text: &str| text.parse::<f64>().map(|hours| (hours * 3600.0) as u64).map_err(|error| error.to_string());
    let (from, to) = text.split_once('-').ok_or("two hours with a dash between them, please")?;
    Ok((hours(from)?, hours(to)?))
}

/// Instructions of the emulated core in a second.
const INSTRUCTIONS_PER_S: u64 = 62_500_000;
/// The core that shares of time are told for.
const CLOCK_HZ: u64 = 64_000_000;
/// Most that a seismic node may be awake, parts per million of a core of 64 MHz.
const MOST_AWAKE_PPM: f64 = 2000.0;
/// Longest time that is profiled, s.
const PROFILE_S: u64 = 6 * 3600;
/// Day of the paddy's season on which the world begins.
const SEASON_DAY: i32 = 20;
/// Supply for which charge becomes energy, mV.
const SUPPLY_MV: u64 = 3000;

/// What a simulation found.
#[derive(Serialize)]
pub struct Findings {
    application: &'static str,
    days: f64,
    seed: u64,
    /// Instructions outside of sleep, over those of a core of 64 MHz that needs one cycle each.
    pub awake_ppm: f64,
    pub wakes: u64,
    books: Books,
    parts: Vec<Part>,
    /// Seconds of the world that the parts are for.
    profiled_s: u64,
    /// Energy of each part by board, J.
    energy: Vec<(&'static str, Vec<(String, f64)>)>,
    /// Alarms and what else the node decided, as it said it.
    events: Vec<String>,
    sent: u64,
    heard: u64,
    refused: u64,
    acknowledged: usize,
    frames: Vec<(String, usize)>,
}

/// Runs a simulation and prints what it found; returns whether all that must hold does.
///
/// # Errors
/// A name that is not known; something that cannot be built or run.
pub fn run(arguments: &Arguments) -> Result<bool, Error> {
    if let Some(times) = arguments.kills {
        return Ok(crate::report::findings("node-sim", &kills(times, arguments.seed)?));
    }
    if arguments.resets {
        return Ok(crate::report::findings("node-sim", &resets::check()?));
    }
    let case = case(arguments)?;
    let on = board(&arguments.board).ok_or_else(|| {
        let names: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        Error(format!("no board {}; there are {}", arguments.board, names.join(", ")))
    })?;
    let began = Instant::now();
    let (findings, wrong, log) = simulate(&case, true)?;
    if let Some(path) = &arguments.plot {
        let title = format!("{} for {} days on the emulated board", findings.application, findings.days);
        let subtitle = format!(
            "{} wakes, {:.3} % of the time at work; energy on {} is an estimate; seed {}",
            findings.wakes,
            findings.awake_ppm / 1e4,
            on.name,
            findings.seed
        );
        let energy = energy(case.kind.application, &findings.books, on);
        std::fs::write(path, plot::svg(&title, &subtitle, &log, &energy, case.seconds))
            .map_err(|error| Error(format!("{}: {error}", path.display())))?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&findings).map_err(|error| Error(error.to_string()))?);
    } else {
        if arguments.log {
            log.iter().for_each(|line| println!("{line}"));
        }
        print!("{}", text(&findings, &case, on));
        println!("took {:.0} s of this machine", began.elapsed().as_secs_f64());
    }
    Ok(crate::report::findings("node-sim", &wrong))
}

/// What the tests simulate of each application: until something has happened.
const CHECKED_S: [(Application, u64); 4] = [
    (Application::Seismic, 7_800),
    (Application::Water, 46_800),
    (Application::Cyclone, 86_400),
    (Application::Paddy, 172_800),
];

/// Pulls the plug of a running seismic node so often; what is wrong, a line each.
///
/// # Errors
/// Something could not be built or run.
pub fn kills(times: usize, seed: u64) -> Result<Vec<String>, Error> {
    kills::run(times, seed)
}

/// How often the tests pull the plug of a running node, and how often at full size.
const KILLS: usize = 12;
pub const KILLS_SOAK: usize = 200;

/// Runs each application for some hours, with lost frames and an outage: what is wrong, a line each. The same log twice, events and hops
/// as on this machine, sleeps as planned, something decided, and nothing acknowledged that is not on the gateway's disk; then supplies that fall, a sensor that hangs, and a plug that is pulled.
///
/// # Errors
/// Something could not be built or run.
pub fn check() -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    for (application, seconds) in CHECKED_S {
        let mut case = of(application, seconds, 1);
        case.air.outages = vec![(3600, 5400)];
        let (findings, found, _) = simulate(&case, false)?;
        let Findings { wakes, awake_ppm, events, sent, heard, acknowledged, .. } = &findings;
        println!(
            "{}: {} s, {wakes} wakes, {:.4} % awake, {sent} frames sent, {heard} heard, {acknowledged} acknowledged, {} events",
            application.name(),
            seconds,
            awake_ppm / 1e4,
            events.len() - 1
        );
        let mut own = found;
        if events.len() < 2 {
            own.push(String::from("nothing was decided"));
        }
        if *heard == 0 || *acknowledged == 0 {
            own.push(String::from("no frame was acknowledged"));
        }
        if application == Application::Seismic && *awake_ppm > MOST_AWAKE_PPM {
            own.push(format!("awake for {awake_ppm:.0} ppm of the time, more than {MOST_AWAKE_PPM}"));
        }
        wrong.extend(own.into_iter().map(|line| format!("{}: {line}", application.name())));
    }
    wrong.extend(resets::check()?);
    wrong.extend(kills::run(KILLS, 1)?);
    Ok(wrong)
}

/// Sizes of the seismic node's image, apart from the world around it, and its deepest stack over an hour in which it wakes, sends and hears.
///
/// # Errors
/// It does not build or run; something of the node is in the world's section.
pub fn footprint() -> Result<(ImageSize, u64), Error> {
    let image = world::image(Application::Seismic)?;
    profile::check_world(&image)?;
    let size = ImageSize::of(&image).map_err(|error| Error(error.to_string()))?;
    let run = world::run(&of(Application::Seismic, 7_800, 1), Place::Emulated)?;
    Ok((size, Books::read(&run.lines)?.stack_bytes))
}

/// A case of an application: two full AA cells, SF9, one frame in ten lost each way.
fn of(application: Application, seconds: u64, seed: u64) -> Case {
    // Half way, the gateway asks for something: a watch for a hazard that is announced, in its settings.
    let watch = (seconds / 2, Wish::Set(Set { key: key::WATCH, value: 1 }));
    let wishes = match application {
        // Before: the season, and where the field's surface is.
        Application::Paddy => {
            let season = Set { key: key::SEASON, value: (EPOCH_US / 86_400_000_000) as i32 - SEASON_DAY };
            let level = Set { key: key::LEVEL, value: input::PADDY_LEVEL_MM };
            vec![(0, Wish::Set(season)), (0, Wish::Set(level)), watch]
        }
        _ => vec![watch],
    };
    Case {
        kind: Kind { application, seed, quiet: false, quakes_s: None },
        seconds,
        air: Air { seed, loss: 0.1, outages: Vec::new(), wishes },
        spreading: 9,
        charge_uah: 2_500_000,
        capacity_uah: 2_500_000,
        panel_uw: 0,
        dip_us: None,
        hang_s: None,
    }
}

fn case(arguments: &Arguments) -> Result<Case, Error> {
    let application = Application::ALL.into_iter().find(|application| application.name() == arguments.app);
    let application = application.ok_or_else(|| {
        let names: Vec<&str> = Application::ALL.iter().map(|application| application.name()).collect();
        Error(format!("no application {}; there are {}", arguments.app, names.join(", ")))
    })?;
    let mut case = of(application, (arguments.days * 86_400.0) as u64, arguments.seed);
    case.kind.quiet = arguments.quiet;
    (case.air.loss, case.air.outages) = (arguments.loss, arguments.outages.clone());
    case.spreading = arguments.sf;
    (case.capacity_uah, case.panel_uw) = ((arguments.capacity * 1000.0) as u64, (arguments.panel * 1000.0) as u32);
    case.charge_uah = case.capacity_uah * arguments.charge / 100;
    (case.dip_us, case.hang_s) = (arguments.dip.map(|second| second * 1_000_000), arguments.hang);
    Ok(case)
}

/// Runs a case twice on the emulated board and once on this machine; what was found, what is wrong, and the log.
fn simulate(case: &Case, profiled: bool) -> Result<(Findings, Vec<String>, Vec<String>), Error> {
    let application = case.kind.application;
    // Built before anything runs.
    let image = world::image(application)?;
    let [first, second, here] = [Place::Emulated, Place::Emulated, Place::Here].map(|place| {
        let case = case.clone();
        std::thread::spawn(move || world::run(&case, place))
    });
    let joined = |thread: std::thread::JoinHandle<Result<Run, Error>>| {
        thread.join().unwrap_or_else(|_| Err(Error("node-sim: a run panicked".into())))
    };
    let (first, second, here) = (joined(first)?, joined(second)?, joined(here)?);
    let profiled_s = case.seconds.min(PROFILE_S);
    let parts = if profiled {
        let profile = world::run(&Case { seconds: profiled_s, ..case.clone() }, Place::Profiled)?.profile;
        profile::parts(&image, &profile)?
    } else {
        Vec::new()
    };
    let books = Books::read(&first.lines)?;
    let mut wrong = books.against_plan(application);
    if first.lines != second.lines {
        wrong.push(format!("two runs with the same seed differ: {}", difference(&first.lines, &second.lines)));
    }
    let (events, twins) = (events(&first.lines), events(&here.lines));
    if events != twins {
        wrong.push(format!("the board and its twin differ: {}", difference(&events, &twins)));
    }
    let findings = Findings {
        application: application.name(),
        days: case.seconds as f64 / 86_400.0,
        seed: case.kind.seed,
        awake_ppm: books.awake_ppm() as f64 * INSTRUCTIONS_PER_S as f64 / CLOCK_HZ as f64,
        wakes: books.wakes(),
        parts,
        profiled_s,
        energy: BOARDS.iter().map(|board| (board.name, energy(application, &books, board))).collect(),
        events,
        sent: first.gateway.sent,
        heard: first.gateway.heard,
        refused: first.gateway.refused,
        acknowledged: first.gateway.acknowledged.iter().collect::<std::collections::BTreeSet<_>>().len(),
        frames: frames(&first.gateway),
        books,
    };
    Ok((findings, wrong, first.lines))
}

/// What the node decided, without times: its twin has others.
fn events(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| line.starts_with("event: ")).cloned().collect()
}

fn difference(one: &[String], other: &[String]) -> String {
    let at = one.iter().zip(other).position(|(a, b)| a != b).unwrap_or(one.len().min(other.len()));
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(nothing)".into());
    format!("line {}: '{}' and '{}'", at + 1, line(one), line(other))
}

/// Kinds of frames on the gateway's disk, and how many.
fn frames(gateway: &Record) -> Vec<(String, usize)> {
    let mut kinds = std::collections::BTreeMap::new();
    for (_, kind) in gateway.disk.values() {
        *kinds.entry(String::from(*kind)).or_insert(0) += 1;
    }
    kinds.into_iter().collect()
}

/// Energy of each part on a board, J. A core that waits for a bus counts as one at work: no table has its current.
fn energy(application: Application, books: &Books, board: &Board) -> Vec<(String, f64)> {
    let joule = |us: u64, na: u64| us as f64 * 1e-6 * na as f64 * 1e-9 * SUPPLY_MV as f64 * 1e-3;
    let ua = |ua: u32| u64::from(ua) * 1000;
    // The board's core is faster or slower than the emulated one.
    let [run_us, idle_us, asleep_us] = books.core_us;
    let scaled_us = run_us * INSTRUCTIONS_PER_S / (u64::from(board.clock_mhz) * 1_000_000);
    let [_, receiving_us, sending_us] = books.radio_us;
    let mut parts = vec![
        (String::from("core at work"), joule(scaled_us, ua(board.run_ua))),
        (String::from("core waiting for a bus"), joule(idle_us, ua(board.run_ua))),
        (String::from("board asleep"), joule(asleep_us, board.stop_na.into())),
        (String::from("radio receiving"), joule(receiving_us, ua(board.receive_ua))),
        (String::from("radio sending"), joule(sending_us, ua(board.transmit_ua))),
    ];
    for ((name, states), converting_us) in application.sensors().iter().zip(books.sensors_us).zip(books.converting_us) {
        let Some(part) = sensor(name) else { continue };
        let states = states.iter().zip(SENSOR_STATES).map(|(us, state)| joule(*us, part.state_na(state).into()));
        parts.push((String::from(*name), states.sum::<f64>() + joule(converting_us, ua(part.convert_ua))));
    }
    parts
}

fn text(findings: &Findings, case: &Case, board: &Board) -> String {
    let Findings { books, parts, profiled_s, .. } = findings;
    let mut text = format!(
        "{} for {} days on the emulated board, seed {}{}\n\n",
        findings.application,
        findings.days,
        findings.seed,
        if case.kind.quiet { ", quiet" } else { "" }
    );
    let [_, idle_us, _] = books.core_us;
    let _ =
        writeln!(text, "{} wakes, {:.1} s apart", findings.wakes, case.seconds as f64 / findings.wakes.max(1) as f64);
    let _ = writeln!(
        text,
        "{:.3} % of the time at work (instructions, at one cycle each of 64 MHz), {:.3} % waiting for buses",
        findings.awake_ppm / 1e4,
        100.0 * idle_us as f64 / books.total_us() as f64
    );
    let _ = writeln!(text, "{} hops, {} scored; deepest stack {} bytes\n", books.hops, books.scored, books.stack_bytes);
    if !parts.is_empty() {
        let all: u64 = parts.iter().map(|part| part.instructions).sum();
        let _ = writeln!(text, "where the work goes                instructions/s      %");
        for Part { name, instructions } in parts {
            let share = 100.0 * *instructions as f64 / all.max(1) as f64;
            let _ = writeln!(text, "  {name:32} {:14} {share:6.1}", instructions / (*profiled_s).max(1));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "energy on {} (estimate, currents of the tables, at {SUPPLY_MV} mV)       J/day      %",
        board.name
    );
    for (name, parts) in &findings.energy {
        if *name == board.name {
            let all: f64 = parts.iter().map(|(_, joule)| joule).sum();
            for (part, joule) in parts {
                let _ = writeln!(text, "  {part:60} {:9.4} {:6.1}", joule / findings.days, 100.0 * joule / all);
            }
            let _ = writeln!(text, "  {:60} {:9.4}\n", "all", all / findings.days);
        }
    }
    let _ =
        writeln!(text, "asleep: what was on                                               times      hours  longest s");
    for waits in books.waits.iter().filter(|waits| waits.wait == "rest") {
        let on = format!(
            "{} and {}, mode {}, sensors {:?}, radio {}",
            waits.sampling, waits.uplink, waits.mode, waits.sensors, waits.radio
        );
        let _ = writeln!(
            text,
            "  {on:58} {:10} {:10.3} {:10.3}",
            waits.count,
            waits.us as f64 / 3.6e9,
            waits.longest_us as f64 / 1e6
        );
    }
    let _ = writeln!(
        text,
        "\n{} frames sent, {} heard, {} refused, {} acknowledged; on the gateway's disk: {}",
        findings.sent,
        findings.heard,
        findings.refused,
        findings.acknowledged,
        findings.frames.iter().map(|(kind, count)| format!("{count} × {kind}")).collect::<Vec<_>>().join(", ")
    );
    for event in &findings.events {
        let _ = writeln!(text, "{event}");
    }
    text
}
