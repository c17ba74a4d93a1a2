//! `tanbo validate`: whether a model or artifact does what its float model does.

use serde::Serialize;
use tanbo_compiler::binding::Binding;
use tanbo_compiler::float::{FloatModel, FloatPort};
use tanbo_compiler::graph::SourceType;
use tanbo_compiler::quantize::Progress;
use tanbo_compiler::quantize::report::{Judge, OutputComparison};

use crate::Verdict;
use crate::agreement::{Agreement, significant};
use crate::args::{Layout, ValidateArgs};
use crate::error::CliError;
use crate::files;
use crate::float;
use crate::output::{Output, grouped, shape, table};
use crate::runner::{self, Runner};
use crate::samples;
use crate::source::Source;

/// Samples between two looks at the progress.
const PART: usize = 64;

#[derive(Serialize)]
struct Document {
    file: String,
    against: String,
    data: String,
    runner: String,
    /// Kernel table that ran.
    table: String,
    family: &'static str,
    #[serde(flatten)]
    agreement: Agreement,
    /// Whether every output byte equals the reference kernels' on this machine.
    bit_exact: bool,
    /// What was asked for.
    checks: Vec<Check>,
    /// Whether all of it holds, and the bits.
    valid: bool,
}

#[derive(Serialize)]
struct Check {
    check: &'static str,
    limit: f64,
    /// null where there is no error at all.
    value: Option<f64>,
    holds: bool,
}

/// An input or output of the file beside the float model's.
struct Pair {
    /// Index in the float model.
    port: usize,
    /// The file's, taking and giving real numbers.
    binding: Binding,
    /// For each element of the file its index in the float model's array.
    order: Vec<usize>,
}

/// Compares; the answer is no if a limit does not hold, or a bit differs from the reference kernels.
pub fn validate(args: &ValidateArgs, out: &Output) -> Result<Verdict, CliError> {
    let runner = Runner::by_name(&args.runner)?;
    let against = args.against.as_path();
    let refused = |error| CliError::compile(against, error);
    let model = FloatModel::load(&float::read(against)?, &files::stem(against)).map_err(refused)?;
    let data = samples::read(&args.data, model.inputs())?;
    let source = Source::open(&args.file, Some(&args.float), out)?;
    let loaded = source.load_for(None, runner.family()?)?;
    // The reference kernels read the portable packing.
    let reference = source.portable()?.ok_or_else(|| {
        let reason = "its constants are packed for a kernel family, which the reference kernels do not read";
        CliError::new(
            args.file.display(),
            reason,
            "give the .onnx or .tflite model, or an artifact of --target portable",
        )
    })?;
    let outputs = model.outputs().get(..model.model_outputs()).unwrap_or_default();
    let inputs = pairs("input", &loaded.inputs, model.inputs(), args)?;
    let results = pairs("output", &loaded.outputs, outputs, args)?;

    let judge = Judge { labels: data.labels, threshold: args.threshold };
    let in_data = |error| CliError::compile(&args.data, error);
    let mut comparison = OutputComparison::new(outputs);
    comparison.check(&judge, data.samples.count()).map_err(in_data)?;
    let mut bit_exact = true;
    let mut kernels = String::new();
    let mut progress = out.progress();
    let total = data.samples.count();
    for first in (0..total).step_by(PART) {
        let part = first..total.min(first + PART);
        let of_file =
            part.clone().map(|sample| to_file(&inputs, &data.samples.sample(sample))).collect::<Result<Vec<_>, _>>()?;
        let ran = runner.run(&loaded.artifact, &of_file, 1)?;
        bit_exact &= runner::reference(&reference.artifact, &of_file)?.outputs == ran.outputs;
        for (sample, given) in part.zip(&ran.outputs) {
            let float = model.run(&data.samples.sample(sample)).map_err(refused)?;
            let given = from_file(&results, given)?;
            comparison.push(&float, &given).map_err(refused)?;
            progress.show(Progress { stage: "comparing", done: sample + 1, total });
        }
        kernels = ran.table;
    }
    drop(progress);
    let report = comparison.finish(&judge).map_err(in_data)?;
    let agreement = Agreement::of(&report);
    let checks = checks(args, &agreement)?;
    let valid = bit_exact && checks.iter().all(|check| check.holds);
    let document = Document {
        file: args.file.display().to_string(),
        against: against.display().to_string(),
        data: args.data.display().to_string(),
        runner: runner.name().into(),
        table: kernels,
        family: loaded.model()?.family().name(),
        agreement,
        bit_exact,
        checks,
        valid,
    };
    out.document(&document, || text(&document))?;
    Ok(if valid { Verdict::Yes } else { Verdict::No })
}

