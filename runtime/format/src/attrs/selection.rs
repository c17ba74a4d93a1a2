//! Attributes of the operators that pick or interpolate.

use super::Requantize;

/// Attributes of `resize_bilinear`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResizeBilinear {
    /// The weights that stand for one, of rows and of columns.
    pub units: [i32; 2],
    /// Zero points, bounds, and the multiplier that includes the division by the units.
    pub requantize: Requantize,
}

impl ResizeBilinear {
    /// Decodes `resize_bilinear`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let (units, words) = words.split_first_chunk()?;
        Some(Self { units: *units, requantize: Requantize::from_words(words)? })
    }
}
