//! Between the uplink, which hears and reports, and whoever keeps the models: what came, what is to be said, how a trial goes.

use core::cell::Cell;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use tanbo_fragments::Answer;
use tanbo_wire::v1::{Firmware, Message, Offer, Part, Stage, Try, Update as Report};
use tanbo_wire::{Frame, MAX_FRAME};

/// How often a report is said again where nothing comes after it.
const REPEATS: u8 = 8;
/// Longest frame from a gateway that sends no models, bytes: the time, on a stream.
const DOWN_BYTES: usize = 48;

/// Who takes models: [`Mailbox`], or nobody, `()`, which costs nothing.
pub(crate) trait Inbox {
    /// Room for what the gateway sends.
    type Room: AsMut<[u8]> + AsRef<[u8]>;

    /// Returns the room.
    fn room(&self) -> Self::Room;

    /// Takes what came; whether it is for the models. What finds the box full is lost, as on the air.
    fn put(&self, letter: &Letter<'_>) -> bool;

    /// Returns whether something is to be said.
    fn speaks(&self) -> bool;

    /// Returns the report to be said.
    fn report(&self) -> Option<Told>;

    /// Returns the answer to be said on the port of fragments.
    fn answer(&self) -> Option<Answer>;

    /// A report was said, and acknowledged or not: where nothing came after it, it is said again, a few times.
    fn said(&self, acknowledged: bool);

    /// Returns whether the node is to restart now.
    fn restarts(&self) -> bool;
}

/// How an update is: of a model, or of the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Model(Report),
    Firmware(Report),
}

impl Told {
    /// Returns the message that says it.
    pub fn message(self) -> Message<'static> {
        match self {
            Self::Model(report) => Message::Update(report),
            Self::Firmware(report) => Firmware::Update(report).into(),
        }
    }

    fn report(self) -> Report {
        let (Self::Model(report) | Self::Firmware(report)) = self;
        report
    }
}

/// What comes from the gateway.
pub(crate) enum Letter<'f> {
    /// A message whose tag and number are checked.
    Message(Message<'f>),
    /// On the port of fragments.
    Fragments(&'f [u8]),
}

impl Inbox for () {
    type Room = [u8; DOWN_BYTES];

    fn room(&self) -> Self::Room {
        [0; DOWN_BYTES]
    }

    fn put(&self, _: &Letter<'_>) -> bool {
        false
    }

    fn speaks(&self) -> bool {
        false
    }

    fn report(&self) -> Option<Told> {
        None
    }

    fn answer(&self) -> Option<Answer> {
        None
    }

    fn said(&self, _: bool) {}

    fn restarts(&self) -> bool {
        false
    }
}

/// What is in the box, without its bytes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Offer(Offer),
    Part { at: u32 },
    Try(Try),
    FirmwareOffer(Offer),
    FirmwarePart { at: u32 },
    FirmwareTry(Try),
    Fragments,
}

/// Why sampling is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A model is to be checked, and tried for so many windows.
    Check {
        /// Windows.
        windows: u16,
    },
    /// The model before is to be run again.
    Before,
}

/// The box.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    kind: Cell<Option<Kind>>,
    bytes: Mutex<NoopRawMutex, Frame>,
    report: Cell<Option<Told>>,
    /// What was said last, and how often.
    said: Cell<Option<(Told, u8)>>,
    /// The node is to restart, once what there is to tell was said.
    restart: Cell<bool>,
    answer: Cell<Option<Answer>>,
    /// Hops of the detector since they were looked at last, and whether something went wrong.
    windows: Cell<u16>,
    failed: Cell<bool>,
    wanted: Cell<Option<Wanted>>,
}

impl Mailbox {
    /// Has the node restarted, once what there is to tell was said.
    pub fn restart(&self) {
        self.restart.set(true);
    }

    /// Has a report said.
    pub fn tell(&self, report: Told) {
        self.said.set(None);
        self.report.set(Some(report));
    }

    /// Has an answer said.
    pub fn reply(&self, answer: Answer) {
        self.answer.set(Some(answer));
    }

    /// The detector has judged a hop, its gate open or shut: on a quiet site none opens for weeks, and a trial that waited for it would be
    /// ended by the next reset. What the model computes on this core, its self-test has shown before.
    pub fn hop(&self) {
        self.windows.set(self.windows.get().saturating_add(1));
    }

