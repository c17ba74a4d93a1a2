//! Air pressure, by its tendency, with the humidity beside it.

use core::pin::pin;

use tanbo_board_api::{Mode as SensorMode, Quantity as Measured, Sensor};
use tanbo_methods::pressure::{Pressure, THRESHOLD_SCORE, Tendency};
use tanbo_pipeline::{Barometer, Hop, Station};
use tanbo_signal::Decision;
use tanbo_wire::v1::{Hazard, Quantity, Severity};

use crate::agenda::{End, following};
use crate::board::{Board, Parts, Setup, Stop};
use crate::duty::Mode;
use crate::node;
use crate::observe::Note;
use crate::outbox::ALSO_EACH;
use crate::part::{Part, channel, gives};
use crate::plan::{Application, Wait};
use crate::sampling::{App, tell};
use crate::shared::{FlashError, Found, Shared};

/// What a cyclone node is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cyclone {
    /// The method: every ten minutes, as [`Pressure::CYCLONE`].
    pub pressure: Pressure,
    /// Its decision, in the method's score.
    pub decision: Decision,
}

/// Readings that the method holds.
const SLOTS: usize = Pressure::CYCLONE.slots();
/// Channels of a sensor, at most.
const CHANNELS: usize = 4;

/// Runs a cyclone node on a barometer and a hygrometer.
///
/// Returns where the node cannot start, or the gateway asks for a restart.
pub async fn cyclone<B: Board, S: Sensor, H: Sensor>(
    parts: &mut Parts<B>,
    setup: &Setup,
    (barometer, hygrometer): (&mut S, &mut H),
    settings: &Cyclone,
) -> Stop<FlashError<B>> {
    if !gives(&barometer.format(), &[Measured::Pressure], CHANNELS) {
        return Stop::Sensor { number: 0, needs: "an air pressure whenever it is read" };
    }
    if !gives(&hygrometer.format(), &[Measured::Humidity], CHANNELS) {
        return Stop::Sensor { number: 1, needs: "a humidity whenever it is read" };
    }
    let detector = match Tendency::<SLOTS>::new(settings.pressure) {
        Ok(detector) => detector,
        Err(error) => return Stop::Parameter(error),
    };
    let station = match Station::with(detector, settings.decision) {
        Ok(station) => station,
        Err(error) => return Stop::Pipeline(error.into()),
    };
    let barometer = Part::new(barometer, 0);
    let mut app = Watch { barometer, hygrometer: Part::new(hygrometer, 1), station, next_us: 0, alarm: false };
    pin!(node::run(parts, setup, Application::Cyclone, &mut app)).await
}

struct Watch<'s, S, H> {
    barometer: Part<'s, S>,
    hygrometer: Part<'s, H>,
    station: Station<Tendency<SLOTS>>,
    next_us: u64,
    alarm: bool,
}

impl<S: Sensor, H: Sensor> Watch<'_, S, H> {
    async fn read<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let mut reading = [0; CHANNELS];
        let measured = self.barometer.measure(shared, &mut reading).await;
        let format = self.barometer.format();
        if let Some(celsius) = channel(&format, &reading, Measured::Temperature, 0).filter(|_| measured) {
            shared.set_temperature(celsius);
        }
        let pressure_pa = channel(&format, &reading, Measured::Pressure, 0).filter(|_| measured);
        let now_us = shared.now_us();
        let utc_us = shared.utc_at(now_us).map(|utc| utc.unix_us);
        let (mut alarm, mut score) = (self.alarm, 0);
        // The method cannot fail.
        let Ok(()) = self.station.push(now_us, Barometer { pressure_pa, utc_us }, |hop: Hop| {
            shared.note(Note::Hop(hop));
            alarm = hop.alarm;
            score = hop.score.unwrap_or(0);
        });
        shared.outbox().readings.push(now_us, pressure_pa);
        if alarm == core::mem::replace(&mut self.alarm, alarm) {
            return;
        }
        let found = Found {
            hazard: Hazard::Cyclone,
            begins: alarm,
            severity: match score {
                i8::MAX => Severity::Extreme,
                score if score >= THRESHOLD_SCORE / 2 * 3 => Severity::Severe,
                _ => Severity::Moderate,
            },
            score,
            time_us: now_us,
            quantity: Quantity::Pressure,
            peak: pressure_pa.unwrap_or(0),
            model: [0; 4],
        };
        shared.raise(found).await;
    }

    async fn read_humidity<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let mut reading = [0; CHANNELS];
        let measured = self.hygrometer.measure(shared, &mut reading).await;
        // Thousandths of a percent.
        let humidity = channel(&self.hygrometer.format(), &reading, Measured::Humidity, -5).filter(|_| measured);
        shared.outbox().also.push(shared.now_us(), humidity);
    }
}

impl<B: Board, S: Sensor, H: Sensor> App<B> for Watch<'_, S, H> {
    async fn enter(&mut self, shared: &Shared<'_, B>) {
        self.barometer.set(shared, SensorMode::Off).await;
        self.hygrometer.set(shared, SensorMode::Off).await;
        let (plan, mut outbox) = (shared.plan(), shared.outbox());
        outbox.readings.restart(Quantity::Pressure, &plan, 1);
        outbox.also.restart(Quantity::Humidity, &plan, ALSO_EACH);
        self.next_us = shared.now_us();
    }

    fn alarm(&self) -> bool {
        self.alarm
    }

    fn next(&self, shared: &Shared<'_, B>) -> (Wait, u64) {
        (shared.plan().rest, if shared.mode() == Mode::Out { u64::MAX } else { self.next_us })
    }

    async fn go_on(&mut self, shared: &Shared<'_, B>, _: End) {
        let (plan, now_us) = (shared.plan(), shared.now_us());
        if plan.wake_s > 0 && now_us >= self.next_us {
            self.next_us = following(self.next_us, now_us, plan.wake_s.into());
            self.read(shared).await;
            if plan.conversions.get(1).is_some_and(|count| *count > 0) {
                self.read_humidity(shared).await;
            }
        }
        if core::mem::take(&mut shared.outbox().self_test) {
            let well = self.barometer.start_again(shared).await & self.hygrometer.start_again(shared).await;
            shared.outbox().report |= well;
        }
        if let Some(dead) = self.barometer.news() {
            tell(shared, dead, Severity::Moderate, self.barometer.number()).await;
        }
        if let Some(dead) = self.hygrometer.news() {
            tell(shared, dead, Severity::Minor, self.hygrometer.number()).await;
        }
    }
}
