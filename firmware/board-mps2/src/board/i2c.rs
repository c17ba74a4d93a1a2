//! I²C on the two lines of the shield's header, bit by bit. `bitbang-hal` is on embedded-hal 0.2.

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use embedded_hal_async::delay::DelayNs;
use tanbo_emulated::cmsdk::{Timer, TwoWire};

/// The board's I²C. Without pauses: the emulated devices need none.
#[derive(Debug)]
pub struct Mps2I2c {
    lines: TwoWire,
}

impl Mps2I2c {
    pub(crate) fn new(lines: TwoWire) -> Self {
        Self { lines }
    }

    fn start(&mut self) {
        self.lines.data(true);
        self.lines.clock(true);
        self.lines.data(false);
        self.lines.clock(false);
    }

    fn stop(&mut self) {
        self.lines.data(false);
        self.lines.clock(true);
        self.lines.data(true);
    }

    fn put_bit(&mut self, high: bool) {
        self.lines.data(high);
        self.lines.clock(true);
        self.lines.clock(false);
    }

    fn take_bit(&mut self) -> bool {
        self.lines.data(true);
        self.lines.clock(true);
        let high = self.lines.data_is_high();
        self.lines.clock(false);
        high
    }

    /// Returns whether it was acknowledged.
    fn put(&mut self, byte: u8) -> bool {
        for bit in (0..8).rev() {
            self.put_bit(byte >> bit & 1 == 1);
        }
        !self.take_bit()
    }

    fn take(&mut self, acknowledge: bool) -> u8 {
        let byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(self.take_bit()));
        self.put_bit(!acknowledge);
        byte
    }

    fn run(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        // Whether the operation before was a read; none before the first.
        let mut direction = None;
        let mut left = operations.iter_mut().peekable();
        while let Some(operation) = left.next() {
            let reads = matches!(operation, Operation::Read(_));
            if direction != Some(reads) {
                self.start();
                if !self.put(address << 1 | u8::from(reads)) {
                    return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
                }
                direction = Some(reads);
            }
            match operation {
                Operation::Write(bytes) => {
                    if !bytes.iter().all(|byte| self.put(*byte)) {
                        return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data));
                    }
                }
                Operation::Read(bytes) => {
                    // The last byte before another direction or the end is not acknowledged.
                    let goes_on = matches!(left.peek(), Some(Operation::Read(_)));
                    let last = bytes.len().saturating_sub(1);
                    for (n, byte) in bytes.iter_mut().enumerate() {
                        *byte = self.take(goes_on || n < last);
                    }
                }
            }
        }
        Ok(())
    }
}

impl ErrorType for Mps2I2c {
    type Error = ErrorKind;
}

impl I2c for Mps2I2c {
    // The board's, whoever uses it.
    #[inline(never)]
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        let result = self.run(address, operations);
        self.stop();
        result
    }
}

/// Pauses of the board.
#[derive(Clone, Copy, Debug)]
pub struct Mps2Delay {
    timer: &'static Timer,
}

impl Mps2Delay {
    pub(super) fn new(timer: &'static Timer) -> Self {
        Self { timer }
    }
}

impl DelayNs for Mps2Delay {
    async fn delay_ns(&mut self, ns: u32) {
        // A microsecond more: the present one has begun.
        let until = self.timer.now_us() + u64::from(ns.div_ceil(1000)) + 1;
        self.timer.wait_until(until, false);
    }
}
