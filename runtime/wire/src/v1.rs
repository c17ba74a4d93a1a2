//! Version 1: layout of a frame, and the messages.
//!
//! A frame is written by [`seal`] and read in two steps: [`Unverified`] finds the node whose key is needed, and
//! [`Unverified::open`] checks tag and number. No message is handed out before both are right.

mod body;
mod code;
mod message;
mod refusal;
mod sender;

pub use code::{ClockQuality, Command, Hazard, Outcome, Quantity, ResetCause, Severity, Stage};
pub use message::{
    Ack, Alarm, Applied, Boot, Event, Finding, Firmware, Heartbeat, Message, Offer, Part, Readings, Set, Telemetry,
    Time, Try, Update, Values,
};
pub use refusal::{refusal, refused_operator};
pub use sender::{ModelSender, PART_BYTES, Sending};

use crate::counter::{Verdict, Window};
use crate::key::{Context, Key};
use crate::{Direction, Frame, FrameError, Link, MAX_FRAME, NodeId, OpenError, SealError};

/// Version in a frame's first byte.
const VERSION: u8 = 1;
/// Kinds below go up, the others down.
const FIRST_DOWN: u8 = 16;

/// Lengths of a link's header and tag, bytes.
const fn around(link: Link) -> (usize, usize) {
    match link {
        Link::Stream => (1 + 8 + 4, 8),
        Link::LoraWan => (1 + 2, 4),
    }
}

/// Returns the bytes that a frame takes on `link` beside its message's body.
pub const fn overhead(link: Link) -> usize {
    let (header, tag) = around(link);
    header + tag
}

/// Returns the frame number `counter` of (`Direction::Up`) or to (`Direction::Down`) `node`, with its tag.
///
/// The number comes from a [`Counter`](crate::Counter) and must never be used twice with a key in one direction.
///
/// # Errors
/// [`SealError`].
pub fn seal(key: &Key, link: Link, node: NodeId, counter: u32, message: &Message<'_>) -> Result<Frame, SealError> {
    let mut frame = Frame::new();
    let mut put = |bytes: &[u8]| frame.extend_from_slice(bytes).map_err(|_| SealError::TooLong);
    put(&[VERSION << 5 | message.kind()])?;
    match link {
        Link::Stream => {
            put(&node.0.to_le_bytes())?;
            put(&counter.to_le_bytes())?;
        }
        // The lower half.
        Link::LoraWan => put(&(counter as u16).to_le_bytes())?,
    }
    message.write(counter, &mut frame)?;
    let tag = key.tag(&Context { link, node, counter }, &frame);
    let (_, tag_bytes) = around(link);
    frame.extend_from_slice(tag.get(..tag_bytes).unwrap_or_default()).map_err(|_| SealError::TooLong)?;
    Ok(frame)
}

/// A frame whose tag is not checked yet.
#[derive(Clone, Copy, Debug)]
pub struct Unverified<'a> {
    link: Link,
    node: NodeId,
    /// The counter as the frame has it: whole, or its lower half.
    counter: u32,
    kind: u8,
    /// All that the tag is over.
    signed: &'a [u8],
    body: &'a [u8],
    tag: &'a [u8],
}

/// What an authentic frame is to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    /// The first with its number. The receiver stores message and [`Window::with`] this number together, then acknowledges.
    Fresh {
        /// The frame's number.
        counter: u32,
        /// What it says.
        message: Message<'a>,
    },
    /// Accepted before, so its message is not given out again; the sender has not heard the acknowledgement.
    Seen {
        /// The frame's number.
        counter: u32,
    },
}

impl<'a> Unverified<'a> {
    /// Reads a frame from a byte stream, from which frames of `direction` are expected.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn stream(bytes: &'a [u8], direction: Direction) -> Result<Self, FrameError> {
        let (signed, tag, kind) = split(bytes, Link::Stream, direction)?;
        let too_short = too_short(bytes, Link::Stream);
        let (_, rest) = signed.split_first_chunk::<1>().ok_or(too_short)?;
        let (node, rest) = rest.split_first_chunk().ok_or(too_short)?;
        let (counter, body) = rest.split_first_chunk().ok_or(too_short)?;
        let (node, counter) = (NodeId(u64::from_le_bytes(*node)), u32::from_le_bytes(*counter));
        Ok(Self { link: Link::Stream, node, counter, kind, signed, body, tag })
    }

    /// Reads a payload that a LoRaWAN server had from, or has for, the device `node`.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn lorawan(bytes: &'a [u8], node: NodeId, direction: Direction) -> Result<Self, FrameError> {
        let (signed, tag, kind) = split(bytes, Link::LoraWan, direction)?;
        let too_short = too_short(bytes, Link::LoraWan);
        let (_, rest) = signed.split_first_chunk::<1>().ok_or(too_short)?;
        let (counter, body) = rest.split_first_chunk().ok_or(too_short)?;
        let counter = u16::from_le_bytes(*counter).into();
        Ok(Self { link: Link::LoraWan, node, counter, kind, signed, body, tag })
    }

    /// Returns the node that the frame claims to be of, or for: whose key to try.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Checks tag and number; `window` is what was accepted of this node in this direction so far.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, key: &Key, window: &Window) -> Result<Opened<'a>, OpenError> {
        let counter = match self.link {
            Link::Stream => self.counter,
            // The lower half, whose upper half a Boot carries in its body.
            Link::LoraWan => match message::upper_half(self.kind, self.body) {
                Some(upper) => u32::from(upper) << 16 | self.counter,
                None => window.extend(self.counter as u16).ok_or(OpenError::Tag)?,
            },
        };
        let context = Context { link: self.link, node: self.node, counter };
        if !key.verify(&context, self.signed, self.tag) {
            return Err(OpenError::Tag);
        }
        match window.verdict(counter) {
            Verdict::Stale => Err(OpenError::Stale { counter }),
            Verdict::Seen => Ok(Opened::Seen { counter }),
            Verdict::Fresh => {
                let message = Message::read(self.kind, self.body, counter).map_err(OpenError::Body)?;
                Ok(Opened::Fresh { counter, message })
            }
        }
    }
}

fn too_short(bytes: &[u8], link: Link) -> FrameError {
    FrameError::Length { bytes: bytes.len(), least: overhead(link) }
}

/// Returns what the tag is over, the tag, and the kind.
fn split(bytes: &[u8], link: Link, direction: Direction) -> Result<(&[u8], &[u8], u8), FrameError> {
    let (_, tag_bytes) = around(link);
    if !(overhead(link)..=MAX_FRAME).contains(&bytes.len()) {
        return Err(too_short(bytes, link));
    }
    let parts = bytes.len().checked_sub(tag_bytes).and_then(|at| bytes.split_at_checked(at));
    let (signed, tag) = parts.ok_or(too_short(bytes, link))?;
    let first = signed.first().copied().ok_or(too_short(bytes, link))?;
    let (version, kind) = (first >> 5, first & 0x1f);
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    if !message::KINDS.contains(&kind) {
        return Err(FrameError::Kind(kind));
    }
    let goes = if kind < FIRST_DOWN { Direction::Up } else { Direction::Down };
    if goes != direction {
        return Err(FrameError::Direction { kind, goes });
    }
    Ok((signed, tag, kind))
}
