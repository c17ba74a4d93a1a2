//! SDI-12, the bus of soil, water and weather probes: one wire, 1200 baud, ten probes and more.
//!
//! "SDI-12, A Serial-Digital Interface Standard for Microprocessor-Based Sensors", version 1.4: 4.3 (characters), 4.4 (commands),
//! 4.4.12 (CRC), 7 (timing). No kept crate.

use core::fmt;

use crc::{CRC_16_ARC, Crc};
use embedded_hal_async::delay::DelayNs;
use tanbo_board_api::{Burst, Channel, Fault, Format, Mode, Sensor};

use crate::{DriverError, on_demand};

/// The wire, at 1200 baud with 8 data bits and no parity: this driver makes the seventh bit's parity itself.
pub trait Line {
    /// Its errors.
    type Error: Fault;

    /// Takes the wire and holds it at a level.
    ///
    /// # Errors
    /// The line's.
    async fn hold(&mut self, level: Level) -> Result<(), Self::Error>;

    /// Sends bytes and lets the wire go, within 7.5 ms of the last stop bit.
    ///
    /// # Errors
    /// The line's.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Waits for a byte; `None` after `timeout_ms`.
    ///
    /// # Errors
    /// The line's.
    async fn receive(&mut self, timeout_ms: u32) -> Result<Option<u8>, Self::Error>;
}

/// A level of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 3.5 to 5.5 V: a start bit, a zero, a break.
    Spacing,
    /// -0.5 to 1 V: a stop bit, a one, at rest.
    Marking,
}

/// A break that wakes the probes, µs: 12 ms or more, and clocks are 1 % off.
const BREAK_US: u32 = 12_200;
/// Marking between a break and a command, µs: 8.33 ms or more.
const MARKING_US: u32 = 8_500;
/// Longest wait for a character, ms: a probe answers within 15, a character takes 8.33, and UARTs are late.
const CHARACTER_MS: u32 = 50;
/// Times that a command is tried, each with a break before it.
const TRIES: usize = 3;
/// Longest response, bytes, without its end: 75 of values, address and code of the check.
const RESPONSE_BYTES: usize = 80;
/// Most values of a measurement that blocks the line, and so of a [`Sensor`].
const MAX_VALUES: u8 = 9;
/// Whom [`Sdi12::find`] asks: whoever is on the line.
const ANYONE: u8 = b'?';

/// A character with its parity in the eighth bit: an even number of ones.
const fn with_parity(character: u8) -> u8 {
    let character = character & 0x7f;
    character | (character.count_ones() as u8 & 1) << 7
}

/// A number as probes write it: `value` · 10^−`decimals`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decimal {
    /// All digits, with the sign.
    pub value: i32,
    /// How many of them stand behind the point.
    pub decimals: u8,
}

impl Decimal {
    /// Returns the number in units of 10^`exponent`, rounded; `None` where an i32 does not hold it.
    pub fn scaled(self, exponent: i8) -> Option<i32> {
        let shift = -i32::from(self.decimals) - i32::from(exponent);
        let power = 10i64.checked_pow(shift.unsigned_abs())?;
        let value = i64::from(self.value);
        let scaled = if shift >= 0 { value.checked_mul(power)? } else { crate::scale::divide(value, power) };
        i32::try_from(scaled).ok()
    }

    /// Reads a number from the beginning of `text`, sign first and at most seven digits; the rest behind it.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let (sign, mut rest) = text.split_first()?;
        let sign = match sign {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (mut value, mut digits, mut decimals, mut point) = (0, 0u8, 0, false);
        while let Some((character, behind)) = rest.split_first() {
            match character {
                b'0'..=b'9' => {
                    digits += 1;
                    if digits > 7 {
                        return None;
                    }
                    value = value * 10 + i32::from(character - b'0');
                    decimals += u8::from(point);
                }
                b'.' if !point => point = true,
                b'+' | b'-' => break,
                _ => return None,
            }
            rest = behind;
        }
        (digits > 0).then_some((Self { value: sign * value, decimals }, rest))
    }
}

/// What a probe says of itself (`aI!`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Version of SDI-12, times ten.
    pub sdi12_version: [u8; 2],
    /// Vendor, in ASCII with blanks.
    pub vendor: [u8; 8],
    /// Model.
    pub model: [u8; 6],
    /// Version of the probe.
    pub version: [u8; 3],
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.vendor.as_slice(), &self.model, &self.version];
        parts.iter().try_for_each(|part| write!(f, "{} ", part.escape_ascii()))
    }
}

/// A response without its end.
struct Response {
    bytes: [u8; RESPONSE_BYTES],
    len: usize,
}

impl Response {
    fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// What stands behind the probe's address; [`DriverError::Corrupt`] if it is another one's.
    fn of(&self, address: u8) -> Result<&[u8], DriverError> {
        self.text()
            .split_first()
            .filter(|(first, _)| **first == address)
            .map(|(_, rest)| rest)
            .ok_or(DriverError::Corrupt)
    }
}

