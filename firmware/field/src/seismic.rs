//! The seismic node: an ADXL355 and an ADXL362 on the board's SPI.

use core::marker::PhantomData;

use defmt::{error, info};
use embassy_time::Timer;
use embedded_hal::digital::OutputPin as _;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashError};
use tanbo_board_api::{Clock as _, Depth, Power, WakeMask};
use tanbo_drivers::DriverError;
use tanbo_drivers::adxl355::{self, Adxl355};
use tanbo_drivers::adxl362::{self, Adxl362};
use tanbo_drivers::registers::SpiRegisters;
use tanbo_flash_map::Identity;
use tanbo_node::duty::Policy;
use tanbo_node::{Parts, Seismic, Setup, Stop, energy};
use tanbo_parts::TickClock;
use tanbo_parts::flash::InPlace as _;
use tanbo_wire::{Key, NodeId};

use crate::provision;
use crate::uplink::{self, Uplink};
use crate::{Board, Chip, log};
#[cfg(feature = "update")]
use tanbo_parts::FlashSlots;
#[cfg(not(feature = "update"))]
use {static_cell::ConstStaticCell, tanbo::Arena, tanbo_board_api::NoSlots};

// As the build script left it: packed for the board's core, or portable.
tanbo_include::include_model!(mod model = concat!(env!("OUT_DIR"), "/seismic.tnb"));

#[cfg(not(feature = "update"))]
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
/// Time that the sensors take from their supply to their first answer, ms.
const SENSORS_MS: u64 = 50;
/// Time until a node that stopped is started anew, µs.
const PAUSE_US: u64 = 60_000_000;

/// What stands on a board's table and in its case.
pub struct Kind {
    /// Its table of currents in `firmware/node/boards/`.
    pub currents: &'static energy::Board,
    /// How a node spends its supply.
    pub policy: Policy,
}

