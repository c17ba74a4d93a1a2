//! MS5837, with the worked examples of its datasheets.

use embassy_futures::block_on;
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use tanbo_board_api::{Burst, Mode, Sensor as _};
use tanbo_drivers::DriverError;
use tanbo_drivers::ms5837::{ADDRESS, Calibration, Model, Ms5837};

/// Datasheet of the 30BA, figure "Pressure and temperature calculation".
const BA30: Calibration = Calibration([34982, 36352, 20328, 22354, 26646, 26146]);
/// The same of the 02BA.
const BA02: Calibration = Calibration([46372, 43981, 29059, 27842, 31553, 28165]);

#[test]
fn worked_examples_of_the_datasheets() {
    assert_eq!(BA30.compensate(Model::Ba30, 4_958_179, 6_815_414), [39_998, 1_981]);
    assert_eq!(BA02.compensate(Model::Ba02, 6_465_444, 8_077_636), [110_002, 2_000]);
}

/// Second order, against the formulas in exact integers (Python).
#[test]
fn second_order_below_and_above_20_degrees() {
    let cases = include_str!("data/ms5837.txt");
    let mut count = 0;
    for line in cases.lines().filter(|line| !line.starts_with('#')) {
        let numbers: Vec<i64> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [model, d1, d2, pressure, temperature] = numbers[..] else { panic!("{line}") };
        let (calibration, model) = if model == 30 { (BA30, Model::Ba30) } else { (BA02, Model::Ba02) };
        let found = calibration.compensate(model, d1 as u32, d2 as u32).map(i64::from);
        assert_eq!(found, [pressure, temperature], "{line}");
        count += 1;
    }
    assert_eq!(count, 24);
}

fn prom(words: [u16; 7]) -> Vec<Transaction> {
    let reset = Transaction::write(ADDRESS, vec![0x1e]);
    let words = words
        .iter()
        .zip(0..)
        .map(|(word, n)| Transaction::write_read(ADDRESS, vec![0xa0 + 2 * n], word.to_be_bytes().to_vec()));
    core::iter::once(reset).chain(words).collect()
}

fn conversion(command: u8, value: [u8; 3]) -> [Transaction; 2] {
    [Transaction::write(ADDRESS, vec![command]), Transaction::write_read(ADDRESS, vec![0x00], value.to_vec())]
}

/// The example's words with the checksum that `tests/data/ms5837.py` finds for them.
const PROM: [u16; 7] = [0x8000, 46372, 43981, 29059, 27842, 31553, 28165];

#[test]
fn a_reading_is_two_conversions() {
    let mut expected = prom(PROM);
    expected.extend(conversion(0x4a, [0x62, 0xa7, 0xa4]));
    expected.extend(conversion(0x5a, [0x7b, 0x41, 0x44]));
    let mut bus = Mock::new(&expected);
    let mut chip = block_on(Ms5837::new(bus.clone(), NoopDelay::new(), Model::Ba02)).expect("the chip");
    let mut into = [0; 2];
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst::default()));
    assert_eq!(block_on(chip.set_mode(Mode::Wake { threshold: 1, readings: 1 })), Err(DriverError::Unsupported));
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst { readings: 1, lost: false }));
    assert_eq!(into, [110_002, 2_000]);
    bus.done();
}

#[test]
fn a_wrong_prom_is_refused_and_so_is_a_conversion_that_is_not_done() {
    for bit in 0..112 {
        let mut words = PROM;
        words[bit / 16] ^= 1 << (bit % 16);
        assert_eq!(Calibration::read(words), Err(DriverError::Corrupt), "bit {bit}");
    }
    assert_eq!(Calibration::read(PROM), Ok(BA02));
    let mut expected = prom(PROM);
    expected.extend(conversion(0x4a, [0; 3]));
    let mut bus = Mock::new(&expected);
    let mut chip = block_on(Ms5837::new(bus.clone(), NoopDelay::new(), Model::Ba02)).expect("the chip");
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    assert_eq!(block_on(chip.read(&mut [0; 2])), Err(DriverError::Timeout));
    bus.done();
}
