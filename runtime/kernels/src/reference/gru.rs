//! `gru`: per step in time, sequence and unit u, with the hidden state h before the step and the gates' weighted sums a (over
//! the input, with bias) and b (over the hidden state) in Q3.12, as in `lstm`,
//!
//! `z = sigmoid(3·sat16(a_z + b_z))`, `r = sigmoid(3·sat16(a_r + b_r))` in Q0.15;
//! linear before reset: `n = tanh(3·sat16(a_n + ((r·b_n + 2^14) >> 15)))`, where b_n includes the recurrent bias;
//! else: `t[j] = (r[j]·(h[j] - zh) + 2^10) >> 11` (8 bits; `+ 2^14 >> 15` with 16 bits), `b_n = sat16(MB(Σ t[j]·R_n[u, j]))`,
//! `n = tanh(3·sat16(a_n + b_n))`;
//! `h' = clamp(MB((32768 - z)·n + z·sat16(MB(h - zh; unit)); hidden) + zh)`, which is the output.
//!
//! The equations are those of ONNX's GRU; the arithmetic is ours, as no integer reference exists.

use tanbo_quant::{Multiplier, Rounding};

use super::lstm::{Activation, sat16};
use super::{ensure, sigmoid16};
use crate::{Gru, KernelResult, LengthError};

/// The update gate's place, the reset gate's and the new gate's.
const UPDATE: usize = 0;
const RESET: usize = 1;
const NEW: usize = 2;

/// An activation with the form in which the reset gate leaves a hidden value.
pub trait Resettable: Activation {
    /// Returns the hidden value, less its zero point, times the reset gate in Q0.15.
    fn reset(self, zero_point: i32, reset: i32) -> i16;

    /// Returns `Σ t·w`, scaled.
    fn weighted_reset(t: &[i16], weights: &[i8], multiplier: Multiplier, rounding: Rounding) -> i32;
}

impl Resettable for i8 {
    /// With four bits after the point: at most 255·16.
    fn reset(self, zero_point: i32, reset: i32) -> i16 {
        ((reset * (i32::from(self) - zero_point) + (1 << 10)) >> 11) as i16
    }

    fn weighted_reset(t: &[i16], weights: &[i8], m: Multiplier, rounding: Rounding) -> i32 {
        m.apply(t.iter().zip(weights).map(|(&t, &w)| i32::from(t) * i32::from(w)).sum(), rounding)
    }
}

impl Resettable for i16 {
    fn reset(self, zero_point: i32, reset: i32) -> i16 {
        sat16((reset * sat16(i32::from(self) - zero_point) + (1 << 14)) >> 15) as i16
    }

    fn weighted_reset(t: &[i16], weights: &[i8], m: Multiplier, rounding: Rounding) -> i32 {
        m.apply_wide(t.iter().zip(weights).map(|(&t, &w)| i64::from(t) * i64::from(w)).sum(), rounding)
    }
}

/// Computes all steps of all sequences; the state is `[batch, units]`. `scratch` holds one value per unit, or none with
/// `linear_before_reset`.
pub fn run<A: Resettable>(
    p: &Gru<'_, A::Bias>,
    input: &[A],
    hidden: &mut [A],
    output: &mut [A],
    scratch: &mut [i16],
) -> KernelResult {
    let (s, rounding, zero_point) = (&p.sequence, p.gates.rounding, p.gates.hidden_zero_point);
    let rows = s.batch * s.steps;
    let linear = p.linear_before_reset;
    ensure(s.units > 0 && p.gates.lengths_fit(s, 3))?;
    ensure(p.recurrent_bias.len() == if linear { s.units } else { 0 })?;
    ensure(input.len() == rows * s.inputs && output.len() == rows * s.units)?;
    ensure(hidden.len() == s.batch * s.units && (linear || scratch.len() >= s.units))?;
    for batch in 0..s.batch {
        let hidden = hidden.get_mut(batch * s.units..(batch + 1) * s.units).ok_or(LengthError)?;
        for step in 0..s.steps {
            let row = s.row(step, batch);
            let x = &input[row * s.inputs..][..s.inputs];
            let y = &mut output[row * s.units..][..s.units];
            let gate = |k, unit| {
                let sum = p.gates.input(s, k, unit, x) + p.gates.hidden(s, k, unit, hidden, None);
                sigmoid16::sigmoid(sat16(sum) * 3)
            };
            if !linear {
                for (unit, (t, &h)) in scratch.iter_mut().zip(hidden.iter()).enumerate() {
                    *t = h.reset(zero_point, gate(RESET, unit));
                }
            }
            for (unit, y) in y.iter_mut().enumerate() {
                let recurrent = if linear {
                    let sum = p.gates.hidden(s, NEW, unit, hidden, Some(p.recurrent_bias[unit]));
                    (gate(RESET, unit) * sum + (1 << 14)) >> 15
                } else {
                    let weights = &p.gates.recurrent_weights[(NEW * s.units + unit) * s.units..][..s.units];
                    let multiplier = p.gates.multiplier(&p.gates.recurrent_multipliers, s, NEW, unit);
                    sat16(A::weighted_reset(&scratch[..s.units], weights, multiplier, rounding))
                };
                let n = sigmoid16::tanh(sat16(p.gates.input(s, NEW, unit, x) + recurrent) * 3);
                let z = gate(UPDATE, unit);
                let old = sat16(p.unit.apply(hidden[unit].into() - zero_point, rounding));
                let mixed = p.hidden.apply((32768 - z) * n + z * old, rounding);
                *y = A::clamp(mixed.saturating_add(zero_point));
            }
            hidden.copy_from_slice(y);
        }
    }
    Ok(())
}
