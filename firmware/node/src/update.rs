//! A model's way into a node: written to the idle slot, checked, tested, on trial, committed or rolled back.
//!
//! Everything here is an argument: slots, the versions in flash, the arena. A power cut at any write or erase leaves the model that was committed
//! last, or the one after it, selected; versions only rise. The order of the writes does that:
//!
//! | step | writes, in this order | a reset afterwards |
//! |---|---|---|
//! | receive | the idle slot | goes on where the slot ends, or begins anew |
//! | check | nothing; a refused model is erased | |
//! | trial begins | the attempt, then the selection as a trial | back to the model before |
//! | commit | the version, then the selection as settled | the version says that it was committed: settles the selection |
//! | roll back | the selection of the slot before | |
//!
//! What a debug probe has put into the idle slot ([`Slots::offered`]) is taken up at a start as if it had just been received; the selection
//! that ends that is the trial's, or, where it is refused, the one before once more.
//!
//! A trial that a reset ends counts as an attempt too, whoever's fault it was; [`MAX_ATTEMPTS`] is the end of a version.

use core::fmt;

use embedded_storage_async::nor_flash::NorFlash;
use tanbo::Engine;
use tanbo_board_api::{Selection, SlotError, Slots};
use tanbo_format::record::HEADER_BYTES;
use tanbo_release::{RECORD_BYTES, Release, ReleaseError, stated_bytes, stated_release};
use tanbo_store::{Store, StoreError, Versions};

use crate::slots::{Demands, Refusal, examine};

/// How often one version may be tried.
pub const MAX_ATTEMPTS: u8 = 3;
/// Most bytes that a memory writes at once.
const MAX_WRITE_BYTES: usize = 64;

/// Where versions are remembered.
pub trait Ledger {
    /// Its errors.
    type Error: fmt::Debug;

    /// Returns what was kept last.
    fn versions(&self) -> Versions;

    /// Keeps versions; a power cut leaves the old ones or these.
    ///
    /// # Errors
    /// The memory's.
    async fn keep(&mut self, versions: Versions) -> Result<(), Self::Error>;
}

impl<F: NorFlash, const EVENTS: usize> Ledger for Store<F, EVENTS> {
    type Error = StoreError<F::Error>;

    fn versions(&self) -> Versions {
        Store::versions(self)
    }

    async fn keep(&mut self, versions: Versions) -> Result<(), Self::Error> {
        self.set_versions(versions).await
    }
}

/// Why a step was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateError<S, L> {
    /// The model is not taken.
    Refused(Refusal),
    /// The slots.
    Slots(SlotError<S>),
    /// The memory of the versions.
    Ledger(L),
}

impl<S: fmt::Debug, L: fmt::Debug> fmt::Display for UpdateError<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Slots(error) => error.fmt(f),
            Self::Ledger(error) => write!(f, "versions: {error:?}"),
        }
    }
}

impl<S: fmt::Debug, L: fmt::Debug> core::error::Error for UpdateError<S, L> {}

impl<S, L> From<Refusal> for UpdateError<S, L> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<S, L> From<SlotError<S>> for UpdateError<S, L> {
    fn from(error: SlotError<S>) -> Self {
        Self::Slots(error)
    }
}

type Failed<S, L> = UpdateError<<S as Slots>::Error, <L as Ledger>::Error>;

/// A model in a slot, to be run in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The slot.
    pub slot: u8,
    /// What was signed.
    pub release: Release,
}

/// What a model that is offered is said to be, before any of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its version.
    pub version: u32,
    /// Its length, bytes.
    pub bytes: usize,
    /// The hash that it states of itself.
    pub hash: [u8; 32],
}

/// What a window of a trial led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no trial.
    Settled,
    /// So many windows are left.
    Trial {
        /// Windows.
        left: u16,
    },
    /// This version is the node's model now.
    Committed {
        /// The version.
        version: u32,
    },
    /// The model before is the node's again.
    RolledBack {
        /// The version that failed.
        version: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Receiving { slot: u8, bytes: usize, received: usize },
    Checked { slot: u8, version: u32 },
    Trial { slot: u8, version: u32, left: u16 },
}

/// The update of one node's model.
#[derive(Clone, Copy, Debug)]
pub struct Update<'k> {
    demands: Demands<'k>,
    phase: Phase,
}

