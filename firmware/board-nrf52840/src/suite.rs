//! The tests that every board runs, on this one: `tanbo-suite`. A wire must lead from TX to RX.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt_rtt as _;
    use embassy_executor::Executor;
    use tanbo_board_nrf52840::Nrf;
    use tanbo_field::{BenchOf, bench};

    tanbo_suite::suite!(bench::<Nrf>, BenchOf<Nrf>, Executor::new());
    tanbo_suite::engine_suite!();

    #[cfg(feature = "lora")]
    #[embedded_test::tests(executor = super::Executor::new())]
    mod radio {
        use super::Nrf;

        #[test]
        async fn answers() {
            tanbo_field::radio_answers::<Nrf>().await;
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "for the board: cargo test -p tanbo-board-nrf52840 --target thumbv7em-none-eabihf --profile firmware --bin tanbo-board-nrf52840-suite"
    );
    std::process::ExitCode::from(2)
}
