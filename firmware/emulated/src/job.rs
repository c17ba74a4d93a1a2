//! What host and runner program say to each other: files with fixed names below the working directory.
//!
//! `order.txt` says which jobs to do. Job `n` lives in directory `n`: the host writes `job.txt`, the artifact and one file
//! per model input; the program writes one file per model output and, last, the report. Texts are lines of `key=value`.
//!
//! The program counts (see [`crate::count`]) a stretch of nothing first, then, job by job, each run and each call of a step.

use core::{fmt, fmt::Write as _, str::FromStr};

/// A path or another short text, without a heap.
pub type Name = heapless::String<48>;

/// The host's order to the program.
pub const ORDER: &str = "order.txt";

/// The host's wishes for job `n`.
pub fn wish_name(n: usize) -> Name {
    name(format_args!("{n}/job.txt"))
}

/// The artifact of job `n`.
pub fn artifact_name(n: usize) -> Name {
    name(format_args!("{n}/artifact.tnb"))
}

/// The bytes of model input `i` of job `n`; of a stream, those of each run one after the other.
pub fn input_name(n: usize, i: usize) -> Name {
    name(format_args!("{n}/input{i}.bin"))
}

/// The bytes of model output `i` of job `n`, as inputs are.
pub fn output_name(n: usize, i: usize) -> Name {
    name(format_args!("{n}/output{i}.bin"))
}

/// The number of the step of each call that was counted in job `n`, as u16.
pub fn calls_name(n: usize) -> Name {
    name(format_args!("{n}/calls.bin"))
}

/// The cycles of each run of job `n`, as u32, if the core counts them.
pub fn cycles_name(n: usize) -> Name {
    name(format_args!("{n}/cycles.bin"))
}

/// The cycles of each call that was counted in job `n`, as u32, if the core counts them.
pub fn call_cycles_name(n: usize) -> Name {
    name(format_args!("{n}/callcycles.bin"))
}

/// The bytes of the output tensor of step `i` of job `n`.
pub fn step_name(n: usize, i: usize) -> Name {
    name(format_args!("{n}/step{i}.bin"))
}

/// The program's report of job `n`.
pub fn report_name(n: usize) -> Name {
    name(format_args!("{n}/report.txt"))
}

fn name(parts: fmt::Arguments<'_>) -> Name {
    let mut name = Name::new();
    // 48 bytes hold the text of two 64-bit numbers, less than 2^40 each, and the longest pattern.
    let _ = name.write_fmt(parts);
    name
}

/// Which jobs to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// First job.
    pub first: usize,
    /// One more than the last job.
    pub end: usize,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "first={}\nend={}", self.first, self.end)
    }
}

impl Order {
    /// The order that `text` spells; `None` if it does not spell one.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self { first: number(text, "first")?, end: number(text, "end")? })
    }
}

/// What the host wishes of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// How many input files there are.
    pub inputs: usize,
    /// How often to run.
    pub runs: u32,
    /// Whether each run goes on from the states that the one before left, with the next part of the input files, and
    /// appends to the output files; otherwise each begins anew, with the same inputs.
    pub stream: bool,
    /// Whether to count each call of a step by itself, in one more run.
    pub steps: bool,
    /// Whether to digest every intermediate tensor, in one more run that is not counted.
    pub digest: bool,
    /// Whether to write the output tensor of every step to a file, in one more run that is not counted.
    pub tensors: bool,
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "inputs={}\nruns={}", self.inputs, self.runs)?;
        writeln!(f, "stream={}", u8::from(self.stream))?;
        writeln!(f, "steps={}\ndigest={}", u8::from(self.steps), u8::from(self.digest))?;
        writeln!(f, "tensors={}", u8::from(self.tensors))
    }
}

impl Wish {
    /// The wish that `text` spells; `None` if it does not spell one.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self {
            inputs: number(text, "inputs")?,
            runs: number(text, "runs")?,
            stream: number::<u8>(text, "stream")? != 0,
            steps: number::<u8>(text, "steps")? != 0,
            digest: number::<u8>(text, "digest")? != 0,
            tensors: number::<u8>(text, "tensors")? != 0,
        })
    }
}

