//! The air between a node and its gateway.

use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;

use heapless::Deque;

use crate::sim::{Radio, World};
use crate::{FRAGMENTS, Limits, Port, Uplink, UplinkError};

/// Longest frame, bytes.
const FRAME_BYTES: usize = 242;
/// Frames under way to the node at once.
const FRAMES: usize = 8;

/// Frames on their way to the node, each with the time of its arrival.
#[derive(Debug, Default)]
pub struct Down(Deque<(u64, heapless::Vec<u8, FRAME_BYTES>), FRAMES>);

impl Down {
    /// Sends a frame, after those before it; what finds no room is lost, as on the air.
    pub fn put(&mut self, arrival_us: u64, frame: &[u8]) {
        if let Ok(frame) = heapless::Vec::from_slice(frame) {
            let _ = self.0.push_back((arrival_us, frame));
        }
    }

    fn next_us(&self) -> Option<u64> {
        self.0.front().map(|(arrival_us, _)| *arrival_us)
    }
}

/// The far end of an uplink: takes a frame at a time, µs, and may answer.
pub trait FarEnd {
    /// Takes a frame that has arrived.
    fn up(&mut self, now_us: u64, frame: &[u8], down: &mut Down);
}

impl<F: FnMut(u64, &[u8], &mut Down)> FarEnd for F {
    fn up(&mut self, now_us: u64, frame: &[u8], down: &mut Down) {
        self(now_us, frame, down);
    }
}

/// Sends everything back at once: what a wire from TX to RX does.
pub fn echo(now_us: u64, frame: &[u8], down: &mut Down) {
    down.put(now_us, frame);
}

/// A node's end. A node that does not listen when a frame arrives hears it when it does, as from LoRaWAN's server.
pub struct SimUplink<'w, F> {
    world: &'w World,
    far: F,
    down: Down,
    /// Longest frame at the data rate of the moment, bytes.
    pub frame_bytes: usize,
    /// Time that a frame takes, µs.
    pub airtime_us: u64,
    /// Silence after each frame, µs: the share of the air.
    pub silence_us: u64,
    not_before_us: u64,
    port: Port,
}

impl<'w, F: FarEnd> SimUplink<'w, F> {
    /// Returns an uplink at the fastest data rate, without airtime or silences.
    pub fn new(world: &'w World, far: F) -> Self {
        let down = Down::default();
        Self {
            world,
            far,
            down,
            frame_bytes: FRAME_BYTES,
            airtime_us: 0,
            silence_us: 0,
            not_before_us: 0,
            port: Port::Frames,
        }
    }
}

/// Puts the radio to sleep, however what it does ends.
struct Busy<'w>(&'w World);

impl<'w> Busy<'w> {
    fn new(world: &'w World, radio: Radio) -> Self {
        world.radio.set(radio);
        Self(world)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.radio.set(Radio::Sleep);
        self.0.uplink_us.set(None);
        self.0.device_us.set(None);
    }
}

impl<F: FarEnd> Uplink for SimUplink<'_, F> {
    type Error = Infallible;

    fn limits(&self) -> Limits {
        Limits { frame_bytes: self.frame_bytes, not_before_us: self.not_before_us }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<Infallible>> {
        let Self { world, far, down, .. } = self;
        if frame.len() > self.frame_bytes {
            return Err(UplinkError::TooLong { bytes: frame.len(), room: self.frame_bytes });
        }
        if world.now_us() < self.not_before_us {
            return Err(UplinkError::NotYet { not_before_us: self.not_before_us });
        }
        let end_us = world.now_us() + self.airtime_us;
        let _busy = Busy::new(world, Radio::Transmit);
        poll_fn(|_| {
            if world.now_us() >= end_us {
                return Poll::Ready(());
            }
            world.device_us.set(Some(end_us));
            Poll::Pending
        })
        .await;
        self.not_before_us = world.now_us() + self.silence_us;
        // Nothing leaves an antenna without a supply.
        if !world.is_cut() {
            far.up(world.now_us(), frame, down);
        }
        Ok(())
    }

    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<Infallible>> {
        let Self { world, down, .. } = self;
        let _busy = Busy::new(world, Radio::Receive);
        // Who sleeps meanwhile polls again.
        let frame = poll_fn(|_| {
            if down.next_us().is_some_and(|arrival_us| arrival_us <= world.now_us()) {
                return Poll::Ready(down.0.pop_front());
            }
            if world.now_us() >= until_us {
                return Poll::Ready(None);
            }
            world.uplink_us.set(down.next_us());
            Poll::Pending
        });
        let Some((_, payload)) = frame.await else { return Ok(None) };
        let (port, frame) = match payload.split_first() {
            Some((&FRAGMENTS, rest)) => (Port::Fragments, rest),
            _ => (Port::Frames, &payload[..]),
        };
        self.port = port;
        let too_long = UplinkError::TooLong { bytes: frame.len(), room: into.len() };
        into.get_mut(..frame.len()).ok_or(too_long)?.copy_from_slice(frame);
        Ok(Some(frame.len()))
    }

    fn port(&self) -> Port {
        self.port
    }

    async fn answer(&mut self, payload: &[u8]) -> Result<(), UplinkError<Infallible>> {
        let mut frame = heapless::Vec::<u8, FRAME_BYTES>::from_slice(&[FRAGMENTS]).unwrap_or_default();
        let too_long = UplinkError::TooLong { bytes: payload.len(), room: FRAME_BYTES - 1 };
        frame.extend_from_slice(payload).map_err(|_| too_long)?;
        self.send(&frame).await
    }
}
