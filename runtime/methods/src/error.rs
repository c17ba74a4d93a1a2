//! Why a method cannot be used.

use core::fmt;

/// A parameter outside the range that its documentation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterError {
    /// The parameter, as named in its record.
    pub name: &'static str,
    /// Its value.
    pub value: i64,
    /// The least it may be …
    pub least: i64,
    /// … and the most.
    pub most: i64,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, least, most } = self;
        write!(f, "{name} = {value} is out of range: set it to {least} to {most}")
    }
}

impl core::error::Error for ParameterError {}

/// Refuses a value outside `least ..= most`.
pub(crate) fn within(
    name: &'static str,
    value: impl Into<i64>,
    least: impl Into<i64>,
    most: impl Into<i64>,
) -> Result<(), ParameterError> {
    let error = ParameterError { name, value: value.into(), least: least.into(), most: most.into() };
    if (error.least..=error.most).contains(&error.value) { Ok(()) } else { Err(error) }
}
