//! The air between nodes and gateway.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;

use heapless::Deque;

use crate::{Limits, Uplink, UplinkError};

/// Longest frame, bytes.
const FRAME_BYTES: usize = 242;
/// Frames under way at once, each direction.
const FRAMES: usize = 8;

type Queue = RefCell<Deque<heapless::Vec<u8, FRAME_BYTES>, FRAMES>>;

/// Two queues of frames, node to gateway and back; what overflows is lost, as on the air.
#[derive(Debug, Default)]
pub struct Ether {
    up: Queue,
    down: Queue,
}

impl Ether {
    /// Takes the next frame that a node sent.
    pub fn take_up(&self) -> Option<heapless::Vec<u8, FRAME_BYTES>> {
        self.up.borrow_mut().pop_front()
    }

    /// Sends a frame to the node; whether there was room.
    pub fn put_down(&self, frame: &[u8]) -> bool {
        put(&self.down, frame)
    }
}

fn put(queue: &Queue, frame: &[u8]) -> bool {
    let frame = heapless::Vec::from_slice(frame);
    frame.is_ok_and(|frame| queue.borrow_mut().push_back(frame).is_ok())
}

/// A node's end of an [`Ether`].
#[derive(Debug)]
pub struct SimUplink<'e> {
    time_us: &'e Cell<u64>,
    ether: &'e Ether,
    /// Longest frame at the data rate of the moment, bytes.
    pub frame_bytes: usize,
    /// Silence after each frame, µs: the share of the air.
    pub silence_us: u64,
    /// Every frame with one of these numbers, from 0, is lost on its way up.
    pub lost: &'e [u32],
    not_before_us: u64,
    sent: u32,
    /// Whether frames come back at once: what a wire from TX to RX does.
    pub echo: bool,
}

impl<'e> SimUplink<'e> {
    /// Returns an uplink at the fastest data rate, without silences or losses.
    pub fn new(time_us: &'e Cell<u64>, ether: &'e Ether) -> Self {
        let frame_bytes = FRAME_BYTES;
        Self { time_us, ether, frame_bytes, silence_us: 0, lost: &[], not_before_us: 0, sent: 0, echo: false }
    }
}

impl Uplink for SimUplink<'_> {
    type Error = Infallible;

    fn limits(&self) -> Limits {
        Limits { frame_bytes: self.frame_bytes, not_before_us: self.not_before_us }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<Infallible>> {
        if frame.len() > self.frame_bytes {
            return Err(UplinkError::TooLong { bytes: frame.len(), room: self.frame_bytes });
        }
        if self.time_us.get() < self.not_before_us {
            return Err(UplinkError::NotYet { not_before_us: self.not_before_us });
        }
        self.not_before_us = self.time_us.get() + self.silence_us;
        if !self.lost.contains(&self.sent) {
            // Lost where there is no room.
            let _ = put(if self.echo { &self.ether.down } else { &self.ether.up }, frame);
        }
        self.sent += 1;
        Ok(())
    }

    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<Infallible>> {
        // Who sleeps meanwhile polls again.
        let frame = poll_fn(|_| match self.ether.down.borrow_mut().pop_front() {
            None if self.time_us.get() < until_us => Poll::Pending,
            frame => Poll::Ready(frame),
        });
        let Some(frame) = frame.await else { return Ok(None) };
        let too_long = UplinkError::TooLong { bytes: frame.len(), room: into.len() };
        into.get_mut(..frame.len()).ok_or(too_long)?.copy_from_slice(&frame);
        Ok(Some(frame.len()))
    }
}
