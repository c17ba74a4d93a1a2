//! `layer_norm`: epsilon in squares of the input scale, factors and terms in units of the output scale.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::{Context, Lowered};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Clamp, Normalization};

/// Fraction bits of a normalized value.
const NORMAL_BITS: i32 = 22;
/// Most fraction bits of a factor, and most bits that a term is shifted by.
const MOST_BITS: i32 = 30;

pub(super) fn lower(context: &Context<'_>, norm: &Normalization, clamp: Clamp) -> Result<Lowered, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let refuse = |reason: String| {
        let remedy = "quantize the model again with sensible ranges for this node's tensors";
        Err(context.error(CompileErrorKind::Unsupported, reason, remedy))
    };
    let length = norm.gamma.len() as f64;
    let steps = |values: &[f64]| values.iter().map(|v| v / f64::from(y.scale)).collect::<Vec<_>>();
    let greatest = |values: &[f64]| values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let (gamma, beta) = (steps(&norm.gamma), steps(&norm.beta));
    // Both end below 2^31.
    let Some(gamma_bits) = room(greatest(&gamma)).map(|bits| bits.min(MOST_BITS)) else {
        return refuse(format!("a factor is {:e} steps of its output", greatest(&gamma)));
    };
    let Some(beta_bits) = room(greatest(&beta)) else {
        return refuse(format!("a term is {:e} steps of its output", greatest(&beta)));
    };
    let shift = (NORMAL_BITS + gamma_bits).min(beta_bits.saturating_add(MOST_BITS)).max(NORMAL_BITS);
    let beta_shift = (shift - beta_bits).max(0);
    if beta_shift > MOST_BITS {
        return refuse(format!("a term is {:e} steps of its output", greatest(&beta)));
    }
    let fixed = |values: &[f64], bits: i32| {
        let scaled = values.iter().map(|v| (v * f64::from(bits).exp2()).round() as i32);
        ConstData::I32(scaled.collect())
    };
    let epsilon = norm.epsilon * length * length / (f64::from(x.scale) * f64::from(x.scale));
    let largest = length * length * 255.0 * 255.0 + epsilon;
    let Some(variance_shift) =
        (0..=8).rev().map(|half| 2 * half).find(|&k| largest * f64::from(k).exp2() < 2f64.powi(62))
    else {
        return refuse(format!("its epsilon is {epsilon:e} squares of its input scale"));
    };
    let epsilon = (epsilon * f64::from(variance_shift).exp2()).round() as u64;
    let attrs = vec![
        i32::from(norm.center),
        x.zero_point,
        y.zero_point,
        variance_shift,
        (epsilon >> 31) as i32,
        (epsilon & 0x7fff_ffff) as i32,
        beta_shift,
        shift,
        clamp.low,
        clamp.high,
    ];
    let consts = vec![fixed(&gamma, shift - NORMAL_BITS), fixed(&beta, shift - beta_shift)];
    Ok(Lowered { op: Op::LayerNorm, attrs, consts })
}

/// Returns how many fraction bits a value of this size can have in 32 bits, if any.
fn room(greatest: f64) -> Option<i32> {
    (0..=60).rev().find(|&bits| greatest * f64::from(bits).exp2() < f64::from(i32::MAX) - 1.0)
}
