//! ADXL355, register by register, over SPI.

use embassy_futures::block_on;
use embedded_hal_mock::eh1::spi::{Mock, Transaction};
use tanbo_board_api::{Burst, Fault as _, FaultKind, Mode, Sensor as _};
use tanbo_drivers::DriverError;
use tanbo_drivers::adxl355::{Adxl355, Config, Range, Rate};
use tanbo_drivers::registers::SpiRegisters;

const CONFIG: Config = Config { range: Range::G2, rate: Rate::Hz31_25, watermark: 25, wake_axes: 0b011 };

/// A write to a register.
fn write(register: u8, value: u8) -> Vec<Transaction<u8>> {
    vec![
        Transaction::transaction_start(),
        Transaction::write_vec(vec![register << 1, value]),
        Transaction::transaction_end(),
    ]
}

/// A read from a register on.
fn read(register: u8, bytes: &[u8]) -> Vec<Transaction<u8>> {
    vec![
        Transaction::transaction_start(),
        Transaction::write_vec(vec![register << 1 | 1]),
        Transaction::read_vec(bytes.to_vec()),
        Transaction::transaction_end(),
    ]
}

/// Found and reset.
fn found() -> Vec<Transaction<u8>> {
    [read(0x00, &[0xad, 0x1d, 0xed]), write(0x2f, 0x52)].concat()
}

/// On, measuring.
fn on() -> Vec<Transaction<u8>> {
    let settings = [(0x2d, 3), (0x2c, 1), (0x28, 7), (0x29, 75), (0x2a, 0b0010), (0x24, 0)];
    let mut all: Vec<_> = settings.iter().flat_map(|(register, value)| write(*register, *value)).collect();
    // What the FIFO held.
    (0..4).for_each(|_| all.extend(read(0x11, &[0; 72])));
    [all, read(0x04, &[0]), write(0x2d, 2)].concat()
}

/// A FIFO entry of `steps`.
fn entry(steps: i32, x: bool) -> [u8; 3] {
    let [high, middle, low, _] = (steps << 12).to_be_bytes();
    [high, middle, low | u8::from(x)]
}

type Chip = Adxl355<SpiRegisters<Mock<u8>>>;

fn chip(expected: &[Vec<Transaction<u8>>]) -> (Mock<u8>, Result<Chip, DriverError>) {
    let bus = Mock::new(&expected.concat());
    (bus.clone(), block_on(Adxl355::new(SpiRegisters(bus), CONFIG)))
}

#[test]
fn readings_come_in_mgal_oldest_first() {
    // 1 g, the extremes, halves and zero.
    let readings = [[256_000, -256_000, 0], [524_287, -524_288, 1], [-1, 128, -128]];
    let fifo: Vec<u8> =
        readings.iter().flatten().enumerate().flat_map(|(n, steps)| entry(*steps, n % 3 == 0)).collect();
    // 11 entries: of the last reading two axes are still to come.
    let burst = [read(0x04, &[1]), read(0x05, &[10]), read(0x11, &fifo)].concat();
    let (mut bus, chip) = chip(&[found(), on(), burst]);
    let mut chip = chip.expect("the chip");
    assert_eq!(chip.format().period_ns, 32_000_000);
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 96];
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst { readings: 3, lost: false }));
    // steps · 980665 / 256000, halves up.
    let expected = [980_665, -980_665, 0, 2_008_398, -2_008_402, 4, -4, 490, -490];
    assert_eq!(into.get(..9), Some(&expected[..]));
    let format = chip.format();
    assert!(format.channels.iter().all(|channel| (channel.min, channel.max) == (-2_008_402, 2_008_398)));
    bus.done();
}

