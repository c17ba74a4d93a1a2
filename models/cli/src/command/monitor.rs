//! `tanbo monitor`: the log of a chip on a debug probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tanbo_log::{Line, Log};
use tanbo_probe::{Chip, Rtt};

use crate::Verdict;
use crate::args::MonitorArgs;
use crate::command::flash::{IMAGE_LIMIT, runs_there};
use crate::error::CliError;
use crate::files;
use crate::output::Output;

/// How long a probe that was pulled out is waited for, between two tries.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at the log: a ring of 1 KiB must not run over.
const LOOK: Duration = Duration::from_millis(10);

/// Shows lines until Ctrl-C ends it. A chip that is lost is waited for; one that was never there is an error.
pub fn monitor(args: &MonitorArgs, out: &Output) -> Result<Verdict, CliError> {
    let elf = files::read(&args.image, IMAGE_LIMIT)?;
    let place = args.image.display();
    let mut log = Log::of(&elf).map_err(|error| CliError::new(&place, &error, error.remedy()))?;
    let mut rtt = Rtt::of(&elf).ok_or_else(|| {
        CliError::new(&place, "it has no RTT control block", "log through defmt-rtt, or give the image that runs there")
    })?;
    let open = || Chip::open(&args.probe.chip, args.probe.probe.as_deref());
    let mut chip = open()?;
    runs_there(&mut chip, &elf, &place, &args.probe.chip)?;
    // The probe is to be let go properly.
    let stop = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&stop);
    ctrlc::set_handler(move || heard.store(true, Ordering::Relaxed))
        .map_err(|error| CliError::new("Ctrl-C", error, ""))?;
    let stopped = || stop.load(Ordering::Relaxed);
    if args.reset {
        chip.start()?;
    }
    while !stopped() {
        match rtt.read(&mut chip) {
            Ok(bytes) if bytes.is_empty() => std::thread::sleep(LOOK),
            Ok(bytes) => show(log.take(&bytes), out)?,
            Err(error) => {
                out.note(format_args!("{error}; trying again"));
                drop(chip);
                chip = loop {
                    std::thread::sleep(AGAIN);
                    if stopped() {
                        return Ok(Verdict::Yes);
                    }
                    if let Ok(chip) = open() {
                        break chip;
                    }
                };
                out.note(format_args!("connected again"));
                // The rest of a frame will not come.
                show(log.end(), out)?;
                rtt.detach();
            }
        }
    }
    show(log.end(), out)?;
    Ok(Verdict::Yes)
}

fn show(lines: Vec<Line>, out: &Output) -> Result<(), CliError> {
    lines.iter().try_for_each(|line| {
        out.event(line, || match (&line.file, line.line) {
            (Some(file), Some(number)) => format!("{line}  ({}:{number})", file.display()),
            _ => line.to_string(),
        })
    })
}
