//! The world around the node: chips that measure what files say, a bus that takes its time, a battery, the air, and a gateway
//! at the other end of two pipes.
//!
//! The node, its drivers and its store are the firmware's own. Here is what on a board is silicon and copper. On the
//! emulated core every instruction takes time, but for those of the simulation ([`World::outside`]); on a desktop only
//! waits do. Nothing else differs, and both keep the same books ([`Tally`]).

mod battery;
mod board;
pub mod chips;
mod feed;
mod machine;
mod observer;
mod power;
mod relay;
mod reset;
mod settings;
mod tally;
mod uplink;

use core::cell::{Cell, RefCell};
use core::fmt;

pub use battery::Battery;
pub use board::{KEY, NODE, WorldBoard, ended, parts, setup, stopped};
pub use chips::{Bus, Pause};
pub use feed::Feed;
use machine::{Machine, TICKS_PER_US};
pub use observer::{Hops, WorldObserver, name};
pub use power::{WorldClock, WorldPower};
pub use relay::WorldRelay;
use reset::Reset;
pub use settings::{Settings, SettingsError};
use static_cell::StaticCell;
pub use tally::{Core, Plug, SENSORS, Tally, Wait, Waits};
use tanbo_board_api::{Depth, WakeMask};
use tanbo_drivers::DriverError;
use tanbo_emulated::files::FileError;
use tanbo_emulated::ram;
use tanbo_node::plan::{Application, RadioState, SensorState};
use uplink::RadioSteps;
pub use uplink::{AirError, WorldUplink, airtime_us};

use crate::info;

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;
/// Microseconds of a minute.
pub const MINUTE_US: u64 = 60 * SECOND_US;
/// Of each feed at a time.
const FEED_BYTES: usize = 24 << 10;
/// When the world began, µs since the Unix epoch: 2026-01-01.
pub const EPOCH_US: u64 = 1_767_225_600 * SECOND_US;

/// The world.
pub struct World {
    machine: Machine,
    settings: Settings,
    state: RefCell<State>,
    /// When the interrupt of each sensor rises, µs since the node's start.
    interrupts: [Cell<Option<u64>>; SENSORS],
    end: Cell<fn(&World)>,
}

struct State {
    tally: Tally,
    on: Plug,
    core: Core,
    /// Until when each sensor converts, ticks.
    converting_until: [u64; SENSORS],
    /// What the radio does next.
    radio_steps: RadioSteps,
    battery: Battery,
    reset: Reset,
    hops: Hops,
    ram: &'static mut [u8],
    #[cfg(target_os = "none")]
    stack: tanbo_emulated::stack::Watch,
}

/// Why there is no world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldError {
    /// It was started before.
    Taken,
    /// Its settings.
    Settings(SettingsError),
    /// A file of it.
    File {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        error: FileError,
    },
    /// A chip of it.
    Driver(DriverError),
}

