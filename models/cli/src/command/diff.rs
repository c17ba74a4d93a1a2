//! `tanbo diff`: what every step computes on two runners, compared bit by bit.

use serde::Serialize;
use tanbo_format::{ElementType, Model};

use crate::Verdict;
use crate::args::{DiffArgs, PlanArgs};
use crate::arrays;
use crate::error::CliError;
use crate::output::{Output, shape};
use crate::runner::Runner;
use crate::source::{Loaded, Source};
use crate::streams::STREAMS;

#[derive(Serialize)]
struct Document {
    files: [String; 2],
    runners: [String; 2],
    /// Kernel families that the two artifacts are packed for.
    families: [&'static str; 2],
    /// Steps compared.
    steps: usize,
    /// Steps whose outputs differ.
    differing: Vec<Difference>,
}

/// How the output tensor of a step differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    /// Number of the step, counted from 0.
    step: usize,
    operator: &'static str,
    /// Name of the node, where the file keeps it.
    node: Option<String>,
    shape: Vec<usize>,
    /// Values that differ.
    values: usize,
    /// Values in all.
    of: usize,
    /// Index of the first value that differs, for each axis.
    first: Vec<usize>,
    /// That value on each runner.
    found: [i32; 2],
    /// Greatest distance of two values.
    greatest: u32,
}

/// Compares; the answer is no if a value differs.
pub fn diff(args: &DiffArgs, out: &Output) -> Result<Verdict, CliError> {
    let names = match args.runners.as_slice() {
        [one] => ["host:reference", one.as_str()],
        [one, other] => [one.as_str(), other.as_str()],
        more => {
            let reason = format_args!("{} runners, two are compared", more.len());
            return Err(CliError::new("--runner", reason, "give --runner twice"));
        }
    };
    let paths = [&args.file, args.other.as_ref().unwrap_or(&args.file)];
    let runners = [Runner::by_name(names[0])?, Runner::by_name(names[1])?];
    let load = |at: usize| {
        let source = Source::open(paths[at], Some(&args.float), out)?.with_passes(args.passes.switches());
        // Whole, so that a step's output is there when the step is done.
        source.load_planned(None, runners[at].family()?, &PlanArgs { whole_tensors: true, ..PlanArgs::default() })
    };
    let loaded = [load(0)?, load(1)?];
    let models = [loaded[0].model()?, loaded[1].model()?];
    same_steps(&models)?;
    let inputs = if args.inputs.is_empty() {
        STREAMS[0].inputs(&models[0], &loaded[0].inputs)?
    } else {
        let samples = arrays::read(&args.inputs, &loaded[0].inputs, false)?.inputs;
        let [sample] = <[_; 1]>::try_from(samples).map_err(|samples| {
            CliError::new("--input", format_args!("{} samples, one is compared", samples.len()), "give one")
        })?;
        sample
    };
    let tensors = [0, 1].map(|at| runners[at].tensors(&loaded[at].artifact, &inputs));
    let [first, second] = tensors;
    let differing = differences(&loaded[0], &models[0], &first?, &second?)?;
    let document = Document {
        files: paths.map(|path| path.display().to_string()),
        runners: names.map(String::from),
        families: [models[0].family().name(), models[1].family().name()],
        steps: models[0].step_count(),
        differing,
    };
    out.document(&document, || text(&document))?;
    Ok(if document.differing.is_empty() { Verdict::Yes } else { Verdict::No })
}

/// Refuses two models whose steps are not of the same operators and shapes.
fn same_steps(models: &[Model<'_>; 2]) -> Result<(), CliError> {
    let form = |model: &Model<'_>, number: usize| {
        let step = model.step(u16::try_from(number).ok()?)?;
        let output = model.tensor(step.output)?;
        Some((step.op, output.ty, output.shape.to_vec()))
    };
    for number in 0..models[0].step_count().max(models[1].step_count()) {
        if form(&models[0], number) != form(&models[1], number) {
            let place = format_args!("step {number}");
            return Err(CliError::new(place, "the two models have other steps", "compare models of the same form"));
        }
    }
    Ok(())
}

/// Returns the steps whose output tensors differ.
fn differences(
    loaded: &Loaded,
    model: &Model<'_>,
    first: &[Vec<u8>],
    second: &[Vec<u8>],
) -> Result<Vec<Difference>, CliError> {
    if first.len() != model.step_count() || second.len() != first.len() {
        return Err(CliError::new("runners", "they ran other numbers of steps", "report this as a bug"));
    }
    let mut differing = Vec::new();
    for (number, (one, other)) in first.iter().zip(second).enumerate() {
        let step = u16::try_from(number).ok().and_then(|number| model.step(number));
        let Some((step, tensor)) = step.and_then(|step| Some((step, model.tensor(step.output)?))) else { continue };
        let shape: Vec<usize> = tensor.shape.iter().map(|&axis| axis as usize).collect();
        let (one, other) = (values(one, tensor.ty), values(other, tensor.ty));
        let unequal: Vec<usize> = (0..one.len().max(other.len())).filter(|&at| one.get(at) != other.get(at)).collect();
        let Some(&at) = unequal.first() else { continue };
        let pair = |at: usize| [&one, &other].map(|values| values.get(at).copied().unwrap_or_default());
        differing.push(Difference {
            step: number,
            operator: step.op.name(),
            node: loaded.step_names.get(number).filter(|name| !name.is_empty()).cloned(),
            values: unequal.len(),
            of: one.len(),
            first: indices(at, &shape),
            found: pair(at),
            greatest: unequal.iter().map(|&at| pair(at)).map(|[a, b]| a.abs_diff(b)).max().unwrap_or_default(),
            shape,
        });
    }
    Ok(differing)
}

fn values(bytes: &[u8], ty: ElementType) -> Vec<i32> {
    let value = |bytes: &[u8]| match (ty, bytes) {
        (ElementType::I8, &[a]) => i32::from(a as i8),
        (ElementType::U8, &[a]) => i32::from(a),
        (_, &[a, b]) => i32::from(i16::from_le_bytes([a, b])),
        (_, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]),
        _ => 0,
    };
    bytes.chunks_exact(ty.bytes()).map(value).collect()
}

/// Returns where value `at` is along each axis.
fn indices(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let index = at % length.max(1);
            at /= length.max(1);
            index
        })
        .collect();
    indices.reverse();
    indices
}

fn text(document: &Document) -> String {
    let Document { runners: [one, other], families, steps, differing, .. } = document;
    let mut text =
        format!("{one} ({}) and {other} ({}): {} of {steps} steps differ\n", families[0], families[1], differing.len());
    if let Some(Difference { step, operator, node, shape: axes, values, of, first, found, greatest }) =
        differing.first()
    {
        let node = node.as_ref().map_or(String::new(), |node| format!(" ({node})"));
        text += &format!(
            "first: step {step}, {operator}{node}, output {}: {values} of {of} values, at {first:?} {} and {}, by at most {greatest}\n",
            shape(axes),
            found[0],
            found[1],
        );
    }
    text
}
