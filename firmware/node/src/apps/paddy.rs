//! A paddy: when it wants water (AWD), what it loses to the air (FAO-56), and a pump that cannot run away.

use core::pin::pin;

use tanbo_board_api::{Mode as SensorMode, Quantity as Measured, Relay, Sensor};
use tanbo_methods::day::{DayWeather, Reading};
use tanbo_methods::fao56::{Site, reference};
use tanbo_methods::paddy::{Awd, SeasonDay, Want};
use tanbo_methods::pump::{self, Controller, Off, Pump, Retained};
use tanbo_pipeline::{FieldTube, Hop, Station};
use tanbo_signal::Decision;
use tanbo_wire::v1::{Hazard, Quantity, Severity};

use crate::agenda::{End, after_ms, following};
use crate::apps::gauge::Gauge;
use crate::board::{Board, Parts, Setup, Stop};
use crate::duty::Mode;
use crate::faults::Trouble;
use crate::node;
use crate::observe::Note;
use crate::part::{Part, channel, gives};
use crate::plan::{Application, PUMPING, Wait};
use crate::retained::lock_number;
use crate::sampling::{App, tell};
use crate::settings::key;
use crate::shared::{FlashError, Found, Shared};

/// What a paddy node is told. When the season began is a setting of the gateway's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paddy {
    /// When the field wants water.
    pub awd: Awd,
    /// The decision to tell so, in the rule's score.
    pub decision: Decision,
    /// Limits of the pump. Its level is read each minute while it runs.
    pub pump: Pump,
    /// Where the station stands.
    pub site: Site,
}

/// Channels of the hygrometer, at most.
const CHANNELS: usize = 4;
/// In an event of the node itself: above the numbers of sensors, the pump's lock.
const LOCK_SCORE: u8 = 16;
const DAY_US: u64 = 86_400_000_000;

/// Runs a paddy node on a gauge in the field tube, a thermometer with hygrometer, and the relay of a pump or valve.
///
/// Returns, with the relay off, where the node cannot start, or the gateway asks for a restart.
pub async fn paddy<B: Board, S: Sensor, H: Sensor, R: Relay>(
    parts: &mut Parts<B>,
    setup: &Setup,
    (gauge, hygrometer): (&mut S, &mut H),
    relay: &mut R,
    settings: &Paddy,
) -> Stop<FlashError<B>> {
    // The safe state before anything else. A relay that does not obey is told to the fault log when there is one.
    let _ = relay.set(false);
    let Some(gauge) = Gauge::new(Part::new(gauge, 0)) else {
        return Stop::Sensor { number: 0, needs: Gauge::<S>::NEEDS };
    };
    if !gives(&hygrometer.format(), &[Measured::Temperature, Measured::Humidity], CHANNELS) {
        return Stop::Sensor { number: 1, needs: "temperature and humidity whenever it is read" };
    }
    let station = match Station::with(settings.awd, settings.decision) {
        Ok(station) => station,
        Err(error) => return Stop::Pipeline(error.into()),
    };
    let controller = settings.awd.validate().and_then(|()| Controller::new(settings.pump, 0, Retained::default()));
    let controller = match controller {
        Ok(controller) => controller,
        Err(error) => return Stop::Parameter(error),
    };
    let mut app = Field {
        gauge,
        hygrometer: Part::new(hygrometer, 1),
        relay,
        station,
        controller,
        settings,
        started: false,
        next_us: 0,
        wants: false,
        locked: None,
        disobeys: false,
        weather: DayWeather::default(),
        day: 0,
    };
    let stop = pin!(node::run(parts, setup, Application::Paddy, &mut app)).await;
    let _ = app.relay.set(false);
    stop
}

struct Field<'s, S, H, R> {
    gauge: Gauge<'s, S>,
    hygrometer: Part<'s, H>,
    relay: &'s mut R,
    station: Station<Awd>,
    controller: Controller,
    settings: &'s Paddy,
    /// Whether the controller knows what the last reset kept.
    started: bool,
    next_us: u64,
    /// The rule's alarm: the field wants water.
    wants: bool,
    /// What the gateway knows of the pump's lock.
    locked: Option<Off>,
    /// The relay does not do as it is told.
    disobeys: bool,
    weather: DayWeather,
    /// The day that `weather` is of, since the Unix epoch.
    day: u64,
}