/// What the program reports of one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report<'a> {
    /// Why the job was refused; the other fields then say how far it came.
    pub error: Option<&'a str>,
    /// How many runs were begun and ended.
    pub runs: u32,
    /// How many calls of steps were counted by themselves.
    pub calls: u32,
    /// Whether the core counted the cycles of these.
    pub cycles: bool,
    /// How many output files there are.
    pub outputs: usize,
    /// How many files of steps there are.
    pub tensors: usize,
    /// Arena that the artifact asks for, bytes.
    pub arena_bytes: usize,
    /// Deepest stack of the engine's `run`, bytes.
    pub stack_bytes: usize,
    /// Kernel table that ran.
    pub table: &'a str,
    /// Digest over every intermediate tensor.
    pub digest: Option<&'a str>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = self.error {
            writeln!(f, "error={error}")?;
        }
        writeln!(f, "runs={}\ncalls={}\noutputs={}", self.runs, self.calls, self.outputs)?;
        writeln!(f, "tensors={}\ncycles={}", self.tensors, u8::from(self.cycles))?;
        writeln!(f, "arena_bytes={}\nstack_bytes={}", self.arena_bytes, self.stack_bytes)?;
        writeln!(f, "table={}", self.table)?;
        if let Some(digest) = self.digest {
            writeln!(f, "digest={digest}")?;
        }
        // A report without its last line was cut off.
        writeln!(f, "end=1")
    }
}

impl<'a> Report<'a> {
    /// The report that `text` spells; `None` if it does not spell a whole one.
    pub fn parse(text: &'a str) -> Option<Self> {
        value(text, "end")?;
        Some(Self {
            error: value(text, "error"),
            runs: number(text, "runs")?,
            calls: number(text, "calls")?,
            cycles: number::<u8>(text, "cycles")? != 0,
            outputs: number(text, "outputs")?,
            tensors: number(text, "tensors")?,
            arena_bytes: number(text, "arena_bytes")?,
            stack_bytes: number(text, "stack_bytes")?,
            table: value(text, "table")?,
            digest: value(text, "digest"),
        })
    }
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

fn number<T: FromStr>(text: &str, key: &str) -> Option<T> {
    value(text, key)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Order, Report, Wish, input_name, output_name};
    use std::string::ToString as _;

    #[test]
    fn texts_round_trip() {
        let order = Order { first: 3, end: 400 };
        assert_eq!(Order::parse(&order.to_string()), Some(order));
        let wish = Wish { inputs: 3, runs: 2, stream: true, steps: true, digest: false, tensors: true };
        assert_eq!(Wish::parse(&wish.to_string()), Some(wish));
        let report = Report {
            error: Some("bad magic at byte 0"),
            runs: 1,
            calls: 13,
            cycles: true,
            outputs: 2,
            tensors: 14,
            arena_bytes: usize::MAX,
            stack_bytes: 5,
            table: "reference",
            digest: Some("00ff"),
        };
        assert_eq!(Report::parse(&report.to_string()), Some(report));
        let plain = Report { table: "dsp", ..Report::default() };
        assert_eq!(Report::parse(&plain.to_string()), Some(plain));
    }

    #[test]
    fn cut_texts_are_no_report() {
        let text = Report { table: "dsp", ..Report::default() }.to_string();
        let last = text.find("end=").expect("last line") + "end=".len();
        for end in 0..=text.len() {
            assert_eq!(Report::parse(&text[..end]).is_some(), end >= last, "{end}");
        }
    }

    #[test]
    fn names_hold_large_indices() {
        assert_eq!(input_name(0, 7), "0/input7.bin");
        let n = (1usize << 40) - 1;
        assert_eq!(output_name(n, n), std::format!("{n}/output{n}.bin").as_str());
    }
}
