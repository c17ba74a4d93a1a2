//! Sensors that measure when they are read, keep nothing and wake nobody.

use tanbo_board_api::{Channel, Format, Mode};

use crate::DriverError;

/// Returns the format of such a sensor.
pub(crate) const fn format(channels: &'static [Channel]) -> Format {
    Format { channels, period_ns: 0, fifo_readings: 1, wakes: false }
}

/// Returns whether it measures in `mode`.
///
/// # Errors
/// [`DriverError::Unsupported`]: it cannot wake the node.
pub(crate) const fn measures(mode: Mode) -> Result<bool, DriverError> {
    match mode {
        Mode::Off => Ok(false),
        Mode::Measure => Ok(true),
        Mode::Wake { .. } => Err(DriverError::Unsupported),
    }
}
