//! Which is cheaper, checkpoints or computing again.

use tanbo_journal::cost::{Candidate, EEPROM, FRAM, Segment, Supply, choose};

/// An inference of 100 ms, kept as a whole, or in tenths for 1 ms each.
fn candidates() -> [Candidate<'static>; 2] {
    const WHOLE: [Segment; 1] = [Segment { work_us: 100_000.0, write_us: 1_000.0 }];
    const TENTHS: [Segment; 10] = [Segment { work_us: 10_000.0, write_us: 1_000.0 }; 10];
    [
        Candidate { every_us: None, segments: &WHOLE, resume_us: 1_000.0 },
        Candidate { every_us: Some(10_000), segments: &TENTHS, resume_us: 2_000.0 },
    ]
}

fn chosen(on_us: f64) -> Option<u32> {
    let supply = Supply { on_us, start_us: 1_000.0, run_ua: 3_300.0 };
    choose(&candidates(), &FRAM, &supply).expect("a candidate").0.every_us
}

#[test]
fn rare_cuts_are_computed_again_and_frequent_ones_are_not() {
    let longest = [20_000.0, 50_000.0, 100_000.0, 1e6, 1e7, 1e9].map(chosen);
    assert_eq!(longest, [Some(10_000), Some(10_000), Some(10_000), None, None, None]);
    assert!(choose(&[], &FRAM, &Supply { on_us: 1.0, start_us: 0.0, run_ua: 1.0 }).is_none());
}

#[test]
fn charge_rises_with_cuts_and_with_the_memorys_current() {
    let [whole, tenths] = candidates();
    let supply = |on_us| Supply { on_us, start_us: 1_000.0, run_ua: 3_300.0 };
    for candidate in [whole, tenths] {
        let charges = [1e9, 1e7, 1e6, 1e5].map(|on_us| candidate.charge_uc(&FRAM, &supply(on_us)));
        assert!(charges.is_sorted() && charges[0] > 3_300.0 * 0.1);
        assert!(candidate.charge_uc(&EEPROM, &supply(1e6)) > candidate.charge_uc(&FRAM, &supply(1e6)));
    }
}

#[test]
fn bytes_and_pages_take_the_times_of_the_datasheets() {
    // 64 bytes and 3 of addressing, nine clocks of 1 µs each.
    assert_eq!(FRAM.write_us(64, 1), 603.0);
    assert_eq!(EEPROM.write_us(128, 2), 2.0 * (603.0 + 5_000.0));
    assert_eq!(FRAM.read_us(1_000), 9_000.0);
}
