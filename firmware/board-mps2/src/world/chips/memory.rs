//! Ferroelectric memory at 0x50: on the emulated board QEMU's `at24c-eeprom`, which a file may back, elsewhere an array.

use embedded_hal::i2c::{ErrorKind, ErrorType, Operation};
use embedded_hal_async::i2c::I2c;

use super::{I2C_HZ, takes};
use crate::world::World;
#[cfg(not(target_os = "none"))]
pub use imp::Fram;
pub use imp::Lines;

/// The memory's bus. Bytes take their time, however the emulated lines are moved.
pub struct Memory {
    world: &'static World,
    device: imp::Device,
}

impl Memory {
    /// Returns the bus at `lines`.
    pub fn new(world: &'static World, lines: Lines) -> Self {
        Self { world, device: lines.device() }
    }

    #[inline(never)]
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        let (mut direction, mut bits) = (None, 1);
        for operation in operations.iter() {
            let (reads, len) = match operation {
                Operation::Read(bytes) => (true, bytes.len()),
                Operation::Write(bytes) => (false, bytes.len()),
            };
            if direction.replace(reads) != Some(reads) {
                bits += 10;
            }
            bits += 9 * len as u64;
        }
        self.world.outside(|| self.device.run(address, operations))?;
        takes(self.world, bits, I2C_HZ);
        Ok(())
    }
}

impl ErrorType for Memory {
    type Error = ErrorKind;
}

impl I2c for Memory {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        self.transfer(address, operations)
    }
}

#[cfg(target_os = "none")]
mod imp {
    use crate::board::Mps2I2c;
    use embedded_hal::i2c::{ErrorKind, I2c as _, Operation};
    use tanbo_emulated::cmsdk::TwoWire;

    /// The lines to QEMU's devices.
    pub struct Lines(TwoWire);

    impl Lines {
        pub(crate) fn new(lines: TwoWire) -> Self {
            Self(lines)
        }

        pub(super) fn device(self) -> Device {
            Device(Mps2I2c::new(self.0))
        }
    }

    /// QEMU's device.
    pub(super) struct Device(Mps2I2c);

    impl Device {
        pub fn run(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            self.0.transaction(address, operations)
        }
    }
}

#[cfg(not(target_os = "none"))]
mod imp {
    use std::boxed::Box;
    use std::fs::File;
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::{fs, vec};

    use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};
    use embedded_hal_async::i2c::I2c;

    const ADDRESS: u8 = 0x50;
    const BYTES: usize = 32 << 10;
    /// What QEMU's device is on the board.
    const FILE: &str = "memory.bin";

    /// Lines to nothing.
    pub struct Lines(());

    impl Lines {
        pub(crate) fn new(lines: ()) -> Self {
            Self(lines)
        }

        pub(super) fn device(self) -> Fram {
            let file = File::options().write(true).open(FILE).ok();
            let bytes = fs::read(FILE).ok().filter(|bytes| bytes.len() == BYTES);
            Fram { bytes: bytes.unwrap_or_else(|| vec![0xff; BYTES]).into(), at: 0, file }
        }
    }

    pub(super) type Device = Fram;

    /// The memory by itself, with an address of two bytes and no bus that takes time. Where there is a file it follows.
    pub struct Fram {
        bytes: Box<[u8]>,
        at: usize,
        file: Option<File>,
    }

    impl Fram {
        /// Returns a memory with these contents, which may be those of a board's file.
        pub fn new(bytes: &[u8]) -> Self {
            Self { bytes: bytes.into(), at: 0, file: None }
        }

        fn put(&mut self, byte: u8) -> std::io::Result<()> {
            if let Some(file) = &mut self.file {
                file.seek(SeekFrom::Start(self.at as u64))?;
                file.write_all(&[byte])?;
            }
            self.bytes[self.at] = byte;
            self.at = (self.at + 1) % self.bytes.len();
            Ok(())
        }

        pub(super) fn run(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            if address != ADDRESS {
                return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
            }
            let mut written = 0;
            for operation in operations {
                match operation {
                    Operation::Write(bytes) => {
                        for byte in bytes.iter() {
                            if written < 2 {
                                self.at = (self.at << 8 | usize::from(*byte)) % self.bytes.len();
                            } else {
                                self.put(*byte).map_err(|_| ErrorKind::Other)?;
                            }
                            written += 1;
                        }
                    }
                    Operation::Read(bytes) => {
                        for byte in bytes.iter_mut() {
                            *byte = self.bytes[self.at];
                            self.at = (self.at + 1) % self.bytes.len();
                        }
                    }
                }
            }
            Ok(())
        }
    }

    impl ErrorType for Fram {
        type Error = ErrorKind;
    }

    impl I2c for Fram {
        async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            self.run(address, operations)
        }
    }
}
