//! The messages, and the bytes of each: reader and writer side by side.

use core::ops::RangeInclusive;

use super::body::{Reader, or_none, put, unless};
use super::code::{ClockQuality, Command, Hazard, Outcome, Quantity, ResetCause, Severity, Stage};
use crate::{BodyError, Frame, SealError};

/// Kinds up, then down, without a gap within each.
pub(super) const KINDS: Kinds = Kinds { up: 0..=9, down: 16..=25 };

pub(super) struct Kinds {
    up: RangeInclusive<u8>,
    down: RangeInclusive<u8>,
}

impl Kinds {
    pub fn contains(&self, kind: &u8) -> bool {
        self.up.contains(kind) || self.down.contains(kind)
    }
}

/// Kind of a [`Boot`].
const BOOT: u8 = 5;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// An alarm begins or ends: 4 bytes, so that the slowest data rate carries it.
    Alarm(Alarm),
    /// The same at length.
    Event(Event),
    /// A series of readings.
    Readings(Readings<'a>),
    /// The node's health in 4 bytes.
    Heartbeat(Heartbeat),
    /// The node's health at length.
    Telemetry(Telemetry),
    /// The node has started; brings the whole counter to a receiver on LoRaWAN.
    Boot(Boot),
    /// Asks for [`Message::Time`].
    TimeRequest,
    /// What became of a [`Message::Set`].
    Applied(Applied),
    /// How far a model's update is.
    Update(Update),
    /// What is on the gateway's disk.
    Ack(Ack),
    /// The time, in answer to a request.
    Time(Time),
    /// A setting to change.
    Set(Set),
    /// Something to do.
    Command(Command),
    /// A model that is to be received.
    Offer(Offer),
    /// Bytes of it.
    Part(Part<'a>),
    /// It is to be checked and tried.
    Try(Try),
    /// The same of the node's firmware.
    Firmware(Firmware<'a>),
}

/// What is said of an update of the firmware: as of a model, under numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware<'a> {
    /// How far it is.
    Update(Update),
    /// Firmware that is to be received; its hash is the SHA-256 of all its bytes.
    Offer(Offer),
    /// Bytes of it.
    Part(Part<'a>),
    /// It is to be checked, and started on trial. How many windows, the node decides.
    Try(Try),
}

impl<'a> From<Firmware<'a>> for Message<'a> {
    fn from(message: Firmware<'a>) -> Self {
        Self::Firmware(message)
    }
}

impl<'a> Message<'a> {
    /// Returns the kind's number.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Alarm(_) => 0,
            Self::Event(_) => 1,
            Self::Readings(_) => 2,
            Self::Heartbeat(_) => 3,
            Self::Telemetry(_) => 4,
            Self::Boot(_) => BOOT,
            Self::TimeRequest => 6,
            Self::Applied(_) => 7,
            Self::Update(_) => 8,
            Self::Ack(_) => 16,
            Self::Time(_) => 17,
            Self::Set(_) => 18,
            Self::Command(_) => 19,
            Self::Offer(_) => 20,
            Self::Part(_) => 21,
            Self::Try(_) => 22,
            Self::Firmware(Firmware::Update(_)) => 9,
            Self::Firmware(Firmware::Offer(_)) => 23,
            Self::Firmware(Firmware::Part(_)) => 24,
            Self::Firmware(Firmware::Try(_)) => 25,
        }
    }

    /// Appends the body of frame number `counter`.
    pub(super) fn write(&self, counter: u32, frame: &mut Frame) -> Result<(), SealError> {
        match self {
            Self::Alarm(alarm) => alarm.write(frame),
            Self::Event(event) => event.write(frame),
            Self::Readings(readings) => readings.write(frame),
            Self::Heartbeat(heartbeat) => heartbeat.write(frame),
            Self::Telemetry(telemetry) => telemetry.write(frame),
            Self::Boot(boot) => boot.write(counter, frame),
            Self::TimeRequest => Ok(()),
            Self::Applied(applied) => applied.write(frame),
            Self::Update(update) | Self::Firmware(Firmware::Update(update)) => update.write(frame),
            Self::Ack(ack) => ack.write(frame),
            Self::Time(time) => time.write(frame),
            Self::Set(set) => set.write(frame),
            Self::Command(command) => put(frame, &[command.code()]),
            Self::Offer(offer) | Self::Firmware(Firmware::Offer(offer)) => offer.write(frame),
            Self::Part(part) | Self::Firmware(Firmware::Part(part)) => part.write(frame),
            Self::Try(order) | Self::Firmware(Firmware::Try(order)) => order.write(frame),
        }
    }

    /// Returns the message that `body` spells in frame number `counter`.
    pub(super) fn read(kind: u8, body: &'a [u8], counter: u32) -> Result<Self, BodyError> {
        let mut reader = Reader::new(kind, body);
        let from = &mut reader;
        let message = match kind {
            0 => Self::Alarm(Alarm::read(from)?),
            1 => Self::Event(Event::read(from)?),
            2 => return Ok(Self::Readings(Readings::read(reader)?)),
            3 => Self::Heartbeat(Heartbeat::read(from)?),
            4 => Self::Telemetry(Telemetry::read(from)?),
            BOOT => Self::Boot(Boot::read(from, counter)?),
            6 => Self::TimeRequest,
            7 => Self::Applied(Applied::read(from)?),
            8 => Self::Update(Update::read(from)?),
            9 => Firmware::Update(Update::read(from)?).into(),
            16 => Self::Ack(Ack::read(from)?),
            17 => Self::Time(Time::read(from)?),
            18 => Self::Set(Set::read(from)?),
            19 => Self::Command(Command::from_code(from.u8()?)?),
            20 => Self::Offer(Offer::read(from)?),
            21 => return Ok(Self::Part(Part::read(reader)?)),
            22 => Self::Try(Try::read(from)?),
            23 => Firmware::Offer(Offer::read(from)?).into(),
            24 => return Ok(Firmware::Part(Part::read(reader)?).into()),
            25 => Firmware::Try(Try::read(from)?).into(),
            _ => return Err(BodyError::Value { field: "kind", value: kind.into() }),
        };
        reader.end()?;
        Ok(message)
    }
}

