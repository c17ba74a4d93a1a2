//! Hostile artifacts: every truncation, and random damage that keeps the header consistent. Each is refused, or runs to
//! the end without a panic (with overflow checks, which the test profile has) and computes what does not depend on the
//! arena's old content.
//!
//! A million mutants and a quarter as many rearrangements; twenty times as many with TANBO_SOAK set.

#[path = "../../format/tests/random/mod.rs"]
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use fastrand::Rng;
use tanbo::{Engine, Model, OpSet, Progress, Reference};
use tanbo_format::emit::{Aligned, Artifact, ConstData, StateStart, StorageSpec};
use tanbo_format::record::*;

static OPS: OpSet = OpSet::all::<Reference>();

/// Larger inferences are left out, so that the time of a mutant is bounded.
const MAX_WORK: u64 = 300_000;
const MAX_ARENA: usize = 1 << 20;

const TWO_LAYERS: &[u8] = include_bytes!("data/two_layers.tnb");

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    refused: u32,
    ran: u32,
    too_large: u32,
    slowest_parse: Duration,
    /// Sum over all mutants of a hash of the refusal or of the outputs: equal on every target.
    digest: u32,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.refused += other.refused;
        self.ran += other.ran;
        self.too_large += other.too_large;
        self.slowest_parse = self.slowest_parse.max(other.slowest_parse);
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// FNV-1a.
fn hash(digest: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(digest ^ 0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Parses, and runs what is accepted and not too large.
fn survive(bytes: &[u8]) -> Count {
    let aligned = Aligned::new(bytes);
    let begin = Instant::now();
    let parsed = Model::parse(&aligned);
    let mut count = Count { slowest_parse: begin.elapsed(), ..Count::default() };
    let model = match parsed {
        Ok(model) => model,
        Err(error) => {
            (count.refused, count.digest) = (1, hash(0, format!("{error:?}").as_bytes()));
            return count;
        }
    };
    if model.arena_bytes() > MAX_ARENA || random::work(&model) > MAX_WORK {
        count.too_large = 1;
        return count;
    }
    // Whatever the arena held, the outputs are the same.
    let [digest, other] = [0x5a, 0xa5].map(|garbage| run(&model, garbage));
    assert_eq!(digest, other, "an output depends on what the arena held");
    (count.ran, count.digest) = (1, digest);
    count
}

/// Runs two inferences in steps, in an arena that holds `garbage`, and returns a hash of the outputs.
fn run(model: &Model<'_>, garbage: u8) -> u32 {
    let mut arena = Aligned::new(&vec![garbage; model.arena_bytes()]);
    let mut engine = Engine::new(model, &OPS, &mut arena).unwrap();
    let mut digest = 0;
    for run in 0..2 {
        for index in 0..model.inputs().len() {
            for (at, byte) in engine.input_bytes_mut(index).unwrap().iter_mut().enumerate() {
                *byte = ((at + run) * 73) as u8;
            }
        }
        let mut progress = engine.step(64).unwrap();
        let mut row = 0;
        while progress != Progress::Done {
            progress = match progress {
                Progress::Input => {
                    // What a whole tensor would hold there.
                    let input = model.tensor(model.inputs()[0]).unwrap();
                    let length = input.bytes() / input.rows() as usize;
                    let values: Vec<i8> = (0..length).map(|at| ((row * length + at + run) * 73) as i8).collect();
                    row += 1;
                    engine.input_row(&values).expect("row")
                }
                _ => engine.step(64).unwrap(),
            };
        }
        for tensor in 0..model.tensor_count() as u16 {
            engine.tensor_bytes(tensor).unwrap();
        }
        digest = (0..model.outputs().len()).fold(digest, |d, index| hash(d, engine.output_bytes(index).unwrap()));
    }
    digest
}

fn specs(count: u64) -> Vec<Artifact> {
    let random = |seed: u64| {
        let mut rng = Rng::with_seed(seed);
        let choices: Vec<u8> = (0..400).map(|_| rng.u8(..)).collect();
        let choices = &mut Unstructured::new(&choices);
        if seed.is_multiple_of(3) { random::row_chain(choices).unwrap() } else { random::artifact(choices).unwrap() }
    };
    (0..count).map(random).collect()
}

fn artifacts(count: u64) -> Vec<Vec<u8>> {
    let random = specs(count).into_iter().map(|spec| spec.emit().unwrap());
    [TWO_LAYERS.to_vec()].into_iter().chain(random).collect()
}

fn header(bytes: &[u8]) -> Option<Header> {
    bytes.get(..HEADER_BYTES).map(bytemuck::pod_read_unaligned)
}

fn set_header(bytes: &mut [u8], change: impl FnOnce(&mut Header)) {
    if let Some(mut changed) = header(bytes) {
        change(&mut changed);
        bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&changed));
    }
}

