//! From the start of a program that links only the engine and one model to the end of its first inference: time on this
//! machine, exact instructions on emulated Linux cores.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tanbo_emulated::host::Runner;
use tanbo_format::Family;

use crate::models::{artifact, family_of, name, unreadable};
use crate::results::{self, Figure};
use crate::workspace::{Error, cargo, root, succeeds};

/// The model that is always measured.
const ZOO: &str = "models/zoo/seismic/seismic.tnb";
/// Emulated cores with an operating system that are measured.
const RUNNERS: [&str; 2] = ["a72", "a76"];
/// Starts on this machine.
const STARTS: usize = 200;

/// Measures the zoo's model and those of `more`, and prints a line each; with `save`, keeps the figures.
///
/// # Errors
/// A model that cannot be compiled, a program that cannot be built or fails.
pub fn run(more: &[PathBuf], save: bool) -> Result<(), Error> {
    let mut figures = Vec::new();
    let zoo = root().join(ZOO);
    for model in std::iter::once(&zoo).chain(more) {
        let name = name(model);
        let mut put = |runner: &str, family: Family, quantity, value: f64, text: String| {
            println!("{name} on {runner} ({}): {text} from start to end of the first inference", family.name());
            figures.push(Figure {
                model: name.clone(),
                runner: runner.into(),
                table: family.name().into(),
                step: String::new(),
                operators: String::new(),
                macs: None,
                quantity,
                value,
            });
        };
        let family = tanbo::best_family();
        let (least, median) = on_this_machine(&artifact(model, family)?)?;
        put("host", family, "first_inference_us_min", least, format!("{least:.0} us (least of {STARTS})"));
        put("host", family, "first_inference_us_median", median, format!("{median:.0} us (median)"));
        for runner in RUNNERS {
            let failed = |error: &dyn std::fmt::Display| Error(format!("{name} on {runner}: {error}"));
            let runner = Runner::by_name(runner).map_err(|error| failed(&error))?;
            let family = family_of(&runner)?;
            let total = runner.first_inference(&artifact(model, family)?).map_err(|error| failed(&error))?;
            put(&runner.name, family, "first_inference_instructions", total as f64, format!("{total} instructions"));
        }
    }
    if save { results::save(&figures) } else { Ok(()) }
}

/// Returns the least and the median time of a process, from before it is started to after it has ended, in microseconds.
fn on_this_machine(artifact: &[u8]) -> Result<(f64, f64), Error> {
    let program = build(artifact)?;
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let mut command = Command::new(&program);
        command.stdin(Stdio::null());
        let start = Instant::now();
        let ended_well = succeeds(&mut command)?;
        times.push(start.elapsed().as_nanos() as f64 / 1000.0);
        if !ended_well {
            return Err(Error(format!("{}: its inference failed", program.display())));
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    Ok((at(0), at(STARTS / 2)))
}

/// Builds `tanbo-image` for this machine with the artifact in it; returns its path.
fn build(artifact: &[u8]) -> Result<PathBuf, Error> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = root().join(target);
    let path: &Path = &folder.join("first_inference.tnb");
    fs::write(path, artifact).map_err(|error| unreadable(path, &error))?;
    let mut command = cargo(&["build", "-q", "--release", "-p", "tanbo-target", "--bin", "tanbo-image"]);
    if !succeeds(command.env("TANBO_IMAGE", path))? {
        return Err(Error("tanbo-image does not build; the reason stands above".into()));
    }
    Ok(folder.join("release/tanbo-image"))
}
