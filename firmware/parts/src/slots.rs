//! Model slots in flash, read in place; which one is selected stands in a map of `sequential-storage`, which a power cut leaves old or new.

use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use tanbo_board_api::slots::{check_erase, check_write};
use tanbo_board_api::{Lend, Selection, SlotError, Slots};
use tanbo_flash_map::{FlashMap, SLOTS};

use crate::flash::InPlace;

/// Key of the selection, the only one.
const KEY: u16 = 0;
/// Longest item, a multiple of every word up to 32 bytes.
const ITEM_BYTES: usize = 32;

#[repr(align(4))]
struct Buffer([u8; ITEM_BYTES]);

/// A map of the type that a node's store has, so that its code is in an image once.
type Map<'f, F> = MapStorage<u16, &'f mut F, Cache<Uncached, Uncached, Uncached, u16>>;
/// The flash's errors, with those of the map.
pub type Error<E> = sequential_storage::Error<E>;

/// Where it stands which slot is selected, and whether the other one is offered.
pub struct Standing<F: NorFlash> {
    flash: F,
    offsets: Range<u32>,
    word: Option<u16>,
}

impl<F: NorFlash> Standing<F> {
    /// Reads what stands at these offsets of `flash`. What cannot be read is erased: then no slot is selected, as in a new board.
    ///
    /// # Errors
    /// The flash's.
    pub async fn open(flash: F, offsets: Range<u32>) -> Result<Self, Error<F::Error>> {
        let mut this = Self { flash, offsets, word: None };
        let mut map = this.map();
        let mut buffer = Buffer([0; ITEM_BYTES]);
        let word = match map.fetch_item::<u16>(&mut buffer.0, &KEY).await {
            Ok(word) => word,
            Err(Error::Corrupted { .. }) => {
                map.erase_all().await?;
                None
            }
            Err(error) => return Err(error),
        };
        this.word = word.filter(|word| Selection::from_word(*word, SLOTS).is_some());
        Ok(this)
    }

    fn map(&mut self) -> Map<'_, F> {
        Map::new(&mut self.flash, MapConfig::new(self.offsets.clone()), Cache::new_uncached())
    }

    /// Returns what was selected last.
    pub fn selected(&self) -> Option<Selection> {
        self.word.and_then(|word| Selection::from_word(word, SLOTS))
    }

    /// Returns the idle slot if it is offered ([`Slots::offered`]).
    pub fn offered(&self) -> Option<u8> {
        self.selected().filter(|_| self.word.is_some_and(Selection::offers)).map(Selection::idle)
    }

    /// Selects; a power cut leaves the old selection or the new one.
    ///
    /// # Errors
    /// The flash's.
    pub async fn select(&mut self, selection: Selection) -> Result<(), Error<F::Error>> {
        self.put(selection.to_word()).await
    }

    /// Offers the idle slot; returns its number. Where none is selected, the second one is from now on, so that the first is idle.
    ///
    /// # Errors
    /// The flash's.
    pub async fn offer(&mut self) -> Result<u8, Error<F::Error>> {
        let selection = self.selected().unwrap_or(Selection { slot: SLOTS - 1, trial: false });
        self.put(selection.to_word_with_offer()).await?;
        Ok(selection.idle())
    }

    async fn put(&mut self, word: u16) -> Result<(), Error<F::Error>> {
        self.map().store_item(&mut Buffer([0; ITEM_BYTES]).0, &KEY, &word).await?;
        self.word = Some(word);
        Ok(())
    }

    /// Returns the flash.
    pub fn release(self) -> F {
        self.flash
    }
}

/// The slots of a board.
pub struct FlashSlots<F: InPlace> {
    /// A way to the flash that only reads, so that a slot can be lent.
    reader: F,
    rest: Rest<F>,
}

/// The slots while one is read.
pub struct Rest<F: InPlace> {
    flash: F,
    standing: Standing<F>,
    map: &'static FlashMap,
    lent: Option<u8>,
}