/// What was found: 2 bytes, `hazard | begins << 3 | severity << 4 | clock << 6` and the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the node warns of.
    pub hazard: Hazard,
    /// Whether the alarm begins; else it ends.
    pub begins: bool,
    /// How bad.
    pub severity: Severity,
    /// What the time beside it is worth.
    pub clock: ClockQuality,
    /// The model's score.
    pub score: i8,
}

impl Finding {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        let begins = u8::from(self.begins) << 3;
        let bits = self.hazard.code() | begins | self.severity.code() << 4 | self.clock.code() << 6;
        put(frame, &[bits, self.score.to_le_bytes()[0]])
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        let bits = from.u8()?;
        Ok(Self {
            hazard: Hazard::from_code(bits & 7)?,
            begins: bits >> 3 & 1 == 1,
            severity: Severity::from_code(bits >> 4 & 3)?,
            clock: ClockQuality::from_code(bits >> 6)?,
            score: from.i8()?,
        })
    }
}

/// Length of a sixteenth of a second, µs.
const SIXTEENTH_US: u64 = 62_500;

/// An alarm in 4 bytes: the finding, and its time (u16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What was found.
    pub finding: Finding,
    /// When, in sixteenths of a second since the Unix epoch modulo 2¹⁶ (68 minutes); 0 where the clock is unset.
    pub sixteenths: u16,
}

impl Alarm {
    /// Returns an alarm at `time_us`, µs since the Unix epoch.
    pub fn new(finding: Finding, time_us: u64) -> Self {
        let sixteenths = match finding.clock {
            ClockQuality::Unset => 0,
            // Modulo 2¹⁶.
            _ => (time_us / SIXTEENTH_US) as u16,
        };
        Self { finding, sixteenths }
    }

