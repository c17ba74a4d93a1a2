//! SDI-12 against a probe that answers by the standard, late, twice or wrongly.

use std::collections::VecDeque;

use embassy_futures::block_on;
use embedded_hal_async::delay::DelayNs;
use embedded_hal_mock::eh1::delay::NoopDelay;
use proptest::prelude::*;
use tanbo_board_api::{Burst, Channel, Fault, FaultKind, Mode, Quantity, Sensor as _};
use tanbo_drivers::DriverError;
use tanbo_drivers::sdi12::{Decimal, Level, Line, Sdi12, Started};

#[derive(Debug)]
struct NoError;

impl Fault for NoError {
    fn kind(&self) -> FaultKind {
        FaultKind::Bus
    }
}

/// A probe on the line: commands without their parity, and what it answers to each, once.
#[derive(Debug, Default)]
struct Probe {
    script: VecDeque<(&'static str, Vec<u8>)>,
    command: Vec<u8>,
    answer: VecDeque<u8>,
    breaks: usize,
}

/// A character with even parity, made the long way.
fn parity(byte: u8) -> u8 {
    let ones = (0..7).filter(|bit| byte >> bit & 1 == 1).count();
    if ones % 2 == 1 { byte | 0x80 } else { byte }
}

impl Line for &mut Probe {
    type Error = NoError;

    async fn hold(&mut self, level: Level) -> Result<(), NoError> {
        self.breaks += usize::from(level == Level::Spacing);
        self.command.clear();
        self.answer.clear();
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), NoError> {
        for byte in bytes {
            let character = byte & 0x7f;
            assert_eq!(parity(character), *byte);
            self.command.push(character);
            if character == b'!' {
                let (expected, answer) = self.script.pop_front().expect("a command that was expected");
                assert_eq!(String::from_utf8_lossy(&self.command), expected);
                self.answer.extend(answer);
            }
        }
        Ok(())
    }

    async fn receive(&mut self, _: u32) -> Result<Option<u8>, NoError> {
        Ok(self.answer.pop_front())
    }
}

fn text(text: &str) -> Vec<u8> {
    text.bytes().chain(*b"\r\n").map(parity).collect()
}

/// With the code of the check, computed bit by bit (4.4.12.1).
fn checked(body: &str) -> Vec<u8> {
    let crc = body.bytes().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    });
    let code = [12, 6, 0].map(|shift| char::from(0x40 | (crc >> shift & 0x3f) as u8));
    text(&format!("{body}{}", String::from_iter(code)))
}

const CHANNELS: [Channel; 2] = [
    Channel { quantity: Quantity::SoilMoisture, exponent: -3, min: 0, max: 1_000 },
    Channel { quantity: Quantity::Temperature, exponent: -2, min: -4_000, max: 8_500 },
];

