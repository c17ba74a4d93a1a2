//! What sampling and uplink share: the board's parts, the store, the mode, the outbox.

use core::cell::{Cell, RefCell, RefMut};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embedded_storage_async::nor_flash::ErrorType;
use tanbo_board_api::{Clock as _, Depth, Power as _, Supply, TimeSource, Utc, wait};
use tanbo_store::{Fault, Store, StoreError};
use tanbo_wire::v1::{Alarm, ClockQuality, Event, Finding, Hazard, Message, Quantity, Severity, seal};
use tanbo_wire::{Counter, Frame};

use crate::agenda::{Agenda, Ask, End};
use crate::board::{Board, Setup};
use crate::duty::{Mode, Stake};
use crate::energy::{Load, Meter, sensor};
use crate::faults::Trouble;
use crate::observe::{Note, Observer as _, Sleep};
use crate::outbox::Outbox;
use crate::plan::{Application, Pause, Plan, RadioState, SensorState, Wait, plan};
use crate::retained::{self, Retained};
use crate::settings::{Settings, key};

/// Places for events that are not acknowledged; the last is for one that gets a new number.
pub const EVENTS: usize = 32;
/// Frame numbers reserved at once: a write of flash for as many frames, and as many skipped by a reset.
const BLOCK: u32 = 64;
/// Sensors of an application, at most.
const SENSORS: usize = 2;
/// What is drawn between two entries of the count in flash, parts of the battery's charge.
const DRAWN_STEPS: u32 = 200;

/// Errors of a board's flash.
pub(crate) type FlashError<B> = <<B as Board>::Flash as ErrorType>::Error;
/// The store of a board.
pub(crate) type Kept<'p, B> = Store<&'p mut <B as Board>::Flash, EVENTS>;
/// What a call of the store returns.
pub(crate) type Stored<B, T> = Result<T, StoreError<FlashError<B>>>;

/// What the node knows of itself.
#[derive(Debug)]
struct Health {
    meter: Meter,
    started_us: u64,
    asleep_us: u64,
    fed_us: u64,
    supply: Supply,
    supply_us: u64,
    faults: u16,
    temperature_c: Option<i8>,
    /// Drawn before this start, as far as it was stored, µAh.
    drawn_before_uah: u32,
}

/// What a detector found, or an interlock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub hazard: Hazard,
    pub begins: bool,
    pub severity: Severity,
    pub score: i8,
    /// By the board's clock.
    pub time_us: u64,
    pub quantity: Quantity,
    pub peak: i32,
    /// First bytes of the model card's hash; zeros of a classical method.
    pub model: [u8; 4],
}

/// What the tasks share.
pub(crate) struct Shared<'p, B: Board> {
    pub application: Application,
    pub setup: &'p Setup,
    clock: RefCell<&'p mut B::Clock>,
    power: RefCell<&'p mut B::Power>,
    observer: RefCell<&'p mut B::Observer>,
    pub store: Mutex<NoopRawMutex, Kept<'p, B>>,
    pub agenda: Agenda,
    outbox: RefCell<Outbox>,
    /// How often the node has started.
    pub starts: u32,
    mode: Cell<Mode>,
    counter: Cell<Counter>,
    settings: RefCell<Settings>,
    retained: Cell<Retained>,
    radio: Cell<RadioState>,
    sensors: [Cell<SensorState>; SENSORS],
    health: RefCell<Health>,
}

impl<'p, B: Board> Shared<'p, B> {
    /// Returns what is shared, of a node that has just started.
    pub fn new(
        application: Application,
        setup: &'p Setup,
        (clock, power, observer): (&'p mut B::Clock, &'p mut B::Power, &'p mut B::Observer),
        store: Kept<'p, B>,
        settings: Settings,
        retained: Retained,
    ) -> Self {
        let now_us = clock.now_us();
        let drawn_before_uah = settings.get(key::DRAWN).unsigned_abs();
        Self {
            application,
            setup,
            starts: store.starts(),
            counter: Cell::new(Counter::resume(store.ceiling())),
            health: RefCell::new(Health {
                meter: Meter::new(now_us),
                started_us: now_us,
                asleep_us: 0,
                fed_us: now_us,
                supply: power.supply(),
                supply_us: now_us,
                faults: 0,
                temperature_c: None,
                drawn_before_uah,
            }),
            clock: RefCell::new(clock),
            power: RefCell::new(power),
            observer: RefCell::new(observer),
            store: Mutex::new(store),
            agenda: Agenda::default(),
            outbox: RefCell::new(Outbox::default()),
            mode: Cell::new(retained.mode),
            settings: RefCell::new(settings),
            retained: Cell::new(retained),
            radio: Cell::new(RadioState::Sleep),
            sensors: [const { Cell::new(SensorState::Standby) }; SENSORS],
        }
    }

    /// Returns the time since the board started, µs.
    pub fn now_us(&self) -> u64 {
        self.clock.borrow().now_us()
    }

    /// Returns the time of the world at `at_us`.
    pub fn utc_at(&self, at_us: u64) -> Option<Utc> {
        self.clock.borrow().utc_at(at_us)
    }

    /// Returns what `f` does with the clock.
    pub fn with_clock<T>(&self, f: impl FnOnce(&mut B::Clock) -> T) -> T {
        f(&mut self.clock.borrow_mut())
    }

    /// Returns what `f` does with the power.
    pub fn with_power<T>(&self, f: impl FnOnce(&mut B::Power) -> T) -> T {
        f(&mut self.power.borrow_mut())
    }

    /// Tells whoever watches.
    pub fn note(&self, note: Note<'_>) {
        let now_us = self.now_us();
        self.observer.borrow_mut().note(now_us, note);
    }

    /// Returns what waits to be sent. Once in the image, and not a check of the cell and its panic at every use.
    #[inline(never)]
    pub fn outbox(&self) -> RefMut<'_, Outbox> {
        self.outbox.borrow_mut()
    }

