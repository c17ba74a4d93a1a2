//! ADXL362, register by register.

use embassy_futures::block_on;
use embedded_hal_mock::eh1::spi::{Mock, Transaction};
use tanbo_board_api::{Burst, Mode, Sensor as _};
use tanbo_drivers::DriverError;
use tanbo_drivers::adxl362::{Adxl362, Config, Range, Rate};

const CONFIG: Config = Config { range: Range::G2, rate: Rate::Hz100, watermark: 100, wake_at_6hz: true };

fn write(register: u8, value: u8) -> Vec<Transaction<u8>> {
    vec![
        Transaction::transaction_start(),
        Transaction::write_vec(vec![0x0a, register, value]),
        Transaction::transaction_end(),
    ]
}

fn reply(command: &[u8], bytes: &[u8]) -> Vec<Transaction<u8>> {
    vec![
        Transaction::transaction_start(),
        Transaction::write_vec(command.to_vec()),
        Transaction::read_vec(bytes.to_vec()),
        Transaction::transaction_end(),
    ]
}

fn found() -> Vec<Transaction<u8>> {
    [reply(&[0x0b, 0x00], &[0xad, 0x1d, 0xf2]), write(0x1f, 0x52)].concat()
}

fn writes(settings: &[(u8, u8)]) -> Vec<Transaction<u8>> {
    settings.iter().flat_map(|(register, value)| write(*register, *value)).collect()
}

fn on() -> Vec<Transaction<u8>> {
    // 300 entries: 44 and the ninth bit.
    writes(&[(0x2d, 0), (0x28, 0), (0x2c, 0x13), (0x29, 44), (0x28, 0b1010), (0x27, 0), (0x2a, 4), (0x2d, 2)])
}

/// A FIFO entry: axis, sign twice, 12 bits.
fn entry(axis: u16, steps: i16) -> [u8; 2] {
    (axis << 14 | steps.cast_unsigned() & 0x3fff).to_le_bytes()
}

fn chip(expected: &[Vec<Transaction<u8>>]) -> (Mock<u8>, Adxl362<Mock<u8>>) {
    let bus = Mock::new(&expected.concat());
    (bus.clone(), block_on(Adxl362::new(bus, CONFIG)).expect("the chip"))
}

#[test]
fn readings_come_in_mgal_oldest_first() {
    let fifo = [entry(0, 1000), entry(1, -1000), entry(2, 0), entry(0, 2047), entry(1, -2048), entry(2, 1)].concat();
    let burst = [reply(&[0x0b, 0x0b], &[0x41, 8, 0]), reply(&[0x0d], &fifo)].concat();
    let (mut bus, mut chip) = chip(&[found(), on(), burst]);
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    assert_eq!((chip.format().period_ns, chip.format().fifo_readings), (10_000_000, 170));
    let mut into = [0; 510];
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst { readings: 2, lost: false }));
    assert_eq!(into.get(..6), Some(&[980_665, -980_665, 0, 2_007_421, -2_008_402, 981][..]));
    bus.done();
}

#[test]
fn after_an_overrun_readings_begin_with_their_x() {
    // A full FIFO holds 170 readings and two axes more.
    let fifo: Vec<u8> = (0..512).flat_map(|n| entry((n + 1) % 3, n as i16)).collect();
    let mut burst = reply(&[0x0b, 0x0b], &[0x4d, 0, 2]);
    // 510 entries, 24 at a time.
    fifo[..1020].chunks(48).for_each(|chunk| burst.extend(reply(&[0x0d], chunk)));
    let (mut bus, mut chip) = chip(&[found(), on(), burst]);
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 510];
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst { readings: 169, lost: true }));
    // Entry 2 is the first X.
    assert_eq!(into.get(..3), Some(&[1_961, 2_942, 3_923][..]));
    bus.done();
}

#[test]
fn wake_compares_with_what_was_and_sleeps_at_6_hz() {
    // 20 gal = 20.39 mg.
    let wake = [
        (0x2d, 0),
        (0x28, 0),
        (0x2c, 0x13),
        (0x29, 44),
        (0x28, 0b1010),
        (0x20, 20),
        (0x21, 0),
        (0x22, 3),
        (0x27, 0b11),
        (0x2a, 1 << 4),
        (0x2d, 0b1010),
    ];
    let (mut bus, mut chip) = chip(&[found(), writes(&wake), writes(&[(0x2d, 0), (0x28, 0)])]);
    block_on(chip.set_mode(Mode::Wake { threshold: 20_000, readings: 3 })).expect("wake");
    assert_eq!(chip.format().period_ns, 166_666_667);
    // 2047 steps are the most; 0.4 mg are none.
    for threshold in [2_010_000, 400, -20_000, i32::MAX, i32::MIN] {
        assert_eq!(block_on(chip.set_mode(Mode::Wake { threshold, readings: 3 })), Err(DriverError::Range));
    }
    block_on(chip.set_mode(Mode::Off)).expect("off");
    assert_eq!(block_on(chip.read(&mut [0; 3])), Ok(Burst::default()));
    bus.done();
}

#[test]
fn another_chip_is_refused_by_name() {
    let mut bus = Mock::new(&reply(&[0x0b, 0x00], &[0, 0, 0]));
    let chip = block_on(Adxl362::new(bus.clone(), CONFIG));
    assert_eq!(chip.map(|_| ()), Err(DriverError::Identity { expected: 0xad_1df2, found: 0 }));
    bus.done();
}
