//! Times on this machine beside those of other runtimes on the same models, taken in turns.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use tanbo_format::Family;

use crate::models::{artifact, random, unreadable};
use crate::results::{self, Figure};
use crate::workspace::{Error, cargo, root, succeeds};

/// The other side's script and the versions of the runtimes.
const FOLDER: &str = "benches/host/peers";
/// Name of our own contender, with its kernel table behind it.
const OURS: &str = "ours";

/// A model, and the files that each runtime takes of it. Paths start at the file that names them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    /// What we compile: .onnx, .tflite or .tnb.
    ours: PathBuf,
    /// Files by their form, such as float, int8, uint8.
    #[serde(default)]
    onnx_runtime: BTreeMap<String, PathBuf>,
    #[serde(default)]
    litert: BTreeMap<String, PathBuf>,
    #[serde(default)]
    tract: BTreeMap<String, PathBuf>,
    #[serde(default)]
    rten: BTreeMap<String, PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    model: Vec<Entry>,
}

/// A model as the script takes it.
#[derive(Debug, Serialize)]
struct Task {
    name: String,
    artifact: PathBuf,
    peers: Vec<Peer>,
}

#[derive(Debug, Serialize)]
struct Peer {
    runtime: &'static str,
    form: String,
    file: PathBuf,
}

/// What the script says of a model: nanoseconds of one inference, round by round.
#[derive(Debug, Deserialize)]
struct Measured {
    name: String,
    times: BTreeMap<String, Vec<f64>>,
    failed: BTreeMap<String, String>,
}

/// Compares the models that `list` names, or those of `benches/models`, and prints a table each; with `save`, keeps the figures.
///
/// # Errors
/// No python3.11 or PyPI; a model that cannot be compiled; a runtime that cannot be started.
pub fn run(list: Option<&Path>, rounds: u32, save: bool) -> Result<(), Error> {
    let folder = root().join("target/peers");
    fs::create_dir_all(&folder).map_err(|error| unreadable(&folder, &error))?;
    let python = python(&folder)?;
    let entries = match list {
        Some(path) => listed(path)?,
        None => generated(&python, &folder.join("models"))?,
    };
    let programs = ["-p", "tanbo-host", "--features", "rten", "--bin", "tanbo-timed", "--bin", "tanbo-timed-rten"];
    if !succeeds(cargo(&["build", "-q", "--release"]).args(programs))? {
        return Err(Error("tanbo-timed does not build; the reason stands above".into()));
    }
    let mut tasks = Vec::new();
    for entry in entries {
        let path = folder.join(format!("{}.tnb", entry.name));
        fs::write(&path, artifact(&entry.ours, Family::Portable)?).map_err(|error| unreadable(&path, &error))?;
        let runtimes = [
            ("onnx runtime", entry.onnx_runtime),
            ("litert", entry.litert),
            ("tract", entry.tract),
            ("rten", entry.rten),
        ];
        let peers = runtimes
            .into_iter()
            .flat_map(|(runtime, files)| files.into_iter().map(move |(form, file)| Peer { runtime, form, file }));
        tasks.push(Task { name: entry.name, artifact: path, peers: peers.collect() });
    }
    let file = folder.join("models.json");
    let text = serde_json::to_string(&tasks).map_err(|error| Error(error.to_string()))?;
    fs::write(&file, text).map_err(|error| unreadable(&file, &error))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut command = Command::new(python);
    command.arg(root().join(FOLDER).join("peers.py")).arg(root().join(target).join("release/tanbo-timed"));
    command.arg(rounds.to_string()).arg(&file).stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
    if !output.status.success() {
        return Err(Error(format!("{command:?}: {}", output.status)));
    }
    let measured: Vec<Measured> =
        serde_json::from_slice(&output.stdout).map_err(|error| Error(format!("{command:?}: {error}")))?;
    let mut figures = Vec::new();
    for model in &measured {
        println!("{}", table(model));
        figures.extend(figures_of(model));
    }
    if save { results::save(&figures) } else { Ok(()) }
}

