//! Model slots in RAM that a reset keeps.

use core::convert::Infallible;

use tanbo_board_api::slots::Behind;
use tanbo_board_api::{MemorySlots, Selection};
use tanbo_emulated::retained::SLOTS;

/// The board's model slots.
pub type Mps2Slots = MemorySlots<'static, SLOTS, Selected>;

/// The word of the selection, which a reset keeps as it does the slots.
#[derive(Debug)]
pub struct Selected(pub(super) &'static mut u32);

impl Behind for Selected {
    type Error = Infallible;

    fn selected(&self) -> Option<Selection> {
        u16::try_from(*self.0).ok().and_then(|word| Selection::from_word(word, SLOTS as u8))
    }

    async fn select(&mut self, selection: Selection) -> Result<(), Infallible> {
        // One store: the old word or the new one.
        *self.0 = selection.to_word().into();
        Ok(())
    }
}
