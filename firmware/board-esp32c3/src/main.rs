//! The seismic node: an ADXL355 and an ADXL362 on the SPI, frames over LoRaWAN, or over the UART without the feature `lora`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use embassy_executor::Spawner;
    use tanbo_field::Kind;
    use tanbo_node::duty::Policy;
    use tanbo_node::energy::boards;
    use {esp_backtrace as _, esp_println as _};

    esp_bootloader_esp_idf::esp_app_desc!();

    /// A lithium cell behind the module's 3.3 V.
    const KIND: Kind = Kind { currents: &boards::ESP32C3, policy: Policy::LITHIUM };

    #[esp_rtos::main]
    async fn main(_spawner: Spawner) {
        tanbo_field::seismic::<tanbo_board_esp32c3::Esp32c3>(&KIND).await;
    }
}

tanbo_flash_map::board_only!("riscv32imc-unknown-none-elf");
