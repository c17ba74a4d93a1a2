#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

mod error;
mod fault;
mod versions;

use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
pub use error::StoreError;
pub use fault::{FAULTS, Fault};
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use tanbo_wire::{Window, v1::Ack};
pub use versions::Versions;

/// Longest record of an event, bytes.
pub const RECORD_BYTES: usize = 56;
/// Number of settings: their keys are below it.
pub const SETTINGS: u16 = 64;

/// Keys of the map. A setting has its own number.
mod key {
    /// The first event's; as many as the store has places for events follow.
    pub const EVENTS: u16 = 0x4000;
    /// The first fault's.
    pub const FAULTS: u16 = 0x8000;
    /// Ceiling of the frame counter.
    pub const CEILING: u16 = 0xc000;
    /// Numbers accepted from the gateway.
    pub const WINDOW: u16 = 0xc001;
    /// Starts of the node.
    pub const STARTS: u16 = 0xc002;
    /// Versions of models.
    pub const VERSIONS: u16 = 0xc003;
}

/// Length of a key in flash.
const KEY_BYTES: usize = 2;
/// Longest value: an event's number and record.
const VALUE_BYTES: usize = 4 + RECORD_BYTES;
/// Longest item, a multiple of every word up to 32 bytes.
const ITEM_BYTES: usize = (KEY_BYTES + VALUE_BYTES).next_multiple_of(32);

#[repr(align(4))]
struct Buffer([u8; ITEM_BYTES]);

impl Buffer {
    const fn new() -> Self {
        Self([0; ITEM_BYTES])
    }
}

type Map<F> = MapStorage<u16, F, Cache<Uncached, Uncached, Uncached, u16>>;

/// Returns the versions of models in a store that nobody has opened, without counting a start; what a cut left of a page is repaired.
///
/// # Errors
/// As [`Store::open`].
pub async fn versions<F: NorFlash>(flash: F, range: Range<u32>) -> Result<Versions, StoreError<F::Error>> {
    let config = MapConfig::try_new(range).map_err(|_| StoreError::Geometry { needed: 0, room: 0 })?;
    let mut map: Map<F> = MapStorage::new(flash, config, Cache::new_uncached());
    let mut buffer = Buffer::new();
    let Some(value) = map.fetch_item::<&[u8]>(&mut buffer.0, &key::VERSIONS).await? else {
        return Ok(Versions::default());
    };
    value.try_into().map(Versions::from_bytes).map_err(|_| StoreError::Corrupt)
}

/// Everything that a node keeps, with places for `EVENTS` events.
pub struct Store<F: NorFlash, const EVENTS: usize> {
    map: Map<F>,
    /// Number of the event in each place.
    events: [Option<u32>; EVENTS],
    /// Number of the next fault.
    next_fault: u32,
    ceiling: u32,
    window: Window,
    starts: u32,
    versions: Versions,
}

impl<F: NorFlash, const EVENTS: usize> Store<F, EVENTS> {
    /// Opens what lies in `range` of `flash`, erased at first, repairs what a cut left, and counts a start.
    ///
    /// # Errors
    /// [`StoreError::Geometry`] for a range that is no two pages or cannot hold everything at once;
    /// [`StoreError::Corrupt`] for what no store has written: [`Store::format`]; [`StoreError::Flash`].
    pub async fn open(flash: F, range: Range<u32>) -> Result<Self, StoreError<F::Error>> {
        let config = Self::config(range)?;
        let map = MapStorage::new(flash, config, Cache::new_uncached());
        let events = [None; EVENTS];
        let mut store = Self {
            map,
            events,
            next_fault: 0,
            ceiling: 0,
            window: Window::default(),
            starts: 0,
            versions: Versions::default(),
        };
        store.load().await?;
        store.starts = store.starts.wrapping_add(1);
        store.put(key::STARTS, &store.starts.to_le_bytes()).await?;
        Ok(store)
    }

