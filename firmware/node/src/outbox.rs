//! What waits to be sent and is not in flash.

use heapless::{Deque, Vec};
use tanbo_wire::v1::{Alarm, Applied, Boot, Quantity, Values};

use crate::plan::Plan;

/// Alarms and answers that wait at most; of more the oldest goes. An event in flash follows each alarm.
const WAITING: usize = 4;
/// Readings of a frame, at most.
pub(crate) const READINGS: usize = 16;
/// Bytes of a frame of readings before its values: start, period, quantity.
const HEAD_BYTES: usize = 4 + 2 + 1;

/// Of so many reports one has the second series.
pub(crate) const ALSO_EACH: u16 = 4;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    alarms: Deque<Alarm, WAITING>,
    applied: Deque<Applied, WAITING>,
    /// To say that the node has started.
    pub boot: Option<Boot>,
    /// Number of an event that was not sent yet: it goes whatever others wait for.
    pub untried: Option<u32>,
    /// A report is wanted at once.
    pub report: bool,
    /// The gateway asks for all that waits.
    pub send_all: bool,
    /// The gateway asks for the safe state, for the application to see.
    pub safe_state: bool,
    /// The gateway asks for a self-test.
    pub self_test: bool,
    /// Readings since the last report.
    pub readings: Series,
    /// Readings of something else, for one report of [`ALSO_EACH`].
    pub also: Series,
}

fn push<T>(queue: &mut Deque<T, WAITING>, item: T) {
    if queue.is_full() {
        queue.pop_front();
    }
    // There is room now.
    let _ = queue.push_back(item);
}

impl Outbox {
    /// An alarm is to be sent.
    pub fn alarm(&mut self, alarm: Alarm) {
        push(&mut self.alarms, alarm);
    }

    /// An answer is to be sent.
    pub fn applied(&mut self, applied: Applied) {
        push(&mut self.applied, applied);
    }

    /// Returns the next alarm.
    pub fn next_alarm(&mut self) -> Option<Alarm> {
        self.alarms.pop_front()
    }

    /// Returns the next answer.
    pub fn next_applied(&mut self) -> Option<Applied> {
        self.applied.pop_front()
    }

    /// Returns whether something must not wait for an answer to something else.
    pub fn urgent(&self) -> bool {
        !self.alarms.is_empty()
    }

    /// Returns whether an answer waits.
    pub fn answers(&self) -> bool {
        !self.applied.is_empty()
    }
}

/// Readings at equal distances.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// What they measure; `None` without a plan for them.
    quantity: Option<Quantity>,
    period_s: u16,
    /// Time of the first, by the board's clock.
    start_us: u64,
    values: Vec<Option<i32>, READINGS>,
}

/// Returns the distance of the readings that a plan sends: every one, or each second, third, … where a frame would be too long.
pub(crate) fn report_period_s(plan: &Plan) -> u16 {
    let interval_s = report_s(plan);
    let room = (usize::from(plan.frame_bytes).saturating_sub(HEAD_BYTES + 4) / 2 + 1).min(READINGS);
    let wakes = interval_s.div_ceil(u32::from(plan.wake_s.max(1)));
    let each = wakes.div_ceil(room as u32).max(1);
    u16::try_from(each * u32::from(plan.wake_s.max(1))).unwrap_or(u16::MAX)
}

/// Returns the time between two reports, s.
pub(crate) fn report_s(plan: &Plan) -> u32 {
    86_400 / u32::from(plan.frames_per_day.max(1))
}

impl Series {
    /// Begins anew, with readings of `quantity` as `plan` sends them in one report of `each`.
    pub fn restart(&mut self, quantity: Quantity, plan: &Plan, each: u16) {
        let period_s = report_period_s(plan).saturating_mul(each);
        *self = Self { quantity: Some(quantity), period_s, ..Self::default() };
    }

    /// Holds one value alone.
    pub fn single(&mut self, quantity: Quantity, now_us: u64, value: i32) {
        *self = Self { quantity: Some(quantity), period_s: 0, start_us: now_us, values: Vec::new() };
        // There is room for more.
        let _ = self.values.push(Some(value));
    }

    /// Takes the reading of `now_us`, if it is the first of its period; what earlier periods lack is missing.
    pub fn push(&mut self, now_us: u64, value: Option<i32>) {
        if self.values.is_empty() {
            // A frame begins with a reading that is there.
            if value.is_some() {
                self.start_us = now_us;
                let _ = self.values.push(value);
            }
            return;
        }
        let period_us = u64::from(self.period_s.max(1)) * 1_000_000;
        // A little early is its turn.
        let place = (now_us.saturating_sub(self.start_us) + period_us / 16) / period_us;
        while (self.values.len() as u64) < place && self.values.push(None).is_ok() {}
        if self.values.len() as u64 == place {
            // What comes too late for the frame is left out.
            let _ = self.values.push(value);
        }
    }

    /// Returns whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns start, period and quantity, with the values in `room`, as many as a frame holds, and begins anew; `None` if there is none.
    pub fn take<'r>(&mut self, room: &'r mut [u8]) -> Option<(u64, u16, Quantity, Values<'r>)> {
        let quantity = self.quantity.filter(|_| !self.values.is_empty())?;
        let mut values = core::mem::take(&mut self.values);
        while values.last().is_some_and(Option::is_none) {
            values.pop();
        }
        // As many as go from one to the next in 16 bits, and as fit.
        while !values.is_empty() && Values::new(&values, room).is_err() {
            values.pop();
        }
        let values = Values::new(&values, room).ok()?;
        Some((self.start_us, self.period_s, quantity, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duty::Mode;
    use crate::plan::{Application, plan};

    #[test]
    fn readings_find_their_turns() {
        let mut series = Series::default();
        let mut room = [0; 64];
        assert!(series.take(&mut room).is_none());
        let plan = plan(Application::Water, Mode::Full);
        series.restart(Quantity::WaterLevel, &plan, 1);
        assert_eq!(report_period_s(&plan), 120);
        let minute = 60_000_000;
        series.push(5 * minute, None);
        for (at, value) in [(6, 10), (7, 11), (8, 12), (13, 17), (14, 18)] {
            series.push(at * minute, Some(value));
        }
        let (start, period, quantity, values) = series.take(&mut room).unwrap();
        assert_eq!((start, period, quantity), (6 * minute, 120, Quantity::WaterLevel));
        let values: std::vec::Vec<_> = values.iter().collect();
        assert_eq!(values, [Some(10), Some(12), None, Some(17), Some(18)]);
        // More than a frame, and a jump beyond 16 bits.
        for at in 0..100 {
            series.push(at * minute, Some(if at < 20 { 0 } else { 100_000 }));
        }
        assert_eq!(series.take(&mut room).map(|(.., values)| values.iter().count()), Some(10));
        assert!(series.take(&mut room).is_none());
    }

    #[test]
    fn a_report_fits_its_plan() {
        for application in [Application::Water, Application::Cyclone, Application::Paddy] {
            for mode in [Mode::Save, Mode::Full] {
                let plan = plan(application, mode);
                let values = report_s(&plan).div_ceil(report_period_s(&plan).into()) as usize;
                assert!(values <= READINGS && HEAD_BYTES + 2 + 2 * values <= plan.frame_bytes.into(), "{plan:?}");
            }
        }
    }
}
