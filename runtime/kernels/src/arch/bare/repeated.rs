//! Which products go run by run: those of tensors of one shape, and of a tensor with what repeats along its first axes.

use crate::Product;

/// An input as long as the output, and one that repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeated {
    /// Whether it is the first input that repeats.
    swapped: bool,
    /// Length of what repeats, not 0.
    pub length: usize,
}

impl Repeated {
    /// Returns how inputs of these lengths repeat, `None` where they broadcast otherwise or are not as long as their shapes.
    pub fn new(p: &Product<'_>, lengths: [usize; 2], output: usize) -> Option<Self> {
        let [shape1, shape2] = p.shapes;
        // Rows, and pieces of them, come with one shape for all.
        let same = p.shapes.into_iter().all(|shape| core::ptr::eq(shape, p.output_shape));
        let swapped = if same || shape1 == p.output_shape && repeats(shape2, p.output_shape) {
            false
        } else if shape2 == p.output_shape && repeats(shape1, p.output_shape) {
            true
        } else {
            return None;
        };
        let [long, length] = if swapped { [lengths[1], lengths[0]] } else { lengths };
        let elements =
            |shape: &[u32]| shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis as usize));
        let whole = elements(p.output_shape) == Some(output)
            && elements(p.shapes[usize::from(!swapped)]) == Some(length)
            && long == output
            && length > 0;
        whole.then_some(Self { swapped, length })
    }

    /// Returns what belongs to the input as long as the output, and what to the one that repeats.
    pub fn sort<T>(self, [first, second]: [T; 2]) -> [T; 2] {
        if self.swapped { [second, first] } else { [first, second] }
    }
}

/// Returns whether values of `shape` repeat in the order in which they lie.
fn repeats(shape: &[u32], output: &[u32]) -> bool {
    let ones = shape.iter().take_while(|&&axis| axis == 1).count();
    shape.len() <= output.len() && output.ends_with(shape.get(ones..).unwrap_or_default())
}
