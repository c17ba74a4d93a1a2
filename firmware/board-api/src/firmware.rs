//! Firmware that comes over the link, on boards behind a boot loader.

/// Why firmware is not taken: a number that frames and the fault log have. `tanbo_wire::v1::refusal` has the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u8);

impl Refused {
    /// The firmware that runs is on trial, or another is to be swapped in.
    pub const BUSY: Self = Self(43);
    /// The node has no boot loader.
    pub const NO_LOADER: Self = Self(44);
}

/// What a node asks of a board for updates of its firmware; `()` takes none.
///
/// The node writes an update beside the firmware that runs, has it checked, and restarts: the boot loader swaps them. The new one is on trial
/// until it has confirmed itself; a restart before that takes it back.
pub trait Firmware {
    /// Returns whether the firmware that runs is on trial.
    fn on_trial(&mut self) -> bool;

    /// Returns whether the firmware that runs came as this update: its version, its length with what is signed, and the SHA-256 of all that.
    fn runs(&mut self, version: u32, bytes: usize, hash: &[u8; 32]) -> bool;

    /// Returns the version of the firmware that runs; 0 for one that came by a programmer, without a signature.
    fn version(&mut self) -> u32;

    /// Says whether an update that is said to be like that would be taken.
    ///
    /// # Errors
    /// [`Refused`].
    fn admit(&mut self, version: u32, bytes: usize) -> Result<(), Refused>;

    /// Writes a part of an update, one after the other from 0 on. Parts are whole words of the flash.
    ///
    /// # Errors
    /// [`Refused`]: flash that does not hold it.
    fn write(&mut self, at: usize, part: &[u8]) -> Result<(), Refused>;

    /// Checks the update of `bytes` bytes that was written, and has the boot loader swap it in at the next start; returns its version.
    ///
    /// # Errors
    /// [`Refused`]: the first thing that is wrong; the firmware that runs stays.
    fn stage(&mut self, bytes: usize) -> Result<u32, Refused>;

    /// Keeps the firmware that runs.
    ///
    /// # Errors
    /// [`Refused`]: flash that cannot be written.
    fn confirm(&mut self) -> Result<(), Refused>;
}

impl Firmware for () {
    fn on_trial(&mut self) -> bool {
        false
    }

    fn runs(&mut self, _: u32, _: usize, _: &[u8; 32]) -> bool {
        false
    }

    fn version(&mut self) -> u32 {
        0
    }

    fn admit(&mut self, _: u32, _: usize) -> Result<(), Refused> {
        Err(Refused::NO_LOADER)
    }

    fn write(&mut self, _: usize, _: &[u8]) -> Result<(), Refused> {
        Err(Refused::NO_LOADER)
    }

    fn stage(&mut self, _: usize) -> Result<u32, Refused> {
        Err(Refused::NO_LOADER)
    }

    fn confirm(&mut self) -> Result<(), Refused> {
        Ok(())
    }
}
