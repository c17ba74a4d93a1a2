//! Somebody who keeps pulling the plug of a running node: whenever it is, what the node has kept is there, and goes on.
//!
//! The whole image runs in its world, the ground shakes every few minutes, and one frame in ten is lost each way. The emulator is
//! killed a moment after a line of the node's log that is drawn by lot, as is the moment; the memory behind the store is a file,
//! which stays. Then the file is read as the node will read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use embassy_futures::block_on;
use tanbo_board_api::ResetCause;
use tanbo_board_mps2::world::chips::Fram;
use tanbo_drivers::mb85rc::{FramFlash, Mb85rc, Size};
use tanbo_node::EVENTS;
use tanbo_node::plan::Application;
use tanbo_node::settings::key;
use tanbo_store::{Fault, Store};
use tanbo_wire::v1::{Command, Set};
use tempfile::TempDir;

use super::gateway::{Air, Gateway, Record, Wish};
use super::world::{self, Case, MEMORY, MEMORY_BYTES, Pipes, RESET, RESET_FILE, failed};
use crate::board;
use crate::workspace::Error;

/// From one earthquake to the next, s.
const QUAKES_S: u64 = 240;
/// Of so many starts one hears of a new setting, and one of another so many is told to restart.
const SETTINGS_EACH: usize = 4;
const RESTARTS_EACH: usize = 7;
/// Longest time with power, s: by then what it waits for has happened.
const LONGEST_S: u64 = 2 * 3600;
/// How long the node has power at the end, to send what is left, s.
const LAST_S: u64 = 4 * 3600;
/// Longest pause from a line to the kill, and from QEMU's start to one without, powers of two of a microsecond.
const PAUSE_BITS: u32 = 14;
const START_BITS: u32 = 18;
/// A line of which there is one.
const STARTED: &str = "start";
/// Lines after which it may happen; nothing: at any time from the start on.
const AFTER: [&str; 8] = ["", STARTED, "ALARM", "ALARM", "alarm ends", "kept", "sent", "received"];
/// Address of the memory on its bus.
const MEMORY_ADDRESS: u8 = 0x50;
/// A frame of the log ends with it.
const FRAME_END: u8 = 0;
/// In the fault log: the kind of a start.
const START: u8 = 0;

/// What is known of a node from outside.
struct Site {
    dir: TempDir,
    image: PathBuf,
    elf: Vec<u8>,
    case: Case,
    /// Numbers of events that the node has said it kept, each with those under which it kept them later.
    kept: BTreeMap<u32, BTreeSet<u32>>,
    /// Starts that the node told of, with their causes.
    starts: BTreeMap<u32, u8>,
    /// Least value of each: what the memory has said before.
    ceiling: u32,
    started: u32,
    wrong: Vec<String>,
}

/// What the node did until it was killed, or ended.
struct Life {
    /// Last time that it told, s of the world.
    until_s: u64,
    /// The node told of its start.
    told: bool,
    /// An event was on its way into flash.
    keeping: bool,
    /// Exit code of a node that ended by itself.
    code: Option<i32>,
}

/// What lies in the memory.
struct Kept {
    starts: u32,
    ceiling: u32,
    waiting: BTreeSet<u32>,
    season: Option<i32>,
    faults: Vec<Fault>,
}

