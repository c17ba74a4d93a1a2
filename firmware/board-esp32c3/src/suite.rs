//! The tests that every board runs, on this one: `tanbo-suite`. A wire must lead from TX to RX, and the
//! accelerometers be unplugged.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt_rtt as _;
    use esp_rtos::embassy::Executor;
    use tanbo_board_esp32c3::Esp32c3;
    use tanbo_field::{BenchOf, bench};

    esp_bootloader_esp_idf::esp_app_desc!();

    tanbo_suite::suite!(bench::<Esp32c3>, BenchOf<Esp32c3>, Executor::new());
    tanbo_suite::engine_suite!();

    #[cfg(feature = "lora")]
    #[embedded_test::tests(executor = super::Executor::new())]
    mod radio {
        use super::Esp32c3;

        #[test]
        async fn answers() {
            tanbo_field::radio_answers::<Esp32c3>().await;
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "for the board: cargo test -p tanbo-board-esp32c3 --target riscv32imc-unknown-none-elf --profile firmware --bin tanbo-board-esp32c3-suite"
    );
    std::process::ExitCode::from(2)
}
