//! Lines of the parity matrix, TS004-1.0.0 chapter 7 and its appendix.

use crate::bits::Bits;

/// Most fragments of a block: an index has 14 bits.
pub const MAX_FRAGMENTS: u16 = (1 << 14) - 1;

/// The next state of a generator of period 2²³ − 1.
fn prbs23(x: u32) -> u32 {
    let bit = (x ^ x >> 5) & 1;
    x >> 1 | bit << 22
}

/// Sets in `line` which of the `fragments` uncoded fragments parity fragment `parity`, from 1, is the exclusive or of.
///
/// About half of them: the standard draws `fragments / 2` numbers and lets some come twice.
pub(crate) fn parity_line(parity: u16, fragments: u16, line: &mut Bits<'_>) {
    line.clear();
    let fragments = u32::from(fragments);
    // The generator's period and a power of two would share too much.
    let modulus = fragments + u32::from(fragments.is_power_of_two());
    let mut x = 1 + 1001 * u32::from(parity);
    for _ in 0..fragments / 2 {
        let drawn = loop {
            x = prbs23(x);
            let drawn = x.checked_rem(modulus).unwrap_or(0);
            if drawn < fragments {
                break drawn;
            }
        };
        line.set(drawn as usize);
    }
}
