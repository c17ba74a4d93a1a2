//! Frames on a UART, framed by `tanbo_wire::serial`.

use embassy_futures::select::{Either, select};
use embassy_time::Timer;
use embedded_io_async::{Read, Write};
use tanbo_board_api::{Limits, Uplink, UplinkError};
use tanbo_wire::{MAX_FRAME, serial};

use crate::clock::instant;

/// An uplink over the halves of a UART.
#[derive(Debug)]
pub struct SerialUplink<R, W> {
    receiver: R,
    sender: W,
    decoder: serial::Decoder,
}

impl<R: Read, W: Write<Error = R::Error>> SerialUplink<R, W> {
    /// Returns the uplink. The receiver keeps what comes while nobody waits, as far as its buffer goes.
    pub const fn new(receiver: R, sender: W) -> Self {
        Self { receiver, sender, decoder: serial::Decoder::new() }
    }
}

impl<R: Read, W: Write<Error = R::Error>> Uplink for SerialUplink<R, W> {
    type Error = R::Error;

    fn limits(&self) -> Limits {
        Limits { frame_bytes: MAX_FRAME, not_before_us: 0 }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<R::Error>> {
        if frame.len() > MAX_FRAME {
            return Err(UplinkError::TooLong { bytes: frame.len(), room: MAX_FRAME });
        }
        self.sender.write_all(&serial::encode(frame)).await.map_err(UplinkError::Device)?;
        self.sender.flush().await.map_err(UplinkError::Device)
    }

    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<R::Error>> {
        loop {
            let mut byte = [0];
            // The byte first, so that one that came in time is taken.
            match select(self.receiver.read(&mut byte), Timer::at(instant(until_us))).await {
                Either::First(Ok(0)) => continue,
                Either::First(result) => result.map_err(UplinkError::Device)?,
                Either::Second(()) => return Ok(None),
            };
            let [byte] = byte;
            // An empty frame is what lies between two zeros.
            if let Some(frame) = self.decoder.push(byte).filter(|frame| !frame.is_empty()) {
                let too_long = UplinkError::TooLong { bytes: frame.len(), room: into.len() };
                into.get_mut(..frame.len()).ok_or(too_long)?.copy_from_slice(&frame);
                return Ok(Some(frame.len()));
            }
        }
    }
}
