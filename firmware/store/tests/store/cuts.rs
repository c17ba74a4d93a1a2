//! The supply is cut in the middle of every word that is written and in every erase, over many geometries of flash; then again while the
//! store repairs itself. Nothing that was kept is lost, nothing comes back, no counter goes back.
//!
//! With TANBO_SOAK set ten times as many operations.

use std::collections::BTreeMap;

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::NorFlash as Flash;
use fastrand::Rng;
use tanbo_store::{FAULTS, Fault, RECORD_BYTES, Store, StoreError, Versions};
use tanbo_wire::{Window, v1::Ack};

use tanbo_board_api::sim::{Cut, SimFlash};

const EVENTS: usize = 6;

/// What the node was promised.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    events: BTreeMap<u32, Vec<u8>>,
    settings: BTreeMap<u16, i32>,
    ceiling: u32,
    window: Window,
    faults: Vec<Fault>,
    versions: Versions,
}

#[derive(Clone, Debug)]
enum Operation {
    Push(u32, Vec<u8>),
    Acknowledge(u32),
    Set(u16, i32),
    Reserve(u32),
    Accept(Window),
    Fault(Fault),
    Versions(Versions),
}

impl Operation {
    fn random(random: &mut Rng, model: &Model) -> Self {
        let number = model.events.keys().next_back().map_or(0, |last| last + 1).max(model.ceiling);
        let waiting: Vec<u32> = model.events.keys().copied().collect();
        match random.u8(0..11) {
            0..4 if waiting.len() < EVENTS => {
                let len = random.usize(0..=RECORD_BYTES);
                Self::Push(number, (0..len).map(|_| random.u8(..)).collect())
            }
            0..6 if !waiting.is_empty() => Self::Acknowledge(waiting[random.usize(0..waiting.len())]),
            6 => Self::Reserve(random.u32(1..300)),
            7 => Self::Accept(model.window.with(model.window.highest().unwrap_or(0) + random.u32(1..5))),
            8 => Self::Fault(Fault {
                start: random.u32(..),
                uptime_s: random.u32(..),
                kind: random.u8(..),
                code: random.u8(..),
                detail: random.u32(..),
            }),
            9 => Self::Versions(Versions {
                committed: model.versions.committed + random.u32(0..3),
                tried: random.u32(..),
                attempts: random.u8(..),
            }),
            _ => Self::Set(random.u16(0..8), random.i32(..)),
        }
    }

    fn model(&self, model: &mut Model) {
        match self {
            Self::Push(number, record) => _ = model.events.insert(*number, record.clone()),
            Self::Acknowledge(number) => _ = model.events.remove(number),
            Self::Set(key, value) => _ = model.settings.insert(*key, *value),
            Self::Reserve(block) => model.ceiling += block,
            Self::Accept(window) => model.window = *window,
            Self::Versions(versions) => model.versions = *versions,
            Self::Fault(fault) => {
                model.faults.push(*fault);
                if model.faults.len() > FAULTS {
                    model.faults.remove(0);
                }
            }
        }
    }

    fn run<F: Flash>(&self, store: &mut Store<F, EVENTS>) -> Result<(), StoreError<F::Error>> {
        match self {
            Self::Push(number, record) => block_on(store.push(*number, record)),
            Self::Acknowledge(number) => {
                block_on(store.acknowledge(Ack { highest: *number, earlier: 0 })).map(|count| assert_eq!(count, 1))
            }
            Self::Set(key, value) => block_on(store.set(*key, *value)),
            Self::Reserve(block) => block_on(store.reserve(*block)).map(|_| ()),
            Self::Accept(window) => block_on(store.accept(*window)),
            Self::Fault(fault) => block_on(store.fault(*fault)),
            Self::Versions(versions) => block_on(store.set_versions(*versions)),
        }
    }
}

/// All that the store holds; its faults only if `deep`, which is most of the time that it takes.
fn contents<F: Flash>(store: &mut Store<F, EVENTS>, deep: bool) -> Model
where
    F::Error: PartialEq,
{
    let mut model =
        Model { ceiling: store.ceiling(), window: store.window(), versions: store.versions(), ..Model::default() };
    let waiting: Vec<u32> = store.waiting().collect();
    for number in waiting {
        let mut record = [0; RECORD_BYTES];
        let len = block_on(store.event(number, &mut record)).expect("flash").expect("an event that waits");
        assert!(model.events.insert(number, record[..len].to_vec()).is_none(), "event {number} twice");
    }
    for key in 0..8 {
        if let Some(value) = block_on(store.setting(key)).expect("flash") {
            model.settings.insert(key, value);
        }
    }
    for age in (0..if deep { FAULTS as u32 } else { 0 }).rev() {
        model.faults.extend(block_on(store.past_fault(age)).expect("flash"));
    }
    model
}