    /// Returns when it was, µs since the Unix epoch: of all times that end so, the one nearest to the frame's arrival.
    /// `None` where the clock was unset.
    ///
    /// An alarm that took more than 34 minutes is followed by an [`Event`], whose time is whole.
    pub fn time_us(&self, arrival_us: u64) -> Option<u64> {
        if self.finding.clock == ClockQuality::Unset {
            return None;
        }
        let arrival = arrival_us / SIXTEENTH_US;
        let away = self.sixteenths.wrapping_sub(arrival as u16).cast_signed();
        arrival.checked_add_signed(away.into())?.checked_mul(SIXTEENTH_US)
    }

    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        self.finding.write(frame)?;
        put(frame, &self.sixteenths.to_le_bytes())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self { finding: Finding::read(from)?, sixteenths: from.u16()? })
    }
}

/// An alarm at length: the finding, then `time_us` u64, `error_ms` u16, `quantity` u8, `peak` i32, `model` 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What was found.
    pub finding: Finding,
    /// When, µs since the Unix epoch; since the node's start where the clock is unset.
    pub time_us: u64,
    /// How wrong that time may be, ms.
    pub error_ms: u16,
    /// What `peak` measures.
    pub quantity: Quantity,
    /// Greatest reading so far.
    pub peak: i32,
    /// First bytes of the model card's hash.
    pub model: [u8; 4],
}

impl Event {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        self.finding.write(frame)?;
        put(frame, &self.time_us.to_le_bytes())?;
        put(frame, &self.error_ms.to_le_bytes())?;
        put(frame, &[self.quantity.code()])?;
        put(frame, &self.peak.to_le_bytes())?;
        put(frame, &self.model)
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            finding: Finding::read(from)?,
            time_us: from.u64()?,
            error_ms: from.u16()?,
            quantity: Quantity::from_code(from.u8()?)?,
            peak: from.i32()?,
            model: from.array()?,
        })
    }
}

/// Readings at equal distances: `start_s` u32, `period_s` u16, `quantity` u8, then the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings<'a> {
    /// Time of the first value, seconds since the Unix epoch.
    pub start_s: u32,
    /// Distance of two values, seconds.
    pub period_s: u16,
    /// What the values measure.
    pub quantity: Quantity,
    /// The values.
    pub values: Values<'a>,
}

impl<'a> Readings<'a> {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.start_s.to_le_bytes())?;
        put(frame, &self.period_s.to_le_bytes())?;
        put(frame, &[self.quantity.code()])?;
        put(frame, self.values.bytes)
    }

    fn read(mut from: Reader<'a>) -> Result<Self, BodyError> {
        Ok(Self {
            start_s: from.u32()?,
            period_s: from.u16()?,
            quantity: Quantity::from_code(from.u8()?)?,
            values: Values::read(from)?,
        })
    }
}

/// Values of [`Readings`]: the first as i32, each further one as an i16 difference from the last that was there, or −32768
/// where one is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Values<'a> {
    bytes: &'a [u8],
}

/// Stands for a missing value.
const GAP: i16 = i16::MIN;

