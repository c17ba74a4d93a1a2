//! The emulated board tells its starts apart, and drivers work with the devices that QEMU puts on its bus.

mod kill;

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use kill::Board;
use tanbo_emulated::host::{Outcome, Program, Runner};
use tempfile::TempDir;

const PROGRAM: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-board-devices" };

/// Runs a test on the emulated board, whose time is that of its instructions, with more words for QEMU and files in `dir`.
fn emulated(test: &str, words: &str, dir: &Path) -> Outcome {
    let mut runner = Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}"));
    let image = runner.build(&PROGRAM).unwrap_or_else(|e| panic!("{e}"));
    runner.qemu += " -icount shift=5,sleep=off ";
    runner.qemu += words;
    runner.qemu += " -append ";
    runner.qemu += test;
    runner.run(&image, dir, Duration::from_secs(120)).unwrap_or_else(|e| panic!("{e}"))
}

/// What the board says that keeps its promises.
fn kept(test: &str, words: &str, dir: &Path) -> String {
    let outcome = emulated(test, words, dir);
    assert_eq!(outcome.exit_code, Some(0), "{test}: {}", outcome.console);
    outcome.console
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn the_emulated_board_tells_its_starts_apart() {
    let starts = "start: PowerOn, selected None\n\
                  start: Software, selected Some(Selection { slot: 1, trial: true })\n\
                  start: Watchdog, selected Some(Selection { slot: 1, trial: true })\n\
                  resets: kept\n";
    assert_eq!(kept("resets", "", directory().path()), starts);
}

/// The reading is the polynomial of the datasheet in fractions, over what QEMU's device has in its registers: raw values 0xfe2fee and
/// 0x0269a6, coefficients 0e1edd13ca5f2152f9c604d1db47005bfb3a.
#[test]
fn a_dps310_keeps_a_sensors_promises_and_reads_exactly() {
    let console = kept("barometer", "-device dps310,address=0x77", directory().path());
    assert_eq!(console, "9294631 / 100 Pa, 24738 / 1000 C\nbarometer: kept\n");
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let outcome = emulated("barometer", "", directory().path());
    assert_eq!(outcome.exit_code, Some(1));
    assert!(outcome.console.starts_with("nobody answers at this address"), "{}", outcome.console);
}

#[test]
fn a_tmp105_shows_the_temperature_that_was_set() {
    for (millis, celsius) in [(21_500, "21.5"), (-7_000, "-7"), (0, "0")] {
        let dir = directory();
        let listener = UnixListener::bind(dir.path().join("qmp")).expect("socket");
        let monitor = thread::spawn(move || {
            let (line, _) = listener.accept()?;
            let mut answers = io::BufReader::new(line.try_clone()?).lines();
            let mut line = line;
            let set = format!(
                r#"{{"execute":"qom-set","arguments":{{"path":"/machine/peripheral/t","property":"temperature","value":{millis}}}}}"#
            );
            answers.next();
            for command in [r#"{"execute":"qmp_capabilities"}"#, &set, r#"{"execute":"cont"}"#] {
                writeln!(line, "{command}")?;
                answers.next();
            }
            // Until QEMU ends.
            answers.for_each(drop);
            io::Result::Ok(())
        });
        let words = "-S -qmp unix:qmp -device tmp105,address=0x48,id=t";
        assert_eq!(kept("thermometer", words, dir.path()), format!("{celsius} C\nthermometer: kept\n"));
        monitor.join().expect("monitor").expect("monitor");
    }
}

#[test]
fn memory_in_a_file_outlives_resets_and_the_emulator() {
    let dir = directory();
    let words = "-drive if=none,id=m,file=memory.bin,format=raw \
                 -device at24c-eeprom,address=0x50,rom-size=32768,drive=m";
    std::fs::write(dir.path().join("memory.bin"), [0xff; 32 << 10]).expect("file");
    let starts = [[0, 0], [1, 2], [3, 4]];
    for [first, last] in starts {
        let expected: String = (first..=last).map(|start| format!("start {start}\n")).collect();
        assert_eq!(kept("memory", words, dir.path()), format!("{expected}memory: kept\n"));
    }
}

/// Kills of the emulator in the middle of its work.
const KILLS: usize = 200;

#[test]
fn killed_200_times_the_board_loses_no_event_and_no_number() {
    let board = Board::new(&PROGRAM);
    let mut promised = Promised::default();
    let mut random = fastrand::Rng::with_seed(200);
    for _ in 0..KILLS {
        // At so many lines, sometimes before the store is open, and then in the middle of whatever it does.
        let (lines, micros) = (random.usize(0..60), random.u64(0..3_000));
        promised.follow(&board.run("journal", lines, Duration::from_micros(micros)));
    }
    println!("{} events kept, up to number {:?}", promised.count, promised.last);
    assert!(promised.count > KILLS, "{} events", promised.count);
}

/// What the board said that it keeps.
#[derive(Default)]
struct Promised {
    events: BTreeSet<u32>,
    /// What it had begun, and whether it was to keep an event or to forget it.
    begun: Option<(bool, u32)>,
    ceiling: u32,
    last: Option<u32>,
    count: usize,
}

impl Promised {
    /// Follows what the board said from a start on.
    fn follow(&mut self, console: &str) {
        let mut found = BTreeSet::new();
        for line in console.lines() {
            let mut words = line.split(' ');
            let (what, number) = (words.next(), words.next().and_then(|word| word.parse::<u32>().ok()));
            let number = number.unwrap_or_else(|| panic!("{line}"));
            match what {
                Some("found") => {
                    assert_eq!(words.next(), Some("whole"), "{line}");
                    assert!(found.insert(number), "{line} twice");
                }
                Some("ceiling") => {
                    self.check(&found);
                    assert!(number >= self.ceiling, "{line} after {}", self.ceiling);
                    (self.events, self.begun, self.ceiling) = (found.clone(), None, number);
                }
                Some("reserved") => self.ceiling = number,
                Some("keeping") => {
                    assert!(self.last.is_none_or(|last| number > last), "{line} after {:?}", self.last);
                    self.last = Some(number);
                    self.begun = Some((true, number));
                }
                Some("forgetting") => self.begun = Some((false, number)),
                Some("kept") => {
                    self.events.insert(number);
                    self.begun = None;
                    self.count += 1;
                }
                Some("forgotten") => {
                    assert!(self.events.remove(&number), "{line}");
                    self.begun = None;
                }
                _ => panic!("{line}"),
            }
        }
    }

    /// What a start found is what was promised, but for what was begun.
    fn check(&self, found: &BTreeSet<u32>) {
        let mut other = self.events.clone();
        match self.begun {
            Some((true, number)) => _ = other.insert(number),
            Some((false, number)) => _ = other.remove(&number),
            None => {}
        }
        assert!(*found == self.events || *found == other, "{found:?}, not {:?} or {other:?}", self.events);
    }
}
