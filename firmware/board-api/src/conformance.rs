//! What each trait promises, as tests that run on the board itself.
//!
//! Each function returns the first promise that is broken. They need no heap and no operating system; what they ask of the
//! bench (a loop-back, a recording) their documentation says.

use core::fmt;
use core::pin::pin;

use crate::{
    BrownoutError, Clock, Depth, FaultKind, LAST_WORDS_BYTES, Lend, Mode, Perf, Power, Reference, Relay, Selection,
    Sensor, SlotError, Slots, TimeSource, Uplink, UplinkError, WakeCause, WakeMask, sensor::Fault as _, wait::asleep,
};

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What should be.
    pub promise: &'static str,
    /// What was found, where that is a number.
    pub found: i64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {} (found {})", self.promise, self.found)
    }
}

impl core::error::Error for Failure {}

fn check(promise: &'static str, holds: bool, found: impl TryInto<i64>) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure { promise, found: found.try_into().unwrap_or(i64::MAX) }) }
}

/// Longest sleep past a deadline that a node can live with, µs.
const OVERSLEEP_US: u64 = 10_000;

/// Tests a clock whose time of the world is not set yet, for 50 ms.
///
/// # Errors
/// The first [`Failure`].
pub async fn clock<C: Clock, P: Power>(clock: &mut C, power: &mut P) -> Result<(), Failure> {
    check("no time of the world before the first reference", clock.utc().is_none(), 0)?;
    let mut last = clock.now_us();
    for _ in 0..1000 {
        let now = clock.now_us();
        check("time never goes backwards", now >= last, last - now.min(last))?;
        last = now;
    }
    let begin = clock.now_us();
    power.sleep_until(begin + 50_000, Depth::Idle, WakeMask::NONE).await;
    let passed = clock.now_us() - begin;
    check("time goes on in sleep", passed >= 50_000, passed)?;

    // 2026-11-27, with an error of 30 ms.
    let unix_us = 1_795_737_600_000_000;
    let at_us = clock.now_us();
    clock.discipline(Reference { at_us, unix_us, error_us: 30_000, source: TimeSource::Network });
    let told = clock.utc_at(at_us).ok_or(Failure { promise: "a reference sets the time of the world", found: 0 })?;
    check("at the reference's time it is what the reference said", told.unix_us.abs_diff(unix_us) <= 1, told.unix_us)?;
    check("the error is the reference's", (30_000..=30_001).contains(&told.error_us), told.error_us)?;
    check("the source is the reference's", told.source == TimeSource::Network, told.source as i64)?;
    let later = clock.utc_at(at_us + 3_600_000_000).map_or(0, |utc| utc.error_us);
    check("an error grows with time", later > told.error_us, later)?;
    clock.discipline(Reference { at_us: at_us + 1, unix_us: unix_us * 2, error_us: 0, source: TimeSource::Network });
    let after = clock.utc_at(at_us).map_or(0, |utc| utc.unix_us);
    check("one contradiction is not believed", after.abs_diff(unix_us) <= 1, after)
}

