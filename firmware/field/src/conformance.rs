//! The conformance tests of tanbo-board-api on a board.

use defmt::{Debug2Format, error, info};
use tanbo_board_api::Power as _;
use tanbo_board_api::conformance::Failure;
use tanbo_parts::{FlashSlots, checks};

use crate::{Board, Chip, Start as _};

/// Runs the tests of clock, power, slots and UART, and asks the radio for an answer; logs what they find. A wire must lead from the UART's TX
/// to its RX. The last slot is erased.
pub async fn conformance<C: Chip>() {
    let Some(Board {
        mut clock,
        mut power,
        flash,
        uart,
        #[cfg(feature = "lora")]
        radio,
        ..
    }) = C::take()
    else {
        return error!("the board's memory does not work");
    };
    info!("start: {}", Debug2Format(&power.reset_cause()));
    let mut slots = match FlashSlots::open(flash, C::MAP).await {
        Ok(slots) => slots,
        Err(error) => return error!("slots: {}", Debug2Format(&error)),
    };
    let mut uart = match uart.start().await {
        Ok(uart) => uart,
        Err(error) => return error!("UART: {}", Debug2Format(&error)),
    };
    checks::run(&mut clock, &mut power, &mut slots, &mut uart, |name, result| match result {
        Ok(()) => info!("{}: kept", name),
        Err(Failure { promise, found }) => error!("{}: not kept: {}, found {}", name, promise, found),
    })
    .await;
    #[cfg(feature = "lora")]
    match radio.start().await {
        Ok(_) => info!("radio: answers"),
        Err(error) => error!("radio: {}", Debug2Format(&error)),
    }
    info!("end");
}