/// Returns the file's inputs or outputs beside the float model's: by name where all names are known, in order otherwise.
fn pairs(what: &str, bindings: &[Binding], ports: &[FloatPort], args: &ValidateArgs) -> Result<Vec<Pair>, CliError> {
    let place = args.file.display();
    if bindings.len() != ports.len() {
        let (here, there) = (bindings.len(), ports.len());
        let reason = format_args!("it has {here} {what}s, the float model {there}");
        return Err(CliError::new(place, reason, "give the float model that it was made of"));
    }
    let named = bindings.iter().all(|binding| ports.iter().any(|port| port.name == binding.name));
    let pair = |(index, binding): (usize, &Binding)| {
        let by_name = ports.iter().position(|port| port.name == binding.name);
        let port = by_name.filter(|_| named).unwrap_or(index);
        let needed = ports.get(port).map(|port| port.shape.as_slice()).unwrap_or_default();
        let order = order(&binding.shape, needed, args.layout).map_err(|remedy| {
            let (here, there) = (shape(&binding.shape), shape(needed));
            let reason = format_args!("shape {here}, the float model's is {there}");
            CliError::new(format_args!("{place}: {what} '{}'", binding.name), reason, remedy)
        })?;
        let mut binding = binding.clone();
        binding.ty = SourceType::F32;
        Ok(Pair { port, binding, order })
    };
    bindings.iter().enumerate().map(pair).collect()
}

/// Returns, for each element of an array of shape `file`, its index in one of shape `float`; else what to do.
fn order(file: &[usize], float: &[usize], layout: Layout) -> Result<Vec<usize>, &'static str> {
    const OTHER: &str = "give the float model that it was made of";
    let without_batch = |axes: &[usize]| axes.strip_prefix(&[1]).unwrap_or(axes).to_vec();
    let (file, float) = (without_batch(file), without_batch(float));
    let count: usize = float.iter().product();
    if file.iter().product::<usize>() != count {
        return Err(OTHER);
    }
    let same: Vec<usize> = (0..count).collect();
    // Channels before the other axes in the float model, behind them in the file.
    let moved = match float.split_first() {
        Some((&channels, rest)) if file.split_last() == Some((&channels, rest)) => {
            let inner: usize = rest.iter().product();
            let at = |index| index % channels.max(1) * inner + index / channels.max(1);
            Some((0..count).map(at).collect::<Vec<usize>>())
        }
        _ => None,
    };
    match (layout, moved) {
        (Layout::Same, _) => Ok(same),
        (Layout::ChannelsLast, Some(moved)) => Ok(moved),
        (Layout::ChannelsLast, None) => Err("these are not the same axes with the channels last: leave --layout away"),
        (Layout::Auto, Some(moved)) if file != float || moved == same => Ok(moved),
        (Layout::Auto, None) if file == float => Ok(same),
        (Layout::Auto, None) => Err("give --layout same if the elements come in the same order all the same"),
        (Layout::Auto, Some(_)) => {
            Err("either way fits: say whether the channels are the last axis: --layout channels-last or --layout same")
        }
    }
}

fn to_file(inputs: &[Pair], sample: &[&[f32]]) -> Result<Vec<Vec<u8>>, CliError> {
    let bytes = |pair: &Pair| {
        let data = sample.get(pair.port).copied().unwrap_or_default();
        let source: Vec<u8> = pair.order.iter().filter_map(|&at| data.get(at)).flat_map(|v| v.to_le_bytes()).collect();
        pair.binding.to_artifact(&source).map_err(|e| CliError::new(e.place, e.reason, e.remedy))
    };
    inputs.iter().map(bytes).collect()
}

fn from_file(outputs: &[Pair], given: &[Vec<u8>]) -> Result<Vec<Vec<f32>>, CliError> {
    let mut result = vec![Vec::new(); outputs.len()];
    for (pair, bytes) in outputs.iter().zip(given) {
        let source = pair.binding.to_source(bytes).map_err(|e| CliError::new(e.place, e.reason, e.remedy))?;
        let mut values = vec![0.0; pair.order.len()];
        for (element, &at) in source.as_chunks::<4>().0.iter().zip(&pair.order) {
            if let Some(value) = values.get_mut(at) {
                *value = f32::from_le_bytes(*element);
            }
        }
        if let Some(place) = result.get_mut(pair.port) {
            *place = values;
        }
    }
    Ok(result)
}

