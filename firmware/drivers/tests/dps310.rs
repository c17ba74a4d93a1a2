//! DPS310, register by register, and its arithmetic against exact fractions.

use embassy_futures::block_on;
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use tanbo_board_api::{Burst, Mode, Sensor as _};
use tanbo_drivers::DriverError;
use tanbo_drivers::dps310::{ADDRESS, Coefficients, Config, Dps310, Oversampling};
use tanbo_drivers::registers::I2cRegisters;

const OVERSAMPLINGS: [Oversampling; 8] = [
    Oversampling::X1,
    Oversampling::X2,
    Oversampling::X4,
    Oversampling::X8,
    Oversampling::X16,
    Oversampling::X32,
    Oversampling::X64,
    Oversampling::X128,
];

/// `data/dps310.py` makes the cases with fractions.
#[test]
fn compensation_is_the_exact_polynomial_rounded() {
    let mut count = 0;
    for line in include_str!("data/dps310.txt").lines() {
        let [bytes, code, raw_pressure, raw_temperature, pressure, temperature] =
            line.split(' ').collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let number = |text: &str| text.parse::<i32>().expect("a number");
        let bytes = core::array::from_fn(|n| u8::from_str_radix(&bytes[2 * n..2 * n + 2], 16).expect("hex"));
        let found = Coefficients::read(bytes).compensate(
            OVERSAMPLINGS[number(code) as usize],
            number(raw_pressure),
            number(raw_temperature),
        );
        assert_eq!(found, Ok([number(pressure), number(temperature)]), "{line}");
        count += 1;
    }
    assert_eq!(count, 200);
    let coefficients = Coefficients::read([0x55; 18]);
    assert_eq!(coefficients.compensate(Oversampling::X1, 1 << 20, 0), Err(DriverError::Corrupt));
    assert_eq!(coefficients.compensate(Oversampling::X1, 0, -(1 << 20)), Err(DriverError::Corrupt));
}

/// Coefficients of a chip, the raw values 0 of which are 101325 Pa and 25 °C: c00 = 101325, c0 = 50.
const COEF: [u8; 18] = [0x03, 0x20, 0x00, 0x18, 0xbc, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn read(register: u8, bytes: &[u8]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![register], bytes.to_vec())
}

fn write(register: u8, value: u8) -> Transaction {
    Transaction::write(ADDRESS, vec![register, value])
}

fn found() -> Vec<Transaction> {
    let mut all = vec![write(0x0c, 0x09)];
    // Not ready at the first look.
    all.extend([read(0x08, &[0x40]), read(0x08, &[0xc0])]);
    all.extend([write(0x0e, 0xa5), write(0x0f, 0x96), write(0x62, 0x02), write(0x0e, 0), write(0x0f, 0)]);
    all.extend([read(0x10, &COEF), read(0x28, &[0x80])]);
    all
}

type Chip = Dps310<I2cRegisters<Mock>, NoopDelay>;

fn chip(config: Config, then: &[Transaction]) -> (Mock, Chip) {
    let bus = Mock::new(&[found(), then.to_vec()].concat());
    let registers = I2cRegisters::new(bus.clone(), ADDRESS);
    (bus, block_on(Dps310::new(registers, NoopDelay::new(), config)).expect("the chip"))
}

#[test]
fn on_demand_temperature_comes_first() {
    let config = Config { oversampling: Oversampling::X16, rate_hz: None };
    let (mut bus, mut chip) = chip(
        config,
        &[
            read(0x08, &[0xf7]),
            write(0x08, 0xf0),
            write(0x06, 0x04),
            write(0x07, 0x84),
            write(0x09, 0x0c),
            read(0x08, &[0xc0]),
            write(0x08, 0xc2),
            read(0x08, &[0xe0]),
            read(0x03, &[0, 0, 0]),
            read(0x08, &[0xc0]),
            write(0x08, 0xc1),
            read(0x08, &[0xd0]),
            read(0x00, &[0, 0, 0]),
            read(0x08, &[0xc0]),
            write(0x08, 0xc0),
        ],
    );
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 2];
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst { readings: 1, lost: false }));
    assert_eq!(into, [10_132_500, 25_000]);
    assert_eq!(block_on(chip.read(&mut into[..1])), Ok(Burst::default()));
    assert_eq!(block_on(chip.set_mode(Mode::Wake { threshold: 1, readings: 1 })), Err(DriverError::Unsupported));
    block_on(chip.set_mode(Mode::Off)).expect("off");
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst::default()));
    bus.done();
}

#[test]
fn the_fifo_is_sorted_by_what_each_result_says_it_is() {
    let config = Config { oversampling: Oversampling::X1, rate_hz: Some(8) };
    let (pressure, temperature) = ([0, 0, 1], [0, 0, 0]);
    let results = [pressure, temperature, pressure, temperature, temperature, pressure, [0x80, 0, 0]];
    let mut then = vec![
        read(0x08, &[0xc0]),
        write(0x08, 0xc0),
        write(0x06, 0x30),
        write(0x07, 0xb0),
        write(0x09, 0x42),
        write(0x0c, 0x80),
        read(0x08, &[0xc0]),
        write(0x08, 0xc7),
        read(0x0b, &[0x02]),
    ];
    then.extend(results.map(|result| read(0x00, &result)));
    let (mut bus, mut chip) = chip(config, &then);
    assert_eq!((chip.format().period_ns, chip.format().fifo_readings), (125_000_000, 16));
    block_on(chip.set_mode(Mode::Measure)).expect("on");
    let mut into = [0; 64];
    // The first pressure has no temperature yet.
    assert_eq!(block_on(chip.read(&mut into)), Ok(Burst { readings: 2, lost: true }));
    assert_eq!(into.get(..4), Some(&[10_132_500, 25_000, 10_132_500, 25_000][..]));
    bus.done();
}

#[test]
fn refusals() {
    let new = |config, then: &[Transaction]| {
        let mut bus = Mock::new(then);
        let chip = block_on(Dps310::new(I2cRegisters::new(bus.clone(), ADDRESS), NoopDelay::new(), config));
        bus.done();
        chip.map(|_| ())
    };
    let config = Config { oversampling: Oversampling::X1, rate_hz: None };
    let (mut bus, mut found) = chip(config, &[read(0x0d, &[0x10]), read(0x0d, &[0x58])]);
    assert_eq!(block_on(found.identify()), Ok(()));
    assert_eq!(block_on(found.identify()), Err(DriverError::Identity { expected: 0x10, found: 0x58 }));
    bus.done();
    // 2 · 16 · 53.2 ms are more than a second.
    let fast = Config { oversampling: Oversampling::X32, rate_hz: Some(16) };
    assert_eq!(new(fast, &[]), Err(DriverError::Range));
    assert_eq!(new(Config { rate_hz: Some(3), ..config }, &[]), Err(DriverError::Range));
    let mut never = vec![write(0x0c, 0x09)];
    never.extend((0..5).map(|_| read(0x08, &[0x00])));
    assert_eq!(new(config, &never), Err(DriverError::Timeout));
}
