#![doc = include_str!("../README.md")]
#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod error;
mod loader;

pub use embassy_boot::BootError;
pub use error::UpdateError;
pub use loader::prepare;
#[cfg(all(target_os = "none", target_arch = "arm"))]
pub use loader::start;

use core::cell::RefCell;
use core::ops::Range;

use embassy_boot::{AlignedBuffer, BlockingFirmwareState, State};
use embassy_embedded_hal::flash::partition::{BlockingPartition, Error};
use embassy_sync::blocking_mutex::{Mutex, raw::NoopRawMutex};
use embedded_storage::nor_flash::{NorFlash, NorFlashError as _, ReadNorFlash as _};
use sha2::{Digest as _, Sha256};
use tanbo_board_api::Refused;
use tanbo_flash_map::{FlashMap, Updates};
use tanbo_release::{
    FIRMWARE_RECORD_BYTES, FIRMWARE_WORD_BYTES, Firmware, FirmwareImage, Name, PublicKey, ReleaseError, stated_firmware,
};

/// Bytes that are read at once.
const READ_BYTES: usize = 256;

/// The firmware's side of updates. Nobody else writes its parts of the flash.
pub struct FirmwareUpdates<'k, F> {
    flash: Mutex<NoopRawMutex, RefCell<F>>,
    /// By offsets, as the driver counts.
    state: Range<u32>,
    active: Range<u32>,
    dfu: Range<u32>,
    /// Which board it is.
    board: Name,
    /// Who may sign.
    keys: &'k [PublicKey],
}

type Part<'a, F> = BlockingPartition<'a, NoopRawMutex, F>;

impl<'k, F: NorFlash> FirmwareUpdates<'k, F> {
    /// Returns the updates of a board that is called `board` and trusts `keys`.
    pub fn new(flash: F, map: &FlashMap, parts: &Updates, board: Name, keys: &'k [PublicKey]) -> Self {
        Self {
            flash: Mutex::new(RefCell::new(flash)),
            state: map.offsets(parts.state.clone()),
            active: map.offsets(parts.active.clone()),
            dfu: map.offsets(parts.dfu.clone()),
            board,
            keys,
        }
    }

    /// Returns the flash.
    pub fn release(self) -> F {
        self.flash.into_inner().into_inner()
    }