/// Kills a seismic node so often; what is wrong, a line each.
///
/// # Errors
/// Something could not be built or run.
pub fn run(times: usize, seed: u64) -> Result<Vec<String>, Error> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut case = super::of(Application::Seismic, LONGEST_S, seed);
    case.kind.quakes_s = Some(QUAKES_S);
    case.spreading = 7;
    let mut gateway = Gateway::new(Air { wishes: Vec::new(), ..case.air.clone() });
    let mut site = Site::new(case)?;
    let (mut start_s, mut cause, mut keeping, mut restarts) = (0, ResetCause::PowerOn, 0, 0);
    let (mut most, mut early, mut killed) = (0, 0, 0);
    let mut number = 0;
    while killed < times {
        number += 1;
        if number % SETTINGS_EACH == 1 {
            // It rises, so that an older one is known by its value.
            gateway.wish(start_s, Wish::Set(Set { key: key::SEASON, value: 1 + number as i32 }));
        }
        let kill = if number % RESTARTS_EACH == 3 {
            gateway.wish(start_s + random.u64(0..600), Wish::Command(Command::Restart));
            None
        } else {
            let after = AFTER[random.usize(0..AFTER.len())];
            let bits = if after.is_empty() { START_BITS } else { random.u32(0..=PAUSE_BITS) };
            let times = if after == STARTED { 1 } else { random.usize(1..=3) };
            Some((after, times, Duration::from_micros(random.u64(0..1 << bits))))
        };
        site.case.seconds = start_s + LONGEST_S;
        let (life, next) = site.live(start_s, gateway, cause, kill)?;
        gateway = next;
        most = most.max(site.judge(&gateway)?);
        early += usize::from(!life.told);
        keeping += usize::from(life.keeping);
        (start_s, cause) = match life.code {
            None => {
                killed += 1;
                ((life.until_s + 120).next_multiple_of(60), ResetCause::PowerOn)
            }
            Some(RESET) => {
                restarts += 1;
                (world::read_reset(site.dir.path())?.0, ResetCause::Software)
            }
            code => return Err(Error(format!("kill {number}: the node ended by itself, code {code:?}"))),
        };
    }
    // The ground is quiet, and what is left goes out.
    site.case.kind.quiet = true;
    site.case.seconds = start_s + LAST_S;
    let (life, gateway) = site.live(start_s, gateway, cause, None)?;
    if life.code != Some(0) {
        site.wrong.push(format!("the last start ended with {:?}", life.code));
    }
    let left = site.judge(&gateway)?;
    if left > 0 {
        site.wrong.push(format!("{left} events were not acknowledged in the end"));
    }
    let record = &gateway.record;
    let arrived = record.disk.values().filter(|(_, kind)| *kind == "event").count();
    println!(
        "{killed} kills and {restarts} restarts by the gateway's command: {keeping} while an event went into flash, \
         {early} before the node told of its start; {} events kept, at most {most} waited, {arrived} on the gateway's disk; {} \
         frames on the air, no number twice; {} settings changed",
        site.kept.len(),
        record.aired.len(),
        record.applied.len(),
    );
    for (what, count) in [("event kept", site.kept.len()), ("setting changed", record.applied.len())] {
        if count * 8 < times {
            site.wrong.push(format!("only {count} times: {what}"));
        }
    }
    Ok(site.wrong)
}

impl Site {
    fn new(case: Case) -> Result<Self, Error> {
        let image = world::image(case.kind.application)?;
        let dir = tempfile::tempdir().map_err(failed("temporary directory"))?;
        fs::write(dir.path().join(MEMORY), [0xff; MEMORY_BYTES]).map_err(failed(MEMORY))?;
        let elf = fs::read(&image).map_err(failed("the image"))?;
        let (kept, starts, wrong) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Ok(Self { dir, image, elf, case, kept, starts, ceiling: 0, started: 0, wrong })
    }

    /// Switches the node on, and kills it so long after the n-th line with that word, if it lives so long.
    fn live(
        &mut self,
        start_s: u64,
        gateway: Gateway,
        cause: ResetCause,
        kill: Option<(&str, usize, Duration)>,
    ) -> Result<(Life, Gateway), Error> {
        let emulated = |error: tanbo_emulated::host::RunnerError| Error(error.to_string());
        let dir: &Path = self.dir.path();
        if cause == ResetCause::PowerOn {
            // What only a reset keeps is gone. At first there is none.
            let _ = fs::remove_file(dir.join(RESET_FILE));
        }
        world::write_settings(dir, &self.case, start_s, self.case.charge_uah)?;
        let pipes = Pipes::open(dir, self.case.kind, start_s, gateway)?;
        let mut board = world::runner()?.power(&self.image, dir, "none").map_err(emulated)?;
        let mut life = Life { until_s: start_s, told: false, keeping: false, code: None };
        let (after, mut left, pause) = kill.unwrap_or(("", usize::MAX, Duration::ZERO));
        if kill.is_some() && after.is_empty() {
            left = 0;
        }
        let mut log = board::log(&self.elf)?;
        let mut heard: Vec<String> = Vec::new();
        let ended = loop {
            if left == 0 {
                break false;
            }
            let bytes = board.hear(FRAME_END).map_err(failed("the console"))?;
            if bytes.last() != Some(&FRAME_END) {
                break true;
            }
            let lines: Vec<String> = log.take(&bytes).iter().map(ToString::to_string).collect();
            left -= left.min(lines.iter().filter(|line| line.contains(after) && kill.is_some()).count());
            heard.extend(lines);
        };
        if ended {
            life.code = board.wait().map_err(failed("QEMU"))?;
        } else {
            thread::sleep(pause);
            // A last line that was cut off stays in the decoder.
            let rest = board.kill().map_err(failed("QEMU"))?;
            heard.extend(log.take(&rest).iter().map(ToString::to_string));
        }
        drop(board);
        let gateway = pipes.close()?;
        for line in &heard {
            self.read(line, &mut life, cause);
        }
        Ok((life, gateway))
    }

