#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use core::cell::RefCell;
use core::fmt;
use core::ops::Range;

use embassy_boot::{AlignedBuffer, BlockingFirmwareState, FirmwareUpdaterError, State};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_sync::blocking_mutex::{Mutex, raw::NoopRawMutex};
use embedded_storage::nor_flash::{NorFlash, NorFlashError as _, NorFlashErrorKind};
use tanbo_flash_map::{FlashMap, Updates};
use tanbo_release::{Firmware, Name, PublicKey, ReleaseError, verify_firmware};

/// Longest word of a flash, bytes.
const WORD_BYTES: usize = 32;

/// Why an update is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateError {
    /// Its signature, or what it signs.
    Release(ReleaseError),
    /// It is for another board.
    Board(Name),
    /// Its version is not above that of the firmware that runs.
    Older {
        /// The update's.
        version: u32,
        /// The least that is taken.
        least: u32,
    },
    /// It does not fit.
    TooLong {
        /// Its length, bytes.
        bytes: usize,
        /// Room for an image with its record, bytes.
        room: usize,
    },
    /// The firmware that runs is on trial: what lies beside it is what it is taken back to.
    OnTrial,
    /// The flash.
    Flash(NorFlashErrorKind),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(error) => error.fmt(f),
            Self::Board(name) => write!(f, "the firmware is for the board '{name}'"),
            Self::Older { version, least } => write!(f, "version {version}; the least that is taken is {least}"),
            Self::TooLong { bytes, room } => write!(f, "{bytes} bytes; there is room for {room}"),
            Self::OnTrial => f.write_str("the firmware that runs has not confirmed itself yet"),
            Self::Flash(kind) => write!(f, "flash: {kind:?}"),
        }
    }
}

impl core::error::Error for UpdateError {}

impl From<FirmwareUpdaterError> for UpdateError {
    fn from(error: FirmwareUpdaterError) -> Self {
        match error {
            FirmwareUpdaterError::Flash(kind) => Self::Flash(kind),
            // What embassy-boot checks itself is not asked of it.
            FirmwareUpdaterError::BadState | FirmwareUpdaterError::Signature(_) => Self::OnTrial,
        }
    }
}

/// The firmware's side of updates. Nobody else writes its parts of the flash.
pub struct FirmwareUpdates<F> {
    flash: Mutex<NoopRawMutex, RefCell<F>>,
    /// By offsets, as the driver counts.
    state: Range<u32>,
    dfu: Range<u32>,
    /// Bytes of an image with its record.
    room: u32,
}

impl<F: NorFlash> FirmwareUpdates<F> {
    /// Returns the updates of a board.
    pub fn new(flash: F, map: &FlashMap, parts: &Updates) -> Self {
        Self {
            flash: Mutex::new(RefCell::new(flash)),
            state: map.offsets(parts.state.clone()),
            dfu: map.offsets(parts.dfu.clone()),
            room: parts.active.end - parts.active.start,
        }
    }

    /// Returns the flash.
    pub fn release(self) -> F {
        self.flash.into_inner().into_inner()
    }

    fn part(&self, range: &Range<u32>) -> BlockingPartition<'_, NoopRawMutex, F> {
        BlockingPartition::new(&self.flash, range.start, range.end - range.start)
    }

    fn state<T>(
        &self,
        work: impl FnOnce(&mut BlockingFirmwareState<'_, BlockingPartition<'_, NoopRawMutex, F>>) -> T,
    ) -> T {
        const { assert!(F::WRITE_SIZE <= WORD_BYTES, "longer words") };
        let mut buffer = AlignedBuffer([0; WORD_BYTES]);
        let word = buffer.0.get_mut(..F::WRITE_SIZE).unwrap_or_default();
        work(&mut BlockingFirmwareState::new(self.part(&self.state), word))
    }

    /// Returns whether the firmware that runs was swapped in and has not confirmed itself: it tests itself now. Where it fails or hangs, the
    /// next start takes it back.
    ///
    /// # Errors
    /// [`UpdateError::Flash`].
    pub fn on_trial(&mut self) -> Result<bool, UpdateError> {
        Ok(self.state(|state| state.get_state())? == State::Swap)
    }

    /// Keeps the firmware that runs.
    ///
    /// # Errors
    /// [`UpdateError::Flash`].
    pub fn confirm(&mut self) -> Result<(), UpdateError> {
        Ok(self.state(|state| state.mark_booted())?)
    }

    /// Writes whole words of an update, one part after the other from 0 on. A page is erased when its first word is written.
    ///
    /// # Errors
    /// [`UpdateError::OnTrial`], [`UpdateError::TooLong`], [`UpdateError::Flash`].
    pub fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), UpdateError> {
        if self.on_trial()? {
            return Err(UpdateError::OnTrial);
        }
        let end = at as usize + bytes.len();
        if end > self.room as usize {
            return Err(UpdateError::TooLong { bytes: end, room: self.room as usize });
        }
        let mut dfu = self.part(&self.dfu);
        let (page, mut at, mut rest) = (F::ERASE_SIZE as u32, at, bytes);
        let flash = |error: embassy_embedded_hal::flash::partition::Error<F::Error>| UpdateError::Flash(error.kind());
        while !rest.is_empty() {
            let left = (page - at % page) as usize;
            let (part, more) = rest.split_at_checked(left).unwrap_or((rest, &[]));
            if left == page as usize {
                dfu.erase(at, at + page).map_err(flash)?;
            }
            dfu.write(at, part).map_err(flash)?;
            at += part.len() as u32;
            rest = more;
        }
        Ok(())
    }

    /// Checks an update that is written whole, `update` being its bytes where they lie in flash, and asks the boot loader to swap at the next
    /// start.
    ///
    /// # Errors
    /// [`UpdateError`]: the first thing that is wrong; nothing is asked for.
    pub fn stage(
        &mut self,
        update: &[u8],
        keys: &[PublicKey],
        board: Name,
        least: u32,
    ) -> Result<Firmware, UpdateError> {
        if self.on_trial()? {
            return Err(UpdateError::OnTrial);
        }
        let room = self.room as usize;
        if update.len() > room {
            return Err(UpdateError::TooLong { bytes: update.len(), room });
        }
        let firmware = verify_firmware(update, keys).map_err(UpdateError::Release)?;
        if firmware.name != board {
            return Err(UpdateError::Board(firmware.name));
        }
        if firmware.version < least {
            return Err(UpdateError::Older { version: firmware.version, least });
        }
        self.state(|state| state.mark_updated())?;
        Ok(firmware)
    }
}
