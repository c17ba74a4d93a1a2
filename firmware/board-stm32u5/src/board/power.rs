//! What of this chip's power is its own.

use tanbo_board_api::BrownoutError;
use tanbo_stm32::StmPart;

use super::{U5, brownout};

/// Where the factory left what the converter reads of its reference at 3 V, in 14 bits (DS13737, embedded voltage reference): an odd address.
const REFERENCE_AT: usize = 0x0bfa_07a5;

impl StmPart for U5 {
    const REFERENCE_MV: u32 = 3_000;

    fn reference_steps() -> u32 {
        // SAFETY: two bytes of the chip's system memory, which can be read and never changes.
        let at_3v = unsafe { core::ptr::with_exposed_provenance::<[u8; 2]>(REFERENCE_AT).read() };
        u16::from_le_bytes(at_3v).into()
    }

    fn arm(last_words: &[u8]) -> Result<(), BrownoutError> {
        brownout::arm(last_words)
    }
}
