//! A chip on a probe: its flash and memory.

use std::time::Duration;

use probe_rs::flashing::{DownloadOptions, FlashProgress, ProgressEvent, ProgressOperation};
use probe_rs::probe::WireProtocol;
use probe_rs::{Core, CoreType, MemoryInterface as _, Permissions, Session};

use crate::{ProbeError, layout, list};

/// How long a core may take to stop.
const STOP: Duration = Duration::from_secs(1);

/// A part of the work of [`Chip::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading what lies beside the bytes in the same sectors, and stays.
    Keep,
    /// Erasing sectors.
    Erase,
    /// Writing.
    Program,
    /// Reading back and comparing.
    Verify,
}

impl Phase {
    /// Returns what is being done.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "reading",
            Self::Erase => "erasing",
            Self::Program => "writing",
            Self::Verify => "verifying",
        }
    }
}

/// How far [`Chip::write`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A phase will take so many bytes.
    Expected(Phase, u64),
    /// So many more bytes of a phase are done.
    Done(Phase, u64),
}

/// A chip that a probe is attached to.
#[derive(Debug)]
pub struct Chip {
    session: Session,
}

impl Chip {
    /// Attaches to `chip`, as probe-rs names it, through the chosen probe (USB's `vendor:product` or `vendor:product:serial` number) or the only one.
    ///
    /// # Errors
    /// A chip that probe-rs does not know; no probe, or several and none is chosen; a chip that does not answer.
    pub fn open(chip: &str, probe: Option<&str>) -> Result<Self, ProbeError> {
        let target = layout::target(chip)?;
        let mut probe = list::open(probe)?;
        // Some probes have no protocol of their own choice.
        if probe.protocol().is_none() {
            let arm = target.default_core().core_type != CoreType::Riscv;
            let protocol = if arm { WireProtocol::Swd } else { WireProtocol::Jtag };
            probe.select_protocol(protocol).map_err(|error| ProbeError::failed("choosing the protocol")(&error))?;
        }
        let session = probe
            .attach(target, Permissions::default())
            .map_err(|error| ProbeError::failed("attaching to the chip")(&error))?;
        Ok(Self { session })
    }

    /// Writes `parts`, each bytes at an address, into flash or RAM, and verifies them. What lies beside them in the same sectors stays.
    /// The chip stands still afterwards.
    ///
    /// # Errors
    /// Addresses that are no memory of the chip; flash that does not take the bytes.
    pub fn write(&mut self, parts: &[(u64, &[u8])], mut progress: impl FnMut(Progress)) -> Result<(), ProbeError> {
        let mut loader = self.session.target().flash_loader();
        for &(address, bytes) in parts {
            loader.add_data(address, bytes).map_err(|error| ProbeError::failed("placing the bytes")(&error))?;
        }
        let mut options = DownloadOptions::default();
        options.keep_unwritten_bytes = true;
        options.verify = true;
        options.progress = FlashProgress::new(|event| match event {
            ProgressEvent::AddProgressBar { operation, total: Some(total) } => {
                progress(Progress::Expected(phase(operation), total));
            }
            ProgressEvent::Progress { operation, size, .. } => progress(Progress::Done(phase(operation), size)),
            _ => {}
        });
        loader.commit(&mut self.session, options).map_err(|error| ProbeError::failed("writing flash")(&error))
    }

    /// Reads memory from `address` on.
    ///
    /// # Errors
    /// A probe or chip that does not answer.
    pub fn read(&mut self, address: u64, into: &mut [u8]) -> Result<(), ProbeError> {
        let refused = |error| ProbeError::failed("reading memory")(&error);
        self.core()?.read(address, into).map_err(refused)
    }

    /// Returns whether the flash holds these parts, each bytes at an address.
    ///
    /// # Errors
    /// A probe or chip that does not answer.
    pub fn holds(&mut self, parts: &[(u64, &[u8])]) -> Result<bool, ProbeError> {
        for &(address, bytes) in parts {
            let mut held = vec![0; bytes.len()];
            self.read(address, &mut held)?;
            if held != bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stops the core, so that nothing changes what is read.
    ///
    /// # Errors
    /// A probe or chip that does not answer.
    pub fn stop(&mut self) -> Result<(), ProbeError> {
        self.core()?.halt(STOP).map(|_| ()).map_err(|error| ProbeError::failed("stopping the chip")(&error))
    }

    /// Lets the core go on where it stopped.
    ///
    /// # Errors
    /// A probe or chip that does not answer.
    pub fn go_on(&mut self) -> Result<(), ProbeError> {
        self.core()?.run().map_err(|error| ProbeError::failed("letting the chip go on")(&error))
    }

    /// Resets the chip and lets it run.
    ///
    /// # Errors
    /// A probe or chip that does not answer.
    pub fn start(&mut self) -> Result<(), ProbeError> {
        let refused = |error| ProbeError::failed("starting the chip")(&error);
        let mut core = self.core()?;
        core.reset_and_halt(STOP).map_err(refused)?;
        core.run().map_err(refused)
    }

    /// Returns the core that runs the firmware.
    pub(crate) fn core(&mut self) -> Result<Core<'_>, ProbeError> {
        self.session.core(0).map_err(|error| ProbeError::failed("reaching the core")(&error))
    }
}

fn phase(operation: ProgressOperation) -> Phase {
    match operation {
        ProgressOperation::Fill => Phase::Keep,
        ProgressOperation::Erase => Phase::Erase,
        ProgressOperation::Program => Phase::Program,
        ProgressOperation::Verify => Phase::Verify,
    }
}
