//! A run of a node in its world: the emulated board, or this machine, and around it the pipes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tanbo_emulated::host::{Program, Runner};
use tanbo_node::plan::Application;
use tempfile::TempDir;

use super::gateway::{Air, Gateway, Record};
use super::input::{Kind, Readings, feeds};
use crate::board;
use crate::workspace::{Error, cargo, root, succeeds};

/// Core of the board. At this shift an instruction takes 16 ns: 62.5 million a second, as a core of 64 MHz that needs one cycle each.
const RUNNER: &str = "m4";
const CLOCK: &str = " -icount shift=4,sleep=off";
/// The memory behind the store.
pub const MEMORY: &str = "memory.bin";
pub const MEMORY_BYTES: usize = 32 << 10;
/// Longest run.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// Exit code of a node that resets itself.
pub const RESET: i32 = 77;
/// What it leaves for its next start.
pub const RESET_FILE: &str = "reset.bin";
/// Resets of a run, at most.
const RESETS: usize = 20;
/// Bytes written to a feed at once.
const PART: usize = 64 << 10;

/// What is run.
#[derive(Clone, Debug)]
pub struct Case {
    pub kind: Kind,
    pub seconds: u64,
    pub air: Air,
    pub spreading: u8,
    /// Charge of the battery at the start, and its capacity, µAh.
    pub charge_uah: u64,
    pub capacity_uah: u64,
    /// Peak of a panel, µW.
    pub panel_uw: u32,
    /// When the supply is away for a moment, µs of the world.
    pub dip_us: Option<u64>,
    /// When the first sensor hangs, until the node is reset, s of the world.
    pub hang_s: Option<u64>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the node and its world said.
    pub lines: Vec<String>,
    pub gateway: Record,
    /// Times each instruction was executed, if that was asked for.
    pub profile: Vec<(u64, u64)>,
}

/// Where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Emulated,
    /// As [`Place::Emulated`], with every instruction counted.
    Profiled,
    Here,
}

/// Returns the program of an application's node.
pub fn program(application: Application) -> Program<'static> {
    let bin = match application {
        Application::Seismic => "tanbo-node-seismic",
        Application::Water => "tanbo-node-water",
        Application::Cyclone => "tanbo-node-cyclone",
        Application::Paddy => "tanbo-node-paddy",
    };
    Program { package: "tanbo-board-mps2", bin }
}

pub fn failed(what: &str) -> impl Fn(io::Error) -> Error {
    move |error| Error(format!("node-sim: {what}: {error}"))
}

/// The emulated board as this crate starts it.
///
/// # Errors
/// No such runner.
pub fn runner() -> Result<Runner, Error> {
    let mut runner = Runner::by_name(RUNNER).map_err(|error| Error(error.to_string()))?;
    runner.qemu += CLOCK;
    Ok(runner.with_memory(MEMORY, MEMORY_BYTES))
}

/// Returns the node's image.
///
/// # Errors
/// It does not build.
pub fn image(application: Application) -> Result<PathBuf, Error> {
    runner()?.build(&program(application)).map_err(|error| Error(error.to_string()))
}