impl<'a> Values<'a> {
    /// Returns `values` as they are sent; `room` keeps them and takes 2 bytes each, 4 the first.
    ///
    /// # Errors
    /// [`SealError::Value`] where the first is missing or two are further apart than an i16 holds: start a message there;
    /// [`SealError::TooLong`] where `room` is too short.
    pub fn new(values: &[Option<i32>], room: &'a mut [u8]) -> Result<Self, SealError> {
        let first = values.first().copied().flatten().ok_or(SealError::Value { field: "first reading" })?;
        let mut left = room.iter_mut();
        let mut put = |bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| left.next().map(|to| *to = *byte).ok_or(SealError::TooLong))
        };
        put(&first.to_le_bytes())?;
        let mut last = first;
        for value in values.iter().skip(1) {
            let step = match value {
                None => GAP,
                Some(value) => {
                    let step = i64::from(*value) - i64::from(last);
                    last = *value;
                    i16::try_from(step).ok().filter(|step| *step != GAP).ok_or(SealError::Value { field: "reading" })?
                }
            };
            put(&step.to_le_bytes())?;
        }
        let len = 2 + 2 * values.len();
        Ok(Self { bytes: room.get(..len).ok_or(SealError::TooLong)? })
    }

    /// Returns the values in order, `None` where one is missing.
    pub fn iter(&self) -> impl Iterator<Item = Option<i32>> {
        let (first, steps) = self.parts().unwrap_or_default();
        core::iter::once(Some(first)).chain(steps.scan(first, |last, step| {
            Some((step != GAP).then(|| {
                // Checked when the frame was read or made.
                *last = last.wrapping_add(step.into());
                *last
            }))
        }))
    }

    fn parts(&self) -> Option<(i32, Steps<'a>)> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        Some((i32::from_le_bytes(*first), Steps { rest }))
    }

    fn read(from: Reader<'a>) -> Result<Self, BodyError> {
        let values = Self { bytes: from.rest() };
        let (mut last, steps) = values.parts().ok_or(from.length())?;
        if values.bytes.len() % 2 == 1 {
            return Err(from.length());
        }
        for step in steps.filter(|step| *step != GAP) {
            let sum = last.checked_add(step.into());
            // The value before: the sum has no u32.
            last = sum.ok_or(BodyError::Value { field: "reading", value: last.cast_unsigned() })?;
        }
        Ok(values)
    }
}

/// The differences of [`Values`].
#[derive(Clone, Copy, Default)]
struct Steps<'a> {
    rest: &'a [u8],
}

impl Iterator for Steps<'_> {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        let (step, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i16::from_le_bytes(*step))
    }
}

/// Health in 4 bytes: `supply` u8, `temperature_c` i8, `waiting` u8, `faults` u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Supply in steps of 20 mV; 255 where it is not measured.
    pub supply: Option<u8>,
    /// Temperature of the node, °C; −128 where it is not measured.
    pub temperature_c: Option<i8>,
    /// Events that are not acknowledged, 255 for as many or more.
    pub waiting: u8,
    /// Entries of the fault log since the start, 255 for as many or more.
    pub faults: u8,
}

impl Heartbeat {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        let supply = or_none(self.supply, u8::MAX, "supply")?;
        let temperature = or_none(self.temperature_c, i8::MIN, "temperature_c")?;
        put(frame, &[supply, temperature.to_le_bytes()[0], self.waiting, self.faults])
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            supply: unless(from.u8()?, u8::MAX),
            temperature_c: unless(from.i8()?, i8::MIN),
            waiting: from.u8()?,
            faults: from.u8()?,
        })
    }
}

/// Health at length: `uptime_s` u32, `awake_ppm` u32, `supply_mv` u16, `charge_percent` u8, `temperature_c` i8, `waiting`
/// u16, `faults` u16, `clock` u8, `clock_error_ms` u16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Seconds since the start.
    pub uptime_s: u32,
    /// Share of that time that the core was awake, parts per million.
    pub awake_ppm: u32,
    /// Supply, mV; 65535 where it is not measured.
    pub supply_mv: Option<u16>,
    /// State of charge, percent; 255 where it is not known.
    pub charge_percent: Option<u8>,
    /// Temperature of the node, °C; −128 where it is not measured.
    pub temperature_c: Option<i8>,
    /// Events that are not acknowledged.
    pub waiting: u16,
    /// Entries of the fault log since the start.
    pub faults: u16,
    /// Where the time comes from.
    pub clock: ClockQuality,
    /// How wrong the time may be, ms.
    pub clock_error_ms: u16,
}

