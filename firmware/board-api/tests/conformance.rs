//! The simulated board keeps what the traits promise, and the conformance tests see where one does not.

use std::future::{Future as _, poll_fn};
use std::pin::pin;

use embassy_futures::block_on;
use tanbo_board_api::sim::{
    ACCELEROMETER, BAROMETER, Down, FaultPlan, Faulty, Measured, Radio, Replay, SimClock, SimPower, SimRelay,
    SimUplink, World, echo,
};
use tanbo_board_api::wait::asleep;
use tanbo_board_api::*;

/// Ten seconds of three axes.
fn acceleration() -> Vec<i32> {
    (0..1000).flat_map(|n| [n % 7 - 3, n % 11, 981_000 + n % 5]).collect()
}

#[test]
fn clock() {
    let world = World::new(17);
    let (mut clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
    assert_eq!(block_on(conformance::clock(&mut clock, &mut power)), Ok(()));
}

#[test]
fn power() {
    let world = World::new(0);
    let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
    assert_eq!(block_on(conformance::power(&clock, &mut power)), Ok(()));
    assert!(!power.watchdog_expired());
    world.set_now_us(world.now_us() + 9_000_000);
    assert!(power.watchdog_expired());
}

#[test]
fn sensors() {
    let world = World::new(0);
    let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
    let recording = acceleration();
    let mut accelerometer = Replay::new(&world, 0, ACCELEROMETER, &recording);
    assert_eq!(block_on(conformance::sensor(&mut accelerometer, &clock, &mut power)), Ok(()));
    let mut barometer = Replay::new(&world, 0, BAROMETER, &[10_132_500, 21_500, 10_132_480, 21_400]);
    assert_eq!(block_on(conformance::sensor(&mut barometer, &clock, &mut power)), Ok(()));
}

#[test]
fn uplink() {
    let world = World::new(0);
    let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
    let mut uplink = SimUplink::new(&world, echo);
    uplink.silence_us = 3_000_000;
    uplink.airtime_us = 200_000;
    for frame_bytes in [11, 51, 242] {
        uplink.frame_bytes = frame_bytes;
        assert_eq!(block_on(conformance::uplink(&mut uplink, &clock, &mut power)), Ok(()));
    }
}

fn in_memory<const COUNT: usize, const BYTES: usize>() -> Result<(), conformance::Failure> {
    let mut memory = [SlotMemory::<BYTES>::ERASED; COUNT];
    block_on(conformance::slots(&mut MemorySlots::new(memory.each_mut().map(|slot| &mut slot.0[..]), None)))
}

#[test]
fn slots() {
    assert_eq!(in_memory::<2, 4096>(), Ok(()));
    assert_eq!(in_memory::<3, 256>(), Ok(()));
}

#[test]
fn relay() {
    let world = World::new(0);
    let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
    let mut relay = SimRelay::default();
    assert_eq!(block_on(conformance::relay(&mut relay, &clock, &mut power)), Ok(()));
    assert_eq!(relay.starts, 2);
    relay.set(true).expect("on");
    let failure = block_on(conformance::relay(&mut relay, &clock, &mut power)).map_err(|failure| failure.promise);
    assert_eq!(failure, Err("after a reset it is off"));
}

/// A sensor that breaks one promise.
struct Broken<'a> {
    inner: Replay<'a>,
    /// Returns the burst, and changes the values.
    spoil: fn(Burst, &mut [i32]) -> Burst,
    format: fn(Format) -> Format,
}

impl Sensor for Broken<'_> {
    type Error = sim::SimFault;

    fn format(&self) -> Format {
        (self.format)(self.inner.format())
    }

    async fn set_mode(&mut self, mode: Mode) -> Result<(), Self::Error> {
        self.inner.set_mode(mode).await
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, Self::Error> {
        let burst = self.inner.read(into).await?;
        Ok((self.spoil)(burst, into))
    }
}

#[test]
fn broken_promises_of_a_sensor_are_found() {
    let recording = acceleration();
    let broken = |spoil, format| {
        let world = World::new(0);
        let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
        let mut sensor = Broken { inner: Replay::new(&world, 0, ACCELEROMETER, &recording), spoil, format };
        block_on(conformance::sensor(&mut sensor, &clock, &mut power)).map_err(|failure| failure.promise)
    };
    assert_eq!(broken(|burst, _| burst, |format| format), Ok(()));
    assert_eq!(
        broken(|burst, _| Burst { readings: burst.readings + 1, ..burst }, |format| format),
        Err("off, it gives no readings")
    );
    assert_eq!(
        broken(|burst, _| burst, |format| Format { period_ns: format.period_ns * 2, ..format }),
        Err("readings come at the format's rate")
    );
    assert_eq!(
        broken(|burst, _| burst, |format| Format { fifo_readings: 300, ..format }),
        Err("nothing is lost where half a FIFO is read")
    );
    assert_eq!(
        broken(
            |burst, values| {
                values.fill(i32::MAX);
                burst
            },
            |format| format
        ),
        Err("a reading is in its channel's range")
    );
    assert_eq!(broken(|burst, _| burst, |format| Format { wakes: false, ..format }), Err("what cannot wake says so"));
    assert_eq!(
        broken(|burst, _| Burst { lost: burst.readings > 0, ..burst }, |format| format),
        Err("nothing is lost where half a FIFO is read")
    );
}

