//! Strong motion: a network behind its gate, on the FIFO of an accelerometer; another one that watches while power is short.

use tanbo::{Engine, Plan};
use tanbo_board_api::{Mode as SensorMode, Perf, Power as _, Quantity as Measured, Sensor};
use tanbo_pipeline::{Change, Event, Hop, Pipeline, Rate, Sample};
use tanbo_wire::v1::{Hazard, Quantity, Severity};

use crate::agenda::{End, after_ms};
use crate::board::{Board, Parts, Setup, Stop};
use crate::duty::Mode;
use crate::faults::Trouble;
use crate::node;
use crate::observe::Note;
use crate::part::{Part, scaled};
use crate::plan::{Application, Wait, plan};
use crate::sampling::{App, tell};
use crate::shared::{FlashError, Found, Shared};
use crate::stamps::Stamps;

/// What a seismic node is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seismic {
    /// First bytes of the model card's hash: events carry them.
    pub model: [u8; 4],
    /// Motion that wakes the node while power is short, mGal, as the second sensor compares it …
    pub motion_mgal: i32,
    /// … in so many readings in a row.
    pub motion_readings: u8,
}

/// Values of the FIFO read at once.
const VALUES: usize = 96;
/// Bursts until a FIFO is taken for one that never ends.
const BURSTS: usize = 16;
/// Time without readings after which the accelerometer fails, ms.
const SILENT_MS: u32 = 1_000;
/// How long the node measures after motion woke it, and after an alarm that it woke for, ms.
const AWAKE_MS: u32 = 60_000;
/// The running mean follows by 2⁻¹⁰ a sample.
const MEAN_SHIFT: u32 = 10;
/// mGal: Japan's seismic intensities 5-lower and 6-lower begin around 80 and 250 gal.
const SEVERE_MGAL: i32 = 80_000;
const EXTREME_MGAL: i32 = 250_000;

/// Runs a seismic node on an accelerometer with three axes and a FIFO, and one that wakes on motion.
///
/// The engine's artifact must carry its front end. Returns where the node cannot start, or the gateway asks for a restart.
pub async fn seismic<'m, B: Board, S: Sensor, W: Sensor, P: Plan<'m>>(
    parts: &mut Parts<B>,
    setup: &Setup,
    (accelerometer, motion): (&mut S, &mut W),
    engine: Engine<'m, '_, P>,
    settings: &Seismic,
) -> Stop<FlashError<B>> {
    let format = accelerometer.format();
    let axes = format.channels.iter().all(|channel| channel.quantity == Measured::Acceleration);
    let (period_ns, exponent) = (format.period_ns, format.channels.first().map_or(0, |channel| channel.exponent));
    let (true, 3, Some(rate)) = (axes, format.channels.len(), rate(period_ns)) else {
        return Stop::Sensor { number: 0, needs: "three axes of acceleration at an even rate" };
    };
    let pipeline = match Pipeline::new(engine, rate) {
        Ok(pipeline) => pipeline,
        Err(error) => return Stop::Pipeline(error),
    };
    let mut station = Station {
        accelerometer: Part::new(accelerometer, 0),
        motion: Part::new(motion, 1),
        pipeline,
        stamps: Stamps::new(period_ns),
        exponent,
        settings,
        measure_until_us: 0,
        alarm: false,
        gate_open: false,
        heard_us: 0,
        mean_q10: None,
        peaks: [0; 2],
    };
    node::run(parts, setup, Application::Seismic, &mut station).await
}

/// Returns the rate of a period.
fn rate(period_ns: u64) -> Option<Rate> {
    const SECOND_NS: u64 = 1_000_000_000;
    let (mut a, mut b) = (SECOND_NS, period_ns);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let part = |value: u64| u32::try_from(value / a).ok();
    (period_ns > 0).then_some(Rate { numerator: part(SECOND_NS)?, denominator: part(period_ns)? })
}

struct Station<'s, 'm, 'a, S, W, P: Plan<'m>> {
    accelerometer: Part<'s, S>,
    motion: Part<'s, W>,
    pipeline: Pipeline<'m, 'a, P>,
    stamps: Stamps,
    exponent: i8,
    settings: &'s Seismic,
    /// In [`Mode::Survive`]: motion woke it, and it measures until then.
    measure_until_us: u64,
    alarm: bool,
    gate_open: bool,
    /// When it gave readings last, or was set.
    heard_us: u64,
    mean_q10: Option<[i64; 3]>,
    /// Greatest distance from the mean, mGal: since the burst before the last, and in an alarm since its beginning.
    peaks: [i32; 2],
}

