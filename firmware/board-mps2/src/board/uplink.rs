//! Frames on UART 0, COBS-encoded.

use core::convert::Infallible;

use tanbo_board_api::{FRAGMENTS, Limits, Port, Uplink, UplinkError};
use tanbo_emulated::cmsdk::{Timer, Uart};
use tanbo_wire::{Frame, MAX_FRAME, serial};

/// The board's uplink.
#[derive(Debug)]
pub struct Mps2Uplink {
    timer: &'static Timer,
    uart: Uart,
    decoder: serial::Decoder,
    /// Whose it was what came last.
    port: Port,
}

impl Mps2Uplink {
    pub(super) fn new(timer: &'static Timer, uart: Uart) -> Self {
        Self { timer, uart, decoder: serial::Decoder::new(), port: Port::Frames }
    }
}

impl Uplink for Mps2Uplink {
    type Error = Infallible;

    fn limits(&self) -> Limits {
        Limits { frame_bytes: MAX_FRAME, not_before_us: 0 }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<Infallible>> {
        if frame.len() > MAX_FRAME {
            return Err(UplinkError::TooLong { bytes: frame.len(), room: MAX_FRAME });
        }
        for byte in serial::encode(frame) {
            self.uart.send(byte);
        }
        Ok(())
    }

    /// Awake all the time: asleep, the emulated time would jump to its end, and the far end lives in real time.
    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<Infallible>> {
        loop {
            // The time first, so that a byte that came in time is taken.
            let late = self.timer.now_us() >= until_us;
            match self.uart.receive() {
                Some(byte) => {
                    // An empty frame is what lies between two zeros.
                    if let Some(payload) = self.decoder.push(byte).filter(|payload| !payload.is_empty()) {
                        let (port, frame) = match payload.split_first() {
                            Some((&FRAGMENTS, rest)) => (Port::Fragments, rest),
                            _ => (Port::Frames, &payload[..]),
                        };
                        self.port = port;
                        let too_long = UplinkError::TooLong { bytes: frame.len(), room: into.len() };
                        into.get_mut(..frame.len()).ok_or(too_long)?.copy_from_slice(frame);
                        return Ok(Some(frame.len()));
                    }
                }
                None if late => return Ok(None),
                None => {}
            }
        }
    }

    fn port(&self) -> Port {
        self.port
    }

    async fn answer(&mut self, payload: &[u8]) -> Result<(), UplinkError<Infallible>> {
        let mut frame = Frame::from_slice(&[FRAGMENTS]).unwrap_or_default();
        let too_long = UplinkError::TooLong { bytes: payload.len(), room: MAX_FRAME - 1 };
        frame.extend_from_slice(payload).map_err(|_| too_long)?;
        self.send(&frame).await
    }
}
