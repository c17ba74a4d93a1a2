//! Words of flash that a power cut has torn.

use embassy_stm32::pac::FLASH;

/// The flash has check bits per word. One that was being written as the supply went reads as an error that two bits are wrong, which comes as
/// this exception; without it the node could not start any more. What was read is told wrong by who reads it: records carry their own checks.
#[cortex_m_rt::exception]
unsafe fn NonMaskableInt() {
    // A written one takes the error back; what the register says else is read-only, or settings that stay.
    FLASH.eccr().modify(|w| w.set_eccd(true));
}
