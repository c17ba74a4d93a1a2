//! Which packing each step gets when flash is limited: of all combinations that fit, the one of the least estimated cost.
//!
//! A step may have several packings: the portable one, its family's, and for the DSP family Winograd's transforms, which take fewer
//! instructions and 3.6 times the bytes. Estimates come from the kernels' register plans and are within a tenth of what `bench --steps` counts on m4 for ResNet-8's layers of 16 to
//! 64 channels; only their order matters.

use tanbo_format::Family;
use tanbo_format::packing::{Kind, Shape, dsp, winograd};

use crate::cost::Rates;

/// One packing that a step can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Number of the packing.
    pub variant: u8,
    /// Bytes of the constants.
    pub bytes: u64,
    /// Estimated instructions of an inference.
    pub cost: u64,
}

/// Returns what a packing is called.
pub fn name(variant: u8, family: Family) -> &'static str {
    match variant {
        0 => "portable",
        _ if [dsp::WINOGRAD, winograd::AVX2_WINOGRAD, winograd::VNNI_WINOGRAD]
            .iter()
            .any(|layout| layout.packing.number() == variant) =>
        {
            "winograd"
        }
        _ => family.name(),
    }
}

/// Returns the estimated instructions of a step whose output is computed at once.
pub fn estimate(family: Family, variant: u8, kind: Kind, shape: &Shape) -> u64 {
    let [height, width, outputs] = shape.output.map(|length| length as u64);
    let inputs = shape.input[2] as u64;
    let taps = (shape.kernel[0] * shape.kernel[1]) as u64;
    let values = height * width * outputs;
    let macs = values * taps * if kind == Kind::Conv2d { inputs } else { 1 };
    if variant == dsp::WINOGRAD.packing.number() {
        // Two tiles of 2×2 pixels at a time: input transforms, then for each four channels products and their transform.
        let pairs = height.div_ceil(2) * width.div_ceil(4);
        let transforms = 2 * (inputs / 4 * 194 + 170);
        let group = 16 * (11 * inputs / 2 + 3 * inputs.div_ceil(8) + 8) + 4 * 125 + 142;
        return pairs * (transforms + outputs / 4 * group + 390);
    }
    if variant != dsp::DSP.packing.number() {
        let rates = Rates::of(if variant == 0 { Family::Portable } else { family });
        return macs * if kind == Kind::Conv2d { rates.conv2d } else { rates.depthwise } / 1_000;
    }
    match kind {
        // Tiles of up to five pixels, their prepared patches, requantization.
        Kind::Conv2d => macs * 3 / 4 + height * width * taps * inputs * 7 / 4 + values * 9,
        Kind::DepthwiseConv2d => macs * 2 + values * 9,
    }
}

/// Returns for each step the number of its choice: of all combinations with at most `bytes`, the one with the least cost, of these
/// the smallest. `Err` with the bytes of the smallest combination if none fits.
///
/// Goes through the steps and keeps, of the combinations so far, those that no other undercuts in both bytes and cost.
///
/// # Errors
/// The bytes of the smallest combination.
pub fn choose(steps: &[Vec<Choice>], bytes: u64) -> Result<Vec<usize>, u64> {
    struct Partial {
        bytes: u64,
        cost: u64,
        /// Place of the combination of the steps before, and what was added.
        from: usize,
        choice: usize,
    }
    let least: Vec<u64> =
        steps.iter().map(|choices| choices.iter().map(|choice| choice.bytes).min().unwrap_or(0)).collect();
    let mut to_come: u64 = least.iter().sum();
    if to_come > bytes {
        return Err(to_come);
    }
    let mut levels: Vec<Vec<Partial>> = vec![vec![Partial { bytes: 0, cost: 0, from: 0, choice: 0 }]];
    for (choices, least) in steps.iter().zip(least) {
        to_come -= least;
        let before = levels.last().map(Vec::as_slice).unwrap_or_default();
        let mut next: Vec<Partial> = Vec::new();
        for (from, partial) in before.iter().enumerate() {
            for (choice, more) in choices.iter().enumerate() {
                let (taken, cost) = (partial.bytes + more.bytes, partial.cost + more.cost);
                if taken + to_come <= bytes {
                    next.push(Partial { bytes: taken, cost, from, choice });
                }
            }
        }
        next.sort_by_key(|partial| (partial.bytes, partial.cost));
        let mut cheapest = u64::MAX;
        next.retain(|partial| {
            let cheaper = partial.cost < cheapest;
            cheapest = cheapest.min(partial.cost);
            cheaper
        });
        levels.push(next);
    }
    // The last is the dearest in bytes, and the cheapest in cost.
    let mut at = levels.last().map_or(0, |last| last.len().saturating_sub(1));
    let mut picked: Vec<usize> = levels
        .iter()
        .skip(1)
        .rev()
        .filter_map(|level| {
            let partial = level.get(at)?;
            at = partial.from;
            Some(partial.choice)
        })
        .collect();
    picked.reverse();
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_combination_is_found_as_by_trying_all() {
        let mut rng = fastrand::Rng::with_seed(4);
        let total = |steps: &[Vec<Choice>], picked: &[usize]| {
            let chosen = steps.iter().zip(picked).map(|(choices, &pick)| choices[pick]);
            chosen.fold((0, 0), |(cost, bytes), choice| (cost + choice.cost, bytes + choice.bytes))
        };
        let (mut fits, mut refused) = (0, 0);
        for _ in 0..2_000 {
            let steps: Vec<Vec<Choice>> = (0..rng.usize(0..6))
                .map(|_| {
                    let count = rng.usize(1..=3);
                    (0..count).map(|_| Choice { variant: 0, bytes: rng.u64(0..20), cost: rng.u64(0..20) }).collect()
                })
                .collect();
            let budget = rng.u64(0..70);
            let mut best: Option<(u64, u64)> = None;
            let mut smallest = u64::MAX;
            for code in 0..3usize.pow(steps.len() as u32) {
                let picked: Vec<usize> = (0..steps.len()).map(|step| code / 3usize.pow(step as u32) % 3).collect();
                if steps.iter().zip(&picked).any(|(choices, &pick)| pick >= choices.len()) {
                    continue;
                }
                let (cost, bytes) = total(&steps, &picked);
                smallest = smallest.min(bytes);
                if bytes <= budget {
                    best = Some(best.map_or((cost, bytes), |best| best.min((cost, bytes))));
                }
            }
            match choose(&steps, budget) {
                Ok(picked) => {
                    fits += 1;
                    assert_eq!(Some(total(&steps, &picked)), best);
                }
                Err(bytes) => {
                    refused += 1;
                    assert_eq!((bytes, best), (smallest, None));
                }
            }
        }
        assert!(fits > 100 && refused > 100, "{fits} {refused}");
    }
}
