//! Which improvements a model gets: each is tried on the calibration samples, in float, and kept if it pays.
//!
//! Ranges that are cut to a few samples flatter themselves on those. So the even samples are judged with what the odd ones
//! calibrate and the odd samples with what the even ones do; the artifact gets the ranges of all.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::calibrate::{Found, Observed, statistics};
use super::network::Network;
use super::parallel::each;
use super::plan::{Plan, plan};
use super::ranges::{Method, Range, Ranges};
use super::rewrite::{Numbers, PointQuant, limits_of};
use super::samples::Samples;
use super::simulate::{Judge, Score};
use super::{Choice, Decision, Decisions, Options, Progress, RangeMethod, Res, Wide, correct, equalize};
use crate::error::{CompileError, CompileErrorKind};

/// Samples that choices are judged on, at least and at most.
const JUDGED: [u64; 2] = [24, 2048];
/// Multiply-accumulates for them all: a small model is judged on many samples, since a few do not show what is rare.
const JUDGED_MACS: u64 = 1_500_000_000;
/// Elements of all their outputs.
const JUDGED_ELEMENTS: usize = 1 << 24;
/// Multiply-accumulates that trying ranges tensor by tensor may take.
const TRIAL_MACS: u64 = 3_000_000_000;
/// Most trials of ranges tensor by tensor.
const TRIALS: u64 = 40;
/// Ways to find ranges that are tried: the first serves unless another is better.
const WAYS: [Found; 4] = [Found::Mse, Found::MinMax, Found::Percentile(99.99), Found::Percentile(99.9)];

/// A network and how it is quantized.
pub(crate) struct Chosen {
    pub ranges: Ranges,
    pub decisions: Decisions,
}

/// Something for all samples, for the odd, and for the even ones: the second is judged on the even samples, the third on
/// the odd.
#[derive(Clone, Debug)]
struct Parts<T>([T; 3]);

impl<T> Parts<T> {
    fn of(make: impl FnMut(usize) -> T) -> Self {
        Self(std::array::from_fn(make))
    }

    fn all(&self) -> &T {
        &self.0[0]
    }

    /// What the even and what the odd samples are judged with.
    fn judged(&self) -> [&T; 2] {
        [&self.0[1], &self.0[2]]
    }
}

type Points = BTreeMap<String, Range>;
/// What is added to the biases of products, by their index in the plan.
type Corrections = BTreeMap<usize, Vec<f32>>;

/// What calibration knows of a network.
struct Calibrated {
    network: Network,
    plan: Plan,
    names: Vec<String>,
    seen: Vec<Observed>,
    limits: Arc<Vec<Vec<f64>>>,
    /// Per way the ranges of the points, in their order.
    found: Vec<(Found, Vec<Parts<Range>>)>,
    corrections: Parts<Corrections>,
}

impl Calibrated {
    fn new(network: Network, samples: &Samples, search: &Search<'_>, progress: &mut dyn FnMut(Progress)) -> Res<Self> {
        let plan = plan(&network);
        let mut names = plan.points.clone();
        for name in correct::inputs(&network, &plan) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let seen = statistics(&network, &names, samples, progress)?;
        let limits = limits_of(&network, &plan);
        let mut found = Vec::new();
        for &way in &search.ways {
            let ranges = each(plan.points.len(), |i| {
                Ok(seen.get(i).map(|seen| Parts::of(|part| seen.part(part).range(way, 8))))
            })?;
            found.push((way, ranges.into_iter().flatten().collect()));
        }
        let corrections = Parts::of(|_| Corrections::new());
        let mut calibrated = Self { network, plan, names, seen, limits, found, corrections };
        if search.options.bias_correction != Choice::Off {
            let points = calibrated.ranges(Found::MinMax, &BTreeSet::new());
            let mut parts = each(3, |part| {
                let Some(points) = points.0.get(part) else { return Ok(Corrections::new()) };
                let numbers = calibrated.numbers(points, &search.options.int4, None);
                let means =
                    calibrated.by_name().into_iter().map(|(name, seen)| (name, &*seen.part(part).mean)).collect();
                correct::corrections(&calibrated.network, &calibrated.plan, &numbers, &means)
            })?
            .into_iter();
            calibrated.corrections = Parts::of(|_| parts.next().unwrap_or_default());
        }
        Ok(calibrated)
    }

    fn by_name(&self) -> HashMap<&str, &Observed> {
        self.names.iter().map(String::as_str).zip(&self.seen).collect()
    }

