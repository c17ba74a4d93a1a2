//! Whatever comes in: no panic, and nothing is accepted that this node did not send, or twice.
//!
//! With TANBO_SOAK set a hundred times as many frames.

use std::collections::BTreeMap;

use fastrand::Rng;
use tanbo_wire::v1::*;
use tanbo_wire::{Direction, Key, Link, NodeId, OpenError, Window, serial};

/// Frames of each test; the first sends each of them in five ways.
const FRAMES: usize = 24_000;

fn frames() -> usize {
    if std::env::var_os("TANBO_SOAK").is_some() { 100 * FRAMES } else { FRAMES }
}

const NODES: u64 = 5;

fn key(node: NodeId) -> Key {
    Key::from(core::array::from_fn(|n| (node.0 as u8) ^ (n as u8).wrapping_mul(37)))
}

fn message(random: &mut Rng, direction: Direction) -> Message<'static> {
    match (direction, random.u8(0..4)) {
        (Direction::Up, 0) => Message::TimeRequest,
        (Direction::Up, 1) => Message::Boot(Boot { reset: ResetCause::Watchdog, starts: random.u8(..) }),
        (Direction::Up, _) => {
            let finding = Finding {
                hazard: Hazard::Earthquake,
                begins: random.bool(),
                severity: Severity::Severe,
                clock: ClockQuality::Network,
                score: random.i8(..),
            };
            Message::Alarm(Alarm::new(finding, random.u64(..)))
        }
        (Direction::Down, 0) => Message::Ack(Ack { highest: random.u32(..), earlier: random.u32(..) }),
        (Direction::Down, 1) => Message::Command(Command::Restart),
        (Direction::Down, _) => Message::Set(Set { key: random.u16(..), value: random.i32(..) }),
    }
}

/// A receiver of all nodes' frames: their windows, and every number that it has accepted.
#[derive(Default)]
struct Receiver {
    windows: BTreeMap<NodeId, Window>,
    accepted: usize,
}

impl Receiver {
    /// Returns whether the frame was accepted.
    fn take(&mut self, bytes: &[u8], link: Link, from: NodeId, direction: Direction) -> bool {
        let frame = match link {
            Link::Stream => Unverified::stream(bytes, direction),
            Link::LoraWan => Unverified::lorawan(bytes, from, direction),
        };
        let Ok(frame) = frame else { return false };
        if frame.node().0 >= NODES {
            return false;
        }
        let window = self.windows.entry(frame.node()).or_default();
        let Ok(Opened::Fresh { counter, .. }) = frame.open(&key(frame.node()), window) else { return false };
        *window = window.with(counter);
        self.accepted += 1;
        true
    }

    /// The receiver after a reset: of the windows there is what was stored.
    fn restart(&mut self) {
        for window in self.windows.values_mut() {
            *window = Window::from_bytes(window.to_bytes());
        }
    }
}

/// A frame as it was on the air.
#[derive(Clone)]
struct Sent {
    bytes: Vec<u8>,
    link: Link,
    node: NodeId,
}

#[test]
fn of_100_000_forged_replayed_truncated_flipped_and_foreign_frames_none_is_accepted() {
    let attacks = [Direction::Up, Direction::Down].map(|direction| attack(direction, frames() / 2));
    assert!(attacks.iter().sum::<usize>() >= 100_000, "{attacks:?}");
}