fn checks(args: &ValidateArgs, agreement: &Agreement) -> Result<Vec<Check>, CliError> {
    let no_class = |flag| {
        let reason = "the first output has one element: it is no class";
        CliError::new(flag, reason, "give --threshold T: class 1 from T on, class 0 below it")
    };
    let mut checks = Vec::new();
    if let Some(limit) = args.max_error {
        let value = agreement.outputs.iter().map(|output| output.max_error).fold(0.0, f64::max);
        checks.push(Check { check: "max_error", limit, value: Some(value), holds: value <= limit });
    }
    if let Some(limit) = args.min_sqnr {
        // Outputs without any error have no ratio, and are good enough for any limit.
        let value = agreement.outputs.iter().filter_map(|output| output.sqnr_db).min_by(f64::total_cmp);
        checks.push(Check { check: "min_sqnr", limit, value, holds: value.is_none_or(|value| value >= limit) });
    }
    if let Some(limit) = args.min_agreement {
        let share = agreement.agreement.as_ref().ok_or_else(|| no_class("--min-agreement"))?.share;
        checks.push(Check { check: "min_agreement", limit, value: Some(share), holds: share >= limit });
    }
    if let Some(limit) = args.max_disagreements {
        let count = agreement.disagreements.as_ref().ok_or_else(|| no_class("--max-disagreements"))?.count;
        let holds = count <= limit;
        checks.push(Check { check: "max_disagreements", limit: limit as f64, value: Some(count as f64), holds });
    }
    Ok(checks)
}

fn text(document: &Document) -> String {
    let mut text = format!(
        "{} on {}, table {}, against {} over {} samples of {}\n\n{}",
        document.file,
        document.runner,
        document.table,
        document.against,
        grouped(document.agreement.samples as u64),
        document.data,
        document.agreement.table()
    );
    let exact = if document.bit_exact { "yes" } else { "NO: it differs from the reference kernels" };
    text += &format!("bit-exact  {exact}\n");
    if document.checks.is_empty() {
        return text + "no limit given: this is a report\n";
    }
    let mut rows = vec![["check", "limit", "value", ""].map(String::from).to_vec()];
    for check in &document.checks {
        rows.push(vec![
            check.check.into(),
            significant(check.limit),
            check.value.map_or("no error".into(), significant),
            if check.holds { "holds" } else { "DOES NOT HOLD" }.into(),
        ]);
    }
    text + "\n" + &table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_either_layout() {
        let auto = |file: &[usize], float: &[usize]| order(file, float, Layout::Auto);
        assert_eq!(auto(&[1, 4], &[1, 4]).unwrap(), [0, 1, 2, 3]);
        assert_eq!(auto(&[4], &[1, 4]).unwrap(), [0, 1, 2, 3]);
        // 2 channels of 3: channel by channel in the float model, place by place in the file.
        assert_eq!(auto(&[1, 3, 2], &[1, 2, 3]).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(auto(&[1, 1, 3, 2], &[1, 2, 1, 3]).unwrap(), [0, 3, 1, 4, 2, 5]);
        // One channel: both are the same.
        assert_eq!(auto(&[1, 2, 2, 1], &[1, 1, 2, 2]).unwrap(), [0, 1, 2, 3]);
        assert_eq!(auto(&[1, 1, 1, 4], &[1, 4, 1, 1]).unwrap(), [0, 1, 2, 3]);
        // As many elements in other axes only on request; a square is either way.
        assert!(auto(&[1, 6], &[1, 2, 3]).is_err());
        assert_eq!(order(&[1, 6], &[1, 2, 3], Layout::Same).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert!(auto(&[1, 2, 2], &[1, 2, 2]).is_err());
        assert_eq!(order(&[1, 2, 2], &[1, 2, 2], Layout::Same).unwrap(), [0, 1, 2, 3]);
        assert_eq!(order(&[1, 2, 2], &[1, 2, 2], Layout::ChannelsLast).unwrap(), [0, 2, 1, 3]);
        assert!(order(&[1, 5], &[1, 6], Layout::Same).is_err());
        assert!(order(&[1, 2, 3], &[1, 2, 3], Layout::ChannelsLast).is_err());
        assert!(auto(&[0], &[0]).unwrap().is_empty());
    }
}