impl<S: Sensor, H: Sensor, R: Relay> Field<'_, S, H, R> {
    /// Takes up what the last reset kept: a lock stays one, and a day's runs count on. The pump rests first.
    async fn start<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let mut kept = shared.retained().pump;
        if shared.setting(key::PUMP) == 0 {
            kept.locked = kept.locked.or(Some(Off::Command));
        } else if kept.locked.is_some() {
            // Cut before it was in flash.
            self.forbid(shared).await;
        }
        // The limits are those that were good before.
        if let Ok(controller) = Controller::new(self.settings.pump, shared.now_us(), kept) {
            self.controller = controller;
        }
        self.locked = kept.locked;
        self.started = true;
    }

    /// Forbids the pump in flash, where that outlives the supply; if that fails, retained memory still has the lock.
    async fn forbid<B: Board>(&self, shared: &Shared<'_, B>) {
        let stored = shared.store.lock().await.set(key::PUMP, 0).await;
        let _ = shared.with_settings(|settings| settings.set(key::PUMP, 0));
        if stored.is_err() {
            shared.fault(Trouble::Full).await;
        }
    }

    /// Returns the day of the season; `None` outside of one, or while the day is not known.
    fn season_day<B: Board>(&self, shared: &Shared<'_, B>) -> Option<SeasonDay> {
        let began = u64::try_from(shared.setting(key::SEASON)).ok().filter(|day| *day > 0)?;
        let today = shared.utc_at(shared.now_us())?.unix_us / DAY_US;
        SeasonDay::try_from(today.checked_sub(began)?).ok()
    }

    async fn read<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let level_mm = self.gauge.read(shared).await;
        let now_us = shared.now_us();
        self.controller.level(now_us, level_mm);
        shared.outbox().readings.push(now_us, level_mm);
        let Some(day) = self.season_day(shared) else { return };
        let (mut wants, mut score) = (self.wants, 0);
        // The rule cannot fail.
        let Ok(()) = self.station.push(now_us, FieldTube { level_mm, day }, |hop: Hop| {
            shared.note(Note::Hop(hop));
            wants = hop.alarm;
            score = hop.score.unwrap_or(0);
        });
        if wants != core::mem::replace(&mut self.wants, wants) {
            let found = Found {
                hazard: Hazard::Paddy,
                begins: wants,
                severity: Severity::Minor,
                score,
                time_us: now_us,
                quantity: Quantity::WaterLevel,
                peak: level_mm.unwrap_or(0),
                model: [0; 4],
            };
            shared.raise(found).await;
        }
    }

    /// Reads the air, and reports a day's evapotranspiration when it is over.
    async fn read_air<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let mut values = [0; CHANNELS];
        let measured = self.hygrometer.measure(shared, &mut values).await;
        let format = self.hygrometer.format();
        let value = |quantity, exponent| channel(&format, &values, quantity, exponent).filter(|_| measured);
        let temperature_mc = value(Measured::Temperature, -3);
        if let Some(temperature_mc) = temperature_mc {
            shared.set_temperature(temperature_mc / 1000);
        }
        let now_us = shared.now_us();
        let Some(utc) = shared.utc_at(now_us) else { return };
        let (day, hour) = (utc.unix_us / DAY_US, utc.unix_us % DAY_US / (DAY_US / 24));
        if day != self.day {
            let weather = core::mem::take(&mut self.weather);
            let reference = weather.day(day_of_year(self.day)).map(|day| reference(&self.settings.site, &day));
            self.day = day;
            if let Some(Ok(reference)) = reference {
                shared.outbox().also.single(Quantity::Evapotranspiration, now_us, reference.um());
            }
        }
        let humidity_mpct = value(Measured::Humidity, -5);
        self.weather.push(hour as u8, &Reading { temperature_mc, humidity_mpct, ..Reading::default() });
    }

    /// Does what the controller says with the relay; tells of a lock and of its end.
    async fn pump<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let allowed = shared.setting(key::PUMP) != 0;
        if core::mem::take(&mut shared.outbox().safe_state) || (!allowed && self.locked.is_none()) {
            self.controller.lock();
        }
        // The gateway has allowed what was locked.
        if allowed && self.locked.is_some() && self.controller.retained().locked == self.locked {
            self.controller.unlock(shared.now_us());
        }
        // The decision stands before the pump, so that one wrong reading does not flood a field. While power is short nothing is irrigated.
        let may = self.wants && shared.mode() > Mode::Survive;
        let want: Option<Want> = self.season_day(shared).filter(|_| may).and_then(|day| self.settings.awd.want(day));
        let on = self.controller.step(shared.now_us(), want) == pump::Relay::On;
        self.switch(shared, on).await;
        let kept = self.controller.retained();
        shared.retain(|retained| retained.pump = kept);
        if kept.locked == self.locked {
            return;
        }
        let (lock, before) = (kept.locked, core::mem::replace(&mut self.locked, kept.locked));
        if lock.is_some() {
            self.forbid(shared).await;
            shared.fault(Trouble::Pump).await;
        }
        tell(shared, lock.is_some(), Severity::Moderate, LOCK_SCORE + lock_number(lock.or(before))).await;
    }

    async fn switch<B: Board>(&mut self, shared: &Shared<'_, B>, on: bool) {
        if self.relay.is_on() == on {
            self.disobeys = false;
            return;
        }
        let obeyed = self.relay.set(on).is_ok() && self.relay.is_on() == on;
        shared.note(Note::Relay(self.relay.is_on()));
        if !obeyed && !core::mem::replace(&mut self.disobeys, true) {
            shared.fault(Trouble::Relay).await;
        }
    }
}

