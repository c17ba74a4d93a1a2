//! A LoRa radio, and at its far end a gateway behind two pipes.
//!
//! As LoRaWAN's class A: after each frame the radio listens twice for a moment, 1 s and 2 s later, and only then can
//! something come. The gateway answers a frame at once through the pipes; when the answer is on the air is part of it.

use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use lora_modulation::{Bandwidth, BaseBandModulationParams, CodingRate, SpreadingFactor};
use tanbo_board_api::{Depth, Limits, Uplink, UplinkError, WakeMask};
use tanbo_emulated::files::{FileError, Sink, Source};
use tanbo_node::plan::RadioState;
use tanbo_wire::MAX_FRAME;

use super::machine::TICKS_PER_US;
use super::{Wait, World, WorldError};

/// What LoRaWAN adds to a payload, bytes.
const LORAWAN_BYTES: usize = 13;
/// From the end of a frame to each of the two windows, µs (LoRaWAN regional parameters: RECEIVE_DELAY1 and 2).
const WINDOWS_US: [u64; 2] = [1_000_000, 2_000_000];
/// How long the radio listens for a preamble, µs.
const PREAMBLE_US: u64 = 30_000;
/// Clock of the radio's SPI, Hz, and what goes over it beside a frame, bytes: commands and parameters.
const SPI_HZ: u64 = 8_000_000;
const COMMAND_BYTES: u64 = 60;
/// Head of what goes up the pipe: time u64, spreading factor u8, length u8; and of what comes down: window u8 (255: nothing), length u8.
const UP_HEAD: usize = 10;
const DOWN_HEAD: usize = 2;
/// No answer.
const NOTHING: u8 = 255;

/// Longest payload by spreading factor, bytes (LoRaWAN regional parameters, EU868, less the header's options).
const fn longest(spreading: u8) -> usize {
    match spreading {
        7 | 8 => 222,
        9 => 115,
        _ => 51,
    }
}

/// Returns the time of a payload on the air, µs.
pub fn airtime_us(spreading: u8, bytes: usize) -> u64 {
    let factor = match spreading {
        7 => SpreadingFactor::_7,
        8 => SpreadingFactor::_8,
        9 => SpreadingFactor::_9,
        10 => SpreadingFactor::_10,
        11 => SpreadingFactor::_11,
        _ => SpreadingFactor::_12,
    };
    let modulation = BaseBandModulationParams::new(factor, Bandwidth::_125KHz, CodingRate::_4_5);
    let bytes = u8::try_from(bytes + LORAWAN_BYTES).unwrap_or(u8::MAX);
    modulation.time_on_air_us(Some(8), true, bytes).into()
}

/// A pipe broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AirError(pub FileError);

impl fmt::Display for AirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the gateway's pipe: {}", self.0)
    }
}

impl core::error::Error for AirError {}

/// What comes down after a frame that went up.
struct Answer {
    window: usize,
    frame: heapless::Vec<u8, MAX_FRAME>,
}

/// The node's end.
pub struct WorldUplink {
    world: &'static World,
    up: Sink,
    down: Source,
    not_before_us: u64,
    /// When the last frame was sent, and what was answered.
    sent_us: u64,
    answer: Option<Answer>,
}

impl WorldUplink {
    /// Opens both pipes.
    ///
    /// # Errors
    /// [`WorldError::File`].
    #[inline(never)]
    pub fn open(world: &'static World) -> Result<Self, WorldError> {
        let file = |name, error| WorldError::File { name, error };
        world.outside(|| {
            let up = Sink::create("up").map_err(|error| file("up", error))?;
            let down = Source::open("down").map_err(|error| file("down", error))?;
            Ok(Self { world, up, down, not_before_us: 0, sent_us: 0, answer: None })
        })
    }

    /// Gives a frame to the radio, which sends by itself; when it has, µs since the node's start.
    #[inline(never)]
    fn begin(&mut self, frame: &[u8]) -> Result<u64, UplinkError<AirError>> {
        let Limits { frame_bytes, not_before_us } = self.limits();
        if frame.len() > frame_bytes {
            return Err(UplinkError::TooLong { bytes: frame.len(), room: frame_bytes });
        }
        if self.world.now_us() < not_before_us {
            return Err(UplinkError::NotYet { not_before_us });
        }
        let settings = *self.world.settings();
        let bits = (frame.len() as u64 + COMMAND_BYTES) * 8;
        let until = self.world.now_us() + (bits * 1_000_000).div_ceil(SPI_HZ);
        self.world.wait(until, Wait::Bus, Depth::Idle, WakeMask::NONE);
        let air_us = airtime_us(settings.spreading, frame.len());
        self.sent_us = self.world.now_us() + air_us;
        self.not_before_us =
            self.sent_us + air_us * u64::from(1000 - settings.duty_permille) / u64::from(settings.duty_permille);
        self.world.radio_does(&[(0, RadioState::Transmit), (self.sent_us, RadioState::Sleep)]);
        let at_us = self.world.world_us() + air_us;
        let world = self.world;
        world.outside(|| self.exchange(at_us, frame)).map_err(|error| UplinkError::Device(AirError(error)))?;
        Ok(self.sent_us)
    }