/// Tests sleep, retained memory, supply and last words; lets the watchdog live.
///
/// # Errors
/// The first [`Failure`].
pub async fn power<C: Clock, P: Power>(clock: &C, power: &mut P) -> Result<(), Failure> {
    for depth in [Depth::Idle, Depth::Stop] {
        for sleep_us in [0, 1, 100, 1_000, 20_000] {
            let deadline = clock.now_us() + sleep_us;
            let cause = power.sleep_until(deadline, depth, WakeMask::NONE).await;
            let now = clock.now_us();
            check("nothing but the deadline wakes where nothing else may", cause == WakeCause::Deadline, cause as i64)?;
            check("no wake before the deadline", now >= deadline, deadline.saturating_sub(now))?;
            check("no sleep long past the deadline", now - deadline <= OVERSLEEP_US, now - deadline)?;
        }
        let before = clock.now_us();
        power.sleep_until(before.saturating_sub(1), depth, WakeMask::NONE).await;
        let took = clock.now_us() - before;
        check("a deadline that has passed wakes at once", took <= OVERSLEEP_US, took)?;
    }
    for perf in [Perf::Infer, Perf::Low] {
        power.set_perf(perf);
        let begin = clock.now_us();
        power.sleep_until(begin + 5_000, Depth::Idle, WakeMask::NONE).await;
        let took = clock.now_us() - begin;
        check("the clock does not notice the core's speed", (5_000..5_000 + OVERSLEEP_US).contains(&took), took)?;
    }
    let supply = power.supply();
    check("a measured supply is one that a node runs on", supply.mv.is_none_or(|mv| mv > 500), supply.mv.unwrap_or(0))?;
    let charge = supply.charge_permille.unwrap_or(0);
    check("a charge is at most 1000 thousandths", charge <= 1000, charge)?;

    let len = power.retained().len();
    check("32 bytes or more are retained", len >= 32, i64::try_from(len).unwrap_or(i64::MAX))?;
    for (n, byte) in power.retained().iter_mut().enumerate() {
        *byte = n as u8 ^ 0x5a;
    }
    let begin = clock.now_us();
    power.sleep_until(begin + 1_000, Depth::Stop, WakeMask::NONE).await;
    let kept = power.retained().iter().enumerate().all(|(n, byte)| *byte == n as u8 ^ 0x5a);
    check("retained memory is kept in sleep", kept, 0)?;
    power.retained().fill(0);

    match power.on_brownout(&[0x11; LAST_WORDS_BYTES]) {
        Ok(()) => {
            let long = power.on_brownout(&[0; LAST_WORDS_BYTES + 1]);
            let bytes = LAST_WORDS_BYTES + 1;
            check("too long last words are refused", long == Err(BrownoutError::TooLong { bytes }), 0)?;
            check("no last words without a brown-out", power.last_words().is_empty(), 0)?;
        }
        Err(error) => check("last words fit or are not supported", error == BrownoutError::Unsupported, 0)?,
    }
    if let Some(watchdog_ms) = power.watchdog_ms() {
        check("a watchdog gives a second or more", watchdog_ms >= 1000, watchdog_ms)?;
        power.feed_watchdog();
        for _ in 0..3 {
            let begin = clock.now_us();
            power.sleep_until(begin + u64::from(watchdog_ms) * 500, Depth::Idle, WakeMask::NONE).await;
            power.feed_watchdog();
        }
    }
    Ok(())
}

/// Most channels of a sensor under test.
const MAX_CHANNELS: usize = 8;
/// Readings that are waited for.
const READINGS: u64 = 20;

