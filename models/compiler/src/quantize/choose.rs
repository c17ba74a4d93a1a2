//! Which improvements a model gets: each is tried on the calibration samples, in float, and kept if it pays.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::calibrate::{Found, Statistics, statistics};
use super::network::Network;
use super::plan::{Plan, plan};
use super::ranges::{Method, Range, Ranges};
use super::rewrite::{Numbers, PointQuant};
use super::samples::Samples;
use super::simulate::{Judge, Score};
use super::{Choice, Decision, Decisions, Options, Progress, RangeMethod, Res, Wide, correct, equalize};
use crate::error::{CompileError, CompileErrorKind};

/// Samples that choices are judged on, at least and at most.
const JUDGED: [u64; 2] = [24, 2048];
/// Multiply-accumulates for them all: a small model is judged on many samples, since a few do not show what is rare.
const JUDGED_MACS: u64 = 64_000_000;
/// Multiply-accumulates that trying ranges tensor by tensor may take.
const TRIAL_MACS: u64 = 3_000_000_000;
/// Most trials of ranges tensor by tensor.
const TRIALS: u64 = 40;
/// Ways to find ranges that are tried.
const WAYS: [Found; 4] = [Found::MinMax, Found::Percentile(99.99), Found::Percentile(99.9), Found::Mse];

/// A network and how it is quantized.
pub(crate) struct Chosen {
    pub ranges: Ranges,
    pub decisions: Decisions,
}

/// What calibration knows of a network.
struct Calibrated {
    network: Network,
    plan: Plan,
    names: Vec<String>,
    seen: Vec<Statistics>,
}

impl Calibrated {
    fn new(network: Network, samples: &Samples, progress: &mut dyn FnMut(Progress)) -> Res<Self> {
        let plan = plan(&network);
        let mut names = plan.points.clone();
        for name in correct::inputs(&network, &plan) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let seen = statistics(&network, &names, samples, progress)?;
        Ok(Self { network, plan, names, seen })
    }

    fn by_name(&self) -> HashMap<&str, &Statistics> {
        self.names.iter().map(String::as_str).zip(&self.seen).collect()
    }

    fn numbers(&self, points: &BTreeMap<String, Range>, int4: &BTreeSet<String>) -> Numbers {
        Numbers {
            points: points
                .iter()
                .map(|(name, r)| (name.clone(), PointQuant::of_range(r.low, r.high, r.bits == 16)))
                .collect(),
            corrections: BTreeMap::new(),
            int4: int4_products(&self.network, &self.plan, int4),
        }
    }

    fn ranges(&self, found: Found, wide: &BTreeSet<String>) -> BTreeMap<String, Range> {
        let own = |(name, seen): (&String, &Statistics)| (name.clone(), range(seen, found, wide.contains(name)));
        let mut points = self.plan.points.iter().zip(&self.seen).map(own).collect();
        share_ranges(&self.network, &self.plan, &mut points);
        points
    }
}

/// Gives the results of a recurrent layer one range: all its steps are in the first, the last of them in the second. If
/// the first is not read, the hidden state can be anything between -1 and 1.
fn share_ranges(network: &Network, plan: &Plan, points: &mut BTreeMap<String, Range>) {
    for node in plan.recurrents.iter().filter_map(|&n| network.nodes.get(n)) {
        let results: Vec<&String> = node.output.iter().take(2).filter(|name| points.contains_key(*name)).collect();
        let all = node.output.first().is_some_and(|name| points.contains_key(name));
        let own: Vec<Range> = results.iter().filter_map(|name| points.get(*name).copied()).collect();
        let Some(&first) = own.first() else { continue };
        let full = Range { low: -1.0, high: 1.0, method: Method::Fixed, bits: first.bits };
        let shared = own.iter().fold(if all { first } else { full }, |shared, range| Range {
            low: shared.low.min(range.low),
            high: shared.high.max(range.high),
            ..shared
        });
        for name in results {
            points.insert(name.clone(), shared);
        }
    }
}

