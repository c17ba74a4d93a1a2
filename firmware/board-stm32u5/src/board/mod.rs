//! The parts of the board.

mod brownout;
mod power;

use embassy_embedded_hal::shared_bus::asynch::spi::SpiDevice;
use embassy_stm32::exti::{self, ExtiInput};
use embassy_stm32::gpio::{AnyPin, Level, Output, Pull, Speed};
use embassy_stm32::mode::Async;
use embassy_stm32::pac::PWR;
use embassy_stm32::pac::pwr::vals::Regsel;
use embassy_stm32::rcc::{MSIRange, Sysclk, VoltageScale, mux};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::time::Hertz;
use embassy_stm32::usart::{self, BufferedUart, ConfigError};
use embassy_stm32::{Config, Peri, bind_interrupts, dma, i2c, interrupt, peripherals, spi};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
#[cfg(feature = "lora")]
use embassy_time::Delay;
#[cfg(feature = "lora")]
use embedded_hal_bus::spi::ExclusiveDevice;
use static_cell::StaticCell;
#[cfg(feature = "lora")]
use tanbo_field::sx1262::Radio;
use tanbo_field::{Chip, Start};
use tanbo_flash_map::FlashMap;
#[cfg(feature = "boot")]
use tanbo_flash_map::Updates;
use tanbo_parts::TickClock;
use tanbo_parts::wake::AnyOf;
use tanbo_stm32::memory::Memory;
use tanbo_stm32::{CRYSTAL_PPB, Flash, Serial, StmPower, serial};

use crate::flash::MAP;
#[cfg(feature = "boot")]
use crate::flash::UPDATES;

bind_interrupts!(struct Irqs {
    GPDMA1_CHANNEL0 => dma::InterruptHandler<peripherals::GPDMA1_CH0>;
    GPDMA1_CHANNEL1 => dma::InterruptHandler<peripherals::GPDMA1_CH1>;
    GPDMA1_CHANNEL2 => dma::InterruptHandler<peripherals::GPDMA1_CH2>;
    GPDMA1_CHANNEL3 => dma::InterruptHandler<peripherals::GPDMA1_CH3>;
    GPDMA1_CHANNEL4 => dma::InterruptHandler<peripherals::GPDMA1_CH4>;
    GPDMA1_CHANNEL5 => dma::InterruptHandler<peripherals::GPDMA1_CH5>;
    EXTI0 => exti::InterruptHandler<interrupt::typelevel::EXTI0>;
    EXTI9 => exti::InterruptHandler<interrupt::typelevel::EXTI9>;
    EXTI11 => exti::InterruptHandler<interrupt::typelevel::EXTI11>;
    EXTI13 => exti::InterruptHandler<interrupt::typelevel::EXTI13>;
    EXTI14 => exti::InterruptHandler<interrupt::typelevel::EXTI14>;
    I2C1_EV => i2c::EventInterruptHandler<peripherals::I2C1>;
    I2C1_ER => i2c::ErrorInterruptHandler<peripherals::I2C1>;
    RNG => rng::InterruptHandler<peripherals::RNG>;
    USART2 => usart::BufferedInterruptHandler<peripherals::USART2>;
});

/// Of the SPIs: the ADXL355 takes up to 10 MHz, the SX1262 16.
const SPI_HZ: Hertz = Hertz(8_000_000);

type Bus = spi::Spi<'static, Async, spi::mode::Master>;
/// A device on the sensors' SPI.
pub type U5Spi = SpiDevice<'static, NoopRawMutex, Bus, Output<'static>>;
/// The sensors' I²C.
pub type U5I2c = i2c::I2c<'static, Async, i2c::Master>;

/// The types of the board's parts.
pub struct U5;

impl Chip for U5 {
    type Power = StmPower<U5>;
    type Flash = Flash;
    type Spi = U5Spi;
    type I2c = U5I2c;
    type Output = Output<'static>;
    type Uart = Uart;
    #[cfg(feature = "lora")]
    type Radio = Radio<ExclusiveDevice<Bus, Output<'static>, Delay>, Output<'static>, ExtiInput<'static, Async>>;

    const MAP: &'static FlashMap = &MAP;
    #[cfg(feature = "boot")]
    const UPDATES: &'static Updates = &UPDATES;

    fn take() -> Option<Board> {
        take()
    }
}

type Board = tanbo_field::Board<U5>;

/// The UART before it is switched on: the core is not stopped while it listens.
pub struct Uart {
    uart: Peri<'static, peripherals::USART2>,
    receive: Peri<'static, peripherals::PD6>,
    send: Peri<'static, peripherals::PD5>,
}

