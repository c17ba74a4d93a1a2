//! Slots in memory that the core reads where it lies; what is behind it keeps them through a reset.

use core::convert::Infallible;
use core::fmt;

use crate::slots::{check_erase, check_write};
use crate::{Lend, Selection, SlotError, Slots};

/// Memory for a slot, erased at first.
#[derive(Clone, Debug)]
#[repr(align(16))]
pub struct SlotMemory<const BYTES: usize>(pub [u8; BYTES]);

impl<const BYTES: usize> SlotMemory<BYTES> {
    /// Erased memory.
    pub const ERASED: Self = Self([0xff; BYTES]);
}

/// What keeps slots through a reset: told after the memory itself has changed.
pub trait Behind {
    /// Its errors.
    type Error: fmt::Debug;

    /// Returns what was selected last.
    fn selected(&self) -> Option<Selection>;

    /// Returns whether the idle slot is offered ([`Slots::offered`]).
    fn offers(&self) -> bool {
        false
    }

    /// Keeps a selection; a power cut leaves the old one or the new one.
    ///
    /// # Errors
    /// Its own; the selection stays.
    async fn select(&mut self, selection: Selection) -> Result<(), Self::Error>;

    /// A slot was erased. Nothing is to be done where the memory itself outlives a reset.
    ///
    /// # Errors
    /// Its own.
    async fn erased(&mut self, _slot: u8) -> Result<(), Self::Error> {
        Ok(())
    }

    /// These bytes stand in a slot at `at` now. As [`Behind::erased`].
    ///
    /// # Errors
    /// Its own.
    async fn written(&mut self, _slot: u8, _at: usize, _bytes: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<B: Behind> Behind for &mut B {
    type Error = B::Error;

    fn selected(&self) -> Option<Selection> {
        B::selected(self)
    }

    fn offers(&self) -> bool {
        B::offers(self)
    }

    async fn select(&mut self, selection: Selection) -> Result<(), B::Error> {
        B::select(self, selection).await
    }

    async fn erased(&mut self, slot: u8) -> Result<(), B::Error> {
        B::erased(self, slot).await
    }

    async fn written(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), B::Error> {
        B::written(self, slot, at, bytes).await
    }
}

/// Nothing is behind: the selection alone is kept, where it is.
impl Behind for Option<Selection> {
    type Error = Infallible;

    fn selected(&self) -> Option<Selection> {
        *self
    }

    async fn select(&mut self, selection: Selection) -> Result<(), Infallible> {
        *self = Some(selection);
        Ok(())
    }
}

/// Bits of the word that a selection is kept as, beside the slot's number.
const TRIAL: u16 = 1 << 8;
const OFFER: u16 = 1 << 9;

impl Selection {
    /// Returns the selection as one word: the slot's number, and 256 for a trial.
    pub const fn to_word(self) -> u16 {
        self.slot as u16 | if self.trial { TRIAL } else { 0 }
    }

    /// Returns the word of a selection beside which the idle slot is offered ([`Slots::offered`]): 512 more.
    pub const fn to_word_with_offer(self) -> u16 {
        self.to_word() | OFFER
    }

    /// Returns whether a word offers the idle slot.
    pub const fn offers(word: u16) -> bool {
        word & OFFER != 0
    }

    /// Returns the selection of a word; `None` of one that none of `slots` slots has, such as an erased one.
    pub const fn from_word(word: u16, slots: u8) -> Option<Self> {
        let slot = word & !(TRIAL | OFFER);
        if slot < slots as u16 { Some(Self { slot: slot as u8, trial: word & TRIAL != 0 }) } else { None }
    }
}

/// `COUNT` slots in memory.
#[derive(Debug)]
pub struct MemorySlots<'m, const COUNT: usize, B> {
    memory: [Place<'m>; COUNT],
    slot_bytes: usize,
    behind: B,
}

#[derive(Debug)]
enum Place<'m> {
    Own(&'m mut [u8]),
    /// Somebody reads it.
    Lent(&'m [u8]),
}

impl Place<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(bytes) => bytes,
        }
    }
}

/// Bytes that are written at once: as most flash.
const WRITE_BYTES: usize = 8;

impl<'m, const COUNT: usize, B: Behind> MemorySlots<'m, COUNT, B> {
    /// Returns slots of equal length in `memory`, each aligned to 16, as what is `behind` them has left them.
    pub fn new(memory: [&'m mut [u8]; COUNT], behind: B) -> Self {
        let slot_bytes = memory.iter().map(|slot| slot.len()).min().unwrap_or(0);
        Self { memory: memory.map(Place::Own), slot_bytes, behind }
    }

    /// Returns what is behind the slots.
    pub fn behind(&mut self) -> &mut B {
        &mut self.behind
    }

    fn own(&mut self, slot: u8) -> Result<&mut [u8], SlotError<B::Error>> {
        match self.memory.get_mut(usize::from(slot)).ok_or(SlotError::NoSlot { slot })? {
            Place::Own(bytes) => Ok(bytes),
            Place::Lent(_) => Err(SlotError::InUse),
        }
    }
}

impl<const COUNT: usize, B: Behind> Slots for MemorySlots<'_, COUNT, B> {
    type Error = B::Error;

    fn count(&self) -> u8 {
        COUNT as u8
    }

    fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    fn write_bytes(&self) -> usize {
        WRITE_BYTES
    }

    fn bytes(&self, slot: u8) -> &[u8] {
        self.memory.get(usize::from(slot)).map_or(&[], Place::bytes)
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<B::Error>> {
        check_erase(self, slot)?;
        self.own(slot)?.fill(0xff);
        self.behind.erased(slot).await.map_err(SlotError::Device)
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<B::Error>> {
        check_write(self, slot, at, bytes.len())?;
        // As flash: bits fall, none rises.
        self.own(slot)?.iter_mut().skip(at).zip(bytes).for_each(|(to, byte)| *to &= byte);
        let Self { memory, behind, .. } = self;
        let written = memory.get(usize::from(slot)).and_then(|slot| slot.bytes().get(at..at + bytes.len()));
        behind.written(slot, at, written.unwrap_or_default()).await.map_err(SlotError::Device)
    }

    fn selected(&self) -> Option<Selection> {
        self.behind.selected()
    }

    fn offered(&self) -> Option<u8> {
        self.behind.selected().filter(|_| self.behind.offers()).map(Selection::idle)
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<B::Error>> {
        check_write(self, selection.slot, 0, 0)?;
        self.behind.select(selection).await.map_err(SlotError::Device)
    }
}

impl<const COUNT: usize, B: Behind> Lend for MemorySlots<'_, COUNT, B> {
    type Rest<'s>
        = MemorySlots<'s, COUNT, &'s mut B>
    where
        Self: 's;

    fn lend(&mut self, slot: Option<u8>) -> (&[u8], Self::Rest<'_>) {
        let Self { memory, slot_bytes, behind } = self;
        let mut lent: &[u8] = &[];
        let mut number = 0;
        let memory = memory.each_mut().map(|place| {
            let wanted = slot == Some(number);
            number += 1;
            let bytes: &[u8] = match place {
                Place::Own(bytes) => {
                    if !wanted {
                        return Place::Own(bytes);
                    }
                    bytes
                }
                Place::Lent(bytes) => bytes,
            };
            if wanted {
                lent = bytes;
            }
            Place::Lent(bytes)
        });
        (lent, MemorySlots { memory, slot_bytes: *slot_bytes, behind })
    }
}
