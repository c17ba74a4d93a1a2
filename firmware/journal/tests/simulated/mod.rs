//! A memory whose supply is cut after so many bytes, and a node that runs inferences on it.
#![allow(dead_code, reason = "each test uses a part")]

use std::ops::Range;

use embassy_futures::block_on;
use tanbo::{Engine, Lifetime, Lifetimes, Model, OpSet, Progress};
use tanbo_format::emit::Aligned;
use tanbo_journal::{Found, Journal, JournalError, Memory};

/// Where the journal lies: neither at the beginning nor at the end, nor at pages.
pub const START: u32 = 5;
/// Bytes behind it that nobody may touch.
const BEHIND: usize = 77;
const UNTOUCHED: u8 = 0xee;

/// The supply was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

/// A memory of pages; of one byte each, FRAM.
#[derive(Clone, Debug)]
pub struct Simulated {
    pub bytes: Vec<u8>,
    pub page: u32,
    /// Bytes until the cut.
    pub left: u64,
    /// Bytes written so far.
    pub written: u64,
    /// What is left of the page that was being written.
    pub random: fastrand::Rng,
}

impl Memory for Simulated {
    type Error = Cut;

    fn page(&self) -> u32 {
        self.page
    }

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Cut> {
        let at = at as usize;
        assert!(at >= START as usize && at + into.len() <= self.bytes.len() - BEHIND, "a read beyond the journal");
        into.copy_from_slice(&self.bytes[at..at + into.len()]);
        Ok(())
    }

    async fn write(&mut self, at: u32, mut bytes: &[u8]) -> Result<(), Cut> {
        let mut at = at as usize;
        assert!(at >= START as usize && at + bytes.len() <= self.bytes.len() - BEHIND, "a write beyond the journal");
        while !bytes.is_empty() {
            let page = self.page as usize;
            let end = (at / page + 1) * page;
            let (now, later) = bytes.split_at(bytes.len().min(end - at));
            if self.left < now.len() as u64 {
                self.tear(at, now);
                return Err(Cut);
            }
            self.bytes[at..at + now.len()].copy_from_slice(now);
            self.left -= now.len() as u64;
            self.written += now.len() as u64;
            (at, bytes) = (at + now.len(), later);
        }
        Ok(())
    }
}

impl Simulated {
    pub fn new(page: u32, len: usize) -> Self {
        let mut bytes = vec![0xff; START as usize + len];
        bytes.extend([UNTOUCHED; BEHIND]);
        Self { bytes, page, left: u64::MAX, written: 0, random: fastrand::Rng::with_seed(3) }
    }

    pub fn range(&self) -> Range<u32> {
        START..(self.bytes.len() - BEHIND) as u32
    }

    /// The first bytes of what was to be written are there; or, in a page that was being programmed, anything.
    fn tear(&mut self, at: usize, bytes: &[u8]) {
        let whole = self.left as usize;
        self.left = 0;
        if self.page == 1 || self.random.bool() {
            self.bytes[at..at + whole].copy_from_slice(&bytes[..whole]);
            return;
        }
        // The journal's page; what is beside it is not the journal's to write.
        let page = self.page as usize;
        let first = (at / page * page).max(START as usize);
        let end = (at / page * page + page).min(self.bytes.len() - BEHIND);
        let spoiled = &mut self.bytes[first..end];
        if self.random.bool() { spoiled.fill(0xff) } else { self.random.fill(spoiled) }
    }

    pub fn check_behind(&self) {
        let behind = &self.bytes[self.bytes.len() - BEHIND..];
        assert!(behind.iter().all(|&byte| byte == UNTOUCHED), "bytes behind the journal are written");
    }
}

/// A model with inputs for some inferences, and the outputs that it should come to.
pub struct Node<'m> {
    pub model: Model<'m>,
    pub ops: &'static OpSet,
    pub inputs: Vec<Vec<Vec<u8>>>,
    pub wanted: Vec<Vec<Vec<u8>>>,
    storages: Vec<Lifetime>,
    scratch: Vec<u16>,
    hash: [u8; 32],
    /// Units of work after which it asks whether to keep something, and how often it does.
    pub budget: u32,
    pub every: u32,
}

