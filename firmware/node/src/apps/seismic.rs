//! Strong motion: a network behind its gate, on the FIFO of an accelerometer; another one that watches while power is short.

use core::pin::pin;

use embassy_futures::select::select;
use tanbo::{EitherPlan, Engine, Plan};
use tanbo_board_api::{Firmware, Lend, Mode as SensorMode, Perf, Power as _, Quantity as Measured, Sensor};
use tanbo_pipeline::{Change, Event, Hop, Pipeline, PipelineError, Rate, Sample, Suspended};
use tanbo_wire::v1::{Hazard, Quantity, Severity};

use crate::agenda::{End, after_ms};
use crate::board::{Board, Parts, Setup, Stop};
use crate::duty::Mode;
use crate::faults::Trouble;
use crate::inbox::{Mailbox, Wanted};
use crate::models::{Keeper, Memory, Models};
use crate::observe::Note;
use crate::part::{Part, scaled};
use crate::plan::{Application, Wait, plan};
use crate::sampling::{self, App, tell};
use crate::shared::{FlashError, Found, Shared};
use crate::stamps::Stamps;
use crate::{link, node};

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
/// The engine's artifact must carry its front end. A window that a cut of the supply ends is not kept: an inference of this network is cheaper
/// than its checkpoint (`tanbo-journal`'s figures and its test), and the samples are gone with the FIFO. Returns where the node cannot start, or the gateway asks for a restart.
pub async fn seismic<'m, B: Board, S: Sensor, W: Sensor, P: Plan<'m>>(
    parts: &mut Parts<B>,
    setup: &Setup,
    sensors: (&mut S, &mut W),
    engine: Engine<'m, '_, P>,
    settings: &Seismic,
) -> Stop<FlashError<B>> {
    let Some((mut site, rate)) = Site::new(sensors, settings) else { return no_accelerometer() };
    // Kilobytes: lent, not moved, since each move is room on the stack.
    let mut pipeline = Pipeline::new(engine, rate);
    let pipeline = match &mut pipeline {
        Ok(pipeline) => pipeline,
        Err(error) => return Stop::Pipeline(*error),
    };
    let mut station = Station { site: &mut site, pipeline, model: settings.model, trial: &() };
    pin!(node::run(parts, setup, Application::Seismic, &mut station)).await
}

/// As [`seismic`], on a board with slots: the node takes models while it runs. A model that came is run in place from its slot; the
/// firmware's own runs where none came that is sound, and while another is checked nothing runs. Firmware that comes goes to `firmware`; the
/// node restarts then, as it does where firmware on trial fails.
pub async fn seismic_with_slots<B: Board<Slots: Lend>, S: Sensor, W: Sensor, F: Firmware>(
    parts: &mut Parts<B>,
    setup: &Setup,
    sensors: (&mut S, &mut W),
    models: &Models<'_>,
    memory: Memory<'_>,
    firmware: &mut F,
    settings: &Seismic,
) -> Stop<FlashError<B>> {
    let Some((mut site, rate)) = Site::new(sensors, settings) else { return no_accelerometer() };
    let Memory { arena, fragments } = memory;
    let Parts { clock, power, uplink, flash, flash_range, slots, observer } = parts;
    let opened = match node::open::<B>(power, flash, flash_range.clone()).await {
        Ok(opened) => opened,
        Err(error) => return Stop::Store(error),
    };
    let shared = node::share::<B>(Application::Seismic, setup, (clock, power, observer), opened);
    node::begin(&shared).await;
    let mail = Mailbox::default();
    let mut keeper = Keeper::new(&shared, &mail, models, rate, arena.len(), fragments, firmware).await;
    let mut running = keeper.start(slots).await;
    let mut sending = pin!(link::run(&shared, uplink, &mail));
    let mut suspended = None;
    loop {
        {
            let (slot, mut rest) = slots.lend(running);
            let (plan, card) = keeper.plan(slot);
            let mut made = pipeline(plan, arena, suspended, rate);
            let pipeline = match &mut made {
                Ok(pipeline) => pipeline,
                Err(error) => return Stop::Pipeline(*error),
            };
            let mut station =
                Station { site: &mut site, pipeline, model: card.unwrap_or(settings.model), trial: &mail };
            shared.note(Note::Model { slot: running });
            {
                let sampling = pin!(select(sampling::run(&shared, &mut station), keeper.keep(&mut rest)));
                if let Some(stop) = node::work(&shared, sending.as_mut(), sampling).await {
                    return stop;
                }
            }
            suspended = made.ok().map(Pipeline::suspend);
        }
        running = keeper.exchange(slots, arena, running).await;
    }
}

