//! What of this chip's power is its own.

use tanbo_board_api::BrownoutError;
use tanbo_stm32::StmPart;

use super::{Wl, brownout};

/// Where the factory left what the converter reads of its reference at 3.3 V (DS13105, internal voltage reference).
const REFERENCE_AT: usize = 0x1fff_75aa;

impl StmPart for Wl {
    const REFERENCE_MV: u32 = 3_300;

    fn reference_steps() -> u32 {
        // SAFETY: an aligned half-word of the chip's system memory, which can be read and never changes.
        unsafe { core::ptr::with_exposed_provenance::<u16>(REFERENCE_AT).read() }.into()
    }

    fn arm(last_words: &[u8]) -> Result<(), BrownoutError> {
        brownout::arm(last_words)
    }
}
