//! What each step of each model takes on emulated cores or on this machine, as tables.

use std::path::PathBuf;

use serde_json::Value;

use crate::models::{committed, name, unreadable};
use crate::results::{self, Figure};
use crate::workspace::{Error, root, tanbo};

/// Measures the committed models and those of `more` on each of `runners`, and prints a table each; with `save`, keeps the
/// figures. Returns whether every output byte equals the reference kernels'.
///
/// # Errors
/// A model that is not there or cannot be measured.
pub fn run(runners: &[String], more: &[PathBuf], save: bool) -> Result<bool, Error> {
    let mut models = committed()?;
    models.extend(more.iter().cloned());
    let mut exact = true;
    let mut figures = Vec::new();
    for runner in runners {
        for model in &models {
            // Paths are ours, not the workspace's, where the command runs.
            let path = std::path::absolute(model).map_err(|error| unreadable(model, &error))?;
            let mut command = tanbo()?;
            command.args(["bench", "--steps", "--runner", runner]).arg(path);
            let output = command.output().map_err(|error| Error(format!("cannot start {command:?}: {error}")))?;
            // The command's table is on stderr, its document on stdout.
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {}
                Some(1) => exact = false,
                _ => return Err(Error(format!("{} on {runner}: {said}", model.display()))),
            }
            println!("== {} on {runner}\n{said}", model.strip_prefix(root()).unwrap_or(model).display());
            let document = serde_json::from_slice(&output.stdout)
                .map_err(|error| Error(format!("{} on {runner}: {error}", model.display())))?;
            figures.extend(figures_of(&name(model), &document));
        }
    }
    if save {
        results::save(&figures)?;
    }
    Ok(exact)
}

/// Returns the figures of a document of `tanbo bench --steps`.
fn figures_of(model: &str, document: &Value) -> Vec<Figure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let whole = Figure {
        model: model.into(),
        runner: text(&document["runner"]),
        table: text(&document["table"]),
        step: String::new(),
        operators: String::new(),
        macs: document["macs"].as_u64(),
        quantity: "",
        value: 0.0,
    };
    let of = |figure: &Figure, values: &[(&'static str, &Value)]| -> Vec<Figure> {
        let known = values.iter().filter_map(|&(quantity, value)| Some((quantity, value.as_f64()?)));
        known.map(|(quantity, value)| Figure { quantity, value, ..figure.clone() }).collect()
    };
    let mut figures = of(
        &whole,
        &[
            ("instructions", &document["instructions"]),
            ("estimated_cycles", &document["estimated_cycles"]),
            ("microseconds_min", &document["latency_us"]["min"]),
            ("microseconds_median", &document["latency_us"]["median"]),
            ("arena_bytes", &document["arena_bytes"]),
            ("stack_bytes", &document["stack_bytes"]),
            ("artifact_bytes", &document["artifact_bytes"]),
        ],
    );
    for step in document["steps"].as_array().into_iter().flatten() {
        let operators = step["operators"].as_array().into_iter().flatten().map(&text).collect::<Vec<_>>();
        let chain = Figure {
            step: step["step"].to_string(),
            operators: operators.join("+"),
            macs: step["macs"].as_u64(),
            ..whole.clone()
        };
        figures.extend(of(
            &chain,
            &[
                ("instructions", &step["instructions"]),
                ("estimated_cycles", &step["estimated_cycles"]),
                ("nanoseconds_min", &step["nanoseconds"]),
            ],
        ));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::figures_of;

    #[test]
    fn the_whole_and_each_step_become_figures() {
        let document = serde_json::json!({
            "runner": "m4", "table": "dsp", "macs": 7, "instructions": 20, "estimated_cycles": null, "latency_us": null,
            "steps": [{ "step": 3, "operators": ["conv2d", "add"], "macs": 7, "instructions": 15, "nanoseconds": null }],
        });
        let figures = figures_of("m", &document);
        let lines: Vec<_> =
            figures.iter().map(|f| (f.step.as_str(), f.operators.as_str(), f.quantity, f.value)).collect();
        assert_eq!(lines, [("", "", "instructions", 20.0), ("3", "conv2d+add", "instructions", 15.0)]);
    }
}
