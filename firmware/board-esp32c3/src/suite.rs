//! The tests that every board runs, on this one: `tanbo-suite`. A wire must lead from TX to RX, and the accelerometers be
//! unplugged.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt_rtt as _;

    esp_bootloader_esp_idf::esp_app_desc!();

    tanbo_field::suite!(tanbo_board_esp32c3::Esp32c3, esp_rtos::embassy::Executor::new());
}

tanbo_flash_map::board_only!("riscv32imc-unknown-none-elf");
