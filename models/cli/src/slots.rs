//! Model slots of a node that stands still: what its flash says of them, by the code with which the node itself reads it.

use std::fmt;
use std::ops::Range;

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use tanbo_parts::Standing;

/// What a node's flash says of its model slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The slot that is selected; `None`: the firmware's own model runs.
    pub selected: Option<u8>,
    /// Whether its model is on trial.
    pub trial: bool,
    /// The slot that is not selected.
    pub idle: u8,
    /// The highest version that was committed; 0 if none. The node takes no other below it, nor this one again.
    pub committed: u32,
    /// What is to stand in the selection's part of the flash, so that the node checks and tries what the idle slot holds.
    pub offer: Vec<u8>,
}

/// Why a node's flash could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Flash of another kind than any board here has.
    Kind {
        /// Bytes that are written at once.
        word: u64,
        /// Bytes that are erased at once.
        page: u64,
    },
    /// A part of the flash map that is no two pages or more.
    Part(&'static str),
    /// What stands there was not written by a node's firmware.
    Content(&'static str),
}

impl Unreadable {
    /// Returns what can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "send the model over the node's link: tanbo update",
            Self::Part(_) => "give the firmware of this board, as the linker wrote it",
            Self::Content(_) => "give the firmware that runs on this chip; flash it first where another one ran there",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { word, page } => write!(f, "no board here writes {word} bytes at once and erases {page}"),
            Self::Part(part) => write!(f, "the {part} in its flash map is no two pages"),
            Self::Content(part) => write!(f, "the {part} in the chip's flash cannot be read"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads what stands in a node's selection and store, on flash that writes `word` bytes at once and erases `page`.
///
/// # Errors
/// [`Unreadable`].
pub fn read(word: u64, page: u64, selection: Vec<u8>, store: Vec<u8>) -> Result<Slots, Unreadable> {
    // A row for each kind of flash, since the code's lengths are constants.
    let read = match (word, page) {
        (1, 0x1000) => of::<1, 0x1000>,
        (4, 0x400) => of::<4, 0x400>,
        (4, 0x1000) => of::<4, 0x1000>,
        (8, 0x800) => of::<8, 0x800>,
        (16, 0x2000) => of::<16, 0x2000>,
        _ => return Err(Unreadable::Kind { word, page }),
    };
    read(selection, store)
}

fn of<const WORD: usize, const PAGE: usize>(selection: Vec<u8>, store: Vec<u8>) -> Result<Slots, Unreadable> {
    for (part, bytes) in [("selection", &selection), ("store", &store)] {
        if bytes.len() < 2 * PAGE || !bytes.len().is_multiple_of(PAGE) {
            return Err(Unreadable::Part(part));
        }
    }
    let whole = |bytes: &Vec<u8>| 0..u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (selection_range, store_range) = (whole(&selection), whole(&store));
    let versions = block_on(tanbo_store::versions(Copied::<WORD, PAGE>(store), store_range));
    let committed = versions.map_err(|_| Unreadable::Content("store"))?.committed;
    let unreadable = |_| Unreadable::Content("selection");
    let mut standing =
        block_on(Standing::open(Copied::<WORD, PAGE>(selection), selection_range)).map_err(unreadable)?;
    let selected = standing.selected();
    let idle = block_on(standing.offer()).map_err(unreadable)?;
    Ok(Slots {
        selected: selected.map(|selection| selection.slot),
        trial: selected.is_some_and(|selection| selection.trial),
        idle,
        committed,
        offer: standing.release().0,
    })
}

/// A copy of a part of a chip's flash.
struct Copied<const WORD: usize, const PAGE: usize>(Vec<u8>);

/// A place outside of the copy, or between two words or pages.
#[derive(Debug)]
struct Outside;

impl NorFlashError for Outside {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::OutOfBounds
    }
}

impl<const WORD: usize, const PAGE: usize> Copied<WORD, PAGE> {
    fn at(&mut self, range: Range<usize>, unit: usize) -> Result<&mut [u8], Outside> {
        let whole = range.start.is_multiple_of(unit) && range.end.is_multiple_of(unit);
        self.0.get_mut(range).filter(|_| whole).ok_or(Outside)
    }
}

impl<const WORD: usize, const PAGE: usize> ErrorType for Copied<WORD, PAGE> {
    type Error = Outside;
}

impl<const WORD: usize, const PAGE: usize> ReadNorFlash for Copied<WORD, PAGE> {
    const READ_SIZE: usize = WORD;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Outside> {
        let start = offset as usize;
        bytes.copy_from_slice(self.at(start..start + bytes.len(), WORD)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl<const WORD: usize, const PAGE: usize> NorFlash for Copied<WORD, PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Outside> {
        self.at(from as usize..to as usize, PAGE)?.fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Outside> {
        let start = offset as usize;
        let place = self.at(start..start + bytes.len(), WORD)?;
        // Bits fall, none rises.
        place.iter_mut().zip(bytes).for_each(|(to, byte)| *to &= byte);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Copied, Slots, Unreadable, block_on, read};
    use tanbo_board_api::Selection;
    use tanbo_parts::Standing;
    use tanbo_store::{Store, Versions};

    const WORD: usize = 8;
    const PAGE: usize = 0x800;

    /// A part of a node's flash after it was opened and changed.
    fn selection(select: Option<Selection>) -> Vec<u8> {
        let flash = Copied::<WORD, PAGE>(vec![0xff; 2 * PAGE]);
        let mut standing = block_on(Standing::open(flash, 0..2 * PAGE as u32)).expect("flash");
        if let Some(selection) = select {
            block_on(standing.select(selection)).expect("flash");
        }
        standing.release().0
    }

    fn store(versions: Versions) -> Vec<u8> {
        let flash = Copied::<WORD, PAGE>(vec![0xff; 4 * PAGE]);
        let mut store = block_on(Store::<_, 4>::open(flash, 0..4 * PAGE as u32)).expect("flash");
        block_on(store.set_versions(versions)).expect("flash");
        store.release().0
    }

    fn erased() -> Vec<u8> {
        vec![0xff; 4 * PAGE]
    }

    fn slots(selection: Vec<u8>, store: Vec<u8>) -> Result<Slots, Unreadable> {
        read(WORD as u64, PAGE as u64, selection, store)
    }

    #[test]
    fn the_slot_that_is_not_in_use_is_offered() {
        let new = slots(selection(None), erased()).expect("flash");
        assert_eq!((new.selected, new.trial, new.idle, new.committed), (None, false, 0, 0));
        for slot in [0, 1] {
            for trial in [false, true] {
                let versions = Versions { committed: 41, tried: 42, attempts: 1 };
                let held = slots(selection(Some(Selection { slot, trial })), store(versions)).expect("flash");
                assert_eq!((held.selected, held.trial, held.idle, held.committed), (Some(slot), trial, 1 - slot, 41));
                // As the node reads it.
                let flash = Copied::<WORD, PAGE>(held.offer);
                let standing = block_on(Standing::open(flash, 0..2 * PAGE as u32)).expect("flash");
                assert_eq!(standing.offered(), Some(1 - slot));
                assert_eq!(standing.selected(), Some(Selection { slot, trial }));
            }
        }
    }

    #[test]
    fn what_no_node_has_written_is_refused_or_counts_as_new() {
        let rubbish = |bytes: usize| (0..bytes).map(|at| (at * 7 % 251) as u8).collect::<Vec<u8>>();
        assert_eq!(slots(erased(), rubbish(4 * PAGE)), Err(Unreadable::Content("store")));
        // As the node does.
        let new = slots(rubbish(2 * PAGE), erased()).expect("flash");
        assert_eq!((new.selected, new.idle), (None, 0));
        assert_eq!(slots(vec![0xff; PAGE], erased()), Err(Unreadable::Part("selection")));
        assert_eq!(slots(erased(), vec![0xff; 3 * PAGE + 8]), Err(Unreadable::Part("store")));
        assert_eq!(read(2, 0x800, erased(), erased()), Err(Unreadable::Kind { word: 2, page: 0x800 }));
    }
}