/// Slots that take turns.
const SLOTS: u8 = 2;

fn other(slot: u8) -> u8 {
    (slot + 1) % SLOTS
}

impl<'k> Update<'k> {
    /// Returns the update of a node that takes what `demands` says.
    pub fn new(demands: Demands<'k>) -> Self {
        Self { demands, phase: Phase::Idle }
    }

    /// Returns what is taken.
    pub fn demands(&self) -> &Demands<'k> {
        &self.demands
    }

    /// Returns whether `version` is on trial.
    pub fn on_trial(&self, version: u32) -> bool {
        matches!(self.phase, Phase::Trial { version: tried, .. } if tried == version)
    }

    /// Settles what a reset has left, and returns the model to run; `None`: the one inside the firmware.
    ///
    /// # Errors
    /// The slots'.
    pub async fn start<S: Slots, L: Ledger>(
        &mut self,
        slots: &mut S,
        ledger: &L,
    ) -> Result<Option<Running>, Failed<S, L>> {
        self.phase = Phase::Idle;
        let Some(selection) = slots.selected() else { return Ok(None) };
        let committed = ledger.versions().committed;
        let mut slot = selection.slot;
        let mut found = self.sound(slots, slot, committed);
        if selection.trial {
            // A trial's version is above what was committed, unless just that was the last thing to be written.
            if found.is_none_or(|running| running.release.version != committed) {
                slot = other(slot);
                found = self.sound(slots, slot, committed);
            }
            slots.select(Selection { slot, trial: false }).await?;
        }
        Ok(found)
    }

    /// Returns the model in a slot if it is one that may run.
    fn sound<S: Slots>(&self, slots: &S, slot: u8, committed: u32) -> Option<Running> {
        let (_, release) = examine(slots.bytes(slot), &self.demands).ok()?;
        (release.version >= committed.max(self.demands.least_version)).then_some(Running { slot, release })
    }

    /// Returns the least version that is taken.
    fn least(&self, versions: Versions) -> u32 {
        versions.committed.saturating_add(1).max(self.demands.least_version)
    }

    fn admits(&self, version: u32, versions: Versions) -> Result<(), Refusal> {
        let least = self.least(versions);
        if version < least {
            return Err(Refusal::Older { version, least });
        }
        if versions.tried == version && versions.attempts >= MAX_ATTEMPTS {
            return Err(Refusal::GivenUp { version });
        }
        Ok(())
    }

    fn idle_slot<S: Slots>(&self, slots: &S) -> Result<u8, Refusal> {
        match (self.phase, slots.selected()) {
            (Phase::Trial { .. }, _) => Err(Refusal::NotNow),
            (_, Some(selection)) => Ok(other(selection.slot)),
            (_, None) => Ok(0),
        }
    }

    /// Takes what a debug probe has put into the idle slot while the node stood still for received: it is to be checked then. Returns the
    /// version that it states, 0 if none; `None` where nothing is offered.
    pub fn take_offered<S: Slots>(&mut self, slots: &S) -> Option<u32> {
        let slot = slots.offered()?;
        let held = slots.bytes(slot);
        let bytes = stated_bytes(held).unwrap_or(0).min(held.len());
        self.phase = Phase::Receiving { slot, bytes, received: bytes };
        Some(held.get(..bytes).and_then(stated_release).map_or(0, |release| release.version))
    }

    /// Begins to receive what is offered in order, or goes on: returns from which byte.
    ///
    /// # Errors
    /// An offer of what would not be taken; a trial; the slots'.
    pub async fn begin<S: Slots, L: Ledger>(
        &mut self,
        offer: &Offer,
        slots: &mut S,
        ledger: &L,
    ) -> Result<usize, Failed<S, L>> {
        self.admits(offer.version, ledger.versions())?;
        let (bytes, room) = (offer.bytes, slots.slot_bytes());
        if bytes > room {
            return Err(Refusal::TooLong { bytes, room }.into());
        }
        let slot = self.idle_slot(slots)?;
        let received = match resumes(slots.bytes(slot), offer) {
            Some(end) => end.next_multiple_of(slots.write_bytes()).min(bytes),
            None => {
                slots.erase(slot).await?;
                0
            }
        };
        self.phase = Phase::Receiving { slot, bytes, received };
        Ok(received)
    }

    /// Begins to receive `bytes` bytes in any order, by somebody who keeps the order; returns the slot, erased.
    ///
    /// # Errors
    /// As [`Update::begin`].
    pub async fn begin_unordered<S: Slots, L: Ledger>(
        &mut self,
        version: u32,
        bytes: usize,
        slots: &mut S,
        ledger: &L,
    ) -> Result<u8, Failed<S, L>> {
        self.admits(version, ledger.versions())?;
        let room = slots.slot_bytes();
        if bytes > room {
            return Err(Refusal::TooLong { bytes, room }.into());
        }
        let slot = self.idle_slot(slots)?;
        slots.erase(slot).await?;
        self.phase = Phase::Receiving { slot, bytes, received: bytes };
        Ok(slot)
    }

    /// Writes the part that begins at byte `at`; returns up to where everything is there. A part that is there already is passed over.
    ///
    /// Parts are multiples of what the memory writes at once, but for the last one.
    ///
    /// # Errors
    /// A gap, or memory that does not hold what is written.
    pub async fn write<S: Slots, L: Ledger>(
        &mut self,
        at: usize,
        part: &[u8],
        slots: &mut S,
        _: &L,
    ) -> Result<usize, Failed<S, L>> {
        let Phase::Receiving { slot, bytes, received } = self.phase else { return Err(Refusal::NotNow.into()) };
        let end = at.saturating_add(part.len());
        if end <= received {
            return Ok(received);
        }
        let word = slots.write_bytes().clamp(1, MAX_WRITE_BYTES);
        let whole = end == bytes || part.len().is_multiple_of(word);
        if at != received || end > bytes || !whole {
            return Err(Refusal::Gap { expected: received, at }.into());
        }
        write_words(slots, slot, at, part).await?;
        self.phase = Phase::Receiving { slot, bytes, received: end };
        Ok(end)
    }

    /// Checks what was received: hash, signature, version, needs, and the self-test, for which `arena` is lent.
    ///
    /// # Errors
    /// [`Refusal`]: the slot is erased again.
    pub async fn check<S: Slots, L: Ledger>(
        &mut self,
        slots: &mut S,
        ledger: &L,
        arena: &mut [u8],
    ) -> Result<Release, Failed<S, L>> {
        let Phase::Receiving { slot, bytes, received } = self.phase else { return Err(Refusal::NotNow.into()) };
        if received < bytes {
            return Err(Refusal::Truncated { received, bytes }.into());
        }
        let examined = self.prove(slots.bytes(slot).get(..bytes).unwrap_or_default(), ledger.versions(), arena);
        match examined {
            Ok(release) => {
                self.phase = Phase::Checked { slot, version: release.version };
                Ok(release)
            }
            Err(refusal) => {
                self.phase = Phase::Idle;
                slots.erase(slot).await?;
                if let Some(selection) = slots.selected().filter(|_| slots.offered().is_some()) {
                    slots.select(selection).await?;
                }
                Err(refusal.into())
            }
        }
    }

    fn prove(&self, bytes: &[u8], versions: Versions, arena: &mut [u8]) -> Result<Release, Refusal> {
        // Cut off, whatever was said of its length.
        if let Some(stated) = stated_bytes(bytes).filter(|stated| *stated != bytes.len()) {
            return Err(Refusal::Release(ReleaseError::Length { stated, given: bytes.len() }));
        }
        let (model, release) = examine(bytes, &self.demands)?;
        self.admits(release.version, versions)?;
        let mut engine = Engine::new(&model, self.demands.operators, arena).map_err(Refusal::Engine)?;
        release.golden.test(&mut engine).map_err(Refusal::SelfTest)?;
        Ok(release)
    }

    /// Puts the model that was checked on trial for `windows` windows; it is the one to run from now on.
    ///
    /// # Errors
    /// Nothing was checked; the memories'.
    pub async fn try_out<S: Slots, L: Ledger>(
        &mut self,
        windows: u16,
        slots: &mut S,
        ledger: &mut L,
    ) -> Result<u8, Failed<S, L>> {
        let Phase::Checked { slot, version } = self.phase else { return Err(Refusal::NotNow.into()) };
        let mut versions = ledger.versions();
        versions.attempts = if versions.tried == version { versions.attempts.saturating_add(1) } else { 1 };
        versions.tried = version;
        ledger.keep(versions).await.map_err(UpdateError::Ledger)?;
        slots.select(Selection { slot, trial: true }).await?;
        self.phase = Phase::Trial { slot, version, left: windows.max(1) };
        Ok(slot)
    }

    /// Counts a window of a trial, which went well or did not.
    ///
    /// # Errors
    /// The memories': what happens is decided by the next reset.
    pub async fn window<S: Slots, L: Ledger>(
        &mut self,
        well: bool,
        slots: &mut S,
        ledger: &mut L,
    ) -> Result<Verdict, Failed<S, L>> {
        let Phase::Trial { slot, version, left } = self.phase else { return Ok(Verdict::Settled) };
        if !well {
            self.phase = Phase::Idle;
            slots.select(Selection { slot: other(slot), trial: false }).await?;
            return Ok(Verdict::RolledBack { version });
        }
        if let Some(left) = left.checked_sub(1).filter(|left| *left > 0) {
            self.phase = Phase::Trial { slot, version, left };
            return Ok(Verdict::Trial { left });
        }
        let committed = Versions { committed: version, ..Versions::default() };
        ledger.keep(committed).await.map_err(UpdateError::Ledger)?;
        self.phase = Phase::Idle;
        slots.select(Selection { slot, trial: false }).await?;
        Ok(Verdict::Committed { version })
    }
}

