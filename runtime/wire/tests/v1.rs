//! Version 1: golden bytes, and every message there and back on both links.

use proptest::prelude::*;
use tanbo_wire::v1::*;
use tanbo_wire::{Direction, Key, Link, MAX_FRAME, NodeId, SealError, Window};

/// Node, number and time of `golden/generate.py`.
const NODE: NodeId = NodeId(0x70b3_d57e_d005_1234);
const COUNTER: u32 = 0x0002_fffe;
const TIME_US: u64 = 1_795_796_640_123_456;

fn key() -> Key {
    Key::from(core::array::from_fn(|n| 0x10 + n as u8))
}

fn direction(message: &Message<'_>) -> Direction {
    if message.kind() < 16 { Direction::Up } else { Direction::Down }
}

fn unverified(bytes: &[u8], link: Link, node: NodeId, direction: Direction) -> Unverified<'_> {
    match link {
        Link::Stream => Unverified::stream(bytes, direction),
        Link::LoraWan => Unverified::lorawan(bytes, node, direction),
    }
    .expect("a frame")
}

#[test]
fn golden_frames() {
    let finding = |hazard, begins, severity, clock, score| Finding { hazard, begins, severity, clock, score };
    let (mut many, mut one) = ([0; 64], [0; 64]);
    let values = [Some(-120), Some(-113), None, Some(-32_880), Some(-113)];
    let many = Values::new(&values, &mut many).expect("room");
    let one = Values::new(&[Some(i32::MAX)], &mut one).expect("room");
    let start_s = 1_795_796_640;
    let part: [u8; 48] = core::array::from_fn(|n| 100 + n as u8);
    let messages = [
        (
            "alarm",
            Message::Alarm(Alarm::new(
                finding(Hazard::Earthquake, true, Severity::Severe, ClockQuality::Pps, -7),
                TIME_US,
            )),
        ),
        (
            "alarm_unset",
            Message::Alarm(Alarm::new(
                finding(Hazard::Flood, false, Severity::Minor, ClockQuality::Unset, 127),
                TIME_US,
            )),
        ),
        (
            "event",
            Message::Event(Event {
                finding: finding(Hazard::Cyclone, true, Severity::Extreme, ClockQuality::Network, -128),
                time_us: TIME_US,
                error_ms: 250,
                quantity: Quantity::Pressure,
                peak: -98_100,
                model: [0xde, 0xad, 0xbe, 0xef],
            }),
        ),
        (
            "readings",
            Message::Readings(Readings { start_s, period_s: 60, quantity: Quantity::WaterLevel, values: many }),
        ),
        (
            "reading",
            Message::Readings(Readings { start_s, period_s: 0, quantity: Quantity::Evapotranspiration, values: one }),
        ),
        (
            "heartbeat",
            Message::Heartbeat(Heartbeat { supply: Some(165), temperature_c: Some(-20), waiting: 3, faults: 255 }),
        ),
        (
            "heartbeat_unknown",
            Message::Heartbeat(Heartbeat { supply: None, temperature_c: None, waiting: 0, faults: 0 }),
        ),
        (
            "telemetry",
            Message::Telemetry(Telemetry {
                uptime_s: 86_400,
                awake_ppm: 1_875,
                supply_mv: Some(3_312),
                charge_percent: Some(71),
                temperature_c: Some(41),
                waiting: 2,
                faults: 9,
                clock: ClockQuality::Holdover,
                clock_error_ms: 1_200,
            }),
        ),
        ("boot", Message::Boot(Boot { reset: ResetCause::BrownOut, starts: 41 })),
        ("time_request", Message::TimeRequest),
        ("applied", Message::Applied(Applied { request: 17, key: 0x0102, value: -5, outcome: Outcome::OutOfRange })),
        ("update", Message::Update(Update { version: 7, received: 9_600, stage: Stage::Refused, refusal: 17 })),
        ("ack", Message::Ack(Ack { highest: COUNTER, earlier: 0x8000_0001 })),
        ("time", Message::Time(Time { request: COUNTER, received_us: TIME_US, sent_us: TIME_US + 1_500 })),
        ("set", Message::Set(Set { key: 0x0102, value: i32::MAX })),
        ("command", Message::Command(Command::SafeState)),
        ("offer", Message::Offer(Offer { version: 7, bytes: 10_624, hash: core::array::from_fn(|n| n as u8) })),
        ("part", Message::Part(Part { at: 9_600, bytes: &part })),
        ("try", Message::Try(Try { version: 7, windows: 240 })),
        (
            "firmware_update",
            Firmware::Update(Update { version: 3, received: 253_952, stage: Stage::Receiving, refusal: 0 }).into(),
        ),
        (
            "firmware_offer",
            Firmware::Offer(Offer { version: 3, bytes: 253_952, hash: core::array::from_fn(|n| n as u8 + 32) }).into(),
        ),
        ("firmware_part", Firmware::Part(Part { at: 192, bytes: &part }).into()),
        ("firmware_try", Firmware::Try(Try { version: 3, windows: 240 }).into()),
    ];
    let mut lines = include_str!("../golden/v1.txt").lines();
    for (name, message) in messages {
        for (link, link_name) in [(Link::Stream, "stream"), (Link::LoraWan, "lorawan")] {
            let frame = seal(&key(), link, NODE, COUNTER, &message).expect("a frame");
            assert_eq!(Some(format!("{name} {link_name} {}", hex::encode(&frame)).as_str()), lines.next());
            // A receiver that is as far behind as half a counter reaches.
            let window = Window::default().with(COUNTER - 65_472);
            let opened = unverified(&frame, link, NODE, direction(&message)).open(&key(), &window);
            assert_eq!(opened, Ok(Opened::Fresh { counter: COUNTER, message }));
        }
    }
    assert_eq!(lines.next(), None);
    assert!(many.iter().eq(values));
}

