//! A board whose plug can be pulled.

use super::{Runner, RunnerError};
use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    string::String,
    vec::Vec,
};

/// An emulated board that is switched on. Dropping it pulls the plug: the emulator is killed wherever it is, and what the board
/// has written to a memory with a file stays there.
#[derive(Debug)]
pub struct Powered {
    qemu: Child,
    console: BufReader<ChildStdout>,
}

impl Runner {
    /// Puts a memory on the board's I²C bus, at 0x50 and with addresses of two bytes: the file `name` of the folder it runs in, of
    /// `bytes`.
    #[must_use]
    pub fn with_memory(mut self, name: &str, bytes: usize) -> Self {
        self.qemu += &std::format!(
            " -drive if=none,id=memory,file={name},format=raw -device at24c-eeprom,address=0x50,rom-size={bytes},drive=memory"
        );
        self
    }

    /// Starts `image`, whose relative paths begin at `dir`, with further `words` for QEMU.
    ///
    /// # Errors
    /// [`RunnerError::Missing`], [`RunnerError::File`].
    pub(super) fn start(
        &self,
        image: &Path,
        dir: &Path,
        words: &[String],
        stdout: Stdio,
        stderr: Stdio,
    ) -> Result<Child, RunnerError> {
        let mut command = self.qemu.split_whitespace();
        let program = command.next().unwrap_or_default();
        let image = image.canonicalize().map_err(|e| RunnerError::file(image.display(), e))?;
        let mut qemu = Command::new(program);
        qemu.args(command).args(words).current_dir(dir).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        if self.machine.is_some() {
            qemu.args(["-display", "none", "-monitor", "none", "-chardev", "stdio,id=tty"]);
            qemu.args(["-semihosting-config", "enable=on,target=native,chardev=tty", "-kernel"]);
        }
        qemu.arg(&image).spawn().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => RunnerError::Missing { program: program.into(), remedy: self.remedy() },
            _ => RunnerError::file(program, e),
        })
    }

    /// Switches a board on with `image`, whose relative paths begin at `dir`; `serial` is where its first UART leads, in QEMU's
    /// words.
    ///
    /// # Errors
    /// [`RunnerError::Missing`], [`RunnerError::File`].
    pub fn power(&self, image: &Path, dir: &Path, serial: &str) -> Result<Powered, RunnerError> {
        let words = ["-serial", serial].map(String::from);
        let mut qemu = self.start(image, dir, &words, Stdio::piped(), Stdio::inherit())?;
        let none = || RunnerError::file("console", io::ErrorKind::BrokenPipe.into());
        let console = BufReader::new(qemu.stdout.take().ok_or_else(none)?);
        Ok(Powered { qemu, console })
    }
}

impl Powered {
    /// Returns what the board says next, up to and with the byte `end`; less where it has ended, and nothing after that.
    ///
    /// # Errors
    /// The console's.
    pub fn hear(&mut self, end: u8) -> io::Result<Vec<u8>> {
        let mut said = Vec::new();
        self.console.read_until(end, &mut said)?;
        Ok(said)
    }

    /// Pulls the plug; what the board had said by then and nobody had heard.
    ///
    /// # Errors
    /// The emulator cannot be killed, or the console not be read.
    pub fn kill(&mut self) -> io::Result<Vec<u8>> {
        self.qemu.kill()?;
        let mut said = Vec::new();
        self.console.read_to_end(&mut said)?;
        Ok(said)
    }

    /// Waits until the program has ended; its exit code, `None` where a signal ended it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn wait(&mut self) -> io::Result<Option<i32>> {
        Ok(self.qemu.wait()?.code())
    }
}

impl Drop for Powered {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