#[test]
fn every_truncation_is_refused() {
    for artifact in artifacts(3) {
        let mut count = Count::default();
        for length in 0..artifact.len() {
            let mut cut = artifact[..length].to_vec();
            count.add(survive(&cut));
            // And with a header that knows.
            set_header(&mut cut, |h| h.total_bytes = length as u32);
            count.add(survive(&cut));
            // And with sections that end where the bytes do.
            set_header(&mut cut, |h| {
                for extent in &mut h.sections {
                    extent.offset = extent.offset.min((length as u32).next_multiple_of(16));
                    extent.bytes = extent.bytes.min((length as u32).saturating_sub(extent.offset));
                }
            });
            let honest = survive(&cut);
            // What is cut off may be a signature, a card: then the rest is an artifact.
            assert!(honest.refused == 1 || length > header(&artifact).unwrap().sections[10].offset as usize);
        }
        assert_eq!(count.refused as usize, 2 * artifact.len());
    }
}

/// Bytes of a record of each section that has records.
fn record_bytes(section: usize) -> usize {
    match section {
        0 => size_of::<StorageRecord>(),
        1 => size_of::<TensorRecord>(),
        2 => size_of::<StepRecord>(),
        3 => size_of::<ChainRecord>(),
        5 => size_of::<Extent>(),
        6 => 4,
        4 | 7 | 8 => 2,
        _ => 1,
    }
}

const EXTREMES: [u32; 22] = [
    0,
    1,
    2,
    3,
    7,
    31,
    32,
    127,
    128,
    255,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    1 << 20,
    1 << 28,
    1 << 29,
    1 << 30,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_ffff,
];

/// Returns a number below `end`, the same on targets of 32 and of 64 bits.
fn below(rng: &mut Rng, end: usize) -> usize {
    rng.u64(0..end as u64) as usize
}

/// Damages one place: a field of the header, of a record, of a constant.
fn damage(bytes: &mut [u8], rng: &mut Rng) {
    let Some(head) = header(bytes) else { return };
    let section = below(rng, SECTIONS + 1);
    let (start, length, record) = match head.sections.get(section) {
        Some(extent) => (extent.offset as usize, extent.bytes as usize, record_bytes(section)),
        None => (0, HEADER_BYTES, 4),
    };
    let Some(area) = bytes.get_mut(start..start.saturating_add(length)) else { return };
    if area.is_empty() {
        return;
    }
    let at = below(rng, area.len());
    match rng.u8(0..8) {
        0 => area[at] ^= 1 << rng.u8(0..8),
        1 => area[at] = rng.u8(..),
        2 | 3 => {
            if let Some(word) = area.get_mut(at & !3..(at & !3) + 4) {
                word.copy_from_slice(&EXTREMES[below(rng, EXTREMES.len())].to_le_bytes());
            }
        }
        4 => {
            if let Some(half) = area.get_mut(at & !1..(at & !1) + 2) {
                half.copy_from_slice(&(EXTREMES[below(rng, EXTREMES.len())] as u16).to_le_bytes());
            }
        }
        5 => {
            if let Some(word) = area.get_mut(at & !3..(at & !3) + 4) {
                let near = i32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_add(rng.i32(-4..=4));
                word.copy_from_slice(&near.to_le_bytes());
            }
        }
        kind => {
            // Swaps two records, or copies one over the other.
            let records = area.len() / record;
            if records > 1 {
                let (from, to) = (below(rng, records) * record, below(rng, records) * record);
                let (a, b) = (area[from..from + record].to_vec(), area[to..to + record].to_vec());
                area[to..to + record].copy_from_slice(&a);
                if kind == 6 {
                    area[from..from + record].copy_from_slice(&b);
                }
            }
        }
    }
}