/// Of 16 bits none is worth cutting a value off.
fn range(seen: &Statistics, found: Found, wide: bool) -> Range {
    if wide { seen.range(Found::MinMax, 16) } else { seen.range(found, 8) }
}

/// Returns the products named by their node or their result.
pub(crate) fn int4_products(
    network: &Network,
    plan: &Plan,
    names: &BTreeSet<String>,
) -> std::collections::HashSet<usize> {
    let named = |linear: &super::plan::Linear| {
        names.contains(&linear.output) || network.nodes.get(linear.node).is_some_and(|node| names.contains(&node.name))
    };
    plan.linears.iter().enumerate().filter(|(_, linear)| named(linear)).map(|(i, _)| i).collect()
}

/// Returns the tensors with 16 bits.
fn wide_points(network: &Network, plan: &Plan, wide: &Wide) -> Res<BTreeSet<String>> {
    let all = || plan.points.iter().cloned().collect();
    Ok(match wide {
        Wide::None | Wide::Auto { .. } => BTreeSet::new(),
        Wide::All => all(),
        Wide::Nodes(names) => {
            let mut points = BTreeSet::new();
            for name in names {
                let node = network.nodes.iter().position(|node| node.name == *name);
                let of_node = node.and_then(|n| plan.linears.iter().find(|l| l.node == n)).map(|l| l.output.clone());
                let outputs = node.and_then(|n| network.nodes.get(n)).map(|n| n.output.clone()).unwrap_or_default();
                let point = [name.clone()].into_iter().chain(of_node).chain(outputs).find(|p| plan.points.contains(p));
                points.insert(point.ok_or_else(|| {
                    CompileError::new(
                        CompileErrorKind::Inconsistent,
                        format!("'{name}'"),
                        "no node or tensor of that name is rounded",
                        "name a node of the float model, or its result",
                    )
                })?);
            }
            points
        }
    })
}

/// Returns on how many samples a model of `macs` multiply-accumulates is judged at most.
fn judge_count(macs: u64) -> u64 {
    (JUDGED_MACS / macs.max(1)).clamp(JUDGED[0], JUDGED[1])
}

/// Returns the samples that choices are judged on.
fn judged(samples: &Samples, macs: u64) -> Samples {
    let most = usize::try_from(judge_count(macs)).unwrap_or(usize::MAX);
    samples.every(samples.count().div_ceil(most))
}

