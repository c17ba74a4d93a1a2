//! What a hostile file may do: give an error that helps, or an artifact that the verifier accepts. Never panic, take
//! more than [`MOST_BYTES`] of memory or more than [`MOST_SECONDS`].

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use peak_alloc::PeakAlloc;
use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_compiler::emit::macs;
use tanbo_compiler::graph::Graph;
use tanbo_compiler::{CompileError, Options, compile};
use tanbo_format::emit::Aligned;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Most memory that any file may take, beside the file itself: 1 GB.
pub const MOST_BYTES: usize = 1_000_000_000;
/// Longest that any file may take.
pub const MOST_SECONDS: f64 = 5.0;

static OPS: OpSet = OpSet::all::<Reference>();
static ALONE: Mutex<()> = Mutex::new(());

/// How many mutants to make: `few`, or with TANBO_SOAK set `many`.
pub fn mutants(few: usize, many: usize) -> usize {
    if std::env::var_os("TANBO_SOAK").is_some() { many } else { few }
}

/// Pseudo-random numbers (Marsaglia's xorshift64), the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }
}

/// What a series of hostile files did, at worst.
pub struct Worst {
    /// Memory is counted for the whole process: one series at a time.
    _alone: MutexGuard<'static, ()>,
    pub files: usize,
    pub accepted: usize,
    pub bytes: (usize, String),
    pub seconds: (f64, String),
    /// The first refusal of each kind and wording.
    pub refusals: BTreeMap<String, CompileError>,
}

impl Worst {
    pub fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            _alone: alone,
            files: 0,
            accepted: 0,
            bytes: (0, String::new()),
            seconds: (0.0, String::new()),
            refusals: BTreeMap::new(),
        }
    }

    /// Imports, compiles, and if it is small runs `file`; returns the refusal, if it is refused.
    ///
    /// # Panics
    /// Where something panics: says which file, and keeps it.
    pub fn offer(
        &mut self,
        file: &[u8],
        what: impl Fn() -> String,
        import: impl Fn(&[u8]) -> Result<Graph, CompileError>,
    ) -> Option<CompileError> {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let graph = import(file)?;
            let artifact = compile(&graph, &Options::default())?;
            Ok::<_, CompileError>((graph, artifact))
        }));
        let (seconds, bytes) = (start.elapsed().as_secs_f64(), MEMORY.peak_usage().saturating_sub(before));
        let outcome = outcome.unwrap_or_else(|panic| self.panicked(file, &what(), &*panic));
        self.files += 1;
        if bytes > self.bytes.0 {
            self.bytes = (bytes, what());
        }
        if seconds > self.seconds.0 {
            self.seconds = (seconds, what());
        }
        if bytes > MOST_BYTES || seconds > MOST_SECONDS {
            let kept = keep(file);
            panic!("{}: {bytes} bytes, {seconds:.3} s; the file is {kept}", what());
        }
        match outcome {
            Err(error) => {
                let wording: String = error.reason.chars().filter(|c| !c.is_ascii_digit()).take(48).collect();
                self.refusals.entry(format!("{:?} {wording}", error.kind)).or_insert_with(|| error.clone());
                Some(error)
            }
            Ok((graph, artifact)) => {
                self.accepted += 1;
                let ran = catch_unwind(AssertUnwindSafe(|| run(&graph, &artifact)));
                ran.unwrap_or_else(|panic| self.panicked(file, &what(), &*panic));
                None
            }
        }
    }

    fn panicked(&self, file: &[u8], what: &str, panic: &(dyn Any + Send)) -> ! {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let kept = keep(file);
        panic!("{what}: panicked ({}); the file is {kept}", text.unwrap_or("no text"));
    }

    /// Prints the worst, and fails where a refusal does not help.
    pub fn report(&self, series: &str) {
        println!(
            "{series}: {} files, {} compile, {} kinds of refusal; at most {} KB ({}) and {:.1} ms ({})",
            self.files,
            self.accepted,
            self.refusals.len(),
            self.bytes.0 / 1000,
            self.bytes.1,
            1000.0 * self.seconds.0,
            self.seconds.1
        );
        for error in self.refusals.values() {
            check_refusal(error);
        }
    }
}

/// Fails unless a refusal says where and what to do, in words.
pub fn check_refusal(error: &CompileError) {
    for (part, text) in [("place", &error.place), ("reason", &error.reason), ("remedy", &error.remedy)] {
        assert!(!text.trim().is_empty(), "no {part}: {error}");
        assert!(!text.contains(char::is_control), "control characters in its {part}: {error:?}");
        assert!(text.len() <= 2000, "a {part} of {} bytes: {}", text.len(), &text[..200]);
        for debug in
            ["Some(", "None", "Ok(", "Err(", "ErrorKind", "Utf8Error", "IntError", " { ", "tanbo_", "core::", "Kind::"]
        {
            assert!(!text.contains(debug), "{debug} in its {part}: {error}");
        }
    }
}

/// Runs a small artifact on zeros: it parses, and its steps do not go out of bounds.
fn run(graph: &Graph, artifact: &[u8]) {
    let aligned = Aligned::new(artifact);
    let model = Model::parse(&aligned).expect("a compiled artifact parses");
    let elements: usize = graph.tensors.iter().map(|t| t.elements().min(1 << 20)).sum();
    if model.arena_bytes() <= 1 << 16 && macs(graph) <= 1 << 18 && elements <= 1 << 18 {
        let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
        Engine::new(&model, &OPS, &mut arena).expect("the arena fits").run().expect("a verified artifact runs");
    }
}

/// Keeps a file for a closer look and returns where.
fn keep(file: &[u8]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.bin");
    match std::fs::write(&path, file) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("lost ({error})"),
    }
}