impl From<DriverError> for WorldError {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("the world was started before"),
            Self::Settings(error) => error.fmt(f),
            Self::File { name, error } => write!(f, "{name}: {error}"),
            Self::Driver(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WorldError {}

static WORLD: StaticCell<World> = StaticCell::new();

impl World {
    /// Returns the world of `world.txt` for a node with the sensors of `application`, and the lines to its memory; `end` is called
    /// when the world's time is over, and the program ends then with exit code 0.
    ///
    /// # Errors
    /// [`WorldError`].
    #[inline(never)] // What it builds on the stack is gone when the node runs.
    pub fn start(application: Application, end: fn(&World)) -> Result<(&'static Self, chips::Lines), WorldError> {
        #[cfg(target_os = "none")]
        let (machine, lines) = {
            let peripherals = tanbo_emulated::cmsdk::take().ok_or(WorldError::Taken)?;
            (Machine::new(peripherals.timer), peripherals.bus)
        };
        #[cfg(not(target_os = "none"))]
        let (machine, lines) = (Machine::default(), ());
        let (settings, ram) = machine.outside(|| (Settings::read(), ram::take()));
        let settings = settings.map_err(WorldError::Settings)?;
        let reset = machine.outside(|| Reset::read(settings.start_s * SECOND_US));
        let state = State {
            tally: Tally::new(),
            on: Plug {
                wait: Wait::Rest,
                depth: Depth::Idle,
                wake: WakeMask::NONE,
                sensors: [SensorState::Standby; SENSORS],
                radio: RadioState::Sleep,
                relay: false,
                mode: 0,
                sampling: "",
                uplink: "",
            },
            core: Core::Run,
            converting_until: [0; SENSORS],
            radio_steps: RadioSteps::new(),
            battery: Battery::new(&settings, application),
            reset,
            hops: Hops::NONE,
            ram: ram.ok_or(WorldError::Taken)?,
            #[cfg(target_os = "none")]
            stack: tanbo_emulated::stack::Stack::current().watch(),
        };
        let interrupts = [const { Cell::new(None) }; SENSORS];
        let world = Self { machine, settings, state: RefCell::new(state), interrupts, end: Cell::new(end) };
        let world: &'static Self = WORLD.try_init(world).ok_or(WorldError::Taken)?;
        world.hold();
        Ok((world, chips::Lines::new(lines)))
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens the feed of a sensor.
    ///
    /// # Errors
    /// [`WorldError::File`].
    #[inline(never)]
    pub fn feed<const N: usize>(&self, name: &'static str) -> Result<Feed<N>, WorldError> {
        self.outside(|| {
            let mut state = self.state.borrow_mut();
            let ram = core::mem::take(&mut state.ram);
            let (buffer, rest) = ram.split_at_mut(FEED_BYTES.min(ram.len()));
            state.ram = rest;
            Feed::open(name, buffer).map_err(|error| WorldError::File { name, error })
        })
    }

    /// Runs a part of the simulation: no time goes by in the world.
    pub fn outside<R>(&self, simulate: impl FnOnce() -> R) -> R {
        self.machine.outside(simulate)
    }

    /// Returns the time since the node's start, µs.
    #[inline(never)]
    pub fn now_us(&self) -> u64 {
        self.machine.ticks() / TICKS_PER_US
    }

    /// Returns the time since the world began, µs.
    pub fn world_us(&self) -> u64 {
        self.now_us() + self.settings.start_s * SECOND_US
    }

    /// From now on a sensor is in `state`.
    pub fn sensor(&self, sensor: usize, state: SensorState) {
        self.change(|world| {
            if let Some(to) = world.on.sensors.get_mut(sensor) {
                *to = state;
            }
        });
    }

    /// Returns whether the first sensor hangs: it answers no more until the node is reset.
    fn hangs(&self) -> bool {
        let Settings { hang_s, start_s, .. } = self.settings;
        hang_s.is_some_and(|hang_s| start_s < hang_s && self.world_us() >= hang_s * SECOND_US)
    }

    /// From now on a sensor converts for `us`.
    fn converts(&self, sensor: usize, us: u64) {
        let until = self.machine.ticks() + us * TICKS_PER_US;
        self.change(|world| {
            if let Some(to) = world.converting_until.get_mut(sensor) {
                *to = until;
            }
        });
    }

    /// The interrupt of a sensor rises at that time, if at all.
    fn interrupt(&self, sensor: usize, at_us: Option<u64>) {
        if let Some(interrupt) = self.interrupts.get(sensor) {
            interrupt.set(at_us);
        }
    }

    /// From now on the relay is on or off.
    fn relay(&self, on: bool) {
        self.change(|state| state.on.relay = on);
    }

    /// How long the relay was on so far, µs.
    fn pumped_us(&self) -> u64 {
        self.look(|tally| tally.relay) / TICKS_PER_US
    }

    /// Books the time until now, then changes something.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.outside(|| {
            let mut state = self.state.borrow_mut();
            state.pass(self.machine.ticks());
            change(&mut state)
        })
    }

    /// Waits until `us`, µs since the node's start, with the core as `depth` allows.
    #[inline(never)]
    fn wait(&self, us: u64, wait: Wait, depth: Depth, wake: WakeMask) {
        let deadline = us.saturating_mul(TICKS_PER_US);
        let began = self.machine.ticks();
        if deadline <= began && wait != Wait::Rest {
            return;
        }
        let on = self.change(|state| {
            state.core = if depth == Depth::Idle { Core::Idle } else { Core::Stop };
            state.on = Plug { wait, depth, wake, ..state.on };
            state.on
        });
        let reset = self.next_reset(depth).filter(|(tick, _)| *tick <= deadline);
        let end = deadline.min(self.last()).min(reset.map_or(u64::MAX, |(tick, _)| tick));
        // Its supply may fall while it rests.
        while wait == Wait::Rest && self.next_look() <= end {
            self.machine.wait_until(self.next_look());
            self.outside(|| self.look_at_battery());
        }
        self.machine.wait_until(end);
        self.change(|state| {
            state.core = Core::Run;
            let ticks = self.machine.ticks().saturating_sub(began);
            state.tally.waited(on, ticks);
            if depth != Depth::Idle {
                state.reset.bites = state.reset.bites.map(|tick| tick + ticks);
            }
        });
        self.end_if_over();
        if let Some((tick, cause)) = reset
            && tick <= self.machine.ticks()
        {
            self.outside(|| info!("at {} us: reset {}", self.world_us(), cause as u8));
            self.reset(cause);
        }
    }

