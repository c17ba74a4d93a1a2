//! Models and firmware that come while the node runs: the keeper takes what the uplink hears, counts a trial's windows, and has models
//! replaced, and the node restarted.

use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;

use sha2::{Digest as _, Sha256};
use tanbo::included::Included;
use tanbo::{EitherPlan, Family, OpSet};
use tanbo_board_api::{Firmware, Perf, Power as _, Selection, Slots};
use tanbo_pipeline::Rate;
use tanbo_release::{Name, PublicKey, stated_bytes};
use tanbo_store::{StoreError, Versions};
use tanbo_wire::v1::{Message, Stage, Update as Report};

use crate::board::Board;
use crate::faults::Trouble;
use crate::firmware::{FirmwareTransfer, Verdict};
use crate::inbox::{Letter, Mailbox, Told, Wanted};
use crate::shared::{FlashError, Shared};
use crate::slots::Demands;
use crate::transfer::{Heard, TRIAL_WINDOWS, Transfer};
use crate::update::{Ledger, Update};

/// The model that the firmware includes, and what is asked of one that takes its place.
#[derive(Clone, Copy, Debug)]
pub struct Models<'k> {
    /// The firmware's model.
    pub included: &'static Included,
    /// Its version: none below it is taken.
    pub version: u32,
    /// What models are for on this node.
    pub name: Name,
    /// Keys that were provisioned: whose models are taken.
    pub keys: &'k [PublicKey],
    /// Operators that are linked for models that come.
    pub operators: &'static OpSet,
    /// Kernel family of this core; portable artifacts are taken too.
    pub family: Family,
}

/// Memory that models need.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The arena of whichever model runs: no model that needs a longer one is taken.
    pub arena: &'a mut [u8],
    /// For the decoder of fragments: [`tanbo_fragments::memory_words`].
    pub fragments: &'a mut [u32],
}

/// The versions in the node's store. Nobody else changes them.
pub(crate) struct Book<'s, 'p, B: Board> {
    shared: &'s Shared<'p, B>,
    versions: Versions,
}

impl<B: Board> Ledger for Book<'_, '_, B> {
    type Error = StoreError<FlashError<B>>;

    fn versions(&self) -> Versions {
        self.versions
    }

    async fn keep(&mut self, versions: Versions) -> Result<(), Self::Error> {
        self.shared.store.lock().await.set_versions(versions).await?;
        self.versions = versions;
        Ok(())
    }
}

/// Keeps the models of a node, and its firmware.
pub(crate) struct Keeper<'s, 'p, 'k, 'm, B: Board, F> {
    shared: &'s Shared<'p, B>,
    mail: &'s Mailbox,
    models: &'k Models<'k>,
    transfer: Transfer<'k, 'm>,
    book: Book<'s, 'p, B>,
    firmware: FirmwareTransfer<'m, F>,
}

impl<'s, 'p, 'k, 'm, B: Board, F: Firmware> Keeper<'s, 'p, 'k, 'm, B, F> {
    /// Returns the keeper of a node whose sensor has this rate.
    pub async fn new(
        shared: &'s Shared<'p, B>,
        mail: &'s Mailbox,
        models: &'k Models<'k>,
        rate: Rate,
        arena_bytes: usize,
        fragments: &'m mut [u32],
        firmware: &'m mut F,
    ) -> Self {
        let Models { version: least_version, name, keys, operators, family, .. } = *models;
        let demands = Demands { name, keys, least_version, family, operators, arena_bytes, rate };
        let versions = shared.store.lock().await.versions();
        let transfer = Transfer::new(Update::new(demands), fragments);
        let firmware = FirmwareTransfer::new(firmware);
        Self { shared, mail, models, transfer, book: Book { shared, versions }, firmware }
    }

    /// Settles what the last reset has left, and tells it; returns the slot to run, `None` for the firmware's model. What a debug probe has
    /// put into the other slot is checked next.
    pub async fn start<S: Slots>(&mut self, slots: &mut S) -> Option<u8> {
        let Versions { committed, tried, .. } = self.book.versions;
        let before = slots.selected();
        let slot = self.settle(slots).await;
        if let Some(Selection { trial: true, .. }) = before {
            let (stage, version) = if tried > 0 { (Stage::RolledBack, tried) } else { (Stage::Committed, committed) };
            self.tell(Report { version, received: 0, stage, refusal: 0 }).await;
        }
        if self.transfer.take_offered(slots) {
            self.leave(Wanted::Check { windows: TRIAL_WINDOWS });
        }
        slot
    }

    async fn settle<S: Slots>(&mut self, slots: &mut S) -> Option<u8> {
        self.shared.with_power(|power| power.set_perf(Perf::Infer));
        let started = self.transfer.update().start(slots, &self.book).await;
        self.shared.with_power(|power| power.set_perf(Perf::Low));
        match started {
            Ok(running) => running.map(|running| running.slot),
            Err(_) => {
                self.shared.fault(Trouble::Slots).await;
                None
            }
        }
    }