/// Returns the models of a list.
fn listed(path: &Path) -> Result<Vec<Entry>, Error> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let entries: Entries = toml::from_str(&text).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    let path = std::path::absolute(path).map_err(|error| unreadable(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut entries = entries.model;
    for entry in &mut entries {
        entry.ours = folder.join(&entry.ours);
        let runtimes = [&mut entry.onnx_runtime, &mut entry.litert, &mut entry.tract, &mut entry.rten];
        for file in runtimes.into_iter().flat_map(|files| files.values_mut()) {
            *file = folder.join(&*file);
        }
    }
    Ok(entries)
}

/// Returns the models of `benches/models`, after having made their float and uint8 forms.
fn generated(python: &Path, folder: &Path) -> Result<Vec<Entry>, Error> {
    fs::create_dir_all(folder).map_err(|error| unreadable(folder, &error))?;
    let mut command = Command::new(python);
    command.arg(root().join("benches/models/generate.py")).arg(folder);
    if !succeeds(&mut command)? {
        return Err(Error(format!("{command:?} failed; the reason stands above")));
    }
    let entry = |ours: PathBuf| {
        let name = crate::models::name(&ours);
        let file = |form: &str| folder.join(format!("{name}_{form}.onnx"));
        let forms = [("float", file("float")), ("int8", ours.clone()), ("uint8", file("uint8"))];
        Entry {
            onnx_runtime: forms.into_iter().map(|(form, file)| (form.into(), file)).collect(),
            litert: BTreeMap::new(),
            tract: BTreeMap::from([("float".into(), file("float"))]),
            rten: BTreeMap::from([("float".into(), file("float"))]),
            ours,
            name,
        }
    };
    Ok(random()?.into_iter().map(entry).collect())
}

/// Returns the interpreter of a virtual environment with the runtimes, made now if it is not there.
fn python(folder: &Path) -> Result<PathBuf, Error> {
    let environment = folder.join("venv");
    let python = environment.join("bin/python");
    let list = root().join(FOLDER).join("requirements.txt");
    let wanted = fs::read(&list).map_err(|error| unreadable(&list, &error))?;
    let installed = environment.join("installed.txt");
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("installing the runtimes into {}", environment.display());
    // The runtimes have no builds for every version of Python.
    let made = succeeds(Command::new("python3.11").args(["-m", "venv"]).arg(&environment))?;
    if !made || !succeeds(Command::new(&python).args(["-m", "pip", "install", "-q", "-r"]).arg(&list))? {
        return Err(Error(format!("no environment in {}; the reason stands above", environment.display())));
    }
    fs::write(&installed, wanted).map_err(|error| unreadable(&installed, &error))?;
    Ok(python)
}

/// Returns the value below which half of the values lie.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Returns the table of a model: times, and our time as a share of each. The median is that of the rounds' own ratios, so
/// that what disturbs a round disturbs both sides.
fn table(model: &Measured) -> String {
    let mut text = format!(
        "== {}\n{:<24} {:>12} {:>12} {:>16} {:>16}\n",
        model.name, "runtime", "min us", "median us", "ours, of min", "median of ratios"
    );
    let Some((name, ours)) = model.times.iter().find(|(name, _)| name.starts_with(OURS)) else { return text };
    let mut peers: Vec<_> = model.times.iter().filter(|(peer, _)| *peer != name).collect();
    peers.sort_by(|a, b| least(a.1).total_cmp(&least(b.1)));
    text += &format!("{name:<24} {:>12.1} {:>12.1}\n", least(ours) / 1e3, median(ours) / 1e3);
    for (peer, times) in &peers {
        let ratios: Vec<f64> = ours.iter().zip(*times).map(|(ours, peer)| ours / peer).collect();
        let (min, mid) = (least(times) / 1e3, median(times) / 1e3);
        let share = least(ours) / least(times);
        text += &format!("{peer:<24} {min:>12.1} {mid:>12.1} {share:>16.3} {:>16.3}\n", median(&ratios));
    }
    for (peer, reason) in &model.failed {
        text += &format!("{peer:<24} did not run: {reason}\n");
    }
    if let Some((best, times)) = peers.first() {
        text += &format!("ours / best peer ({best}): {:.3}\n", least(ours) / least(times));
    }
    text
}

fn figures_of(model: &Measured) -> Vec<Figure> {
    let of = |runner: &String, quantity, value| Figure {
        model: model.name.clone(),
        runner: runner.clone(),
        table: String::new(),
        step: String::new(),
        operators: String::new(),
        macs: None,
        quantity,
        value,
    };
    let both = |(runner, times): (&String, &Vec<f64>)| {
        [of(runner, "nanoseconds_min", least(times)), of(runner, "nanoseconds_median", median(times))]
    };
    model.times.iter().flat_map(both).collect()
}

#[cfg(test)]
mod tests {
    use super::{Measured, table};

    #[test]
    fn our_time_is_shown_as_a_share_of_the_best() {
        let measured: Measured = serde_json::from_value(serde_json::json!({
            "name": "m",
            "times": { "ours (x)": [50e3, 60e3, 90e3], "a": [200e3, 200e3, 210e3], "b": [100e3, 120e3, 120e3] },
            "failed": { "c": "ValueError: no" },
        }))
        .expect("a document");
        let text = table(&measured);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[2], ["ours", "(x)", "50.0", "60.0"]);
        assert_eq!(rows[3], ["b", "100.0", "120.0", "0.500", "0.500"]);
        assert_eq!(rows[4], ["a", "200.0", "200.0", "0.250", "0.300"]);
        assert!(text.contains("c                        did not run: ValueError: no"), "{text}");
        assert!(text.ends_with("ours / best peer (b): 0.500\n"), "{text}");
    }
}
