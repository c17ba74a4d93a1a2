//! Rising counters that outlive a reset, on both sides.

use crate::v1::Ack;

/// The sender's counter.
///
/// Each frame takes a number that was never used before, although flash cannot be written for every frame: numbers are
/// reserved in blocks. The sender stores the new ceiling first and only then uses what lies below it; after a reset it goes
/// on at the stored ceiling, so that the rest of a block is skipped and nothing repeats.
///
/// # Examples
///
/// ```
/// use tanbo_wire::Counter;
///
/// # let mut stored = 0;
/// # let mut store = |ceiling| stored = ceiling; // to flash
/// let mut counter = Counter::resume(0); // nothing stored yet
/// assert_eq!(counter.take(), None); // nothing reserved
/// let ceiling = counter.ceiling_after(256).unwrap();
/// store(ceiling); // first stored,
/// counter.reserved(ceiling); // then used
/// assert_eq!(counter.take(), Some(0));
/// // A reset.
/// let counter = Counter::resume(stored);
/// assert_eq!(counter.next(), 256);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    next: u32,
    ceiling: u32,
}

impl Counter {
    /// Returns the counter after a reset, given the ceiling that was stored last, 0 if none was.
    ///
    /// A gateway that was restored from an old copy of its data passes the greater of that ceiling and the seconds since
    /// the Unix epoch: at less than a frame a second that is above whatever was used.
    pub fn resume(ceiling: u32) -> Self {
        Self { next: ceiling, ceiling }
    }

    /// Returns the number that the next frame takes once it is reserved.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Returns how many numbers are left of those reserved.
    pub fn left(&self) -> u32 {
        self.ceiling - self.next
    }

    /// Returns the ceiling to store so that `block` more numbers are reserved; `None` where 2³² numbers are used up and the
    /// node needs a new key.
    pub fn ceiling_after(&self, block: u32) -> Option<u32> {
        self.ceiling.checked_add(block)
    }

    /// Takes note that `ceiling` is stored. A lower one than known is ignored: numbers never become unreserved.
    pub fn reserved(&mut self, ceiling: u32) {
        self.ceiling = self.ceiling.max(ceiling);
    }

    /// Returns the number of a new frame; `None` where none is reserved.
    pub fn take(&mut self) -> Option<u32> {
        (self.next < self.ceiling).then(|| {
            let number = self.next;
            self.next += 1;
            number
        })
    }
}

/// What a receiver has accepted of one sender: the highest number, and which of the [`Window::DEPTH`] below it.
///
/// A frame may come late or twice (radio repeats, store-and-forward); each number is accepted once, and what is older than
/// the window never (as IPsec, RFC 4303, section 3.4.3). The receiver stores [`Window::to_bytes`] in the same transaction as
/// the message, so that neither can be lost without the other; after a reset, [`Window::from_bytes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// One more than the highest number accepted, 0 if there is none: in a u64, since u32::MAX is a number.
    end: u64,
    /// Bit k: `end - 1 - k` was accepted.
    seen: u64,
}

/// What a window says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fresh,
    Seen,
    Stale,
}

impl Window {
    /// Numbers that are told apart, the highest included.
    pub const DEPTH: u32 = u64::BITS;

    /// Length of the stored form, bytes.
    pub const BYTES: usize = 12;

    /// Returns the highest number accepted.
    pub fn highest(&self) -> Option<u32> {
        u32::try_from(self.end.checked_sub(1)?).ok()
    }

    /// Returns the window once `number` is accepted as well.
    #[must_use]
    pub fn with(self, number: u32) -> Self {
        let end = u64::from(number) + 1;
        if end > self.end {
            let shift = u32::try_from(end - self.end).unwrap_or(u32::MAX);
            let seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            return Self { end, seen };
        }
        match u32::try_from(self.end - end) {
            Ok(age) if age < Self::DEPTH => Self { seen: self.seen | 1 << age, ..self },
            _ => self,
        }
    }

    pub(crate) fn verdict(&self, number: u32) -> Verdict {
        let end = u64::from(number) + 1;
        if end > self.end {
            return Verdict::Fresh;
        }
        match self.end - end {
            age if age >= Self::DEPTH.into() => Verdict::Stale,
            age if self.seen >> age & 1 == 1 => Verdict::Seen,
            _ => Verdict::Fresh,
        }
    }