/// Calibrates `network` and chooses.
pub(crate) fn choose(
    network: Network,
    samples: &Samples,
    options: &Options,
    mut ranges: Ranges,
    macs: u64,
    progress: &mut dyn FnMut(Progress),
) -> Res<Chosen> {
    let mut decisions = Decisions::default();
    let mut note = |place: &str, what: String| decisions.lines.push(Decision { place: place.into(), what });
    let judge = Judge::new(&network, judged(samples, macs))?;
    let mut current = Calibrated::new(network, samples, progress)?;
    for name in &options.int4 {
        let known = current
            .plan
            .linears
            .iter()
            .any(|l| l.output == *name || current.network.nodes.get(l.node).is_some_and(|node| node.name == *name));
        if !known {
            return Err(CompileError::new(
                CompileErrorKind::Inconsistent,
                format!("'{name}'"),
                "no product with constant weights has that name",
                "name a convolution or matrix product of the float model, or its result",
            ));
        }
    }
    let mut wide = wide_points(&current.network, &current.plan, &options.wide)?;

    let ways: Vec<Found> = match options.ranges {
        RangeMethod::MinMax => vec![Found::MinMax],
        RangeMethod::Percentile(percent) => vec![Found::Percentile(percent)],
        RangeMethod::Mse => vec![Found::Mse],
        RangeMethod::Auto => WAYS.to_vec(),
    };
    let mut best = best_way(&current, &judge, &ways, &wide, options)?;
    note("model", format!("ranges by {}: {}", text(best.way), best.score));

    if options.equalize != Choice::Off {
        let factors = equalize::factors(&current.network, &current.by_name());
        if !factors.is_empty() {
            let mut network = current.network.clone();
            equalize::apply(&mut network, &factors);
            let equalized = Calibrated::new(network, samples, progress)?;
            let other = best_way(&equalized, &judge, &ways, &wide, options)?;
            let kept = options.equalize == Choice::On || other.score.beats(best.score);
            let what = if kept { "kept" } else { "left out" };
            note(
                "model",
                format!("equalization of {} tensors: {} -> {}, {what}", factors.len(), best.score, other.score),
            );
            if kept {
                (current, best) = (equalized, other);
                ranges.equalization = factors;
            }
        }
    }
    if let Some(without) = best.uncorrected {
        let what = if best.corrections.is_empty() { "left out" } else { "kept" };
        let with = best.corrected.unwrap_or(best.score);
        note("model", format!("bias correction: {without} -> {with}, {what}"));
    }

    let mut points = current.ranges(best.way, &wide);
    if options.ranges == RangeMethod::Auto {
        refine(&current, &judge, &mut points, &best, options, macs, &mut note, progress)?;
    }
    share_ranges(&current.network, &current.plan, &mut points);
    let mut numbers = current.numbers(&points, &options.int4);
    numbers.corrections = best.corrections.clone();
    if let Wide::Auto { output_sqnr_db } = options.wide {
        let found = judge.worst_output(&current.network, &current.plan, &numbers)?;
        if found < output_sqnr_db {
            wide = current.plan.points.iter().cloned().collect();
            points = current.ranges(best.way, &wide);
            let corrections = std::mem::take(&mut numbers.corrections);
            numbers = Numbers { corrections, ..current.numbers(&points, &options.int4) };
            let now = judge.worst_output(&current.network, &current.plan, &numbers)?;
            note(
                "model",
                format!("16-bit activations: an output had {found:.2} dB, asked are {output_sqnr_db}; now {now:.2} dB"),
            );
        } else {
            note(
                "model",
                format!("8-bit activations: the outputs have {found:.2} dB or more, asked are {output_sqnr_db}"),
            );
        }
    }
    for (&index, values) in &numbers.corrections {
        if let Some(linear) = current.plan.linears.get(index) {
            ranges.bias_correction.insert(linear.output.clone(), values.clone());
        }
    }
    for name in &options.int4 {
        note(name, "4-bit weights, as asked".into());
    }
    if let Wide::All | Wide::Nodes(_) = options.wide {
        for name in &wide {
            note(name, "16 bits, as asked".into());
        }
    }
    ranges.tensor = points;
    ranges.int4 = options.int4.clone();
    Ok(Chosen { ranges, decisions })
}

/// A way to find all ranges, with what goes with it.
struct Best {
    way: Found,
    score: Score,
    corrections: BTreeMap<usize, Vec<f32>>,
    /// Scores of that way without and with bias correction, where both were tried.
    uncorrected: Option<Score>,
    corrected: Option<Score>,
}

/// Returns the way to find ranges, the same for all tensors, that gives the best score, with biases corrected or not.
fn best_way(
    calibrated: &Calibrated,
    judge: &Judge,
    ways: &[Found],
    wide: &BTreeSet<String>,
    options: &Options,
) -> Res<Best> {
    let mut best: Option<Best> = None;
    for &way in ways {
        let mut numbers = calibrated.numbers(&calibrated.ranges(way, wide), &options.int4);
        let score = |numbers: &Numbers| judge.score(&calibrated.network, &calibrated.plan, numbers);
        let uncorrected = if options.bias_correction == Choice::On { None } else { Some(score(&numbers)?) };
        let mut corrected = None;
        if options.bias_correction != Choice::Off {
            let seen = calibrated.by_name();
            numbers.corrections = correct::corrections(&calibrated.network, &calibrated.plan, &numbers, &seen)?;
            corrected = Some(score(&numbers)?);
        }
        let keep = match (uncorrected, corrected) {
            (Some(without), Some(with)) => with.beats(without),
            (_, with) => with.is_some(),
        };
        let Some(score) = (if keep { corrected } else { uncorrected }) else { continue };
        if best.as_ref().is_none_or(|best| score.mean() > best.score.mean()) {
            let corrections = if keep { numbers.corrections } else { BTreeMap::new() };
            let uncorrected = uncorrected.filter(|_| corrected.is_some());
            best = Some(Best { way, score, corrections, uncorrected, corrected });
        }
    }
    best.ok_or_else(|| {
        CompileError::new(CompileErrorKind::Inconsistent, "ranges", "no way to find them was named", "name one")
    })
}

