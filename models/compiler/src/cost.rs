//! What steps cost on each kernel family, to compare plans: an estimate in instructions, made of a step's work and of the calls
//! in which it is done. Nothing but the choice of a plan depends on it.

use tanbo_format::attrs::Conv;
use tanbo_format::packing::runs_apart;
use tanbo_format::schedule;
use tanbo_format::{Family, Model, Op, Step, packed_shape};

use crate::packings::estimate;

/// Rates of a family's kernels, from counts of single steps (`tanbo bench --runner R --steps`) with whole tensors and by rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    /// Instructions for a thousand multiply-accumulates of convolutions and matrix products, and of depthwise convolutions.
    pub(crate) conv2d: u64,
    pub(crate) depthwise: u64,
    /// Instructions for a thousand output values of other steps.
    value: u64,
    /// Pixels that a convolution computes together: it takes as long for fewer.
    pixels: u64,
    /// Instructions of a call beside its work.
    call: u64,
}

impl Rates {
    pub(crate) const fn of(family: Family) -> Self {
        match family {
            Family::Dsp => Self { conv2d: 850, depthwise: 2_700, value: 14_000, pixels: 1, call: 650 },
            Family::Mve => Self { conv2d: 160, depthwise: 600, value: 4_000, pixels: 2, call: 1_900 },
            Family::M0 => Self { conv2d: 3_600, depthwise: 8_000, value: 60_000, pixels: 4, call: 9_000 },
            Family::M3 => Self { conv2d: 2_100, depthwise: 4_500, value: 25_000, pixels: 2, call: 5_000 },
            Family::Rv32 => Self { conv2d: 3_300, depthwise: 7_000, value: 40_000, pixels: 4, call: 7_000 },
            Family::Portable => Self { conv2d: 8_000, depthwise: 12_000, value: 40_000, pixels: 1, call: 2_000 },
            // Those of Linux and of hosts.
            _ => Self { conv2d: 60, depthwise: 200, value: 500, pixels: 4, call: 1_000 },
        }
    }
}

/// What the units of a step cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Thousandths of an instruction for the work of a unit: of a pixel of it, where pixels are computed together.
    unit: u64,
    /// Pixels of a unit, and how many are computed together.
    pixels: u64,
    together: u64,
    call: u64,
}

impl Cost {
    /// Returns the cost of a step on `family`.
    pub fn of(family: Family, model: &Model<'_>, step: &Step<'_>) -> Self {
        let rates = Rates::of(family);
        // Tiles of two rows: one row takes as long.
        if let (true, Some((kind, shape))) = (runs_apart(step.variant), packed_shape(model, step)) {
            let rows = (shape.output[0] as u64).next_multiple_of(2).max(2);
            let unit = estimate(family, step.variant, kind, &shape) * 1_000 / rows;
            return Self { unit, pixels: 1, together: 2, call: rates.call };
        }
        let tensor = |number: Option<&u16>| number.and_then(|&number| model.tensor(number)).map(|tensor| tensor.shape);
        let elements = |shape: Option<&[u32]>| shape.unwrap_or_default().iter().map(|&axis| u64::from(axis)).product();
        let (input, output) = (tensor(step.inputs.first()), tensor(Some(&step.output)));
        let channels = |shape: Option<&[u32]>| shape.and_then(|shape| shape.last()).map_or(1, |&axis| u64::from(axis));
        let taps = |conv: Conv| conv.window.kernel.iter().map(|&taps| u64::from(taps.unsigned_abs())).product::<u64>();
        let (outputs, inputs): (u64, u64) = (elements(output), elements(input));
        let units = schedule::units(model, step).map_or(1, u64::from).max(1);
        let (work, pixels) = match step.op {
            Op::Conv2d => {
                let conv = Conv::from_conv2d(step.attrs);
                let products =
                    conv.map_or(1, |conv| taps(conv) * channels(input) / u64::from(conv.groups.unsigned_abs().max(1)));
                (outputs * products * rates.conv2d, outputs / channels(output).max(1) / units)
            }
            Op::DepthwiseConv2d => {
                (outputs * Conv::from_depthwise_conv2d(step.attrs).map_or(1, taps) * rates.depthwise, 1)
            }
            Op::FullyConnected => (inputs * channels(output) * rates.conv2d, 1),
            Op::AveragePool2d | Op::MaxPool2d | Op::Mean => (inputs * rates.value / 8, 1),
            _ => (outputs * rates.value, 1),
        };
        let (pixels, together) = if pixels > 1 { (pixels, rates.pixels) } else { (1, 1) };
        Self { unit: work / units / pixels, pixels, together, call: rates.call }
    }

    /// Returns the instructions of a call for `units`.
    pub fn call(&self, units: u64) -> u64 {
        (self.unit * (units * self.pixels).next_multiple_of(self.together)) / 1_000 + self.call
    }
}
