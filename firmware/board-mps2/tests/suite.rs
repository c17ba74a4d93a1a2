//! `cargo test` for the board goes through the runner script: it runs every test of the image, and where one fails the run has failed.

use std::fs;
use std::process::Command;

use tanbo_emulated::host::{Program, Runner};

const SUITE: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-board-suite" };
const TESTS: [&str; 7] = ["clock", "kernels", "models", "power", "slots", "store", "uplink"];

/// Exit code and output of the script for a package whose tests get these words for QEMU.
fn script(words: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let runner = Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}"));
    let image = runner.build(&SUITE).unwrap_or_else(|e| panic!("{e}"));
    let image = image.canonicalize().expect("an image");
    let package = tempfile::tempdir().expect("a folder");
    let manifest = format!("[package.metadata.tanbo]\nrunner = \"m4\"\ntests = \"{words}\"\n");
    fs::write(package.path().join("Cargo.toml"), manifest).expect("a manifest");
    let out = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cargo/run-emulated"))
        .arg(image)
        .args(arguments)
        .env("CARGO_MANIFEST_DIR", package.path())
        .env_remove("TANBO_RUNNER")
        .output()
        .expect("the script");
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_test_that_fails_fails_the_run() {
    // Planted: a board without its memory, so that the store has none.
    let (code, said) = script("-icount shift=5,sleep=off", &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the flash does not do what it is told"), "{said}");
    for test in TESTS {
        let result = if test == "store" { "FAILED" } else { "ok" };
        let line = said.lines().find(|line| line.starts_with("test ") && line.contains(&format!("::{test} ")));
        assert!(line.is_some_and(|line| line.ends_with(result)), "{test}: {said}");
    }
    // Without the one that fails the others pass.
    let (code, said) = script("-icount shift=5,sleep=off", &["--skip", "store"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_machine_that_does_not_start_fails_the_run() {
    let (code, said) = script("-device no-such-device", &["clock"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-such-device") && said.contains("FAILED"), "{said}");
}