/// Tests a sensor in any surroundings; takes 40 of its periods and a little more.
///
/// # Errors
/// The first [`Failure`].
pub async fn sensor<S: Sensor, C: Clock, P: Power>(sensor: &mut S, clock: &C, power: &mut P) -> Result<(), Failure> {
    let device = |kind: FaultKind| Failure { promise: "the device works", found: kind as i64 };
    let mut into = [0; 256];
    sensor.set_mode(Mode::Off).await.map_err(|error| device(error.kind()))?;
    let burst = sensor.read(&mut into).await.map_err(|error| device(error.kind()))?;
    check("off, it gives no readings", burst.readings == 0, burst.readings as i64)?;

    sensor.set_mode(Mode::Measure).await.map_err(|error| device(error.kind()))?;
    let format = sensor.format();
    let channels = format.channels.len();
    check("1 to 8 channels", (1..=MAX_CHANNELS).contains(&channels), channels as i64)?;
    check("a FIFO of 1 or more readings", format.fifo_readings > 0, format.fifo_readings)?;
    for channel in format.channels {
        check("a channel's least reading is less than its greatest", channel.min < channel.max, channel.min)?;
    }
    let short = into.get_mut(..channels - 1).unwrap_or_default();
    let burst = sensor.read(short).await.map_err(|error| device(error.kind()))?;
    check("no part of a reading", burst.readings == 0, burst.readings as i64)?;

    // By pauses of half a FIFO, so that none is lost.
    let pause = u64::from(format.fifo_readings / 2).max(1);
    let begin = clock.now_us();
    let (mut readings, mut rounds) = (0, 0);
    while readings < READINGS {
        rounds += 1;
        check("readings come as often as the format says", rounds <= 2 * READINGS, readings)?;
        let next = clock.now_us() + (pause * format.period_ns).div_ceil(1000);
        power.sleep_until(next, Depth::Idle, WakeMask::NONE).await;
        let burst = sensor.read(&mut into).await.map_err(|error| device(error.kind()))?;
        check("nothing is lost where half a FIFO is read", !burst.lost, readings)?;
        check("readings fit", burst.readings * channels <= into.len(), burst.readings as i64)?;
        for reading in into.chunks_exact(channels).take(burst.readings) {
            for (value, channel) in reading.iter().zip(format.channels) {
                check("a reading is in its channel's range", (channel.min..=channel.max).contains(value), *value)?;
            }
        }
        readings += burst.readings as u64;
    }
    if let Some(expected) = ((clock.now_us() - begin) * 1000).checked_div(format.period_ns) {
        // Two thirds to three halves: sensors' oscillators are loose, but no rate is mistaken for twice or half of it.
        let holds = readings * 3 >= expected * 2 && readings * 2 <= (expected + 1) * 3;
        check("readings come at the format's rate", holds, readings)?;
    }

    let wake = |threshold| Mode::Wake { threshold, readings: 1 };
    let kind = |result: Result<(), S::Error>| result.err().map(|error| error.kind());
    if format.wakes {
        let greatest = format.channels.first().map_or(0, |channel| channel.max);
        let set = kind(sensor.set_mode(wake(greatest / 2)).await);
        check("it can wake at half its range", set.is_none(), set.map_or(0, |kind| kind as i64))?;
        let set = kind(sensor.set_mode(wake(i32::MAX)).await);
        check(
            "a threshold out of range is refused",
            set == Some(FaultKind::Range),
            set.map_or(-1, |kind| kind as i64),
        )?;
    } else {
        let set = kind(sensor.set_mode(wake(1)).await);
        let refused = set == Some(FaultKind::Unsupported);
        check("what cannot wake says so", refused, set.map_or(-1, |kind| kind as i64))?;
    }
    sensor.set_mode(Mode::Off).await.map_err(|error| device(error.kind()))
}

/// Longest frame of the test, bytes.
const MAX_FRAME: usize = 256;
/// Longest time that a frame takes there and back, µs.
const ECHO_US: u64 = 20_000_000;

async fn send<U: Uplink, C: Clock, P: Power>(
    uplink: &mut U,
    frame: &[u8],
    clock: &C,
    power: &mut P,
) -> Result<(), UplinkError<U::Error>> {
    // The device's interrupt wakes who sleeps.
    let longest_us = clock.now_us() + ECHO_US;
    asleep(pin!(uplink.send(frame)), power, longest_us, Depth::Idle, WakeMask::NONE).await
}

async fn receive<U: Uplink, P: Power>(
    uplink: &mut U,
    into: &mut [u8],
    until_us: u64,
    power: &mut P,
) -> Result<Option<usize>, UplinkError<U::Error>> {
    asleep(pin!(uplink.receive(into, until_us)), power, until_us, Depth::Idle, WakeMask::UPLINK).await
}

