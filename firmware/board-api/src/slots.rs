//! Places for models, apart from the firmware.

mod memory;

use core::convert::Infallible;
use core::fmt;

pub use memory::{Behind, MemorySlots, SlotMemory};

/// The slot that the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Number of the slot.
    pub slot: u8,
    /// Whether its model is on trial: a reset goes back to the one before.
    pub trial: bool,
}

impl Selection {
    /// Returns the slot that is not selected, of two.
    pub const fn idle(self) -> u8 {
        (self.slot + 1) % 2
    }
}

/// Flash for models. Nothing here looks into a model: hash and signature are checked by the node before it selects.
pub trait Slots {
    /// The memory's errors.
    type Error: fmt::Debug;

    /// Returns how many slots there are, 1 or more.
    fn count(&self) -> u8;

    /// Returns the length of each, bytes.
    fn slot_bytes(&self) -> usize;

    /// Returns the multiple that addresses and lengths of [`Slots::write`] must be of, bytes; a power of two.
    fn write_bytes(&self) -> usize;

    /// Returns a slot's bytes where they lie, aligned to 16; empty for a slot that there is not. Erased bytes are 0xff.
    fn bytes(&self, slot: u8) -> &[u8];

    /// Erases a slot.
    ///
    /// # Errors
    /// [`SlotError`]; a selected slot is [`SlotError::InUse`].
    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<Self::Error>>;

    /// Writes `bytes` at `at`, once after each erase.
    ///
    /// # Errors
    /// [`SlotError`]; after one of the memory's, the slot must be erased.
    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<Self::Error>>;

    /// Returns what was selected last; `None` at first. Outlives a reset.
    fn selected(&self) -> Option<Selection>;

    /// Returns the idle slot if a debug probe has put a model into it while the node stood still: the node is to check it and to try it. The
    /// next selection, whatever it is, ends that.
    fn offered(&self) -> Option<u8> {
        None
    }

    /// Selects; a power cut leaves the old selection or the new one.
    ///
    /// # Errors
    /// [`SlotError`]; the selection stays.
    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<Self::Error>>;
}

/// Slots of which one is read in place while the others are written.
pub trait Lend: Slots {
    /// The slots meanwhile.
    type Rest<'s>: Slots<Error = Self::Error>
    where
        Self: 's;

    /// Returns the bytes of a slot, empty without one, and the slots as they are while those are read: erasing or writing that one is
    /// [`SlotError::InUse`].
    fn lend(&mut self, slot: Option<u8>) -> (&[u8], Self::Rest<'_>);
}

/// No slots: the model is the firmware's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSlots;

impl Slots for NoSlots {
    type Error = Infallible;

    fn count(&self) -> u8 {
        0
    }

    fn slot_bytes(&self) -> usize {
        0
    }

    fn write_bytes(&self) -> usize {
        1
    }

    fn bytes(&self, _: u8) -> &[u8] {
        &[]
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<Infallible>> {
        Err(SlotError::NoSlot { slot })
    }

    async fn write(&mut self, slot: u8, _: usize, _: &[u8]) -> Result<(), SlotError<Infallible>> {
        Err(SlotError::NoSlot { slot })
    }

    fn selected(&self) -> Option<Selection> {
        None
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<Infallible>> {
        Err(SlotError::NoSlot { slot: selection.slot })
    }
}

impl<S: Slots> Slots for &mut S {
    type Error = S::Error;

    fn count(&self) -> u8 {
        S::count(self)
    }

    fn slot_bytes(&self) -> usize {
        S::slot_bytes(self)
    }

    fn write_bytes(&self) -> usize {
        S::write_bytes(self)
    }

    fn bytes(&self, slot: u8) -> &[u8] {
        S::bytes(self, slot)
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<S::Error>> {
        S::erase(self, slot).await
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<S::Error>> {
        S::write(self, slot, at, bytes).await
    }

    fn selected(&self) -> Option<Selection> {
        S::selected(self)
    }

    fn offered(&self) -> Option<u8> {
        S::offered(self)
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<S::Error>> {
        S::select(self, selection).await
    }
}

/// Why a slot was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotError<E> {
    /// No such slot.
    NoSlot {
        /// The number.
        slot: u8,
    },
    /// Beyond the slot's end.
    Beyond {
        /// Where the write would end.
        end: usize,
        /// The slot's length.
        room: usize,
    },
    /// Address or length is not a multiple of [`Slots::write_bytes`].
    Unaligned,
    /// The slot is selected or lent: its model may be running.
    InUse,
    /// The memory's.
    Device(E),
}

impl<E: fmt::Debug> fmt::Display for SlotError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlot { slot } => write!(f, "there is no slot {slot}"),
            Self::Beyond { end, room } => write!(f, "a write up to byte {end} of a slot of {room}"),
            Self::Unaligned => f.write_str("address or length is no multiple of what the memory writes at once"),
            Self::InUse => f.write_str("the slot is in use: select another one first"),
            Self::Device(error) => write!(f, "model memory: {error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for SlotError<E> {}

/// Checks a write against a slot's geometry, for implementations.
///
/// # Errors
/// [`SlotError::NoSlot`], [`SlotError::Unaligned`], [`SlotError::Beyond`].
pub fn check_write<S: Slots + ?Sized>(slots: &S, slot: u8, at: usize, bytes: usize) -> Result<(), SlotError<S::Error>> {
    if slot >= slots.count() {
        return Err(SlotError::NoSlot { slot });
    }
    if !at.is_multiple_of(slots.write_bytes()) || !bytes.is_multiple_of(slots.write_bytes()) {
        return Err(SlotError::Unaligned);
    }
    let (end, room) = (at.saturating_add(bytes), slots.slot_bytes());
    if end > room { Err(SlotError::Beyond { end, room }) } else { Ok(()) }
}

/// Checks an erase, for implementations.
///
/// # Errors
/// [`SlotError::NoSlot`], [`SlotError::InUse`].
pub fn check_erase<S: Slots + ?Sized>(slots: &S, slot: u8) -> Result<(), SlotError<S::Error>> {
    check_write(slots, slot, 0, 0)?;
    if slots.selected().is_some_and(|selection| selection.slot == slot) { Err(SlotError::InUse) } else { Ok(()) }
}