    /// Returns what the node knows of itself; as [`Shared::outbox`].
    #[inline(never)]
    fn health(&self) -> RefMut<'_, Health> {
        self.health.borrow_mut()
    }

    /// Returns how much the node does.
    pub fn mode(&self) -> Mode {
        self.mode.get()
    }

    /// Returns what it does in its mode.
    pub fn plan(&self) -> Plan {
        plan(self.application, self.mode())
    }

    /// Returns a setting.
    pub fn setting(&self, key: u16) -> i32 {
        self.settings.borrow().get(key)
    }

    /// Returns what `f` does with the settings.
    pub fn with_settings<T>(&self, f: impl FnOnce(&mut Settings) -> T) -> T {
        f(&mut self.settings.borrow_mut())
    }

    /// Waits in sampling.
    pub async fn rest(&self, wait: &Wait, deadline_us: u64) -> End {
        self.agenda.sampling.wait(Ask::sampling(wait, deadline_us), || self.now_us()).await
    }

    /// Waits in the uplink.
    pub async fn pause(&self, pause: &Pause, deadline_us: u64) -> End {
        self.agenda.uplink.wait(Ask::uplink(pause, deadline_us), || self.now_us()).await
    }

    /// A load draws as much from now on.
    fn draws(&self, load: Load, current_na: u32) {
        let now_us = self.now_us();
        self.health().meter.set(now_us, load, current_na);
        self.note(Note::Draws(load, current_na));
    }

    /// Says what the radio does from now on.
    pub fn set_radio(&self, state: RadioState) {
        if self.radio.replace(state) != state {
            let currents = self.setup.currents;
            let current_ua = match state {
                RadioState::Sleep => 0,
                RadioState::Receive => currents.receive_ua,
                RadioState::Transmit => currents.transmit_ua,
            };
            self.draws(Load::Radio, current_ua.saturating_mul(1000));
        }
    }

    /// Says what a sensor does from now on.
    pub fn set_sensor(&self, number: u8, state: SensorState) {
        let Some(sensor_state) = self.sensors.get(usize::from(number)) else { return };
        if sensor_state.replace(state) != state {
            let parts = self.application.sensors().iter().filter_map(|name| sensor(name));
            let currents = parts.zip(&self.sensors).map(|(part, state)| match state.get() {
                // Switched on for one reading.
                SensorState::Measure if part.convert_us > 0 => part.convert_ua.saturating_mul(1000),
                state => part.state_na(state),
            });
            self.draws(Load::Sensors, currents.fold(0, u32::saturating_add));
        }
    }

    /// Keeps the temperature of the node for its reports.
    pub fn set_temperature(&self, celsius: i32) {
        let celsius = i8::try_from(celsius).ok().filter(|celsius| *celsius != i8::MIN);
        self.health().temperature_c = celsius;
    }

    /// Changes what a reset keeps.
    pub fn retain(&self, change: impl FnOnce(&mut Retained)) {
        let mut retained = self.retained.get();
        change(&mut retained);
        if self.retained.replace(retained) != retained {
            self.with_power(|power| retained.write(power.retained()));
        }
    }

    /// Returns what a reset keeps.
    pub fn retained(&self) -> Retained {
        self.retained.get()
    }

    /// Adds to the fault log.
    pub async fn fault(&self, trouble: Trouble) {
        let (kind, code, detail) = trouble.entry();
        let uptime_s = u32::try_from(self.uptime_us() / 1_000_000).unwrap_or(u32::MAX);
        let fault = Fault { start: self.starts, uptime_s, kind, code, detail };
        {
            let mut health = self.health();
            health.faults = health.faults.saturating_add(1);
        }
        self.note(Note::Fault(fault));
        // Flash that fails cannot be told to flash.
        let _ = self.store.lock().await.fault(fault).await;
    }

    fn uptime_us(&self) -> u64 {
        self.now_us().saturating_sub(self.health().started_us)
    }

    /// Measures the supply, where the last measurement is `older_ms` old; the charge is counted where the board does not measure it.
    pub fn supply(&self, older_ms: u32) -> Supply {
        let now_us = self.now_us();
        let mut health = self.health();
        if now_us.saturating_sub(health.supply_us) >= u64::from(older_ms) * 1000 {
            health.supply = self.with_power(|power| power.supply());
            health.supply_us = now_us;
        }
        let counted = self.setup.battery_mah.map(|battery_mah| {
            let drawn_uah = u64::from(health.drawn_uah(now_us));
            let left = 1000u64.saturating_sub(drawn_uah / u64::from(battery_mah.max(1)));
            u16::try_from(left).unwrap_or(0)
        });
        Supply { charge_permille: health.supply.charge_permille.or(counted), ..health.supply }
    }

    /// Returns when the supply was measured last, by the board's clock.
    pub fn supply_us(&self) -> u64 {
        self.health().supply_us
    }

    /// Changes the mode by supply and stake; whether it changed.
    pub async fn duty(&self, stake: Stake) -> bool {
        let supply = self.supply(crate::plan::SUPPLY_MS);
        self.count_drawn().await;
        let mode = self.setup.policy.next(self.mode(), &supply, stake);
        if self.mode.replace(mode) == mode {
            return false;
        }
        self.retain(|retained| retained.mode = mode);
        self.note(Note::Mode(mode));
        self.agenda.uplink.call();
        true
    }

    /// Stores what was drawn, now and then.
    async fn count_drawn(&self) {
        let Some(battery_mah) = self.setup.battery_mah else { return };
        let drawn_uah = self.health().drawn_uah(self.now_us());
        let stored = self.setting(key::DRAWN).unsigned_abs();
        if drawn_uah.saturating_sub(stored) < (battery_mah * 1000 / DRAWN_STEPS).max(1) {
            return;
        }
        let drawn = i32::try_from(drawn_uah).unwrap_or(i32::MAX);
        // In range: 0 and more. Stored again later where flash fails.
        if self.store.lock().await.set(key::DRAWN, drawn).await.is_ok() {
            let _ = self.with_settings(|settings| settings.set(key::DRAWN, drawn));
        }
    }

    /// The battery was changed: counts from `uah` on.
    pub fn drawn_anew(&self, uah: u32) {
        let now_us = self.now_us();
        let mut health = self.health();
        let metered = health.metered_uah(now_us);
        health.drawn_before_uah = uah.saturating_sub(metered);
    }

    /// Takes a frame number, and reserves more where none is left.
    pub async fn number(&self, store: &mut Kept<'p, B>) -> Stored<B, u32> {
        let mut counter = self.counter.get();
        if counter.left() == 0 {
            counter.reserved(store.reserve(BLOCK).await?);
        }
        let number = counter.take().ok_or(StoreError::NumbersUsedUp)?;
        self.counter.set(counter);
        Ok(number)
    }

    /// Returns the number that the next frame takes.
    pub fn next_number(&self) -> u32 {
        self.counter.get().next()
    }

    /// Returns the frame of a message; an empty one for a message that its frame cannot hold, which the node does not make.
    pub fn seal(&self, number: u32, message: &Message<'_>) -> Frame {
        let Setup { key, link, node, .. } = self.setup;
        seal(key, *link, *node, number, message).unwrap_or_default()
    }

    /// Keeps an event, and has its alarm sent at once.
    pub async fn raise(&self, found: Found) {
        let utc = self.utc_at(found.time_us);
        let Found { hazard, begins, severity, score, quantity, peak, model, .. } = found;
        let finding = Finding { hazard, begins, severity, clock: quality(utc), score };
        let (time_us, error_ms) = utc.map_or((found.time_us, u16::MAX), |utc| (utc.unix_us, error_ms(utc)));
        self.outbox().alarm(Alarm::new(finding, time_us));
        let kept = self.keep(&Event { finding, time_us, error_ms, quantity, peak, model }).await;
        self.agenda.uplink.call();
        if kept.is_err() {
            self.fault(Trouble::Full).await;
        }
    }

    async fn keep(&self, event: &Event) -> Stored<B, ()> {
        let mut store = self.store.lock().await;
        if store.waiting().count() + 1 >= EVENTS {
            return Err(StoreError::Full);
        }
        let number = self.number(&mut store).await?;
        let frame = self.seal(number, &Message::Event(*event));
        // Until it is in flash. A board that does not see its supply fall has none.
        let words = retained::last_words(self.starts, number, &frame).unwrap_or_default();
        let _ = self.with_power(|power| power.on_brownout(&words));
        let pushed = store.push(number, &frame).await;
        let _ = self.with_power(|power| power.on_brownout(&[]));
        self.outbox().untried = Some(number);
        if pushed.is_ok() {
            self.note(Note::Kept { number, before: None });
        }
        pushed
    }

    /// Sleeps until something is to do.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "the tasks, who borrow it too, do not run while the node sleeps"
    )]
    pub async fn sleep(&self) {
        let now_us = self.now_us();
        let joined = self.agenda.joined(now_us);
        let mut deadline_us = joined.deadline_us;
        {
            let mut power = self.power.borrow_mut();
            let mut health = self.health();
            if self.agenda.all_alive() {
                power.feed_watchdog();
                health.fed_us = now_us;
            }
            if let Some(ms) = power.watchdog_ms().filter(|_| power.watchdog_runs_asleep()) {
                // A quarter of it left.
                deadline_us = deadline_us.min(health.fed_us.saturating_add(u64::from(ms) * 750));
            }
        }
        let sensors = [0, 1].map(|number: usize| self.sensors.get(number).map_or(SensorState::Standby, Cell::get));
        let count = self.application.sensors().len();
        self.note(Note::Sleep(Sleep {
            sampling: joined.sampling,
            uplink: joined.uplink,
            deadline_us,
            depth: joined.depth,
            wake: joined.wake,
            sensors: sensors.get(..count).unwrap_or_default(),
            radio: self.radio.get(),
        }));
        // No table has the current of a core that idles.
        if joined.depth > Depth::Idle {
            self.draws(Load::Board, self.setup.currents.stop_na);
        }
        let cause = wait::sleep(&mut **self.power.borrow_mut(), deadline_us, joined.depth, joined.wake).await;
        self.health().asleep_us += self.now_us().saturating_sub(now_us);
        self.awake();
        self.note(Note::Wake(cause));
        self.agenda.woken_by(cause);
    }

    /// The core runs from now on.
    pub fn awake(&self) {
        self.draws(Load::Board, self.setup.currents.run_ua.saturating_mul(1000));
    }

    /// Returns what reports say of the node's health.
    pub fn report(&self, waiting: usize) -> tanbo_wire::v1::Telemetry {
        let supply = self.supply(crate::plan::SUPPLY_MS);
        let (now_us, uptime_us) = (self.now_us(), self.uptime_us());
        let utc = self.utc_at(now_us);
        let health = self.health();
        let awake_us = uptime_us.saturating_sub(health.asleep_us);
        tanbo_wire::v1::Telemetry {
            uptime_s: u32::try_from(uptime_us / 1_000_000).unwrap_or(u32::MAX),
            awake_ppm: (awake_us * 1000 / (uptime_us / 1000).max(1)).min(1_000_000) as u32,
            supply_mv: supply.mv.filter(|mv| *mv != u16::MAX),
            charge_percent: supply.charge_permille.map(|charge| (charge / 10).min(100) as u8),
            temperature_c: health.temperature_c,
            waiting: u16::try_from(waiting).unwrap_or(u16::MAX),
            faults: health.faults,
            clock: quality(utc),
            clock_error_ms: utc.map_or(u16::MAX, error_ms),
        }
    }
}

impl Health {
    fn metered_uah(&self, now_us: u64) -> u32 {
        let picocoulomb =
            Load::ALL.iter().map(|load| self.meter.picocoulomb(now_us, *load)).fold(0, u64::saturating_add);
        // 1 µAh is 3600 µC.
        u32::try_from(picocoulomb / 3_600_000_000).unwrap_or(u32::MAX)
    }

    fn drawn_uah(&self, now_us: u64) -> u32 {
        self.drawn_before_uah.saturating_add(self.metered_uah(now_us))
    }
}

fn quality(utc: Option<Utc>) -> ClockQuality {
    match utc.map(|utc| utc.source) {
        None => ClockQuality::Unset,
        Some(TimeSource::Holdover) => ClockQuality::Holdover,
        Some(TimeSource::Network) => ClockQuality::Network,
        Some(TimeSource::Pps) => ClockQuality::Pps,
    }
}

fn error_ms(utc: Utc) -> u16 {
    u16::try_from(utc.error_us.div_ceil(1000)).unwrap_or(u16::MAX)
}