/// Returns the pipeline of a model, which goes on from what another one has left.
fn pipeline<'m, 'a>(
    plan: EitherPlan<'m, 'a>,
    arena: &'a mut [u8],
    suspended: Option<Suspended>,
    rate: Rate,
) -> Result<Pipeline<'m, 'a, EitherPlan<'m, 'a>>, PipelineError> {
    let engine = plan.engine(arena)?;
    match suspended {
        Some(suspended) => Pipeline::resume(suspended, engine, rate),
        None => Pipeline::new(engine, rate),
    }
}

/// The first sensor is not what the node needs.
fn no_accelerometer<E>() -> Stop<E> {
    Stop::Sensor { number: 0, needs: "three axes of acceleration at an even rate" }
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

/// What a station is but for its model.
struct Site<'s, S, W> {
    accelerometer: Part<'s, S>,
    motion: Part<'s, W>,
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

impl<'s, S: Sensor, W: Sensor> Site<'s, S, W> {
    /// Returns the site and the rate of its readings; `None` where they are not acceleration on three axes.
    fn new((accelerometer, motion): (&'s mut S, &'s mut W), settings: &'s Seismic) -> Option<(Self, Rate)> {
        let format = accelerometer.format();
        let axes = format.channels.iter().all(|channel| channel.quantity == Measured::Acceleration);
        let (period_ns, exponent) = (format.period_ns, format.channels.first()?.exponent);
        let rate = rate(period_ns).filter(|_| axes && format.channels.len() == 3)?;
        let site = Self {
            accelerometer: Part::new(accelerometer, 0),
            motion: Part::new(motion, 1),
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
        Some((site, rate))
    }
}

/// Who wants to know how a model does that is on trial: the mailbox, or nobody.
trait Trial {
    /// A hop was judged.
    fn hop(&self) {}

    /// The model failed, or readings were lost: it may have taken too long.
    fn fail(&self) {}

    /// Returns why another model is wanted.
    fn wanted(&self) -> Option<Wanted> {
        None
    }
}

impl Trial for () {}

impl Trial for Mailbox {
    fn hop(&self) {
        self.hop();
    }

    fn fail(&self) {
        self.fail();
    }

    fn wanted(&self) -> Option<Wanted> {
        self.wanted()
    }
}

struct Station<'w, 's, 'm, 'a, S, W, P: Plan<'m>, T> {
    site: &'w mut Site<'s, S, W>,
    pipeline: &'w mut Pipeline<'m, 'a, P>,
    /// First bytes of the model card's hash.
    model: [u8; 4],
    trial: &'w T,
}

impl<'m, S: Sensor, W: Sensor, P: Plan<'m>, T: Trial> Station<'_, '_, 'm, '_, S, W, P, T> {
    /// Returns the mode by whose plan it samples.
    fn mode<B: Board>(&self, shared: &Shared<'_, B>) -> Mode {
        match shared.mode() {
            Mode::Survive if shared.now_us() < self.site.measure_until_us => Mode::Full,
            mode => mode,
        }
    }

    /// Reads the FIFO until it is empty.
    async fn read<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let mut values = [0; VALUES];
        shared.with_power(|power| power.set_perf(if self.site.gate_open { Perf::Infer } else { Perf::Low }));
        for _ in 0..BURSTS {
            let failing = self.site.accelerometer.fails();
            let Some(burst) = self.site.accelerometer.read(shared, &mut values).await else {
                // What it holds, or begins anew, does not follow what was there.
                self.restart();
                break;
            };
            if burst.lost {
                self.restart();
                self.trial.fail();
                shared.fault(Trouble::Gap { number: self.site.accelerometer.number() }).await;
            }
            if failing {
                self.restart();
            }
            if burst.readings > 0 {
                self.site.heard_us = shared.now_us();
            }
            let empty = burst.readings < VALUES / 3;
            self.push(shared, values.as_chunks().0.get(..burst.readings).unwrap_or_default(), empty).await;
            if empty {
                // Who was called by the uplink may find none.
                if shared.now_us() >= after_ms(self.site.heard_us, SILENT_MS) {
                    self.site.accelerometer.missing(shared).await;
                }
                break;
            }
        }
        shared.with_power(|power| power.set_perf(Perf::Low));
        self.site.peaks = if self.site.alarm { self.site.peaks } else { [0, self.site.peaks[0]] };
    }

    fn restart(&mut self) {
        self.site.stamps.restart();
        self.pipeline.restart();
    }

    async fn push<B: Board>(&mut self, shared: &Shared<'_, B>, samples: &[Sample], empty: bool) {
        let (first_ns, gap) = self.site.stamps.burst(shared.now_us(), samples.len() as u64, empty);
        if gap {
            self.pipeline.restart();
            self.trial.fail();
            shared.fault(Trouble::Gap { number: self.site.accelerometer.number() }).await;
        }
        let mut events = heapless::Vec::<Event, 4>::new();
        let mut failed = false;
        for (number, sample) in (0..).zip(samples) {
            let sample = sample.map(|value| scaled(value, self.site.exponent, -5));
            self.look(sample);
            let (gate_open, trial) = (&mut self.site.gate_open, self.trial);
            let pushed = self.pipeline.push(self.site.stamps.time_us(first_ns, number), sample, |hop: Hop| {
                *gate_open = hop.score.is_some();
                if hop.ready {
                    trial.hop();
                }
                shared.note(Note::Hop(hop));
                // More than begin and end of two alarms are not in a burst.
                events.extend(hop.event.filter(|_| !events.is_full()));
            });
            failed |= pushed.is_err();
        }
        if failed {
            self.pipeline.restart();
            self.trial.fail();
            shared.fault(Trouble::Detector).await;
        }
        for event in events {
            self.raise(shared, event).await;
        }
    }

    /// Keeps mean and peak.
    fn look(&mut self, sample: Sample) {
        let means = self.site.mean_q10.get_or_insert(sample.map(|value| i64::from(value) << MEAN_SHIFT));
        for (mean, value) in means.iter_mut().zip(sample) {
            let away = i64::from(value) - (*mean >> MEAN_SHIFT);
            *mean += away;
            self.site.peaks[0] = self.site.peaks[0].max(i32::try_from(away.unsigned_abs()).unwrap_or(i32::MAX));
        }
    }

    async fn raise<B: Board>(&mut self, shared: &Shared<'_, B>, event: Event) {
        self.site.alarm = event.change == Change::AlarmOn;
        if shared.mode() == Mode::Survive {
            self.site.measure_until_us = after_ms(shared.now_us(), AWAKE_MS);
        }
        let [now, before] = self.site.peaks;
        let peak = now.max(before);
        let found = Found {
            hazard: Hazard::Earthquake,
            begins: self.site.alarm,
            severity: match peak {
                EXTREME_MGAL.. => Severity::Extreme,
                SEVERE_MGAL.. => Severity::Severe,
                _ => Severity::Moderate,
            },
            score: event.score.unwrap_or(0),
            time_us: event.time_us,
            quantity: Quantity::Acceleration,
            peak,
            model: self.model,
        };
        shared.raise(found).await;
    }
}

