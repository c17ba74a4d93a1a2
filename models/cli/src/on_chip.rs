//! A runner on a real chip: the generic runner program, built for the chip's core and memory, written and served with files through a debug probe.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tanbo_emulated::host::{self, Job, Outcome, RUNNER, Report, RunnerError};
use tanbo_format::Family;
use tanbo_probe::layout::{self, ProgramMemory};
use tanbo_probe::{Chip, CoreType, End};

use crate::error::CliError;

/// What a chip's runner is called: `probe:CHIP`, or `probe:CHIP@PROBE` where there are several probes.
pub const PREFIX: &str = "probe:";

/// The runner on a chip.
#[derive(Clone, Debug)]
pub struct OnChip {
    name: String,
    chip: String,
    probe: Option<String>,
    family: Family,
    program: host::Runner,
}

impl OnChip {
    /// Returns the runner called `name`.
    ///
    /// # Errors
    /// A chip that probe-rs does not know, or whose core has no program.
    pub fn by_name(name: &str) -> Result<Self, CliError> {
        let rest = name.strip_prefix(PREFIX).unwrap_or(name);
        let (chip, probe) = rest.split_once('@').map_or((rest, None), |(chip, probe)| (chip, Some(probe.to_string())));
        let refused = |error: layout::LayoutError| CliError::new("--runner", &error, error.remedy());
        let memory = layout::program_memory(chip).map_err(refused)?;
        let (target, family) = match memory.core {
            CoreType::Armv6m => ("thumbv6m-none-eabi", Family::M0),
            CoreType::Armv7m => ("thumbv7m-none-eabi", Family::M3),
            // Without the registers of floats, which not every such chip has.
            CoreType::Armv7em => ("thumbv7em-none-eabi", Family::Dsp),
            CoreType::Armv8m => ("thumbv8m.main-none-eabi", Family::Dsp),
            other => {
                let reason = format_args!("{chip} has a core {other:?}, which asks no files of a debugger");
                return Err(CliError::new("--runner", reason, "choose a chip with a Cortex-M, or an emulated core"));
            }
        };
        let small = memory.ram.end - memory.ram.start < 256 << 10;
        let program =
            host::Runner::for_chip(&format!("probe-{chip}"), target, family.name(), &memory_x(&memory), small)?;
        Ok(Self { name: name.into(), chip: chip.into(), probe, family, program })
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the kernel family of its core.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Runs jobs; each has a result.
    ///
    /// # Errors
    /// A program that cannot be built or does not fit, a probe or chip that does not answer.
    pub fn run(&self, jobs: &[Job]) -> Result<Vec<Result<Report, RunnerError>>, CliError> {
        let path = self.program.build(&RUNNER)?;
        let elf = fs::read(&path).map_err(|error| CliError::file(&path, &error))?;
        let refused = |error: layout::LayoutError| CliError::new(path.display(), &error, error.remedy());
        if let Some(reason) = layout::check(&elf, &self.chip).map_err(refused)?.wrong.first() {
            let place = format_args!("the runner program on {}", self.chip);
            return Err(CliError::new(place, reason, "choose a chip with more memory"));
        }
        let mut chip = Chip::open(&self.chip, self.probe.as_deref())?;
        chip.write(&layout::parts(&elf).map_err(refused)?, |_| ())?;
        Ok(host::run_jobs_by(&self.name, jobs, false, |folder, timeout| self.serve(&mut chip, folder, timeout))?)
    }

    /// Runs the program once.
    fn serve(&self, chip: &mut Chip, folder: &Path, timeout: Duration) -> Result<Outcome, RunnerError> {
        let runner = || self.name.clone();
        let ran = chip
            .run_program(folder, timeout)
            .map_err(|error| RunnerError::Chip { runner: runner(), reason: format!("{error}; {}", error.remedy()) })?;
        let (exit_code, console) = match ran.end {
            End::Exit(code) => (i32::try_from(code).ok(), ran.console),
            End::Stopped(reason) => (None, format!("{}\nthe core stopped: {reason}", ran.console)),
            End::Timeout => {
                let seconds = timeout.as_secs();
                return Err(RunnerError::Timeout { runner: runner(), seconds, console: ran.console });
            }
        };
        Ok(Outcome { exit_code, console, pairs: Vec::new(), cycles: Vec::new(), total: None })
    }
}

/// Returns the memory of a chip as the linker reads it.
fn memory_x(memory: &ProgramMemory) -> String {
    let ProgramMemory { flash, ram, .. } = memory;
    let bytes = ram.end - ram.start;
    // The micro:bit's 16 KB leave 5 KB.
    let stack = (bytes / 8).clamp(5 << 10, 64 << 10);
    format!(
        "MEMORY {{\n  FLASH : ORIGIN = {:#x}, LENGTH = {:#x}\n  RAM : ORIGIN = {:#x}, LENGTH = {bytes:#x}\n}}\n_tanbo_stack_size = {stack};\n",
        flash.start,
        flash.end - flash.start,
        ram.start
    )
}
