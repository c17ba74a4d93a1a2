//! Every runner of the table runs the selftest program: exact counts, measured stacks, files, exit codes, faults.

use std::{fs, process::Command, time::Duration};
use tanbo_emulated::host::{Outcome, Program, Runner};

const SELFTEST: Program<'static> = Program { package: "tanbo-emulated", bin: "tanbo-selftest" };

/// Outcome of one ability on `runner`, and what it wrote.
fn selftest(runner: &Runner, ability: &str) -> (Outcome, String) {
    let image = runner.build(&SELFTEST).unwrap_or_else(|e| panic!("{e}"));
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("selftest.txt"), ability).expect("ability file");
    let outcome = runner.run(&image, dir.path(), Duration::from_secs(60)).unwrap_or_else(|e| panic!("{e}"));
    let out = fs::read_to_string(dir.path().join("selftest.out")).unwrap_or_default();
    (outcome, out)
}

fn runners() -> Vec<Runner> {
    let list = Runner::list().unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<_> = list.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["m0", "m3", "m4", "m7", "m33", "m55", "rv32", "armv7", "a53", "a72", "a76", "microbit"]);
    list
}

#[test]
fn counts_are_exact() {
    for runner in runners() {
        let (outcome, _) = selftest(&runner, "count");
        println!("{} {}: {:?}", runner.name, runner.target, outcome.pairs);
        assert_eq!(outcome.exit_code, Some(0), "{}: {}", runner.name, outcome.console);
        let [markers, a, b, c] = outcome.pairs[..] else { panic!("{}: pairs {:?}", runner.name, outcome.pairs) };
        // Loops of 1, 1,000 and 1,000,000 turns of two instructions, and the same few around each.
        assert_eq!(b - a, 2 * 999, "{}", runner.name);
        assert_eq!(c - b, 2 * 999_000, "{}", runner.name);
        // The first marker, which some targets give a frame, and the call of the second.
        assert!((2..=4).contains(&markers), "{}: {markers} instructions of markers", runner.name);
        // One turn with its call, argument and return: where the markers are taken off, nothing else is left.
        assert!((2 + 3..=2 + 8).contains(&(a - markers)), "{}: {a} instructions for one turn", runner.name);
        if runner.timings.is_some() {
            // A turn is a subtraction, and a branch that is taken to an instruction of two bytes: 1 + 2 cycles.
            let [_, a, b, c] = outcome.cycles[..] else { panic!("{}: cycles {:?}", runner.name, outcome.cycles) };
            assert_eq!((b - a, c - b), (3 * 999, 3 * 999_000), "{}", runner.name);
        } else {
            assert_eq!(outcome.cycles, Vec::<u64>::new(), "{}", runner.name);
        }
        assert!(outcome.total.is_some_and(|total| total > a + b + c), "{}: {:?}", runner.name, outcome.total);
    }
}

#[test]
fn stacks_are_measured() {
    for runner in runners() {
        let (outcome, out) = selftest(&runner, "stack");
        assert_eq!(outcome.exit_code, Some(0), "{}: {}", runner.name, outcome.console);
        let mut lines = 0;
        for line in out.lines() {
            let (frame, used) = line.split_once(' ').expect("frame and used");
            let (frame, used): (usize, usize) = (frame.parse().expect("frame"), used.parse().expect("used"));
            println!("{}: frame {frame}, measured {used}", runner.name);
            // The frame and the measurement's own, which hold a few registers.
            assert!((frame..=frame + 192).contains(&used), "{}: frame {frame}, measured {used}", runner.name);
            lines += 1;
        }
        assert_eq!(lines, 3, "{}: {out}", runner.name);
    }
}

#[test]
fn an_exhausted_stack_is_reported() {
    for runner in runners() {
        let (outcome, out) = selftest(&runner, "overflow");
        assert_eq!(outcome.exit_code, Some(0), "{}: {}", runner.name, outcome.console);
        let available = out.strip_prefix("overflow ").and_then(|n| n.trim().parse::<usize>().ok());
        let most = if runner.name == "microbit" { 5 << 10 } else { 64 << 10 };
        assert!(available.is_some_and(|n| n <= most && n > most / 2), "{}: {out}", runner.name);
    }
}