    /// Erases `range` and opens it: everything in it is gone, the counter too, so the node needs a new key.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn format(mut flash: F, range: Range<u32>) -> Result<Self, StoreError<F::Error>> {
        Self::config(range.clone())?;
        flash.erase(range.start, range.end).await.map_err(StoreError::Flash)?;
        Self::open(flash, range).await
    }

    /// Returns the flash.
    pub fn release(self) -> F {
        self.map.destroy().0
    }

    fn config(range: Range<u32>) -> Result<MapConfig<F>, StoreError<F::Error>> {
        let word = F::WRITE_SIZE.max(F::READ_SIZE).max(1);
        let item = |value: usize| {
            let overhead = Map::<F>::item_overhead_size() as usize;
            overhead + (KEY_BYTES + value).next_multiple_of(word)
        };
        let live = EVENTS * item(VALUE_BYTES)
            + usize::from(SETTINGS) * item(4)
            + FAULTS * item(fault::BYTES)
            + item(4) * 2
            + item(Window::BYTES)
            + item(Versions::BYTES);
        // One page is always on its way to being erased; the marks and the rest that the next item did not fit into are lost in each.
        let pages = range.len() / F::ERASE_SIZE.max(1);
        let usable = F::ERASE_SIZE.saturating_sub(2 * word + item(VALUE_BYTES));
        let room = pages.saturating_sub(1) * usable;
        let config = MapConfig::try_new(range).ok().filter(|_| live < room);
        config.ok_or(StoreError::Geometry { needed: live, room })
    }

    async fn load(&mut self) -> Result<(), StoreError<F::Error>> {
        let mut buffer = Buffer::new();
        // Repairs what a cut left of a page, which the iterator of sequential-storage 8.0.2 reports as corrupt instead.
        self.map.fetch_item::<&[u8]>(&mut buffer.0, &key::STARTS).await?;
        let mut items = self.map.fetch_all_items(&mut buffer.0).await?;
        // Of several items with one key the last one holds.
        while let Some((key, value)) = items.next::<&[u8]>(&mut buffer.0).await? {
            let word = value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            match key {
                key::CEILING => self.ceiling = word.ok_or(StoreError::Corrupt)?,
                key::STARTS => self.starts = word.ok_or(StoreError::Corrupt)?,
                key::WINDOW => {
                    self.window = Window::from_bytes(value.try_into().map_err(|_| StoreError::Corrupt)?);
                }
                key::VERSIONS => {
                    self.versions = Versions::from_bytes(value.try_into().map_err(|_| StoreError::Corrupt)?);
                }
                key::FAULTS.. => {
                    let number = word.ok_or(StoreError::Corrupt)?;
                    self.next_fault = self.next_fault.max(number.wrapping_add(1));
                }
                key::EVENTS.. => {
                    let place = usize::from(key - key::EVENTS);
                    // A store with more places wrote it.
                    *self.events.get_mut(place).ok_or(StoreError::Corrupt)? = word;
                }
                // A setting: read when it is asked for.
                _ => {}
            }
        }
        Ok(())
    }

    async fn put(&mut self, key: u16, value: &[u8]) -> Result<(), StoreError<F::Error>> {
        Ok(self.map.store_item(&mut Buffer::new().0, &key, &value).await?)
    }

    /// Copies the value of `key` to `into`; its length.
    async fn get(&mut self, key: u16, into: &mut [u8]) -> Result<Option<usize>, StoreError<F::Error>> {
        let mut buffer = Buffer::new();
        let Some(value) = self.map.fetch_item::<&[u8]>(&mut buffer.0, &key).await? else { return Ok(None) };
        into.get_mut(..value.len()).ok_or(StoreError::TooLong { bytes: value.len() })?.copy_from_slice(value);
        Ok(Some(value.len()))
    }

    /// Returns how often the node has started, this time included, modulo 2³².
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Keeps the event of frame `number` until it is acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Full`] where every place has an event that is not acknowledged; [`StoreError::TooLong`] beyond
    /// [`RECORD_BYTES`]; [`StoreError::Flash`]. It may be there after a cut.
    pub async fn push(&mut self, number: u32, record: &[u8]) -> Result<(), StoreError<F::Error>> {
        let mut value = [0; VALUE_BYTES];
        let parts = number.to_le_bytes().into_iter().chain(record.iter().copied());
        let len = 4 + record.len();
        let room = value.get_mut(..len).ok_or(StoreError::TooLong { bytes: record.len() })?;
        room.iter_mut().zip(parts).for_each(|(to, byte)| *to = byte);
        let place = self.events.iter().position(Option::is_none).ok_or(StoreError::Full)?;
        self.put(key::EVENTS + place as u16, value.get(..len).unwrap_or_default()).await?;
        if let Some(event) = self.events.get_mut(place) {
            *event = Some(number);
        }
        Ok(())
    }

    /// Returns the numbers of all events that are not acknowledged, in no order.
    pub fn waiting(&self) -> impl Iterator<Item = u32> {
        self.events.iter().copied().flatten()
    }

    /// Copies the record of event `number` to `into`; its length, `None` if there is no such event.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] where `into` is shorter; [`StoreError::Corrupt`], [`StoreError::Flash`].
    pub async fn event(&mut self, number: u32, into: &mut [u8]) -> Result<Option<usize>, StoreError<F::Error>> {
        let Some(place) = self.events.iter().position(|event| *event == Some(number)) else { return Ok(None) };
        let mut value = [0; VALUE_BYTES];
        let len = self.get(key::EVENTS + place as u16, &mut value).await?.ok_or(StoreError::Corrupt)?;
        let record = value.get(4..len).ok_or(StoreError::Corrupt)?;
        into.get_mut(..record.len()).ok_or(StoreError::TooLong { bytes: record.len() })?.copy_from_slice(record);
        Ok(Some(record.len()))
    }

    /// Forgets the events that `ack` confirms; how many there were.
    ///
    /// # Errors
    /// [`StoreError::Flash`]: some may be forgotten.
    pub async fn acknowledge(&mut self, ack: Ack) -> Result<usize, StoreError<F::Error>> {
        let mut forgotten = 0;
        for number in ack.numbers() {
            let Some(place) = self.events.iter().position(|event| *event == Some(number)) else { continue };
            // Nothing in place of the event: flash whose words are written once cannot take it out.
            self.put(key::EVENTS + place as u16, &[]).await?;
            if let Some(event) = self.events.get_mut(place) {
                *event = None;
            }
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Returns a setting, `None` if it was never set.
    ///
    /// # Errors
    /// [`StoreError::NoSetting`], [`StoreError::Corrupt`], [`StoreError::Flash`].
    pub async fn setting(&mut self, key: u16) -> Result<Option<i32>, StoreError<F::Error>> {
        if key >= SETTINGS {
            return Err(StoreError::NoSetting { key });
        }
        let mut value = [0; 4];
        match self.get(key, &mut value).await? {
            None => Ok(None),
            Some(4) => Ok(Some(i32::from_le_bytes(value))),
            Some(_) => Err(StoreError::Corrupt),
        }
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// [`StoreError::NoSetting`], [`StoreError::Flash`]. After a cut it has the old value or this one.
    pub async fn set(&mut self, key: u16, value: i32) -> Result<(), StoreError<F::Error>> {
        if key >= SETTINGS {
            return Err(StoreError::NoSetting { key });
        }
        self.put(key, &value.to_le_bytes()).await
    }

    /// Returns the ceiling that was stored last: where [`tanbo_wire::Counter::resume`] goes on.
    pub fn ceiling(&self) -> u32 {
        self.ceiling
    }

    /// Stores a ceiling `block` above the last one and returns it, for [`tanbo_wire::Counter::reserved`].
    ///
    /// # Errors
    /// [`StoreError::NumbersUsedUp`], [`StoreError::Flash`].
    pub async fn reserve(&mut self, block: u32) -> Result<u32, StoreError<F::Error>> {
        let ceiling = self.ceiling.checked_add(block).ok_or(StoreError::NumbersUsedUp)?;
        self.put(key::CEILING, &ceiling.to_le_bytes()).await?;
        self.ceiling = ceiling;
        Ok(ceiling)
    }

    /// Returns the numbers accepted from the gateway.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Stores the numbers accepted from the gateway: before the node does what the last of them asks for.
    ///
    /// # Errors
    /// [`StoreError::Flash`].
    pub async fn accept(&mut self, window: Window) -> Result<(), StoreError<F::Error>> {
        self.put(key::WINDOW, &window.to_bytes()).await?;
        self.window = window;
        Ok(())
    }

    /// Returns which versions of models were committed and tried.
    pub fn versions(&self) -> Versions {
        self.versions
    }

    /// Stores which versions of models were committed and tried.
    ///
    /// # Errors
    /// [`StoreError::Flash`]: after a cut the old ones or these.
    pub async fn set_versions(&mut self, versions: Versions) -> Result<(), StoreError<F::Error>> {
        self.put(key::VERSIONS, &versions.to_bytes()).await?;
        self.versions = versions;
        Ok(())
    }

    /// Keeps a fault; the oldest of [`FAULTS`] goes.
    ///
    /// # Errors
    /// [`StoreError::Flash`].
    pub async fn fault(&mut self, fault: Fault) -> Result<(), StoreError<F::Error>> {
        let number = self.next_fault;
        self.put(fault::key(number), &fault.to_bytes(number)).await?;
        self.next_fault = number.wrapping_add(1);
        Ok(())
    }

    /// Returns the fault that is `age` faults old, 0 for the last one; `None` beyond those kept.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Flash`].
    pub async fn past_fault(&mut self, age: u32) -> Result<Option<Fault>, StoreError<F::Error>> {
        let Some(number) = self.next_fault.checked_sub(age).and_then(|next| next.checked_sub(1)) else {
            return Ok(None);
        };
        if age as usize >= FAULTS {
            return Ok(None);
        }
        let mut value = [0; fault::BYTES];
        match self.get(fault::key(number), &mut value).await? {
            Some(fault::BYTES) => Ok(Some(Fault::from_bytes(value))),
            _ => Err(StoreError::Corrupt),
        }
    }
}
