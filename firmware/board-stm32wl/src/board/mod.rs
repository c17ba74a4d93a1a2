//! The parts of the board.

mod brownout;
mod power;
#[cfg(feature = "lora")]
mod radio;

use embassy_embedded_hal::shared_bus::asynch::spi::SpiDevice;
use embassy_stm32::exti::{self, ExtiInput};
use embassy_stm32::gpio::{AnyPin, Level, Output, Pull, Speed};
use embassy_stm32::mode::Async;
use embassy_stm32::rcc::{MSIRange, Sysclk, mux};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::time::Hertz;
use embassy_stm32::usart::{self, BufferedUart, ConfigError};
use embassy_stm32::{Config, Peri, bind_interrupts, dma, i2c, interrupt, peripherals, spi};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
#[cfg(feature = "lora")]
pub use radio::Radio;
use static_cell::StaticCell;
use tanbo_field::{Chip, Start};
use tanbo_flash_map::FlashMap;
use tanbo_parts::TickClock;
use tanbo_parts::wake::AnyOf;
use tanbo_stm32::memory::Memory;
use tanbo_stm32::{CRYSTAL_PPB, Flash, Serial, StmPower, serial};

use crate::flash::MAP;

bind_interrupts!(struct Irqs {
    DMA1_CHANNEL1 => dma::InterruptHandler<peripherals::DMA1_CH1>;
    DMA1_CHANNEL2 => dma::InterruptHandler<peripherals::DMA1_CH2>;
    DMA1_CHANNEL3 => dma::InterruptHandler<peripherals::DMA1_CH3>;
    DMA1_CHANNEL4 => dma::InterruptHandler<peripherals::DMA1_CH4>;
    DMA1_CHANNEL5 => dma::InterruptHandler<peripherals::DMA1_CH5>;
    DMA1_CHANNEL6 => dma::InterruptHandler<peripherals::DMA1_CH6>;
    EXTI0 => exti::InterruptHandler<interrupt::typelevel::EXTI0>;
    EXTI3 => exti::InterruptHandler<interrupt::typelevel::EXTI3>;
    EXTI15_10 => exti::InterruptHandler<interrupt::typelevel::EXTI15_10>;
    I2C2_EV => i2c::EventInterruptHandler<peripherals::I2C2>;
    I2C2_ER => i2c::ErrorInterruptHandler<peripherals::I2C2>;
    RNG => rng::InterruptHandler<peripherals::RNG>;
    USART1 => usart::BufferedInterruptHandler<peripherals::USART1>;
});

type Bus = spi::Spi<'static, Async, spi::mode::Master>;
/// A device on the sensors' SPI.
pub type WlSpi = SpiDevice<'static, NoopRawMutex, Bus, Output<'static>>;
/// The sensors' I²C.
pub type WlI2c = i2c::I2c<'static, Async, i2c::Master>;

/// The types of the board's parts.
pub struct Wl;

impl Chip for Wl {
    type Power = StmPower<Wl>;
    type Flash = Flash;
    type Spi = WlSpi;
    type I2c = WlI2c;
    type Output = Output<'static>;
    type Uart = Uart;
    #[cfg(feature = "lora")]
    type Radio = Radio;

    const MAP: &'static FlashMap = &MAP;
    const SMALL: bool = true;

    fn take() -> Option<Board> {
        take()
    }
}

type Board = tanbo_field::Board<Wl>;

/// The UART before it is switched on: the core is not stopped while it listens.
pub struct Uart {
    uart: Peri<'static, peripherals::USART1>,
    receive: Peri<'static, peripherals::PB7>,
    send: Peri<'static, peripherals::PB6>,
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

/// 48 MHz by the oscillator that the core wakes up with from every stop; the crystal for the time.
fn config() -> Config {
    let mut config = tanbo_stm32::config();
    config.rcc.msi = Some(MSIRange::RANGE48M);
    config.rcc.sys = Sysclk::MSI;
    config.rcc.mux.rngsel = mux::Rngsel::MSI;
    config.rcc.mux.adcsel = mux::Adcsel::SYS;
    config
}

fn take() -> Option<Board> {
    static SPI: StaticCell<embassy_sync::mutex::Mutex<NoopRawMutex, Bus>> = StaticCell::new();
    static TAKEN: StaticCell<()> = StaticCell::new();
    TAKEN.try_init(())?;
    let p = embassy_stm32::init(config());
    let Memory { flash, last_words, said } = Memory::open(p.FLASH, &MAP)?;
    let power = StmPower::new(
        tanbo_stm32::power::Parts {
            adc: p.ADC1,
            watchdog: p.IWDG,
            sensors: AnyOf(
                ExtiInput::new(p.PB3, p.EXTI3, Pull::Down, Irqs),
                ExtiInput::new(p.PB10, p.EXTI10, Pull::Down, Irqs),
            ),
            button: ExtiInput::new(p.PA0, p.EXTI0, Pull::Down, Irqs),
        },
        said,
    )?;
    brownout::watch(last_words);

    let mut config = spi::Config::default();
    // The ADXL355 takes up to 10 MHz.
    config.frequency = Hertz(8_000_000);
    let spi = spi::Spi::new(p.SPI2, p.PB13, p.PA10, p.PB14, p.DMA1_CH1, p.DMA1_CH2, Irqs, config);
    let spi = &*SPI.try_init(embassy_sync::mutex::Mutex::new(spi))?;
    let select = |pin: Peri<'static, AnyPin>| SpiDevice::new(spi, Output::new(pin, Level::High, Speed::Low));
    Some(Board {
        clock: TickClock::new(CRYSTAL_PPB),
        power,
        flash,
        spi: (select(p.PB9.into()), select(p.PB4.into())),
        i2c: i2c::I2c::new(p.I2C2, p.PB15, p.PA15, p.DMA1_CH5, p.DMA1_CH6, Irqs, i2c::Config::default()),
        sensors: Output::new(p.PA9, Level::Low, Speed::Low),
        uart: Uart { uart: p.USART1, receive: p.PB7, send: p.PB6 },
        #[cfg(feature = "lora")]
        radio: Radio {
            spi: p.SUBGHZSPI,
            dma: (p.DMA1_CH3, p.DMA1_CH4),
            receives: Output::new(p.PA4, Level::Low, Speed::High),
            sends: Output::new(p.PA5, Level::Low, Speed::High),
        },
        seed: Rng::new(p.RNG, Irqs).next_u64(),
    })
}
