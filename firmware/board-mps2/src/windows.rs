//! Windows of a signal that every start of the board makes again, and so does the test that judges it.

/// Fills `input` with window number `window`.
pub fn fill(window: u64, input: &mut [i8]) {
    let mut word = (window as u32).wrapping_mul(2_654_435_761);
    for value in input {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (word >> 24) as i8;
    }
}
