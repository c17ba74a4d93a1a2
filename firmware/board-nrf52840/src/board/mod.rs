//! The parts of the board.

mod brownout;
mod power;

use core::cell::RefCell;
use core::convert::Infallible;

use embassy_embedded_hal::shared_bus::asynch::spi::SpiDevice;
use embassy_nrf::buffered_uarte::{self, BufferedUarte, BufferedUarteRx, BufferedUarteTx};
use embassy_nrf::config::{Config, LfclkSource};
use embassy_nrf::gpio::{AnyPin, Input, Level, Output, OutputDrive, Pull};
use embassy_nrf::nvmc::Nvmc;
use embassy_nrf::rng::Rng;
use embassy_nrf::{Peri, bind_interrupts, peripherals, saadc, spim, twim, uarte};
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
#[cfg(feature = "lora")]
use embassy_time::Delay;
#[cfg(feature = "lora")]
use embedded_hal_bus::spi::ExclusiveDevice;
pub use power::NrfPower;
use static_cell::StaticCell;
#[cfg(feature = "lora")]
use tanbo_field::sx1262::{Radio, TcxoCtrlVoltage};
use tanbo_field::{Chip, Start};
use tanbo_flash_map::FlashMap;
#[cfg(feature = "boot")]
use tanbo_flash_map::Updates;
use tanbo_parts::flash::{Flash, Shared};
use tanbo_parts::wake::AnyOf;
use tanbo_parts::{LastWords, SerialUplink, TickClock};

use crate::flash::MAP;
#[cfg(feature = "boot")]
use crate::flash::UPDATES;

bind_interrupts!(struct Irqs {
    SAADC => saadc::InterruptHandler;
    SPI2 => spim::InterruptHandler<peripherals::SPI2>;
    SPIM3 => spim::InterruptHandler<peripherals::SPI3>;
    TWISPI0 => twim::InterruptHandler<peripherals::TWISPI0>;
    UARTE0 => buffered_uarte::InterruptHandler<peripherals::UARTE0>;
});

/// Tolerance of the 32,768 Hz crystal, parts per billion.
const CRYSTAL_PPB: u32 = 20_000;
/// Bytes of each direction's buffer: two of the longest frames.
const UART_BYTES: usize = 512;

/// The internal flash, by offsets from its start.
pub type NrfFlash = Shared<Nvmc<'static>>;
/// A device on the sensors' SPI.
pub type NrfSpi = SpiDevice<'static, NoopRawMutex, spim::Spim<'static>, Output<'static>>;
/// The sensors' I²C.
pub type NrfI2c = twim::Twim<'static>;
/// Frames on the UART.
pub type NrfSerial = SerialUplink<BufferedUarteRx<'static>, BufferedUarteTx<'static>>;

/// The types of the board's parts.
pub struct Nrf;

impl Chip for Nrf {
    type Power = NrfPower;
    type Flash = NrfFlash;
    type Spi = NrfSpi;
    type I2c = NrfI2c;
    type Output = Output<'static>;
    type Uart = Uart;
    #[cfg(feature = "lora")]
    type Radio = Radio<ExclusiveDevice<spim::Spim<'static>, Output<'static>, Delay>, Output<'static>, Input<'static>>;

    const MAP: &'static FlashMap = &MAP;
    #[cfg(feature = "boot")]
    const UPDATES: &'static Updates = &UPDATES;

    fn take() -> Option<Board> {
        take()
    }
}

/// Its parts: sensors on the connectors of the base board, the UART is its UART 1.
type Board = tanbo_field::Board<Nrf>;

/// The UART before it is switched on: listening keeps the high-frequency clock running, about 0.5 mA.
pub struct Uart {
    uarte: Peri<'static, peripherals::UARTE0>,
    timer: Peri<'static, peripherals::TIMER1>,
    ppi: (Peri<'static, peripherals::PPI_CH0>, Peri<'static, peripherals::PPI_CH1>),
    group: Peri<'static, peripherals::PPI_GROUP0>,
    pins: (Peri<'static, peripherals::P0_15>, Peri<'static, peripherals::P0_16>),
}

impl Start for Uart {
    type Started = NrfSerial;
    type Error = Infallible;