impl<'m> Node<'m> {
    /// Returns a node with random inputs for `windows` inferences, run once without a journal.
    pub fn new(bytes: &'m Aligned, ops: &'static OpSet, windows: usize, random: &mut fastrand::Rng) -> Self {
        let model = Model::parse(bytes).expect("an artifact");
        let (mut storages, mut scratch) = (vec![Lifetime::EMPTY; model.storage_count()], vec![0; model.step_count()]);
        let lifetimes = Lifetimes::of(&model, &mut storages, &mut scratch).expect("room for all");
        let (hash, counts) = (lifetimes.hash, [lifetimes.storages.len(), lifetimes.scratch.len()]);
        storages.truncate(counts[0]);
        scratch.truncate(counts[1]);
        let length = |&tensor: &u16| model.tensor(tensor).expect("an input").bytes();
        let window = |random: &mut fastrand::Rng| -> Vec<Vec<u8>> {
            model.inputs().iter().map(|tensor| (0..length(tensor)).map(|_| random.u8(..)).collect()).collect()
        };
        let inputs: Vec<_> = (0..windows).map(|_| window(random)).collect();
        let mut arena = Aligned::new(&vec![0x11; model.arena_bytes()]);
        let mut engine = Engine::new(&model, ops, &mut arena).expect("an engine");
        let wanted = inputs.iter().map(|window| run(&mut engine, window)).collect();
        Self { model, ops, inputs, wanted, storages, scratch, hash, budget: 1, every: 1 }
    }

    pub fn lifetimes(&self) -> Lifetimes<'_> {
        Lifetimes { hash: self.hash, storages: &self.storages, scratch: &self.scratch }
    }

    /// Returns the least range that a journal of it takes.
    pub fn journal_bytes(&self, page: u32) -> usize {
        let memory = Simulated::new(page, 0);
        match self.with_page(memory, |_, _| Ok(())) {
            Err((JournalError::TooSmall { needed, .. }, _)) => needed as usize,
            other => panic!("a journal in no bytes: {:?}", other.map(|_| ()).map_err(|(error, _)| error)),
        }
    }

    /// Switches the node on with `memory`, whatever is in it and in the arena: it ends what was begun, up to inference `last`.
    /// Returns the memory, and the error of a cut.
    pub fn power_up(&self, memory: Simulated, last: usize) -> Result<Simulated, Simulated> {
        let found = |journal: &mut dyn Work, found| {
            let next = match found {
                Found::Nothing => 0,
                Found::Unfinished { window } => {
                    journal.end(self, window as usize)?;
                    window as usize + 1
                }
                Found::Finished { window } => {
                    assert_eq!(journal.outputs(), self.wanted[window as usize], "outputs that were kept, of {window}");
                    window as usize + 1
                }
            };
            (next..=last).try_for_each(|window| {
                journal.begin(self, window)?;
                journal.end(self, window)
            })
        };
        match self.with_page(memory, found) {
            Ok(memory) => Ok(memory),
            Err((JournalError::Memory(Cut), memory)) => Err(memory),
            Err((error, _)) => panic!("{error:?}"),
        }
    }

    /// Opens a journal in `memory` and has `work` done with it.
    pub fn with_page(
        &self,
        memory: Simulated,
        work: impl FnOnce(&mut dyn Work, Found) -> Result<(), JournalError<Cut>>,
    ) -> Result<Simulated, (JournalError<Cut>, Simulated)> {
        match memory.page {
            1 => self.with_buffer::<21>(memory, work),
            16 => self.with_buffer::<48>(memory, work),
            32 => self.with_buffer::<32>(memory, work),
            64 => self.with_buffer::<64>(memory, work),
            page => panic!("no buffer for pages of {page} bytes"),
        }
    }

    fn with_buffer<const BUFFER: usize>(
        &self,
        mut memory: Simulated,
        work: impl FnOnce(&mut dyn Work, Found) -> Result<(), JournalError<Cut>>,
    ) -> Result<Simulated, (JournalError<Cut>, Simulated)> {
        let lifetimes = self.lifetimes();
        let mut arena = Aligned::new(&vec![memory.random.u8(..); self.model.arena_bytes()]);
        let engine = Engine::new(&self.model, self.ops, &mut arena).expect("an engine");
        let range = memory.range();
        let opened = block_on(Journal::<_, _, BUFFER>::open(engine, &lifetimes, &mut memory, range));
        let worked = opened.and_then(|(mut journal, found)| work(&mut journal, found));
        match worked {
            Ok(()) => Ok(memory),
            Err(error) => Err((error, memory)),
        }
    }
}

