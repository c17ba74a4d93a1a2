//! Who the node is: read from its page, or waited for on its serial line, in the frames of `tanbo_wire::provision`.
//!
//! A node without an identity takes one from whoever has the line, and waits for it as long as it takes. A node that has one listens only where
//! somebody asked for it at its start, with a button, for [`PATIENCE_US`] after the last frame, and takes orders only with its key behind them.
//!
//! The page is erased before anything else, so that a power cut leaves an old identity, a new one, or none; never a mixture, nor an old
//! node's events under a new node's name: the store is erased where the node or one of its keys is another.

use core::fmt;
use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use tanbo_board_api::{Clock, Power, Uplink, UplinkError};
use tanbo_flash_map::{FlashMap, Identity, IdentityError};
use tanbo_wire::provision::{Answer, Held, Outcome, Places, Proof, Request, Unverified, check, nobody};
use tanbo_wire::{Key, MAX_FRAME, NodeId};

/// How long a node that has an identity listens, µs.
pub const PATIENCE_US: u64 = 60_000_000;
/// Longest wait at once, µs: a watchdog is fed between two.
const WAIT_US: u64 = 500_000;

/// What the host is told of the board, and where things lie in its flash, by offsets from its start.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    /// The board's name.
    pub board: &'a str,
    /// The page for the identity.
    pub identity: Range<u32>,
    /// The store: whole pages.
    pub store: Range<u32>,
    /// Length of a model slot, bytes.
    pub slot_bytes: u32,
}

impl<'a> Site<'a> {
    /// Returns the site of a board with internal flash.
    pub const fn of(board: &'a str, map: &FlashMap) -> Self {
        let (identity, store) = (map.offsets(map.identity()), map.offsets(map.store()));
        Self { board, identity, store, slot_bytes: map.slot_bytes() }
    }
}

/// Why there is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisionError<U, F> {
    /// The serial line.
    Line(U),
    /// The flash.
    Flash(F),
}

impl<U: fmt::Debug, F: fmt::Debug> fmt::Display for ProvisionError<U, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(error) => write!(f, "the line over which the node is provisioned: {error:?}"),
            Self::Flash(error) => write!(f, "the page of the node's identity: {error:?}"),
        }
    }
}

impl<U: fmt::Debug, F: fmt::Debug> core::error::Error for ProvisionError<U, F> {}

/// Words of flash want their bytes aligned.
#[repr(align(4))]
struct Page([u8; Identity::BYTES]);

/// Returns who the node is. At once where its page says so and nobody `asked`; else after what the line has brought. `seed` is random: the
/// challenges of this start begin with it.
///
/// # Errors
/// [`ProvisionError`].
pub async fn identity<C: Clock, P: Power, U: Uplink, F: NorFlash>(
    (clock, power, line): (&C, &mut P, &mut U),
    flash: &mut F,
    site: &Site<'_>,
    seed: u64,
    asked: bool,
) -> Result<Identity, ProvisionError<UplinkError<U::Error>, F::Error>> {
    let mut page = Page([0; Identity::BYTES]);
    flash.read(site.identity.start, &mut page.0).await.map_err(ProvisionError::Flash)?;
    let mut desk = Desk { site, flash, power, challenge: seed, held: Identity::read(&page.0), page, received: 0 };
    let mut until_us = clock.now_us().saturating_add(PATIENCE_US);
    let (mut listens, mut written) = (asked, false);
    loop {
        if let Ok(identity) = desk.held
            && (!listens || clock.now_us() >= until_us)
        {
            return Ok(identity);
        }
        desk.power.feed_watchdog();
        let mut room = [0; MAX_FRAME];
        let received = match line.receive(&mut room, clock.now_us() + WAIT_US).await {
            Ok(received) => received.and_then(|len| room.get(..len)),
            // Noise, while somebody plugs in.
            Err(UplinkError::TooLong { .. }) => None,
            Err(error) => return Err(ProvisionError::Line(error)),
        };
        let Some(unverified) = received.and_then(Unverified::read) else { continue };
        until_us = clock.now_us().saturating_add(PATIENCE_US);
        let outcome = desk.take(&unverified).await.map_err(ProvisionError::Flash)?;
        if let Some(frame) = desk.answer(outcome).seal() {
            line.send(&frame).await.map_err(ProvisionError::Line)?;
        }
        // A host that asks once more has heard that it was written; one that has not says the order again.
        match outcome {
            Outcome::Written => (listens, written) = (true, true),
            Outcome::Ready if written => listens = false,
            Outcome::Erased => written = false,
            _ => {}
        }
        if written {
            until_us = clock.now_us().saturating_add(LINGER_US);
        }
    }
}

/// How long it listens once it was written, µs: longer than a host waits for an answer.
const LINGER_US: u64 = 20_000_000;

