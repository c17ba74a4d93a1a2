//! Attributes of products with weights of four bits and of batched matrix products.

use super::{Conv, ConvI16, MultiplierWords, Product, Range, fully_connected};

/// Decodes `fully_connected_i4`: zero points and bounds, and the number of inputs of a row.
pub fn fully_connected_i4(words: &[i32]) -> Option<(Range, i32)> {
    let (depth, words) = words.split_last()?;
    Some((fully_connected(words)?, *depth))
}

/// Attributes of `batch_matmul`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMatmul {
    /// For each input 1 if its matrices are read with rows and columns exchanged, else 0.
    pub transposed: [i32; 2],
    /// Zero points, multiplier and bounds.
    pub product: Product,
}

impl BatchMatmul {
    /// Decodes `batch_matmul`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[t1, t2, z1, z2, zy, mantissa, shift, low, high] = <&[i32; 9]>::try_from(words).ok()?;
        let multiplier = MultiplierWords { mantissa, shift };
        let product = Product { input_zero_points: [z1, z2], multiplier, output_zero_point: zy, low, high };
        Some(Self { transposed: [t1, t2], product })
    }

    /// Decodes `batch_matmul_i16`.
    pub fn from_i16(words: &[i32]) -> Option<Self> {
        let &[t1, t2, ref product @ ..] = words else { return None };
        Some(Self { transposed: [t1, t2], product: Product::from_i16(product)? })
    }
}

/// Decodes `transpose_conv2d_i16`.
pub fn transpose_conv2d_i16(words: &[i32]) -> Option<Conv> {
    let (groups, words) = words.split_last()?;
    Some(Conv { groups: *groups, ..ConvI16::from_depthwise_conv2d(words)? })
}
