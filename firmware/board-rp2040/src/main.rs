//! The seismic node: an ADXL355 and an ADXL362 on the first SPI, frames over LoRaWAN, or over the UART without the feature `lora`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt_rtt as _;
    use embassy_executor::Spawner;
    use tanbo_field::Kind;
    use tanbo_node::duty::Policy;
    use tanbo_node::energy::boards;

    /// A lithium cell on the radio board's connector.
    const KIND: Kind = Kind { currents: &boards::RP2040, policy: Policy::LITHIUM };

    tanbo_field::stop_at_panic!();

    #[embassy_executor::main]
    async fn main(_spawner: Spawner) {
        tanbo_field::seismic::<tanbo_board_rp2040::Rp>(&KIND).await;
    }
}

tanbo_flash_map::board_only!("thumbv6m-none-eabi");
