//! `lstm_i16`: the formula of `lstm` with activations of 16 bits, biases and accumulators of 64, and the wide multiplication
//! for the weighted sums.

pub use super::lstm::run;