/// Why the program stops.
enum End<E> {
    Sensor(&'static str, DriverError),
    Twice,
    #[cfg(not(feature = "update"))]
    Engine,
    Stop(Stop<E>),
}

impl<E: NorFlashError> End<E> {
    fn log(&self) {
        match self {
            Self::Sensor(name, why) => log::sensor(name, *why),
            Self::Twice => error!("the program was started twice"),
            #[cfg(not(feature = "update"))]
            Self::Engine => error!("the model's engine cannot be made"),
            Self::Stop(why) => log::stop(why),
        }
    }
}

/// A board as the node sees it.
struct Node<C>(PhantomData<C>);

impl<C: Chip> tanbo_node::Board for Node<C> {
    type Clock = TickClock;
    type Power = C::Power;
    type Uplink = Uplink<C>;
    type Flash = C::Flash;
    #[cfg(feature = "update")]
    type Slots = FlashSlots<C::Flash>;
    #[cfg(not(feature = "update"))]
    type Slots = NoSlots;
    type Observer = ();
}

/// Runs the node; ends where the board does not start. One that has no identity, or whose button is held, listens on its UART to be given one
/// (`tanbo provision`). Starts the board anew where the node stops, after a minute unless the gateway asked for it.
pub async fn seismic<C: Chip>(kind: &Kind) {
    // Who reads the flash through a debug probe goes by the map.
    const { assert!(C::MAP.word_bytes() as usize == <C::Flash as NorFlash>::WRITE_SIZE, "the map's word is the driver's") };
    let Some(Board {
        clock,
        mut power,
        mut flash,
        spi,
        mut sensors,
        #[cfg(feature = "lora")]
            radio: part,
        uart,
        seed,
        ..
    }) = C::take()
    else {
        return error!("the board's memory does not work");
    };
    let identity = Identity::read(flash.in_place(C::MAP.offsets(C::MAP.identity())));
    if let Err(error) = identity {
        log::identity(error);
    }
    let asked = provision::asked(&mut power, &clock).await;
    let identity = match identity {
        Ok(identity) if !asked => identity,
        _ => {
            let parts = (&clock, &mut power, uart);
            return provision::listen::<C>(kind, parts, &mut flash, seed, asked).await;
        }
    };
    #[cfg(not(feature = "lora"))]
    let part = uart;
    // Without its keys: they shall not end in a log.
    info!("node {:016x}, {}", identity.node, identity.region.name());
    let uplink = match uplink::start::<C>(part, &identity, seed).await {
        Ok(uplink) => uplink,
        Err(_) => {
            error!("the uplink's device does not answer, or cannot be set as it must be: wiring, supply?");
            return restart(&mut power, &clock).await;
        }
    };
    let Ok(()) = sensors.set_high();
    Timer::after_millis(SENSORS_MS).await;
    let flash_range = C::MAP.offsets(C::MAP.store());
    #[cfg(feature = "update")]
    let slots = match FlashSlots::open(flash.clone(), C::MAP).await {
        Ok(slots) => slots,
        Err(_) => {
            error!("the model slots cannot be opened: the flash does not do what it is told");
            return restart(&mut power, &clock).await;
        }
    };
    #[cfg(not(feature = "update"))]
    let slots = NoSlots;
    let mut parts = Parts::<Node<C>> { clock, power, uplink, flash, flash_range, slots, observer: () };
    let end = run(&mut parts, &identity, kind, seed, spi).await;
    end.log();
    if matches!(end, End::Stop(Stop::Restart)) {
        parts.power.reset()
    }
    restart(&mut parts.power, &parts.clock).await
}

/// Starts the board anew after a pause, so that what stops it at once does not empty the battery.
pub(crate) async fn restart<P: Power>(power: &mut P, clock: &TickClock) {
    power.sleep_until(clock.now_us() + PAUSE_US, Depth::Stop, WakeMask::NONE).await;
    power.reset()
}

async fn run<C: Chip>(
    parts: &mut Parts<Node<C>>,
    identity: &Identity,
    kind: &Kind,
    seed: u64,
    (accelerometer, motion): (C::Spi, C::Spi),
) -> End<<C::Flash as ErrorType>::Error> {
    let setup = Setup {
        node: NodeId(identity.node),
        key: Key::from(identity.key),
        link: uplink::LINK,
        policy: kind.policy,
        currents: kind.currents,
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
    let sensors = (&mut accelerometer, &mut motion);
    #[cfg(feature = "update")]
    {
        update::run::<C>(parts, &setup, sensors, identity).await
    }
    #[cfg(not(feature = "update"))]
    {
        let Some(arena) = ARENA.try_take() else { return End::Twice };
        let engine = match model::engine(arena.as_mut()) {
            Ok(engine) => engine,
            Err(_) => return End::Engine,
        };
        End::Stop(tanbo_node::seismic(parts, &setup, sensors, engine, &SETTINGS).await)
    }
}

/// Models and firmware that come over the link.
#[cfg(feature = "update")]
mod update {
    use core::marker::PhantomData;

    use defmt::error;
    use embedded_storage_async::nor_flash::ErrorType;
    use heapless::Vec;
    use static_cell::ConstStaticCell;
    use tanbo::{Arena, Family, OpSet, Reference};
    use tanbo_board_api::Sensor;
    use tanbo_flash_map::{Identity, SIGNERS};
    use tanbo_fragments::memory_words;
    use tanbo_node::{Memory, Models, Parts, Setup};
    use tanbo_release::{Name, PublicKey, operators};

    use super::{End, Node, SETTINGS, model};
    use crate::Chip;

    /// Room for models that need more than the firmware's, bytes.
    const ARENA_BYTES: usize = 1024;
    /// Fragments of 48 bytes: the firmware's model and as many again as may be lost.
    const FRAGMENTS: u16 = 298;
    const LOST: u16 = 74;
    const NAME: Name = name("seismic");

    const _: () = assert!(model::ARENA_BYTES <= ARENA_BYTES);
    /// What a received model may be made of, in the portable packing.
    struct Operators<C>(PhantomData<C>);

    impl<C: Chip> Operators<C> {
        const SET: &'static OpSet =
            &OpSet::from_bits::<Reference>(operators::bits(if C::SMALL { operators::FEW } else { operators::MANY }), 0);
    }

    static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
    static DECODER: ConstStaticCell<[u32; memory_words(FRAGMENTS, LOST)]> =
        ConstStaticCell::new([0; memory_words(FRAGMENTS, LOST)]);

    #[expect(clippy::panic, reason = "const context: what is no name does not compile")]
    const fn name(text: &str) -> Name {
        match Name::new(text) {
            Ok(name) => name,
            Err(_) => panic!("no name"),
        }
    }

    pub(super) async fn run<C: Chip>(
        parts: &mut Parts<Node<C>>,
        setup: &Setup,
        sensors: (&mut impl Sensor, &mut impl Sensor),
        identity: &Identity,
    ) -> End<<C::Flash as ErrorType>::Error> {
        let (Some(arena), Some(fragments)) = (ARENA.try_take(), DECODER.try_take()) else { return End::Twice };
        let mut keys = Vec::<_, SIGNERS>::new();
        for signer in identity.signers() {
            match PublicKey::from_bytes(&signer) {
                // There are no more of them than there is room.
                Ok(key) => _ = keys.push(key),
                Err(_) => error!("a signer's key is none of P-256: write the node's identity again"),
            }
        }
        let models = Models {
            included: &model::MODEL,
            version: 1,
            name: NAME,
            keys: &keys,
            operators: Operators::<C>::SET,
            family: Family::Portable,
        };
        let memory = Memory { arena: arena.as_mut(), fragments };
        #[cfg(feature = "boot")]
        let mut firmware = {
            let board = const { name(C::UPDATES.board) };
            tanbo_boot::FirmwareUpdates::new(parts.flash.clone(), C::MAP, C::UPDATES, board, &keys)
        };
        #[cfg(not(feature = "boot"))]
        let mut firmware = ();
        let stop = tanbo_node::seismic_with_slots(parts, setup, sensors, &models, memory, &mut firmware, &SETTINGS);
        End::Stop(stop.await)
    }
}