#[test]
fn broken_promises_of_clock_power_uplink_and_slots_are_found() {
    let world = World::new(0);
    let mut power = SimPower::new(&world);
    // A clock that stands still in sleep, and one whose time runs backwards.
    let standing = World::new(5);
    let failure = block_on(conformance::clock(&mut SimClock::new(&standing), &mut power)).map_err(|f| f.promise);
    assert_eq!(failure, Err("time goes on in sleep"));
    let failure = block_on(conformance::power(&SimClock::new(&standing), &mut power)).map_err(|f| f.promise);
    assert_eq!(failure, Err("no wake before the deadline"));
    // A line that is cut.
    let (clock, mut uplink) = (SimClock::new(&world), SimUplink::new(&world, |_: u64, _: &[u8], _: &mut Down| ()));
    let failure = block_on(conformance::uplink(&mut uplink, &clock, &mut power)).map_err(|f| f.promise);
    assert_eq!(failure, Err("what is sent comes back"));
    let failure = in_memory::<1, 256>().map_err(|f| f.promise);
    assert_eq!(failure, Err("two slots or more"));
}

#[test]
fn a_fifo_that_runs_over_loses_its_oldest_and_says_so() {
    let world = World::new(0);
    let recording = acceleration();
    let mut sensor = Replay::new(&world, 0, ACCELEROMETER, &recording);
    let mut into = [0; 600];
    block_on(sensor.set_mode(Mode::Measure)).expect("on");
    world.set_now_us(2_000_000);
    assert_eq!(block_on(sensor.read(&mut into)), Ok(Burst { readings: 96, lost: true }));
    assert_eq!(into.get(..288), recording.get(104 * 3..200 * 3));
    world.set_now_us(2_500_000);
    assert_eq!(block_on(sensor.read(&mut into)), Ok(Burst { readings: 50, lost: false }));
    assert_eq!(into.get(..150), recording.get(200 * 3..250 * 3));
    world.set_now_us(1_000_000_000);
    assert_eq!(block_on(sensor.read(&mut into[..5])), Ok(Burst { readings: 1, lost: true }));
}

#[test]
fn faults_strike_on_order() {
    let world = World::new(0);
    let recording = acceleration();
    let plan = FaultPlan { fail: &[(1, FaultKind::Bus)], lose: &[2], spike: &[3], stuck_from: Some(4) };
    let mut sensor = Faulty::new(Replay::new(&world, 0, ACCELEROMETER, &recording), plan);
    block_on(sensor.set_mode(Mode::Measure)).expect("on");
    let mut read = || {
        world.set_now_us(world.now_us() + 10_000);
        let mut into = [0; 3];
        let burst = block_on(sensor.read(&mut into)).map_err(|error| error.kind());
        (burst.map(|burst| (burst.readings, burst.lost)), into)
    };
    assert_eq!(read(), (Ok((1, false)), [-3, 0, 981_000]));
    assert_eq!(read(), (Err(FaultKind::Bus), [0; 3]));
    // The sensor has kept the reading before, and now loses it.
    assert_eq!(read().0, Ok((0, true)));
    assert_eq!(read(), (Ok((1, false)), [3_922_660, 2, 981_002]));
    assert_eq!(read(), (Ok((1, false)), [981_002; 3]));
}

#[test]
fn a_wake_comes_when_the_recording_goes_beyond_the_threshold() {
    let world = World::new(0);
    let mut recording = vec![0; 3 * 500];
    for reading in recording.chunks_exact_mut(3).skip(300).take(3) {
        reading[1] = -60_000;
    }
    let mut sensor = Replay::new(&world, 0, ACCELEROMETER, &recording);
    let set = |sensor: &mut Replay, threshold, readings| block_on(sensor.set_mode(Mode::Wake { threshold, readings }));
    set(&mut sensor, 50_000, 2).expect("set");
    assert_eq!(sensor.wakes_at_us(), Some(3_020_000));
    let mut power = SimPower::new(&world);
    let cause = block_on(power.sleep_until(5_000_000, Depth::Stop, WakeMask::SENSOR));
    assert_eq!((cause, world.now_us()), (WakeCause::Sensor, 3_020_000));
    set(&mut sensor, 50_000, 4).expect("set");
    assert_eq!(sensor.wakes_at_us(), None);
}

