//! Running an image in QEMU.

use super::{Runner, RunnerError, plugin};
use std::{
    format, fs,
    fs::File,
    path::{Path, PathBuf},
    string::String,
    thread,
    time::{Duration, Instant},
    vec::Vec,
};

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code of the program; `None` if a signal ended QEMU.
    pub exit_code: Option<i32>,
    /// What it printed.
    pub console: String,
    /// Instructions between each pair of markers (see [`crate::count`]).
    pub pairs: Vec<u64>,
    /// Estimated cycles between the same pairs, by the timings that the runner names; empty where it names none.
    pub cycles: Vec<u64>,
    /// All instructions; `None` for an image without markers.
    pub total: Option<u64>,
}

/// How often each instruction of an image was executed.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Exit code of the program; `None` if a signal ended QEMU.
    pub exit_code: Option<i32>,
    /// Addresses and counts.
    pub counts: Vec<(u64, u64)>,
}

impl Outcome {
    pub(super) fn failed(&self, runner: &str) -> RunnerError {
        RunnerError::Failed { runner: runner.into(), exit_code: self.exit_code, console: self.console.clone() }
    }
}

impl Runner {
    /// Runs `image` (see [`Runner::build`]), counting instructions between its markers, for at most `timeout`.
    ///
    /// Relative paths of the program's files start at `dir`; the console and the counts are kept there too.
    ///
    /// # Errors
    /// [`RunnerError::Missing`], [`RunnerError::Timeout`], [`RunnerError::File`], and those of building the plugin. An
    /// exit code other than 0 is no error here.
    pub fn run(&self, image: &Path, dir: &Path, timeout: Duration) -> Result<Outcome, RunnerError> {
        let plugin = plugin::markers(&plugin::COUNT, image)?.map(|(begin, end)| {
            let timings = self.timings.as_ref().map_or_else(String::new, |core| format!(",timings={core}"));
            Ok((plugin::compiled(&plugin::COUNT)?, format!("begin={begin:#x},end={end:#x},out=counts.txt{timings}")))
        });
        let (status, console) = self.emulate(image, dir, timeout, plugin.transpose()?)?;
        let mut outcome = Outcome { exit_code: status, console, pairs: Vec::new(), cycles: Vec::new(), total: None };
        let Ok(counts) = fs::read_to_string(dir.join("counts.txt")) else { return Ok(outcome) };
        for line in counts.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let numbers: Option<Vec<u64>> = words.iter().skip(1).map(|word| word.parse().ok()).collect();
            match (words.first().copied(), numbers.as_deref()) {
                (Some("pair"), Some(&[count, ref cycles @ ..])) if cycles.len() < 2 => {
                    outcome.pairs.push(count);
                    outcome.cycles.extend(cycles);
                }
                (Some("total"), Some(&[count])) => outcome.total = Some(count),
                _ => return Err(RunnerError::BadReport { runner: self.name.clone(), text: counts }),
            }
        }
        Ok(outcome)
    }

    /// Runs `image` as [`Runner::run`], counting how often each instruction is executed outside of
    /// [`left_out`](crate::count::left_out).
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub fn profile(&self, image: &Path, dir: &Path, timeout: Duration) -> Result<Profile, RunnerError> {
        let markers = plugin::markers(&plugin::PROFILE, image)?;
        let bad = |text: &str| RunnerError::BadReport { runner: self.name.clone(), text: String::from(text) };
        let (enter, leave) = markers.ok_or_else(|| bad("the image has no markers of a profile"))?;
        let plugin = plugin::compiled(&plugin::PROFILE)?;
        let arguments = format!("enter={enter:#x},leave={leave:#x},out=profile.txt");
        let (status, _) = self.emulate(image, dir, timeout, Some((plugin, arguments)))?;
        let path = dir.join("profile.txt");
        let text = fs::read_to_string(&path).map_err(|e| RunnerError::file(path.display(), e))?;
        let line = |line: &str| {
            let (address, count) = line.split_once(' ')?;
            Some((u64::from_str_radix(address, 16).ok()?, count.parse().ok()?))
        };
        let counts = text.lines().map(|text| line(text).ok_or_else(|| bad(text))).collect::<Result<_, _>>()?;
        Ok(Profile { exit_code: status, counts })
    }

    /// Runs `image` with a plugin and its arguments; exit code and console.
    fn emulate(
        &self,
        image: &Path,
        dir: &Path,
        timeout: Duration,
        plugin: Option<(PathBuf, String)>,
    ) -> Result<(Option<i32>, String), RunnerError> {
        let console_path = dir.join("console.txt");
        let console = File::create(&console_path).map_err(|e| RunnerError::file(console_path.display(), e))?;
        let console_too = console.try_clone().map_err(|e| RunnerError::file(console_path.display(), e))?;

        let mut words = Vec::new();
        if let Some((library, arguments)) = plugin {
            let library = library.canonicalize().map_err(|e| RunnerError::file(library.display(), e))?;
            words.extend([String::from("-plugin"), format!("{},{arguments}", library.display())]);
        }
        if self.machine.is_some() {
            words.extend(["-serial", "none"].map(String::from));
        }
        let mut child = self.start(image, dir, &words, console.into(), console_too.into())?;
        let program = &self.qemu;
        let started = Instant::now();
        let mut pause = Duration::from_millis(2);
        let status = loop {
            match child.try_wait().map_err(|e| RunnerError::file(program, e))? {
                Some(status) => break Some(status),
                None if started.elapsed() > timeout => {
                    // A child that ended just now cannot be killed, and need not be.
                    let _ = child.kill();
                    child.wait().map_err(|e| RunnerError::file(program, e))?;
                    break None;
                }
                None => thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let console = fs::read(&console_path).map_err(|e| RunnerError::file(console_path.display(), e))?;
        let console = String::from_utf8_lossy(&console).into_owned();
        let Some(status) = status else {
            let seconds = timeout.as_secs();
            return Err(RunnerError::Timeout { runner: self.name.clone(), seconds, console });
        };
        Ok((status.code(), console))
    }
}
