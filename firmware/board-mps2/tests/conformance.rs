//! The emulated board keeps what tanbo-board-api promises, and so does the simulated one under the same program.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tanbo_emulated::host::{Outcome, Program, Runner};

const PROGRAM: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-board-conformance" };
/// The tests that both boards run.
const TESTS: [&str; 4] = ["clock", "power", "uplink", "slots"];

/// Runs a test on the emulated board, whose time is that of its instructions.
fn emulated(test: &str) -> Outcome {
    let mut runner = Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}"));
    let image = runner.build(&PROGRAM).unwrap_or_else(|e| panic!("{e}"));
    let dir = tempfile::tempdir().expect("temporary directory");
    let socket = dir.path().join("uart");
    let listener = UnixListener::bind(&socket).expect("socket");
    // What UART 0 sends comes back.
    thread::spawn(move || {
        let (mut line, _) = listener.accept()?;
        let mut bytes = [0; 512];
        loop {
            let len = line.read(&mut bytes)?;
            line.write_all(bytes.get(..len).unwrap_or_default())?;
            if len == 0 {
                return std::io::Result::Ok(());
            }
        }
    });
    runner.qemu += " -icount shift=5,sleep=off -chardev socket,id=uart,path=uart -serial chardev:uart -append ";
    runner.qemu += test;
    runner.run(&image, dir.path(), Duration::from_secs(120)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_emulated_board_keeps_its_promises() {
    for test in TESTS {
        let outcome = emulated(test);
        assert_eq!(outcome.console, format!("{test}: kept\n"));
        assert_eq!(outcome.exit_code, Some(0), "{test}");
    }
}

#[test]
fn the_emulated_board_tells_its_starts_apart() {
    let outcome = emulated("resets");
    let starts = "start: PowerOn, selected None\n\
                  start: Software, selected Some(Selection { slot: 1, trial: true })\n\
                  start: Watchdog, selected Some(Selection { slot: 1, trial: true })\n\
                  resets: kept\n";
    assert_eq!((outcome.console.as_str(), outcome.exit_code), (starts, Some(0)));
}

#[test]
fn the_simulated_board_keeps_them_in_the_same_program() {
    for test in TESTS {
        let output =
            Command::new(env!("CARGO_BIN_EXE_tanbo-board-conformance")).arg(test).output().expect("the program");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{test}: kept\n"));
    }
    let output =
        Command::new(env!("CARGO_BIN_EXE_tanbo-board-conformance")).arg("magic").output().expect("the program");
    assert_eq!(output.status.code(), Some(2));
}
