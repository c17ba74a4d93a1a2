//! Flash for models whose supply can be cut, and the models that go there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use embassy_futures::block_on;
use tanbo::{Engine, Family, Model, OpSet};
use tanbo_board_api::slots::{check_erase, check_write};
use tanbo_board_api::{Selection, SlotError, Slots};
use tanbo_node::slots::Demands;
use tanbo_node::update::Ledger;
use tanbo_release::{Golden, Name, PublicKey, Signer};
use tanbo_store::Versions;

pub const ARENA_BYTES: usize = 1024;

/// Kernels of the portable family.
pub fn operators() -> &'static OpSet {
    tanbo::table_or_reference(Family::Portable)
}

pub fn signer() -> Signer {
    Signer::from_pem(include_str!("../../../../runtime/release/golden/key.pem")).expect("a key")
}

pub fn name() -> Name {
    Name::new("seismic").expect("a name")
}

pub fn demands(keys: &[PublicKey]) -> Demands<'_> {
    Demands {
        name: name(),
        keys,
        least_version: 1,
        family: Family::Dsp,
        operators: operators(),
        arena_bytes: ARENA_BYTES,
        rate: tanbo_pipeline::Rate { numerator: 200, denominator: 1 },
    }
}

/// What the seismic model computes.
pub fn golden() -> Golden {
    let model = Model::parse(tanbo_zoo::SEISMIC).expect("a model");
    let mut arena = tanbo::Arena::<ARENA_BYTES>::new();
    let mut engine = Engine::new(&model, operators(), arena.as_mut()).expect("an engine");
    Golden::of(&mut engine, 1, 4, |_| ()).expect("outputs")
}

/// The seismic model as a release.
pub fn release(version: u32) -> Vec<u8> {
    signer().sign(tanbo_zoo::SEISMIC, name(), version, golden()).expect("a release")
}

/// What a power cut leaves.
#[derive(Clone)]
pub struct Frozen {
    memory: [Vec<u128>; 2],
    selected: Option<Selection>,
    offered: bool,
    versions: Versions,
}

/// Two slots; a watcher sees what would be left at every point at which the supply could fail.
pub struct World<'w> {
    word: usize,
    /// Bytes that are erased at once.
    page: usize,
    frozen: Frozen,
    kept: Rc<Cell<Versions>>,
    watcher: Option<&'w RefCell<dyn FnMut(Frozen) + 'w>>,
    random: fastrand::Rng,
}

/// The versions beside the slots.
pub struct Book(Rc<Cell<Versions>>);

impl Ledger for Book {
    type Error = ();

    fn versions(&self) -> Versions {
        self.0.get()
    }

    async fn keep(&mut self, versions: Versions) -> Result<(), ()> {
        assert!(versions.committed >= self.0.get().committed, "{versions:?} after {:?}", self.0.get());
        self.0.set(versions);
        Ok(())
    }
}

impl<'w> World<'w> {
    /// Slots of so many bytes, written in words, erased at once.
    pub fn new(slot_bytes: usize, word: usize) -> Self {
        Self::paged(slot_bytes, word, slot_bytes)
    }

    /// Slots that are erased in pages.
    pub fn paged(slot_bytes: usize, word: usize, page: usize) -> Self {
        let memory = [vec![u128::MAX; slot_bytes / 16], vec![u128::MAX; slot_bytes / 16]];
        Self::of(Frozen { memory, selected: None, offered: false, versions: Versions::default() }, word, page)
    }

    /// What a cut has left.
    pub fn of(frozen: Frozen, word: usize, page: usize) -> Self {
        let kept = Rc::new(Cell::new(frozen.versions));
        Self { word, page, frozen, kept, watcher: None, random: fastrand::Rng::with_seed(word as u64) }
    }

    pub fn watched(mut self, watcher: &'w RefCell<dyn FnMut(Frozen) + 'w>) -> Self {
        self.watcher = Some(watcher);
        self
    }

