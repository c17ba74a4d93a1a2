//! The node: one model, two ways in.

use core::convert::Infallible;
use core::fmt::{self, Debug};

use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_embedded_hal::shared_bus::asynch::i2c::I2cDevice;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use static_cell::ConstStaticCell;
use tanbo::{Arena, Engine, Family, OpSet, op_set};
use tanbo_board_api::{Clock as _, Port, Slots, Uplink as _};
use tanbo_board_mps2::{Board, Mps2I2c, Mps2Uplink};
use tanbo_drivers::mb85rc::{FramFlash, Mb85rc, Size};
use tanbo_emulated::{files, println};
use tanbo_flash_map::SIGNERS;
use tanbo_fragments::memory_words;
use tanbo_node::slots::Demands;
use tanbo_node::transfer::{Heard, Transfer};
use tanbo_node::update::Update;
use tanbo_parts::provision::{self, Site};
use tanbo_pipeline::Rate;
use tanbo_release::{Golden, Name, PublicKey, stated_bytes};
use tanbo_store::Store;
use tanbo_wire::v1::{Message, Opened, Unverified, seal};
use tanbo_wire::{Counter, Direction, Key, Link, MAX_FRAME, NodeId};

use crate::memory::{self, Copy, END, IDENTITY, SLOT_BYTES, SLOTS};

const ARENA_BYTES: usize = 1024;
/// Fragments of the longest model and how many may be lost.
const FRAGMENTS: u16 = 298;
const LOST: u16 = 74;
/// Frame numbers that are reserved at once.
const BLOCK: u32 = 4096;

static OPERATORS: OpSet = op_set!(tanbo::Reference: FullyConnected);
static COPIES: ConstStaticCell<[Copy; SLOTS]> = ConstStaticCell::new([Copy::ERASED; SLOTS]);
static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
static MEMORY: ConstStaticCell<[u32; memory_words(FRAGMENTS, LOST)]> =
    ConstStaticCell::new([0; memory_words(FRAGMENTS, LOST)]);