#[test]
fn after_an_overrun_readings_begin_with_their_x() {
    let mut fifo = [entry(9, false), entry(9, false)].concat();
    fifo.extend([entry(256_000, true), entry(0, false), entry(0, false), entry(1, true)].concat());
    let burst = [read(0x04, &[0b101]), read(0x05, &[6]), read(0x11, &fifo)].concat();
    let (mut bus, chip) = chip(&[found(), on(), burst]);
    let mut chip = chip.expect("the chip");
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 6];
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst { readings: 1, lost: true }));
    assert_eq!(into.get(..3), Some(&[980_665, 0, 0][..]));
    bus.done();
}

#[test]
fn a_full_fifo_is_read_in_pieces_and_a_small_room_leaves_the_rest() {
    let chunk: Vec<u8> = (0..24).flat_map(|n| entry(n * 256_000 / 24, n % 3 == 0)).collect();
    let mut burst = [read(0x04, &[0b110]), read(0x05, &[96])].concat();
    (0..4).for_each(|_| burst.extend(read(0x11, &chunk)));
    let rest = [read(0x04, &[0]), read(0x05, &[96]), read(0x11, &chunk[..18])].concat();
    let (mut bus, chip) = chip(&[found(), on(), burst, rest]);
    let mut chip = chip.expect("the chip");
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    assert_eq!(block_on(chip.read(&mut [0; 128])), Ok(Burst { readings: 32, lost: true }));
    assert_eq!(block_on(chip.read(&mut [0; 8])), Ok(Burst { readings: 2, lost: false }));
    // No room, no bus.
    assert_eq!(block_on(chip.read(&mut [0; 2])), Ok(Burst::default()));
    bus.done();
}

#[test]
fn wake_has_its_threshold_in_steps_of_eight() {
    // 100 gal = 26104.7… steps; 3263 eights, 0x0cbf.
    let settings =
        [(0x2d, 3), (0x2c, 1), (0x28, 7), (0x29, 75), (0x2a, 0b1000), (0x25, 0x0c), (0x26, 0xbf), (0x27, 4), (0x24, 3)];
    let mut wake: Vec<_> = settings.iter().flat_map(|(register, value)| write(*register, *value)).collect();
    (0..4).for_each(|_| wake.extend(read(0x11, &[0; 72])));
    let wake = [wake, read(0x04, &[0]), write(0x2d, 2)].concat();
    let (mut bus, chip) = chip(&[found(), wake, write(0x2d, 3)]);
    let mut chip = chip.expect("the chip");
    block_on(chip.set_mode(Mode::Wake { threshold: 100_000, readings: 4 })).expect("wake");
    for (threshold, readings) in [(i32::MAX, 1), (0, 1), (-1, 1), (100_000, 0), (2_100_000, 1)] {
        let set = block_on(chip.set_mode(Mode::Wake { threshold, readings }));
        assert_eq!(set.map_err(|error| error.kind()), Err(FaultKind::Range), "{threshold}");
    }
    block_on(chip.set_mode(Mode::Off)).expect("off");
    assert_eq!(block_on(chip.read(&mut [0; 9])), Ok(Burst::default()));
    bus.done();
}

#[test]
fn another_chip_is_refused_by_name() {
    let (mut bus, chip) = chip(&[read(0x00, &[0xad, 0x1d, 0xf2])]);
    assert_eq!(chip.map(|_| ()), Err(DriverError::Identity { expected: 0xad_1ded, found: 0xad_1df2 }));
    bus.done();
    let config = Config { watermark: 33, ..CONFIG };
    let mut unused = Mock::new(&[]);
    assert_eq!(block_on(Adxl355::new(SpiRegisters(unused.clone()), config)).map(|_| ()), Err(DriverError::Range));
    unused.done();
}

#[test]
fn an_axis_out_of_turn_is_no_reading() {
    let fifo = [entry(1, true), entry(2, true), entry(3, false)].concat();
    let (mut bus, chip) = chip(&[found(), on(), read(0x04, &[1]), read(0x05, &[3]), read(0x11, &fifo)]);
    let mut chip = chip.expect("the chip");
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    assert_eq!(block_on(chip.read(&mut [0; 9])), Err(DriverError::Corrupt));
    bus.done();
}