impl Start for Uart {
    type Started = Serial;
    /// A clock that the rate cannot be made of.
    type Error = ConfigError;

    /// Switches it on at 115,200 baud.
    async fn start(self) -> Result<Serial, ConfigError> {
        // `self` is there once, so the buffers are free.
        let (sent, received) = serial::buffers();
        let uart = BufferedUart::new(self.uart, self.receive, self.send, sent, received, Irqs, serial::config())?;
        Ok(serial::uplink(uart))
    }
}

/// 24 MHz by the oscillator that the core wakes up with from every stop, the fastest that the lowest core voltage allows; the crystal for the
/// time.
fn config() -> Config {
    let mut config = tanbo_stm32::config();
    config.rcc.msis = Some(MSIRange::RANGE_24MHZ);
    config.rcc.msik = None;
    config.rcc.sys = Sysclk::MSIS;
    config.rcc.voltage_range = VoltageScale::RANGE4;
    // Half of its 48 MHz, as this core voltage wants. The oscillator is off after the first stop.
    config.rcc.mux.rngsel = mux::Rngsel::HSI48_DIV_2;
    config.rcc.mux.adcdacsel = mux::Adcdacsel::SYS;
    config
}

/// Starts the board; `None` if its memory does not work, or if it was started before.
fn take() -> Option<Board> {
    static SPI: StaticCell<embassy_sync::mutex::Mutex<NoopRawMutex, Bus>> = StaticCell::new();
    static TAKEN: StaticCell<()> = StaticCell::new();
    TAKEN.try_init(())?;
    let p = embassy_stm32::init(config());
    // Half the current of the linear regulator; this chip has the converter, by the Q in its name.
    PWR.cr3().modify(|w| w.set_regsel(Regsel::SMPS));
    while PWR.svmsr().read().regs() != Regsel::SMPS {}
    // Read in place: the cache stays off.
    let Memory { flash, last_words, said } = Memory::open(p.FLASH, &MAP)?;
    let power = StmPower::new(
        tanbo_stm32::power::Parts {
            adc: p.ADC1,
            watchdog: p.IWDG,
            sensors: AnyOf(
                ExtiInput::new(p.PF14, p.EXTI14, Pull::Down, Irqs),
                ExtiInput::new(p.PE9, p.EXTI9, Pull::Down, Irqs),
            ),
            button: ExtiInput::new(p.PA0, p.EXTI0, Pull::Down, Irqs),
        },
        said,
    )?;
    brownout::watch(last_words);

    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    let spi = spi::Spi::new(p.SPI3, p.PC10, p.PC12, p.PC11, p.GPDMA1_CH0, p.GPDMA1_CH1, Irqs, config);
    let spi = &*SPI.try_init(embassy_sync::mutex::Mutex::new(spi))?;
    let select = |pin: Peri<'static, AnyPin>| SpiDevice::new(spi, Output::new(pin, Level::High, Speed::Low));
    #[cfg(feature = "lora")]
    let radio = {
        // Supply of the antenna's switch: on as long as the board runs.
        core::mem::forget(Output::new(p.PF12, Level::High, Speed::Low));
        let spi = spi::Spi::new(p.SPI1, p.PA5, p.PA7, p.PA6, p.GPDMA1_CH2, p.GPDMA1_CH3, Irqs, config);
        Radio {
            spi: ExclusiveDevice::new(spi, Output::new(p.PF13, Level::High, Speed::Low), Delay).ok()?,
            reset: Output::new(p.PA3, Level::High, Speed::Low),
            interrupt: ExtiInput::new(p.PE11, p.EXTI11, Pull::Down, Irqs),
            busy: ExtiInput::new(p.PE13, p.EXTI13, Pull::None, Irqs),
            tcxo: None,
            converter: true,
        }
    };
    Some(Board {
        clock: TickClock::new(CRYSTAL_PPB),
        power,
        flash,
        spi: (select(p.PC8.into()), select(p.PC9.into())),
        i2c: i2c::I2c::new(p.I2C1, p.PB8, p.PB9, p.GPDMA1_CH4, p.GPDMA1_CH5, Irqs, i2c::Config::default()),
        sensors: Output::new(p.PF15, Level::Low, Speed::Low),
        uart: Uart { uart: p.USART2, receive: p.PD6, send: p.PD5 },
        #[cfg(feature = "lora")]
        radio,
        seed: Rng::new(p.RNG, Irqs).next_u64(),
    })
}