/// Tests an uplink at whose far end something sends each frame back as it is: a wire from TX to RX will do.
///
/// # Errors
/// The first [`Failure`].
pub async fn uplink<U: Uplink, C: Clock, P: Power>(uplink: &mut U, clock: &C, power: &mut P) -> Result<(), Failure> {
    fn device<E>(_: UplinkError<E>) -> Failure {
        Failure { promise: "the device works", found: 0 }
    }
    let room = uplink.limits().frame_bytes;
    check("a frame holds 11 bytes or more", room >= 11, room as i64)?;
    let mut into = [0; MAX_FRAME];
    let begin = clock.now_us();
    let nothing = receive(uplink, &mut into, begin + 20_000, power).await.map_err(device)?;
    check("nothing comes from nothing", nothing.is_none(), nothing.unwrap_or(0) as i64)?;
    let waited = clock.now_us() - begin;
    check("it waits as long as it is told", (20_000..20_000 + OVERSLEEP_US).contains(&waited), waited)?;

    let largest = room.min(MAX_FRAME);
    for len in [1, 2, 11, largest] {
        for fill in [0x00, 0xff, 0x5a] {
            let limits = uplink.limits();
            power.sleep_until(limits.not_before_us, Depth::Idle, WakeMask::NONE).await;
            // Zeros and ends of frames in every place.
            let mut frame = [fill; MAX_FRAME];
            frame.iter_mut().step_by(3).enumerate().for_each(|(n, byte)| *byte ^= n as u8);
            let frame = frame.get(..len).unwrap_or_default();
            send(uplink, frame, clock, power).await.map_err(device)?;
            into.fill(0xaa);
            let received = receive(uplink, &mut into, clock.now_us() + ECHO_US, power).await.map_err(device)?;
            let received = received.ok_or(Failure { promise: "what is sent comes back", found: len as i64 })?;
            check("frames keep their length", received == len, received as i64)?;
            check("frames keep their bytes", into.get(..received) == Some(frame), len as i64)?;
        }
    }
    power.sleep_until(uplink.limits().not_before_us, Depth::Idle, WakeMask::NONE).await;
    let long = [0; 2 * MAX_FRAME];
    if let Some(long) = long.get(..=uplink.limits().frame_bytes) {
        let sent = send(uplink, long, clock, power).await;
        check("too long a frame is refused", matches!(sent, Err(UplinkError::TooLong { .. })), long.len() as i64)?;
    }
    send(uplink, &[7; 11], clock, power).await.map_err(device)?;
    let mut short = [0; 10];
    let received = receive(uplink, &mut short, clock.now_us() + ECHO_US, power).await;
    let refused = matches!(received, Err(UplinkError::TooLong { bytes: 11, room: 10 }));
    check("a frame that does not fit is refused with its length", refused, 11)
}