/// Returns the node's program on this machine.
fn twin(application: Application) -> Result<PathBuf, Error> {
    let Program { package, bin } = program(application);
    if !succeeds(&mut cargo(&["build", "--quiet", "--package", package, "--bin", bin]))? {
        return Err(Error(format!("{bin} does not build; the reason stands above")));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(root().join(target).join("debug").join(bin))
}

/// Runs a case from the beginning of the world to its end, through resets.
///
/// # Errors
/// Something could not be built or run, or the node stopped before the end.
pub fn run(case: &Case, place: Place) -> Result<Run, Error> {
    let application = case.kind.application;
    let program = if place == Place::Here { twin(application)? } else { image(application)? };
    let dir = tempfile::tempdir().map_err(failed("temporary directory"))?;
    fs::write(dir.path().join(MEMORY), [0xff; MEMORY_BYTES]).map_err(failed(MEMORY))?;
    let mut gateway = Gateway::new(case.air.clone());
    let mut run = Run { lines: Vec::new(), gateway: Record::default(), profile: Vec::new() };
    let (mut start_s, mut charge_uah) = (0, case.charge_uah);
    for _ in 0..=RESETS {
        write_settings(dir.path(), case, start_s, charge_uah)?;
        let pipes = Pipes::open(dir.path(), case.kind, start_s, gateway)?;
        let ended = start(&program, &dir, place);
        gateway = pipes.close()?;
        let (code, lines, profile) = ended?;
        let last = lines.last().cloned().unwrap_or_default();
        run.lines.extend(lines);
        run.profile = profile;
        match code {
            Some(0) => {
                run.gateway = gateway.record;
                return Ok(run);
            }
            Some(RESET) => (start_s, charge_uah) = read_reset(dir.path())?,
            code => {
                let said = run.lines.iter().rev().take(20).rev().cloned().collect::<Vec<_>>().join("\n");
                return Err(Error(format!("{application:?}: exit code {code:?} ({last}); it said:\n{said}")));
            }
        }
    }
    Err(Error(format!("{application:?}: the node reset itself {RESETS} times")))
}

/// Writes what the world of a start is like.
///
/// # Errors
/// The file's.
pub fn write_settings(dir: &Path, case: &Case, start_s: u64, charge_uah: u64) -> Result<(), Error> {
    let Case { seconds, spreading, capacity_uah, panel_uw, kind, dip_us, hang_s, .. } = case;
    let mut text = format!(
        "seconds {seconds}\nstart {start_s}\nseed {}\nspreading {spreading}\ncharge_uah {charge_uah}\n\
         capacity_uah {capacity_uah}\npanel_uw {panel_uw}\n",
        kind.seed
    );
    for (word, value) in [("dip_us", dip_us), ("hang_s", hang_s)] {
        text.extend(value.map(|value| format!("{word} {value}\n")));
    }
    fs::write(dir.join("world.txt"), text).map_err(failed("world.txt"))
}

/// When the node goes on after a reset, s, and the charge of its battery, µAh.
///
/// # Errors
/// It did not say so.
pub fn read_reset(dir: &Path) -> Result<(u64, u64), Error> {
    let text = fs::read_to_string(dir.join("reset.txt")).map_err(failed("reset.txt"))?;
    let numbers: Vec<u64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [world_us, charge_uah] = *numbers else { return Err(Error(format!("reset.txt: '{text}'"))) };
    // Readings of all chips begin at whole multiples of this: 4 s.
    Ok(((world_us / 1_000_000).next_multiple_of(60), charge_uah))
}

type Ended = (Option<i32>, Vec<String>, Vec<(u64, u64)>);

/// Starts the node; returns its exit code, what it said, and its profile.
fn start(program: &Path, dir: &TempDir, place: Place) -> Result<Ended, Error> {
    if place == Place::Here {
        let output = Command::new(program).current_dir(dir.path()).output().map_err(failed("the twin"))?;
        let said = [output.stdout, output.stderr].concat();
        let lines = String::from_utf8_lossy(&said).lines().map(String::from).collect();
        return Ok((output.status.code(), lines, Vec::new()));
    }
    let runner = runner()?;
    let emulated = |error: tanbo_emulated::host::RunnerError| Error(error.to_string());
    let (code, profile) = if place == Place::Profiled {
        let profile = runner.profile(program, dir.path(), TIMEOUT).map_err(emulated)?;
        (profile.exit_code, profile.counts)
    } else {
        (runner.run(program, dir.path(), TIMEOUT).map_err(emulated)?.exit_code, Vec::new())
    };
    let console = fs::read(dir.path().join("console.txt")).map_err(failed("console.txt"))?;
    let elf = fs::read(program).map_err(failed("the image"))?;
    Ok((code, board::decode(&elf, &console)?, profile))
}

/// The pipes around a node, each with its thread.
pub struct Pipes {
    paths: Vec<PathBuf>,
    feeds: Vec<JoinHandle<()>>,
    gateway: JoinHandle<Gateway>,
}

impl Pipes {
    /// Opens them around a start of the node at that time of the world.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(dir: &Path, kind: Kind, start_s: u64, gateway: Gateway) -> Result<Self, Error> {
        let names = ["up", "down", "feed0", "feed1"];
        let paths: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
        for path in paths.iter().filter(|path| !path.exists()) {
            if !succeeds(Command::new("mkfifo").arg(path))? {
                return Err(Error(format!("{}: mkfifo does not make it", path.display())));
            }
        }
        let feeds = feeds(kind, start_s)?.into_iter().zip(&paths[2..]).map(|(readings, path)| {
            let path = path.clone();
            // A node that is gone reads no more: the pipe says so, and that is the end.
            thread::spawn(move || drop(pour(readings, &path)))
        });
        let feeds = feeds.collect();
        let (up, down) = (paths[0].clone(), paths[1].clone());
        let gateway = thread::spawn(move || {
            let mut gateway = gateway;
            drop(answer(&mut gateway, &up, &down));
            gateway
        });
        Ok(Self { paths, feeds, gateway })
    }

    /// Ends the threads; returns the gateway as it is now.
    ///
    /// # Errors
    /// A thread panicked.
    pub fn close(self) -> Result<Gateway, Error> {
        // Who waits for the other end of a pipe that nobody opened goes on, and finds it closed.
        while !self.gateway.is_finished() || self.feeds.iter().any(|feed| !feed.is_finished()) {
            for path in &self.paths {
                drop(OpenOptions::new().read(true).write(true).open(path).map_err(failed("a pipe"))?);
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.gateway.join().map_err(|_| Error("node-sim: the gateway's thread panicked".into()))
    }
}

/// Writes readings as long as somebody takes them.
fn pour(readings: Readings, path: &Path) -> io::Result<()> {
    let mut pipe = File::options().write(true).open(path)?;
    let mut bytes = Vec::with_capacity(2 * PART);
    for reading in readings {
        bytes.extend(reading.iter().flat_map(|value| value.to_le_bytes()));
        if bytes.len() >= PART {
            pipe.write_all(&bytes)?;
            bytes.clear();
        }
    }
    Ok(())
}

/// Answers frames as long as there are any.
fn answer(gateway: &mut Gateway, up: &Path, down: &Path) -> io::Result<()> {
    let mut up = File::open(up)?;
    let mut down = File::options().write(true).open(down)?;
    loop {
        // Time u64, spreading factor u8, length u8; then the frame.
        let mut head = [0; 10];
        up.read_exact(&mut head)?;
        let [time @ .., _, len] = head;
        let mut frame = vec![0; len.into()];
        up.read_exact(&mut frame)?;
        let answer = gateway.hear(u64::from_le_bytes(time), &frame);
        // The window, the length, the answer.
        let mut bytes = vec![if answer.is_some() { 0 } else { 255 }];
        let answer = answer.unwrap_or_default();
        bytes.push(u8::try_from(answer.len()).unwrap_or(0));
        bytes.extend(answer);
        down.write_all(&bytes)?;
    }
}
