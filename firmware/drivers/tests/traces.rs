//! Each driver against a recorded trace of its bus: `traces/<chip>.txt`.
//!
//! A line is a transaction: `>` what the driver writes, `<` what the chip answers, in hex (`00*72`: 72 zeros) or 'text'. `i2c <address>`
//! says whose bus it is from there on, `spi` and `sdi12` likewise. `=` is the next reading that the driver must give.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;

use embassy_futures::block_on;
use embedded_hal_async::{i2c, spi};
use embedded_hal_mock::eh1::delay::NoopDelay;
use tanbo_board_api::{Channel, Fault, FaultKind, Mode, Quantity, Sensor, Supply};
use tanbo_drivers::sdi12::{Level, Line, Sdi12};
use tanbo_drivers::{DriverError, adxl355, adxl362, dps310, max17048, mb85rc, ms5837, registers, sht4x};

/// What the driver writes, and what the chip answers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Transaction {
    bus: String,
    written: Vec<u8>,
    answer: VecDeque<u8>,
}

/// The bus of a trace.
#[derive(Debug)]
struct Trace {
    name: &'static str,
    transactions: VecDeque<Transaction>,
    readings: Vec<i32>,
}

impl Trace {
    fn load(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces").join(name).with_extension("txt");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut trace = Self { name, transactions: VecDeque::new(), readings: Vec::new() };
        let mut bus = String::new();
        let mut has_source = false;
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                // Where the bytes come from must be said.
                has_source |= comment.starts_with("No hardware: ") || comment.starts_with("Recorded ");
            } else if let Some(values) = line.strip_prefix("= ") {
                trace.readings.extend(values.split(' ').map(|value| value.parse::<i32>().expect("a number")));
            } else if line.starts_with(['>', '<']) {
                trace.transactions.push_back(transaction(&bus, line));
            } else {
                bus = line.into();
            }
        }
        assert!(has_source && !trace.readings.is_empty(), "{name}: no source or no reading");
        trace
    }

    fn next(&mut self) -> Transaction {
        self.transactions
            .pop_front()
            .unwrap_or_else(|| panic!("{}: the driver goes on after the trace's end", self.name))
    }

    /// A transaction of a bus: everything written comes before everything read.
    fn exchange(&mut self, bus: &str, written: &[u8], into: &mut [&mut [u8]]) {
        let Transaction { bus: expected_bus, written: expected, answer } = self.next();
        assert_eq!((expected_bus.as_str(), expected.as_slice()), (bus, written), "{}", self.name);
        let mut answer = answer.into_iter();
        for byte in into.iter_mut().flat_map(|part| part.iter_mut()) {
            *byte = answer.next().unwrap_or_else(|| panic!("{}: {written:x?} reads too much", self.name));
        }
        assert_eq!(answer.next(), None, "{}: {written:x?} reads too little", self.name);
    }

    fn ended(&self) {
        assert!(self.transactions.is_empty(), "{}: {:?}", self.name, self.transactions);
    }
}

fn transaction(bus: &str, line: &str) -> Transaction {
    let mut found = Transaction { bus: bus.into(), ..Transaction::default() };
    let mut reads = false;
    for word in line.split(' ') {
        let mut bytes = Vec::new();
        match word {
            ">" => reads = false,
            "<" => reads = true,
            _ => {
                if let Some(text) = word.strip_prefix('\'') {
                    let text = text.strip_suffix('\'').expect("a quote").replace("\\r\\n", "\r\n");
                    bytes.extend(text.bytes());
                } else {
                    let (hex, times) = word.split_once('*').unwrap_or((word, "1"));
                    let byte = u8::from_str_radix(hex, 16).unwrap_or_else(|error| panic!("{word}: {error}"));
                    bytes.resize(times.parse().expect("a number"), byte);
                }
            }
        }
        if reads { found.answer.extend(bytes) } else { found.written.extend(bytes) }
    }
    found
}

impl i2c::ErrorType for &mut Trace {
    type Error = Infallible;
}

impl i2c::I2c for &mut Trace {
    async fn transaction(&mut self, address: u8, operations: &mut [i2c::Operation<'_>]) -> Result<(), Infallible> {
        let (mut written, mut into) = (Vec::new(), Vec::new());
        for operation in operations {
            match operation {
                i2c::Operation::Write(bytes) => written.extend_from_slice(bytes),
                i2c::Operation::Read(bytes) => into.push(&mut **bytes),
            }
        }
        self.exchange(&format!("i2c {address:02x}"), &written, &mut into);
        Ok(())
    }
}

impl spi::ErrorType for &mut Trace {
    type Error = Infallible;
}

impl spi::SpiDevice for &mut Trace {
    async fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Infallible> {
        let (mut written, mut into) = (Vec::new(), Vec::new());
        for operation in operations {
            match operation {
                spi::Operation::Write(bytes) => written.extend_from_slice(bytes),
                spi::Operation::Read(bytes) => into.push(&mut **bytes),
                other => panic!("{other:?}"),
            }
        }
        self.exchange("spi", &written, &mut into);
        Ok(())
    }
}

#[derive(Debug)]
struct NoError;

impl Fault for NoError {
    fn kind(&self) -> FaultKind {
        FaultKind::Bus
    }
}

/// A line of SDI-12 and what is left of the present answer.
struct Wire<'t>(&'t mut Trace, VecDeque<u8>, Vec<u8>);

