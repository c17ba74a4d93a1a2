//! When the model runs, and when its scores become an alarm.

use tanbo_signal::{Decision, Gate};

/// The STA/LTA gate with its hysteresis.
#[derive(Clone, Copy, Debug)]
pub struct GateKeeper {
    gate: Gate,
    open: bool,
}

impl GateKeeper {
    /// Returns a closed gate.
    pub fn new(gate: Gate) -> Self {
        Self { gate, open: false }
    }

    /// Closes the gate.
    pub fn close(&mut self) {
        self.open = false;
    }

    /// Takes the ratio of a hop (log2 of energies, Q8); returns whether the gate is open.
    pub fn update(&mut self, ratio_q8: i32) -> bool {
        let threshold = if self.open { self.gate.off_q8 } else { self.gate.on_q8 };
        self.open = ratio_q8 >= i32::from(threshold);
        self.open
    }
}

/// A change of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The alarm begins.
    AlarmOn,
    /// The alarm ends.
    AlarmOff,
}

/// Threshold, n of m, and hysteresis.
///
/// A hop votes when its score reaches `on_score`; a hop whose gate is closed has no score and does not vote. `votes` of
/// the last `of_hops` raise the alarm. It ends when none of the last `of_hops` reached `off_score`: with `i8::MIN`, when the
/// gate has been closed that long.
#[derive(Clone, Copy, Debug)]
pub struct Decider {
    decision: Decision,
    /// Bit 0 is the last hop: whether it voted.
    votes: u32,
    /// Hops in a row that did not reach `off_score`.
    calm_hops: u8,
    alarm: bool,
}

impl Decider {
    /// Returns a decider at rest.
    pub fn new(decision: Decision) -> Self {
        Self { decision, votes: 0, calm_hops: 0, alarm: false }
    }

    /// Returns whether there is an alarm.
    pub fn alarm(&self) -> bool {
        self.alarm
    }

    /// Drops the votes for an alarm: the hops that follow do not go on from those before. An alarm stays.
    pub fn lapse(&mut self) {
        self.votes = 0;
    }

    /// Decides as `decision` from now on: votes lapse, an alarm stays.
    pub(crate) fn change(&mut self, decision: Decision) {
        *self = Self { alarm: self.alarm, ..Self::new(decision) };
    }

    /// Takes the score of a hop, `None` where the gate was closed.
    pub fn update(&mut self, score: Option<i8>) -> Option<Change> {
        let voted = score.is_some_and(|score| score >= self.decision.on_score);
        let excited = score.is_some_and(|score| score >= self.decision.off_score);
        let mask = u32::MAX >> 32u32.saturating_sub(self.decision.of_hops.into()).min(31);
        self.votes = (self.votes << 1 | u32::from(voted)) & mask;
        self.calm_hops = if excited { 0 } else { self.calm_hops.saturating_add(1) };
        if !self.alarm && self.votes.count_ones() >= u32::from(self.decision.votes) {
            self.alarm = true;
            return Some(Change::AlarmOn);
        }
        if self.alarm && self.calm_hops >= self.decision.of_hops {
            self.alarm = false;
            return Some(Change::AlarmOff);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn changes(decision: Decision, scores: &[Option<i8>]) -> Vec<(usize, Change)> {
        let mut decider = Decider::new(decision);
        scores.iter().enumerate().filter_map(|(at, score)| Some((at, decider.update(*score)?))).collect()
    }

    #[test]
    fn two_of_three_raise_and_three_calm_hops_end() {
        let decision = Decision { on_score: 10, off_score: 0, votes: 2, of_hops: 3 };
        let score = |value: i8| Some(value);
        let none = [score(10), None, None, score(10), score(9), score(9), score(10)];
        assert_eq!(changes(decision, &none), []);
        let alarm = [score(10), None, score(127), score(5), score(-1), None, score(0), score(-1), score(-128), None];
        assert_eq!(changes(decision, &alarm), [(2, Change::AlarmOn), (9, Change::AlarmOff)]);
    }

    #[test]
    fn one_of_one_and_thirty_two_of_thirty_two() {
        let one = Decision { on_score: 0, off_score: 0, votes: 1, of_hops: 1 };
        assert_eq!(
            changes(one, &[Some(-1), Some(0), Some(1), None]),
            [(1, Change::AlarmOn), (2 + 1, Change::AlarmOff)]
        );
        let many = Decision { on_score: 0, off_score: 0, votes: 32, of_hops: 32 };
        assert_eq!(changes(many, &[Some(1); 32]), [(31, Change::AlarmOn)]);
        assert_eq!(changes(many, &[Some(1); 31]), []);
    }

    #[test]
    fn the_least_off_score_holds_the_alarm_while_the_gate_is_open() {
        let decision = Decision { on_score: 1, off_score: i8::MIN, votes: 1, of_hops: 2 };
        let scores = [Some(1), Some(-128), Some(-128), Some(-128), None, Some(-128), None, None];
        assert_eq!(changes(decision, &scores), [(0, Change::AlarmOn), (7, Change::AlarmOff)]);
    }

    #[test]
    fn votes_lapse_and_an_alarm_stays() {
        let mut decider = Decider::new(Decision { on_score: 0, off_score: 0, votes: 2, of_hops: 2 });
        assert_eq!(decider.update(Some(0)), None);
        decider.lapse();
        assert_eq!(decider.update(Some(0)), None);
        assert_eq!(decider.update(Some(0)), Some(Change::AlarmOn));
        decider.lapse();
        assert!(decider.alarm());
    }

    #[test]
    fn the_gate_has_hysteresis() {
        let mut gate = GateKeeper::new(Gate { short_hops: 1, on_q8: 100, off_q8: 50 });
        let open: Vec<bool> = [99, 100, 50, 49, 99, i32::MAX, i32::MIN].map(|ratio| gate.update(ratio)).into();
        assert_eq!(open, [false, true, true, false, false, true, false]);
    }
}
