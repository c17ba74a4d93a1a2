//! The seismic node: an ADXL355 and an ADXL362 on the SPI, frames over LoRaWAN, or over the UART without the feature `lora`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt::error;
    use embassy_executor::Spawner;
    use embassy_time::Timer;
    #[cfg(feature = "lora")]
    use tanbo_board_api::Power as _;
    use tanbo_board_stm32wl::flash::MAP;
    use tanbo_board_stm32wl::{Board, WlFlash, WlPower};
    use tanbo_field::Kind;
    use tanbo_node::Parts;
    use tanbo_node::duty::Policy;
    use tanbo_parts::TickClock;
    use tanbo_parts::flash::InPlace as _;
    use tanbo_wire::Link;
    use {defmt_rtt as _, panic_probe as _};

    #[cfg(feature = "lora")]
    type Uplink = tanbo_parts::lora::LoraUplink<tanbo_board_stm32wl::WlRadio>;
    #[cfg(not(feature = "lora"))]
    type Uplink = tanbo_board_stm32wl::WlSerial;

    struct Wl;

    impl tanbo_node::Board for Wl {
        type Clock = TickClock;
        type Power = WlPower;
        type Uplink = Uplink;
        type Flash = WlFlash;
        type Observer = ();
    }

    /// Two alkaline cells, no regulator.
    const KIND: Kind = Kind {
        currents: "stm32wle5",
        policy: Policy::TWO_AA,
        link: if cfg!(feature = "lora") { Link::LoraWan } else { Link::Stream },
    };
    /// Pause before another attempt where the radio does not answer.
    #[cfg(feature = "lora")]
    const RESTART: embassy_time::Duration = embassy_time::Duration::from_secs(60);
    /// Time that the sensors take from their supply to their first answer, ms.
    const SENSORS_MS: u64 = 50;

    #[embassy_executor::main(executor = "embassy_stm32::executor::Executor", entry = "cortex_m_rt::entry")]
    async fn main(_spawner: Spawner) {
        let Some(mut board) = Board::take() else {
            error!("the board's memory does not work");
            return;
        };
        let Ok(identity) = tanbo_field::identity(board.flash.in_place(MAP.offsets(MAP.identity()))) else { return };
        #[cfg(feature = "lora")]
        let uplink = match board.radio.open().await {
            Ok(radio) => Uplink::new(radio, board.seed, identity.region, tanbo_parts::lora::join(&identity)),
            Err(error) => {
                error!("radio: {}", error);
                Timer::after(RESTART).await;
                board.power.reset()
            }
        };
        #[cfg(not(feature = "lora"))]
        let uplink = match board.uart.listen() {
            Ok(uplink) => uplink,
            Err(error) => {
                error!("UART: {}", defmt::Debug2Format(&error));
                return;
            }
        };
        board.sensors.set_high();
        Timer::after_millis(SENSORS_MS).await;
        let mut parts = Parts::<Wl> {
            clock: board.clock,
            power: board.power,
            uplink,
            flash: board.flash,
            flash_range: MAP.offsets(MAP.store()),
            observer: (),
        };
        tanbo_field::seismic(&mut parts, &identity, &KIND, board.seed, board.spi).await
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("for the board: cargo run -p tanbo-board-stm32wl --target thumbv7em-none-eabi --profile firmware");
    std::process::ExitCode::from(2)
}