/// Runs an inference without a journal; returns the outputs.
fn run(engine: &mut Engine<'_, '_>, window: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let by_rows = engine.takes_rows();
    for (index, bytes) in window.iter().enumerate().skip(usize::from(by_rows)) {
        engine.input_bytes_mut(index).expect("an input").copy_from_slice(bytes);
    }
    if by_rows { engine.run_with(&window[0]) } else { engine.run() }.expect("a run");
    outputs(engine)
}

fn outputs(engine: &Engine<'_, '_>) -> Vec<Vec<u8>> {
    let count = engine.model().outputs().len();
    (0..count).map(|index| engine.output_bytes(index).expect("an output").to_vec()).collect()
}

/// A journal, whatever its buffer.
pub trait Work {
    fn begin(&mut self, node: &Node<'_>, window: usize) -> Result<(), JournalError<Cut>>;
    fn end(&mut self, node: &Node<'_>, window: usize) -> Result<(), JournalError<Cut>>;
    fn outputs(&self) -> Vec<Vec<u8>>;
}

impl<'m, 'a, const BUFFER: usize> Work for Journal<'m, 'a, '_, tanbo::Parsed<'m, 'a>, &mut Simulated, BUFFER> {
    fn begin(&mut self, node: &Node<'_>, window: usize) -> Result<(), JournalError<Cut>> {
        let by_rows = usize::from(self.engine().takes_rows());
        for (index, bytes) in node.inputs[window].iter().enumerate().skip(by_rows) {
            self.input_bytes_mut(index)?.copy_from_slice(bytes);
        }
        block_on(self.begin(window as u64))
    }

    /// Ends inference `window` and checks its outputs.
    fn end(&mut self, node: &Node<'_>, window: usize) -> Result<(), JournalError<Cut>> {
        let (mut count, every) = (0, node.every);
        let mut due = move || {
            count += 1;
            count % every == 0
        };
        if self.engine().takes_rows() {
            let first = self.engine().model().inputs()[0];
            let rows = self.engine().model().tensor(first).expect("an input").rows() as usize;
            let row_bytes = node.inputs[window][0].len() / rows;
            let rows: Vec<Vec<i8>> = node.inputs[window][0]
                .chunks(row_bytes)
                .map(|row| row.iter().map(|&byte| byte as i8).collect())
                .collect();
            while let Some(row) = rows.get(self.rows_given() as usize) {
                if self.give_row(row)? != Progress::Done && due() {
                    block_on(self.checkpoint())?;
                }
            }
        }
        block_on(self.run(node.budget, due))?;
        assert_eq!(self.outputs(), node.wanted[window], "inference {window}");
        Ok(())
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        outputs(self.engine())
    }
}

/// Cuts the second of three inferences at every `stride`-th byte that it writes, from each of which the node goes on, to be cut
/// some more times; returns how many cuts there were.
pub fn cut_at_every_byte(node: &Node<'_>, page: u32, room: usize, stride: usize, random: &mut fastrand::Rng) -> usize {
    let memory = Simulated::new(page, node.journal_bytes(page) + room);
    let first = node.power_up(memory, 0).expect("no cut");
    let written = node.power_up(first.clone(), 1).expect("no cut").written - first.written;
    let mut cuts = 0;
    for left in (0..written).step_by(stride) {
        let mut memory = Simulated { left, random: random.fork(), ..first.clone() };
        // The third tells what the second left in its states.
        while let Err(cut) = node.power_up(memory, 2) {
            cuts += 1;
            cut.check_behind();
            // Now and then it is cut again; in the end it stays on.
            let left = if random.u8(..3) == 0 { random.u64(..=written) } else { u64::MAX };
            memory = Simulated { left, ..cut };
        }
    }
    cuts
}