impl Telemetry {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.uptime_s.to_le_bytes())?;
        put(frame, &self.awake_ppm.to_le_bytes())?;
        put(frame, &or_none(self.supply_mv, u16::MAX, "supply_mv")?.to_le_bytes())?;
        put(frame, &[or_none(self.charge_percent, u8::MAX, "charge_percent")?])?;
        put(frame, &or_none(self.temperature_c, i8::MIN, "temperature_c")?.to_le_bytes())?;
        put(frame, &self.waiting.to_le_bytes())?;
        put(frame, &self.faults.to_le_bytes())?;
        put(frame, &[self.clock.code()])?;
        put(frame, &self.clock_error_ms.to_le_bytes())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            uptime_s: from.u32()?,
            awake_ppm: from.u32()?,
            supply_mv: unless(from.u16()?, u16::MAX),
            charge_percent: unless(from.u8()?, u8::MAX),
            temperature_c: unless(from.i8()?, i8::MIN),
            waiting: from.u16()?,
            faults: from.u16()?,
            clock: ClockQuality::from_code(from.u8()?)?,
            clock_error_ms: from.u16()?,
        })
    }
}

/// The node has started: the counter's upper half u16, `reset` u8, `starts` u8.
///
/// On LoRaWAN other frames carry the counter's lower half only. A node sends one of these after each start, so that a receiver
/// finds back however many numbers were skipped, and after 2¹⁵ frames without an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Why it started.
    pub reset: ResetCause,
    /// Starts so far, modulo 256.
    pub starts: u8,
}

/// Returns the upper half of the counter, where the kind carries it.
pub(super) fn upper_half(kind: u8, body: &[u8]) -> Option<u16> {
    let (upper, _) = body.split_first_chunk()?;
    (kind == BOOT).then(|| u16::from_le_bytes(*upper))
}

impl Boot {
    fn write(&self, counter: u32, frame: &mut Frame) -> Result<(), SealError> {
        let [_, _, a, b] = counter.to_le_bytes();
        put(frame, &[a, b, self.reset.code(), self.starts])
    }

    fn read(from: &mut Reader<'_>, counter: u32) -> Result<Self, BodyError> {
        let upper = from.u16()?;
        if u32::from(upper) != counter >> 16 {
            return Err(BodyError::Value { field: "counter's upper half", value: upper.into() });
        }
        Ok(Self { reset: ResetCause::from_code(from.u8()?)?, starts: from.u8()? })
    }
}

/// What became of a setting: `request` u32, `key` u16, `value` i32, `outcome` u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Number of the frame that asked for it.
    pub request: u32,
    /// The setting.
    pub key: u16,
    /// The value in force now.
    pub value: i32,
    /// What became of it.
    pub outcome: Outcome,
}

impl Applied {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.request.to_le_bytes())?;
        put(frame, &self.key.to_le_bytes())?;
        put(frame, &self.value.to_le_bytes())?;
        put(frame, &[self.outcome.code()])
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            request: from.u32()?,
            key: from.u16()?,
            value: from.i32()?,
            outcome: Outcome::from_code(from.u8()?)?,
        })
    }
}

/// Frames that are on the gateway's disk: `highest` u32, `earlier` u32.
///
/// Numbers are never used twice, so that an old acknowledgement played again confirms nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The highest number on disk.
    pub highest: u32,
    /// Bit k: the number `highest - 1 - k` is too.
    pub earlier: u32,
}

impl Ack {
    /// Returns the numbers that it confirms, highest first.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        let earlier = (0..u32::BITS).filter(move |k| self.earlier >> k & 1 == 1);
        core::iter::once(self.highest).chain(earlier.filter_map(move |k| self.highest.checked_sub(1 + k)))
    }

    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.highest.to_le_bytes())?;
        put(frame, &self.earlier.to_le_bytes())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self { highest: from.u32()?, earlier: from.u32()? })
    }
}

