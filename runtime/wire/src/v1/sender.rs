//! The sender of a model, or of firmware, on a stream: what to say next, after what was heard.

use super::code::Stage;
use super::message::{Firmware, Message, Offer, Part, Try, Update};

/// Bytes of a part: a multiple of what every flash writes at once.
pub const PART_BYTES: usize = 192;

/// How a sending stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Say [`ModelSender::message`]; say it again where nothing is heard.
    Going {
        /// Bytes that are there.
        received: u32,
    },
    /// The node has it on trial.
    Trial,
    /// The node has committed it.
    Committed,
    /// The node went back to the model before.
    RolledBack,
    /// The node does not take it.
    Refused {
        /// The node's number of the reason.
        refusal: u8,
    },
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cargo {
    /// A model.
    Model,
    /// The node's firmware.
    Firmware,
}

/// Sends a model or firmware: every message may be lost, and the node may go away and come back.
#[derive(Clone, Copy, Debug)]
pub struct ModelSender<'a> {
    cargo: Cargo,
    artifact: &'a [u8],
    offer: Offer,
    windows: u16,
    /// What the node has; `None` until it says so.
    received: Option<u32>,
    state: Sending,
}

impl<'a> ModelSender<'a> {
    /// Returns the sender of `artifact`, which states `hash`, as `version`, with a trial of `windows` windows. `None` where it is longer than 4 GiB.
    pub fn new(artifact: &'a [u8], hash: [u8; 32], version: u32, windows: u16) -> Option<Self> {
        let offer = Offer { version, bytes: u32::try_from(artifact.len()).ok()?, hash };
        Some(Self {
            cargo: Cargo::Model,
            artifact,
            offer,
            windows,
            received: None,
            state: Sending::Going { received: 0 },
        })
    }

    /// Returns the sender of `update`, whose SHA-256 is `hash`, as `version` of the node's firmware. `None` where it is longer than 4 GiB.
    pub fn firmware(update: &'a [u8], hash: [u8; 32], version: u32) -> Option<Self> {
        Some(Self { cargo: Cargo::Firmware, ..Self::new(update, hash, version, 0)? })
    }

    /// Returns the length of what is sent, bytes.
    pub fn bytes(&self) -> usize {
        self.artifact.len()
    }

    /// Returns how it stands.
    pub fn state(&self) -> Sending {
        self.state
    }

    /// Returns what to say; nothing where the node must speak, or all is said.
    pub fn message(&self) -> Option<Message<'a>> {
        let Sending::Going { .. } = self.state else { return None };
        let Some(at) = self.received else {
            return Some(self.of(Message::Offer, Firmware::Offer, self.offer));
        };
        let rest = self.artifact.get(at as usize..).unwrap_or_default();
        if rest.is_empty() {
            return Some(self.order());
        }
        Some(self.of(Message::Part, Firmware::Part, Part { at, bytes: rest.get(..PART_BYTES).unwrap_or(rest) }))
    }

    /// Returns the order to check and try it; a node where that has been done answers how it stands.
    pub fn order(&self) -> Message<'a> {
        self.of(Message::Try, Firmware::Try, Try { version: self.offer.version, windows: self.windows })
    }

    /// Returns what a message says of what is sent; `None` where it is about something else.
    pub fn report(&self, message: &Message<'_>) -> Option<Update> {
        match (self.cargo, message) {
            (Cargo::Model, Message::Update(update))
            | (Cargo::Firmware, Message::Firmware(Firmware::Update(update))) => Some(*update),
            _ => None,
        }
    }

    fn of<T>(&self, model: fn(T) -> Message<'a>, firmware: fn(T) -> Firmware<'a>, told: T) -> Message<'a> {
        match self.cargo {
            Cargo::Model => model(told),
            Cargo::Firmware => firmware(told).into(),
        }
    }

    /// Takes what the node says, and returns how it stands. What it says of other versions is passed over.
    pub fn hear(&mut self, update: &Update) -> Sending {
        // A node that has started anew knows of no version.
        let forgotten = update.version == 0 && update.stage == Stage::Settled;
        if update.version == self.offer.version || forgotten {
            self.state = match update.stage {
                Stage::Receiving => {
                    self.received = Some(update.received);
                    Sending::Going { received: update.received }
                }
                // It has started anew and knows nothing of this.
                Stage::Settled => self.anew(),
                Stage::Trial => Sending::Trial,
                Stage::Committed => Sending::Committed,
                Stage::RolledBack => Sending::RolledBack,
                Stage::Refused => Sending::Refused { refusal: update.refusal },
            };
        }
        self.state
    }

    /// Begins with the offer again, for a node that has gone away: it says from where to go on.
    pub fn anew(&mut self) -> Sending {
        self.received = None;
        self.state = Sending::Going { received: 0 };
        self.state
    }
}
