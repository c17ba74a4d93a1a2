//! Arguments of the program: of QEMU's `-append` on a bare machine, of the process elsewhere.

use crate::files::PATH_MAX;
use core::fmt;

/// An argument without a heap.
pub type Argument = heapless::String<PATH_MAX>;

/// The argument is there but cannot be read: too long, or not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentError;

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the first argument is longer than {PATH_MAX} bytes or not UTF-8: give a shorter one")
    }
}

impl core::error::Error for ArgumentError {}

/// The first argument after the program's name; `otherwise` if there is none.
///
/// On a bare machine the host hands over one line, the image's path first: neither it nor an argument may hold a blank.
///
/// # Errors
/// [`ArgumentError`].
pub fn first_or(otherwise: &str) -> Result<Argument, ArgumentError> {
    match imp::first()? {
        Some(argument) => Ok(argument),
        None => argument(otherwise),
    }
}

fn argument(text: &str) -> Result<Argument, ArgumentError> {
    Argument::try_from(text).map_err(|_| ArgumentError)
}

#[cfg(target_os = "none")]
mod imp {
    use super::{Argument, ArgumentError, argument};
    use semihosting::experimental::env;

    /// Room for the image's path and the argument, bytes.
    const LINE: usize = 512;

    pub fn first() -> Result<Option<Argument>, ArgumentError> {
        let line = env::args::<LINE>().map_err(|_| ArgumentError)?;
        match (&line).into_iter().nth(1) {
            None | Some(Ok("")) => Ok(None),
            Some(text) => argument(text.map_err(|_| ArgumentError)?).map(Some),
        }
    }
}

#[cfg(not(target_os = "none"))]
mod imp {
    use super::{Argument, ArgumentError, argument};

    pub fn first() -> Result<Option<Argument>, ArgumentError> {
        match std::env::args_os().nth(1) {
            None => Ok(None),
            Some(text) => argument(text.to_str().ok_or(ArgumentError)?).map(Some),
        }
    }
}