impl<'m, S: Sensor, W: Sensor, P: Plan<'m>> Station<'_, 'm, '_, S, W, P> {
    /// Returns the mode by whose plan it samples.
    fn mode<B: Board>(&self, shared: &Shared<'_, B>) -> Mode {
        match shared.mode() {
            Mode::Survive if shared.now_us() < self.measure_until_us => Mode::Full,
            mode => mode,
        }
    }

    /// Reads the FIFO until it is empty.
    async fn read<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let mut values = [0; VALUES];
        shared.with_power(|power| power.set_perf(if self.gate_open { Perf::Infer } else { Perf::Low }));
        for _ in 0..BURSTS {
            let failing = self.accelerometer.fails();
            let Some(burst) = self.accelerometer.read(shared, &mut values).await else {
                // What it holds, or begins anew, does not follow what was there.
                self.restart();
                break;
            };
            if burst.lost {
                self.restart();
                shared.fault(Trouble::Gap { number: self.accelerometer.number() }).await;
            }
            if failing {
                self.restart();
            }
            if burst.readings > 0 {
                self.heard_us = shared.now_us();
            }
            let empty = burst.readings < VALUES / 3;
            self.push(shared, values.as_chunks().0.get(..burst.readings).unwrap_or_default(), empty).await;
            if empty {
                // Who was called by the uplink may find none.
                if shared.now_us() >= after_ms(self.heard_us, SILENT_MS) {
                    self.accelerometer.missing(shared).await;
                }
                break;
            }
        }
        shared.with_power(|power| power.set_perf(Perf::Low));
        self.peaks = if self.alarm { self.peaks } else { [0, self.peaks[0]] };
    }

    fn restart(&mut self) {
        self.stamps.restart();
        self.pipeline.restart();
    }

    async fn push<B: Board>(&mut self, shared: &Shared<'_, B>, samples: &[Sample], empty: bool) {
        let (first_ns, gap) = self.stamps.burst(shared.now_us(), samples.len() as u64, empty);
        if gap {
            self.pipeline.restart();
            shared.fault(Trouble::Gap { number: self.accelerometer.number() }).await;
        }
        let mut events = heapless::Vec::<Event, 4>::new();
        let mut failed = false;
        for (number, sample) in (0..).zip(samples) {
            let sample = sample.map(|value| scaled(value, self.exponent, -5));
            self.look(sample);
            let gate_open = &mut self.gate_open;
            let pushed = self.pipeline.push(self.stamps.time_us(first_ns, number), sample, |hop: Hop| {
                *gate_open = hop.score.is_some();
                shared.note(Note::Hop(hop));
                // More than begin and end of two alarms are not in a burst.
                events.extend(hop.event.filter(|_| !events.is_full()));
            });
            failed |= pushed.is_err();
        }
        if failed {
            self.pipeline.restart();
            shared.fault(Trouble::Detector).await;
        }
        for event in events {
            self.raise(shared, event).await;
        }
    }

    /// Keeps mean and peak.
    fn look(&mut self, sample: Sample) {
        let means = self.mean_q10.get_or_insert(sample.map(|value| i64::from(value) << MEAN_SHIFT));
        for (mean, value) in means.iter_mut().zip(sample) {
            let away = i64::from(value) - (*mean >> MEAN_SHIFT);
            *mean += away;
            self.peaks[0] = self.peaks[0].max(i32::try_from(away.unsigned_abs()).unwrap_or(i32::MAX));
        }
    }

    async fn raise<B: Board>(&mut self, shared: &Shared<'_, B>, event: Event) {
        self.alarm = event.change == Change::AlarmOn;
        if shared.mode() == Mode::Survive {
            self.measure_until_us = after_ms(shared.now_us(), AWAKE_MS);
        }
        let [now, before] = self.peaks;
        let peak = now.max(before);
        let found = Found {
            hazard: Hazard::Earthquake,
            begins: self.alarm,
            severity: match peak {
                EXTREME_MGAL.. => Severity::Extreme,
                SEVERE_MGAL.. => Severity::Severe,
                _ => Severity::Moderate,
            },
            score: event.score.unwrap_or(0),
            time_us: event.time_us,
            quantity: Quantity::Acceleration,
            peak,
            model: self.settings.model,
        };
        shared.raise(found).await;
    }
}

impl<'m, B: Board, S: Sensor, W: Sensor, P: Plan<'m>> App<B> for Station<'_, 'm, '_, S, W, P> {
    async fn enter(&mut self, shared: &Shared<'_, B>) {
        let Seismic { motion_mgal: threshold, motion_readings: readings, .. } = *self.settings;
        let (measures, watches) = match self.mode(shared) {
            Mode::Out => (SensorMode::Off, SensorMode::Off),
            Mode::Survive => (SensorMode::Off, SensorMode::Wake { threshold, readings }),
            Mode::Save | Mode::Full => (SensorMode::Measure, SensorMode::Off),
        };
        if measures == SensorMode::Off {
            // What it will measure does not follow what it measured.
            self.restart();
        }
        self.heard_us = shared.now_us();
        self.accelerometer.set(shared, measures).await;
        self.motion.set(shared, watches).await;
    }

    fn alarm(&self) -> bool {
        self.alarm
    }

    fn next(&self, shared: &Shared<'_, B>) -> (Wait, u64) {
        let wait = plan(Application::Seismic, self.mode(shared)).rest;
        (wait, u64::MAX)
    }

    async fn go_on(&mut self, shared: &Shared<'_, B>, end: End) {
        match self.mode(shared) {
            Mode::Out => {}
            Mode::Survive => {
                if end == End::Woken {
                    self.measure_until_us = after_ms(shared.now_us(), AWAKE_MS);
                }
                // It measures from now on, or no longer.
                self.enter(shared).await;
            }
            Mode::Save | Mode::Full => {
                if self.alarm && shared.mode() == Mode::Survive {
                    self.measure_until_us = after_ms(shared.now_us(), AWAKE_MS);
                }
                self.read(shared).await;
            }
        }
        if core::mem::take(&mut shared.outbox.borrow_mut().self_test) {
            let well = self.accelerometer.start_again(shared).await & self.motion.start_again(shared).await;
            self.restart();
            shared.outbox.borrow_mut().report |= well;
        }
        if let Some(dead) = self.accelerometer.news() {
            tell(shared, dead, Severity::Moderate, self.accelerometer.number()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_periods() {
        assert_eq!(rate(32_000_000), Some(Rate { numerator: 125, denominator: 4 }));
        assert_eq!(rate(5_000_000), Some(Rate { numerator: 200, denominator: 1 }));
        assert_eq!([rate(0), rate(u64::MAX)], [None, None]);
    }
}
