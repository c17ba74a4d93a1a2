//! A relay that nothing hangs on.

use core::convert::Infallible;

use crate::Relay;

/// A relay that remembers what it is; a new one is off.
#[derive(Debug, Default)]
pub struct SimRelay {
    on: bool,
    /// How often it was switched on.
    pub starts: u32,
}

impl Relay for SimRelay {
    type Error = Infallible;

    fn set(&mut self, on: bool) -> Result<(), Infallible> {
        self.starts += u32::from(on && !self.on);
        self.on = on;
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.on
    }
}
