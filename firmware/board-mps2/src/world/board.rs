//! The world as the node's board.

use tanbo_board_api::{NoSlots, Power as _};
use tanbo_drivers::DriverError;
use tanbo_drivers::mb85rc::{FramFlash, Mb85rc, Size};
use tanbo_flash_map::Calibrations;
use tanbo_node::duty::Policy;
use tanbo_node::{Board, Parts, Setup, Stop};
use tanbo_wire::{Key, Link, NodeId};

use super::chips::{Lines, Memory};
use super::{World, WorldClock, WorldError, WorldObserver, WorldPower, WorldUplink};
use crate::error;

/// The key of every simulated node. A real one has its own.
pub const KEY: [u8; 16] = *b"a simulated node";
/// Who the simulated node is.
pub const NODE: NodeId = NodeId(0x70b3_d57e_d005_0001);
/// Where its memory is on its bus.
const MEMORY: u8 = 0x50;

/// The types of the world's parts.
pub enum WorldBoard {}

impl Board for WorldBoard {
    type Clock = WorldClock;
    type Power = WorldPower;
    type Uplink = WorldUplink;
    type Flash = FramFlash<Memory>;
    type Slots = NoSlots;
    type Observer = WorldObserver;
}

/// Returns the parts of the board.
///
/// # Errors
/// [`WorldError::File`] for a gateway's pipe.
#[inline(never)]
pub fn parts(world: &'static World, lines: Lines) -> Result<Parts<WorldBoard>, WorldError> {
    let memory = Mb85rc::new(Memory::new(world, lines), MEMORY, Size::Kbit256).map_err(WorldError::Driver)?;
    Ok(Parts {
        clock: WorldClock::new(world),
        power: WorldPower::new(world),
        uplink: WorldUplink::open(world)?,
        flash: FramFlash(memory),
        flash_range: 0..Size::Kbit256.bytes(),
        slots: NoSlots,
        observer: WorldObserver::new(world),
    })
}

/// Returns what the node is told: two AA cells, whose voltage it measures, and the currents that the world books.
pub fn setup(world: &World) -> Setup {
    Setup {
        node: NODE,
        key: Key::from(KEY),
        link: Link::LoraWan,
        policy: Policy::TWO_AA,
        currents: super::battery::BOARD,
        battery_mah: None,
        calibrations: Calibrations::NONE,
        seed: world.settings().seed,
    }
}

/// A node that asks for a restart is reset.
pub fn stopped(power: &mut WorldPower, stop: Stop<DriverError>) -> Stop<DriverError> {
    if stop == Stop::Restart {
        power.reset();
    }
    stop
}

/// Returns the exit code of a program whose node or world did not come up, or whose node stopped.
pub fn ended(result: Result<Stop<DriverError>, WorldError>) -> u8 {
    match result {
        Ok(stop) => error!(stop),
        Err(error) => error!(error),
    }
    2
}