impl<'m, B: Board, S: Sensor, W: Sensor, P: Plan<'m>, T: Trial> App<B> for Station<'_, '_, 'm, '_, S, W, P, T> {
    async fn enter(&mut self, shared: &Shared<'_, B>) {
        let Seismic { motion_mgal: threshold, motion_readings: readings, .. } = *self.site.settings;
        let (measures, watches) = match self.mode(shared) {
            Mode::Out => (SensorMode::Off, SensorMode::Off),
            Mode::Survive => (SensorMode::Off, SensorMode::Wake { threshold, readings }),
            Mode::Save | Mode::Full => (SensorMode::Measure, SensorMode::Off),
        };
        if measures == SensorMode::Off {
            // What it will measure does not follow what it measured.
            self.restart();
        }
        self.site.heard_us = shared.now_us();
        self.site.accelerometer.set(shared, measures).await;
        self.site.motion.set(shared, watches).await;
    }

    fn alarm(&self) -> bool {
        self.site.alarm
    }

    /// Another model is tried when nothing moves: one with another front end would miss what began before. From one that fails it goes back at once.
    fn leaves(&self) -> bool {
        match self.trial.wanted() {
            None => false,
            Some(Wanted::Check { .. }) => !self.site.alarm && !self.site.gate_open,
            Some(Wanted::Before) => true,
        }
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
                    self.site.measure_until_us = after_ms(shared.now_us(), AWAKE_MS);
                }
                // It measures from now on, or no longer.
                self.enter(shared).await;
            }
            Mode::Save | Mode::Full => {
                if self.site.alarm && shared.mode() == Mode::Survive {
                    self.site.measure_until_us = after_ms(shared.now_us(), AWAKE_MS);
                }
                self.read(shared).await;
            }
        }
        if core::mem::take(&mut shared.outbox().self_test) {
            let well = self.site.accelerometer.start_again(shared).await & self.site.motion.start_again(shared).await;
            self.restart();
            shared.outbox().report |= well;
        }
        if let Some(dead) = self.site.accelerometer.news() {
            tell(shared, dead, Severity::Moderate, self.site.accelerometer.number()).await;
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