#[test]
fn resets_keep_what_they_should() {
    let world = World::new(0);
    let mut power = SimPower::new(&world);
    assert_eq!(power.reset_cause(), ResetCause::PowerOn);
    power.retained().fill(7);
    power.on_brownout(b"number 41").expect("room");
    let mut power = SimPower::restart(&world, power.end(ResetCause::BrownOut));
    assert_eq!(power.reset_cause(), ResetCause::BrownOut);
    assert_eq!(power.last_words(), b"number 41");
    assert_eq!(power.last_words(), b"");
    assert!(power.retained().iter().all(|byte| *byte == 7));
    let mut power = SimPower::restart(&world, power.end(ResetCause::PowerOn));
    assert!(power.retained().iter().all(|byte| *byte == 0));
}

#[test]
fn a_radio_keeps_its_share_of_the_air_and_hears_what_comes_later() {
    let world = World::new(0);
    let mut heard = Vec::new();
    let mut uplink = SimUplink::new(&world, |now_us: u64, frame: &[u8], down: &mut Down| {
        heard.push((now_us, frame.to_vec()));
        down.put(now_us + 1_000_000, b"ack");
    });
    uplink.silence_us = 60_000_000;
    assert_eq!(block_on(uplink.send(b"first")), Ok(()));
    assert_eq!(block_on(uplink.send(b"second")), Err(UplinkError::NotYet { not_before_us: 60_000_000 }));
    let mut into = [0; 8];
    let mut power = SimPower::new(&world);
    let received = block_on(async {
        let receive = pin!(uplink.receive(&mut into, 5_000_000));
        asleep(receive, &mut power, 5_000_000, Depth::Stop, WakeMask::UPLINK).await
    });
    assert_eq!((received, world.now_us(), world.radio.get()), (Ok(Some(3)), 1_000_000, Radio::Sleep));
    world.set_now_us(uplink.limits().not_before_us);
    // On the air for a second, which wakes nobody but who waits for it.
    uplink.airtime_us = 1_000_000;
    let sent = block_on(async {
        let send = pin!(uplink.send(b"second"));
        asleep(send, &mut power, 90_000_000, Depth::Idle, WakeMask::NONE).await
    });
    assert_eq!((sent, world.now_us()), (Ok(()), 61_000_000));
    drop(uplink);
    assert_eq!(heard, [(0, b"first".to_vec()), (61_000_000, b"second".to_vec())]);
}

#[test]
fn a_fifo_interrupts_when_it_is_half_full() {
    let world = World::new(0);
    let recording = acceleration();
    let (mut sensor, mut power) = (Replay::new(&world, 2, ACCELEROMETER, &recording), SimPower::new(&world));
    block_on(sensor.set_mode(Mode::Measure)).expect("on");
    assert_eq!(world.mode(2), Some(Mode::Measure));
    let mut into = [0; 600];
    for at_us in [480_000, 960_000] {
        let cause = block_on(power.sleep_until(2_000_000, Depth::Stop, WakeMask::SENSOR));
        assert_eq!((cause, world.now_us()), (WakeCause::Sensor, at_us));
        assert_eq!(block_on(sensor.read(&mut into)), Ok(Burst { readings: 48, lost: false }));
    }
    let cause = block_on(power.sleep_until(1_000_000, Depth::Stop, WakeMask::NONE));
    assert_eq!((cause, world.sleeps().count, world.sleeps().time_us), (WakeCause::Deadline, 3, 1_000_000));
}

#[test]
fn a_function_of_the_time_is_measured_when_it_is_read() {
    let world = World::new(0);
    let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
    let mut sensor = Measured::new(&world, 0, BAROMETER, |now_us, reading: &mut [i32]| {
        reading.copy_from_slice(&[10_000_000 + (now_us / 1_000_000) as i32, 20_000]);
        if now_us > 100_000_000 { Err(FaultKind::Bus) } else { Ok(()) }
    });
    assert_eq!(block_on(conformance::sensor(&mut sensor, &clock, &mut power)), Ok(()));
    world.set_now_us(100_000_000);
    block_on(sensor.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 2];
    assert_eq!(block_on(sensor.read(&mut into)), Ok(Burst { readings: 1, lost: false }));
    assert_eq!(into, [10_000_100, 20_000]);
    world.set_now_us(100_000_001);
    assert_eq!(block_on(sensor.read(&mut into)).map_err(|error| error.kind()), Err(FaultKind::Bus));
}

#[test]
fn nothing_goes_on_when_the_supply_is_cut() {
    let world = World::new(0);
    world.cut_us.set(Some(1_500));
    let mut power = SimPower::new(&world);
    let mut sleeps = pin!(async {
        loop {
            power.sleep_until(world.now_us() + 1_000, Depth::Stop, WakeMask::NONE).await;
        }
    });
    let polled: std::task::Poll<()> =
        block_on(poll_fn(|context| std::task::Poll::Ready(sleeps.as_mut().poll(context))));
    assert!(polled.is_pending() && world.is_cut() && world.now_us() == 1_500);
    world.restart();
    assert!(!world.is_cut());
}