/// A measurement that a probe makes while others are asked: [`Sdi12::start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// When the values are ready, ms from the answer on. Whoever asks this probe before aborts the measurement.
    pub ready_ms: u32,
    /// How many values there will be.
    pub values: usize,
}

/// One probe on a line.
#[derive(Debug)]
pub struct Sdi12<L, D> {
    line: L,
    delay: D,
    address: u8,
    channels: &'static [Channel],
    on: bool,
}

impl<L: Line, D: DelayNs> Sdi12<L, D> {
    /// Returns the probe with `address`, a letter or digit; the values that it measures are `channels`, in their units.
    ///
    /// # Errors
    /// [`DriverError::Range`] for another address, or no channel or more than nine.
    pub fn new(line: L, delay: D, address: u8, channels: &'static [Channel]) -> Result<Self, DriverError> {
        if !address.is_ascii_alphanumeric() || !(1..=usize::from(MAX_VALUES)).contains(&channels.len()) {
            return Err(DriverError::Range);
        }
        Ok(Self { line, delay, address, channels, on: false })
    }

    /// Asks the only probe on a line for its address (`?!`).
    ///
    /// # Errors
    /// [`DriverError::Timeout`] if nobody answers; [`DriverError::Corrupt`] if several do; [`DriverError::Bus`].
    pub async fn find(line: L, delay: D, channels: &'static [Channel]) -> Result<Self, DriverError> {
        let mut probe = Self { line, delay, address: ANYONE, channels, on: false };
        let response = probe.ask(b"!", false).await?;
        let [address] = *response.text() else { return Err(DriverError::Corrupt) };
        let Self { line, delay, .. } = probe;
        Self::new(line, delay, address, channels).map_err(|_| DriverError::Corrupt)
    }

    /// Gives the probe another address (`aAb!`), which it keeps without power. Nobody else on the line may have it.
    ///
    /// # Errors
    /// [`DriverError::Range`] for no letter or digit; [`DriverError::Timeout`], [`DriverError::Corrupt`], [`DriverError::Bus`]: then
    /// the probe may have either.
    pub async fn change_address(&mut self, to: u8) -> Result<(), DriverError> {
        if !to.is_ascii_alphanumeric() {
            return Err(DriverError::Range);
        }
        let response = self.ask(&[b'A', to, b'!'], false).await?;
        if !response.of(to)?.is_empty() {
            return Err(DriverError::Corrupt);
        }
        self.address = to;
        Ok(())
    }

    /// Returns the line.
    pub fn release(self) -> L {
        self.line
    }

    /// Asks the probe who it is.
    ///
    /// # Errors
    /// [`DriverError::Timeout`] if nobody answers; [`DriverError::Corrupt`], [`DriverError::Bus`].
    pub async fn identify(&mut self) -> Result<Identity, DriverError> {
        let response = self.ask(b"I!", false).await?;
        let text = response.of(self.address)?;
        let parts = || {
            let (sdi12_version, rest) = text.split_first_chunk()?;
            let (vendor, rest) = rest.split_first_chunk()?;
            let (model, rest) = rest.split_first_chunk()?;
            let (version, _) = rest.split_first_chunk()?;
            Some(Identity { sdi12_version: *sdi12_version, vendor: *vendor, model: *model, version: *version })
        };
        parts().ok_or(DriverError::Corrupt)
    }

    /// Measures, with check sums; how many values there are in `into`. Takes as long as the probe says, up to 999 s.
    ///
    /// # Errors
    /// [`DriverError::Range`] if the probe has more values than `into`; [`DriverError::Timeout`], [`DriverError::Corrupt`],
    /// [`DriverError::Bus`].
    pub async fn measure(&mut self, into: &mut [Decimal]) -> Result<usize, DriverError> {
        let Started { ready_ms, values } = self.request::<4>(b"MC!").await?;
        let into = into.get_mut(..values).ok_or(DriverError::Range)?;
        if ready_ms > 0 {
            // The service request, or the end of the time.
            match self.respond(ready_ms).await {
                Ok(request) if request.of(self.address)?.is_empty() => {}
                Ok(_) => return Err(DriverError::Corrupt),
                Err(DriverError::Timeout) => {}
                Err(error) => return Err(error),
            }
        }
        self.take(into).await
    }

    /// Has the probe measure with check sums while the line is free for others (`aCC!`); [`Sdi12::collect`] brings the values.
    ///
    /// # Errors
    /// [`DriverError::Timeout`], [`DriverError::Corrupt`], [`DriverError::Bus`].
    pub async fn start(&mut self) -> Result<Started, DriverError> {
        self.request::<5>(b"CC!").await
    }

    /// Takes the values of what was started, when they are ready; how many there are in `into`.
    ///
    /// # Errors
    /// As [`Sdi12::measure`]; [`DriverError::Corrupt`] too where the probe was asked too early, and has no values.
    pub async fn collect(&mut self, started: Started, into: &mut [Decimal]) -> Result<usize, DriverError> {
        self.take(into.get_mut(..started.values).ok_or(DriverError::Range)?).await
    }