    fn numbers(&self, points: &Points, int4: &BTreeSet<String>, corrections: Option<&Corrections>) -> Numbers {
        Numbers {
            points: points
                .iter()
                .map(|(name, r)| (name.clone(), PointQuant::of_range(r.low, r.high, r.bits == 16)))
                .collect(),
            corrections: corrections.cloned().unwrap_or_default(),
            int4: int4_products(&self.network, &self.plan, int4),
            limits: Arc::clone(&self.limits),
        }
    }

    /// Returns the ranges that `way` finds; of 16 bits none is worth cutting a value off.
    fn ranges(&self, way: Found, wide: &BTreeSet<String>) -> Parts<Points> {
        let found = self.found.iter().find(|(own, _)| *own == way).map(|(_, ranges)| ranges.as_slice());
        Parts::of(|part| {
            let own = |(i, (name, seen)): (usize, (&String, &Observed))| {
                let known = found.and_then(|ranges| ranges.get(i)).filter(|_| !wide.contains(name));
                let range = || match wide.contains(name) {
                    true => seen.part(part).range(Found::MinMax, 16),
                    false => seen.part(part).range(way, 8),
                };
                (name.clone(), known.map_or_else(range, |known| known.0[part]))
            };
            let mut points = self.plan.points.iter().zip(&self.seen).enumerate().map(own).collect();
            share_ranges(&self.network, &self.plan, &mut points);
            points
        })
    }
}