    /// When the world ends, ticks since the node's start.
    fn last(&self) -> u64 {
        self.settings.seconds.saturating_sub(self.settings.start_s).saturating_mul(SECOND_US * TICKS_PER_US)
    }

    fn end_if_over(&self) {
        if self.machine.ticks() >= self.last() {
            self.over();
        }
    }

    /// The world ends.
    fn over(&self) -> ! {
        self.outside(|| (self.end.get())(self));
        tanbo_emulated::exit(0)
    }

    /// Hands out what the books say.
    pub fn look<R>(&self, look: impl FnOnce(&Tally) -> R) -> R {
        self.change(|state| look(&state.tally))
    }

    /// Prints the deepest stack since the start.
    #[cfg(target_os = "none")]
    fn report_stack(&self) {
        match self.state.borrow().stack.deepest() {
            Ok(bytes) => info!("stack: {} bytes", bytes),
            Err(overflow) => info!("the stack of {} bytes ran out", overflow.available),
        }
    }

    /// Prints what the books say, a line each.
    pub fn report(&self) {
        self.outside(|| {
            #[cfg(target_os = "none")]
            self.report_stack();
            let Hops { count, scored, digest } = self.change(|state| state.hops);
            info!("event: {} hops, {} scored, digest {}", count, scored, digest);
            self.look(|tally| {
                let us = |ticks: u64| ticks / TICKS_PER_US;
                let [run, idle, stop] = tally.core.map(us);
                info!("core: {} us at work, {} us idle, {} us asleep", run, idle, stop);
                let [asleep, receiving, sending] = tally.radio.map(us);
                info!("radio: {} us asleep, {} us receiving, {} us sending", asleep, receiving, sending);
                for ((states, converting), number) in tally.sensors.iter().zip(tally.converting).zip(0u8..) {
                    let [standby, watch, measure] = states.map(us);
                    info!(
                        "sensor {}: {} us standby, {} us watching, {} us measuring, {} us converting",
                        number,
                        standby,
                        watch,
                        measure,
                        us(converting)
                    );
                }
                info!("relay: {} us", us(tally.relay));
                for Waits { on, count, ticks, longest } in &tally.waits {
                    let Plug { wait, depth, wake, sensors, radio, relay, mode, sampling, uplink } = on;
                    let [first, second] = sensors.map(|state| state as u8);
                    info!(
                        "wait: {} mode {} for {} and {}: depth {} wake {} sensors {} {} radio {} relay {}: {} times, {} us, longest {} us",
                        wait.name(),
                        mode,
                        sampling,
                        uplink,
                        *depth as u8,
                        u8::from(wake.has(WakeMask::SENSOR)) + 2 * u8::from(wake.has(WakeMask::UPLINK)),
                        first,
                        second,
                        *radio as u8,
                        u8::from(*relay),
                        count,
                        us(*ticks),
                        us(*longest)
                    );
                }
            });
        });
    }
}

impl State {
    /// Books the time until `now`, ticks, as the radio and the conversions went on meanwhile.
    fn pass(&mut self, now: u64) {
        loop {
            let radio = self.radio_steps.first().map_or(u64::MAX, |(tick, _)| *tick);
            let converted = self.converting_until.into_iter().filter(|until| *until > 0).min().unwrap_or(u64::MAX);
            let until = radio.min(converted).min(now);
            let converting = self.converting_until.map(|until| until > 0);
            let ticks = self.tally.pass(until, &self.on, self.core, converting);
            self.battery.draw(&self.on, self.core, converting, ticks);
            self.converting_until = self.converting_until.map(|end| if end <= until { 0 } else { end });
            if radio > now {
                if converted > now {
                    break;
                }
            } else if radio <= until
                && let Some(((_, state), later)) = self.radio_steps.split_first()
            {
                (self.on.radio, self.radio_steps) = (*state, later.iter().copied().collect());
            }
        }
    }
}
