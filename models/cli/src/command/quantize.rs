//! `tanbo quantize`: a float model becomes a quantized one, and what that costs.

use std::path::Path;

use serde::Serialize;
use tanbo_compiler::Options;
use tanbo_compiler::float::FloatModel;
use tanbo_compiler::import::onnx;
use tanbo_compiler::quantize::report::{self, CurvePoint, Judge, OutputComparison};
use tanbo_compiler::quantize::{Decision, Samples};

use crate::Verdict;
use crate::agreement::{Agreement, Share, Tensor};
use crate::args::QuantizeArgs;
use crate::curve::{Curve, Point, svg};
use crate::error::CliError;
use crate::facts::shortened;
use crate::files;
use crate::float;
use crate::output::{Output, grouped, table};
use crate::samples::{self, Data};

/// Most layers and decisions in the table; the document has all.
const ROWS: usize = 20;

#[derive(Serialize)]
struct Document {
    file: String,
    /// Calibration samples; null where the ranges were frozen.
    calibration: Option<Source>,
    /// File of frozen ranges.
    ranges: Option<String>,
    /// Size of the float model's file.
    float_bytes: usize,
    artifact_bytes: usize,
    /// What was decided, place by place.
    decisions: Vec<Decided>,
    /// The quantized model against the float model; null without samples.
    measured: Option<Measured>,
    /// Accuracy against size; null unless asked for.
    curve: Option<Vec<CurveFacts>>,
    /// The files written.
    written: Vec<String>,
}

#[derive(Serialize)]
struct Source {
    file: String,
    samples: usize,
}

#[derive(Serialize)]
struct Decided {
    place: String,
    what: String,
}

#[derive(Serialize)]
struct Measured {
    file: String,
    /// Whether the samples were kept apart from calibration; if not, the figures are estimates, on the better side.
    held_out: bool,
    #[serde(flatten)]
    agreement: Agreement,
    /// Tensors inside, the worst SQNR first.
    layers: Vec<Tensor>,
}

#[derive(Serialize)]
struct CurveFacts {
    label: String,
    artifact_bytes: usize,
    sqnr_db: Option<f64>,
    agreement: Option<Share>,
    accuracy: Option<Share>,
}

/// Quantizes, measures, and writes what was asked for.
pub fn quantize(args: &QuantizeArgs, out: &Output) -> Result<Verdict, CliError> {
    let path = args.file.as_path();
    let bytes = float::read(path)?;
    let name = files::stem(path);
    let refused = |error| CliError::compile(path, error);
    // What can be wrong with the test samples shows before long work.
    let judge = |data: &Data| Judge { labels: data.labels.clone(), threshold: args.threshold };
    let test = match &args.test {
        Some(file) => {
            let model = FloatModel::load(&bytes, &name).map_err(refused)?;
            let data = samples::read(file, model.inputs())?;
            let in_data = |error| CliError::compile(file, error);
            OutputComparison::new(model.outputs()).check(&judge(&data), data.samples.count()).map_err(in_data)?;
            Some((file, data))
        }
        None => None,
    };
    let calibrated = float::calibrate(path, &bytes, Some(&args.float), out)?;
    let quantized = &calibrated.quantized;
    let imported = onnx::import_with_values(&quantized.onnx, &name).map_err(refused)?;
    let options = Options { family: args.target, ..Options::default() };
    let artifact = tanbo_compiler::compile(&imported.graph, &options).map_err(refused)?;

    let calibration = args.float.calibrate.as_ref().zip(calibrated.data.as_ref());
    let (measured_on, held_out) = match &test {
        Some((file, data)) => (Some((*file, data)), true),
        None => (calibration, false),
    };
    let mut measured = None;
    let mut curve = None;
    if let Some((file, data)) = measured_on {
        let judge = judge(data);
        let in_data = |error| CliError::compile(file, error);
        let mut progress = out.progress();
        let report = report::compare(&quantized.reference, &name, &imported, &data.samples, &judge, &mut |now| {
            progress.show(now)
        });
        let report = report.map_err(in_data)?;
        drop(progress);
        let agreement = Agreement::of(&report);
        if let (Some(picture), Some((_, calibration))) = (&args.curve, calibration) {
            let points = points(args, &bytes, &calibration.samples, &data.samples, &judge, out)?;
            let float = agreement.accuracy.as_ref().map(|accuracy| accuracy.float.share);
            let measured = format!("{} samples of {}", grouped(agreement.samples as u64), file.display());
            files::write(picture, draw(path, &points, float, &measured, held_out).as_bytes())?;
            curve = Some(points.iter().map(facts).collect());
        }
        let layers = report.layers.iter().map(Tensor::of).collect();
        measured = Some(Measured { file: file.display().to_string(), held_out, agreement, layers });
    }
    let mut written: Vec<String> = args.curve.iter().map(|file| file.display().to_string()).collect();
    let ranges = quantized.ranges.to_toml();
    let files: [(_, &[u8]); 3] =
        [(&args.output, &artifact), (&args.ranges_out, ranges.as_bytes()), (&args.qdq, &quantized.onnx)];
    for (file, bytes) in files {
        if let Some(file) = file {
            files::write(file, bytes)?;
            written.push(file.display().to_string());
        }
    }
    let document = Document {
        file: path.display().to_string(),
        calibration: calibration
            .map(|(file, data)| Source { file: file.display().to_string(), samples: data.samples.count() }),
        ranges: args.float.ranges.as_ref().map(|file| file.display().to_string()),
        float_bytes: bytes.len(),
        artifact_bytes: artifact.len(),
        decisions: quantized.decisions.lines.iter().map(decided).collect(),
        measured,
        curve,
        written,
    };
    out.document(&document, || text(&document))?;
    Ok(Verdict::Yes)
}

