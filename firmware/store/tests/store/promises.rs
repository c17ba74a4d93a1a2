//! What the store refuses, and what it keeps in order.

use embassy_futures::block_on;
use tanbo_store::{FAULTS, Fault, RECORD_BYTES, SETTINGS, Store, StoreError};
use tanbo_wire::{Counter, v1::Ack};

use tanbo_board_api::sim::SimFlash;

type Flash = SimFlash<4, 4096>;
const RANGE: core::ops::Range<u32> = 0..3 * 4096;

fn open() -> Store<Flash, 4> {
    block_on(Store::open(Flash::new(3), RANGE)).expect("a store")
}

#[test]
fn events_wait_until_they_are_acknowledged() {
    let mut store = open();
    for number in [7, 8, 9, 12] {
        block_on(store.push(number, &[number as u8; RECORD_BYTES])).expect("room");
    }
    assert_eq!(block_on(store.push(13, b"one more")), Err(StoreError::Full));
    let mut short = [0; 5];
    assert_eq!(block_on(store.event(9, &mut short)), Err(StoreError::TooLong { bytes: RECORD_BYTES }));
    assert_eq!(block_on(store.event(10, &mut short)), Ok(None));
    // 9, 8 and 6; what is not known is passed over.
    assert_eq!(block_on(store.acknowledge(Ack { highest: 9, earlier: 0b101 })), Ok(2));
    assert_eq!(block_on(store.acknowledge(Ack { highest: 9, earlier: 0b101 })), Ok(0));
    block_on(store.push(13, b"")).expect("room");
    let mut waiting: Vec<u32> = store.waiting().collect();
    waiting.sort_unstable();
    assert_eq!(waiting, [7, 12, 13]);
    assert_eq!(block_on(store.event(13, &mut short)), Ok(Some(0)));
    assert_eq!(block_on(store.push(14, &[0; RECORD_BYTES + 1])), Err(StoreError::TooLong { bytes: RECORD_BYTES + 1 }));
}

#[test]
fn a_counter_goes_on_above_its_ceiling_after_a_reset() {
    let mut store = open();
    let mut counter = Counter::resume(store.ceiling());
    counter.reserved(block_on(store.reserve(100)).expect("stored"));
    assert_eq!((counter.take(), counter.take()), (Some(0), Some(1)));
    let mut store = block_on(Store::<Flash, 4>::open(store.release(), RANGE)).expect("a store");
    assert_eq!((store.starts(), Counter::resume(store.ceiling()).next()), (2, 100));
    assert_eq!(block_on(store.reserve(u32::MAX)), Err(StoreError::NumbersUsedUp));
    assert_eq!(store.ceiling(), 100);
}

#[test]
fn settings_and_faults() {
    let mut store = open();
    assert_eq!(block_on(store.setting(3)), Ok(None));
    block_on(store.set(3, -5)).expect("stored");
    assert_eq!(block_on(store.setting(3)), Ok(Some(-5)));
    assert_eq!(block_on(store.set(SETTINGS, 1)), Err(StoreError::NoSetting { key: SETTINGS }));
    assert_eq!(block_on(store.setting(SETTINGS)), Err(StoreError::NoSetting { key: SETTINGS }));

    assert_eq!(block_on(store.past_fault(0)), Ok(None));
    let fault = |n| Fault { start: n / 3, uptime_s: n, kind: 1, code: n as u8, detail: !n };
    for n in 0..FAULTS as u32 + 3 {
        block_on(store.fault(fault(n))).expect("stored");
    }
    let mut store = block_on(Store::<Flash, 4>::open(store.release(), RANGE)).expect("a store");
    for age in 0..FAULTS as u32 {
        assert_eq!(block_on(store.past_fault(age)), Ok(Some(fault(FAULTS as u32 + 2 - age))));
    }
    assert_eq!(block_on(store.past_fault(FAULTS as u32)), Ok(None));
}

#[test]
fn ranges_that_cannot_hold_everything_are_refused() {
    let open = |range| block_on(Store::<Flash, 4>::open(Flash::new(3), range)).map(|_| ());
    for range in [0..4096, 0..4097, 4..8192, 0..0] {
        assert!(matches!(open(range.clone()), Err(StoreError::Geometry { .. })), "{range:?}");
    }
    assert_eq!(open(0..8192), Ok(()));
    let many = block_on(Store::<Flash, 200>::open(Flash::new(3), RANGE)).map(|_| ());
    assert!(matches!(many, Err(StoreError::Geometry { .. })), "{many:?}");
}

#[test]
fn what_no_store_wrote_is_refused_and_can_be_formatted() {
    // A store with more places for events.
    let mut large = block_on(Store::<Flash, 8>::open(Flash::new(3), RANGE)).expect("a store");
    for number in 0..8 {
        block_on(large.push(number, b"event")).expect("room");
    }
    let flash = large.release();
    assert_eq!(block_on(Store::<Flash, 4>::open(flash.clone(), RANGE)).map(|_| ()), Err(StoreError::Corrupt));
    let store = block_on(Store::<Flash, 4>::format(flash, RANGE)).expect("a store");
    assert_eq!((store.waiting().count(), store.starts(), store.ceiling()), (0, 1, 0));
}

/// Everything at its most, round and round: the check of the range leaves enough.
#[test]
fn a_full_store_goes_on() {
    let mut store = block_on(Store::<SimFlash<8, 2048>, 8>::open(SimFlash::new(3), 0..3 * 2048)).expect("a store");
    for key in 0..SETTINGS {
        block_on(store.set(key, i32::from(key))).expect("room");
    }
    for n in 0..FAULTS as u32 {
        block_on(store.fault(Fault { start: n, uptime_s: 0, kind: 0, code: 0, detail: 0 })).expect("room");
    }
    for number in 0..2000 {
        block_on(store.push(number, &[1; RECORD_BYTES])).expect("room");
        if number >= 7 {
            block_on(store.acknowledge(Ack { highest: number - 7, earlier: 0 })).expect("room");
        }
    }
    assert_eq!(block_on(store.setting(SETTINGS - 1)), Ok(Some(i32::from(SETTINGS) - 1)));
    assert_eq!(store.waiting().count(), 7);
}
