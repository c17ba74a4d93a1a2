//! What is written to flash as the supply falls, on what a capacitor still holds.

use core::cell::RefCell;
use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use embassy_sync::blocking_mutex::{Mutex, raw::CriticalSectionRawMutex};
use embedded_storage::nor_flash::NorFlash;
use tanbo_board_api::{BrownoutError, LAST_WORDS_BYTES, ResetCause};

/// Length of a record, a multiple of what any flash writes at once up to 16 bytes: length, words, check.
const RECORD_BYTES: usize = 80;
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
/// Place of the check, at the end.
const CHECK_AT: usize = RECORD_BYTES - 4;

/// A page for last words.
#[derive(Debug)]
pub struct LastWords<F> {
    flash: F,
    page: Range<u32>,
    /// Something lies there.
    used: bool,
    /// What a falling supply writes; nothing before it is set, or when it has been written.
    armed: Option<[u8; RECORD_BYTES]>,
}

impl<F: NorFlash> LastWords<F> {
    /// Reads what was written last in `page` of `flash`, whole pages, where it stays until something is set. Words that the supply did not
    /// reach to the end of are none.
    ///
    /// # Errors
    /// The flash's.
    pub fn open(mut flash: F, page: Range<u32>) -> Result<(Self, Words), F::Error> {
        let mut record = [0; RECORD_BYTES];
        flash.read(page.start, &mut record)?;
        let used = record.iter().any(|byte| *byte != 0xff);
        Ok((Self { flash, page, used, armed: None }, Words::read(record)))
    }

    /// Sets what will be written, in place of what was.
    ///
    /// # Errors
    /// [`BrownoutError::TooLong`], [`BrownoutError::Memory`].
    pub fn arm(&mut self, words: &[u8]) -> Result<(), BrownoutError> {
        let mut record = [0; RECORD_BYTES];
        let too_long = BrownoutError::TooLong { bytes: words.len() };
        let [len, rest @ ..] = &mut record;
        rest.get_mut(..LAST_WORDS_BYTES)
            .and_then(|room| room.get_mut(..words.len()))
            .ok_or(too_long)?
            .copy_from_slice(words);
        *len = words.len() as u8;
        let check = CRC.checksum(record.get(..CHECK_AT).unwrap_or_default());
        if let Some(to) = record.last_chunk_mut() {
            *to = check.to_le_bytes();
        }
        if self.used {
            self.flash.erase(self.page.start, self.page.end).map_err(|_| BrownoutError::Memory)?;
            self.used = false;
        }
        self.armed = Some(record);
        Ok(())
    }

    /// Writes what is set, once after it was set. From the interrupt of a falling supply.
    pub fn write(&mut self) {
        if let Some(record) = self.armed.take() {
            self.used = true;
            // Nobody is left to be told.
            let _ = self.flash.write(self.page.start, &record);
        }
    }
}

/// Last words for a static: the firmware sets them, the interrupt writes them.
#[derive(Debug)]
pub struct Guarded<F>(Mutex<CriticalSectionRawMutex, RefCell<Option<LastWords<F>>>>);

impl<F: NorFlash> Guarded<F> {
    /// Returns a place for them.
    pub const fn new() -> Self {
        Self(Mutex::new(RefCell::new(None)))
    }

    /// Puts them there.
    pub fn set(&self, last_words: LastWords<F>) {
        self.0.lock(|own| own.replace(Some(last_words)));
    }

    /// As [`LastWords::arm`].
    ///
    /// # Errors
    /// [`BrownoutError`]; [`BrownoutError::Unsupported`] before [`Guarded::set`].
    pub fn arm(&self, words: &[u8]) -> Result<(), BrownoutError> {
        self.0.lock(|own| own.borrow_mut().as_mut().map_or(Err(BrownoutError::Unsupported), |own| own.arm(words)))
    }

    /// As [`LastWords::write`].
    pub fn write(&self) {
        self.0.lock(|own| {
            if let Some(own) = own.borrow_mut().as_mut() {
                own.write();
            }
        });
    }
}

impl<F: NorFlash> Default for Guarded<F> {
    fn default() -> Self {
        Self::new()
    }
}

/// Last words of the life before.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    record: [u8; RECORD_BYTES],
    len: usize,
}

impl Words {
    fn read(record: [u8; RECORD_BYTES]) -> Self {
        let len = usize::from(record.first().copied().unwrap_or(0));
        let check = record.last_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let whole = check == Some(CRC.checksum(record.get(..CHECK_AT).unwrap_or_default())) && len <= LAST_WORDS_BYTES;
        Self { record, len: if whole { len } else { 0 } }
    }

    /// Returns whether there were none, or they were taken.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns why the board started, of a chip that says of a supply that fell the same as of one that came: whoever left last words saw it
    /// fall.
    pub const fn explain(&self, cause: ResetCause) -> ResetCause {
        if matches!(cause, ResetCause::PowerOn) && !self.is_empty() { ResetCause::BrownOut } else { cause }
    }

    /// Returns the words, once; empty if there were none.
    pub fn take(&mut self) -> &[u8] {
        let len = core::mem::take(&mut self.len);
        self.record.get(1..=len).unwrap_or_default()
    }
}