    /// Takes a line of the node's log.
    fn read(&mut self, line: &str, life: &mut Life, cause: ResetCause) {
        let Some((us, what)) = line.strip_prefix("at ").and_then(|rest| rest.split_once(" us: ")) else { return };
        life.until_s = life.until_s.max(us.parse::<u64>().unwrap_or(0) / 1_000_000);
        let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
        let numbers: Vec<u32> =
            rest.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        life.keeping &= word != "kept";
        match (word, &numbers[..]) {
            ("ALARM" | "alarm", _) => life.keeping = true,
            ("kept", &[number]) => {
                self.kept.entry(number).or_default();
            }
            ("kept", &[number, before]) => {
                for names in self.kept.values_mut().filter(|names| names.contains(&before)) {
                    names.insert(number);
                }
                if let Some(names) = self.kept.get_mut(&before) {
                    names.insert(number);
                }
            }
            ("start", &[number, told]) => {
                life.told = true;
                if self.starts.insert(number, told as u8).is_some() || self.starts.keys().any(|known| *known > number) {
                    self.wrong.push(format!("start {number} was counted before"));
                }
                if told != cause as u32 {
                    self.wrong.push(format!("start {number} tells cause {told} after {cause:?}"));
                }
            }
            _ => {}
        }
    }

    /// Reads the memory as the node's next start will, from a copy of its file.
    fn memory(&self) -> Result<Kept, Error> {
        let bytes = fs::read(self.dir.path().join(MEMORY)).map_err(failed(MEMORY))?;
        let lost = |error: &dyn std::fmt::Debug| {
            Error(format!("after {} starts the store is lost: {error:?}", self.starts.len()))
        };
        let chip = Mb85rc::new(Fram::new(&bytes), MEMORY_ADDRESS, Size::Kbit256).map_err(|error| lost(&error))?;
        block_on(async {
            let flash = FramFlash(chip);
            let store = Store::<_, EVENTS>::open(flash, 0..Size::Kbit256.bytes()).await;
            let mut store = store.map_err(|error| lost(&error))?;
            let mut faults = Vec::new();
            while let Some(fault) = store.past_fault(faults.len() as u32).await.map_err(|error| lost(&error))? {
                faults.push(fault);
            }
            Ok(Kept {
                // Opening it was another.
                starts: store.starts() - 1,
                ceiling: store.ceiling(),
                waiting: store.waiting().collect(),
                season: store.setting(key::SEASON).await.map_err(|error| lost(&error))?,
                faults,
            })
        })
    }

    /// Judges what is left after a start; how many events wait.
    fn judge(&mut self, gateway: &Gateway) -> Result<usize, Error> {
        let kept = self.memory()?;
        let Record { disk, aired, reused, unnumbered, applied, asked, .. } = &gateway.record;
        let mut wrong = Vec::new();
        let there =
            |number: &u32| kept.waiting.contains(number) || disk.get(number).is_some_and(|(_, kind)| *kind == "event");
        for (number, names) in &self.kept {
            if !there(number) && !names.iter().any(there) {
                wrong.push(format!("event {number}, kept before, is neither in the memory nor on the gateway's disk"));
            }
        }
        if kept.ceiling < self.ceiling || kept.starts < self.started {
            wrong.push(format!("the memory goes back: {} starts, numbers up to {}", kept.starts, kept.ceiling));
        }
        if let Some((number, _)) = aired.last_key_value().filter(|(number, _)| **number >= kept.ceiling) {
            wrong.push(format!("number {number} was used, but only those below {} are reserved", kept.ceiling));
        }
        if let Some((number, _)) = self.starts.last_key_value().filter(|(number, _)| **number > kept.starts) {
            wrong.push(format!("the node told of start {number}, its memory only of {}", kept.starts));
        }
        let of_season =
            |set: &[(u16, i32)]| set.iter().rev().find(|(key, _)| *key == key::SEASON).map(|(_, value)| *value);
        if kept.season < of_season(applied) || kept.season > of_season(asked) {
            wrong.push(format!(
                "setting {:?}, but {:?} was applied and {:?} asked",
                kept.season,
                of_season(applied),
                of_season(asked)
            ));
        }
        for fault in kept.faults.iter().filter(|fault| fault.kind == START) {
            if self.starts.get(&fault.start).is_some_and(|cause| *cause != fault.code) {
                wrong.push(format!("the fault log has another cause of start {}: {}", fault.start, fault.code));
            }
        }
        if !reused.is_empty() || *unnumbered > 0 {
            wrong.push(format!("numbers {reused:?} twice on the air, {unnumbered} frames without a number"));
        }
        (self.ceiling, self.started) = (kept.ceiling, kept.starts);
        self.wrong.append(&mut wrong);
        Ok(kept.waiting.len())
    }
}