/// Returns how many frames were tried.
fn attack(direction: Direction, frames: usize) -> usize {
    let mut random = Rng::with_seed(6);
    let mut receiver = Receiver::default();
    let mut air: Vec<Sent> = Vec::new();
    let mut counters = [0u32; NODES as usize];
    let mut tried = [0usize; 5];
    for round in 0..frames {
        // What the nodes really send, with gaps as resets leave them; all of it is accepted, once.
        let node = NodeId(random.u64(0..NODES));
        let counter = &mut counters[node.0 as usize];
        *counter += if random.u8(..) == 0 { 256 } else { 1 };
        let link = if random.bool() { Link::Stream } else { Link::LoraWan };
        let frame = seal(&key(node), link, node, *counter, &message(&mut random, direction)).expect("a frame");
        let sent = Sent { bytes: frame.to_vec(), link, node };
        let before = receiver.accepted;
        // Not every frame arrives: an attacker may hold some back, and what it changed must still not pass.
        let held = random.u8(..) < 64;
        assert!(held || receiver.take(&sent.bytes, sent.link, sent.node, direction));
        air.push(sent);
        assert_eq!(receiver.accepted, before + usize::from(!held));

        // 1. Made up, from nothing or with a true header.
        let honest = air.last().expect("sent").clone();
        let mut forged = honest.bytes.clone();
        let keep = random.usize(0..forged.len());
        forged.iter_mut().skip(keep).for_each(|byte| *byte = random.u8(..));
        if forged != honest.bytes {
            tried[0] += 1;
            assert!(!receiver.take(&forged, link, honest.node, direction), "forged, round {round}");
        }
        // 2. Replayed: any frame that was accepted, also after a reset of the receiver, and the last one at once.
        if !held {
            tried[1] += 1;
            assert!(!receiver.take(&honest.bytes, link, honest.node, direction), "replayed, round {round}");
        }
        if random.u8(..) == 0 {
            receiver.restart();
        }
        // 3. Truncated, or with something behind.
        let mut cut = honest.bytes.clone();
        if random.bool() {
            cut.truncate(random.usize(0..cut.len()));
        } else {
            cut.extend((0..random.usize(1..9)).map(|_| random.u8(..)));
        }
        tried[2] += 1;
        assert!(!receiver.take(&cut, link, honest.node, direction), "cut, round {round}");
        // 4. With up to three bits flipped.
        let mut flipped = honest.bytes.clone();
        for _ in 0..random.usize(1..=3) {
            let bit = random.usize(0..flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        if flipped != honest.bytes {
            tried[3] += 1;
            assert!(!receiver.take(&flipped, link, honest.node, direction), "flipped, round {round}");
        }
        // 5. As another node's, on the other link, or sent back the other way.
        let mut foreign = honest.bytes.clone();
        let other = NodeId((honest.node.0 + random.u64(1..NODES)) % NODES);
        let (link, way) = match random.u8(0..3) {
            0 => (link, direction),
            1 => (if link == Link::Stream { Link::LoraWan } else { Link::Stream }, direction),
            _ => (link, if direction == Direction::Up { Direction::Down } else { Direction::Up }),
        };
        if link == Link::Stream
            && let Some(id) = foreign.get_mut(1..9)
        {
            id.copy_from_slice(&other.0.to_le_bytes());
        }
        tried[4] += 1;
        assert!(!receiver.take(&foreign, link, other, way), "foreign, round {round}");
    }
    tried.iter().sum()
}

#[test]
fn every_frame_played_again_after_reboots_is_refused() {
    let mut random = Rng::with_seed(7);
    let (node, link) = (NodeId(3), Link::LoraWan);
    let mut receiver = Receiver::default();
    let air: Vec<_> = (0..2_000)
        .map(|counter| seal(&key(node), link, node, counter, &message(&mut random, Direction::Up)).expect("a frame"))
        .collect();
    for frame in &air {
        assert!(receiver.take(frame, link, node, Direction::Up));
        receiver.restart();
        assert!(!receiver.take(frame, link, node, Direction::Up));
    }
    for frame in &air {
        assert!(!receiver.take(frame, link, node, Direction::Up));
    }
    assert_eq!(receiver.accepted, air.len());
}

#[test]
fn late_frames_are_accepted_within_the_window_and_not_beyond() {
    let (node, link) = (NodeId(1), Link::Stream);
    let frame = |counter| seal(&key(node), link, node, counter, &Message::TimeRequest).expect("a frame");
    let window = Window::default().with(100);
    let open = |counter| {
        let frame = frame(counter);
        let frame = Unverified::stream(&frame, Direction::Up).expect("a frame");
        frame.open(&key(node), &window).map(|opened| matches!(opened, Opened::Fresh { .. }))
    };
    assert_eq!(open(37), Ok(true));
    assert_eq!(open(36), Err(OpenError::Stale { counter: 36 }));
    assert_eq!(open(100), Ok(false));
}

#[test]
fn no_bytes_make_a_parser_panic() {
    let mut random = Rng::with_seed(8);
    let mut decoder = serial::Decoder::new();
    let node = NodeId(2);
    for _ in 0..frames() {
        // Half of them with a first byte that says version 1.
        let mut bytes: Vec<u8> = (0..random.usize(0..300)).map(|_| random.u8(..)).collect();
        if let Some(first) = bytes.first_mut().filter(|first| **first >= 128) {
            *first = *first & 0x1f | 0x20;
        }
        for direction in [Direction::Up, Direction::Down] {
            for frame in [Unverified::stream(&bytes, direction), Unverified::lorawan(&bytes, node, direction)] {
                let window = Window::from_bytes(core::array::from_fn(|_| random.u8(..)));
                if let Ok(frame) = frame {
                    assert!(frame.open(&key(node), &window).is_err());
                }
            }
        }
        for byte in bytes {
            if let Some(frame) = decoder.push(byte) {
                assert!(frame.len() <= tanbo_wire::MAX_FRAME);
            }
        }
    }
}

/// Bodies behind a true tag: another release's, or a sender's error.
#[test]
fn no_authentic_body_makes_the_reader_panic() {
    use aes::Aes128;
    use cmac::{Cmac, KeyInit as _, Mac as _};
    let mut random = Rng::with_seed(9);
    let secret = [7u8; 16];
    let (mut fresh, mut refused) = (0, 0);
    for _ in 0..frames() {
        let up = random.bool();
        let kind = if up { random.u8(0..8) } else { random.u8(16..20) };
        let mut bytes = vec![0x20 | kind, 1, 0];
        let body = random.usize(0..40);
        bytes.extend((0..body).map(|_| if random.bool() { random.u8(..) } else { random.u8(0..4) }));
        let upper = if kind == 5 && body >= 2 { u32::from(bytes[3]) | u32::from(bytes[4]) << 8 } else { 0 };
        let mut mac = Cmac::<Aes128>::new(&secret.into());
        mac.update(b"tnb\x01");
        mac.update(&4u64.to_le_bytes());
        mac.update(&(upper << 16 | 1).to_le_bytes());
        mac.update(&bytes);
        bytes.extend(&mac.finalize().into_bytes()[..4]);
        let direction = if up { Direction::Up } else { Direction::Down };
        let frame = Unverified::lorawan(&bytes, NodeId(4), direction).expect("a frame");
        match frame.open(&Key::from(secret), &Window::default()) {
            Ok(Opened::Fresh { message, .. }) => {
                fresh += 1;
                if let Message::Readings(readings) = message {
                    assert_eq!(readings.values.iter().count(), (body - 7) / 2 - 1);
                }
            }
            Err(OpenError::Body(_)) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(fresh > frames() / 50 && refused > frames() / 2, "{fresh} {refused}");
}
