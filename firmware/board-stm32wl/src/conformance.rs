//! Runs the conformance tests of tanbo-board-api on the board and logs what they find. A wire must lead from TX to RX.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt::{Debug2Format, error, info};
    use embassy_executor::Spawner;
    use tanbo_board_api::Power as _;
    use tanbo_board_api::conformance::Failure;
    use tanbo_board_stm32wl::Board;
    use tanbo_parts::checks;
    use {defmt_rtt as _, panic_probe as _};

    #[embassy_executor::main(executor = "embassy_stm32::executor::Executor", entry = "cortex_m_rt::entry")]
    async fn main(_spawner: Spawner) {
        let Some(board) = Board::take() else {
            error!("the board's memory does not work");
            return;
        };
        let Board { mut clock, mut power, mut slots, uart, .. } = board;
        info!("start: {}", Debug2Format(&power.reset_cause()));
        let Ok(mut uart) = uart.listen() else {
            error!("the UART's rate cannot be made of the clock");
            return;
        };
        checks::run(&mut clock, &mut power, &mut slots, &mut uart, |name, result| match result {
            Ok(()) => info!("{}: kept", name),
            Err(Failure { promise, found }) => error!("{}: not kept: {}, found {}", name, promise, found),
        })
        .await;
        #[cfg(feature = "lora")]
        match board.radio.open().await {
            Ok(_) => info!("radio: answers"),
            Err(error) => error!("radio: {}", Debug2Format(&error)),
        }
        info!("end");
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("for the board: cargo run -p tanbo-board-stm32wl --target thumbv7em-none-eabi --profile firmware");
    std::process::ExitCode::from(2)
}
