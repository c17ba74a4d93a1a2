//! How a node is told over its serial line who it is, and how it forgets it.
//!
//! Frames of their own on the same line: their first byte, `0xe0 | kind`, is that of a version 7 that data frames never have, so that
//! neither is taken for the other. Behind the body stand 8 bytes of tag, AES-CMAC over a block (`"tnp"`, kind, challenge) and the frame.
//!
//! | kind | from | body | tag by | over also |
//! |---|---|---|---|---|
//! | 0 [`Request::Ask`] | host | version of this | nobody's key | |
//! | 1 [`Request::Part`] | host | `at` u16, bytes | nobody's key | |
//! | 2 [`Request::Commit`] | host | | the node's key | the challenge, the page that was sent |
//! | 3 [`Request::Revoke`] | host | | the node's key | the challenge |
//! | 16 [`Answer`] | node | as it says | nobody's key | |
//!
//! Nobody's key is zeros: such a tag finds damage, and keeps nobody out. A node that has no identity has nobody's key, so that whoever has the
//! line may give it one. One that has takes orders only from who has its key; its answers carry a challenge that is another after every order,
//! so that none can be played again. No answer holds a key: [`Held::check`] proves which page the node has to who knows that page.

use crate::key::Key;
use crate::{Frame, MAX_FRAME, NodeId};

/// Version of these frames.
pub const VERSION: u8 = 1;
/// Bytes of a part.
pub const PART_BYTES: usize = 192;
/// First byte of a frame, its upper three bits.
const MARK: u8 = 0xe0;
const TAG_BYTES: usize = 8;
const ASK: u8 = 0;
const PART: u8 = 1;
const COMMIT: u8 = 2;
const REVOKE: u8 = 3;
const ANSWER: u8 = 16;
/// In the block under a tag, for what is no frame.
const CHECK: u8 = 31;

/// Returns the key of a node that has none.
pub fn nobody() -> Key {
    Key::from([0; 16])
}

/// What the host wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who and what is there?
    Ask,
    /// Bytes of the page of an identity, in order.
    Part {
        /// Where they go.
        at: u16,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The page is whole: this is who you are.
    Commit,
    /// Forget who you are.
    Revoke,
}

impl Request<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Ask => ASK,
            Self::Part { .. } => PART,
            Self::Commit => COMMIT,
            Self::Revoke => REVOKE,
        }
    }

    /// Whether it is an order that the node's key must be behind.
    pub const fn is_order(&self) -> bool {
        matches!(self, Self::Commit | Self::Revoke)
    }
}

/// What the tag of an order is made with.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The node's key, [`nobody`]'s where it has none.
    pub key: &'a Key,
    /// Of the node's last answer.
    pub challenge: u64,
    /// The page that was sent, for [`Request::Commit`]; else nothing.
    pub page: &'a [u8],
}

impl Proof<'_> {
    fn block(&self, kind: u8) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.challenge.to_le_bytes();
        [b't', b'n', b'p', kind, a, b, c, d, e, f, g, h, 0, 0, 0, 0]
    }

    fn tag(&self, kind: u8, signed: &[u8]) -> [u8; TAG_BYTES] {
        let code = self.key.code(&[&self.block(kind), signed, self.page]);
        let [a, b, c, d, e, f, g, h, ..] = code;
        [a, b, c, d, e, f, g, h]
    }
}

/// Returns the bytes that prove, to who knows the page of an identity and its key, that this page is held.
pub fn check(key: &Key, page: &[u8]) -> [u8; 8] {
    Proof { key, challenge: 0, page }.tag(CHECK, &[])
}

/// Returns a request's frame; `proof` matters for orders only. `None` for a part longer than a frame.
pub fn seal(request: &Request<'_>, proof: &Proof<'_>) -> Option<Frame> {
    let mut frame = Frame::new();
    frame.push(MARK | request.kind()).ok()?;
    match request {
        Request::Ask => frame.push(VERSION).ok()?,
        Request::Part { at, bytes } => {
            frame.extend_from_slice(&at.to_le_bytes()).ok()?;
            frame.extend_from_slice(bytes).ok()?;
        }
        Request::Commit | Request::Revoke => {}
    }
    let tag = if request.is_order() {
        proof.tag(request.kind(), &frame)
    } else {
        Proof { key: &nobody(), challenge: 0, page: &[] }.tag(request.kind(), &frame)
    };
    frame.extend_from_slice(&tag).ok()?;
    Some(frame)
}

/// A request as it came; an order's tag is not checked yet.
#[derive(Clone, Copy, Debug)]
pub struct Unverified<'a> {
    /// What is wanted.
    pub request: Request<'a>,
    signed: &'a [u8],
    tag: &'a [u8; TAG_BYTES],
}

