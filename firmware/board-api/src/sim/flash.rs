//! Flash in RAM whose supply can be cut.

use alloc::rc::Rc;
use alloc::{vec, vec::Vec};
use core::cell::{Cell, RefCell};
use core::future::pending;

use embedded_storage::nor_flash::{ErrorType, NorFlashError, NorFlashErrorKind};
use embedded_storage::nor_flash::{NorFlash as BlockingNorFlash, ReadNorFlash as BlockingReadNorFlash};
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};

/// The supply is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

impl NorFlashError for Cut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// Places in an erase at which the supply can go: the words before are erased.
const ERASE_POINTS: usize = 8;

/// What the chip holds.
#[derive(Clone, Debug)]
struct Memory {
    bytes: Vec<u8>,
    /// The word in the middle of which the supply went last.
    torn: Option<usize>,
    /// Which bits of a torn word have fallen: the state of a xorshift generator.
    random: u64,
}

impl Memory {
    /// Some of the word's bits fall.
    fn tear(&mut self, at: usize, word: &[u8]) {
        for (old, new) in self.bytes.iter_mut().skip(at).zip(word) {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            *old &= new | self.random as u8;
        }
        self.torn = Some(at);
    }
}

/// Flash with words of `WORD` bytes, each written once, and pages of `PAGE` bytes.
#[derive(Debug)]
pub struct SimFlash<const WORD: usize, const PAGE: usize> {
    memory: Rc<RefCell<Memory>>,
    /// Points until the supply goes.
    pub left: Option<usize>,
    /// Points so far: words written, parts of pages erased.
    pub points: usize,
    /// Raised where the supply goes, and then nothing that waits returns any more; without it, [`Cut`] is returned.
    pub flag: Option<Rc<Cell<bool>>>,
}

impl<const WORD: usize, const PAGE: usize> Clone for SimFlash<WORD, PAGE> {
    /// A copy with bytes of its own.
    fn clone(&self) -> Self {
        let memory = Rc::new(RefCell::new(self.memory.borrow().clone()));
        Self { memory, left: self.left, points: self.points, flag: self.flag.clone() }
    }
}

impl<const WORD: usize, const PAGE: usize> SimFlash<WORD, PAGE> {
    /// Returns erased flash.
    pub fn new(pages: usize) -> Self {
        let memory = Memory { bytes: vec![0xff; PAGE * pages], torn: None, random: 1 };
        Self { memory: Rc::new(RefCell::new(memory)), left: None, points: 0, flag: None }
    }

    /// The same chip again: what is written through one is there in the other.
    pub fn handle(&self) -> Self {
        Self { memory: Rc::clone(&self.memory), left: self.left, points: self.points, flag: self.flag.clone() }
    }

    /// Waits for ever where the supply is gone and somebody watches that; a driver that blocks returns.
    async fn cut(&self) -> Cut {
        if let Some(flag) = &self.flag {
            flag.set(true);
            pending::<()>().await;
        }
        Cut
    }

    fn point(&mut self) -> Result<(), Cut> {
        match self.left.as_mut() {
            Some(0) => return Err(Cut),
            Some(left) => *left -= 1,
            None => {}
        }
        self.points += 1;
        Ok(())
    }
}

impl<const WORD: usize, const PAGE: usize> ErrorType for SimFlash<WORD, PAGE> {
    type Error = Cut;
}

impl<const WORD: usize, const PAGE: usize> ReadNorFlash for SimFlash<WORD, PAGE> {
    const READ_SIZE: usize = WORD;

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Cut> {
        BlockingReadNorFlash::read(self, at, into)
    }

    fn capacity(&self) -> usize {
        BlockingReadNorFlash::capacity(self)
    }
}

impl<const WORD: usize, const PAGE: usize> NorFlash for SimFlash<WORD, PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        match BlockingNorFlash::erase(self, from, to) {
            Ok(()) => Ok(()),
            Err(Cut) => Err(self.cut().await),
        }
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Cut> {
        match BlockingNorFlash::write(self, at, bytes) {
            Ok(()) => Ok(()),
            Err(Cut) => Err(self.cut().await),
        }
    }
}

impl<const WORD: usize, const PAGE: usize> BlockingReadNorFlash for SimFlash<WORD, PAGE> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Cut> {
        assert!((at as usize).is_multiple_of(WORD) && into.len().is_multiple_of(WORD));
        into.copy_from_slice(&self.memory.borrow().bytes[at as usize..at as usize + into.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.memory.borrow().bytes.len()
    }
}

impl<const WORD: usize, const PAGE: usize> BlockingNorFlash for SimFlash<WORD, PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        assert!((from as usize).is_multiple_of(PAGE) && (to as usize).is_multiple_of(PAGE));
        let part = PAGE / ERASE_POINTS;
        for at in (from as usize..to as usize).step_by(part) {
            if self.point().is_err() {
                return Err(Cut);
            }
            self.memory.borrow_mut().bytes[at..at + part].fill(0xff);
        }
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Cut> {
        assert!((at as usize).is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        for (n, word) in bytes.chunks_exact(WORD).enumerate() {
            let at = at as usize + n * WORD;
            if self.point().is_err() {
                self.memory.borrow_mut().tear(at, word);
                return Err(Cut);
            }
            let memory = &mut *self.memory.borrow_mut();
            let old = &mut memory.bytes[at..at + WORD];
            // A torn word may be written again where bits only fall: the mark of a page.
            let falls = old.iter().zip(word).all(|(old, new)| old & new == *new);
            let erased = old.iter().all(|byte| *byte == 0xff);
            assert!(erased || memory.torn == Some(at) && falls, "a word is written once");
            old.copy_from_slice(word);
        }
        Ok(())
    }
}
