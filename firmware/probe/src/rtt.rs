//! What firmware says over RTT: a ring of bytes in its RAM, read while it runs.

use object::{Object as _, ObjectSymbol as _};
use probe_rs::rtt::Error;

use crate::{Chip, ProbeError};

/// Bytes read at once.
const AT_ONCE: usize = 1024;

/// The up channel 0 of an image, where defmt-rtt puts its frames. Its mode is left as the firmware has it: a node that is watched must not
/// wait for who watches.
#[derive(Debug)]
pub struct Rtt {
    /// Address of the control block.
    address: u64,
    attached: Option<probe_rs::rtt::Rtt>,
}

impl Rtt {
    /// Returns the channel of the image `elf`; `None` if it has none.
    pub fn of(elf: &[u8]) -> Option<Self> {
        let file = object::File::parse(elf).ok()?;
        let block = file.symbols().find(|symbol| symbol.name() == Ok("_SEGGER_RTT"))?;
        Some(Self::at(block.address()))
    }

    /// Returns the channel whose control block lies at `address`.
    pub fn at(address: u64) -> Self {
        Self { address, attached: None }
    }

    /// Reads what has come; nothing before the firmware has set the channel up.
    ///
    /// # Errors
    /// A probe or chip that does not answer.
    pub fn read(&mut self, chip: &mut Chip) -> Result<Vec<u8>, ProbeError> {
        let refused = |error: &Error| ProbeError::failed("reading the log")(error);
        let mut core = chip.core()?;
        if self.attached.is_none() {
            self.attached = match probe_rs::rtt::Rtt::attach_at(&mut core, self.address) {
                Ok(attached) => Some(attached),
                // Before the start-up has copied variables into RAM.
                Err(Error::ControlBlockNotFound | Error::ControlBlockCorrupted(_)) => return Ok(Vec::new()),
                Err(error) => return Err(refused(&error)),
            };
        }
        let Some(channel) = self.attached.as_mut().and_then(|rtt| rtt.up_channel(0)) else { return Ok(Vec::new()) };
        let mut bytes = vec![0; AT_ONCE];
        match channel.read(&mut core, &mut bytes) {
            Ok(count) => bytes.truncate(count),
            // The firmware began anew.
            Err(Error::ReadPointerChanged | Error::ControlBlockCorrupted(_)) => {
                self.attached = None;
                bytes.clear();
            }
            Err(error) => return Err(refused(&error)),
        }
        Ok(bytes)
    }

    /// Forgets the chip: what comes next may be another one, or the same one after a reset.
    pub fn detach(&mut self) {
        self.attached = None;
    }
}