    pub fn book(&self) -> Book {
        Book(Rc::clone(&self.kept))
    }

    fn cut(&self) {
        if let Some(watcher) = self.watcher {
            watcher.borrow_mut()(Frozen { versions: self.kept.get(), ..self.frozen.clone() });
        }
    }

    fn memory(&mut self, slot: u8) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.frozen.memory[usize::from(slot)])
    }

    /// Puts a model into the idle slot and offers it, as through a debug probe.
    pub fn lay(&mut self, bytes: &[u8]) {
        let selection = *self.frozen.selected.get_or_insert(Selection { slot: 1, trial: false });
        let memory = self.memory(selection.idle());
        memory.fill(0xff);
        memory[..bytes.len()].copy_from_slice(bytes);
        self.frozen.offered = true;
    }

    /// Changes a byte as no program can.
    pub fn rot(&mut self, slot: u8, at: usize) {
        self.memory(slot)[at] ^= 0x10;
    }

    /// The word before the supply fails has some of its bits written.
    fn torn(&mut self, slot: u8, at: usize, bytes: &[u8]) {
        if self.watcher.is_none() {
            return;
        }
        let before = self.memory(slot)[at..at + bytes.len()].to_vec();
        let mask = self.random.u8(..);
        for (to, byte) in self.memory(slot)[at..].iter_mut().zip(bytes) {
            *to &= byte | mask;
        }
        self.cut();
        self.memory(slot)[at..at + bytes.len()].copy_from_slice(&before);
    }
}

impl Slots for World<'_> {
    type Error = ();

    fn count(&self) -> u8 {
        2
    }

    fn slot_bytes(&self) -> usize {
        self.frozen.memory[0].len() * 16
    }

    fn write_bytes(&self) -> usize {
        self.word
    }

    fn bytes(&self, slot: u8) -> &[u8] {
        self.frozen.memory.get(usize::from(slot)).map_or(&[], |memory| bytemuck::cast_slice(memory))
    }

    async fn erase(&mut self, slot: u8) -> Result<(), SlotError<()>> {
        check_erase(self, slot)?;
        self.cut();
        for page in 0..self.slot_bytes() / self.page {
            let range = page * self.page..(page + 1) * self.page;
            if self.watcher.is_some() {
                // A page half erased reads as anything.
                let noise = self.random.u8(..);
                self.memory(slot)[range.clone()].iter_mut().step_by(3).for_each(|byte| *byte |= noise);
                self.cut();
            }
            self.memory(slot)[range].fill(0xff);
            self.cut();
        }
        Ok(())
    }

    async fn write(&mut self, slot: u8, at: usize, bytes: &[u8]) -> Result<(), SlotError<()>> {
        check_write(self, slot, at, bytes.len())?;
        assert!(self.frozen.selected.is_none_or(|selection| selection.slot != slot), "the selected slot is written");
        for (index, word) in bytes.chunks(self.word).enumerate() {
            let at = at + index * self.word;
            let erased = self.bytes(slot)[at..at + word.len()].iter().all(|byte| *byte == 0xff);
            assert!(erased, "byte {at} of slot {slot} is written twice");
            self.torn(slot, at, word);
            self.memory(slot)[at..at + word.len()].copy_from_slice(word);
            self.cut();
        }
        Ok(())
    }

    fn selected(&self) -> Option<Selection> {
        self.frozen.selected
    }

    fn offered(&self) -> Option<u8> {
        self.frozen.selected.filter(|_| self.frozen.offered).map(Selection::idle)
    }

    async fn select(&mut self, selection: Selection) -> Result<(), SlotError<()>> {
        check_write(self, selection.slot, 0, 0)?;
        self.cut();
        self.frozen.selected = Some(selection);
        self.frozen.offered = false;
        self.cut();
        Ok(())
    }
}

/// Waits for what never waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    block_on(future)
}
