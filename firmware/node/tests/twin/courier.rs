//! How the gateway of the twin sends a model or firmware: a message for each frame that it hears, or a fragment.

use fastrand::Rng;
use sha2::{Digest as _, Sha256};
use tanbo_fragments::{Answer, PORT, Request, Session, fragment};
use tanbo_wire::v1::{Message, ModelSender, Stage, Update};

/// Bytes of a fragment.
const FRAGMENT_BYTES: usize = 48;

/// A model on its way.
pub struct Courier {
    /// When it sets out.
    from_us: u64,
    version: u32,
    bytes: &'static [u8],
    way: Way,
    /// What the node said of it last.
    pub told: Option<Update>,
}

enum Way {
    Frames {
        sender: ModelSender<'static>,
        /// Time between two messages, and when the next may go.
        pace_us: u64,
        next_us: u64,
    },
    Fragments {
        session: Session,
        /// The next one; 0: the session is not set up.
        number: u16,
        random: Rng,
    },
}

/// What is to be said.
pub enum Said {
    Message(Message<'static>),
    /// With its port.
    Payload(Vec<u8>),
}

impl Courier {
    /// In frames, with a trial of `windows` windows.
    pub fn frames(from_us: u64, bytes: Vec<u8>, version: u32, windows: u16, pace_us: u64) -> Self {
        let bytes: &'static [u8] = bytes.leak();
        let hash = *bytes[160..].first_chunk().expect("a hash");
        let sender = ModelSender::new(bytes, hash, version, windows).expect("a sender");
        let way = Way::Frames { sender, pace_us, next_us: from_us };
        Self { from_us, version, bytes, way, told: None }
    }

    /// Firmware, in frames.
    pub fn firmware(bytes: Vec<u8>, version: u32) -> Self {
        let bytes: &'static [u8] = bytes.leak();
        let sender = ModelSender::firmware(bytes, Sha256::digest(bytes).into(), version).expect("a sender");
        Self { from_us: 0, version, bytes, way: Way::Frames { sender, pace_us: 0, next_us: 0 }, told: None }
    }

    /// In fragments, of which one in five is lost.
    pub fn fragments(from_us: u64, bytes: Vec<u8>, version: u32, seed: u64) -> Self {
        let session = Session::new(0, bytes.len(), FRAGMENT_BYTES, version.to_le_bytes()).expect("a session");
        let way = Way::Fragments { session, number: 0, random: Rng::with_seed(seed) };
        Self { from_us, version, bytes: bytes.leak(), way, told: None }
    }

    /// Whether it has arrived, or never will.
    pub fn is_over(&self) -> bool {
        let stage = self.told.map(|told| told.stage);
        matches!(stage, Some(Stage::Committed | Stage::RolledBack | Stage::Refused))
    }

    pub fn hear(&mut self, update: &Update) {
        if update.version == self.version {
            self.told = Some(*update);
        }
        if let Way::Frames { sender, .. } = &mut self.way {
            sender.hear(update);
        }
    }

    /// Hears a payload of the port of fragments.
    pub fn answered(&mut self, mut payload: &[u8]) {
        let yes = Answer::Setup { index: 0, algorithm: false, memory: false, session: false, descriptor: false };
        if let Way::Fragments { number, .. } = &mut self.way
            && Answer::take(&mut payload) == Ok(Some(yes))
        {
            *number = 1;
        }
    }

    /// What it says after a frame at `now_us`.
    pub fn say(&mut self, now_us: u64) -> Option<Said> {
        let trial = self.told.is_some_and(|told| told.stage == Stage::Trial);
        if now_us < self.from_us || self.is_over() || trial {
            return None;
        }
        match &mut self.way {
            Way::Frames { sender, pace_us, next_us } => {
                let message = sender.message().filter(|_| now_us >= *next_us)?;
                *next_us = now_us + *pace_us;
                Some(Said::Message(message))
            }
            Way::Fragments { session, number, random } => {
                let mut part = [0; FRAGMENT_BYTES];
                let request = if *number == 0 {
                    Request::setup(*session)
                } else {
                    assert!(fragment(session, self.bytes, *number, &mut part));
                    *number += 1;
                    if random.u8(..) < 51 {
                        return None;
                    }
                    Request::Fragment { index: 0, number: *number - 1, bytes: &part }
                };
                let mut payload = [PORT; 64];
                let len = request.write(&mut payload[1..]).expect("room");
                Some(Said::Payload(payload[..=len].to_vec()))
            }
        }
    }
}
