//! Sensors.

use core::fmt;

use embedded_hal::{i2c, spi};

/// What a channel measures, in SI units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// m/s².
    Acceleration,
    /// Pa.
    Pressure,
    /// °C.
    Temperature,
    /// Of water, m over the station's zero.
    Level,
    /// Relative, 1 = saturated.
    Humidity,
    /// Since the reading before, m.
    Rain,
    /// m/s.
    Speed,
    /// °, from north over east.
    Direction,
    /// Volumetric, m³/m³.
    SoilMoisture,
    /// V.
    Voltage,
    /// Whatever a probe reports in its own unit.
    Other,
}

/// One of a sensor's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What it measures.
    pub quantity: Quantity,
    /// A reading of 1 is 10^`exponent` of the quantity's unit: −5 for mGal, −2 for hundredths of a pascal.
    pub exponent: i8,
    /// Least reading that the sensor gives.
    pub min: i32,
    /// Greatest reading that the sensor gives.
    pub max: i32,
}

/// What a sensor's readings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The channels, in the order of a reading.
    pub channels: &'static [Channel],
    /// Time from one reading to the next, ns; 0 where the sensor measures when it is read.
    pub period_ns: u64,
    /// Readings that it keeps until they are read, 1 or more.
    pub fifo_readings: u16,
    /// Whether it can wake the node by itself.
    pub wakes: bool,
}

/// What a sensor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing, at its least current.
    Off,
    /// Takes readings.
    Measure,
    /// Takes readings, and raises its interrupt once `readings` in a row are beyond `threshold`, a reading of the first channel; how it
    /// compares (absolute, or with what was before) is the driver's to say.
    Wake {
        /// In the unit of the first channel.
        threshold: i32,
        /// 1 or more.
        readings: u8,
    },
}

/// What [`Sensor::read`] brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    /// Readings, each of all channels.
    pub readings: usize,
    /// Whether readings before these were lost: the FIFO had run over.
    pub lost: bool,
}

/// A sensor.
pub trait Sensor {
    /// Why it fails.
    type Error: Fault;

    /// Returns what its readings are. Constant from one [`Sensor::set_mode`] to the next.
    fn format(&self) -> Format;

    /// Changes what it does; readings that were not read are gone.
    ///
    /// # Errors
    /// [`FaultKind::Range`] for a threshold that it cannot hold, [`FaultKind::Unsupported`] where it cannot wake the node; in both
    /// cases its mode stays. Others of the bus.
    async fn set_mode(&mut self, mode: Mode) -> Result<(), Self::Error>;

    /// Takes readings out of the sensor, oldest first, channel by channel into `into`: as many as it holds and as fit whole.
    ///
    /// Does not wait for more: without a FIFO that is one, where its period has passed; off, none. A sensor that measures when
    /// it is read (`period_ns` 0) waits for that one.
    ///
    /// # Errors
    /// The device's or its bus's; readings may be lost.
    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, Self::Error>;
}

/// Kinds of errors that a node tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The bus failed in the middle.
    Bus,
    /// Nobody answers, or somebody else.
    NotFound,
    /// What came has a wrong checksum or cannot be.
    Corrupt,
    /// It did not finish in time.
    Timeout,
    /// A setting that it does not have.
    Range,
    /// An ability that it does not have.
    Unsupported,
}

/// An error of a device.
pub trait Fault: fmt::Debug {
    /// Returns its kind.
    fn kind(&self) -> FaultKind;
}

impl From<i2c::ErrorKind> for FaultKind {
    fn from(kind: i2c::ErrorKind) -> Self {
        match kind {
            i2c::ErrorKind::NoAcknowledge(_) => Self::NotFound,
            _ => Self::Bus,
        }
    }
}

impl From<spi::ErrorKind> for FaultKind {
    fn from(_: spi::ErrorKind) -> Self {
        Self::Bus
    }
}
