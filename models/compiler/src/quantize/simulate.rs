//! The quantized model in float: what a choice would cost, without compiling it.
//!
//! Weights and biases are their integers times their scales; behind each point the values are [`rounded`] as QuantizeLinear
//! rounds. tract runs it some ten times faster than the reference kernels run the artifact, and to float32's rounding it is
//! the same.

use std::collections::BTreeMap;

use super::Res;
use super::network::Network;
use super::parallel::each;
use super::plan::Plan;
use super::rewrite::Numbers;
use super::rounding::rounded;
use super::samples::Samples;
use super::statistics::ErrorSums;
use crate::float::FloatModel;
use crate::import::onnx::constant::{Constant, Data};

/// Returns the network with every point rounded.
pub(crate) fn simulated(network: &Network, plan: &Plan, numbers: &Numbers) -> Network {
    let mut out = Network { nodes: Vec::new(), ..network.clone() };
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    let mut replaced: BTreeMap<(usize, usize), String> = BTreeMap::new();
    for (index, linear) in plan.linears.iter().enumerate() {
        let (Some(weights), Some(from)) = (numbers.weights(network, plan, index), numbers.points.get(&linear.input))
        else {
            continue;
        };
        let Some((shape, _)) = network.floats(&linear.weights) else { continue };
        let inner = shape.iter().skip(linear.axis + 1).product::<usize>().max(1);
        let channels = weights.axis_scales.len().max(1);
        let real = |(i, &q): (usize, &i8)| {
            f32::from(q) * weights.axis_scales.get(i / inner % channels).copied().unwrap_or(0.0)
        };
        let values = weights.data.iter().enumerate().map(real).collect();
        let constant = Constant { shape: shape.to_vec(), data: Data::F32(values) };
        replaced.insert((linear.node, 1), out.add_constant(&format!("{}/simulated", linear.weights), constant));
        let own = linear.bias.as_ref().map_or((linear.node, 2), |&(node, input, _)| (node, input));
        let takes_bias = network.nodes.get(own.0).is_some_and(|node| node.op_type != "MatMul");
        if takes_bias && (linear.bias.is_some() || numbers.corrections.contains_key(&index)) {
            let scale = |s: &f32| f64::from(*s) * f64::from(from.scale);
            let values =
                weights.bias.iter().zip(&weights.scales).map(|(&b, s)| (f64::from(b) * scale(s)) as f32).collect();
            let behind = if own.0 == linear.node { 0 } else { linear.behind };
            let shape = [weights.bias.len()].into_iter().chain(std::iter::repeat_n(1, behind)).collect();
            let constant = Constant { shape, data: Data::F32(values) };
            replaced.insert(own, out.add_constant(&format!("{}/simulated_bias", linear.output), constant));
        }
    }
    for port in &network.inputs {
        round(&mut out, numbers, &port.name, &port.name, &mut renamed);
    }
    for (n, source) in network.nodes.iter().enumerate() {
        let mut node = source.clone();
        for i in 0..3.max(node.input.len()) {
            if let Some(name) = replaced.get(&(n, i)) {
                while node.input.len() <= i {
                    node.input.push(String::new());
                }
                if let Some(slot) = node.input.get_mut(i) {
                    *slot = name.clone();
                }
            } else if let Some(slot) = node.input.get_mut(i)
                && let Some(name) = renamed.get(slot)
            {
                *slot = name.clone();
            }
        }
        // A point of an output keeps the output's name behind the rounding.
        let mut raw = Vec::new();
        for output in &mut node.output {
            if network.outputs.contains(output) && numbers.points.contains_key(output) {
                let name = format!("{output}/unrounded");
                raw.push((output.clone(), name.clone()));
                *output = name;
            } else {
                raw.push((output.clone(), output.clone()));
            }
        }
        out.nodes.push(node);
        for (name, source) in raw {
            round(&mut out, numbers, &name, &source, &mut renamed);
        }
    }
    out
}

/// Adds the rounding of a point.
fn round(out: &mut Network, numbers: &Numbers, name: &str, source: &str, renamed: &mut BTreeMap<String, String>) {
    let Some(quant) = numbers.points.get(name) else { return };
    let target = if source == name { format!("{name}/rounded") } else { name.to_string() };
    out.nodes.push(rounded(source, &target, quant));
    renamed.insert(name.into(), target);
}