/// Returns up to where a slot holds what is offered; `None` where it holds something else.
///
/// Words that would be written as 0xff are not written, so that the last written word is the last that is not erased. Whether it was
/// written to its end, the check will tell.
fn resumes(slot: &[u8], offer: &Offer) -> Option<usize> {
    let head = slot.get(..HEADER_BYTES)?;
    let written = slot.get(..offer.bytes)?;
    // Two versions may have one content.
    let section = written.get(offer.bytes.checked_sub(RECORD_BYTES)?..)?;
    let version = u32::from_le_bytes(*section.get(4..)?.first_chunk()?);
    let is_it = stated_bytes(head) == Some(offer.bytes)
        && head.ends_with(&offer.hash)
        && [offer.version, u32::MAX].contains(&version);
    is_it.then(|| written.iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1))
}

/// Writes `part` word by word, filled up with 0xff.
async fn write_words<S: Slots, E>(
    slots: &mut S,
    slot: u8,
    at: usize,
    part: &[u8],
) -> Result<(), UpdateError<S::Error, E>> {
    let word = slots.write_bytes().clamp(1, MAX_WRITE_BYTES);
    for (index, bytes) in part.chunks(word).enumerate() {
        if bytes.iter().all(|byte| *byte == 0xff) {
            continue;
        }
        let mut room = [0xff; MAX_WRITE_BYTES];
        room.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        slots.write(slot, at + index * word, room.get(..word).unwrap_or_default()).await?;
    }
    if slots.bytes(slot).get(at..at + part.len()) == Some(part) { Ok(()) } else { Err(Refusal::Memory { at }.into()) }
}

/// A slot as the place of a block of fragments.
#[derive(Debug)]
pub struct SlotBlock<'s, S> {
    slots: &'s mut S,
    slot: u8,
}

impl<'s, S: Slots> SlotBlock<'s, S> {
    /// Returns slot `slot` of `slots`.
    pub fn new(slots: &'s mut S, slot: u8) -> Self {
        Self { slots, slot }
    }
}

impl<S: Slots> tanbo_fragments::Block for SlotBlock<'_, S> {
    type Error = SlotError<S::Error>;

    fn capacity(&self) -> usize {
        self.slots.slot_bytes()
    }

    fn read(&self, at: usize, into: &mut [u8]) -> Result<(), Self::Error> {
        let (end, room) = (at.saturating_add(into.len()), self.slots.slot_bytes());
        let from = self.slots.bytes(self.slot).get(at..end).ok_or(SlotError::Beyond { end, room })?;
        into.copy_from_slice(from);
        Ok(())
    }

    async fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), Self::Error> {
        self.slots.write(self.slot, at, bytes).await
    }
}