impl<'a> Unverified<'a> {
    /// Reads a request; `None` where the bytes are none of this version, or damaged.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let Split { kind, body, signed, tag } = split(frame)?;
        let request = match kind {
            ASK if body == [VERSION] => Request::Ask,
            PART => {
                let (at, bytes) = body.split_first_chunk()?;
                Request::Part { at: u16::from_le_bytes(*at), bytes }
            }
            COMMIT if body.is_empty() => Request::Commit,
            REVOKE if body.is_empty() => Request::Revoke,
            _ => return None,
        };
        let this = Self { request, signed, tag };
        let whole = request.is_order() || this.is_proven(&Proof { key: &nobody(), challenge: 0, page: &[] });
        whole.then_some(this)
    }

    /// Returns whether `proof` is what the tag was made with; takes the same time whether or not it is.
    pub fn is_proven(&self, proof: &Proof<'_>) -> bool {
        let block = proof.block(self.request.kind());
        proof.key.is_code(&[&block, self.signed, proof.page], self.tag)
    }
}

struct Split<'a> {
    kind: u8,
    body: &'a [u8],
    /// What the tag is over.
    signed: &'a [u8],
    tag: &'a [u8; TAG_BYTES],
}

fn split(frame: &[u8]) -> Option<Split<'_>> {
    let (signed, tag) = frame.split_last_chunk::<TAG_BYTES>()?;
    let (first, body) = signed.split_first()?;
    let right = first & MARK == MARK && frame.len() <= MAX_FRAME;
    right.then_some(Split { kind: first & !MARK, body, signed, tag })
}

/// What became of a request. A number is never given a second meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was changed: the answer to [`Request::Ask`].
    Ready = 0,
    /// Bytes are there: [`Answer::received`] says how many.
    Received = 1,
    /// The node is who the page says.
    Written = 2,
    /// The node is nobody.
    Erased = 3,
    /// The order was not made with the node's key, or for an answer before the last.
    NotProven = 4,
    /// Not the whole page is there.
    Incomplete = 5,
    /// The page is no identity that this firmware reads.
    NoIdentity = 6,
    /// There is nothing to forget.
    Nobody = 7,
    /// The flash does not hold what was written.
    Flash = 8,
}

impl Outcome {
    /// All of them, each at its number.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::Received,
        Self::Written,
        Self::Erased,
        Self::NotProven,
        Self::Incomplete,
        Self::NoIdentity,
        Self::Nobody,
        Self::Flash,
    ];
}

/// Who a node is, as far as anybody may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub node: NodeId,
    /// Number of its region, as its flash has it.
    pub region: u8,
    /// Keys of signers that it trusts.
    pub signers: u8,
    /// Channels that are calibrated.
    pub calibrations: u8,
    /// [`check`] of its page.
    pub check: [u8; 8],
}

/// Where things lie in the node's flash, by offsets from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The identity.
    pub identity: u32,
    /// The store.
    pub store: u32,
    /// End of the store.
    pub end: u32,
    /// Length of a model slot.
    pub slot_bytes: u32,
}

/// What a node says: outcome u8, challenge u64, received u16, places 4 × u32, whether it is somebody u8, [`Held`] (zeros for nobody),
/// then its board's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What became of the request.
    pub outcome: Outcome,
    /// For the next order.
    pub challenge: u64,
    /// Bytes of a page that are there, in order from the first.
    pub received: u16,
    /// Where things lie.
    pub places: Places,
    /// Who it is.
    pub held: Option<Held>,
    /// Name of its board.
    pub board: &'a str,
}

impl<'a> Answer<'a> {
    /// Returns the frame; a name that is too long for it is cut.
    pub fn seal(&self) -> Option<Frame> {
        let mut frame = Frame::new();
        let nobody_here = Held { node: NodeId(0), region: 0, signers: 0, calibrations: 0, check: [0; 8] };
        let held = self.held.unwrap_or(nobody_here);
        let Places { identity, store, end, slot_bytes } = self.places;
        let parts: [&[u8]; 10] = [
            &[MARK | ANSWER, VERSION, self.outcome as u8],
            &self.challenge.to_le_bytes(),
            &self.received.to_le_bytes(),
            &identity.to_le_bytes(),
            &store.to_le_bytes(),
            &end.to_le_bytes(),
            &slot_bytes.to_le_bytes(),
            &[u8::from(self.held.is_some())],
            &held.node.0.to_le_bytes(),
            &[held.region, held.signers, held.calibrations],
        ];
        parts.into_iter().try_for_each(|part| frame.extend_from_slice(part)).ok()?;
        frame.extend_from_slice(&held.check).ok()?;
        let room = MAX_FRAME - TAG_BYTES - frame.len();
        let mut cut = self.board.len().min(room);
        while !self.board.is_char_boundary(cut) {
            cut -= 1;
        }
        frame.extend_from_slice(self.board.get(..cut)?.as_bytes()).ok()?;
        let tag = Proof { key: &nobody(), challenge: 0, page: &[] }.tag(ANSWER, &frame);
        frame.extend_from_slice(&tag).ok()?;
        Some(frame)
    }

