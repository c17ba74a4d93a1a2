//! The parts of the board.

mod power;

use core::cell::RefCell;
use core::convert::Infallible;

use embassy_embedded_hal::shared_bus::asynch::spi::SpiDevice;
use embassy_rp::clocks::{AdcClkConfig, AdcClkSrc, ClockConfig, RoscRng, SysClkSrc};
use embassy_rp::config::Config;
use embassy_rp::flash::{self, Flash};
use embassy_rp::gpio::{AnyPin, Input, Level, Output, Pull};
use embassy_rp::uart::{self, BufferedUart, BufferedUartRx, BufferedUartTx};
use embassy_rp::{Peri, bind_interrupts, dma, i2c, peripherals, spi};
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
#[cfg(feature = "lora")]
use embassy_time::Delay;
#[cfg(feature = "lora")]
use embedded_hal_bus::spi::ExclusiveDevice;
pub use power::RpPower;
use static_cell::StaticCell;
#[cfg(feature = "lora")]
use tanbo_field::sx1262::{Radio, TcxoCtrlVoltage};
use tanbo_field::{Chip, Start};
use tanbo_flash_map::FlashMap;
#[cfg(feature = "boot")]
use tanbo_flash_map::Updates;
use tanbo_parts::flash::Shared;
use tanbo_parts::wake::AnyOf;
use tanbo_parts::{SerialUplink, TickClock};

#[cfg(feature = "boot")]
use crate::flash::UPDATES;
use crate::flash::{FLASH_BYTES, MAP};

bind_interrupts!(struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<peripherals::DMA_CH0>,
        dma::InterruptHandler<peripherals::DMA_CH1>,
        dma::InterruptHandler<peripherals::DMA_CH2>,
        dma::InterruptHandler<peripherals::DMA_CH3>;
    I2C0_IRQ => i2c::InterruptHandler<peripherals::I2C0>;
    UART0_IRQ => uart::BufferedInterruptHandler<peripherals::UART0>;
});

/// The crystal, and the core.
const CRYSTAL_HZ: u32 = 12_000_000;
/// Tolerance of the crystal, parts per billion: 30 ppm, and 30 more by temperature (Abracon ABM8-272-T3, on a Pico).
const CRYSTAL_PPB: u32 = 60_000;
/// Of the SPIs: half of the core's.
const SPI_HZ: u32 = CRYSTAL_HZ / 2;
/// Bytes of each direction's buffer: two of the longest frames.
const UART_BYTES: usize = 512;
/// Address of the flash.
const FLASH_AT: usize = 0x1000_0000;

type Qspi = Flash<'static, peripherals::FLASH, flash::Blocking, FLASH_BYTES>;
/// The flash on the QSPI, by offsets from its start.
pub type RpFlash = Shared<Qspi>;
type Sensors = spi::Spi<'static, peripherals::SPI0, spi::Async>;
/// A device on the sensors' SPI.
pub type RpSpi = SpiDevice<'static, NoopRawMutex, Sensors, Output<'static>>;
/// The sensors' I²C.
pub type RpI2c = i2c::I2c<'static, peripherals::I2C0, i2c::Async>;
/// Frames on the UART.
pub type RpSerial = SerialUplink<BufferedUartRx, BufferedUartTx>;

/// The types of the board's parts.
pub struct Rp;

impl Chip for Rp {
    type Power = RpPower;
    type Flash = RpFlash;
    type Spi = RpSpi;
    type I2c = RpI2c;
    type Output = Output<'static>;
    type Uart = Uart;
    #[cfg(feature = "lora")]
    type Radio = Radio<
        ExclusiveDevice<spi::Spi<'static, peripherals::SPI1, spi::Async>, Output<'static>, Delay>,
        Output<'static>,
        Input<'static>,
    >;

    const MAP: &'static FlashMap = &MAP;
    #[cfg(feature = "boot")]
    const UPDATES: &'static Updates = &UPDATES;

    fn take() -> Option<Board> {
        take()
    }
}

type Board = tanbo_field::Board<Rp>;

/// The UART before it is switched on: its clock stands still.
pub struct Uart {
    uart: Peri<'static, peripherals::UART0>,
    send: Peri<'static, peripherals::PIN_0>,
    receive: Peri<'static, peripherals::PIN_1>,
}

impl Start for Uart {
    type Started = RpSerial;
    type Error = Infallible;

