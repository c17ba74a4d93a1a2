//! A gateway at the far end of the node's radio: what it has on disk it acknowledges.
//!
//! It hears a frame or not, by its seed and its outages; it answers in the node's first window, of several answers the most
//! urgent one.

use std::collections::{BTreeMap, VecDeque};

use tanbo_board_mps2::world::{EPOCH_US, KEY, NODE, name};
use tanbo_wire::v1::{Applied, Command, Message, Opened, Outcome, ResetCause, Set, Time, Unverified, seal};
use tanbo_wire::{Counter, Direction, Key, Link, Window};

/// What the air and the gateway are like.
#[derive(Clone, Debug, Default)]
pub struct Air {
    pub seed: u64,
    /// Share of the frames that are lost, each way.
    pub loss: f64,
    /// When the gateway is off: from and to, s of the world.
    pub outages: Vec<(u64, u64)>,
    /// What it asks of the node, from when on, s of the world.
    pub wishes: Vec<(u64, Wish)>,
}

/// What a gateway may ask of a node.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Set(Set),
    Command(Command),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Frames that were sent, and that were heard.
    pub sent: u64,
    pub heard: u64,
    /// Frames of before that came again.
    pub again: u64,
    /// Frames that were not authentic.
    pub refused: u64,
    /// What is on disk, by number: when it came, s, and what it was.
    pub disk: BTreeMap<u32, (u64, &'static str)>,
    /// Answers sent, and lost.
    pub answers: u64,
    pub lost_answers: u64,
    /// Numbers that were acknowledged in an answer that was not lost.
    pub acknowledged: Vec<u32>,
    /// Every frame that was on the air, heard or not, by its number.
    pub aired: BTreeMap<u32, Vec<u8>>,
    /// Numbers under which two frames were on the air that differ, and frames whose number nobody could know.
    pub reused: Vec<u32>,
    pub unnumbered: u64,
    /// What the node said of its starts: cause and number, the lowest eight bits.
    pub boots: Vec<(ResetCause, u8)>,
    /// What the node said that it set, and what it was asked to: keys and values.
    pub applied: Vec<(u16, i32)>,
    pub asked: Vec<(u16, i32)>,
}

/// The gateway.
pub struct Gateway {
    air: Air,
    key: Key,
    random: fastrand::Rng,
    window: Window,
    /// Numbers of all frames on the air.
    aired: Window,
    counter: Counter,
    wishes: VecDeque<(u64, Wish)>,
    pub record: Record,
}

impl Gateway {
    pub fn new(air: Air) -> Self {
        let mut counter = Counter::resume(0);
        counter.reserved(u32::MAX);
        Self {
            key: Key::from(KEY),
            random: fastrand::Rng::with_seed(air.seed),
            window: Window::default(),
            aired: Window::default(),
            counter,
            wishes: air.wishes.iter().copied().collect(),
            air,
            record: Record::default(),
        }
    }

    /// From `from_s` on it asks for that, too.
    pub fn wish(&mut self, from_s: u64, wish: Wish) {
        self.wishes.push_back((from_s, wish));
    }

    /// Keeps what is on the air, as somebody would who hears everything.
    fn air(&mut self, frame: &[u8]) {
        let unverified = Unverified::lorawan(frame, NODE, Direction::Up).ok();
        let number = match unverified.and_then(|unverified| unverified.open(&self.key, &self.aired).ok()) {
            Some(Opened::Fresh { counter, .. } | Opened::Seen { counter }) => counter,
            None => {
                self.record.unnumbered += 1;
                return;
            }
        };
        self.aired = self.aired.with(number);
        if self.record.aired.insert(number, frame.to_vec()).is_some_and(|before| before != frame) {
            self.record.reused.push(number);
        }
    }

