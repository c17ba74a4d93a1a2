//! `costs MODEL.tnb CYCLES [MHZ]`: what checkpoints of a model cost, and when they pay.
//!
//! The artifact is one that this machine runs (`tanbo compile --target portable --rows`); CYCLES are those of an inference on the core
//! in question (`tanbo bench --runner m4`), shared out among rows by their multiply-accumulates and values.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;

use embassy_futures::block_on;
use tanbo::{Engine, Lifetime, Lifetimes, Model, Parsed, Progress};
use tanbo_format::emit::Aligned;
use tanbo_journal::cost::{Candidate, EEPROM, FRAM, FRAM_SPI, MemoryCost, Segment, Supply, choose};
use tanbo_journal::{Journal, Memory};

/// Bytes written at once.
const BUFFER: usize = 64;
/// From a cold start to the engine, µs, and current of a running core, µA (nRF52840 at 64 MHz: firmware/node/boards).
const START_US: f64 = 2_000.0;
const RUN_UA: f64 = 3_300.0;

/// Counts what goes to and from a memory.
struct Counting<'c> {
    bytes: &'c RefCell<Vec<u8>>,
    page: u32,
    counts: &'c Counts,
}

#[derive(Default)]
struct Counts {
    written: Cell<u64>,
    writes: Cell<u64>,
    read: Cell<u64>,
}

impl Memory for Counting<'_> {
    type Error = Infallible;

    fn page(&self) -> u32 {
        self.page
    }

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Infallible> {
        into.copy_from_slice(&self.bytes.borrow()[at as usize..][..into.len()]);
        self.counts.read.set(self.counts.read.get() + into.len() as u64);
        Ok(())
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes.borrow_mut()[at as usize..][..bytes.len()].copy_from_slice(bytes);
        self.counts.written.set(self.counts.written.get() + bytes.len() as u64);
        self.counts.writes.set(self.counts.writes.get() + 1);
        Ok(())
    }
}

/// An inference with checkpoints after so much work.
struct Measured {
    every_us: Option<u32>,
    segments: Vec<Segment>,
    bytes: u64,
    checkpoints: usize,
    resume_us: f64,
}

/// Work of a unit of each step, in shares of the inference.
fn unit_shares(model: &Model<'_>) -> Vec<f64> {
    let steps: Vec<_> = (0..model.step_count() as u16).filter_map(|number| model.step(number)).collect();
    let work = |step: &tanbo::Step<'_>| {
        let elements = model.tensor(step.output).map_or(1, |tensor| tensor.elements());
        let channels = model.tensor(step.output).and_then(|tensor| tensor.shape.last().copied()).unwrap_or(1);
        let weights = if step.op.has_weights() { step.constant(0).map_or(0, |weights| weights.len()) } else { 0 };
        // Each output is a product with the weights of its channel.
        (elements + elements * weights / channels.max(1) as usize) as f64
    };
    let total: f64 = steps.iter().map(work).sum();
    let units = |step: &tanbo::Step<'_>| f64::from(tanbo_format::schedule::units(model, step).unwrap_or(1));
    steps.iter().map(|step| work(step) / units(step) / total).collect()
}

/// Returns how much of an inference is done at a position, from the words of it.
fn share_done(model: &Model<'_>, shares: &[f64], words: &[u32]) -> f64 {
    let all = |number: u16| {
        let units = model.step(number).and_then(|step| tanbo_format::schedule::units(model, &step)).unwrap_or(1);
        shares[usize::from(number)] * f64::from(units)
    };
    let chain = words.first().copied().unwrap_or(0) as u16;
    let steps = model.chain(chain).unwrap_or(0..0);
    let before: f64 = (0..steps.start).map(all).sum();
    let here = steps.zip(words.iter().skip(2)).map(|(step, &done)| shares[usize::from(step)] * f64::from(done));
    before + here.sum::<f64>()
}

fn measure(
    model: &Model<'_>,
    lifetimes: &Lifetimes<'_>,
    total_us: f64,
    every_us: Option<u32>,
    memory: &MemoryCost,
) -> Result<Measured, Box<dyn Error>> {
    let shares = unit_shares(model);
    let counts = Counts::default();
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let ops = tanbo::table_or_reference(model.family());
    let engine = Engine::new(model, ops, &mut arena)?;
    // Twice what counts at most: a longer log is written less often, and read longer.
    let half = 2 * engine.most_live(lifetimes)? + 1024;
    let bytes = RefCell::new(vec![0; 2 * half]);
    let range = 0..2 * half as u32;
    let counting = Counting { bytes: &bytes, page: memory.page, counts: &counts };
    let (mut journal, _) =
        block_on(Journal::<Parsed<'_, '_>, _, BUFFER>::open(engine, lifetimes, counting, range.clone()))?;
    let mut measured = Measured { every_us, segments: Vec::new(), bytes: 0, checkpoints: 0, resume_us: 0.0 };
    let mut resumes: Vec<f64> = Vec::new();
    // The second inference: the first begins with an empty memory.
    for window in 0..2 {
        counts.written.take();
        counts.writes.take();
        measured.segments.clear();
        let mut since = 0.0;
        let written = || memory.write_us(counts.written.take(), counts.writes.take());
        resumes.clear();
        block_on(journal.begin(window))?;
        resumes.push(read_at_start(model, lifetimes, &bytes, memory)?);
        measured.bytes = counts.written.get();
        let mut write_us = written();
        measured.segments.push(Segment { work_us: 0.0, write_us });
        loop {
            let progress = journal.step(1)?;
            if progress == Progress::Done {
                break;
            }
            let (words, count) = journal.engine().position().to_words();
            let now = share_done(model, &shares, &words[..count]) * total_us;
            if every_us.is_some_and(|every| now - since >= f64::from(every)) {
                block_on(journal.checkpoint())?;
                measured.bytes += counts.written.get();
                write_us = written();
                measured.segments.push(Segment { work_us: now - since, write_us });
                since = now;
                resumes.push(read_at_start(model, lifetimes, &bytes, memory)?);
            }
        }
        block_on(journal.finish())?;
        measured.bytes += counts.written.get();
        write_us = written();
        measured.segments.push(Segment { work_us: total_us - since, write_us });
    }
    measured.checkpoints = measured.segments.len() - 2;
    measured.resume_us = resumes.iter().sum::<f64>() / resumes.len() as f64;
    Ok(measured)
}

