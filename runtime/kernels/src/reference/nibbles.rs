//! Numbers of four bits, two to a byte.

/// Returns number `index`: the low half of a byte comes first.
#[inline]
pub fn get(packed: &[i8], index: usize) -> i32 {
    let byte = packed[index / 2];
    i32::from(if index.is_multiple_of(2) { byte << 4 >> 4 } else { byte >> 4 })
}

/// Returns the sum of products of `x` less `zero_point` with the numbers from `at` on.
#[inline]
pub fn dot(packed: &[i8], at: usize, x: &[i8], zero_point: i32) -> i32 {
    x.iter().zip(at..).map(|(&x, index)| (i32::from(x) - zero_point) * get(packed, index)).sum()
}
