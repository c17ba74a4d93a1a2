//! Firmware's way to the node: frames of the serial link, into the room beside the firmware that runs.
//!
//! What is written, checked, swapped and taken back is the board's ([`Firmware`]); here is who says what when. Fragments over LoRaWAN bring none: an
//! image is twenty models long.

use tanbo_board_api::{Firmware, Refused};
use tanbo_wire::v1::{Firmware as Message, Offer, Part, Stage, Try, Update as Report};

/// Windows that must go well before new firmware confirms itself.
pub const TRIAL_WINDOWS: u16 = 240;
/// Windows that may go wrong meanwhile.
pub const FAILED_WINDOWS: u16 = 60;

/// Takes firmware, and counts the trial of one that was taken.
#[derive(Debug)]
pub struct FirmwareTransfer<'f, F> {
    board: &'f mut F,
    /// What is being received, and up to where all is there.
    receiving: Option<(Offer, usize)>,
    /// The version that the next start swaps in.
    staged: Option<u32>,
    /// Windows that went well and those that did not, while the firmware that runs is on trial.
    trial: Option<[u16; 2]>,
}

/// What a window led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no trial, or it goes on.
    Nothing,
    /// The firmware has confirmed itself: to be reported.
    Kept(Report),
    /// It has failed: a restart takes it back.
    Failed,
}

impl<'f, F: Firmware> FirmwareTransfer<'f, F> {
    /// Returns a transfer to `board`.
    pub fn new(board: &'f mut F) -> Self {
        let trial = board.on_trial().then_some([0; 2]);
        Self { board, receiving: None, staged: None, trial }
    }

    /// Returns whether the node is to restart, once that was reported: an update is to be swapped in.
    pub fn staged(&self) -> bool {
        self.staged.is_some()
    }

    /// Takes a message whose tag and number are checked; returns what is to be reported.
    pub fn take(&mut self, message: &Message<'_>) -> Option<Report> {
        Some(match message {
            Message::Offer(offer) => self.offered(offer),
            Message::Part(part) => self.part(part),
            Message::Try(order) => self.ordered(*order),
            Message::Update(_) => return None,
        })
    }

    fn offered(&mut self, offer: &Offer) -> Report {
        let Offer { version, bytes, hash } = *offer;
        let bytes = bytes as usize;
        if self.staged == Some(version) {
            return report(version, Stage::Trial);
        }
        if self.board.runs(version, bytes, &hash) {
            return self.runs(version);
        }
        let received = match self.receiving {
            Some((before, received)) if before == *offer => received,
            _ => {
                if let Err(refused) = self.admit(version, bytes) {
                    return self.refuse(version, refused);
                }
                self.receiving = Some((*offer, 0));
                0
            }
        };
        received_report(version, received)
    }

    fn admit(&mut self, version: u32, bytes: usize) -> Result<(), Refused> {
        if self.staged.is_some() { Err(Refused::BUSY) } else { self.board.admit(version, bytes) }
    }

    fn part(&mut self, part: &Part<'_>) -> Report {
        // It has started anew.
        let Some((offer, received)) = self.receiving else { return report(0, Stage::Settled) };
        let (version, at) = (offer.version, part.at as usize);
        let end = at.saturating_add(part.bytes.len());
        // Out of order, or once more: it says where to go on.
        if at != received || end > offer.bytes as usize {
            return received_report(version, received);
        }
        match self.board.write(at, part.bytes) {
            Ok(()) => {
                self.receiving = Some((offer, end));
                received_report(version, end)
            }
            Err(refused) => self.refuse(version, refused),
        }
    }

    fn ordered(&mut self, order: Try) -> Report {
        let Try { version, .. } = order;
        if self.staged == Some(version) {
            return report(version, Stage::Trial);
        }
        match self.receiving.filter(|(offer, _)| offer.version == version) {
            Some((offer, received)) if received < offer.bytes as usize => received_report(version, received),
            Some(_) => {
                let staged = self.board.stage(self.receiving.map_or(0, |(_, received)| received));
                self.receiving = None;
                match staged {
                    // What was signed, not what was said of it.
                    Ok(staged) => {
                        self.staged = Some(staged);
                        report(staged, Stage::Trial)
                    }
                    Err(refused) => self.refuse(version, refused),
                }
            }
            None if self.board.version() == version => self.runs(version),
            None => report(version, Stage::Settled),
        }
    }

    /// Returns how the firmware that runs stands.
    fn runs(&self, version: u32) -> Report {
        report(version, if self.trial.is_some() { Stage::Trial } else { Stage::Committed })
    }

    fn refuse(&mut self, version: u32, refused: Refused) -> Report {
        self.receiving = None;
        Report { refusal: refused.0, ..report(version, Stage::Refused) }
    }

    /// Counts a window of the trial, which went well or did not.
    pub fn window(&mut self, well: bool) -> Verdict {
        let Some([good, bad]) = &mut self.trial else { return Verdict::Nothing };
        let count = if well { &mut *good } else { &mut *bad };
        *count += 1;
        if *bad >= FAILED_WINDOWS {
            return Verdict::Failed;
        }
        if *good < TRIAL_WINDOWS {
            return Verdict::Nothing;
        }
        if self.board.confirm().is_err() {
            return Verdict::Failed;
        }
        self.trial = None;
        Verdict::Kept(report(self.board.version(), Stage::Committed))
    }
}

fn report(version: u32, stage: Stage) -> Report {
    Report { version, received: 0, stage, refusal: 0 }
}

fn received_report(version: u32, received: usize) -> Report {
    Report { received: received as u32, ..report(version, Stage::Receiving) }
}
