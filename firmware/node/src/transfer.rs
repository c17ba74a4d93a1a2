//! A model's way to the node: frames of the serial link, or fragments of TS004 over LoRaWAN. Both end in the same check and trial.

use tanbo_board_api::Slots;
use tanbo_fragments::{Answer, Decoder, Progress, Request};
use tanbo_wire::v1::{Message, Stage, Update as Report};

use crate::slots::Refusal;
use crate::update::{Ledger, Offer, SlotBlock, Update, UpdateError, Verdict};

/// Windows of a trial after fragments or a debug probe, which carry no such number.
pub const TRIAL_WINDOWS: u16 = 240;

/// Takes models from both links, one at a time.
#[derive(Debug)]
pub struct Transfer<'k, 'm> {
    update: Update<'k>,
    /// Version that is talked about.
    version: u32,
    fragments: Fragments<'m>,
}

/// The decoder's memory is with the decoder while there is one.
#[derive(Debug)]
enum Fragments<'m> {
    Idle(&'m mut [u32]),
    Session {
        decoder: Decoder<'m>,
        slot: u8,
    },
    /// Only while one becomes the other.
    Moving,
}

/// What a payload led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing to do.
    Nothing,
    /// To be sent back on the port of fragments.
    Answer(Answer),
    /// To be reported.
    Report(Report),
    /// To be sent back on the port of fragments, and to be reported.
    Refused(Answer, Report),
    /// All is there: to be checked and tried ([`Transfer::check_and_try`]) as soon as nobody runs in the arena.
    Try {
        /// Windows of the trial.
        windows: u16,
    },
}

impl<'k, 'm> Transfer<'k, 'm> {
    /// Returns a transfer with `memory` for the decoder of fragments: [`tanbo_fragments::memory_words`].
    pub fn new(update: Update<'k>, memory: &'m mut [u32]) -> Self {
        Self { update, version: 0, fragments: Fragments::Idle(memory) }
    }

