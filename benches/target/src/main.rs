//! The generic runner: does the jobs of the host's order on whatever core it was built for.
//!
//! One source for every target: files come over semihosting on a bare machine and from the operating system elsewhere.
//! By hand: a directory as `tanbo_emulated::job` describes it, and `cargo run -p tanbo-target` in it.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::{fmt::Write as _, str};
use tanbo_emulated::{count::counted, files, job, println, ram, stack::Stack};
use tanbo_target::{JobReport, Refused, run};

tanbo_emulated::entry!(runner);

/// Longest text of an order, a wish or a report, bytes.
const TEXT: usize = 384;

/// Exit code 0 if every job has a report, whatever it says; 2 if not.
fn runner() -> u8 {
    #[cfg(target_os = "none")]
    return all_jobs(Stack::current());
    // 1 MiB: more than any machine of the table has.
    #[cfg(not(target_os = "none"))]
    tanbo_emulated::stack::with_stack(1 << 20, all_jobs).unwrap_or(2)
}

fn all_jobs(stack: Stack) -> u8 {
    let mut text = [0u8; TEXT];
    let Some(order) = read_text(job::ORDER, &mut text).and_then(job::Order::parse) else {
        println!("{}: missing or malformed order", job::ORDER);
        return 2;
    };
    let Some(ram) = ram::take() else {
        println!("no free RAM");
        return 2;
    };
    // What the markers cost: the host takes it off every other count.
    counted(|| ());
    for n in order.first..order.end {
        let mut report = JobReport::default();
        let refused = run(n, ram, &stack, &mut report).err();
        if let Err(error) = write_report(n, &report, refused.as_ref()) {
            println!("{}: {error}", job::report_name(n));
            return 2;
        }
    }
    0
}

fn write_report(n: usize, report: &JobReport, refused: Option<&Refused>) -> Result<(), files::FileError> {
    let mut error = heapless::String::<192>::new();
    if let Some(refused) = refused {
        // A text that is too long is cut, which `write!` reports and the reader survives.
        let _ = write!(error, "{refused}");
    }
    let mut digest = heapless::String::<64>::new();
    for byte in report.digest.iter().flatten() {
        let _ = write!(digest, "{byte:02x}");
    }
    let report = job::Report {
        error: refused.is_some().then_some(error.as_str()),
        runs: report.runs,
        calls: report.calls,
        cycles: report.cycles,
        outputs: report.outputs,
        tensors: report.tensors,
        arena_bytes: report.arena_bytes,
        stack_bytes: report.stack_bytes,
        table: report.table,
        digest: report.digest.is_some().then_some(digest.as_str()),
    };
    let mut text = heapless::String::<TEXT>::new();
    let _ = write!(text, "{report}");
    files::write(&job::report_name(n), text.as_bytes())
}

/// The file as text; `None` if there is none that fits.
fn read_text<'a>(path: &str, into: &'a mut [u8]) -> Option<&'a str> {
    let len = files::read(path, into).ok()?;
    str::from_utf8(into.get(..len)?).ok()
}
