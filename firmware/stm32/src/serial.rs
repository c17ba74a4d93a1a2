//! Frames over a UART.

use embassy_stm32::usart::{BufferedUart, BufferedUartRx, BufferedUartTx, Config};
use static_cell::StaticCell;
use tanbo_parts::SerialUplink;

/// Bytes of each direction's buffer: two of the longest frames.
const BYTES: usize = 512;

/// Frames on the UART.
pub type Serial = SerialUplink<BufferedUartRx<'static>, BufferedUartTx<'static>>;

/// Returns the settings: 115,200 baud.
pub fn config() -> Config {
    let mut config = Config::default();
    config.baudrate = 115_200;
    // One byte is enough to look at.
    config.eager_reads = Some(1);
    config
}

/// Returns the buffers of what is sent and received, for the one UART that a board has for frames.
pub fn buffers() -> (&'static mut [u8], &'static mut [u8]) {
    static SENT: StaticCell<[u8; BYTES]> = StaticCell::new();
    static RECEIVED: StaticCell<[u8; BYTES]> = StaticCell::new();
    (SENT.init([0; BYTES]), RECEIVED.init([0; BYTES]))
}

/// Returns the frames on a UART.
pub fn uplink(uart: BufferedUart<'static>) -> Serial {
    let (sender, receiver) = uart.split();
    SerialUplink::new(receiver, sender)
}