    /// Switches it on at 115,200 baud.
    async fn start(self) -> Result<RpSerial, Infallible> {
        static RECEIVED: StaticCell<[u8; UART_BYTES]> = StaticCell::new();
        static SENT: StaticCell<[u8; UART_BYTES]> = StaticCell::new();
        power::clock_uart();
        // `self` is there once, so the buffers are free.
        let (sent, received) = (SENT.init([0; UART_BYTES]), RECEIVED.init([0; UART_BYTES]));
        let config = uart::Config::default();
        let uart = BufferedUart::new(self.uart, self.send, self.receive, Irqs, sent, received, config);
        let (sender, receiver) = uart.split();
        Ok(SerialUplink::new(receiver, sender))
    }
}

/// Everything by the crystal; no phase-locked loop runs.
fn clocks() -> ClockConfig {
    let mut clocks = ClockConfig::crystal(CRYSTAL_HZ);
    if let Some(crystal) = &mut clocks.xosc {
        (crystal.sys_pll, crystal.usb_pll) = (None, None);
    }
    clocks.sys_clk.src = SysClkSrc::Ref;
    clocks.adc_clk = Some(AdcClkConfig { src: AdcClkSrc::Xosc, div: 1, phase: 0 });
    (clocks.usb_clk, clocks.rtc_clk) = (None, None);
    clocks
}

/// The ring oscillator's bits are not even: many are mixed.
fn seed() -> u64 {
    (0..64).fold(0, |seed: u64, _| seed.rotate_left(9).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ RoscRng.next_u64())
}

/// Starts the board; `None` if its memory does not work, or if it was started before.
fn take() -> Option<Board> {
    static FLASH: StaticCell<tanbo_parts::flash::Flash<Qspi>> = StaticCell::new();
    static SPI: StaticCell<embassy_sync::mutex::Mutex<NoopRawMutex, Sensors>> = StaticCell::new();
    static TAKEN: StaticCell<()> = StaticCell::new();
    TAKEN.try_init(())?;
    // A debugger's reset leaves clocks off that the start waits for.
    power::clock_all();
    let p = embassy_rp::init(Config::new(clocks()));
    power::clock_parts();

    let flash = FLASH.try_init(Mutex::new(RefCell::new(Flash::new_blocking(p.FLASH))))?;
    // SAFETY: the flash can be read there whenever nobody writes it, and the driver lets nobody run meanwhile. Slots, selection and store are
    // different offsets of the map, and each has one user; only slots are read in place, borrowed from the one who writes them.
    let flash = unsafe { Shared::new(flash, FLASH_AT) };
    let power = RpPower::new(power::Parts {
        adc: p.ADC,
        battery: p.PIN_29,
        watchdog: p.WATCHDOG,
        sensors: AnyOf(Input::new(p.PIN_21, Pull::Down), Input::new(p.PIN_22, Pull::Down)),
        button: Input::new(p.PIN_14, Pull::Down),
    })?;

    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    let spi = spi::Spi::new(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, p.DMA_CH0, p.DMA_CH1, Irqs, config);
    let spi = &*SPI.try_init(embassy_sync::mutex::Mutex::new(spi))?;
    let select = |pin: Peri<'static, AnyPin>| SpiDevice::new(spi, Output::new(pin, Level::High));
    #[cfg(feature = "lora")]
    let radio = {
        let mut config = spi::Config::default();
        config.frequency = SPI_HZ;
        let spi = spi::Spi::new(p.SPI1, p.PIN_10, p.PIN_11, p.PIN_12, p.DMA_CH2, p.DMA_CH3, Irqs, config);
        Radio {
            spi: ExclusiveDevice::new(spi, Output::new(p.PIN_3, Level::High), Delay).ok()?,
            reset: Output::new(p.PIN_15, Level::High),
            interrupt: Input::new(p.PIN_20, Pull::Down),
            busy: Input::new(p.PIN_2, Pull::None),
            tcxo: Some(TcxoCtrlVoltage::Ctrl1V8),
            converter: false,
        }
    };
    Some(Board {
        clock: TickClock::new(CRYSTAL_PPB),
        power,
        flash,
        spi: (select(p.PIN_17.into()), select(p.PIN_13.into())),
        i2c: i2c::I2c::new_async(p.I2C0, p.PIN_5, p.PIN_4, Irqs, i2c::Config::default()),
        sensors: Output::new(p.PIN_6, Level::Low),
        uart: Uart { uart: p.UART0, send: p.PIN_0, receive: p.PIN_1 },
        #[cfg(feature = "lora")]
        radio,
        seed: seed(),
    })
}