#[test]
fn what_the_slowest_data_rate_must_carry_has_11_bytes() {
    let finding = Finding {
        hazard: Hazard::Node,
        begins: true,
        severity: Severity::Extreme,
        clock: ClockQuality::Pps,
        score: i8::MIN,
    };
    let messages = [
        Message::Alarm(Alarm::new(finding, TIME_US)),
        Message::Heartbeat(Heartbeat { supply: Some(1), temperature_c: Some(1), waiting: 1, faults: 1 }),
        Message::Boot(Boot { reset: ResetCause::Fault, starts: 255 }),
        Message::TimeRequest,
    ];
    let bytes = messages.map(|message| seal(&key(), Link::LoraWan, NODE, 7, &message).expect("a frame").len());
    assert_eq!(bytes, [11, 11, 11, 7]);
}

#[test]
fn what_a_frame_cannot_hold_is_refused() {
    let sealed = |count| {
        let mut room = [0; 300];
        let values = Values::new(&[Some(5); 110][..count], &mut room).expect("room");
        let readings = Readings { start_s: 0, period_s: 1, quantity: Quantity::Rain, values };
        seal(&key(), Link::Stream, NODE, 0, &Message::Readings(readings)).map(|frame| frame.len())
    };
    assert_eq!(sealed(106), Ok(MAX_FRAME));
    assert_eq!(sealed(107), Err(SealError::TooLong));

    let refused = |values: &[Option<i32>], bytes: usize| Values::new(values, &mut [0; 64][..bytes]).map(|_| ());
    assert_eq!(refused(&[], 64), Err(SealError::Value { field: "first reading" }));
    assert_eq!(refused(&[None, Some(1)], 64), Err(SealError::Value { field: "first reading" }));
    assert_eq!(refused(&[Some(0), Some(-32_768)], 64), Err(SealError::Value { field: "reading" }));
    assert_eq!(refused(&[Some(i32::MIN), Some(i32::MAX)], 64), Err(SealError::Value { field: "reading" }));
    assert_eq!(refused(&[Some(0), None, Some(-32_767)], 8), Ok(()));
    assert_eq!(refused(&[Some(0), None, Some(-32_767)], 7), Err(SealError::TooLong));

    let heartbeat = Heartbeat { supply: Some(255), temperature_c: None, waiting: 0, faults: 0 };
    let sealed = seal(&key(), Link::LoraWan, NODE, 0, &Message::Heartbeat(heartbeat));
    assert_eq!(sealed, Err(SealError::Value { field: "supply" }));
}

#[test]
fn a_boot_brings_a_receiver_that_is_far_behind_back() {
    let window = Window::default().with(9);
    let number = 0x0003_0005;
    let sealed = |number, message| seal(&key(), Link::LoraWan, NODE, number, &message).expect("a frame");
    let request = sealed(number + 1, Message::TimeRequest);
    let open = |frame: &[u8], window| {
        unverified(frame, Link::LoraWan, NODE, Direction::Up).open(&key(), window).map(|opened| match opened {
            Opened::Fresh { counter, .. } => counter,
            Opened::Seen { .. } => panic!("seen"),
        })
    };
    assert!(open(&request, &window).is_err());
    let boot = sealed(number, Message::Boot(Boot { reset: ResetCause::PowerOn, starts: 3 }));
    assert_eq!(open(&boot, &window), Ok(number));
    assert_eq!(open(&request, &window.with(number)), Ok(number + 1));
}

fn one_of<T: Copy + core::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn findings() -> impl Strategy<Value = Finding> {
    (one_of(Hazard::ALL), any::<bool>(), one_of(Severity::ALL), one_of(ClockQuality::ALL), any::<i8>())
        .prop_map(|(hazard, begins, severity, clock, score)| Finding { hazard, begins, severity, clock, score })
}