/// Returns what a start after a cut reads, µs.
fn read_at_start(
    model: &Model<'_>,
    lifetimes: &Lifetimes<'_>,
    bytes: &RefCell<Vec<u8>>,
    memory: &MemoryCost,
) -> Result<f64, Box<dyn Error>> {
    let counts = Counts::default();
    let bytes = bytes.clone();
    let range = 0..bytes.borrow().len() as u32;
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let engine = Engine::new(model, tanbo::table_or_reference(model.family()), &mut arena)?;
    let counting = Counting { bytes: &bytes, page: memory.page, counts: &counts };
    block_on(Journal::<Parsed<'_, '_>, _, BUFFER>::open(engine, lifetimes, counting, range))?;
    Ok(memory.read_us(counts.read.get()))
}

/// Returns how many bytes count after each unit of work.
fn live_bytes(model: &Model<'_>, lifetimes: &Lifetimes<'_>) -> Result<Vec<usize>, Box<dyn Error>> {
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(model, tanbo::table_or_reference(model.family()), &mut arena)?;
    let mut live = Vec::new();
    while engine.step(1)? != Progress::Done {
        let mut bytes = 0;
        engine.changed(lifetimes, None, |run| bytes += run.len())?;
        live.push(bytes);
    }
    Ok(live)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, cycles, rest @ ..] = &arguments[..] else { return Err("costs MODEL.tnb CYCLES [MHZ]".into()) };
    let mhz: f64 = rest.first().map_or(Ok(64.0), |mhz| mhz.parse())?;
    let total_us = cycles.parse::<f64>()? / mhz;
    let bytes = Aligned::new(&std::fs::read(path)?);
    let model = Model::parse(&bytes).map_err(|error| error.to_string())?;
    let (mut storages, mut scratch) = (vec![Lifetime::EMPTY; model.storage_count()], vec![0; model.step_count()]);
    let lifetimes = Lifetimes::of(&model, &mut storages, &mut scratch)?;
    let live = live_bytes(&model, &lifetimes)?;
    println!(
        "{path}: {:.1} ms at {mhz} MHz, arena {} bytes; after each of {} units of work {} to {} bytes count",
        total_us / 1000.0,
        model.arena_bytes(),
        live.len(),
        live.iter().min().unwrap_or(&0),
        live.iter().max().unwrap_or(&0)
    );
    for memory in [&FRAM_SPI, &FRAM, &EEPROM] {
        let intervals = (1..12).map(|half| Some((total_us / f64::from(1 << half)) as u32));
        let mut measured = Vec::new();
        for every in [None].into_iter().chain(intervals) {
            measured.push(measure(&model, &lifetimes, total_us, every, memory)?);
        }
        let candidates: Vec<Candidate<'_>> = measured
            .iter()
            .map(|one| Candidate { every_us: one.every_us, segments: &one.segments, resume_us: one.resume_us })
            .collect();
        let again = &measured[0];
        let every_row = measured.iter().max_by_key(|one| one.bytes).unwrap_or(again);
        let ms = |us: f64| us / 1000.0;
        println!(
            "{}: again {} bytes, {:.1} ms to start; every row {} bytes in {:.1} ms",
            memory.name,
            again.bytes,
            ms(again.resume_us),
            every_row.bytes,
            ms(every_row.segments.iter().map(|segment| segment.write_us).sum())
        );
        // From rare cuts to frequent ones, down to what takes a minute of power.
        let times = (0..60).map(|step| 1e7 / 1.15f64.powi(step));
        let mut last = None;
        for on_us in times {
            let supply = Supply { on_us, start_us: START_US, run_ua: RUN_UA };
            let Some((best, charge)) = choose(&candidates, memory, &supply) else { continue };
            if charge > RUN_UA * 60.0 || last == Some(best.every_us) {
                continue;
            }
            last = Some(best.every_us);
            let one = &measured[candidates.iter().position(|one| one == best).unwrap_or(0)];
            println!(
                "  from {:.0} ms down: {}, {} checkpoints, {} bytes, {:.1} ms to resume; {charge:.0} µC, again {:.0} µC",
                ms(on_us),
                best.every_us.map_or("again".to_string(), |us| format!("every {:.1} ms", ms(f64::from(us)))),
                one.checkpoints,
                one.bytes,
                ms(one.resume_us),
                candidates[0].charge_uc(memory, &supply)
            );
        }
    }
    Ok(())
}
