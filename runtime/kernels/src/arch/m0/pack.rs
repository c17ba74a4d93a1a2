//! Packing for Cortex-M0. The core has no long multiplication: a requantization in two short ones is fitted to each channel.

use alloc::vec::Vec;

use tanbo_packing::m0;
use tanbo_quant::Rounding;

use crate::arch::pairs::pack::{Channel, Writer};
use crate::pack::{PackedConstants, Source};

/// Packs a step. A record is two words of the accumulator (convolution; one of a depthwise convolution), then `W`, `ml`,
/// `mh`, `C`, `Z`, `D`: with `a` the accumulator less the start of its window,
///
/// ```text
/// a >= W, unsigned:  a < 0 ? low : high
/// else:              byte 3 of a·mh + ((a >> 2)·ml >> 12) + (a < Z ? D : C), modulo 2^32
/// ```
///
/// The window is where the output changes. In it the output rises by steps; the constants are accepted where the formula
/// gives the reference's value at both ends of every step, and between two ends it cannot fall.
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    const WRITER: Writer =
        Writer { flags: false, packing: m0::M0, sizes: m0::LAYOUT.sizes, requantization, flip: 0x80 };
    WRITER.pack(source)
}

/// Accumulators, from the start of the window, with the same output and sign.
struct Step {
    first: i64,
    last: i64,
    /// Output less the least value.
    output: i64,
    negative: bool,
}

fn requantization(channel: &Channel<'_>, record: &mut Vec<i32>) -> Option<i32> {
    let range = channel.source.range;
    if !channel.is_monotonic() || !(-31..=7).contains(&channel.multiplier.shift) {
        return None;
    }
    if channel.bounds[1] - channel.bounds[0] >= i64::from(i32::MAX) {
        return None;
    }
    let (start, steps) = steps(channel);
    let width = steps.last()?.last + 1;
    let pivot = (-start).clamp(0, width);
    // 2^38 output values per accumulator: 24 bits behind the point in the word, 14 more in the low factor.
    let slope = (i128::from(channel.multiplier.mantissa) << (channel.multiplier.shift + 31)) >> 23;
    let slope = (slope as i64 + 1) >> 1;
    for slope in [0, 1, -1, 2, -2, 3, -3, 4, -4].map(|by| slope + by).into_iter().chain([0]) {
        let (high, low) = (slope >> 14, slope & 0x3FFF);
        if slope < 0 || high > i64::from(u32::MAX) || ((width - 1) >> 2) * low > i64::from(u32::MAX) {
            continue;
        }
        let value = |a: i64| i128::from(a) * i128::from(high) + i128::from(((a >> 2) * low) >> 12);
        // Constants for which every step of one sign, or of both, gets its output.
        let constants = |sign: Option<bool>| {
            let of_sign = steps.iter().filter(|step| sign.is_none_or(|negative| step.negative == negative));
            let bounds = of_sign.fold((i128::MIN, i128::MAX), |(least, most), step| {
                let output = i128::from(step.output) << 24;
                (least.max(output - value(step.first)), most.min(output + (1 << 24) - 1 - value(step.last)))
            });
            (bounds.0 <= bounds.1).then(|| if bounds.0 == i128::MIN { 0 } else { (bounds.0 + bounds.1) >> 1 })
        };
        let fitted = match constants(None) {
            Some(both) => Some((both, both)),
            None => constants(Some(false)).zip(constants(Some(true))),
        };
        let Some((positive, negative)) = fitted else { continue };
        let word = |constant: i128| constant.wrapping_add(i128::from(range.low) << 24) as u32 as i32;
        record.extend([width as i32, low as i32, high as u32 as i32, word(positive), pivot as i32, word(negative)]);
        return i32::try_from(-start).ok();
    }
    None
}

/// Returns where the window starts and the steps in it: what lies below has the least output, above the greatest.
fn steps(channel: &Channel<'_>) -> (i64, Vec<Step>) {
    let range = channel.source.range;
    let [least, most] = channel.bounds;
    let output = |a: i64| channel.output(a as i32);
    // Returns the first accumulator from `from` on with at least this output, or one beyond the last.
    let reaches = |from: i64, y: i32| {
        let (mut low, mut high) = (from, most + 1);
        while low < high {
            let middle = (low + high).div_euclid(2);
            if output(middle) >= y {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    };
    let low = reaches(least, range.low + 1);
    let start = if low > least && low <= most { low - 1 } else { least };
    let end = reaches(start, range.high).min(most);
    let mut steps: Vec<Step> = Vec::new();
    let mut first = start;
    while first <= end {
        let y = output(first);
        let last = (reaches(first, y + 1) - 1).min(end);
        for (first, last) in [(first, last.min(-1)), (first.max(0), last)] {
            if first <= last {
                let negative = first < 0 && range.rounding == Rounding::Tflite;
                let (first, last) = (first - start, last - start);
                steps.push(Step { first, last, output: i64::from(y - range.low), negative });
            }
        }
        first = last + 1;
    }
    (start, steps)
}
