//! Who the node is: read from its page, or waited for on its serial line, in the frames of `tanbo_wire::provision`.
//!
//! A node without an identity takes one from whoever has the line, and waits for it as long as it takes. A node that has one listens only where
//! somebody asked for it at its start, with a button, for [`PATIENCE_US`] after the last frame, and takes orders only with its key behind them.
//!
//! The page is erased before anything else, so that a power cut leaves an old identity, a new one, or none; never a mixture, nor an old
//! node's events under a new node's name: the store is erased where the node or one of its keys is another.

use core::ops::Range;

use embassy_futures::yield_now;
use embedded_storage_async::nor_flash::NorFlash;
use tanbo_board_api::{Clock, Power, Uplink};
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

/// Words of flash want their bytes aligned.
#[repr(align(4))]
struct Page([u8; Identity::BYTES]);

/// Returns who the node is. At once where its page says so and nobody `asked`; else after what the line has brought, however noisy it is
/// while somebody plugs in. `seed` is random: the challenges of this start begin with it.
///
/// # Errors
/// The flash's.
pub async fn identity<C: Clock, P: Power, U: Uplink, F: NorFlash>(
    (clock, power, line): (&C, &mut P, &mut U),
    flash: &mut F,
    site: &Site<'_>,
    seed: u64,
    asked: bool,
) -> Result<Identity, F::Error> {
    let (held, sent) = (Page([0; Identity::BYTES]), Page([0; Identity::BYTES]));
    let mut desk = Desk { site, flash, power, challenge: seed, held, sent, received: 0 };
    desk.look().await?;
    let mut until_us = clock.now_us().saturating_add(PATIENCE_US);
    let (mut listens, mut written) = (asked, false);
    loop {
        if let Ok(identity) = desk.held()
            && (!listens || clock.now_us() >= until_us)
        {
            return Ok(identity);
        }
        desk.power.feed_watchdog();
        let mut room = [0; MAX_FRAME];
        let received = line.receive(&mut room, clock.now_us() + WAIT_US).await;
        if received.is_err() {
            // Noise. A line that is never without it leaves the other tasks their turn.
            yield_now().await;
        }
        let frame = received.ok().flatten().and_then(|len| room.get(..len));
        let Some(unverified) = frame.and_then(Unverified::read) else { continue };
        until_us = clock.now_us().saturating_add(PATIENCE_US);
        let outcome = desk.take(&unverified).await?;
        if let Some(frame) = desk.answer(outcome).seal() {
            // A host that does not hear it says once more what it wants.
            let _ = line.send(&frame).await;
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
    /// What the node's page begins with.
    held: Page,
    /// What comes to be written there, the first `received` bytes of it.
    sent: Page,
    received: usize,
}

impl<F: NorFlash, P: Power> Desk<'_, F, P> {
    fn held(&self) -> Result<Identity, IdentityError> {
        Identity::read(&self.held.0)
    }

    async fn look(&mut self) -> Result<(), F::Error> {
        self.flash.read(self.site.identity.start, &mut self.held.0).await
    }

    fn answer(&self, outcome: Outcome) -> Answer<'_> {
        let Site { board, identity, store, slot_bytes } = self.site;
        let [_, _, _, _, _, region, ..] = self.held.0;
        let held = self.held().ok().map(|held| Held {
            node: NodeId(held.node),
            region,
            signers: held.signers().count() as u8,
            calibrations: held.calibrations.0.iter().flatten().count() as u8,
            check: check(&Key::from(held.key), &self.held.0),
        });
        let places = Places { identity: identity.start, store: store.start, end: store.end, slot_bytes: *slot_bytes };
        Answer { outcome, challenge: self.challenge, received: self.received as u16, places, held, board }
    }

    async fn take(&mut self, unverified: &Unverified<'_>) -> Result<Outcome, F::Error> {
        let held = self.held();
        match unverified.request {
            Request::Ask => {
                self.received = 0;
                return Ok(Outcome::Ready);
            }
            Request::Part { at, bytes } => {
                // In order, or again: an answer may have been lost.
                let at = usize::from(at);
                if at <= self.received
                    && let Some(to) = self.sent.0.get_mut(at..at + bytes.len())
                {
                    to.copy_from_slice(bytes);
                    self.received = self.received.max(at + bytes.len());
                }
                return Ok(Outcome::Received);
            }
            Request::Commit if self.received < Identity::BYTES => return Ok(Outcome::Incomplete),
            // Again, since the answer was lost, or nobody from the first.
            Request::Revoke if held.is_err() => return Ok(Outcome::Nobody),
            Request::Commit | Request::Revoke => {}
        }
        let commits = unverified.request == Request::Commit;
        let page: &[u8] = if commits { &self.sent.0 } else { &[] };
        let key = held.map_or_else(|_| nobody(), |held| Key::from(held.key));
        let proven = unverified.is_proven(&Proof { key: &key, challenge: self.challenge, page });
        // Whatever came of it, never again.
        self.challenge = self.challenge.wrapping_add(1);
        if !proven {
            return Ok(Outcome::NotProven);
        }
        let new = Identity::read(page);
        if commits && new.is_err() {
            return Ok(Outcome::NoIdentity);
        }
        let who = |identity: Identity| (identity.node, identity.key, identity.app_key);
        self.forget(new.is_ok() && held.map(who) == new.map(who)).await?;
        if commits {
            self.flash.write(self.site.identity.start, &self.sent.0).await?;
        }
        self.received = 0;
        self.look().await?;
        Ok(match (commits, self.held()) {
            (true, _) if self.held.0 == self.sent.0 => Outcome::Written,
            (false, Err(IdentityError::Missing)) => Outcome::Erased,
            _ => Outcome::Flash,
        })
    }

    /// Erases the keys, then, unless it `keeps` that, what was under them: page by page, since that takes longer than a watchdog waits.
    async fn forget(&mut self, keeps: bool) -> Result<(), F::Error> {
        if !keeps {
            // Last words are the old node's too. A board without them has none.
            let _ = self.power.on_brownout(&[]);
        }
        self.flash.erase(self.site.identity.start, self.site.identity.end).await?;
        for at in self.site.store.clone().step_by(F::ERASE_SIZE) {
            self.power.feed_watchdog();
            if !keeps && !self.is_erased(at).await? {
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
