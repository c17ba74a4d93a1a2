//! The task of sampling: what all applications do alike.

use tanbo_wire::v1::{Hazard, Quantity, Severity};

use crate::agenda::{End, after_ms};
use crate::board::Board;
use crate::duty::Stake;
use crate::plan::{SUPPLY_LONGEST_MS, SUPPLY_MS, Wait};
use crate::settings::key;
use crate::shared::{Found, Shared};

/// An application: its sensors, its detector, what it drives.
pub(crate) trait App<B: Board> {
    /// Puts the sensors as the mode says.
    async fn enter(&mut self, shared: &Shared<'_, B>);

    /// Returns whether there is an alarm.
    fn alarm(&self) -> bool;

    /// Returns whether somebody else wants what it samples with, and it is the moment.
    fn leaves(&self) -> bool {
        false
    }

    /// Returns what it waits for, and until when.
    fn next(&self, shared: &Shared<'_, B>) -> (Wait, u64);

    /// Does what is due.
    async fn go_on(&mut self, shared: &Shared<'_, B>, end: End);
}

/// Samples until it leaves.
pub(crate) async fn run<B: Board, A: App<B>>(shared: &Shared<'_, B>, app: &mut A) {
    let mut known = stake(shared, app.alarm());
    shared.duty(known).await;
    app.enter(shared).await;
    while !app.leaves() {
        let (wait, deadline_us) = app.next(shared);
        let supply_us = after_ms(shared.supply_us(), SUPPLY_LONGEST_MS);
        let longest_us = after_ms(shared.now_us(), wait.longest_ms);
        let end = shared.rest(&wait, deadline_us.min(supply_us).min(longest_us)).await;
        app.go_on(shared, end).await;
        let stake = stake(shared, app.alarm());
        let old = shared.now_us() >= after_ms(shared.supply_us(), SUPPLY_MS);
        if (old || core::mem::replace(&mut known, stake) != stake) && shared.duty(stake).await {
            app.enter(shared).await;
        }
    }
}

fn stake<B: Board>(shared: &Shared<'_, B>, alarm: bool) -> Stake {
    if alarm {
        Stake::Alarm
    } else if shared.setting(key::WATCH) != 0 {
        Stake::Watch
    } else {
        Stake::Calm
    }
}

/// Tells the gateway that the node itself is broken in part, or whole again: `score` says what.
pub(crate) async fn tell<B: Board>(shared: &Shared<'_, B>, begins: bool, severity: Severity, score: u8) {
    let supply = shared.supply(SUPPLY_MS);
    let found = Found {
        hazard: Hazard::Node,
        begins,
        severity,
        score: score as i8,
        time_us: shared.now_us(),
        quantity: Quantity::Supply,
        peak: supply.mv.map_or(0, i32::from),
        model: [0; 4],
    };
    shared.raise(found).await;
}