    /// Reads an answer; `None` where the bytes are none of this version, or damaged.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let Split { kind, body, signed, tag } = split(frame)?;
        let proof = Proof { key: &nobody(), challenge: 0, page: &[] };
        if kind != ANSWER || proof.tag(ANSWER, signed) != *tag {
            return None;
        }
        let (&[version, outcome], rest) = body.split_first_chunk()?;
        if version != VERSION {
            return None;
        }
        let (challenge, rest) = rest.split_first_chunk()?;
        let (received, rest) = rest.split_first_chunk()?;
        let (places, rest) = rest.split_first_chunk::<16>()?;
        let [identity, store, end, slot_bytes] = *places.as_chunks().0.first_chunk()?;
        let (&[somebody], rest) = rest.split_first_chunk()?;
        let (node, rest) = rest.split_first_chunk()?;
        let (&[region, signers, calibrations], rest) = rest.split_first_chunk()?;
        let (check, board) = rest.split_first_chunk()?;
        let held = Held { node: NodeId(u64::from_le_bytes(*node)), region, signers, calibrations, check: *check };
        Some(Self {
            outcome: *Outcome::ALL.get(usize::from(outcome))?,
            challenge: u64::from_le_bytes(*challenge),
            received: u16::from_le_bytes(*received),
            places: Places {
                identity: u32::from_le_bytes(identity),
                store: u32::from_le_bytes(store),
                end: u32::from_le_bytes(end),
                slot_bytes: u32::from_le_bytes(slot_bytes),
            },
            held: (somebody == 1).then_some(held),
            board: core::str::from_utf8(board).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;
    use crate::{Direction, FrameError};
    use proptest::prelude::*;

    const PLACES: Places = Places { identity: 0xe3000, store: 0xe4000, end: 0x10_0000, slot_bytes: 0x3_0000 };

    fn answer(held: Option<Held>) -> Answer<'static> {
        Answer { outcome: Outcome::Written, challenge: 1 << 60, received: 288, places: PLACES, held, board: "nRF52840" }
    }

    #[test]
    fn answers_are_read_as_they_were_said_and_not_if_a_bit_changed() {
        let held = Held { node: NodeId(7), region: 2, signers: 1, calibrations: 3, check: [9; 8] };
        for answer in [answer(None), answer(Some(held))] {
            let frame = answer.seal().expect("a frame");
            assert_eq!(Answer::read(&frame), Some(answer));
            for bit in 0..8 * frame.len() {
                let mut damaged = frame.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Answer::read(&damaged), None, "{bit}");
            }
        }
        let long = Answer { board: core::str::from_utf8(&[b'x'; 300]).expect("text"), ..answer(None) };
        assert_eq!(long.seal().expect("a frame").len(), MAX_FRAME);
    }

    #[test]
    fn an_order_is_proven_by_key_challenge_and_page_together() {
        let (key, other) = (Key::from([1; 16]), Key::from([2; 16]));
        let right = Proof { key: &key, challenge: 5, page: &[1, 2, 3] };
        for request in [Request::Commit, Request::Revoke] {
            let frame = seal(&request, &right).expect("a frame");
            let read = Unverified::read(&frame).expect("a request");
            assert_eq!(read.request, request);
            assert!(read.is_proven(&right));
            let wrong = [
                Proof { key: &other, ..right },
                Proof { key: &nobody(), ..right },
                Proof { challenge: 6, ..right },
                Proof { page: &[1, 2, 4], ..right },
                Proof { page: &[], ..right },
            ];
            assert!(wrong.iter().all(|proof| !read.is_proven(proof)), "{request:?}");
            // One order is not the other.
            let mut swapped = frame.clone();
            swapped[0] ^= 1;
            assert!(Unverified::read(&swapped).is_none_or(|read| !read.is_proven(&right)));
        }
    }

    #[test]
    fn neither_kind_of_frame_is_taken_for_the_other() {
        let proof = Proof { key: &nobody(), challenge: 0, page: &[] };
        let frame = seal(&Request::Ask, &proof).expect("a frame");
        let part = seal(&Request::Part { at: 0, bytes: &[7; PART_BYTES] }, &proof).expect("a frame");
        assert_eq!(v1::Unverified::stream(&part, Direction::Down).err(), Some(FrameError::Version(7)));
        assert!(v1::Unverified::stream(&frame, Direction::Up).is_err());
        assert!(seal(&Request::Part { at: 0, bytes: &[7; MAX_FRAME] }, &proof).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_hostile(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..32) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = MARK | kind;
            }
            prop_assert_eq!(Answer::read(&bytes), None);
            let read = Unverified::read(&bytes);
            let proof = Proof { key: &nobody(), challenge: 0, page: &[] };
            let proven = read.is_some_and(|read| read.is_proven(&proof));
            prop_assert!(!proven);
        }
    }
}
