//! The seismic node: an ADXL355 and an ADXL362 on the slots' SPI, frames over LoRaWAN, or over the UART without the feature `lora`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt::error;
    use embassy_executor::Spawner;
    use embassy_time::Timer;
    #[cfg(feature = "lora")]
    use tanbo_board_api::Power as _;
    use tanbo_board_nrf52840::flash::MAP;
    use tanbo_board_nrf52840::{Board, NrfFlash, NrfPower};
    use tanbo_field::Kind;
    use tanbo_node::Parts;
    use tanbo_node::duty::Policy;
    use tanbo_parts::TickClock;
    use tanbo_parts::flash::InPlace as _;
    use tanbo_wire::Link;
    use {defmt_rtt as _, panic_probe as _};

    #[cfg(feature = "lora")]
    type Uplink = tanbo_parts::lora::LoraUplink<tanbo_board_nrf52840::NrfRadio>;
    #[cfg(not(feature = "lora"))]
    type Uplink = tanbo_board_nrf52840::NrfSerial;

    struct Nrf;

    impl tanbo_node::Board for Nrf {
        type Clock = TickClock;
        type Power = NrfPower;
        type Uplink = Uplink;
        type Flash = NrfFlash;
        type Observer = ();
    }

    /// A lithium thionyl chloride cell on the battery's connector.
    const KIND: Kind = Kind {
        currents: "nrf52840",
        policy: Policy::LITHIUM,
        link: if cfg!(feature = "lora") { Link::LoraWan } else { Link::Stream },
    };
    /// Pause before another attempt where the radio does not answer.
    #[cfg(feature = "lora")]
    const RESTART: embassy_time::Duration = embassy_time::Duration::from_secs(60);
    /// Time that the sensors take from their supply to their first answer, ms.
    const SENSORS_MS: u64 = 50;

    #[embassy_executor::main]
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
        let uplink = board.uart.listen();
        board.sensors.set_high();
        Timer::after_millis(SENSORS_MS).await;
        let mut parts = Parts::<Nrf> {
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
    eprintln!("for the board: cargo run -p tanbo-board-nrf52840 --target thumbv7em-none-eabihf --profile firmware");
    std::process::ExitCode::from(2)
}
