//! A relay: a pump or a valve.

use core::fmt;

/// A relay, off after every reset whatever caused it: what must not run on is wired so that it takes current to run.
pub trait Relay {
    /// The device's errors.
    type Error: fmt::Debug;

    /// Switches it.
    ///
    /// # Errors
    /// The device's: then it is as [`Relay::is_on`] says.
    fn set(&mut self, on: bool) -> Result<(), Self::Error>;

    /// Returns whether it is on: read back where the board can, else what was set last.
    fn is_on(&self) -> bool;
}
