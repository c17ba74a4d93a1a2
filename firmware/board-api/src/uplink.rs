//! The way to the gateway.

use core::fmt;

/// What an uplink takes at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest frame, bytes: changes with the data rate.
    pub frame_bytes: usize,
    /// When the next frame may go, by [`Clock::now_us`](crate::Clock::now_us): the radio's share of the air. 0 for now.
    pub not_before_us: u64,
}

/// LoRaWAN's port of fragmented blocks (TS004). A line without ports carries such payloads behind this byte, with which no frame begins.
pub const FRAGMENTS: u8 = 201;

/// Whose a payload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// The node's frames.
    #[default]
    Frames,
    /// Fragmented blocks.
    Fragments,
}

/// A radio or a line. Frames, not bytes: what marks their ends is the uplink's own.
pub trait Uplink {
    /// The device's errors.
    type Error: fmt::Debug;

    /// Returns what it takes at the moment.
    fn limits(&self) -> Limits;

    /// Sends a frame; done when it is on the air or line, whether or not anybody hears it.
    ///
    /// # Errors
    /// [`UplinkError::TooLong`] and [`UplinkError::NotYet`] by [`Uplink::limits`]: then nothing was sent.
    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<Self::Error>>;

    /// Waits for a frame until `until_us`, by [`Clock::now_us`](crate::Clock::now_us); its length in `into`, or `None` if none came.
    ///
    /// It is pending meanwhile, so that samples are taken: whoever awaits it sleeps by [`Power::sleep_until`](crate::Power::sleep_until)
    /// with [`WakeMask::UPLINK`](crate::WakeMask::UPLINK) and polls it again after each wake ([`asleep`](crate::wait::asleep)). Dropping
    /// it ends the reception. One that waits by itself is right too, but holds up everything else.
    ///
    /// # Errors
    /// [`UplinkError::TooLong`] for a frame that does not fit into `into`, which is lost.
    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<Self::Error>>;

    /// Returns whose it is what was received last.
    fn port(&self) -> Port {
        Port::Frames
    }

    /// Sends an answer on the port of fragments, as [`Uplink::send`] sends frames; an uplink without that port takes none.
    ///
    /// # Errors
    /// As [`Uplink::send`].
    async fn answer(&mut self, payload: &[u8]) -> Result<(), UplinkError<Self::Error>> {
        Err(UplinkError::TooLong { bytes: payload.len(), room: 0 })
    }
}

/// Why a frame was not sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkError<E> {
    /// Longer than what takes it.
    TooLong {
        /// Length of the frame, bytes.
        bytes: usize,
        /// Greatest length, bytes.
        room: usize,
    },
    /// Not before that time, by [`Clock::now_us`](crate::Clock::now_us).
    NotYet {
        /// When.
        not_before_us: u64,
    },
    /// The device's.
    Device(E),
}

impl<E: fmt::Debug> fmt::Display for UplinkError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, room } => write!(f, "a frame of {bytes} bytes where {room} have room"),
            Self::NotYet { not_before_us } => write!(f, "the next frame may go at {not_before_us} us"),
            Self::Device(error) => write!(f, "uplink: {error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for UplinkError<E> {}
