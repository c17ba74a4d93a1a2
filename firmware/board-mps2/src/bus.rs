//! Drivers against the devices on the board's bus.

use embassy_embedded_hal::adapter::BlockingAsync;
use tanbo_board_api::conformance::{self, Failure};
use tanbo_board_api::{Clock, Fault as _, Mode, Power, Sensor as _};
use tanbo_board_mps2::{Mps2Delay, Mps2I2c};
use tanbo_drivers::DriverError;
use tanbo_drivers::dps310::{self, Config, Dps310, Oversampling};
use tanbo_drivers::mb85rc::{FramFlash, Mb85rc, Size};
use tanbo_drivers::registers::I2cRegisters;
use tanbo_emulated::println;
use tanbo_store::{RECORD_BYTES, Store, StoreError};
use tanbo_wire::{Counter, v1::Ack};

pub fn broken(error: DriverError) -> Failure {
    println!("{}", error);
    Failure { promise: "the device works", found: error.kind() as i64 }
}

/// The DPS310: what every sensor promises, then a reading.
pub async fn barometer<C: Clock, P: Power>(
    i2c: Mps2I2c,
    delay: Mps2Delay,
    clock: &C,
    power: &mut P,
) -> Result<(), Failure> {
    let registers = I2cRegisters::new(BlockingAsync::new(i2c), dps310::ADDRESS);
    // QEMU's raw values are for this scale.
    let config = Config { oversampling: Oversampling::X1, rate_hz: None };
    let mut barometer = Dps310::new(registers, delay, config).await.map_err(broken)?;
    conformance::sensor(&mut barometer, clock, power).await?;
    barometer.set_mode(Mode::Measure).await.map_err(broken)?;
    let mut reading = [0; 2];
    barometer.read(&mut reading).await.map_err(broken)?;
    let [pressure, temperature] = reading;
    println!("{} / 100 Pa, {} / 1000 C", pressure, temperature);
    Ok(())
}

/// The TMP105, by the crate `lm75`.
pub fn thermometer(i2c: Mps2I2c) -> Result<(), Failure> {
    let mut thermometer = lm75::Lm75::new(i2c, 0x48);
    match thermometer.read_temperature() {
        Ok(celsius) => {
            println!("{} C", celsius);
            Ok(())
        }
        Err(_) => Err(Failure { promise: "the device works", found: 0 }),
    }
}

/// Bytes of the count of starts, at the end of the memory.
const COUNT_AT: u32 = (32 << 10) - 4;

/// The memory: keeps a pattern over a reset of the board, and counts starts over the emulator's end.
pub async fn memory<P: Power>(i2c: Mps2I2c, power: &mut P) -> Result<(), Failure> {
    let mut memory = Mb85rc::new(BlockingAsync::new(i2c), 0x50, Size::Kbit256).map_err(broken)?;
    let mut count = [0; 4];
    memory.read(COUNT_AT, &mut count).await.map_err(broken)?;
    // Erased or new.
    let starts = u32::from_le_bytes(count).wrapping_add(1);
    memory.write(COUNT_AT, &starts.to_le_bytes()).await.map_err(broken)?;
    println!("start {}", starts);
    let pattern = |seed: u32| -> [u8; 100] { core::array::from_fn(|n| (n as u32 * 31 + seed) as u8) };
    let mut found = [0; 100];
    if starts > 1 {
        memory.read(1234, &mut found).await.map_err(broken)?;
        if found != pattern(starts - 1) {
            return Err(Failure { promise: "memory keeps what is written", found: starts.into() });
        }
    }
    memory.write(1234, &pattern(starts)).await.map_err(broken)?;
    memory.read(1234, &mut found).await.map_err(broken)?;
    if found != pattern(starts) {
        return Err(Failure { promise: "what is written is read", found: starts.into() });
    }
    if starts % 2 == 1 {
        power.reset();
    }
    Ok(())
}

/// Events that wait at most, and numbers reserved at once.
const WAITING: usize = 4;
const BLOCK: u32 = 5;
/// Pages of the store.
const PAGES: u32 = 4;

/// Keeps events and forgets the oldest, saying before and after each step what it does: whoever kills the emulator compares that with
/// what the next start finds. Ends after a thousand.
pub async fn journal(i2c: Mps2I2c) -> Result<(), Failure> {
    let memory = Mb85rc::new(BlockingAsync::new(i2c), 0x50, Size::Kbit256).map_err(broken)?;
    kept(FramFlash(memory)).await.map_err(|error| {
        println!("{}", error);
        Failure { promise: "the store works", found: 0 }
    })
}

type Flash = FramFlash<BlockingAsync<Mps2I2c>>;

async fn kept(flash: Flash) -> Result<(), StoreError<DriverError>> {
    let record = |number: u32| -> [u8; RECORD_BYTES] { core::array::from_fn(|n| (n as u32 * 7 + number) as u8) };
    let range = 0..PAGES * Flash::PAGE as u32;
    let mut store = Store::<Flash, WAITING>::open(flash, range).await?;
    let mut waiting = [None; WAITING];
    for (to, number) in waiting.iter_mut().zip(store.waiting()) {
        *to = Some(number);
    }
    for number in waiting.into_iter().flatten() {
        let mut found = [0; RECORD_BYTES];
        let len = store.event(number, &mut found).await?;
        let whole = len == Some(RECORD_BYTES) && found == record(number);
        println!("found {} {}", number, if whole { "whole" } else { "changed" });
    }
    println!("ceiling {}", store.ceiling());
    let mut counter = Counter::resume(store.ceiling());
    for _ in 0..1000 {
        if counter.left() == 0 {
            counter.reserved(store.reserve(BLOCK).await?);
            println!("reserved {}", store.ceiling());
        }
        if store.waiting().count() == WAITING
            && let Some(highest) = store.waiting().min()
        {
            println!("forgetting {}", highest);
            store.acknowledge(Ack { highest, earlier: 0 }).await?;
            println!("forgotten {}", highest);
        }
        let Some(number) = counter.take() else { continue };
        println!("keeping {}", number);
        store.push(number, &record(number)).await?;
        println!("kept {}", number);
    }
    Ok(())
}