/// Records of a section as far as they are there.
fn records<T: bytemuck::Pod>(bytes: &[u8], extent: Extent) -> Vec<T> {
    let end = (extent.offset as usize).saturating_add(extent.bytes as usize);
    let area = bytes.get(extent.offset as usize..end).unwrap_or_default();
    area.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

/// Makes what the header says of the records true again, so that damage reaches the checks behind.
fn repair_header(bytes: &mut [u8]) {
    let Some(head) = header(bytes) else { return };
    let arena = records::<StorageRecord>(bytes, head.sections[Section::Storages as usize])
        .iter()
        .filter(|storage| storage.in_arena())
        .map(|storage| storage.offset.saturating_add(storage.bytes))
        .max();
    let operators = records::<StepRecord>(bytes, head.sections[Section::Steps as usize])
        .iter()
        .fold(0u64, |set, step| set | 1u64.checked_shl(step.op.into()).unwrap_or(0));
    let length = bytes.len() as u32;
    set_header(bytes, |h| {
        (h.magic, h.abi, h.total_bytes, h.arena_bytes) = (MAGIC, ABI, length, arena.unwrap_or(0));
        h.operators = [operators as u32, (operators >> 32) as u32];
    });
}

/// Sets each arena storage's length and each ring to what the (damaged) tensors ask for, as a careful attacker would.
fn repair_storages(bytes: &mut [u8]) {
    let Some(head) = header(bytes) else { return };
    let storages = head.sections[Section::Storages as usize];
    for tensor in records::<TensorRecord>(bytes, head.sections[Section::Tensors as usize]) {
        let begin = usize::from(tensor.storage) * size_of::<StorageRecord>();
        let area = bytes.get_mut(storages.offset as usize..).unwrap_or_default();
        let Some(place) = area.get_mut(begin..begin + size_of::<StorageRecord>()) else { continue };
        let mut storage: StorageRecord = bytemuck::pod_read_unaligned(place);
        if storage.in_arena() && storage.ring_rows == 0 {
            let size = [1, 1, 2, 4].get(usize::from(tensor.ty)).copied().unwrap_or(1);
            storage.bytes = tensor.shape.iter().fold(size, |n: u32, &d| n.saturating_mul(d));
            place.copy_from_slice(bytemuck::bytes_of(&storage));
        }
    }
}

fn mutant(originals: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let rng = &mut Rng::with_seed(seed);
    let mut bytes = originals[below(rng, originals.len())].clone();
    for _ in 0..1 + below(rng, 3) {
        damage(&mut bytes, rng);
    }
    if rng.u8(0..32) == 0 {
        let length = below(rng, bytes.len() + 41);
        bytes.resize(length, 0);
    }
    if rng.u8(0..2) == 0 {
        repair_storages(&mut bytes);
    }
    if rng.u8(0..8) != 0 {
        repair_header(&mut bytes);
    }
    bytes
}

/// Number of mutants of bytes to try.
fn wanted() -> u64 {
    if std::env::var_os("TANBO_SOAK").is_some() { 20_000_000 } else { 1_000_000 }
}

/// Tries `wanted` mutants on all cores. A panic names the mutant.
fn try_all(wanted: u64, one: impl Fn(u64) -> Count + Sync) -> Count {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()) as u64;
    let one = &one;
    let work = |worker: u64| {
        let mut count = Count::default();
        for seed in (worker..wanted).step_by(threads as usize) {
            match catch_unwind(AssertUnwindSafe(|| one(seed))) {
                Ok(single) => count.add(single),
                Err(_) => panic!("mutant {seed} made the engine panic"),
            }
        }
        count
    };
    let mut total = Count::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|worker| scope.spawn(move || work(worker))).collect();
        for worker in workers {
            total.add(worker.join().expect("a mutant made the engine panic: see above"));
        }
    });
    assert_eq!(u64::from(total.refused + total.ran + total.too_large), wanted);
    total
}

#[test]
fn mutants_are_refused_or_run() {
    let (wanted, originals) = (wanted(), artifacts(120));
    let total = try_all(wanted, |seed| survive(&mutant(&originals, seed)));
    println!("{wanted} mutants: {total:?}");
    assert!(u64::from(total.ran) >= wanted / 5, "too few mutants ran for this to say something");
    assert!(u64::from(total.refused) >= wanted / 5, "too few mutants were refused for this to say something");
}