impl Line for Wire<'_> {
    type Error = NoError;

    async fn hold(&mut self, _: Level) -> Result<(), NoError> {
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), NoError> {
        self.2.extend(bytes.iter().map(|byte| byte & 0x7f));
        if self.2.ends_with(b"!") {
            let Transaction { bus, written, answer } = self.0.next();
            assert_eq!((bus.as_str(), String::from_utf8_lossy(&written)), ("sdi12", String::from_utf8_lossy(&self.2)));
            (self.1, self.2) = (answer, Vec::new());
        }
        Ok(())
    }

    async fn receive(&mut self, _: u32) -> Result<Option<u8>, NoError> {
        // Even parity in the eighth bit.
        Ok(self.1.pop_front().map(|byte| byte | (byte.count_ones() as u8 & 1) << 7))
    }
}

/// Has the sensor measure once and gives its readings.
fn readings<S: Sensor>(mut sensor: S) -> Vec<i32> {
    block_on(sensor.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 64];
    let burst = block_on(sensor.read(&mut into)).expect("readings");
    assert!(!burst.lost);
    into[..burst.readings * sensor.format().channels.len()].to_vec()
}

/// Replays a trace through a driver.
fn replay(name: &'static str, driver: impl FnOnce(&mut Trace) -> Result<Vec<i32>, DriverError>) {
    let mut trace = Trace::load(name);
    let found = driver(&mut trace).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(found, trace.readings, "{name}");
    trace.ended();
}

#[test]
fn adxl355() {
    let config =
        adxl355::Config { range: adxl355::Range::G2, rate: adxl355::Rate::Hz31_25, watermark: 25, wake_axes: 0b011 };
    replay("adxl355", |bus| block_on(adxl355::Adxl355::new(registers::SpiRegisters(bus), config)).map(readings));
}

#[test]
fn adxl362() {
    let config =
        adxl362::Config { range: adxl362::Range::G2, rate: adxl362::Rate::Hz100, watermark: 100, wake_at_6hz: true };
    replay("adxl362", |bus| block_on(adxl362::Adxl362::new(bus, config)).map(readings));
}

#[test]
fn dps310() {
    let config = dps310::Config { oversampling: dps310::Oversampling::X1, rate_hz: None };
    replay("dps310", |bus| {
        let registers = registers::I2cRegisters::new(bus, dps310::ADDRESS);
        block_on(dps310::Dps310::new(registers, NoopDelay::new(), config)).map(readings)
    });
}

#[test]
fn ms5837() {
    replay("ms5837", |bus| block_on(ms5837::Ms5837::new(bus, NoopDelay::new(), ms5837::Model::Ba02)).map(readings));
}

#[test]
fn sht4x() {
    replay("sht4x", |bus| {
        block_on(sht4x::Sht4x::new(bus, NoopDelay::new(), sht4x::Address::Address0x44)).map(readings)
    });
}

/// A gauge whose registers read as the trace says, but for one answer.
fn gauge(number: usize, answer: [u8; 2]) -> Result<Supply, DriverError> {
    let mut trace = Trace::load("max17048");
    trace.transactions[number].answer = answer.into();
    block_on(async { max17048::FuelGauge::new(&mut trace).await?.supply().await })
}

#[test]
fn max17048() {
    replay("max17048", |bus| {
        let supply = block_on(async { max17048::FuelGauge::new(bus).await?.supply().await })?;
        assert_eq!((supply.trend_mv_per_h, supply.harvest_mw), (None, None));
        Ok([supply.mv, supply.charge_permille].into_iter().flatten().map(i32::from).collect())
    });
    let other = Err(DriverError::Identity { expected: 0x0010, found: 0x0003 });
    assert_eq!(gauge(0, [0x00, 0x03]), other);
    // All ones: a bus without pull-down, not a cell of 5.12 V.
    assert_eq!(gauge(1, [0xff, 0xff]), Err(DriverError::Corrupt));
    assert_eq!(gauge(2, [0x66, 0x80]).map(|supply| supply.charge_permille), Ok(Some(1000)));
    assert_eq!(gauge(2, [0, 1]).map(|supply| supply.charge_permille), Ok(Some(0)));
}

#[test]
fn a_wrong_checksum_of_an_sht4x_is_no_reading() {
    for number in [1, 3] {
        let mut trace = Trace::load("sht4x");
        *trace.transactions[number].answer.front_mut().expect("a byte") ^= 1;
        let result = block_on(async {
            let mut sensor = sht4x::Sht4x::new(&mut trace, NoopDelay::new(), sht4x::Address::Address0x44).await?;
            sensor.set_mode(Mode::Measure).await?;
            sensor.read(&mut [0; 2]).await
        });
        assert_eq!(result, Err(DriverError::Corrupt));
    }
}

#[test]
fn mb85rc() {
    replay("mb85rc", |bus| {
        block_on(async {
            let mut memory = mb85rc::Mb85rc::new(bus, 0x50, mb85rc::Size::Kbit256)?;
            assert_eq!(memory.identify().await?, 0x510);
            memory.write(0x1234, &[1, 2, 3]).await?;
            let mut found = [0; 3];
            memory.read(0x1234, &mut found).await?;
            Ok(found.map(i32::from).to_vec())
        })
    });
}

#[test]
fn sdi12() {
    const CHANNELS: [Channel; 1] = [Channel { quantity: Quantity::Other, exponent: -3, min: 0, max: 10_000 }];
    replay("sdi12", |trace| {
        let wire = Wire(trace, VecDeque::new(), Vec::new());
        Sdi12::new(wire, NoopDelay::new(), b'0', &CHANNELS).map(readings)
    });
}