    /// The detector failed, or readings were lost.
    pub fn fail(&self) {
        self.failed.set(true);
    }

    /// Sampling is to leave.
    pub fn want(&self, wanted: Wanted) {
        self.wanted.set(Some(wanted));
    }

    /// Returns why sampling is to leave.
    pub fn wanted(&self) -> Option<Wanted> {
        self.wanted.get()
    }

    /// Sampling has left.
    pub fn take_wanted(&self) -> Option<Wanted> {
        self.wanted.take()
    }

    /// Returns whether there is something for whoever keeps the models.
    pub fn has_news(&self) -> bool {
        self.kind.get().is_some() || self.windows.get() > 0 || self.failed.get()
    }

    /// Returns how many hops were judged since the last time, and whether all went well.
    pub fn take_hops(&self) -> (u16, bool) {
        (self.windows.take(), !self.failed.take())
    }

    /// Hands what came to `open`, which then is gone.
    pub async fn open<T>(&self, open: impl AsyncFnOnce(Letter<'_>) -> T) -> Option<T> {
        // Locked, it is full.
        let bytes = self.bytes.lock().await;
        let letter = match self.kind.take()? {
            Kind::Offer(offer) => Letter::Message(Message::Offer(offer)),
            Kind::Part { at } => Letter::Message(Message::Part(Part { at, bytes: &bytes })),
            Kind::Try(order) => Letter::Message(Message::Try(order)),
            Kind::FirmwareOffer(offer) => Letter::Message(Firmware::Offer(offer).into()),
            Kind::FirmwarePart { at } => Letter::Message(Firmware::Part(Part { at, bytes: &bytes }).into()),
            Kind::FirmwareTry(order) => Letter::Message(Firmware::Try(order).into()),
            Kind::Fragments => Letter::Fragments(&bytes),
        };
        Some(open(letter).await)
    }
}

impl Inbox for Mailbox {
    type Room = [u8; MAX_FRAME];

    fn room(&self) -> Self::Room {
        [0; MAX_FRAME]
    }

    fn put(&self, letter: &Letter<'_>) -> bool {
        let (kind, from): (_, &[u8]) = match letter {
            Letter::Message(Message::Offer(offer)) => (Kind::Offer(*offer), &[]),
            Letter::Message(Message::Part(part)) => (Kind::Part { at: part.at }, part.bytes),
            Letter::Message(Message::Try(order)) => (Kind::Try(*order), &[]),
            Letter::Message(Message::Firmware(message)) => match message {
                Firmware::Offer(offer) => (Kind::FirmwareOffer(*offer), &[]),
                Firmware::Part(part) => (Kind::FirmwarePart { at: part.at }, part.bytes),
                Firmware::Try(order) => (Kind::FirmwareTry(*order), &[]),
                Firmware::Update(_) => return false,
            },
            Letter::Message(_) => return false,
            Letter::Fragments(bytes) => (Kind::Fragments, bytes),
        };
        self.said.set(None);
        if self.kind.get().is_none()
            && let Ok(mut bytes) = self.bytes.try_lock()
        {
            bytes.clear();
            if bytes.extend_from_slice(from).is_ok() {
                self.kind.set(Some(kind));
            }
        }
        true
    }

    fn speaks(&self) -> bool {
        self.report.get().is_some() || self.answer.get().is_some()
    }

    fn report(&self) -> Option<Told> {
        let report = self.report.take()?;
        let often = self.said.get().map_or(0, |(_, often)| often);
        self.said.set(Some((report, often + 1)));
        Some(report)
    }

    fn answer(&self) -> Option<Answer> {
        self.answer.take()
    }

    fn said(&self, acknowledged: bool) {
        if let Some((told, often)) = self.said.get()
            && often < REPEATS
            && (told.report().stage == Stage::Receiving || !acknowledged)
            && self.report.get().is_none()
        {
            // Who receives must speak, or hears nothing.
            self.report.set(Some(told));
        }
    }

    fn restarts(&self) -> bool {
        // What there was to tell has been said once.
        self.restart.get() && (self.report.get().is_none() || self.said.get().is_some())
    }
}
