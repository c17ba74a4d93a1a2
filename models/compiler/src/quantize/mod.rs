//! Float ONNX models become quantized ones: calibration, preparation, and a QDQ model that the importer compiles.
//!
//! | step | module |
//! |---|---|
//! | nodes in one form, constants as arrays, sizes bounded before anything runs | `network`, `upgrade` |
//! | passes that are exact in real numbers | `fold`, `prepare`, `equalize` |
//! | where tensors become integers | `plan` |
//! | ranges of activations from samples, on all processors | `calibrate`, `ranges`, `parallel` |
//! | weights per output channel, biases at scale input · weight | `weights` |
//! | means that rounded weights shift | `correct` |
//! | which of these pays, tried in float | `choose`, `simulate`, `rounding` |
//! | the QDQ model | `rewrite` |
//! | what it cost | `report`, `execute`, `statistics` |
//!
//! The result is a valid ONNX file: ONNX Runtime runs it, and so it can be checked.

mod calibrate;
mod choose;
mod correct;
mod equalize;
mod execute;
mod fold;
pub(crate) mod network;
mod outputs;
mod parallel;
mod plan;
mod prepare;
mod ranges;
pub mod report;
mod rewrite;
pub(crate) mod rounding;
mod samples;
mod simulate;
mod statistics;
mod upgrade;
mod weights;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost::Message;

pub use self::ranges::{Method, Range, Ranges};
pub use self::samples::{SampleArray, Samples};

use self::choose::{Chosen, choose, int4_products};
use self::network::Network;
use self::plan::{Plan, plan};
use self::rewrite::{Numbers, PointQuant, limits_of, rewrite};
use crate::error::{CompileError, CompileErrorKind};

type Res<T> = Result<T, CompileError>;

/// How ranges of activations are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RangeMethod {
    /// Least and greatest value.
    MinMax,
    /// This percentage of the values lies between the limits, for example 99.99.
    Percentile(f64),
    /// Least squared error of the rounded values.
    Mse,
    /// For each tensor the one that makes the model's output better.
    Auto,
}

/// Whether an improvement is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As trials on the calibration samples say.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Which activations have 16 bits.
#[derive(Clone, Debug, PartialEq)]
pub enum Wide {
    /// None.
    None,
    /// All.
    All,
    /// The results of these nodes, by the node's or the tensor's name.
    Nodes(BTreeSet<String>),
    /// All, if the output's signal-to-noise ratio would stay below this many dB with 8.
    Auto {
        /// Least ratio of an output, dB.
        output_sqnr_db: f64,
    },
}

/// What the user may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Ranges of activations.
    pub ranges: RangeMethod,
    /// Bias correction.
    pub bias_correction: Choice,
    /// Cross-layer equalization.
    pub equalize: Choice,
    /// 16-bit activations.
    pub wide: Wide,
    /// Products with 4-bit weights, by the node's or the result's name.
    pub int4: BTreeSet<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ranges: RangeMethod::Auto,
            bias_correction: Choice::Auto,
            equalize: Choice::Auto,
            wide: Wide::None,
            int4: BTreeSet::new(),
        }
    }
}

/// A choice that was made, for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Tensor, node or "model".
    pub place: String,
    /// What was chosen and why.
    pub what: String,
}

/// Every choice that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// In the order they were made.
    pub lines: Vec<Decision>,
}

/// How far long work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: &'static str,
    /// Steps done.
    pub done: usize,
    /// Of how many.
    pub total: usize,
}

/// A quantized model.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The model in QDQ form.
    pub onnx: Vec<u8>,
    /// The float model that its tensors stand for, after the passes that are exact in real numbers.
    pub reference: Vec<u8>,
    /// What calibration found: gives the same model without data.
    pub ranges: Ranges,
    /// What was chosen.
    pub decisions: Decisions,
}