/// The time: `request` u32, `received_us` u64, `sent_us` u64.
///
/// The node takes it only as the answer to the request that is open, so that an old one played again sets no clock; half of what
/// its own round trip took beyond `sent_us - received_us` is the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Number of the request's frame.
    pub request: u32,
    /// When the request came in, µs since the Unix epoch.
    pub received_us: u64,
    /// When this went out, µs since the Unix epoch.
    pub sent_us: u64,
}

impl Time {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.request.to_le_bytes())?;
        put(frame, &self.received_us.to_le_bytes())?;
        put(frame, &self.sent_us.to_le_bytes())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self { request: from.u32()?, received_us: from.u64()?, sent_us: from.u64()? })
    }
}

/// A setting to change: `key` u16, `value` i32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// The setting.
    pub key: u16,
    /// Its new value.
    pub value: i32,
}

impl Set {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.key.to_le_bytes())?;
        put(frame, &self.value.to_le_bytes())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self { key: from.u16()?, value: from.i32()? })
    }
}

/// How far a model's update is: `version` u32, `received` u32, `stage` u8, `refusal` u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Version of the model; 0 where there is none.
    pub version: u32,
    /// Bytes that are there, in order from the first.
    pub received: u32,
    /// How far.
    pub stage: Stage,
    /// Why it was not taken, in the numbers of `tanbo-node`; 0 otherwise.
    pub refusal: u8,
}

impl Update {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.version.to_le_bytes())?;
        put(frame, &self.received.to_le_bytes())?;
        put(frame, &[self.stage.code(), self.refusal])
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            version: from.u32()?,
            received: from.u32()?,
            stage: Stage::from_code(from.u8()?)?,
            refusal: from.u8()?,
        })
    }
}

/// A model that is to be received: `version` u32, `bytes` u32, `hash` 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its version.
    pub version: u32,
    /// Its length.
    pub bytes: u32,
    /// The hash that it states of itself.
    pub hash: [u8; 32],
}

impl Offer {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.version.to_le_bytes())?;
        put(frame, &self.bytes.to_le_bytes())?;
        put(frame, &self.hash)
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self { version: from.u32()?, bytes: from.u32()?, hash: from.array()? })
    }
}

/// Bytes of a model: `at` u32, then the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Where they go.
    pub at: u32,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> Part<'a> {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.at.to_le_bytes())?;
        put(frame, self.bytes)
    }

    fn read(mut from: Reader<'a>) -> Result<Self, BodyError> {
        Ok(Self { at: from.u32()?, bytes: from.rest() })
    }
}

/// The model that was received is to be checked and tried: `version` u32, `windows` u16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// Its version.
    pub version: u32,
    /// Windows that must go well before it is committed.
    pub windows: u16,
}

impl Try {
    fn write(&self, frame: &mut Frame) -> Result<(), SealError> {
        put(frame, &self.version.to_le_bytes())?;
        put(frame, &self.windows.to_le_bytes())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self { version: from.u32()?, windows: from.u16()? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Alarm, Finding, SIXTEENTH_US};
    use crate::v1::{ClockQuality, Hazard, Severity};

    #[test]
    fn an_alarm_finds_its_time_within_34_minutes_of_its_arrival() {
        let finding =
            |clock| Finding { hazard: Hazard::Flood, begins: true, severity: Severity::Severe, clock, score: 3 };
        let time_us = 1_795_796_640_000_000;
        let alarm = Alarm::new(finding(ClockQuality::Network), time_us + SIXTEENTH_US - 1);
        for late_s in [-2047, -1, 0, 1, 600, 2047] {
            let arrival_us = time_us.saturating_add_signed(late_s * 1_000_000);
            assert_eq!(alarm.time_us(arrival_us), Some(time_us), "{late_s} s late");
        }
        assert_eq!(Alarm::new(finding(ClockQuality::Unset), time_us).time_us(time_us), None);
        // Before the epoch: no time rather than a wrong one.
        assert_eq!(Alarm { sixteenths: u16::MAX, ..alarm }.time_us(0), None);
    }
}