fn decided(decision: &Decision) -> Decided {
    Decided { place: decision.place.clone(), what: decision.what.clone() }
}

fn points(
    args: &QuantizeArgs,
    bytes: &[u8],
    calibration: &Samples,
    evaluation: &Samples,
    judge: &Judge,
    out: &Output,
) -> Result<Vec<CurvePoint>, CliError> {
    let mut progress = out.progress();
    let name = files::stem(&args.file);
    let refused = |error| CliError::compile(&args.file, error);
    let options = float::options(&args.float, bytes, &name).map_err(refused)?;
    report::size_curve(bytes, &name, calibration, evaluation, judge, &options, &mut |now| progress.show(now))
        .map_err(refused)
}

fn draw(path: &Path, points: &[CurvePoint], float: Option<f64>, measured: &str, held_out: bool) -> String {
    let labelled = points.iter().any(|point| point.accuracy.is_some());
    let share = |point: &CurvePoint| {
        let proportion = if labelled { point.accuracy.as_ref() } else { point.agreement.as_ref() };
        proportion.map(Share::of).map(|share| [share.share, share.low, share.high])
    };
    let drawn: Vec<Point> = points
        .iter()
        .map(|point| Point {
            label: point.label.clone(),
            bytes: point.artifact_bytes,
            sqnr_db: point.sqnr_db,
            share: share(point),
        })
        .collect();
    let kept = if held_out {
        "kept apart from calibration"
    } else {
        "the calibration samples: an estimate, on the better side"
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    svg(&Curve {
        title: &format!("{name}: accuracy against size"),
        subtitle: &format!("{measured}, {kept}"),
        measure: if labelled { "accuracy" } else { "agreement with float" },
        float,
        points: &drawn,
    })
}

fn facts(point: &CurvePoint) -> CurveFacts {
    CurveFacts {
        label: point.label.clone(),
        artifact_bytes: point.artifact_bytes,
        sqnr_db: Some(point.sqnr_db).filter(|db| db.is_finite()),
        agreement: point.agreement.as_ref().map(Share::of),
        accuracy: point.accuracy.as_ref().map(Share::of),
    }
}

fn text(document: &Document) -> String {
    let mut text = String::new();
    let number = |n: usize| grouped(n as u64);
    text += &match (&document.calibration, &document.ranges) {
        (Some(from), _) => format!("calibrated with {} samples of {}\n", number(from.samples), from.file),
        (None, Some(file)) => format!("ranges     frozen in {file}\n"),
        (None, None) => String::new(),
    };
    text += &format!(
        "size       {} bytes as an artifact, float model {}\n",
        number(document.artifact_bytes),
        number(document.float_bytes)
    );
    let more = |shown: usize, all: usize| {
        if all > shown { format!("... and {} more: --json has all\n", all - shown) } else { String::new() }
    };
    let mut rows = vec![["place", "decided"].map(String::from).to_vec()];
    rows.extend(document.decisions.iter().take(ROWS).map(|line| vec![shortened(&line.place), line.what.clone()]));
    text += &format!("\n{}{}", table(&rows), more(ROWS, document.decisions.len()));

    if let Some(measured) = &document.measured {
        let kept = if measured.held_out {
            "kept apart from calibration"
        } else {
            "which it was calibrated with: AN ESTIMATE on the better side, give --test"
        };
        let samples = number(measured.agreement.samples);
        text += &format!("\nmeasured on {samples} samples of {}, {kept}\n\n", measured.file);
        let headings = ["layer, worst first", "SQNR dB", "cosine", "max error", "RMS", "node"];
        let mut rows = vec![headings.map(String::from).to_vec()];
        for layer in measured.layers.iter().take(ROWS) {
            // The kind of the node stands before its name.
            let node = layer.node.split_once(" '").map_or((layer.node.as_str(), ""), |(kind, name)| (kind, name));
            let node = format!("{} '{}", node.0, shortened(node.1));
            rows.push([vec![shortened(&layer.name)], layer.cells(), vec![node]].concat());
        }
        text += &format!("{}{}\n", table(&rows), more(ROWS, measured.layers.len()));
        text += &measured.agreement.table();
    } else {
        text += "\nnothing measured: give --test with samples\n";
    }
    if let Some(curve) = &document.curve {
        let mut rows = vec![["way", "bytes", "SQNR dB", "as float", "accuracy"].map(String::from).to_vec()];
        for point in curve {
            let percent = |share: &Option<Share>| {
                share.map_or(String::new(), |s| {
                    format!("{:.1} % ({:.1} to {:.1})", 100.0 * s.share, 100.0 * s.low, 100.0 * s.high)
                })
            };
            rows.push(vec![
                point.label.clone(),
                number(point.artifact_bytes),
                point.sqnr_db.map_or("equal".into(), |db| format!("{db:.1}")),
                percent(&point.agreement),
                percent(&point.accuracy),
            ]);
        }
        text += &format!("\n{}", table(&rows));
    }
    for file in &document.written {
        text += &format!("written    {file}\n");
    }
    text
}