    fn part(&self, range: &Range<u32>) -> Part<'_, F> {
        BlockingPartition::new(&self.flash, range.start, range.end - range.start)
    }

    fn state<T>(&self, work: impl FnOnce(&mut BlockingFirmwareState<'_, Part<'_, F>>) -> T) -> T {
        const { assert!(F::WRITE_SIZE <= FIRMWARE_WORD_BYTES, "longer words") };
        let mut buffer = AlignedBuffer([0; FIRMWARE_WORD_BYTES]);
        let word = buffer.0.get_mut(..F::WRITE_SIZE).unwrap_or_default();
        work(&mut BlockingFirmwareState::new(self.part(&self.state), word))
    }

    /// Hands the first `bytes` bytes of a part to `take`, some at a time.
    fn read(&self, range: &Range<u32>, bytes: usize, mut take: impl FnMut(&[u8])) -> Result<(), UpdateError> {
        let (mut part, mut buffer) = (self.part(range), AlignedBuffer([0; READ_BYTES]));
        for at in (0..bytes).step_by(READ_BYTES) {
            let some = buffer.0.get_mut(..READ_BYTES.min(bytes - at)).unwrap_or_default();
            part.read(at as u32, some).map_err(flash)?;
            take(some);
        }
        Ok(())
    }

    /// Returns the bytes for an image with its record.
    fn room(&self) -> usize {
        (self.active.end - self.active.start) as usize
    }

    fn fits(&self, bytes: usize) -> Result<(), UpdateError> {
        let room = self.room();
        if bytes > room { Err(UpdateError::TooLong { bytes, room }) } else { Ok(()) }
    }

    /// Returns whether the firmware that runs was swapped in and has not confirmed itself: it tests itself now. Where it fails or hangs, the
    /// next start takes it back.
    ///
    /// # Errors
    /// [`UpdateError::Flash`].
    pub fn on_trial(&self) -> Result<bool, UpdateError> {
        Ok(self.state(|state| state.get_state())? == State::Swap)
    }

    /// Keeps the firmware that runs.
    ///
    /// # Errors
    /// [`UpdateError::Flash`].
    pub fn confirm(&self) -> Result<(), UpdateError> {
        Ok(self.state(|state| state.mark_booted())?)
    }

    /// Returns what the record behind the firmware that runs says; `None` behind one that a programmer wrote.
    ///
    /// Of several it is the first: what lies behind an image may be left of a longer one.
    ///
    /// # Errors
    /// [`UpdateError::Flash`].
    pub fn running(&self) -> Result<Option<Firmware>, UpdateError> {
        let mut part = self.part(&self.active);
        let mut record = AlignedBuffer([0; FIRMWARE_RECORD_BYTES]);
        let last = self.room().saturating_sub(FIRMWARE_RECORD_BYTES);
        for at in (0..=last).step_by(FIRMWARE_WORD_BYTES) {
            let head = record.0.get_mut(..FIRMWARE_WORD_BYTES).unwrap_or_default();
            part.read(at as u32, head).map_err(flash)?;
            // Where it stands is what a record says of itself.
            let stated = head.get(8..).and_then(|rest| rest.first_chunk().copied()).map(u32::from_le_bytes);
            if stated != Some(at as u32) {
                continue;
            }
            let found = stated_firmware(&record.0, at);
            if found.is_some_and(|firmware| firmware.name == self.board) {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Says whether an update of this version and length, with its record, would be taken.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub fn admit(&self, version: u32, bytes: usize) -> Result<(), UpdateError> {
        self.fits(bytes)?;
        if !bytes.is_multiple_of(FIRMWARE_WORD_BYTES) {
            return Err(UpdateError::Release(ReleaseError::NoRecord));
        }
        let least = self.running()?.map_or(0, |firmware| firmware.version).saturating_add(1);
        if version < least {
            return Err(UpdateError::Older { version, least });
        }
        if self.on_trial()? { Err(UpdateError::OnTrial) } else { Ok(()) }
    }

    /// Writes whole words of an update, one part after the other from 0 on. A page is erased when its first word is written.
    ///
    /// # Errors
    /// [`UpdateError::OnTrial`], [`UpdateError::TooLong`], [`UpdateError::Flash`].
    pub fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), UpdateError> {
        if self.on_trial()? {
            return Err(UpdateError::OnTrial);
        }
        self.fits(at.saturating_add(bytes.len()))?;
        let mut dfu = self.part(&self.dfu);
        let (page, mut at, mut rest) = (F::ERASE_SIZE as u32, at as u32, bytes);
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

    /// Checks the update that was written, its first `bytes` bytes, and asks the boot loader to swap at the next start.
    ///
    /// # Errors
    /// [`UpdateError`]: the first thing that is wrong; nothing is asked for.
    pub fn stage(&mut self, bytes: usize) -> Result<Firmware, UpdateError> {
        self.fits(bytes)?;
        let image_bytes =
            bytes.checked_sub(FIRMWARE_RECORD_BYTES).ok_or(UpdateError::Release(ReleaseError::NoRecord))?;
        let (mut image, mut record) = (FirmwareImage::new(), AlignedBuffer([0; FIRMWARE_RECORD_BYTES]));
        self.read(&self.dfu, image_bytes, |bytes| image.take(bytes))?;
        self.part(&self.dfu).read(image_bytes as u32, &mut record.0).map_err(flash)?;
        let firmware = image.verify(&record.0, self.keys).map_err(UpdateError::Release)?;
        if firmware.name != self.board {
            return Err(UpdateError::Board(firmware.name));
        }
        // What was signed, not what was said of it.
        self.admit(firmware.version, bytes)?;
        self.state(|state| state.mark_updated())?;
        Ok(firmware)
    }
}

fn flash<E: embedded_storage::nor_flash::NorFlashError>(error: Error<E>) -> UpdateError {
    UpdateError::Flash(error.kind())
}

impl<F: NorFlash> tanbo_board_api::Firmware for FirmwareUpdates<'_, F> {
    fn on_trial(&mut self) -> bool {
        // State that cannot be read is confirmed: that fails too, and is told.
        FirmwareUpdates::on_trial(self).unwrap_or(true)
    }

    fn runs(&mut self, version: u32, bytes: usize, hash: &[u8; 32]) -> bool {
        let found = self.running().ok().flatten().filter(|firmware| firmware.version == version);
        if found.is_none_or(|firmware| firmware.image_bytes as usize + FIRMWARE_RECORD_BYTES != bytes) {
            return false;
        }
        let mut digest = Sha256::new();
        self.read(&self.active, bytes, |bytes| digest.update(bytes)).is_ok() && digest.finalize()[..] == hash[..]
    }

    fn version(&mut self) -> u32 {
        self.running().ok().flatten().map_or(0, |firmware| firmware.version)
    }

    fn admit(&mut self, version: u32, bytes: usize) -> Result<(), Refused> {
        Ok(FirmwareUpdates::admit(self, version, bytes)?)
    }

    fn write(&mut self, at: usize, part: &[u8]) -> Result<(), Refused> {
        Ok(FirmwareUpdates::write(self, at, part)?)
    }

    fn stage(&mut self, bytes: usize) -> Result<u32, Refused> {
        Ok(FirmwareUpdates::stage(self, bytes)?.version)
    }

    fn confirm(&mut self) -> Result<(), Refused> {
        Ok(FirmwareUpdates::confirm(self)?)
    }
}
