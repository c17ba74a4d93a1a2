//! Running a program on a chip that asks the host for files by semihosting, as it does under QEMU.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use probe_rs::semihosting::{OpenRequest, SemihostingCommand};
use probe_rs::{BreakpointCause, Core, CoreStatus, HaltReason};

use crate::{Chip, ProbeError};

/// Between two looks whether the core has stopped.
const LOOK: Duration = Duration::from_millis(1);

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exit(u32),
    /// The core stopped for another reason.
    Stopped(String),
    /// Not in time.
    Timeout,
}

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// What it printed.
    pub console: String,
}

impl Chip {
    /// Starts the program in flash and serves it files below `folder` until it ends, at most `timeout`.
    ///
    /// # Errors
    /// A probe or chip that does not answer.
    pub fn run_program(&mut self, folder: &Path, timeout: Duration) -> Result<Ran, ProbeError> {
        let refused = |error: probe_rs::Error| ProbeError::failed("running the program")(&error);
        self.start()?;
        let mut files = Files { folder: folder.into(), open: BTreeMap::new(), next: 1, console: String::new() };
        let mut core = self.core()?;
        let begin = Instant::now();
        let end = loop {
            match core.status().map_err(refused)? {
                CoreStatus::Halted(HaltReason::Breakpoint(BreakpointCause::Semihosting(command))) => {
                    if let Some(code) = files.serve(&mut core, command).map_err(refused)? {
                        break End::Exit(code);
                    }
                    core.run().map_err(refused)?;
                }
                CoreStatus::Halted(reason) => break End::Stopped(format!("{reason:?}")),
                CoreStatus::LockedUp => break End::Stopped("locked up".into()),
                _ if begin.elapsed() > timeout => {
                    core.halt(Duration::from_secs(1)).map_err(refused)?;
                    break End::Timeout;
                }
                _ => std::thread::sleep(LOOK),
            }
        };
        Ok(Ran { end, console: files.console })
    }
}

/// The files of a program.
struct Files {
    folder: PathBuf,
    open: BTreeMap<u32, Opened>,
    next: u32,
    console: String,
}

enum Opened {
    Console,
    File(File),
}

impl Files {
    /// Does what the program asks for; its exit code if it is at its end. What is not answered has failed, as probe-rs tells the program.
    fn serve(&mut self, core: &mut Core<'_>, command: SemihostingCommand) -> Result<Option<u32>, probe_rs::Error> {
        match command {
            SemihostingCommand::ExitSuccess => return Ok(Some(0)),
            SemihostingCommand::ExitError(details) => {
                return Ok(Some(details.exit_status.or(details.subcode).unwrap_or(details.reason)));
            }
            SemihostingCommand::Open(request) => {
                let path = request.path(core)?;
                if let Some(opened) = self.open(&path, request) {
                    let handle = self.next;
                    self.next += 1;
                    self.open.insert(handle, opened);
                    if let Some(handle) = NonZeroU32::new(handle) {
                        request.respond_with_handle(core, handle)?;
                    }
                }
            }
            SemihostingCommand::Close(request) => {
                let closed = self.open.remove(&request.file_handle());
                if closed.is_some() {
                    request.success(core)?;
                }
            }
            SemihostingCommand::Write(request) => {
                let bytes = request.read(core)?;
                let done = match self.open.get_mut(&request.file_handle()) {
                    Some(Opened::File(file)) => file.write_all(&bytes).is_ok(),
                    Some(Opened::Console) => {
                        self.console += &String::from_utf8_lossy(&bytes);
                        true
                    }
                    None => false,
                };
                if done {
                    request.write_status(core, 0)?;
                }
            }
            SemihostingCommand::WriteConsole(request) => self.console += &request.read(core)?,
            SemihostingCommand::Read(request) => {
                if let Some(Opened::File(file)) = self.open.get_mut(&request.file_handle()) {
                    let asked = request.bytes_to_read();
                    let mut bytes = Vec::new();
                    if file.take(asked.into()).read_to_end(&mut bytes).is_ok() {
                        request.write_buffer_to_target(core, &bytes)?;
                        // The answer is what was not read; probe-rs 0.32 answers with what was, where the file ends before.
                        let result = core.registers().get_argument_register(0).map(probe_rs::CoreRegister::id);
                        if let Some(result) = result {
                            let left = asked.saturating_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                            core.write_core_reg(result, left)?;
                        }
                    }
                }
            }
            SemihostingCommand::Seek(request) => {
                if let Some(Opened::File(file)) = self.open.get_mut(&request.file_handle())
                    && file.seek(SeekFrom::Start(request.position().into())).is_ok()
                {
                    request.success(core)?;
                }
            }
            SemihostingCommand::FileLength(request) => {
                if let Some(Opened::File(file)) = self.open.get(&request.file_handle())
                    && let Some(bytes) = file.metadata().ok().and_then(|facts| i32::try_from(facts.len()).ok())
                {
                    request.write_length(core, bytes)?;
                }
            }
            // Clocks, renamed files, command lines: a runner asks for none, and is told that it failed.
            _ => {}
        }
        Ok(None)
    }

    fn open(&self, path: &str, request: OpenRequest) -> Option<Opened> {
        if path == ":tt" {
            return Some(Opened::Console);
        }
        let path = self.folder.join(path);
        // What runs on the chip gets at this folder alone.
        let inside =
            |path: &Path| path.canonicalize().ok()?.starts_with(self.folder.canonicalize().ok()?).then_some(());
        inside(path.parent()?)?;
        let mut options = OpenOptions::new();
        let opened = match request.mode() {
            "r" | "rb" => options.read(true).open(&path),
            "w" | "wb" | "w+" | "w+b" => options.read(true).write(true).create(true).truncate(true).open(&path),
            "a" | "ab" | "a+" | "a+b" => options.append(true).create(true).open(&path),
            _ => options.read(true).write(true).open(&path),
        };
        opened.ok().filter(|_| fs::metadata(&path).is_ok_and(|facts| facts.is_file())).map(Opened::File)
    }
}
