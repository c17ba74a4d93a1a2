//! Tests of a board in QEMU, in the protocol of embedded-test, which `probe-rs run` speaks to real boards.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use embedded_test_runner_core::process::{self, ProcessError, ProcessOutcome, ProcessStatus};
use embedded_test_runner_core::{CommonArgs, Observation, Outcome, TestMeta, Venue, elf};

use crate::workspace::Error;

/// Exit code after a panic on a machine of `tanbo-emulated`.
const PANIC: i32 = 101;

/// What is run, and where.
#[derive(clap::Args)]
pub struct Arguments {
    /// Command that starts the machine, without the image.
    #[arg(long)]
    qemu: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// Runs the tests; returns whether all passed.
///
/// # Errors
/// The image has no tests, or none could be run.
pub fn run(arguments: &Arguments) -> Result<bool, Error> {
    let image = arguments.common.elf.clone();
    let failed = |error: &dyn std::fmt::Display| Error(format!("{}: {error:#}", image.display()));
    let tests = elf::discover_tests(&image).map_err(|error| failed(&error))?;
    if tests.is_empty() {
        return Err(failed(&"an image of embedded-test without a test"));
    }
    let qemu = Qemu { command: arguments.qemu.clone(), image: image.clone() };
    match embedded_test_runner_core::run(&arguments.common, tests, qemu) {
        Ok(Outcome::Passed) => Ok(true),
        Ok(Outcome::TestsFailed) => Ok(false),
        Ok(Outcome::RunnerError(error)) | Err(error) => Err(failed(&error)),
    }
}

struct Qemu {
    command: String,
    image: PathBuf,
}

impl Qemu {
    /// Starts the machine for one test. Whoever starts it again, as a reset does, starts the same test.
    fn start(&self, test: &TestMeta, timeout: Duration, dir: &Path) -> Result<ProcessOutcome, ProcessError> {
        let mut words = self.command.split_whitespace();
        let mut qemu = Command::new(words.next().unwrap_or_default());
        qemu.args(words).args(["-display", "none", "-monitor", "none", "-chardev", "stdio,id=tty"]);
        qemu.arg("-chardev").arg(format!("socket,id=uart,path={}", wire(dir).display()));
        let (command, operand) = (test.invocation.command(), test.invocation.operand());
        qemu.args(["-serial", "chardev:uart", "-semihosting-config"])
            .arg(format!("enable=on,target=native,chardev=tty,arg={command},arg={operand}"))
            .arg("-kernel")
            .arg(&self.image);
        process::start(qemu)?.finish(Some(timeout))
    }
}

impl Venue for Qemu {
    fn run(&self, test: TestMeta, timeout: Duration) -> Observation {
        let broken = |error: io::Error| Observation::harness_error(&error.to_string(), "");
        let dir = match tempfile::tempdir() {
            Ok(dir) => dir,
            Err(error) => return broken(error),
        };
        if let Err(error) = loop_back(dir.path()) {
            return broken(error);
        }
        match self.start(&test, timeout, dir.path()) {
            Ok(ProcessOutcome { status, captured }) => observed(status, captured.to_string(), timeout),
            Err(error) => error.into(),
        }
    }
}

fn observed(status: ProcessStatus, output: String, timeout: Duration) -> Observation {
    match status {
        ProcessStatus::Exited(PANIC) => Observation::Aborted { output },
        ProcessStatus::Exited(code) => Observation::from_exit_code(code, output),
        ProcessStatus::TimedOut => Observation::TimedOut { after: timeout, output },
        ProcessStatus::Terminated => Observation::harness_error("QEMU ended without an exit code", &output),
    }
}

/// Path of the UART's line.
fn wire(dir: &Path) -> PathBuf {
    dir.join("uart")
}

/// The wire from TX to RX.
fn loop_back(dir: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(wire(dir))?;
    thread::spawn(move || {
        let (mut line, _) = listener.accept()?;
        let mut bytes = [0; 512];
        loop {
            let len = line.read(&mut bytes)?;
            if len == 0 {
                return io::Result::Ok(());
            }
            line.write_all(bytes.get(..len).unwrap_or_default())?;
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Observation, ProcessStatus, observed};
    use std::time::Duration;

    #[test]
    fn nothing_but_an_exit_with_0_passes() {
        let seen = |status| observed(status, String::new(), Duration::from_secs(1));
        assert!(matches!(seen(ProcessStatus::Exited(0)), Observation::Finished { .. }));
        assert!(matches!(seen(ProcessStatus::Exited(101)), Observation::Aborted { .. }));
        assert!(matches!(seen(ProcessStatus::Exited(1)), Observation::HarnessError { .. }));
        assert!(matches!(seen(ProcessStatus::Terminated), Observation::HarnessError { .. }));
        assert!(matches!(seen(ProcessStatus::TimedOut), Observation::TimedOut { .. }));
    }
}