/// Bytes that are looked at together, a part of every page.
const PART: usize = 128;

struct Desk<'s, F, P> {
    site: &'s Site<'s>,
    flash: &'s mut F,
    power: &'s mut P,
    challenge: u64,
    held: Result<Identity, IdentityError>,
    /// What comes.
    page: Page,
    received: usize,
}

impl<F: NorFlash, P: Power> Desk<'_, F, P> {
    fn key(&self) -> Key {
        self.held.map_or_else(|_| nobody(), |held| Key::from(held.key))
    }

    fn answer(&self, outcome: Outcome) -> Answer<'_> {
        let Site { board, identity, store, slot_bytes } = self.site;
        let held = self.held.ok().map(|held| {
            let page = held.to_bytes();
            Held {
                node: NodeId(held.node),
                region: page.get(5).copied().unwrap_or(0),
                signers: held.signers().count() as u8,
                calibrations: held.calibrations.0.iter().flatten().count() as u8,
                check: check(&Key::from(held.key), &page),
            }
        });
        let places = Places { identity: identity.start, store: store.start, end: store.end, slot_bytes: *slot_bytes };
        Answer { outcome, challenge: self.challenge, received: self.received as u16, places, held, board }
    }

    async fn take(&mut self, unverified: &Unverified<'_>) -> Result<Outcome, F::Error> {
        match unverified.request {
            Request::Ask => {
                self.received = 0;
                return Ok(Outcome::Ready);
            }
            Request::Part { at, bytes } => {
                // In order, or again: an answer may have been lost.
                let at = usize::from(at);
                if at <= self.received
                    && let Some(to) = self.page.0.get_mut(at..at + bytes.len())
                {
                    to.copy_from_slice(bytes);
                    self.received = self.received.max(at + bytes.len());
                }
                return Ok(Outcome::Received);
            }
            // Again, since the answer was lost, or nobody from the first.
            Request::Revoke if self.held.is_err() => return Ok(Outcome::Nobody),
            Request::Commit | Request::Revoke => {}
        }
        let commits = unverified.request == Request::Commit;
        if commits && self.received < Identity::BYTES {
            return Ok(Outcome::Incomplete);
        }
        let page: &[u8] = if commits { &self.page.0 } else { &[] };
        let proven = unverified.is_proven(&Proof { key: &self.key(), challenge: self.challenge, page });
        // Whatever came of it, never again.
        self.challenge = self.challenge.wrapping_add(1);
        if !proven {
            return Ok(Outcome::NotProven);
        }
        if commits { self.write().await } else { self.revoke().await }
    }

    async fn write(&mut self) -> Result<Outcome, F::Error> {
        let Ok(new) = Identity::read(&self.page.0) else { return Ok(Outcome::NoIdentity) };
        let same = |old: &Identity| (old.node, old.key, old.app_key) == (new.node, new.key, new.app_key);
        if !self.held.as_ref().is_ok_and(same) {
            self.forget().await?;
        } else {
            self.flash.erase(self.site.identity.start, self.site.identity.end).await?;
        }
        self.flash.write(self.site.identity.start, &self.page.0).await?;
        self.flash.read(self.site.identity.start, &mut self.page.0).await?;
        self.received = 0;
        self.held = Identity::read(&self.page.0);
        Ok(if self.held == Ok(new) { Outcome::Written } else { Outcome::Flash })
    }

    async fn revoke(&mut self) -> Result<Outcome, F::Error> {
        self.forget().await?;
        let mut page = Page([0; Identity::BYTES]);
        self.flash.read(self.site.identity.start, &mut page.0).await?;
        self.held = Identity::read(&page.0);
        self.received = 0;
        let erased = self.held == Err(IdentityError::Missing);
        Ok(if erased { Outcome::Erased } else { Outcome::Flash })
    }

    /// Erases the keys, then what was under them: page by page, since that takes longer than a watchdog waits.
    async fn forget(&mut self) -> Result<(), F::Error> {
        self.flash.erase(self.site.identity.start, self.site.identity.end).await?;
        for at in self.site.store.clone().step_by(F::ERASE_SIZE) {
            self.power.feed_watchdog();
            if !self.is_erased(at).await? {
                self.flash.erase(at, at + F::ERASE_SIZE as u32).await?;
            }
        }
        Ok(())
    }

    async fn is_erased(&mut self, page: u32) -> Result<bool, F::Error> {
        // As the longest that any flash reads at once, and more.
        let mut bytes = Page([0; Identity::BYTES]);
        let Some(part) = bytes.0.get_mut(..PART) else { return Ok(false) };
        for at in (page..page + F::ERASE_SIZE as u32).step_by(PART) {
            self.flash.read(at, part).await?;
            if part.iter().any(|byte| *byte != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