impl<B: Board, S: Sensor, H: Sensor, R: Relay> App<B> for Field<'_, S, H, R> {
    async fn enter(&mut self, shared: &Shared<'_, B>) {
        if !self.started {
            self.start(shared).await;
        }
        self.gauge.rest(shared).await;
        self.hygrometer.set(shared, SensorMode::Off).await;
        shared.outbox().readings.restart(Quantity::WaterLevel, &shared.plan(), 1);
        self.next_us = shared.now_us();
        // What runs must not run on in a mode without it.
        self.pump(shared).await;
    }

    /// A field that wants water is no reason to spend what the node has.
    fn alarm(&self) -> bool {
        false
    }

    fn next(&self, shared: &Shared<'_, B>) -> (Wait, u64) {
        let next_us = if shared.mode() == Mode::Out { u64::MAX } else { self.next_us };
        match self.controller.deadline_us() {
            _ if !self.relay.is_on() => (shared.plan().rest, next_us),
            // It should be off and is not.
            None => (PUMPING, next_us),
            Some(deadline_us) => {
                let minute_us = after_ms(shared.now_us(), PUMPING.longest_ms);
                (PUMPING, next_us.min(deadline_us).min(minute_us))
            }
        }
    }

    async fn go_on(&mut self, shared: &Shared<'_, B>, end: End) {
        let (plan, now_us) = (shared.plan(), shared.now_us());
        let turn = plan.wake_s > 0 && now_us >= self.next_us;
        if turn || (self.relay.is_on() && plan.wake_s > 0 && end == End::Deadline) {
            self.read(shared).await;
        }
        self.pump(shared).await;
        if turn {
            self.next_us = following(self.next_us, now_us, plan.wake_s.into());
            if plan.conversions.get(1).is_some_and(|count| *count > 0) {
                self.read_air(shared).await;
            }
        }
        if core::mem::take(&mut shared.outbox().self_test) {
            let well = self.gauge.start_again(shared).await & self.hygrometer.start_again(shared).await;
            shared.outbox().report |= well;
        }
        if let Some(dead) = self.gauge.news() {
            tell(shared, dead, Severity::Moderate, 0).await;
        }
        if let Some(dead) = self.hygrometer.news() {
            tell(shared, dead, Severity::Minor, self.hygrometer.number()).await;
        }
    }
}

/// Returns the day of the year, 1 to 366, of a day since the Unix epoch; until 2100, which is no leap year.
fn day_of_year(day: u64) -> u16 {
    let mut left = (day % (4 * 365 + 1)) as u16;
    // 1970, 1971, 1972, 1973.
    for length in [365, 365, 366] {
        if left < length {
            return left + 1;
        }
        left -= length;
    }
    left + 1
}

#[cfg(test)]
mod tests {
    use super::day_of_year;

    #[test]
    fn days_of_years() {
        // 1970-01-01, 1970-12-31, 1972-02-29, 1972-12-31, 1973-01-01, 1974-01-01, 2026-11-27.
        let days = [0, 364, 789, 1095, 1096, 1461, 20_784];
        assert_eq!(days.map(day_of_year), [1, 365, 60, 366, 1, 1, 331]);
    }
}
