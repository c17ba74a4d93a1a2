//! The parts of the board.

mod brownout;
mod flash;
mod power;
mod uart;

use core::cell::RefCell;
use core::convert::Infallible;

use embassy_embedded_hal::shared_bus::asynch::spi::SpiDevice;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_hal::digital::{ErrorType, OutputPin};
use esp_hal::Async;
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Input, InputConfig, Level, Output, OutputConfig, OutputPin as AnyOutput, Pull};
use esp_hal::i2c::master::{self as i2c, I2c};
use esp_hal::rng::{Trng, TrngSource};
use esp_hal::rtc_cntl::Rtc;
use esp_hal::spi::master::{self as spi, Spi};
use esp_hal::time::Rate;
use esp_hal::timer::timg::TimerGroup;
use esp_storage::FlashStorage;
use static_cell::StaticCell;
use tanbo_field::Chip;
#[cfg(feature = "lora")]
use tanbo_field::sx1262::{Radio, TcxoCtrlVoltage};
use tanbo_flash_map::FlashMap;
use tanbo_parts::flash::{Flash, Shared};
use tanbo_parts::{LastWords, TickClock};

pub use self::flash::MappedFlash;
pub use self::power::EspPower;
pub use self::uart::{Receiver, Sender, Uart};
use crate::flash::MAP;

/// Tolerance of the clock asleep, parts per billion: the 136 kHz oscillator, measured against the crystal at the start, drifts with
/// temperature.
const SLOW_CLOCK_PPB: u32 = 5_000_000;

/// The internal flash, by offsets from its start.
pub type EspFlash = Shared<MappedFlash>;
/// A device on the SPI, which accelerometers and radio share.
pub type EspSpi = SpiDevice<'static, NoopRawMutex, Spi<'static, Async>, Output<'static>>;

/// The chip on its module.
pub struct Esp32c3;

impl Chip for Esp32c3 {
    type Power = EspPower;
    type Flash = EspFlash;
    type Spi = EspSpi;
    type I2c = I2c<'static, Async>;
    type Output = AlwaysOn;
    type Uart = Uart;
    #[cfg(feature = "lora")]
    type Radio = Radio<EspSpi, Output<'static>, Input<'static>>;

    const MAP: &'static FlashMap = &MAP;

    fn take() -> Option<Board> {
        take()
    }
}

/// Its parts.
type Board = tanbo_field::Board<Esp32c3>;

/// The sensors hang on the module's own 3.3 V: no pin is left to switch them.
pub struct AlwaysOn;

impl ErrorType for AlwaysOn {
    type Error = Infallible;
}

impl OutputPin for AlwaysOn {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn take() -> Option<Board> {
    static FLASH: StaticCell<Flash<MappedFlash>> = StaticCell::new();
    static SPI: StaticCell<embassy_sync::mutex::Mutex<NoopRawMutex, Spi<'static, Async>>> = StaticCell::new();
    let p = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::_160MHz));
    let timers = TimerGroup::new(p.TIMG0);
    // Light sleep whenever nobody has anything to do.
    let sleep = esp_rtos::sleep::configure(p.LPWR);
    esp_rtos::start_with_idle_hook(timers.timer0, p.FROM_CPU_INTR0, sleep.light_sleep_hook);

    let flash = FLASH.try_init(Mutex::new(RefCell::new(MappedFlash::new(FlashStorage::new(p.FLASH))?)))?;
    // SAFETY: the flash is mapped there from now on, and what is written is forgotten by the cache. Slots, selection, last words and store are
    // different offsets of the map, and each has one user; only slots are read in place, borrowed from the one who writes them.
    let flash = unsafe { Shared::new(flash, flash::MAPPED as usize) };
    let (last_words, said) = LastWords::open(flash.clone(), MAP.offsets(MAP.last_words())).ok()?;

    let down = InputConfig::default().with_pull(Pull::Down);
    // With the radio, the line of the accelerometers is the UART's, which a node then has no use for.
    #[cfg(feature = "lora")]
    let (sensors, received) = {
        let sensors = Input::new(p.GPIO20, down);
        let received = sensors.peripheral_input();
        (sensors, received)
    };
    #[cfg(not(feature = "lora"))]
    let (sensors, received) = {
        let line = Input::new(p.GPIO20, InputConfig::default().with_pull(Pull::Up));
        (Input::new(p.GPIO3, down), line.peripheral_input())
    };
    let mut rtc = Rtc::new(p.RTC_TIMER);
    brownout::watch(&mut rtc, last_words);
    let power = EspPower::new(sensors, rtc.rwdt, said)?;

    // The ADXL355 takes up to 10 MHz.
    let config = spi::Config::default().with_frequency(Rate::from_mhz(8));
    let spi = Spi::new(p.SPI2, config).ok()?.with_sck(p.GPIO10).with_mosi(p.GPIO7).with_miso(p.GPIO6).into_async();
    let spi = &*SPI.try_init(embassy_sync::mutex::Mutex::new(spi))?;
    fn high(pin: impl AnyOutput + 'static) -> Output<'static> {
        Output::new(pin, Level::High, OutputConfig::default())
    }
    let seed = {
        let _noise = TrngSource::new(p.RNG, p.ADC1);
        let random = Trng::try_new().ok()?;
        u64::from(random.random()) << 32 | u64::from(random.random())
    };
    Some(Board {
        clock: TickClock::new(SLOW_CLOCK_PPB),
        power,
        flash,
        spi: (SpiDevice::new(spi, high(p.GPIO0)), SpiDevice::new(spi, high(p.GPIO1))),
        i2c: I2c::new(p.I2C0, i2c::Config::default()).ok()?.with_sda(p.GPIO9).with_scl(p.GPIO2).into_async(),
        sensors: AlwaysOn,
        uart: Uart { uart: p.UART1, received, sent: p.GPIO21 },
        #[cfg(feature = "lora")]
        radio: Radio {
            spi: SpiDevice::new(spi, high(p.GPIO8)),
            reset: high(p.GPIO5),
            interrupt: Input::new(p.GPIO3, down),
            busy: Input::new(p.GPIO4, InputConfig::default()),
            tcxo: Some(TcxoCtrlVoltage::Ctrl1V8),
            converter: true,
        },
        seed,
    })
}