/// Messages of every kind but readings.
fn messages() -> impl Strategy<Value = Message<'static>> {
    let temperature = || proptest::option::of(-127i8..=127);
    prop_oneof![
        (findings(), any::<u64>()).prop_map(|(finding, time_us)| Message::Alarm(Alarm::new(finding, time_us))),
        (findings(), any::<(u64, u16, i32, [u8; 4])>(), one_of(Quantity::ALL)).prop_map(
            |(finding, (time_us, error_ms, peak, model), quantity)| {
                Message::Event(Event { finding, time_us, error_ms, quantity, peak, model })
            }
        ),
        (proptest::option::of(0u8..255), temperature(), any::<(u8, u8)>()).prop_map(
            |(supply, temperature_c, (waiting, faults))| {
                Message::Heartbeat(Heartbeat { supply, temperature_c, waiting, faults })
            }
        ),
        (
            any::<(u32, u32, u16, u16, u16)>(),
            proptest::option::of(0u16..65_535),
            proptest::option::of(0u8..255),
            temperature(),
            one_of(ClockQuality::ALL)
        )
            .prop_map(|(numbers, supply_mv, charge_percent, temperature_c, clock)| {
                let (uptime_s, awake_ppm, waiting, faults, clock_error_ms) = numbers;
                let health = Telemetry {
                    uptime_s,
                    awake_ppm,
                    supply_mv,
                    charge_percent,
                    temperature_c,
                    waiting,
                    faults,
                    clock,
                    clock_error_ms,
                };
                Message::Telemetry(health)
            }),
        (one_of(ResetCause::ALL), any::<u8>()).prop_map(|(reset, starts)| Message::Boot(Boot { reset, starts })),
        Just(Message::TimeRequest),
        (any::<(u32, u16, i32)>(), one_of(Outcome::ALL))
            .prop_map(|((request, key, value), outcome)| Message::Applied(Applied { request, key, value, outcome })),
        any::<(u32, u32)>().prop_map(|(highest, earlier)| Message::Ack(Ack { highest, earlier })),
        any::<(u32, u64, u64)>().prop_map(|(request, received_us, sent_us)| Message::Time(Time {
            request,
            received_us,
            sent_us
        })),
        any::<(u16, i32)>().prop_map(|(key, value)| Message::Set(Set { key, value })),
        one_of(Command::ALL).prop_map(Message::Command),
        (any::<(u32, u32, u8)>(), one_of(Stage::ALL)).prop_map(|((version, received, refusal), stage)| {
            Message::Update(Update { version, received, stage, refusal })
        }),
        any::<(u32, u32, [u8; 32])>().prop_map(|(version, bytes, hash)| Message::Offer(Offer { version, bytes, hash })),
        any::<(u32, u16)>().prop_map(|(version, windows)| Message::Try(Try { version, windows })),
        any::<(u32, u16)>().prop_map(|(version, windows)| Firmware::Try(Try { version, windows }).into()),
        any::<(u32, u32, [u8; 32])>().prop_map(|(version, bytes, hash)| Firmware::Offer(Offer {
            version,
            bytes,
            hash
        })
        .into()),
    ]
}

fn there_and_back(message: Message<'_>, link: Link, node: u64, counter: u32) -> Result<(), TestCaseError> {
    let node = NodeId(node);
    let frame = seal(&key(), link, node, counter, &message).expect("a frame");
    let window = counter.checked_sub(1).map_or(Window::default(), |before| Window::default().with(before));
    let received = unverified(&frame, link, node, direction(&message));
    prop_assert_eq!(received.node(), node);
    prop_assert_eq!(received.open(&key(), &window), Ok(Opened::Fresh { counter, message }));
    prop_assert_eq!(received.open(&key(), &window.with(counter)), Ok(Opened::Seen { counter }));
    Ok(())
}

proptest! {
    #[test]
    fn messages_there_and_back(
        message in messages(), lorawan in any::<bool>(), node in any::<u64>(), counter in any::<u32>(),
    ) {
        there_and_back(message, if lorawan { Link::LoraWan } else { Link::Stream }, node, counter)?;
    }

    #[test]
    fn readings_there_and_back(
        start_s in any::<u32>(), period_s in any::<u16>(), quantity in one_of(Quantity::ALL), first in any::<i32>(),
        steps in proptest::collection::vec(proptest::option::of(-32_767i32..=32_767), 0..105), counter in any::<u32>(),
    ) {
        let mut last = first;
        let steps = steps.into_iter().map(|step| step.map(|step| {
            last = last.checked_add(step).unwrap_or(last);
            last
        }));
        let sent: Vec<Option<i32>> = core::iter::once(Some(first)).chain(steps).collect();
        let mut room = [0; 256];
        let values = Values::new(&sent, &mut room).expect("room");
        prop_assert!(values.iter().eq(sent));
        there_and_back(Message::Readings(Readings { start_s, period_s, quantity, values }), Link::Stream, 5, counter)?;
    }
}