fn read(script: Vec<(&'static str, Vec<u8>)>) -> (Result<Burst, DriverError>, [i32; 2], usize) {
    let mut probe = Probe { script: script.into(), ..Probe::default() };
    let mut sensor = Sdi12::new(&mut probe, NoopDelay::new(), b'0', &CHANNELS).expect("an address");
    block_on(sensor.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 2];
    let burst = block_on(sensor.read(&mut into));
    assert!(probe.script.is_empty(), "{:?}", probe.script);
    (burst, into, probe.breaks)
}

const DONE: Result<Burst, DriverError> = Ok(Burst { readings: 1, lost: false });

#[test]
fn the_check_of_the_standards_example() {
    // 4.4.12.3: "0+3.14OqZ".
    assert_eq!(checked("0+3.14"), text("0+3.14OqZ"));
}

#[test]
fn values_come_in_the_channels_units() {
    let request: Vec<u8> = [text("00022"), text("0")].concat();
    let script = vec![("0MC!", request), ("0D0!", checked("0+0.3187-12.3"))];
    assert_eq!(read(script), (DONE, [319, -1230], 2));
}

#[test]
fn values_on_several_pages_and_at_once() {
    let script = vec![("0MC!", text("00002")), ("0D0!", checked("0+.25")), ("0D1!", checked("0+21"))];
    assert_eq!(read(script), (DONE, [250, 2100], 3));
}

#[test]
fn silence_noise_and_a_wrong_check_are_tried_again() {
    let mut flipped = text("00002");
    flipped[2] ^= 0x80;
    let mut wrong = checked("0+0.3+21");
    wrong[3] = parity(b'4');
    let script = vec![
        ("0MC!", vec![]),
        ("0MC!", flipped),
        ("0MC!", text("00002")),
        ("0D0!", wrong),
        ("0D0!", checked("0+0.3+21")),
    ];
    assert_eq!(read(script), (DONE, [300, 2100], 5));
    let silent = vec![("0MC!", vec![]), ("0MC!", vec![]), ("0MC!", vec![])];
    assert_eq!(read(silent).0, Err(DriverError::Timeout));
}

#[test]
fn wrong_answers_are_no_readings() {
    let measured = |body: &str| read(vec![("0MC!", text("00002")), ("0D0!", checked(body))]).0;
    // Another probe, out of range, no number, too many values.
    for body in ["1+0.3+21", "0+1.3+21", "0+0.3+21.x", "0+0.3+21+4", "0+12345678+1", "0+", "0-", "0+1.1.1+2"] {
        assert_eq!(measured(body), Err(DriverError::Corrupt), "{body}");
    }
    let counted = |answer: &str| read(vec![("0MC!", text(answer))]).0;
    for answer in ["0000", "000x2", "10002", "000022"] {
        assert_eq!(counted(answer), Err(DriverError::Corrupt), "{answer}");
    }
    assert_eq!(read(vec![("0MC!", text("00001")), ("0D0!", checked("0+0.3"))]).0, Err(DriverError::Corrupt));
    let endless = vec![parity(b'7'); 200];
    assert_eq!(
        read(vec![("0MC!", endless.clone()), ("0MC!", endless.clone()), ("0MC!", endless)]).0,
        Err(DriverError::Corrupt)
    );
}

#[test]
fn a_probe_says_who_it_is() {
    let mut probe = Probe { script: [("zI!", text("z14TANBO.JPMOIST1003serial7"))].into(), ..Probe::default() };
    let mut sensor = Sdi12::new(&mut probe, NoopDelay::new(), b'z', &CHANNELS).expect("an address");
    let identity = block_on(sensor.identify()).expect("an answer");
    assert_eq!((&identity.sdi12_version, &identity.vendor), (b"14", b"TANBO.JP"));
    assert_eq!((&identity.model, &identity.version), (b"MOIST1", b"003"));
    assert_eq!(Sdi12::new(&mut probe, NoopDelay::new(), b'!', &CHANNELS).map(|_| ()), Err(DriverError::Range));
    assert_eq!(Sdi12::new(&mut probe, NoopDelay::new(), b'0', &[]).map(|_| ()), Err(DriverError::Range));
}

#[test]
fn the_only_probe_on_a_line_says_its_address_and_takes_another_one() {
    let script = [("?!", text("7")), ("7Aq!", text("q")), ("qI!", text("q14TANBO.JPMOIST1003"))];
    let mut probe = Probe { script: script.into(), ..Probe::default() };
    let mut sensor = block_on(Sdi12::find(&mut probe, NoopDelay::new(), &CHANNELS)).expect("an address");
    assert_eq!(block_on(sensor.change_address(b'?')), Err(DriverError::Range));
    block_on(sensor.change_address(b'q')).expect("another address");
    block_on(sensor.identify()).expect("an answer");
    // Two that answer at once, no address, another probe's answer to the change.
    for answer in ["78", "!", ""] {
        let mut probe = Probe { script: [("?!", text(answer))].into(), ..Probe::default() };
        let found = block_on(Sdi12::find(&mut probe, NoopDelay::new(), &CHANNELS)).map(|_| ());
        assert_eq!(found, Err(DriverError::Corrupt), "{answer}");
    }
    let mut probe = Probe { script: [("0A1!", text("2"))].into(), ..Probe::default() };
    let mut sensor = Sdi12::new(&mut probe, NoopDelay::new(), b'0', &CHANNELS).expect("an address");
    assert_eq!(block_on(sensor.change_address(b'1')), Err(DriverError::Corrupt));
}

#[test]
fn a_probe_measures_while_another_one_is_asked() {
    let values = ["+1+2+3+4", "+5+6+7", "+8+9+10"];
    let script = vec![
        ("0CC!", text("000210")),
        ("0D0!", checked(&format!("0{}", values[0]))),
        ("0D1!", checked(&format!("0{}", values[1]))),
        ("0D2!", checked(&format!("0{}", values[2]))),
        // Too early: no values, and no more pages of them than ten.
        ("0CC!", text("000302")),
    ];
    let early = ["0D0!", "0D1!", "0D2!", "0D3!", "0D4!", "0D5!", "0D6!", "0D7!", "0D8!", "0D9!"];
    let script: VecDeque<_> = script.into_iter().chain(early.map(|page| (page, checked("0")))).collect();
    let mut probe = Probe { script, ..Probe::default() };
    let mut sensor = Sdi12::new(&mut probe, NoopDelay::new(), b'0', &CHANNELS).expect("an address");
    let started = block_on(sensor.start()).expect("started");
    assert_eq!(started, Started { ready_ms: 2_000, values: 10 });
    let mut into = [Decimal::default(); 12];
    assert_eq!(block_on(sensor.collect(started, &mut into)), Ok(10));
    let expected: Vec<_> = (1..=10).map(|value| Decimal { value, decimals: 0 }).collect();
    assert_eq!(into[..10], expected);
    assert_eq!(block_on(sensor.collect(started, &mut [Decimal::default(); 9])), Err(DriverError::Range));
    let started = block_on(sensor.start()).expect("started");
    assert_eq!(started, Started { ready_ms: 3_000, values: 2 });
    assert_eq!(block_on(sensor.collect(started, &mut into)), Err(DriverError::Corrupt));
}

/// What happens on the wire, and how long it lasts.
#[derive(Debug, Default)]
struct Wire(std::cell::RefCell<Vec<(String, u32)>>);

impl Line for &Wire {
    type Error = NoError;

    async fn hold(&mut self, level: Level) -> Result<(), NoError> {
        self.0.borrow_mut().push((format!("{level:?}"), 0));
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), NoError> {
        let character = char::from(bytes[0] & 0x7f);
        self.0.borrow_mut().push((character.to_string(), 0));
        Ok(())
    }

    async fn receive(&mut self, _: u32) -> Result<Option<u8>, NoError> {
        Ok(None)
    }
}

impl DelayNs for &Wire {
    async fn delay_ns(&mut self, ns: u32) {
        if let Some((_, lasts)) = self.0.borrow_mut().last_mut() {
            *lasts += ns;
        }
    }
}

/// 7.2: 12 ms of break wake every probe; 8.33 ms of marking, and less than 100, come before the command.
#[test]
fn each_try_is_a_break_a_marking_and_a_command() {
    let wire = Wire::default();
    let mut sensor = Sdi12::new(&wire, &wire, b'0', &CHANNELS).expect("an address");
    assert_eq!(block_on(sensor.identify()), Err(DriverError::Timeout));
    let happened = wire.0.take();
    assert_eq!(happened.len(), 3 * 5);
    for attempt in happened.chunks(5) {
        let names: Vec<_> = attempt.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Spacing", "Marking", "0", "I", "!"]);
        // A node's clock may be 1 % fast.
        assert!(attempt[0].1 / 100 * 99 >= 12_000_000, "{attempt:?}");
        assert!((8_330_000..100_000_000).contains(&(attempt[1].1 / 100 * 99)), "{attempt:?}");
    }
}

#[test]
fn numbers_are_scaled_exactly() {
    let scaled = |value, decimals, exponent| Decimal { value, decimals }.scaled(exponent);
    assert_eq!(scaled(-125, 1, 0), Some(-12)); // -12.5, halves up
    assert_eq!(scaled(125, 1, 0), Some(13));
    assert_eq!(scaled(9_999_999, 0, -2), Some(999_999_900));
    assert_eq!(scaled(9_999_999, 0, -3), None);
    assert_eq!(scaled(1, 0, i8::MIN), None);
    assert_eq!(scaled(i32::MAX, 255, 127), None);
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(answers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 40)) {
        let mut probe = Chatter { answers: answers.into(), answer: VecDeque::new() };
        let mut sensor = Sdi12::new(&mut probe, NoopDelay::new(), b'0', &CHANNELS).expect("an address");
        block_on(sensor.set_mode(Mode::Measure)).expect("on");
        prop_assert!(block_on(sensor.read(&mut [0; 2])).is_err());
        prop_assert!(block_on(sensor.identify()).is_err());
    }
}

/// Answers anything to anything.
struct Chatter {
    answers: VecDeque<Vec<u8>>,
    answer: VecDeque<u8>,
}

impl Line for &mut Chatter {
    type Error = NoError;

    async fn hold(&mut self, level: Level) -> Result<(), NoError> {
        if level == Level::Marking {
            self.answer = self.answers.pop_front().unwrap_or_default().into();
        }
        Ok(())
    }

    async fn send(&mut self, _: &[u8]) -> Result<(), NoError> {
        Ok(())
    }

    async fn receive(&mut self, _: u32) -> Result<Option<u8>, NoError> {
        Ok(self.answer.pop_front())
    }
}
