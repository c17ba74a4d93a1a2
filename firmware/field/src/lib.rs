//! The seismic node's program on a real board, whatever its chip.
//!
//! Layer 5. A board brings its parts and two devices on an SPI, an ADXL355 and an ADXL362; this finds them, makes the engine ready, runs
//! `tanbo_node::seismic` and starts the board anew where the node stops.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

use core::fmt;

use defmt::{Display2Format, error, info};
use embedded_hal_async::spi::SpiDevice;
use embedded_storage_async::nor_flash::ErrorType;
use static_cell::ConstStaticCell;
use tanbo::{Arena, EngineError};
use tanbo_board_api::{Clock as _, Depth, Power as _, WakeMask};
use tanbo_drivers::DriverError;
use tanbo_drivers::adxl355::{self, Adxl355};
use tanbo_drivers::adxl362::{self, Adxl362};
use tanbo_drivers::registers::SpiRegisters;
use tanbo_flash_map::{Identity, IdentityError};
use tanbo_node::duty::Policy;
use tanbo_node::{Board, Parts, Seismic, Setup, energy};
use tanbo_wire::{Key, Link, NodeId};

tanbo_include::include_model!(mod model = "../../../models/zoo/seismic/seismic.tnb");

static ARENA: ConstStaticCell<Arena<{ model::ARENA_BYTES }>> = ConstStaticCell::new(Arena::new());

/// As the model was trained: 31.25 Hz. A burst is read when 28 of the FIFO's 32 readings are there.
const ACCELEROMETER: adxl355::Config =
    adxl355::Config { range: adxl355::Range::G2, rate: adxl355::Rate::Hz31_25, watermark: 28, wake_axes: 0 };
/// It watches while power is short.
const MOTION: adxl362::Config =
    adxl362::Config { range: adxl362::Range::G2, rate: adxl362::Rate::Hz12_5, watermark: 10, wake_at_6hz: true };
/// Motion of 20 gal once: at six readings a second, a quake's strong part is soon over.
const SETTINGS: Seismic =
    Seismic { model: include!(concat!(env!("OUT_DIR"), "/card.rs")), motion_mgal: 20_000, motion_readings: 1 };
/// Time until a node that stopped is started anew, µs.
const PAUSE_US: u64 = 60_000_000;

/// What a board says of itself.
pub struct Kind {
    /// Its table of currents in `firmware/node/boards/`.
    pub currents: &'static str,
    /// How a node spends its supply.
    pub policy: Policy,
    /// What carries its frames.
    pub link: Link,
}

/// Why the program stops.
enum End<E> {
    Currents(&'static str),
    Sensor(&'static str, DriverError),
    Twice,
    Engine(EngineError),
    Stop(tanbo_node::Stop<E>),
}

impl<E: fmt::Debug> fmt::Display for End<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Currents(name) => write!(f, "firmware/node/boards has no table of {name}"),
            Self::Sensor(name, error) => write!(f, "{name}: {error}"),
            Self::Twice => f.write_str("the program was started twice"),
            Self::Engine(error) => error.fmt(f),
            Self::Stop(stop) => stop.fmt(f),
        }
    }
}

/// Reads who the node is from what its page begins with, and logs it, without keys.
///
/// # Errors
/// [`IdentityError`], logged too.
pub fn identity(page: &[u8]) -> Result<Identity, IdentityError> {
    let identity = Identity::read(page);
    match &identity {
        Ok(identity) => info!("node {:016x}, {}", identity.node, identity.region.name()),
        Err(error) => error!("{}", Display2Format(error)),
    }
    identity
}

/// Runs the node; starts the board anew where it stops, after a minute unless the gateway asked for it.
pub async fn seismic<B: Board, A: SpiDevice, M: SpiDevice>(
    parts: &mut Parts<B>,
    identity: &Identity,
    kind: &Kind,
    seed: u64,
    (accelerometer, motion): (A, M),
) -> ! {
    let end = run(parts, identity, kind, seed, accelerometer, motion).await;
    error!("{}", Display2Format(&end));
    if !matches!(end, End::Stop(tanbo_node::Stop::Restart)) {
        parts.power.sleep_until(parts.clock.now_us() + PAUSE_US, Depth::Stop, WakeMask::NONE).await;
    }
    parts.power.reset()
}

async fn run<B: Board, A: SpiDevice, M: SpiDevice>(
    parts: &mut Parts<B>,
    identity: &Identity,
    kind: &Kind,
    seed: u64,
    accelerometer: A,
    motion: M,
) -> End<<B::Flash as ErrorType>::Error> {
    let Some(currents) = energy::board(kind.currents) else { return End::Currents(kind.currents) };
    let setup = Setup {
        node: NodeId(identity.node),
        key: Key::from(identity.key),
        link: kind.link,
        policy: kind.policy,
        currents,
        battery_mah: None,
        calibrations: identity.calibrations,
        seed,
    };
    let mut accelerometer = match Adxl355::new(SpiRegisters(accelerometer), ACCELEROMETER).await {
        Ok(sensor) => sensor,
        Err(error) => return End::Sensor("ADXL355", error),
    };
    let mut motion = match Adxl362::new(motion, MOTION).await {
        Ok(sensor) => sensor,
        Err(error) => return End::Sensor("ADXL362", error),
    };
    let Some(arena) = ARENA.try_take() else { return End::Twice };
    let engine = match model::engine(arena.as_mut()) {
        Ok(engine) => engine,
        Err(error) => return End::Engine(error),
    };
    End::Stop(tanbo_node::seismic(parts, &setup, (&mut accelerometer, &mut motion), engine, &SETTINGS).await)
}