    /// Returns the number that ends in `low`: the first one not older than the window. `None` above u32.
    pub(crate) fn extend(&self, low: u16) -> Option<u32> {
        let oldest = self.end.saturating_sub(Self::DEPTH.into());
        let above = low.wrapping_sub(oldest as u16); // distance modulo 2¹⁶
        u32::try_from(oldest + u64::from(above)).ok()
    }

    /// Returns the acknowledgement of everything accepted that one message holds; `None` if nothing was.
    pub fn ack(&self) -> Option<Ack> {
        // The mask cuts to the 32 below the highest.
        Some(Ack { highest: self.highest()?, earlier: (self.seen >> 1 & u64::from(u32::MAX)) as u32 })
    }

    /// Returns the form that the receiver stores: the highest number, little-endian, and the bits.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let parts = self.highest().unwrap_or(0).to_le_bytes().into_iter().chain(self.seen.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
    }

    /// Returns the window that was stored; the empty one for what [`Window::to_bytes`] cannot have written as another.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, d, seen @ ..] = bytes;
        let seen = u64::from_le_bytes(seen);
        // The highest number itself is always among those seen.
        if seen & 1 == 0 {
            Self::default()
        } else {
            Self { end: u64::from(u32::from_le_bytes([a, b, c, d])) + 1, seen }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Verdict, Window};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn numbers_rise_over_resets_at_any_point() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut stored, mut highest) = (0, None);
        for _ in 0..1000 {
            let mut counter = Counter::resume(stored);
            for _ in 0..random.u32(0..20) {
                if counter.left() == 0 {
                    let ceiling = counter.ceiling_after(8).expect("numbers");
                    stored = ceiling;
                    if random.u8(..) < 32 {
                        break; // a cut between storing and using
                    }
                    counter.reserved(ceiling);
                }
                let number = counter.take();
                assert!(number > highest, "{number:?} after {highest:?}");
                highest = number;
            }
        }
    }

    #[test]
    fn the_last_number_is_the_last() {
        let mut counter = Counter::resume(u32::MAX - 1);
        assert_eq!(counter.ceiling_after(2), None);
        counter.reserved(u32::MAX);
        counter.reserved(3);
        assert_eq!([counter.take(), counter.take()], [Some(u32::MAX - 1), None]);
    }

    proptest! {
        /// Against a set of all numbers accepted.
        #[test]
        fn each_number_is_fresh_once(base in any::<u32>(), steps in proptest::collection::vec(-80i64..90, 1..200)) {
            let (mut window, mut accepted) = (Window::default(), BTreeSet::new());
            for step in steps {
                let around = accepted.last().copied().unwrap_or(base);
                let number = (i64::from(around) + step).clamp(0, u32::MAX.into()) as u32;
                let expected = match accepted.last() {
                    _ if accepted.contains(&number) && around - number < Window::DEPTH => Verdict::Seen,
                    Some(_) if number < around && around - number >= Window::DEPTH => Verdict::Stale,
                    _ => Verdict::Fresh,
                };
                prop_assert_eq!(window.verdict(number), expected);
                if expected == Verdict::Fresh {
                    window = window.with(number);
                    accepted.insert(number);
                }
                prop_assert_eq!(window.highest(), accepted.last().copied());
                // Whatever was accepted before a reset is not fresh after it.
                prop_assert_eq!(Window::from_bytes(window.to_bytes()), window);
                if window.verdict(number) != Verdict::Stale {
                    prop_assert_eq!(window.extend(number as u16), Some(number));
                }
            }
            let ack = window.ack().expect("something accepted");
            let acked: Vec<u32> = ack.numbers().collect();
            let last: Vec<u32> = accepted.iter().rev().copied().filter(|n| ack.highest - n <= 32).collect();
            prop_assert_eq!(acked, last);
        }
    }

    #[test]
    fn sixteen_bits_reach_over_their_own_end() {
        let window = Window::default().with(0x1_ff00);
        assert_eq!(window.extend(0xff01), Some(0x1_ff01));
        assert_eq!(window.extend(0xfec1), Some(0x1_fec1)); // the oldest of the window
        assert_eq!(window.extend(0xfec0), Some(0x2_fec0)); // before it
        assert_eq!(window.extend(0x0005), Some(0x2_0005));
        assert_eq!(Window::default().extend(7), Some(7));
        assert_eq!(Window::default().with(u32::MAX).extend(0), None);
    }
}
