//! The command on an emulated core. Needs QEMU and the core's Rust target: `cargo xtask test` installs and runs this;
//! `cargo xtask test --host` and a plain `cargo test` leave it out, by name.

#[cfg(unix)]
mod board;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn document(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_tanbo")).arg("--json").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs emulators: cargo xtask test runs it"]
fn a_core_gives_the_bytes_of_the_host_and_counts() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/tflite/models");
    let model = models.join("conv_3x3_same.tflite").display().to_string();
    let golden = fs::read(models.join("conv_3x3_same.golden")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // The last of the golden's four streams is zeros.
    fs::write(at("x.bin"), [0; 105]).unwrap();
    let mut families = Vec::new();
    for runner in ["m4", "rv32", "a53"] {
        let run = document(&["run", &model, "-i", &at("x.bin"), "-o", &at("y.bin"), "--runner", runner]);
        assert_eq!(fs::read(at("y.bin")).unwrap(), golden[golden.len() / 4 * 3..], "{runner}");
        families.push(run["family"].as_str().unwrap().to_string());

        let bench = document(&["bench", &model, "--runner", runner, "--flash"]);
        let again = document(&["bench", &model, "--runner", runner, "--steps"]);
        assert_eq!((&bench["runner"], &bench["bit_exact"]), (&runner.into(), &true.into()));
        // A count, not a time: equal whenever it is taken, and no less than the multiply-accumulates.
        assert_eq!(bench["instructions"], again["instructions"]);
        assert!(bench["instructions"].as_u64() > bench["macs"].as_u64(), "{bench}");
        // The steps are counted in a run of their own, and the whole is their sum but for what finds the rows that can run.
        assert!(bench["steps"].is_null());
        let steps = again["steps"].as_array().unwrap();
        let sum: u64 = steps.iter().map(|step| step["instructions"].as_u64().unwrap()).sum();
        let all = again["instructions"].as_u64().unwrap();
        assert!(sum > all / 2 && sum < all + 200, "{again}");
        assert_eq!(steps.iter().map(|step| step["macs"].as_u64().unwrap()).sum::<u64>(), again["macs"]);
        assert_eq!(steps[0]["operators"][0], "conv2d");
        assert!(bench["latency_us"].is_null() && again["flash_code_bytes"].is_null());
        assert!(bench["stack_bytes"].as_u64().unwrap() > 200);
        // The input row by row: the same bits, without the whole input in the arena.
        let fed = document(&["bench", &model, "--runner", runner, "--input-rows"]);
        assert_eq!(fed["bit_exact"], true, "{runner}");
        assert!(fed["arena_bytes"].as_u64() < bench["arena_bytes"].as_u64(), "{runner}");
        // Flash means something only where there is no operating system.
        let flash = bench["flash_code_bytes"].as_u64();
        assert_eq!(
            flash.is_some_and(|bytes| (4_000..100_000).contains(&bytes)),
            runner != "a53",
            "{runner}: {flash:?}"
        );
    }
    assert_eq!(families, ["dsp", "rv32", "neon"]);
}

#[test]
#[ignore = "needs emulators: cargo xtask test runs it"]
fn steps_of_a_core_are_those_of_the_host() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb").display().to_string();
    let same = document(&["diff", &model, "--runner", "host", "--runner", "m4"]);
    assert_eq!((same["steps"].as_u64(), same["differing"].as_array().map(Vec::len)), (Some(3), Some(0)), "{same}");
    assert_eq!(same["families"][1], "dsp");
}
