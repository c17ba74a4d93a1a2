//! A gateway that acknowledges, tells the time, asks for things, and is away now and then.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use tanbo_board_api::FRAGMENTS;
use tanbo_board_api::sim::{Down, FarEnd};
use tanbo_wire::v1::{Alarm, Event, Firmware, Message, Opened, Readings, Unverified, Update, seal};
use tanbo_wire::{Direction, Key, Link, NodeId, Window};

use crate::courier::{Courier, Said};

/// The node's name and key.
pub const NODE: NodeId = NodeId(0x70b3_d57e_d000_0001);
pub fn key() -> Key {
    Key::from(*b"sixteen bytes ok")
}

/// From a frame to its answer, µs.
const COMMIT_US: u64 = 60_000;
/// The gateway's time of day at the start of the world, µs: 2026-11-27.
pub const EPOCH_US: u64 = 1_795_737_600_000_000;

/// The gateway.
#[derive(Default)]
pub struct Gateway {
    window: Window,
    next: u32,
    /// When it does not hear.
    pub away: Option<Range<u64>>,
    /// What it asks for with the first answer after a time.
    pub asks: Vec<(u64, Message<'static>)>,
    /// All frames that were on the air, by number.
    pub air: BTreeMap<u32, Vec<u8>>,
    /// Accepted messages, as text, with their times and numbers.
    pub heard: Vec<(u64, u32, String)>,
    /// Accepted events.
    pub events: Vec<Event>,
    /// Alarms that were on the air.
    pub alarms_on_air: Vec<Alarm>,
    /// Accepted readings: time, s since the Unix epoch, and value.
    pub readings: Vec<(u64, i32)>,
    /// Longest frame that the air takes, if not the longest of all.
    pub room: Option<usize>,
    /// Models that it sends, one after the other, and what the node said of those that are over.
    pub couriers: VecDeque<Courier>,
    pub delivered: Vec<Update>,
}

impl Gateway {
    /// Returns how many accepted messages begin with `kind`.
    pub fn count(&self, kind: &str) -> usize {
        self.heard.iter().filter(|(.., text)| text.starts_with(kind)).count()
    }

    fn down(&mut self, arrival_us: u64, message: &Message<'_>, down: &mut Down) {
        let frame = seal(&key(), Link::Stream, NODE, self.next, message).expect("a frame");
        self.next += 1;
        down.put(arrival_us, &frame);
    }

    /// Says what a model's sender says after a frame.
    fn send_on(&mut self, now_us: u64, answer_us: u64, down: &mut Down) {
        match self.couriers.front_mut().and_then(|courier| courier.say(now_us)) {
            Some(Said::Message(message)) => self.down(answer_us, &message, down),
            Some(Said::Payload(payload)) => down.put(answer_us, &payload),
            None => {}
        }
    }

    fn hear(&mut self, update: &Update) {
        let Some(courier) = self.couriers.front_mut() else { return };
        courier.hear(update);
        if courier.is_over() {
            self.delivered.extend(courier.told);
            self.couriers.pop_front();
        }
    }

    fn take(&mut self, now_us: u64, frame: &[u8], down: &mut Down) {
        if let [FRAGMENTS, payload @ ..] = frame {
            if let Some(courier) = self.couriers.front_mut() {
                courier.answered(payload);
            }
            return self.send_on(now_us, now_us + COMMIT_US, down);
        }
        let unverified = Unverified::stream(frame, Direction::Up).expect("a frame");
        assert_eq!(unverified.node(), NODE);
        let Ok(opened) = unverified.open(&key(), &Window::default()) else { panic!("not authentic") };
        let Opened::Fresh { counter, message } = opened else { panic!("{opened:?}") };
        if let Message::Alarm(alarm) = message {
            self.alarms_on_air.push(alarm);
        }
        if let Some(before) = self.air.insert(counter, frame.to_vec()) {
            assert_eq!(before, frame, "number {counter} was used for something else");
        }
        if self.away.as_ref().is_some_and(|away| away.contains(&now_us)) {
            return;
        }
        let mut answer_us = now_us + COMMIT_US;
        let Ok(opened) = unverified.open(&key(), &self.window) else { return };
        if let Opened::Fresh { counter, message } = opened {
            self.window = self.window.with(counter);
            self.heard.push((now_us, counter, format!("{message:?}")));
            match message {
                Message::Event(event) => self.events.push(event),
                Message::Update(update) | Message::Firmware(Firmware::Update(update)) => self.hear(&update),
                Message::Readings(Readings { start_s, period_s, values, .. }) => {
                    let times = (0..).map(|number| u64::from(start_s) + number * u64::from(period_s));
                    self.readings.extend(times.zip(values.iter()).filter_map(|(time_s, value)| Some((time_s, value?))));
                }
                Message::TimeRequest => {
                    let (received_us, sent_us) = (EPOCH_US + now_us, EPOCH_US + answer_us);
                    self.down(
                        answer_us,
                        &Message::Time(tanbo_wire::v1::Time { request: counter, received_us, sent_us }),
                        down,
                    );
                }
                _ => {}
            }
        }
        if let Some(ack) = self.window.ack() {
            self.down(answer_us, &Message::Ack(ack), down);
        }
        while self.asks.first().is_some_and(|(at_us, _)| *at_us <= now_us) {
            let (_, message) = self.asks.remove(0);
            answer_us += 10_000;
            self.down(answer_us, &message, down);
        }
        self.send_on(now_us, answer_us + 10_000, down);
    }
}

/// The gateway's end of the air.
pub struct Air<'g>(pub &'g RefCell<Gateway>);

impl FarEnd for Air<'_> {
    fn up(&mut self, now_us: u64, frame: &[u8], down: &mut Down) {
        self.0.borrow_mut().take(now_us, frame, down);
    }
}
