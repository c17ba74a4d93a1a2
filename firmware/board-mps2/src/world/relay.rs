//! The relay of a pump.

use core::convert::Infallible;

use tanbo_board_api::Relay;

use super::World;

/// The relay, off at the start.
pub struct WorldRelay {
    world: &'static World,
    on: bool,
}

impl WorldRelay {
    /// Returns the relay of the world.
    pub fn new(world: &'static World) -> Self {
        Self { world, on: false }
    }
}

impl Relay for WorldRelay {
    type Error = Infallible;

    #[inline(never)]
    fn set(&mut self, on: bool) -> Result<(), Infallible> {
        self.on = on;
        self.world.relay(on);
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.on
    }
}