#[test]
fn free_ram_is_zeroed_aligned_and_given_once() {
    for runner in runners() {
        let (outcome, out) = selftest(&runner, "ram");
        assert_eq!(outcome.exit_code, Some(0), "{}: {}", runner.name, outcome.console);
        let least = if runner.name == "microbit" { 10 << 10 } else { 3 << 20 };
        let bytes = out.strip_prefix("Some((").and_then(|s| s.split(',').next()).and_then(|n| n.parse::<usize>().ok());
        assert!(bytes.is_some_and(|n| n >= least), "{}: {out}", runner.name);
        assert!(out.trim().ends_with(", 0, true)) true"), "{}: {out}", runner.name);
    }
}

#[test]
fn exit_codes_panics_and_faults_reach_the_host() {
    for runner in runners() {
        let (outcome, _) = selftest(&runner, "7");
        assert_eq!(outcome.exit_code, Some(7), "{}", runner.name);
        let (outcome, _) = selftest(&runner, "panic");
        // The firmware profile aborts on panic, which on Linux is a signal.
        assert_eq!(outcome.exit_code, runner.machine.is_some().then_some(101), "{}", runner.name);
        assert!(outcome.console.contains("wanted"), "{}: {}", runner.name, outcome.console);
        let (outcome, _) = selftest(&runner, "fault");
        if runner.machine.is_some() {
            assert_eq!(outcome.exit_code, Some(102), "{}", runner.name);
            assert!(outcome.console.contains("at pc 0x"), "{}: {}", runner.name, outcome.console);
        } else {
            assert_eq!(outcome.exit_code, None, "{}: illegal instruction is a signal", runner.name);
        }
    }
}

/// Why `microbit` is in the table: it is the only machine that refuses what a real M0 refuses.
#[test]
fn a_misaligned_load_faults_on_microbit_only() {
    for runner in runners() {
        let (outcome, out) = selftest(&runner, "misaligned");
        if runner.name == "microbit" {
            assert_eq!(outcome.exit_code, Some(102), "{}", outcome.console);
            assert!(outcome.console.contains("HardFault at pc 0x"), "{}", outcome.console);
        } else {
            assert_eq!((outcome.exit_code, out.trim()), (Some(0), "0x5040302"), "{}", runner.name);
        }
    }
}

/// `cargo run --target` goes through the script; it must find the machine, and say what to do where it cannot.
#[test]
fn the_cargo_runner_finds_the_machine() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let run = |runner: &Runner, name: Option<&str>, package: &str| {
        let image = runner.build(&SELFTEST).unwrap_or_else(|e| panic!("{e}"));
        // cargo passes a path with the triple in it.
        let dir = tempfile::tempdir().expect("temporary directory");
        let triple = dir.path().join(&runner.target);
        fs::create_dir(&triple).expect("directory");
        let image = fs::copy(&image, triple.join("image")).map(|_| triple.join("image")).expect("copy of the image");
        fs::write(dir.path().join("selftest.txt"), "7").expect("ability file");
        fs::write(dir.path().join("Cargo.toml"), package).expect("manifest");
        let mut script = Command::new(format!("{root}/.cargo/run-emulated"));
        script.arg(image).current_dir(dir.path()).env("CARGO_MANIFEST_DIR", dir.path()).env_remove("TANBO_RUNNER");
        if let Some(name) = name {
            script.env("TANBO_RUNNER", name);
        }
        let out = script.output().expect("script");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let m4 = Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}"));
    let a53 = Runner::by_name("a53").unwrap_or_else(|e| panic!("{e}"));
    let manifest = "[package]\nname = \"x\"\n\n[package.metadata.tanbo]\nlayer = 5\nrunner = \"m4\"\n";
    assert_eq!(run(&m4, None, manifest).0, Some(7), "by the package's metadata");
    assert_eq!(run(&m4, Some("m4"), "").0, Some(7), "by the environment");
    assert_eq!(run(&a53, None, "").0, Some(7), "Linux programs run on any core");
    let (code, message) = run(&m4, None, "");
    assert_eq!(code, Some(2));
    assert!(message.contains("TANBO_RUNNER") && message.contains("microbit"), "{message}");
    let (code, message) = run(&m4, Some("m5"), "");
    assert_eq!(code, Some(2));
    assert!(message.contains("m5"), "{message}");
}

#[test]
fn an_unknown_runner_is_refused_with_the_list() {
    let error = Runner::by_name("m5").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("m5") && error.contains("m4, m7"), "{error}");
}