/// Returns the quantized form of a float model, calibrated with `samples`; `name` is what messages call the file.
///
/// # Errors
/// Models that [`crate::float::FloatModel::load`] refuses; samples that do not fit, or on which the model is not finite.
pub fn quantize(model: &[u8], name: &str, samples: &Samples, options: &Options) -> Res<Quantized> {
    quantize_with(model, name, samples, options, &mut |_| {})
}

/// As [`quantize`], and tells how far it has come.
///
/// # Errors
/// As [`quantize`].
pub fn quantize_with(
    model: &[u8],
    name: &str,
    samples: &Samples,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Res<Quantized> {
    if let RangeMethod::Percentile(percent) = options.ranges
        && !(50.0..=100.0).contains(&percent)
    {
        return Err(CompileError::new(
            CompileErrorKind::Inconsistent,
            "percentile",
            format!("{percent} is not between 50 and 100"),
            "give for example 99.99",
        ));
    }
    let (network, macs) = Network::prepared(model, name)?;
    let ranges = Ranges::new(model, samples.count());
    let Chosen { ranges, decisions } = choose(network.clone(), samples, options, ranges, macs, progress)?;
    finish(network, ranges, decisions)
}

/// Returns the quantized form of a float model with the ranges that an earlier run froze: the same bytes.
///
/// # Errors
/// Models that [`crate::float::FloatModel::load`] refuses; ranges of another model.
pub fn quantize_frozen(model: &[u8], name: &str, ranges: &Ranges) -> Res<Quantized> {
    if !ranges.fits(model) {
        return Err(CompileError::new(
            CompileErrorKind::Inconsistent,
            name,
            "the frozen ranges are those of another model: its SHA-256 differs",
            "calibrate this model (--calibrate) to freeze its own",
        ));
    }
    finish(Network::prepared(model, name)?.0, ranges.clone(), Decisions::default())
}

/// Returns the products that can have 4-bit weights, by the names of their results.
///
/// # Errors
/// As [`quantize`].
pub fn products(model: &[u8], name: &str) -> Res<Vec<String>> {
    let (network, _) = Network::prepared(model, name)?;
    Ok(plan(&network).linears.into_iter().map(|linear| linear.output).collect())
}

/// Returns the network as its frozen ranges change it, with the plan and the numbers.
fn restored(mut network: Network, ranges: &Ranges) -> Res<(Network, Plan, Numbers)> {
    equalize::apply(&mut network, &ranges.equalization);
    let plan = plan(&network);
    let mut points = HashMap::new();
    for point in &plan.points {
        let range = ranges.tensor.get(point).ok_or_else(|| {
            CompileError::new(
                CompileErrorKind::Inconsistent,
                format!("tensor '{point}'"),
                "the frozen ranges do not name it",
                "calibrate again",
            )
        })?;
        points.insert(point.clone(), PointQuant::of_range(range.low, range.high, range.bits == 16));
    }
    let mut corrections = BTreeMap::new();
    for (index, linear) in plan.linears.iter().enumerate() {
        if let Some(values) = ranges.bias_correction.get(&linear.output).filter(|v| v.len() == linear.channels) {
            corrections.insert(index, values.clone());
        }
    }
    let int4 = int4_products(&network, &plan, &ranges.int4);
    let limits = limits_of(&network, &plan);
    Ok((network, plan, Numbers { points, corrections, int4, limits }))
}

fn finish(network: Network, ranges: Ranges, decisions: Decisions) -> Res<Quantized> {
    let (network, plan, numbers) = restored(network, &ranges)?;
    let onnx = rewrite(&network, &plan, &numbers);
    Ok(Quantized { onnx, reference: network.to_proto().encode_to_vec(), ranges, decisions })
}

/// Returns the products of a model by what 4-bit weights would cost them.
fn sensitivity(model: &[u8], name: &str, base: &Quantized, samples: &Samples) -> Res<Vec<String>> {
    let (network, macs) = Network::prepared(model, name)?;
    let (network, plan, numbers) = restored(network, &base.ranges)?;
    choose::sensitivity(&network, &plan, &numbers, samples, macs)
}
