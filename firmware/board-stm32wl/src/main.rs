//! The seismic node: an ADXL355 and an ADXL362 on the SPI, frames over LoRaWAN, or over the UART without the feature `lora`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt_rtt as _;
    use embassy_executor::Spawner;
    use tanbo_field::Kind;
    use tanbo_node::duty::Policy;
    use tanbo_node::energy::boards;

    /// Two alkaline cells, no regulator.
    const KIND: Kind = Kind { currents: &boards::STM32WLE5, policy: Policy::TWO_AA };

    tanbo_field::stop_at_panic!();

    #[embassy_executor::main(executor = "embassy_stm32::executor::Executor", entry = "cortex_m_rt::entry")]
    async fn main(_spawner: Spawner) {
        tanbo_field::seismic::<tanbo_board_stm32wl::Wl>(&KIND).await;
    }
}

tanbo_flash_map::board_only!("thumbv7em-none-eabi");