/// Tries other ranges tensor by tensor, those first whose ranges differ most.
#[expect(clippy::too_many_arguments, reason = "one step of a longer function, apart for its length")]
fn refine(
    calibrated: &Calibrated,
    judge: &Judge,
    points: &mut BTreeMap<String, Range>,
    best: &Best,
    options: &Options,
    macs: u64,
    note: &mut impl FnMut(&str, String),
    progress: &mut dyn FnMut(Progress),
) -> Res<()> {
    let mut score = best.score;
    let mut trials: Vec<(f32, &String, Range, Found)> = Vec::new();
    for (name, seen) in calibrated.plan.points.iter().zip(&calibrated.seen) {
        let Some(now) = points.get(name).filter(|r| r.bits == 8) else { continue };
        for other in WAYS.into_iter().filter(|&other| other != best.way) {
            let found = seen.range(other, 8);
            let span = now.high - now.low;
            let change = ((found.low - now.low).abs() + (found.high - now.high).abs()) / span;
            if span > 0.0 && change > 0.01 {
                trials.push((change, name, found, other));
            }
        }
    }
    trials.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let budget = (TRIAL_MACS / (macs.max(1) * judge_count(macs))).min(TRIALS);
    let total = trials.len().min(usize::try_from(budget).unwrap_or(usize::MAX));
    for (done, (_, name, found, way)) in trials.into_iter().take(total).enumerate() {
        progress(Progress { stage: "trying ranges", done, total });
        let Some(before) = points.insert(name.clone(), found) else { continue };
        let mut numbers = calibrated.numbers(points, &options.int4);
        numbers.corrections = best.corrections.clone();
        let other = judge.score(&calibrated.network, &calibrated.plan, &numbers)?;
        if other.beats(score) {
            note(name, format!("range by {}: {score} -> {other}", text(way)));
            score = other;
        } else {
            points.insert(name.clone(), before);
        }
    }
    Ok(())
}

fn text(way: Found) -> String {
    match way {
        Found::MinMax => "least and greatest value".into(),
        Found::Percentile(percent) => format!("percentile {percent}"),
        Found::Mse => "least squared error".into(),
    }
}

/// Returns the results of products with constant weights, those first that lose least per weight if they get 4 bits.
pub(crate) fn sensitivity(
    network: &Network,
    plan: &Plan,
    numbers: &Numbers,
    samples: &Samples,
    macs: u64,
) -> Res<Vec<String>> {
    let judge = Judge::new(network, judged(samples, macs))?;
    let base = judge.score(network, plan, numbers)?.mean();
    let mut losses: Vec<(f64, String)> = Vec::new();
    for (index, linear) in plan.linears.iter().enumerate() {
        let weights = network.floats(&linear.weights).map_or(1, |(_, values)| values.len().max(1));
        let mut numbers = numbers.clone();
        numbers.int4.insert(index);
        let loss = (base - judge.score(network, plan, &numbers)?.mean()).max(0.0);
        losses.push((loss / weights as f64, linear.output.clone()));
    }
    losses.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    Ok(losses.into_iter().map(|(_, name)| name).collect())
}
