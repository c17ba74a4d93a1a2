//! Where the numbers of a random layer come from: a generator, or the bytes of a fuzzer.

use core::ops::{Bound, RangeBounds};

use arbitrary::Unstructured;
use fastrand::Rng;

/// A source of numbers.
pub(crate) trait Draw {
    /// Returns a number from `low` to `high`.
    fn number(&mut self, low: i64, high: i64) -> i64;

    /// Returns either.
    fn bool(&mut self) -> bool {
        self.number(0, 1) == 1
    }

    /// Returns a number in the range.
    fn i8(&mut self, range: impl RangeBounds<i8>) -> i8 {
        let (low, high) = ends(&range, i8::MIN.into(), i8::MAX.into());
        self.number(low, high) as i8
    }

    /// Returns a number in the range.
    fn i32(&mut self, range: impl RangeBounds<i32>) -> i32 {
        let (low, high) = ends(&range, i32::MIN.into(), i32::MAX.into());
        self.number(low, high) as i32
    }

    /// Returns a number in the range.
    fn u32(&mut self, range: impl RangeBounds<u32>) -> u32 {
        let (low, high) = ends(&range, 0, u32::MAX.into());
        self.number(low, high) as u32
    }

    /// Returns an index below `count`.
    fn index(&mut self, count: usize) -> usize {
        self.number(0, count as i64 - 1) as usize
    }
}

fn ends<T: Copy + Into<i64>>(range: &impl RangeBounds<T>, least: i64, most: i64) -> (i64, i64) {
    let low = match range.start_bound() {
        Bound::Included(&low) => low.into(),
        Bound::Excluded(&low) => low.into() + 1,
        Bound::Unbounded => least,
    };
    let high = match range.end_bound() {
        Bound::Included(&high) => high.into(),
        Bound::Excluded(&high) => high.into() - 1,
        Bound::Unbounded => most,
    };
    (low, high)
}

impl Draw for Rng {
    fn number(&mut self, low: i64, high: i64) -> i64 {
        self.i64(low..=high)
    }
}

/// Behind the last byte every number is the lowest.
impl Draw for Unstructured<'_> {
    fn number(&mut self, low: i64, high: i64) -> i64 {
        self.int_in_range(low..=high).unwrap_or(low)
    }
}