    /// Asks for a measurement; the answer is the address and `DIGITS` digits: seconds in three, then the number of values.
    async fn request<const DIGITS: usize>(&mut self, command: &[u8]) -> Result<Started, DriverError> {
        let response = self.ask(command, false).await?;
        let text = response.of(self.address)?;
        if text.len() != DIGITS || !text.iter().all(u8::is_ascii_digit) {
            return Err(DriverError::Corrupt);
        }
        let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        let (seconds, values) = text.split_at(3);
        Ok(Started { ready_ms: number(seconds) * 1000, values: number(values) as usize })
    }

    /// Asks for pages until all values are there.
    async fn take(&mut self, into: &mut [Decimal]) -> Result<usize, DriverError> {
        let count = into.len();
        let mut values = into.iter_mut();
        for page in b'0'..=b'9' {
            if values.len() == 0 {
                break;
            }
            let response = self.ask(&[b'D', page, b'!'], true).await?;
            let mut text = response.of(self.address)?;
            while !text.is_empty() {
                let (value, rest) = Decimal::read(text).ok_or(DriverError::Corrupt)?;
                *values.next().ok_or(DriverError::Corrupt)? = value;
                text = rest;
            }
        }
        if values.len() > 0 { Err(DriverError::Corrupt) } else { Ok(count) }
    }

    /// Sends a command, with a break before each try, until a response comes.
    async fn ask(&mut self, command: &[u8], checked: bool) -> Result<Response, DriverError> {
        let bus = |error: L::Error| DriverError::Bus(error.kind());
        let mut last = DriverError::Timeout;
        for _ in 0..TRIES {
            self.line.hold(Level::Spacing).await.map_err(bus)?;
            self.delay.delay_us(BREAK_US).await;
            self.line.hold(Level::Marking).await.map_err(bus)?;
            self.delay.delay_us(MARKING_US).await;
            self.line.send(&[with_parity(self.address)]).await.map_err(bus)?;
            for character in command {
                self.line.send(&[with_parity(*character)]).await.map_err(bus)?;
            }
            match self
                .respond(CHARACTER_MS)
                .await
                .and_then(|response| if checked { check(response) } else { Ok(response) })
            {
                Ok(response) => return Ok(response),
                Err(error @ DriverError::Bus(_)) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes a response up to its CR LF.
    async fn respond(&mut self, first_ms: u32) -> Result<Response, DriverError> {
        let mut response = Response { bytes: [0; RESPONSE_BYTES], len: 0 };
        let mut timeout_ms = first_ms;
        loop {
            let byte = self.line.receive(timeout_ms).await.map_err(|error| DriverError::Bus(error.kind()))?;
            let byte = byte.ok_or(DriverError::Timeout)?;
            let character = byte & 0x7f;
            if with_parity(character) != byte {
                return Err(DriverError::Corrupt);
            }
            timeout_ms = CHARACTER_MS;
            match character {
                b'\n' if response.text().ends_with(b"\r") => {
                    response.len -= 1;
                    return Ok(response);
                }
                _ => {
                    let len = response.len;
                    *response.bytes.get_mut(len).ok_or(DriverError::Corrupt)? = character;
                    response.len += 1;
                }
            }
        }
    }
}

/// Takes the three characters of the CRC off, which must be those of the rest.
fn check(mut response: Response) -> Result<Response, DriverError> {
    let (text, [a, b, c]) = response.text().split_last_chunk().ok_or(DriverError::Corrupt)?;
    let crc = Crc::<u16>::new(&CRC_16_ARC).checksum(text);
    let characters = [12, 6, 0].map(|shift| 0x40 | (crc >> shift & 0x3f) as u8);
    if characters != [*a, *b, *c] {
        return Err(DriverError::Corrupt);
    }
    response.len -= 3;
    Ok(response)
}

impl<L: Line, D: DelayNs> Sensor for Sdi12<L, D> {
    type Error = DriverError;

    fn format(&self) -> Format {
        on_demand::format(self.channels)
    }

    /// Between measurements a probe sleeps by itself.
    async fn set_mode(&mut self, mode: Mode) -> Result<(), DriverError> {
        self.on = on_demand::measures(mode)?;
        Ok(())
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, DriverError> {
        let channels = self.channels;
        let Some(into) = into.get_mut(..channels.len()).filter(|_| self.on) else { return Ok(Burst::default()) };
        let mut values = [Decimal::default(); MAX_VALUES as usize];
        let count = self.measure(&mut values).await?;
        if count < channels.len() {
            return Err(DriverError::Corrupt);
        }
        for ((to, value), channel) in into.iter_mut().zip(values).zip(channels) {
            let value = value.scaled(channel.exponent).filter(|value| (channel.min..=channel.max).contains(value));
            *to = value.ok_or(DriverError::Corrupt)?;
        }
        Ok(Burst { readings: 1, lost: false })
    }
}