/// Why the node stops.
pub struct Stop(&'static str);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Tells the error and what it is about.
fn stop<E: Debug>(what: &'static str) -> impl Fn(E) -> Stop {
    move |error| {
        println!("{:?}", error);
        Stop(what)
    }
}

type Bus = Mutex<NoopRawMutex, BlockingAsync<Mps2I2c>>;

pub async fn run() -> Result<Infallible, Stop> {
    let Board { clock, mut power, mut uplink, i2c, .. } = Board::take().ok_or(Stop("the board is taken"))?;
    let bus: Bus = Mutex::new(BlockingAsync::new(i2c));
    let chip = || Mb85rc::new(I2cDevice::new(&bus), 0x50, Size::Kbit512).map_err(stop("memory"));
    let mut flash = FramFlash(chip()?);
    let site =
        Site { board: "mps2-an386", identity: IDENTITY, store: END..IDENTITY.start, slot_bytes: SLOT_BYTES as u32 };
    let (mut seed, mut button) = ([0; 8], [0]);
    // There need not be such files.
    let _ = files::read("seed", &mut seed);
    let asked = files::read("button", &mut button).is_ok();
    let line = (&clock, &mut power, &mut uplink);
    let identity = provision::identity(line, &mut flash, &site, u64::from_le_bytes(seed), asked).await;
    let identity = identity.map_err(stop("identity"))?;
    let mut trusted = heapless::Vec::<_, SIGNERS>::new();
    for key in identity.signers() {
        let key = PublicKey::from_bytes(&key).map_err(stop("a signer's key"))?;
        trusted.push(key).map_err(stop("signers"))?;
    }
    let (link, node) = (Key::from(identity.key), NodeId(identity.node));
    let mut store = Store::<_, 2>::open(flash, site.store.clone()).await.map_err(stop("store"))?;
    let mut slots = memory::open(chip()?, COPIES.take()).await.map_err(stop("slots"))?;
    let demands = Demands {
        name: Name::new("seismic").map_err(stop("name"))?,
        keys: &trusted,
        least_version: 1,
        family: Family::Dsp,
        operators: &OPERATORS,
        arena_bytes: ARENA_BYTES,
        rate: Rate { numerator: 200, denominator: 1 },
    };
    let arena = ARENA.take().as_mut();
    let mut transfer = Transfer::new(Update::new(demands), MEMORY.take());
    let running = transfer.update().start(&mut slots, &store).await.map_err(stop("start"))?;
    println!(
        "running {} committed {}",
        running.map_or(0, |running| running.release.version),
        store.versions().committed
    );

    let mut counter = Counter::resume(store.ceiling());
    loop {
        if counter.left() == 0 {
            counter.reserved(store.reserve(BLOCK).await.map_err(stop("store"))?);
        }
        let mut room = [0; MAX_FRAME];
        let received = uplink.receive(&mut room, clock.now_us() + 1_000).await.map_err(stop("uplink"))?;
        let heard = match received.and_then(|len| room.get(..len)) {
            None => None,
            Some(payload) if uplink.port() == Port::Fragments => {
                Some(transfer.fragments(payload, &mut slots, &store).await.map_err(stop("fragments"))?)
            }
            Some(frame) => {
                let Ok(unverified) = Unverified::stream(frame, Direction::Down) else { continue };
                let Ok(Opened::Fresh { counter, message }) = unverified.open(&link, &store.window()) else { continue };
                // What an old frame would ask again.
                if !matches!(message, Message::Part(_)) {
                    store.accept(store.window().with(counter)).await.map_err(stop("store"))?;
                }
                Some(transfer.frame(&message, &mut slots, &mut store).await.map_err(stop("update"))?)
            }
        };
        let (answer, report) = match heard {
            None => (None, window(&mut transfer, &mut slots, &mut store, arena).await?),
            Some(Heard::Nothing) => (None, None),
            Some(Heard::Answer(answer)) => (Some(answer), None),
            Some(Heard::Report(report)) => (None, Some(report)),
            Some(Heard::Refused(answer, report)) => (Some(answer), Some(report)),
            Some(Heard::Try { windows }) => {
                let tried = transfer.check_and_try(windows, &mut slots, &mut store, arena).await;
                (None, Some(tried.map_err(stop("update"))?))
            }
        };
        if let Some(answer) = answer {
            let (bytes, len) = answer.to_bytes();
            uplink.answer(bytes.get(..len).unwrap_or_default()).await.map_err(stop("uplink"))?;
        }
        if let Some(report) = report {
            let number = counter.take().ok_or(Stop("numbers"))?;
            say(&mut uplink, (&link, node), number, &Message::Update(report)).await?;
        }
    }
}

async fn say(
    uplink: &mut Mps2Uplink,
    (key, node): (&Key, NodeId),
    number: u32,
    message: &Message<'_>,
) -> Result<(), Stop> {
    let frame = seal(key, Link::Stream, node, number, message).map_err(stop("frame"))?;
    uplink.send(&frame).await.map_err(stop("uplink"))
}

/// Runs a window of the model that is on trial, in place, and counts it.
async fn window<S: Slots, L: tanbo_node::update::Ledger>(
    transfer: &mut Transfer<'_, '_>,
    slots: &mut S,
    ledger: &mut L,
    arena: &mut [u8],
) -> Result<Option<tanbo_wire::v1::Update>, Stop> {
    let Some(selection) = slots.selected().filter(|selection| selection.trial) else { return Ok(None) };
    let well = {
        // It was examined when it came.
        let slot = slots.bytes(selection.slot);
        let artifact = stated_bytes(slot).and_then(|bytes| slot.get(..bytes)).unwrap_or_default();
        let model = OPERATORS.parse(artifact).ok();
        let engine = model.and_then(|model| Engine::new(&model, &OPERATORS, arena).ok());
        engine.is_some_and(|mut engine| Golden::of(&mut engine, 1, 1, |_| ()).is_ok())
    };
    let report = transfer.window(well, slots, ledger).await.map_err(stop("window"))?;
    if let Some(report) = report {
        println!("{:?} {}", report.stage, report.version);
    }
    Ok(report)
}