    /// Switches it on at 115,200 baud.
    async fn start(self) -> Result<NrfSerial, Infallible> {
        static RECEIVED: StaticCell<[u8; UART_BYTES]> = StaticCell::new();
        static SENT: StaticCell<[u8; UART_BYTES]> = StaticCell::new();
        let mut config = uarte::Config::default();
        config.baudrate = uarte::Baudrate::Baud115200;
        let ((first, second), (received, sent)) = (self.ppi, self.pins);
        // `self` is there once, so the buffers are free.
        let buffers = (RECEIVED.init([0; UART_BYTES]), SENT.init([0; UART_BYTES]));
        let uart = BufferedUarte::new(
            self.uarte, self.timer, first, second, self.group, received, sent, Irqs, config, buffers.0, buffers.1,
        );
        let (receiver, sender) = uart.split();
        Ok(SerialUplink::new(receiver, sender))
    }
}

fn take() -> Option<Board> {
    static FLASH: StaticCell<Flash<Nvmc<'static>>> = StaticCell::new();
    static SPI: StaticCell<embassy_sync::mutex::Mutex<NoopRawMutex, spim::Spim<'static>>> = StaticCell::new();
    static TWIM: StaticCell<[u8; 64]> = StaticCell::new();
    let buffer = TWIM.try_init([0; 64])?;
    let cause = power::cause();
    let mut config = Config::default();
    config.lfclk_source = LfclkSource::ExternalXtal;
    config.dcdc.reg1 = true;
    let p = embassy_nrf::init(config);

    let flash = FLASH.try_init(Mutex::new(RefCell::new(Nvmc::new(p.NVMC))))?;
    // SAFETY: the chip's flash lies at 0 for ever. Slots, selection, last words and store are different offsets of the map, and each
    // has one user; only slots are read in place, borrowed from the one who writes them.
    let flash = unsafe { Shared::new(flash, 0) };
    let (last_words, said) = LastWords::open(flash.clone(), MAP.offsets(MAP.last_words())).ok()?;
    let power = NrfPower::new(
        power::Pins {
            adc: p.SAADC,
            battery: p.P0_05,
            sensors: AnyOf(Input::new(p.P0_17, Pull::Down), Input::new(p.P0_21, Pull::Down)),
            button: Input::new(p.P1_01, Pull::Down),
        },
        p.WDT,
        cause,
        said,
    )?;
    brownout::watch(last_words);

    let mut spi = spim::Config::default();
    // The ADXL355 takes up to 10 MHz.
    spi.frequency = spim::Frequency::M8;
    let spi = spim::Spim::new(p.SPI3, Irqs, p.P0_03, p.P0_29, p.P0_30, spi);
    let spi = SPI.try_init(embassy_sync::mutex::Mutex::new(spi))?;
    let spi = &*spi;
    let select = |pin: Peri<'static, AnyPin>| SpiDevice::new(spi, Output::new(pin, Level::High, OutputDrive::Standard));
    #[cfg(feature = "lora")]
    let radio = {
        // Supply of the antenna's switch: on as long as the board runs.
        core::mem::forget(Output::new(p.P1_05, Level::High, OutputDrive::Standard));
        let mut config = spim::Config::default();
        config.frequency = spim::Frequency::M8;
        let spi = spim::Spim::new(p.SPI2, Irqs, p.P1_11, p.P1_13, p.P1_12, config);
        let select = Output::new(p.P1_10, Level::High, OutputDrive::Standard);
        Radio {
            spi: ExclusiveDevice::new(spi, select, Delay).ok()?,
            reset: Output::new(p.P1_06, Level::High, OutputDrive::Standard),
            interrupt: Input::new(p.P1_15, Pull::Down),
            busy: Input::new(p.P1_14, Pull::None),
            tcxo: Some(TcxoCtrlVoltage::Ctrl1V8),
            converter: true,
        }
    };
    Some(Board {
        clock: TickClock::new(CRYSTAL_PPB),
        power,
        flash,
        spi: (select(p.P0_26.into()), select(p.P0_04.into())),
        i2c: twim::Twim::new(p.TWISPI0, Irqs, p.P0_13, p.P0_14, twim::Config::default(), buffer),
        sensors: Output::new(p.P1_02, Level::Low, OutputDrive::Standard),
        uart: Uart {
            uarte: p.UARTE0,
            timer: p.TIMER1,
            ppi: (p.PPI_CH0, p.PPI_CH1),
            group: p.PPI_GROUP0,
            pins: (p.P0_15, p.P0_16),
        },
        #[cfg(feature = "lora")]
        radio,
        seed: Rng::new_blocking(p.RNG).blocking_next_u64(),
    })
}