impl<F: InPlace + Clone> FlashSlots<F> {
    /// Opens the slots of `map`. A selection that cannot be read is erased: then none is selected, as in a new board.
    ///
    /// # Errors
    /// The flash's.
    pub async fn open(flash: F, map: &'static FlashMap) -> Result<Self, Error<F::Error>> {
        let standing = Standing::open(flash.clone(), map.offsets(map.selection())).await?;
        let reader = flash.clone();
        Ok(Self { reader, rest: Rest { flash, standing, map, lent: None } })
    }
}

impl<F: InPlace> Rest<F> {
    fn check_lent(&self, slot: u8) -> Result<(), SlotError<Error<F::Error>>> {
        if self.lent == Some(slot) { Err(SlotError::InUse) } else { Ok(()) }
    }

    /// Returns the offset of a slot's byte.
    fn offset(&self, slot: u8, at: usize) -> Result<u32, SlotError<Error<F::Error>>> {
        let addresses = self.map.slot(slot).ok_or(SlotError::NoSlot { slot })?;
        Ok(self.map.offsets(addresses).start + at as u32)
    }
}

fn device<E>(value: E) -> SlotError<Error<E>> {
    SlotError::Device(Error::Storage { value })
}

impl<F: InPlace> Slots for Rest<F> {
    type Error = Error<F::Error>;

    fn count(&self) -> u8 {
        SLOTS
    }

    fn slot_bytes(&self) -> usize {
        self.map.slot_bytes() as usize
    }

    fn write_bytes(&self) -> usize {
        F::WRITE_SIZE
    }

    fn bytes(&self, slot: u8) -> &[u8] {
        in_place(&self.flash, self.map, slot)
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<Self::Error>> {
        check_erase(self, slot)?;
        self.check_lent(slot)?;
        let start = self.offset(slot, 0)?;
        self.flash.erase(start, start + self.map.slot_bytes()).await.map_err(device)
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<Self::Error>> {
        check_write(self, slot, at, bytes.len())?;
        self.check_lent(slot)?;
        let offset = self.offset(slot, at)?;
        self.flash.write(offset, bytes).await.map_err(device)
    }

    fn selected(&self) -> Option<Selection> {
        self.standing.selected()
    }

    fn offered(&self) -> Option<u8> {
        self.standing.offered()
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<Self::Error>> {
        check_write(self, selection.slot, 0, 0)?;
        self.standing.select(selection).await.map_err(SlotError::Device)
    }
}

/// Returns a slot's bytes where they lie.
fn in_place<'f, F: InPlace>(flash: &'f F, map: &FlashMap, slot: u8) -> &'f [u8] {
    map.slot(slot).map_or(&[], |addresses| flash.in_place(map.offsets(addresses)))
}

impl<F: InPlace> Slots for FlashSlots<F> {
    type Error = Error<F::Error>;

    fn count(&self) -> u8 {
        self.rest.count()
    }

    fn slot_bytes(&self) -> usize {
        self.rest.slot_bytes()
    }

    fn write_bytes(&self) -> usize {
        self.rest.write_bytes()
    }

    fn bytes(&self, slot: u8) -> &[u8] {
        self.rest.bytes(slot)
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<Self::Error>> {
        self.rest.lent = None;
        self.rest.erase(slot).await
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<Self::Error>> {
        self.rest.lent = None;
        self.rest.write(slot, at, bytes).await
    }

    fn selected(&self) -> Option<Selection> {
        self.rest.selected()
    }

    fn offered(&self) -> Option<u8> {
        self.rest.offered()
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<Self::Error>> {
        self.rest.select(selection).await
    }
}

impl<F: InPlace> Lend for FlashSlots<F> {
    type Rest<'s>
        = &'s mut Rest<F>
    where
        Self: 's;

    fn lend(&mut self, slot: Option<u8>) -> (&[u8], Self::Rest<'_>) {
        let Self { reader, rest } = self;
        rest.lent = slot;
        (slot.map_or(&[], |slot| in_place(reader, rest.map, slot)), rest)
    }
}
