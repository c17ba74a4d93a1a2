//! What the gateway can change, and the node remembers.

use tanbo_wire::v1::Outcome;

/// Keys of settings, in frames and in flash. A number is never given a second meaning.
pub mod key {
    /// How much is at stake: 1 where a hazard is announced, else 0.
    pub const WATCH: u16 = 0;
    /// Day of transplanting, days since the Unix epoch; 0 outside of a season: then nothing is irrigated.
    pub const SEASON: u16 = 1;
    /// 1: the pump may run, and a lock-out ends; 0: it is locked out.
    pub const PUMP: u16 = 2;
    /// What is added to the water level, mm.
    pub const LEVEL: u16 = 3;
    /// What was drawn from the battery so far, µAh; 0 when it is changed.
    pub const DRAWN: u16 = 4;
}

/// Settings that there are.
pub(crate) const COUNT: usize = 5;

/// Range of each, and its value before it is set.
const TABLE: [(core::ops::RangeInclusive<i32>, i32); COUNT] =
    [(0..=1, 0), (0..=100_000, 0), (0..=1, 1), (-20_000..=20_000, 0), (0..=i32::MAX, 0)];

/// The values in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings([i32; COUNT]);

impl Default for Settings {
    fn default() -> Self {
        Self(TABLE.map(|(_, value)| value))
    }
}

impl Settings {
    /// Returns a value; 0 for a key that there is not.
    pub fn get(&self, key: u16) -> i32 {
        self.0.get(usize::from(key)).copied().unwrap_or(0)
    }

    /// Changes a value.
    ///
    /// # Errors
    /// [`Outcome::UnknownKey`], [`Outcome::OutOfRange`]: it stays.
    pub fn set(&mut self, key: u16, value: i32) -> Result<(), Outcome> {
        let Some((to, (range, _))) = self.0.get_mut(usize::from(key)).zip(TABLE.get(usize::from(key))) else {
            return Err(Outcome::UnknownKey);
        };
        if !range.contains(&value) {
            return Err(Outcome::OutOfRange);
        }
        *to = value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_ranges() {
        let mut settings = Settings::default();
        assert_eq!(settings.set(key::LEVEL, -20_001), Err(Outcome::OutOfRange));
        assert_eq!(settings.set(COUNT as u16, 0), Err(Outcome::UnknownKey));
        assert_eq!(settings.set(key::SEASON, 20_000), Ok(()));
        assert_eq!((settings.get(key::SEASON), settings.get(key::PUMP), settings.get(99)), (20_000, 1, 0));
        let defaults = TABLE.iter().all(|(range, value)| range.contains(value));
        assert!(defaults && usize::from(key::DRAWN) + 1 == COUNT);
    }
}
