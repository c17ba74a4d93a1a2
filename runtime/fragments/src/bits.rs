//! Rows of bits in words that somebody else owns.

/// A row of bits; bits beyond its end are zeros that cannot be set.
pub(crate) struct Bits<'a>(pub &'a mut [u32]);

/// Words for so many bits.
pub(crate) const fn words(bits: usize) -> usize {
    bits.div_ceil(32)
}

impl Bits<'_> {
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    pub fn set(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 32) {
            *word |= 1 << (bit % 32);
        }
    }

    pub fn has(&self, bit: usize) -> bool {
        has(self.0, bit)
    }

    pub fn xor(&mut self, other: &[u32]) {
        self.0.iter_mut().zip(other).for_each(|(to, from)| *to ^= from);
    }
}

pub(crate) fn has(words: &[u32], bit: usize) -> bool {
    words.get(bit / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1)
}

/// Returns the bits that are set, in rising order.
pub(crate) fn ones(words: &[u32]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(at, word)| {
        let mut rest = *word;
        core::iter::from_fn(move || {
            let bit = (rest != 0).then(|| at * 32 + rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(bit)
        })
    })
}