    /// Takes a frame that was on the air until `at_us` of the world; returns the answer.
    pub fn hear(&mut self, at_us: u64, frame: &[u8]) -> Option<Vec<u8>> {
        let second = at_us / 1_000_000;
        self.record.sent += 1;
        self.air(frame);
        let off = self.air.outages.iter().any(|(from, to)| (*from..*to).contains(&second));
        if off || self.random.f64() < self.air.loss {
            return None;
        }
        self.record.heard += 1;
        let unverified = Unverified::lorawan(frame, NODE, Direction::Up).ok();
        let opened = unverified.and_then(|unverified| unverified.open(&self.key, &self.window).ok());
        let (counter, kind) = match opened {
            None => {
                self.record.refused += 1;
                return None;
            }
            Some(Opened::Seen { counter }) => {
                self.record.again += 1;
                let kind = self.record.disk.get(&counter).map_or("", |(_, kind)| *kind);
                (counter, kind)
            }
            Some(Opened::Fresh { counter, message }) => {
                let kind = name(&message);
                // Both at once: the disk.
                self.window = self.window.with(counter);
                match message {
                    Message::Boot(boot) => self.record.boots.push((boot.reset, boot.starts)),
                    Message::Applied(Applied { key, value, outcome: Outcome::Applied, .. }) => {
                        self.record.applied.push((key, value));
                    }
                    _ => {}
                }
                self.record.disk.insert(counter, (second, kind));
                (counter, kind)
            }
        };
        let utc = EPOCH_US + at_us;
        let due = self.wishes.front().filter(|(from, _)| *from <= second).map(|(_, wish)| *wish);
        let answer = match (kind, due) {
            ("event", _) => Message::Ack(self.window.ack()?),
            // It goes out when the node's window begins, 1 s later.
            ("time request", _) => Message::Time(Time { request: counter, received_us: utc, sent_us: utc + 1_000_000 }),
            (_, Some(Wish::Set(set))) => Message::Set(set),
            (_, Some(Wish::Command(command))) => Message::Command(command),
            _ => return None,
        };
        self.record.answers += 1;
        if self.random.f64() < self.air.loss {
            self.record.lost_answers += 1;
            return None;
        }
        match &answer {
            Message::Ack(ack) => self.record.acknowledged.extend(ack.numbers()),
            Message::Set(set) => self.record.asked.push((set.key, set.value)),
            _ => {}
        }
        if matches!(answer, Message::Set(_) | Message::Command(_)) {
            // What is lost it asks for again.
            self.wishes.pop_front();
        }
        let number = self.counter.take()?;
        seal(&self.key, Link::LoraWan, NODE, number, &answer).ok().map(|frame| frame.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tanbo_wire::v1::Heartbeat;

    fn heartbeat(number: u32) -> Vec<u8> {
        let message = Message::Heartbeat(Heartbeat { supply: None, temperature_c: None, waiting: 0, faults: 0 });
        seal(&Key::from(KEY), Link::LoraWan, NODE, number, &message).expect("a frame").to_vec()
    }

    #[test]
    fn it_hears_outside_of_outages_and_keeps_each_frame_once() {
        let mut gateway = Gateway::new(Air { outages: vec![(10, 20)], ..Air::default() });
        for (second, number) in [(5, 0), (12, 1), (20, 1), (21, 1)] {
            assert_eq!(gateway.hear(second * 1_000_000, &heartbeat(number)), None);
        }
        let mut forged = heartbeat(7);
        forged[4] ^= 1;
        gateway.hear(30_000_000, &forged);
        let Record { sent, heard, again, refused, disk, .. } = &gateway.record;
        assert_eq!((*sent, *heard, *again, *refused), (5, 4, 1, 1));
        assert_eq!(disk.keys().copied().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_request_for_the_time_and_a_wish_are_answered() {
        let set = Set { key: 0, value: 1 };
        let mut gateway = Gateway::new(Air { wishes: vec![(60, Wish::Set(set))], ..Air::default() });
        let request = seal(&Key::from(KEY), Link::LoraWan, NODE, 0, &Message::TimeRequest).expect("a frame");
        let mut message = |at_us, frame: &[u8], number: u32| {
            let answer = gateway.hear(at_us, frame).expect("an answer");
            let before = number.checked_sub(1).map_or(Window::default(), |before| Window::default().with(before));
            let opened =
                Unverified::lorawan(&answer, NODE, Direction::Down).expect("a frame").open(&Key::from(KEY), &before);
            match opened.expect("authentic") {
                Opened::Fresh { message: Message::Time(time), .. } => (time.request, time.received_us),
                Opened::Fresh { message: Message::Set(set), .. } => (u32::from(set.key), set.value as u64),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(message(50_000_000, &request, 0), (0, EPOCH_US + 50_000_000));
        assert_eq!(message(70_000_000, &heartbeat(1), 1), (0, 1));
    }
}