/// Cuts within `operations` operations of one geometry; how many cuts there were.
fn cuts<const WORD: usize, const PAGE: usize>(pages: usize, operations: usize) -> usize {
    let mut random = Rng::with_seed((WORD * PAGE * pages) as u64);
    let range = 0..(PAGE * pages) as u32;
    let open = |flash| block_on(Store::<SimFlash<WORD, PAGE>, EVENTS>::open(flash, range.clone()));
    let mut flash = SimFlash::<WORD, PAGE>::new(pages);
    let (mut model, mut points) = (Model::default(), 0);
    for starts in 0..operations as u32 {
        let operation = Operation::random(&mut random, &model);
        let mut after = model.clone();
        operation.model(&mut after);
        // One start and one operation without a cut, to know how many points they have.
        flash.left = None;
        flash.points = 0;
        let mut store = open(flash.clone()).expect("a store");
        assert_eq!(store.starts(), starts + 1);
        operation.run(&mut store).expect("an operation");
        let whole = store.release();
        for cut in 0..whole.points {
            points += 1;
            let mut dark = flash.clone();
            dark.left = Some(cut);
            // The cut strikes in the start or in the operation; either way flash is as it was left.
            let (mut dark, started) = match open(dark.handle()) {
                Ok(mut store) => {
                    assert_eq!(operation.run(&mut store), Err(StoreError::Flash(Cut)), "cut {cut}");
                    (store.release(), true)
                }
                Err(error) => {
                    assert_eq!(error, StoreError::Flash(Cut), "cut {cut}");
                    (dark, false)
                }
            };
            // A second cut while the store repairs itself.
            if random.u8(..) < 64 {
                dark.left = Some(random.usize(0..20));
                points += usize::from(open(dark.handle()).is_err());
            }
            dark.left = None;
            let mut store = open(dark).expect("a store after a cut");
            let deep = cut % 4 == 0 || matches!(operation, Operation::Fault(_));
            let mut found = contents(&mut store, deep);
            if !deep {
                found.faults.clone_from(&model.faults);
            }
            assert!(found == model || started && found == after, "cut {cut} of {operation:?}:\n{found:?}\n{model:?}");
            assert!((starts + 1..=starts + 3).contains(&store.starts()));
            // And it goes on.
            if found == model {
                operation.run(&mut store).expect("an operation after a cut");
            }
            if cut % 16 == 0 {
                let mut store = open(store.release()).expect("a store");
                assert_eq!(contents(&mut store, true), after, "cut {cut} of {operation:?}");
            }
        }
        flash = whole;
        model = after;
    }
    let mut store = open(flash).expect("a store");
    assert_eq!(contents(&mut store, true), model);
    points
}

/// Cuts of one geometry, for so many times the operations of a usual run.
type Cuts = fn(usize) -> usize;

#[test]
fn of_50_000_cuts_none_loses_anything() {
    let times = if std::env::var_os("TANBO_SOAK").is_some() { 10 } else { 1 };
    // Word, page, number of pages and operations: byte-wise, nRF52, STM32, RP2040-like and U5 flash, large and small.
    let geometries: [(&str, Cuts); 8] = [
        ("1-byte words, 3 pages of 4096", |times| cuts::<1, 4096>(3, 180 * times)),
        ("1-byte words, 8 pages of 1024", |times| cuts::<1, 1024>(8, 180 * times)),
        ("4-byte words, 2 pages of 4096", |times| cuts::<4, 4096>(2, 700 * times)),
        ("4-byte words, 5 pages of 1024", |times| cuts::<4, 1024>(5, 600 * times)),
        ("8-byte words, 3 pages of 2048", |times| cuts::<8, 2048>(3, 800 * times)),
        ("16-byte words, 2 pages of 8192", |times| cuts::<16, 8192>(2, 900 * times)),
        ("32-byte words, 3 pages of 8192", |times| cuts::<32, 8192>(3, 900 * times)),
        ("8-byte words, 16 pages of 512", |times| cuts::<8, 512>(16, 700 * times)),
    ];
    let counts: Vec<(&str, usize)> = std::thread::scope(|scope| {
        let threads = geometries.map(|(name, run)| (name, scope.spawn(move || run(times))));
        threads.map(|(name, thread)| (name, thread.join().expect(name))).into()
    });
    println!("{counts:#?}");
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    println!("{total} cuts");
    assert!(total >= 50_000, "{total}");
}