    /// The radio listens in its windows from now on; when the answer is there, µs since the node's start.
    #[inline(never)]
    fn listen(&mut self) -> Option<u64> {
        let [first, second] = self.windows();
        // An answer in the first window makes the second one needless.
        let answered = self.answer.as_ref().is_some_and(|answer| answer.window == 0);
        let both = [
            (first.0, RadioState::Receive),
            (first.1, RadioState::Sleep),
            (second.0, RadioState::Receive),
            (second.1, RadioState::Sleep),
        ];
        if self.world.now_us() < first.0 {
            self.world.radio_does(if answered { &both[..2] } else { &both });
        }
        self.arrives_us()
    }

    /// Hands out the answer; its length.
    #[inline(never)]
    fn take(&mut self, into: &mut [u8]) -> Result<Option<usize>, UplinkError<AirError>> {
        let Some(Answer { frame, .. }) = self.answer.take() else { return Ok(None) };
        let too_long = UplinkError::TooLong { bytes: frame.len(), room: into.len() };
        into.get_mut(..frame.len()).ok_or(too_long)?.copy_from_slice(&frame);
        Ok(Some(frame.len()))
    }

    /// Tells the gateway, which answers at once.
    fn exchange(&mut self, at_us: u64, frame: &[u8]) -> Result<(), FileError> {
        let mut up = heapless::Vec::<u8, { UP_HEAD + MAX_FRAME }>::new();
        let head = [self.world.settings().spreading, frame.len() as u8];
        let parts = [&at_us.to_le_bytes()[..], &head, frame];
        parts.iter().try_for_each(|part| up.extend_from_slice(part)).map_err(|_| FileError::Transfer)?;
        self.up.put(&up)?;
        let mut head = [0; DOWN_HEAD];
        self.down.next(&mut head)?;
        let [window, len] = head;
        let mut frame = heapless::Vec::new();
        frame.resize(len.into(), 0).map_err(|_| FileError::Transfer)?;
        self.down.next(&mut frame)?;
        self.answer = (window != NOTHING).then_some(Answer { window: window.into(), frame });
        Ok(())
    }

    /// When each window begins and the radio is done in it, µs since the node's start; in the one with the answer it is there then.
    fn windows(&self) -> [(u64, u64); 2] {
        let mut windows = WINDOWS_US.map(|after| (self.sent_us + after, self.sent_us + after + PREAMBLE_US));
        if let Some(answer) = &self.answer
            && let Some((begin, end)) = windows.get_mut(answer.window)
        {
            *end = *begin + airtime_us(self.world.settings().spreading, answer.frame.len());
        }
        windows
    }

    /// When the answer is there.
    fn arrives_us(&self) -> Option<u64> {
        self.windows().get(self.answer.as_ref()?.window).map(|(_, end)| *end)
    }
}

impl Uplink for WorldUplink {
    type Error = AirError;

    #[inline(never)]
    fn limits(&self) -> Limits {
        Limits { frame_bytes: longest(self.world.settings().spreading), not_before_us: self.not_before_us }
    }

    /// Pending until the frame is on the air; the radio sends by itself.
    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<AirError>> {
        let (sent_us, world) = (self.begin(frame)?, self.world);
        poll_fn(|_| if world.now_us() < sent_us { Poll::Pending } else { Poll::Ready(()) }).await;
        Ok(())
    }

    /// Pending until the answer is there or the time is over. The radio listens in its windows only.
    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<AirError>> {
        let world = self.world;
        let arrives = self.listen().filter(|at| *at <= until_us);
        let _quiet = Quiet(world);
        let there = poll_fn(|_| match world.now_us() {
            now if arrives.is_some_and(|at| at <= now) => Poll::Ready(true),
            now if now >= until_us => Poll::Ready(false),
            _ => Poll::Pending,
        });
        if there.await { self.take(into) } else { Ok(None) }
    }
}

/// Ends a reception when dropped; what is being sent is sent to its end.
struct Quiet(&'static World);

impl Drop for Quiet {
    #[inline(never)]
    fn drop(&mut self) {
        self.0.radio_stops_listening();
    }
}

/// States of the radio to come.
const STEPS: usize = 8;

/// What the radio does by itself: from when on (ticks), what.
pub(super) type RadioSteps = heapless::Vec<(u64, RadioState), STEPS>;

impl World {
    /// From those times on (µs since the node's start) the radio is in those states; replaces what was to come.
    fn radio_does(&self, steps: &[(u64, RadioState)]) {
        self.change(|state| {
            state.radio_steps = steps.iter().map(|(at_us, radio)| (at_us * TICKS_PER_US, *radio)).collect();
        });
    }

    fn radio_stops_listening(&self) {
        self.change(|state| {
            state.radio_steps.retain(|(_, radio)| *radio != RadioState::Receive);
            if state.on.radio == RadioState::Receive {
                state.on.radio = RadioState::Sleep;
            }
        });
    }

    /// When the radio changes what it does next, µs since the node's start: it tells the core then.
    pub(super) fn radio_event_us(&self) -> Option<u64> {
        let now = self.machine.ticks();
        let state = self.state.borrow();
        // Rounded up: the core looks when it has happened.
        state.radio_steps.iter().map(|(tick, _)| *tick).find(|tick| *tick > now).map(|tick| tick.div_ceil(TICKS_PER_US))
    }
}
