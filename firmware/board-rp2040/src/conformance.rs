//! Runs the conformance tests of tanbo-board-api on the board and logs what they find. A wire must lead from TX to RX.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use embassy_executor::Spawner;
    use {defmt_rtt as _, panic_probe as _};

    #[embassy_executor::main]
    async fn main(_spawner: Spawner) {
        tanbo_field::conformance::<tanbo_board_rp2040::Rp>().await;
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("for the board: cargo run -p tanbo-board-rp2040 --target thumbv6m-none-eabi --profile firmware");
    std::process::ExitCode::from(2)
}
