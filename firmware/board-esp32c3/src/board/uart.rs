//! The UART before and after it is switched on. esp-hal has an error of its own for each half; frames want one.

use embedded_io_async::{ErrorType, Read, Write};
use esp_hal::Async;
use esp_hal::gpio::interconnect::InputSignal;
use esp_hal::peripherals::{GPIO21, UART1};
use esp_hal::uart::{self, ConfigError, IoError, UartRx, UartTx};
use tanbo_field::Start;
use tanbo_parts::SerialUplink;

/// The UART before it is switched on. On, it keeps the chip from light sleep.
pub struct Uart {
    pub(super) uart: UART1<'static>,
    pub(super) received: InputSignal<'static>,
    pub(super) sent: GPIO21<'static>,
}

/// Its receiving half.
pub struct Receiver(UartRx<'static, Async>);
/// Its sending half.
pub struct Sender(UartTx<'static, Async>);

impl Start for Uart {
    type Started = SerialUplink<Receiver, Sender>;
    type Error = ConfigError;

    /// Switches it on at 115,200 baud.
    async fn start(self) -> Result<Self::Started, ConfigError> {
        let uart = uart::Uart::new(self.uart, uart::Config::default().with_baudrate(115_200))?;
        let (receiver, sender) = uart.with_rx(self.received).with_tx(self.sent).into_async().split();
        Ok(SerialUplink::new(Receiver(receiver), Sender(sender)))
    }
}

impl ErrorType for Receiver {
    type Error = IoError;
}

impl Read for Receiver {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, IoError> {
        Read::read(&mut self.0, into).await.map_err(IoError::Rx)
    }
}

impl ErrorType for Sender {
    type Error = IoError;
}

impl Write for Sender {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, IoError> {
        Write::write(&mut self.0, bytes).await.map_err(IoError::Tx)
    }

    async fn flush(&mut self) -> Result<(), IoError> {
        Write::flush(&mut self.0).await.map_err(IoError::Tx)
    }
}