/// Changes a model's structure; what the change asks of offsets and lifetimes is put right afterwards.
fn rearrange(a: &mut Artifact, rng: &mut Rng) {
    let step = below(rng, a.steps.len());
    let tensor = below(rng, a.tensors.len());
    let (any_tensor, any_storage) = (below(rng, a.tensors.len()) as u16, below(rng, a.storages.len()) as u16);
    match rng.u8(0..14) {
        0 => {
            let words = &mut a.steps[step].attrs;
            if !words.is_empty() {
                let word = below(rng, words.len());
                let extreme = EXTREMES[below(rng, EXTREMES.len())] as i32;
                words[word] = if rng.bool() { extreme } else { words[word].wrapping_add(rng.i32(-2..=2)) };
            }
        }
        1 => {
            let shape = &mut a.tensors[tensor].shape;
            if !shape.is_empty() {
                let axis = below(rng, shape.len());
                shape[axis] = rng.u32(1..8);
            }
        }
        2 => {
            let inputs = &mut a.steps[step].inputs;
            if !inputs.is_empty() {
                let input = below(rng, inputs.len());
                inputs[input] = any_tensor;
            }
        }
        3 => a.steps[step].output = any_tensor,
        4 | 5 => {
            // Two chains become one.
            let chain = below(rng, a.chains.len());
            if chain + 1 < a.chains.len() {
                a.chains[chain] += a.chains.remove(chain + 1);
            }
        }
        6 => {
            let chain = below(rng, a.chains.len());
            if a.chains[chain] > 1 {
                a.chains[chain] -= 1;
                a.chains.insert(chain, 1);
            }
        }
        7 => {
            if let StorageSpec::Arena { ring_rows, .. } = &mut a.storages[usize::from(any_storage)] {
                *ring_rows = rng.u16(0..6);
            }
        }
        8 => a.tensors[tensor].storage = any_storage,
        9 => {
            let other = below(rng, a.steps.len());
            a.steps.swap(step, other);
        }
        10 => a.outputs.push(any_tensor),
        11 => a.steps[step].scratch = Some(any_storage),
        12 => {
            // A tensor that keeps its content.
            let storage = &mut a.storages[usize::from(any_storage)];
            if let &mut StorageSpec::Arena { offset, bytes, .. } = storage {
                *storage = StorageSpec::State { offset, bytes, start: StateStart::Fill(rng.u8(..)) };
            }
        }
        _ => {
            if let Some(ConstData::I8(values)) = a.steps[step].consts.first_mut() {
                let length = below(rng, values.len() + 3);
                values.resize(length, 5);
            }
        }
    }
}

/// A model whose structure was changed is refused, or computes the same by rows as step by step.
#[test]
fn rearranged_models_are_refused_or_mean_what_their_steps_mean() {
    let originals: Vec<_> = specs(200).into_iter().filter(|spec| !spec.steps.is_empty()).collect();
    let chained = AtomicU32::new(0);
    let wanted = wanted() / 4;
    let total = try_all(wanted, |seed| {
        let rng = &mut Rng::with_seed(seed);
        let mut spec = originals[below(rng, originals.len())].clone();
        for _ in 0..1 + below(rng, 3) {
            rearrange(&mut spec, rng);
        }
        random::place(&mut spec);
        let Ok(bytes) = spec.emit() else { return Count { refused: 1, ..Count::default() } };
        let count = survive(&bytes);
        if count.ran == 1 && spec.chains.iter().any(|&steps| steps > 1) {
            // Images of different heights may share a ring, but no whole tensor.
            let Ok(whole) = random::whole(&spec).emit() else { return count };
            chained.fetch_add(1, Ordering::Relaxed);
            let whole = survive(&whole);
            assert_eq!(whole.digest, count.digest, "by rows the model computes something else than by steps");
        }
        count
    });
    let chained = chained.into_inner();
    println!("{wanted} rearranged models: {total:?}, {chained} of them with chains of several steps");
    assert!(u64::from(total.ran) >= wanted / 10, "too few models ran for this to say something");
    assert!(u64::from(chained) >= wanted / 20, "too few models with chains ran for this to say something");
}