    /// Does what sampling has left for, while nothing is in the arena; returns the slot to run.
    pub async fn exchange<S: Slots>(&mut self, slots: &mut S, arena: &mut [u8], running: Option<u8>) -> Option<u8> {
        match self.mail.take_wanted() {
            Some(Wanted::Check { windows }) => {
                self.shared.with_power(|power| power.set_perf(Perf::Infer));
                let tried = self.transfer.check_and_try(windows, slots, &mut self.book, arena).await;
                self.shared.with_power(|power| power.set_perf(Perf::Low));
                // Those of the model before do not count.
                self.mail.take_hops();
                match tried {
                    Ok(report) => {
                        self.tell(report).await;
                        if report.stage == Stage::Trial {
                            return slots.selected().map(|selection| selection.slot);
                        }
                    }
                    Err(_) => self.shared.fault(Trouble::Slots).await,
                }
                running
            }
            Some(Wanted::Before) => self.settle(slots).await,
            None => running,
        }
    }

    /// Has a report said, and what is wrong noted.
    async fn tell(&mut self, report: Report) {
        let Report { version, stage, refusal, .. } = report;
        match stage {
            Stage::Refused => self.shared.fault(Trouble::Model { refusal, version }).await,
            Stage::RolledBack => self.shared.fault(Trouble::RolledBack { version }).await,
            _ => {}
        }
        self.say(Told::Model(report));
    }

    fn say(&self, told: Told) {
        self.mail.tell(told);
        self.shared.agenda.uplink.call();
    }

    /// Takes what comes of firmware. Where that is whole and right, the node restarts.
    async fn firmware(&mut self, message: &tanbo_wire::v1::Firmware<'_>) {
        self.shared.with_power(|power| power.set_perf(Perf::Infer));
        let report = self.firmware.take(message);
        self.shared.with_power(|power| power.set_perf(Perf::Low));
        let Some(report) = report else { return };
        if report.stage == Stage::Refused {
            self.shared.fault(Trouble::Firmware { refusal: report.refusal, version: report.version }).await;
        }
        self.say(Told::Firmware(report));
        if self.firmware.staged() {
            self.mail.restart();
        }
    }

    /// Counts a window for firmware on trial.
    async fn tried(&mut self, well: bool) {
        match self.firmware.window(well) {
            Verdict::Nothing => {}
            Verdict::Kept(report) => self.say(Told::Firmware(report)),
            Verdict::Failed => {
                self.shared.fault(Trouble::FirmwareFailed).await;
                self.mail.restart();
                self.shared.agenda.uplink.call();
            }
        }
    }

    /// Takes what comes and counts windows, for ever.
    pub async fn keep<S: Slots>(&mut self, slots: &mut S) -> Infallible {
        loop {
            let mail = self.mail;
            poll_fn(|_| if mail.has_news() { Poll::Ready(()) } else { Poll::Pending }).await;
            let (hops, well) = mail.take_hops();
            self.count(hops, well, slots).await;
            let opened = mail.open(async |letter| self.take(letter, slots).await).await;
            if opened == Some(false) {
                self.shared.fault(Trouble::Slots).await;
            }
        }
    }

    async fn count<S: Slots>(&mut self, hops: u16, well: bool, slots: &mut S) {
        for _ in 0..if well { hops } else { 1 } {
            self.tried(well).await;
            match self.transfer.window(well, slots, &mut self.book).await {
                Ok(None) => {}
                Ok(Some(report)) => {
                    self.tell(report).await;
                    if report.stage == Stage::RolledBack {
                        self.leave(Wanted::Before);
                    }
                    return;
                }
                Err(_) => return self.shared.fault(Trouble::Slots).await,
            }
        }
    }

    /// Has sampling leave.
    fn leave(&self, wanted: Wanted) {
        self.mail.want(wanted);
        self.shared.agenda.sampling.call();
    }

    /// Takes a letter; whether the memories took what it asks for.
    async fn take<S: Slots>(&mut self, letter: Letter<'_>, slots: &mut S) -> bool {
        let heard = match letter {
            Letter::Message(Message::Firmware(message)) => {
                self.firmware(&message).await;
                return true;
            }
            Letter::Message(message) => self.transfer.frame(&message, slots, &mut self.book).await,
            Letter::Fragments(payload) => self.transfer.fragments(payload, slots, &self.book).await,
        };
        match heard {
            Ok(Heard::Nothing) => {
                // A node of class A must speak to hear the next fragment.
                if let Some(report) = self.transfer.receiving() {
                    self.tell(report).await;
                }
            }
            Ok(Heard::Report(report)) => self.tell(report).await,
            Ok(Heard::Answer(answer)) => {
                self.mail.reply(answer);
                self.shared.agenda.uplink.call();
            }
            Ok(Heard::Refused(answer, report)) => {
                self.mail.reply(answer);
                self.tell(report).await;
            }
            Ok(Heard::Try { windows }) => self.leave(Wanted::Check { windows }),
            Err(_) => return false,
        }
        true
    }

    /// Returns the plan to run, of what a slot holds, with the first bytes of its card's hash; `None` of the firmware's model, where
    /// nothing is lent.
    pub fn plan<'b, 'a>(&self, slot: &'b [u8]) -> (EitherPlan<'b, 'a>, Option<[u8; 4]>) {
        let artifact = stated_bytes(slot).and_then(|bytes| slot.get(..bytes));
        // It was examined before it was selected.
        match artifact.and_then(|artifact| self.models.operators.parse(artifact).ok()) {
            Some(model) => {
                let hash = Sha256::digest(model.card());
                let card = hash.first_chunk().copied();
                (EitherPlan::parsed(&model, self.models.operators), card)
            }
            None => (EitherPlan::included(self.models.included), None),
        }
    }
}