    /// Returns the update, to start and to count windows.
    pub fn update(&mut self) -> &mut Update<'k> {
        &mut self.update
    }

    /// Takes up what a debug probe has put into the idle slot; whether it is to be checked and tried ([`Transfer::check_and_try`]).
    pub fn take_offered<S: Slots>(&mut self, slots: &S) -> bool {
        let offered = self.update.take_offered(slots);
        self.version = offered.unwrap_or(self.version);
        offered.is_some()
    }

    fn report(&self, stage: Stage, received: usize) -> Report {
        Report { version: self.version, received: received as u32, stage, refusal: 0 }
    }

    /// Returns the report of a refusal, or the memory's error.
    fn refused<T, S, L>(&self, result: Result<T, UpdateError<S, L>>) -> Result<Result<T, Report>, UpdateError<S, L>> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(UpdateError::Refused(refusal)) => {
                Ok(Err(Report { refusal: refusal.code(), ..self.report(Stage::Refused, 0) }))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a message of the serial link, whose tag and number are checked; nothing comes of one that is about something else.
    ///
    /// # Errors
    /// The memories'.
    pub async fn frame<S: Slots, L: Ledger>(
        &mut self,
        message: &Message<'_>,
        slots: &mut S,
        ledger: &mut L,
    ) -> Result<Heard, UpdateError<S::Error, L::Error>> {
        let asked = match message {
            Message::Offer(offer) => offer.version,
            Message::Try(order) => order.version,
            _ => 0,
        };
        if asked > 0 && asked == ledger.versions().committed {
            // The gateway has not heard it.
            return Ok(Heard::Report(Report { version: asked, ..self.report(Stage::Committed, 0) }));
        }
        let outcome = match message {
            Message::Offer(offer) => {
                self.version = offer.version;
                self.end_session();
                let offer = Offer { version: offer.version, bytes: offer.bytes as usize, hash: offer.hash };
                let begun = self.update.begin(&offer, slots, ledger).await;
                self.refused(begun)?.map(|at| self.report(Stage::Receiving, at))
            }
            Message::Part(part) => match self.update.write(part.at as usize, part.bytes, slots, ledger).await {
                // A part out of order: it says where to go on.
                Err(UpdateError::Refused(Refusal::Gap { expected, .. })) => Ok(self.report(Stage::Receiving, expected)),
                // It has started anew.
                Err(UpdateError::Refused(Refusal::NotNow)) => Ok(self.report(Stage::Settled, 0)),
                written => self.refused(written)?.map(|at| self.report(Stage::Receiving, at)),
            },
            Message::Try(order) if order.version == self.version => {
                if !self.update.on_trial(order.version) {
                    return Ok(Heard::Try { windows: order.windows });
                }
                Ok(self.report(Stage::Trial, 0))
            }
            Message::Try(order) => Ok(Report { version: order.version, ..self.report(Stage::Settled, 0) }),
            _ => return Ok(Heard::Nothing),
        };
        Ok(Heard::Report(outcome.unwrap_or_else(|refusal| refusal)))
    }

    /// Checks what was received and puts it on trial; `arena` is lent for the self-test. Tells what became of it: on trial, the slot that
    /// is selected is the one to run.
    ///
    /// # Errors
    /// The memories'.
    pub async fn check_and_try<S: Slots, L: Ledger>(
        &mut self,
        windows: u16,
        slots: &mut S,
        ledger: &mut L,
        arena: &mut [u8],
    ) -> Result<Report, UpdateError<S::Error, L::Error>> {
        let release = match self.update.check(slots, ledger, arena).await {
            // It has started anew, or has not heard all.
            Err(UpdateError::Refused(Refusal::NotNow)) => return Ok(self.report(Stage::Settled, 0)),
            Err(UpdateError::Refused(Refusal::Truncated { received, .. })) => {
                return Ok(self.report(Stage::Receiving, received));
            }
            checked => match self.refused(checked)? {
                Ok(release) => release,
                Err(refusal) => return Ok(refusal),
            },
        };
        // What was signed, not what was said of it.
        self.version = release.version;
        self.update.try_out(windows, slots, ledger).await?;
        Ok(self.report(Stage::Trial, 0))
    }

    /// Takes a payload of the port of fragments ([`tanbo_fragments::PORT`]). A session's descriptor is the version, little-endian.
    ///
    /// With the last fragment it is to be tried ([`Heard::Try`]).
    ///
    /// # Errors
    /// The memories'.
    pub async fn fragments<S: Slots, L: Ledger>(
        &mut self,
        mut payload: &[u8],
        slots: &mut S,
        ledger: &L,
    ) -> Result<Heard, UpdateError<S::Error, L::Error>> {
        // One command at a time, as servers send them; what follows a command that cannot be read is not read.
        let Ok(Some(request)) = Request::take(&mut payload) else { return Ok(Heard::Nothing) };
        let running = match &self.fragments {
            Fragments::Session { decoder, .. } => {
                Some((decoder.session().index(), decoder.progress(), decoder.received()))
            }
            _ => None,
        };
        match request {
            Request::PackageVersion => Ok(Heard::Answer(Answer::PackageVersion)),
            Request::Status { index, all } => Ok(match running.filter(|running| running.0 == index) {
                Some((index, progress, received)) if all || progress != Progress::Complete => {
                    let (missing, no_memory) = match progress {
                        Progress::Missing(missing) => (u8::try_from(missing).unwrap_or(u8::MAX), false),
                        Progress::TooManyLost { lost, .. } => (u8::try_from(lost).unwrap_or(u8::MAX), true),
                        Progress::Complete => (0, false),
                    };
                    Heard::Answer(Answer::Status { index, received, missing, no_memory })
                }
                _ => Heard::Nothing,
            }),
            Request::Delete { index } => {
                let unknown = running.is_none_or(|running| running.0 != index);
                if !unknown {
                    self.end_session();
                }
                Ok(Heard::Answer(Answer::Delete { index, unknown }))
            }
            Request::Setup { session, index, algorithm } => {
                let mut no =
                    Answer::Setup { index, algorithm: false, memory: false, session: false, descriptor: false };
                let Answer::Setup { algorithm: coding, memory, session: none, descriptor, .. } = &mut no else {
                    return Ok(Heard::Nothing);
                };
                *coding = !Request::knows(algorithm);
                let Ok(session) = session else {
                    *none = true;
                    return Ok(Heard::Answer(no));
                };
                if *coding {
                    return Ok(Heard::Answer(no));
                }
                if !session.fragment_bytes().is_multiple_of(slots.write_bytes()) {
                    *memory = true;
                    return Ok(Heard::Answer(no));
                }
                self.version = u32::from_le_bytes(session.descriptor);
                self.end_session();
                let begun = self.update.begin_unordered(self.version, session.block_bytes(), slots, ledger).await;
                match self.refused(begun)? {
                    Ok(slot) => *memory = !self.open_session(session, slot, slots.slot_bytes()),
                    Err(report) => {
                        *descriptor = true;
                        return Ok(Heard::Refused(no, report));
                    }
                }
                Ok(Heard::Answer(no))
            }
            Request::Fragment { index, number, bytes } => {
                let Fragments::Session { decoder, slot } = &mut self.fragments else { return Ok(Heard::Nothing) };
                let before = decoder.progress();
                if decoder.session().index() != index || before == Progress::Complete {
                    return Ok(Heard::Nothing);
                }
                let taken = decoder.take(number, bytes, &mut SlotBlock::new(slots, *slot)).await;
                match taken {
                    Ok(Progress::Complete) => Ok(Heard::Try { windows: TRIAL_WINDOWS }),
                    Ok(_) => Ok(Heard::Nothing),
                    Err(tanbo_fragments::DecodeError::Block(error)) => {
                        self.end_session();
                        Err(UpdateError::Slots(error))
                    }
                    // A fragment of another length, or none: as if it had not come.
                    Err(_) => Ok(Heard::Nothing),
                }
            }
        }
    }

    /// Returns how far a session of fragments is that is not complete.
    pub fn receiving(&self) -> Option<Report> {
        let Fragments::Session { decoder, .. } = &self.fragments else { return None };
        let session = decoder.session();
        let bytes = usize::from(decoder.received()) * session.fragment_bytes();
        (decoder.progress() != Progress::Complete)
            .then(|| self.report(Stage::Receiving, bytes.min(session.block_bytes())))
    }

    fn end_session(&mut self) {
        self.fragments = match core::mem::replace(&mut self.fragments, Fragments::Moving) {
            Fragments::Session { decoder, .. } => Fragments::Idle(decoder.release()),
            other => other,
        };
    }

    /// Returns whether there is memory for the session.
    fn open_session(&mut self, session: tanbo_fragments::Session, slot: u8, room: usize) -> bool {
        let Fragments::Idle(memory) = core::mem::replace(&mut self.fragments, Fragments::Moving) else { return false };
        if Decoder::new(session, room, memory).is_err() {
            self.fragments = Fragments::Idle(memory);
            return false;
        }
        match Decoder::new(session, room, memory) {
            Ok(decoder) => self.fragments = Fragments::Session { decoder, slot },
            Err(_) => return false,
        }
        true
    }

    /// Counts a window of a trial; a report where it ends.
    ///
    /// # Errors
    /// The memories'.
    pub async fn window<S: Slots, L: Ledger>(
        &mut self,
        well: bool,
        slots: &mut S,
        ledger: &mut L,
    ) -> Result<Option<Report>, UpdateError<S::Error, L::Error>> {
        let (version, stage) = match self.update.window(well, slots, ledger).await? {
            Verdict::Settled | Verdict::Trial { .. } => return Ok(None),
            Verdict::Committed { version } => (version, Stage::Committed),
            Verdict::RolledBack { version } => (version, Stage::RolledBack),
        };
        Ok(Some(Report { version, ..self.report(stage, 0) }))
    }
}