/// The float model's answers for samples, to judge simulations by.
pub(crate) struct Judge {
    samples: Samples,
    /// What a Softmax at the end reads.
    tensors: Vec<String>,
    /// Which of the outputs and [`Judge::tensors`] make the score: what a last Softmax reads stands for its result, in
    /// which the few samples near a decision outweigh all others.
    scored: Vec<usize>,
    answers: Vec<Vec<Vec<f32>>>,
}

impl Judge {
    /// Runs `network` over `samples`.
    pub(crate) fn new(network: &Network, samples: Samples) -> Res<Self> {
        let producers = network.producers();
        let before_softmax = |name: &String| {
            let node = network.nodes.get(*producers.get(name)?)?;
            let input = node.input.first().filter(|_| node.op_type == "Softmax")?;
            (producers.contains_key(input) && !network.outputs.contains(input)).then(|| input.clone())
        };
        let mut tensors = Vec::new();
        let mut scored = Vec::new();
        for (index, output) in network.outputs.iter().enumerate() {
            scored.push(match before_softmax(output) {
                Some(input) => {
                    tensors.push(input);
                    network.outputs.len() + tensors.len() - 1
                }
                None => index,
            });
        }
        let model = FloatModel::of_network(network, &tensors)?;
        let answers = each(samples.count(), |i| model.run(&samples.sample(i)))?;
        Ok(Self { samples, tensors, scored, answers })
    }

    /// Returns the number of samples.
    pub(crate) fn samples(&self) -> usize {
        self.samples.count()
    }

    /// Returns the mean ratio of signal and error of what is scored, dB, at most 120 each; of the even samples with the first numbers and of the odd samples with the second.
    pub(crate) fn score(&self, network: &Network, plan: &Plan, numbers: &[Numbers; 2]) -> Res<Score> {
        let models = each(2, |half| {
            let numbers = if half == 0 { &numbers[0] } else { &numbers[1] };
            FloatModel::of_network(&simulated(network, plan, numbers), &self.tensors)
        })?;
        let halves = self.sums(&models)?;
        Ok(Score(halves.map(|sums| {
            let scored = self.scored.iter().filter_map(|&index| sums.get(index));
            let total: f64 = scored.map(|sums| sums.sqnr_db().clamp(-120.0, 120.0)).sum();
            total / self.scored.len().max(1) as f64
        })))
    }

    /// Returns the least ratio of an output, dB.
    pub(crate) fn worst_output(&self, network: &Network, plan: &Plan, numbers: &Numbers) -> Res<f64> {
        let halves = self.sums(&[FloatModel::of_network(&simulated(network, plan, numbers), &self.tensors)?])?;
        let outputs = halves.iter().flat_map(|sums| sums.iter().take(network.outputs.len()));
        Ok(outputs.filter(|sums| !sums.is_empty()).map(ErrorSums::sqnr_db).fold(f64::INFINITY, f64::min))
    }

    /// Returns the errors on the even and on the odd samples; the models take turns.
    fn sums(&self, models: &[FloatModel]) -> Res<[Vec<ErrorSums>; 2]> {
        let errors = each(self.answers.len(), |i| {
            let (Some(model), Some(answers)) = (models.get(i % models.len().max(1)), self.answers.get(i)) else {
                return Ok(Vec::new());
            };
            let values = model.run(&self.samples.sample(i))?;
            Ok(answers.iter().zip(&values).map(|(answer, values)| ErrorSums::of(answer, values)).collect())
        })?;
        let mut halves = [0, 1].map(|_| vec![ErrorSums::default(); self.answers.first().map_or(0, Vec::len)]);
        for (i, errors) in errors.iter().enumerate() {
            for (sums, errors) in halves[i % 2].iter_mut().zip(errors) {
                sums.merge(errors);
            }
        }
        Ok(halves)
    }
}

/// Least gain that is one, dB.
const GAIN_DB: f64 = 0.05;

/// How good a choice is, on two halves of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score([f64; 2]);

impl Score {
    pub(crate) fn mean(self) -> f64 {
        (self.0[0] + self.0[1]) / 2.0
    }

    /// Returns whether it is better, and not on one half alone: that would be luck.
    pub(crate) fn beats(self, other: Self) -> bool {
        self.mean() > other.mean() + GAIN_DB && self.0.iter().zip(other.0).all(|(own, other)| *own >= other)
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} dB", self.mean())
    }
}