/// Tests model slots of which the last may be erased and none need be kept. Two or more are needed.
///
/// # Errors
/// The first [`Failure`].
pub async fn slots<S: Lend>(slots: &mut S) -> Result<(), Failure> {
    fn device<E>(_: SlotError<E>) -> Failure {
        Failure { promise: "the memory works", found: 0 }
    }
    let no_slot = |result: &Result<(), SlotError<S::Error>>| matches!(result, Err(SlotError::NoSlot { .. }));
    let (count, bytes, unit) = (slots.count(), slots.slot_bytes(), slots.write_bytes());
    check("two slots or more", count >= 2, count)?;
    check("what is written at once is a power of two up to 64", unit.is_power_of_two() && unit <= 64, unit as i64)?;
    check("a slot is a multiple of what is written at once", bytes.is_multiple_of(unit) && bytes >= 256, bytes as i64)?;
    for slot in 0..count {
        check("a slot is as long as it says", slots.bytes(slot).len() == bytes, slot)?;
        check("a slot's bytes are aligned to 16", slots.bytes(slot).as_ptr().addr().is_multiple_of(16), slot)?;
    }
    check("a slot that there is not is empty", slots.bytes(count).is_empty(), count)?;

    let (last, other) = (count - 1, count - 2);
    slots.select(Selection { slot: other, trial: false }).await.map_err(device)?;
    slots.erase(last).await.map_err(device)?;
    check("erased bytes are 0xff", slots.bytes(last).iter().all(|byte| *byte == 0xff), last)?;
    let pattern: [u8; 64] = core::array::from_fn(|n| (n * 7) as u8);
    let pattern = pattern.get(..64.max(unit)).unwrap_or_default();
    slots.write(last, 0, pattern).await.map_err(device)?;
    slots.write(last, bytes - 64, pattern).await.map_err(device)?;
    check("what is written is there", slots.bytes(last).starts_with(pattern), 0)?;
    check("what is written at the end is there", slots.bytes(last).ends_with(pattern), 0)?;
    let between = slots.bytes(last).get(64..bytes - 64).unwrap_or_default();
    check("nothing else is written", between.iter().all(|byte| *byte == 0xff), 0)?;

    let beyond = slots.write(last, bytes - unit, pattern).await;
    check("no write beyond the end", unit == 64 || matches!(beyond, Err(SlotError::Beyond { .. })), 0)?;
    let nowhere = slots.write(count, 0, pattern).await;
    check("no write to a slot that there is not", no_slot(&nowhere), count)?;
    if unit > 1 {
        let odd = slots.write(last, 64 + 1, pattern).await;
        check("no unaligned write", matches!(odd, Err(SlotError::Unaligned)), unit as i64)?;
    }
    let selection = Selection { slot: last, trial: true };
    slots.select(selection).await.map_err(device)?;
    check("what is selected is told", slots.selected() == Some(selection), last)?;
    check("a selected slot is not erased", matches!(slots.erase(last).await, Err(SlotError::InUse)), last)?;
    let nowhere = slots.select(Selection { slot: count, trial: false }).await;
    check("no selection of a slot that there is not", no_slot(&nowhere), count)?;
    check("a refused selection changes nothing", slots.selected() == Some(selection), last)?;

    // While the other one is read.
    slots.select(Selection { slot: other, trial: false }).await.map_err(device)?;
    let (lent, mut rest) = slots.lend(Some(last));
    check("a lent slot is the slot", lent.len() == bytes && lent.starts_with(pattern), last)?;
    check("a lent slot is not erased", matches!(rest.erase(last).await, Err(SlotError::InUse)), last)?;
    let written = rest.write(last, 64, pattern).await;
    check("a lent slot is not written", matches!(written, Err(SlotError::InUse)), last)?;
    rest.select(selection).await.map_err(device)?;
    rest.erase(other).await.map_err(device)?;
    rest.write(other, 0, pattern).await.map_err(device)?;
    check("others are written while one is lent", rest.bytes(other).starts_with(pattern), other)?;
    check("what is lent stays", lent == rest.bytes(last) && lent.ends_with(pattern), last)?;
    drop(rest);
    let selected = slots.selected() == Some(selection) && slots.bytes(other).starts_with(pattern);
    check("what was done while one was lent is done", selected, other)?;
    let (none, mut rest) = slots.lend(None);
    check("nothing is lent without a slot", none.is_empty(), none.len() as i64)?;
    rest.erase(other).await.map_err(device)
}

/// Tests a relay, which is switched on twice, for as long as `power` and `clock` make of 20 ms; right after a reset.
///
/// # Errors
/// The first [`Failure`].
pub async fn relay<R: Relay, C: Clock, P: Power>(relay: &mut R, clock: &C, power: &mut P) -> Result<(), Failure> {
    fn device<E>(_: E) -> Failure {
        Failure { promise: "the device works", found: 0 }
    }
    check("after a reset it is off", !relay.is_on(), 1)?;
    for on in [false, true, true, false, true, false] {
        relay.set(on).map_err(device)?;
        check("it is what was set", relay.is_on() == on, on)?;
        power.sleep_until(clock.now_us() + 20_000, Depth::Stop, WakeMask::NONE).await;
        check("it stays so in sleep", relay.is_on() == on, on)?;
    }
    Ok(())
}