/// Gives the results of a recurrent layer one range: all its steps are in the first, the last of them in the second. If
/// the first is not read, the hidden state can be anything between -1 and 1.
fn share_ranges(network: &Network, plan: &Plan, points: &mut Points) {
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

/// Returns the products named by their node or their result.
pub(crate) fn int4_products(network: &Network, plan: &Plan, names: &BTreeSet<String>) -> HashSet<usize> {
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

/// Returns the samples that a model of `macs` multiply-accumulates is judged on.
fn judged(network: &Network, samples: &Samples, macs: u64) -> Samples {
    let outputs = network.outputs.iter().filter_map(|name| network.shapes.get(name));
    let elements: usize = outputs.map(|shape| shape.iter().product::<usize>()).sum();
    let most = usize::try_from((JUDGED_MACS / macs.max(1)).clamp(JUDGED[0], JUDGED[1])).unwrap_or(usize::MAX);
    samples.pairs(samples.count().div_ceil(most.min(JUDGED_ELEMENTS / elements.max(1)).max(2)))
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
    let ways = match options.ranges {
        RangeMethod::MinMax => vec![Found::MinMax],
        RangeMethod::Percentile(percent) => vec![Found::Percentile(percent)],
        RangeMethod::Mse => vec![Found::Mse],
        RangeMethod::Auto => WAYS.to_vec(),
    };
    let search = Search { judge: Judge::new(&network, judged(&network, samples, macs))?, options, ways, macs };
    let mut current = Calibrated::new(network, samples, &search, progress)?;
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

    let mut best = search.best_way(&current, &search.ways, &wide)?;
    note("model", format!("ranges by {}: {}", text(best.way), best.score));

    if options.equalize != Choice::Off {
        let factors = equalize::factors(&current.network, &current.by_name());
        if !factors.is_empty() {
            let mut network = current.network.clone();
            equalize::apply(&mut network, &factors);
            let equalized = Calibrated::new(network, samples, &search, progress)?;
            let other = search.best_way(&equalized, &[best.way], &wide)?;
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
    if let Some([without, with]) = best.tried {
        let what = if best.corrected { "kept" } else { "left out" };
        note("model", format!("bias correction: {without} -> {with}, {what}"));
    }

    let mut points = current.ranges(best.way, &wide);
    if options.ranges == RangeMethod::Auto {
        search.refine(&current, &mut points, &best, &mut note, progress)?;
    }
    let mut points = points.all().clone();
    share_ranges(&current.network, &current.plan, &mut points);
    let corrections = best.corrected.then(|| current.corrections.all());
    let numbers = current.numbers(&points, &options.int4, corrections);
    if let Wide::Auto { output_sqnr_db } = options.wide {
        let worst = |numbers| search.judge.worst_output(&current.network, &current.plan, numbers);
        let found = worst(&numbers)?;
        if found < output_sqnr_db {
            wide = current.plan.points.iter().cloned().collect();
            points = current.ranges(best.way, &wide).all().clone();
            let now = worst(&current.numbers(&points, &options.int4, corrections))?;
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
    for (&index, values) in corrections.into_iter().flatten() {
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
    /// Whether biases are corrected.
    corrected: bool,
    /// Scores without and with bias correction, where both were tried.
    tried: Option<[Score; 2]>,
}

/// What all choices of one network are made by.
struct Search<'a> {
    judge: Judge,
    options: &'a Options,
    /// Ways to find ranges.
    ways: Vec<Found>,
    /// Multiply-accumulates of one inference.
    macs: u64,
}

impl Search<'_> {
    fn score(&self, calibrated: &Calibrated, points: &Parts<Points>, corrected: bool) -> Res<Score> {
        let [even, odd] = points.judged();
        let corrections = calibrated.corrections.judged().map(|part| corrected.then_some(part));
        let numbers = [(even, corrections[0]), (odd, corrections[1])]
            .map(|(points, corrections)| calibrated.numbers(points, &self.options.int4, corrections));
        self.judge.score(&calibrated.network, &calibrated.plan, &numbers)
    }

    /// Returns which of `ways` to find ranges, the same for all tensors, gives the best score, and whether biases are
    /// corrected: they are unless that harms.
    fn best_way(&self, calibrated: &Calibrated, ways: &[Found], wide: &BTreeSet<String>) -> Res<Best> {
        let corrected = self.options.bias_correction != Choice::Off;
        let mut best: Option<Best> = None;
        for &way in ways {
            let score = self.score(calibrated, &calibrated.ranges(way, wide), corrected)?;
            if best.as_ref().is_none_or(|best| score.beats(best.score)) {
                best = Some(Best { way, score, corrected, tried: None });
            }
        }
        let mut best = best.ok_or_else(|| {
            CompileError::new(CompileErrorKind::Inconsistent, "ranges", "no way to find them was named", "name one")
        })?;
        if self.options.bias_correction == Choice::Auto {
            let without = self.score(calibrated, &calibrated.ranges(best.way, wide), false)?;
            best.tried = Some([without, best.score]);
            if without.beats(best.score) {
                (best.corrected, best.score) = (false, without);
            }
        }
        Ok(best)
    }

    /// Tries other ranges tensor by tensor, those first whose ranges differ most.
    fn refine(
        &self,
        calibrated: &Calibrated,
        points: &mut Parts<Points>,
        best: &Best,
        note: &mut impl FnMut(&str, String),
        progress: &mut dyn FnMut(Progress),
    ) -> Res<()> {
        let mut score = best.score;
        let mut trials: Vec<(f32, &String, &Parts<Range>, Found)> = Vec::new();
        for (way, ranges) in calibrated.found.iter().filter(|(way, _)| *way != best.way) {
            for (name, found) in calibrated.plan.points.iter().zip(ranges) {
                let Some(now) = points.all().get(name).filter(|r| r.bits == 8) else { continue };
                let span = now.high - now.low;
                let change = ((found.all().low - now.low).abs() + (found.all().high - now.high).abs()) / span;
                if span > 0.0 && change > 0.01 {
                    trials.push((change, name, found, *way));
                }
            }
        }
        trials.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let budget = (TRIAL_MACS / (self.macs.max(1) * self.judge.samples().max(1) as u64)).min(TRIALS);
        let total = trials.len().min(usize::try_from(budget).unwrap_or(usize::MAX));
        for (done, (_, name, found, way)) in trials.into_iter().take(total).enumerate() {
            progress(Progress { stage: "trying ranges", done, total });
            let mut tried = points.clone();
            for (points, range) in tried.0.iter_mut().zip(&found.0) {
                points.insert(name.clone(), *range);
            }
            let other = self.score(calibrated, &tried, best.corrected)?;
            if other.beats(score) {
                note(name, format!("range by {}: {score} -> {other}", text(way)));
                score = other;
                *points = tried;
            }
        }
        Ok(())
    }
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
    let judge = Judge::new(network, judged(network, samples, macs))?;
    let score = |numbers: Numbers| judge.score(network, plan, &[numbers.clone(), numbers]).map(Score::mean);
    let base = score(numbers.clone())?;
    let mut losses: Vec<(f64, String)> = Vec::new();
    for (index, linear) in plan.linears.iter().enumerate() {
        let weights = network.floats(&linear.weights).map_or(1, |(_, values)| values.len().max(1));
        let mut numbers = numbers.clone();
        numbers.int4.insert(index);
        let loss = (base - score(numbers)?).max(0.0);
        losses.push((loss / weights as f64, linear.output.clone()));
    }
    losses.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    Ok(losses.into_iter().map(|(_, name)| name).collect())
}
