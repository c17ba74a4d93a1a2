//! Water level: Mofjeld's detector for sudden waves, and a level that is high whatever its past.

use core::pin::pin;

use tanbo_board_api::Sensor;
use tanbo_methods::water::{Mofjeld, WaterLevel};
use tanbo_pipeline::{Hop, Station};
use tanbo_signal::Decision;
use tanbo_wire::v1::{Hazard, Quantity, Severity};

use crate::agenda::{End, following};
use crate::apps::gauge::Gauge;
use crate::board::{Board, Parts, Setup, Stop};
use crate::duty::Mode;
use crate::node;
use crate::observe::Note;
use crate::part::Part;
use crate::plan::{Application, Wait};
use crate::sampling::{App, tell};
use crate::shared::{FlashError, Found, Shared};

/// What a water level node is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Water {
    /// The detector; [`WaterLevel::COAST`] or one with a reading per minute like it.
    pub level: WaterLevel,
    /// Its decision, in the detector's score.
    pub decision: Decision,
    /// A level from which it is high, mm over the station's zero …
    pub flood_mm: i32,
    /// … and below which it is no more.
    pub calm_mm: i32,
}

/// Readings that the detector holds.
const SLOTS: usize = WaterLevel::COAST.slots();

/// Runs a water level node on a sensor of level, or of pressure in the water.
///
/// Returns where the node cannot start, or the gateway asks for a restart.
pub async fn water<B: Board, S: Sensor>(
    parts: &mut Parts<B>,
    setup: &Setup,
    gauge: &mut S,
    settings: &Water,
) -> Stop<FlashError<B>> {
    let Some(gauge) = Gauge::new(Part::new(gauge, 0)) else {
        return Stop::Sensor { number: 0, needs: Gauge::<S>::NEEDS };
    };
    let detector = match Mofjeld::<SLOTS>::new(settings.level) {
        Ok(detector) => detector,
        Err(error) => return Stop::Parameter(error),
    };
    let station = match Station::with(detector, settings.decision) {
        Ok(station) => station,
        Err(error) => return Stop::Pipeline(error.into()),
    };
    let mut app = Watch { gauge, station, settings, next_us: 0, wave: false, high: false };
    pin!(node::run(parts, setup, Application::Water, &mut app)).await
}

struct Watch<'s, S> {
    gauge: Gauge<'s, S>,
    station: Station<Mofjeld<SLOTS>>,
    settings: &'s Water,
    next_us: u64,
    /// The detector's alarm, and the level's.
    wave: bool,
    high: bool,
}

impl<S: Sensor> Watch<'_, S> {
    async fn read<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let level_mm = self.gauge.read(shared).await;
        let now_us = shared.now_us();
        let before = self.wave || self.high;
        let (mut wave, mut score) = (self.wave, 0);
        // The detector cannot fail.
        let Ok(()) = self.station.push(now_us, level_mm, |hop: Hop| {
            shared.note(Note::Hop(hop));
            wave = hop.alarm;
            score = hop.score.unwrap_or(0);
        });
        self.wave = wave;
        if let Some(level_mm) = level_mm {
            let Water { flood_mm, calm_mm, .. } = *self.settings;
            self.high = level_mm >= if self.high { calm_mm } else { flood_mm };
        }
        shared.outbox().readings.push(now_us, level_mm);
        let alarm = self.wave || self.high;
        if alarm != before {
            let found = Found {
                hazard: Hazard::Flood,
                begins: alarm,
                severity: if self.high && self.wave { Severity::Extreme } else { Severity::Severe },
                score,
                time_us: now_us,
                quantity: Quantity::WaterLevel,
                peak: level_mm.unwrap_or(0),
                model: [0; 4],
            };
            shared.raise(found).await;
        }
    }
}

impl<B: Board, S: Sensor> App<B> for Watch<'_, S> {
    async fn enter(&mut self, shared: &Shared<'_, B>) {
        self.gauge.rest(shared).await;
        shared.outbox().readings.restart(Quantity::WaterLevel, &shared.plan(), 1);
        self.next_us = shared.now_us();
    }

    fn alarm(&self) -> bool {
        self.wave || self.high
    }

    fn next(&self, shared: &Shared<'_, B>) -> (Wait, u64) {
        (shared.plan().rest, if shared.mode() == Mode::Out { u64::MAX } else { self.next_us })
    }

    async fn go_on(&mut self, shared: &Shared<'_, B>, _: End) {
        let plan = shared.plan();
        let now_us = shared.now_us();
        if plan.wake_s > 0 && now_us >= self.next_us {
            self.next_us = following(self.next_us, now_us, plan.wake_s.into());
            self.read(shared).await;
        }
        if core::mem::take(&mut shared.outbox().self_test) {
            let well = self.gauge.start_again(shared).await;
            shared.outbox().report |= well;
        }
        if let Some(dead) = self.gauge.news() {
            tell(shared, dead, Severity::Moderate, 0).await;
        }
    }
}
