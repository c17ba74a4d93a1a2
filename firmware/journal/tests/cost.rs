//! Which is cheaper, checkpoints or computing again.

use tanbo_journal::cost::{Decision, EEPROM, FRAM, FRAM_SPI, Inference, Keep, Supply};

const MHZ: f64 = 64.0;

/// An inference of 100 ms whose ten checkpoints take 1 ms each over SPI.
const LONG: Inference<'static> = Inference {
    instructions: 6_400_000,
    begin: Keep { instructions: 10_000, bytes: 500, writes: 8 },
    end: Keep { instructions: 1_000, bytes: 20, writes: 1 },
    checkpoints: &[(10, Keep { instructions: 100_000, bytes: 10_000, writes: 200 })],
};

fn supply(on_us: f64) -> Supply {
    Supply { on_us, start_us: 2_000.0, run_ua: 3_300.0 }
}

/// The seismic network on a Cortex-M4, as `cargo xtask journal models/zoo/seismic/seismic.tnb` measures it.
const SEISMIC: Inference<'static> = Inference {
    instructions: 39_781,
    begin: Keep { instructions: 8_384, bytes: 51, writes: 2 },
    end: Keep { instructions: 6_711, bytes: 37, writes: 2 },
    checkpoints: &[(2, Keep { instructions: 23_825, bytes: 120, writes: 2 })],
};

#[test]
fn the_seismic_node_computes_again() {
    for memory in [&FRAM_SPI, &FRAM, &EEPROM] {
        for on_ms in [1, 2, 5, 10, 100, 1_000, 3_600_000] {
            let (decision, _) = SEISMIC.decide(MHZ, memory, &supply(f64::from(on_ms) * 1e3));
            assert_eq!(decision, Decision::Again, "{}, {on_ms} ms", memory.name);
        }
    }
}

#[test]
fn rare_cuts_are_computed_again_and_frequent_ones_are_not() {
    let decided = [20e3, 50e3, 100e3, 1e7, 1e9].map(|on_us| LONG.decide(MHZ, &FRAM_SPI, &supply(on_us)).0);
    let kept = Decision::Checkpoints(10);
    assert_eq!(decided, [kept, kept, kept, Decision::Again, Decision::Again]);
    let none = Inference { checkpoints: &[], ..LONG };
    assert_eq!(none.decide(MHZ, &FRAM_SPI, &supply(20e3)).0, Decision::Again);
}

#[test]
fn charge_rises_with_cuts_and_with_the_memorys_time() {
    let charges = [1e9, 1e7, 1e6, 1e5].map(|on_us| LONG.decide(MHZ, &FRAM, &supply(on_us)).1);
    // The work alone is 330 uC.
    assert!(charges.is_sorted() && charges[0] > 3_300.0 * 0.1, "{charges:?}");
    let of = |memory| LONG.decide(MHZ, memory, &supply(1e6)).1;
    assert!(of(&EEPROM) > of(&FRAM) && of(&FRAM) > of(&FRAM_SPI));
}

#[test]
fn instructions_of_checkpoints_count() {
    let [(count, all)] = *LONG.checkpoints else { panic!("one distance") };
    // Checkpoints that compute as long as they save.
    let slow = [(count, Keep { instructions: 60_000_000, ..all })];
    assert_eq!(Inference { checkpoints: &slow, ..LONG }.decide(MHZ, &FRAM_SPI, &supply(50e3)).0, Decision::Again);
}

#[test]
fn bytes_and_pages_take_the_times_of_the_datasheets() {
    // 64 bytes and 3 of addressing, nine clocks of 1 µs each.
    assert_eq!(FRAM.write_us(64, 1), 603.0);
    assert_eq!(EEPROM.write_us(128, 2), 2.0 * (603.0 + 5_000.0));
    assert_eq!(FRAM.read_us(1_000), 9_000.0);
}
