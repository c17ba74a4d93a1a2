//! A board on the bench, with a wire from the UART's TX to its RX: the parts that `tanbo-suite` tests.

use tanbo_parts::{FlashSlots, TickClock};
use tanbo_suite::Bench;

use crate::{Board, Chip, Start};

/// What the tests of a board take.
pub type BenchOf<C> = Bench<
    TickClock,
    <C as Chip>::Power,
    <<C as Chip>::Uart as Start>::Started,
    FlashSlots<<C as Chip>::Flash>,
    <C as Chip>::Flash,
>;

/// Starts the board for a test.
///
/// # Panics
/// If the board or its UART does not start: the tests' way to fail.
#[allow(clippy::panic, reason = "a test's failure")]
pub async fn bench<C: Chip>() -> BenchOf<C> {
    let Some(Board { clock, power, flash, uart, .. }) = C::take() else {
        panic!("the board's memory does not work");
    };
    let slots = match FlashSlots::open(flash.clone(), C::MAP).await {
        Ok(slots) => slots,
        Err(error) => panic!("slots: {error:?}"),
    };
    match uart.start().await {
        Ok(uplink) => Bench { clock, power, uplink, slots, flash: (flash, C::MAP.offsets(C::MAP.store())) },
        Err(error) => panic!("UART: {error:?}"),
    }
}

/// Tests whether the radio answers.
///
/// # Panics
/// If it does not.
#[cfg(feature = "lora")]
#[allow(clippy::panic, reason = "a test's failure")]
pub async fn radio_answers<C: Chip>() {
    let Some(board) = C::take() else { panic!("the board's memory does not work") };
    if let Err(error) = board.radio.start().await {
        panic!("radio: {error:?}");
    }
}

/// Makes the tests of a board: `suite!(chip, executor)`, those of `tanbo-suite` and, with the board's feature `lora`, whether its radio
/// answers. The executor is embassy's for the board, as an expression. The package needs `embedded-test`.
#[macro_export]
macro_rules! suite {
    ($chip:ty, $executor:expr) => {
        $crate::tanbo_suite::suite!($crate::bench::<$chip>, $crate::BenchOf<$chip>, $executor);

        #[cfg(feature = "lora")]
        #[embedded_test::tests(executor = $executor)]
        mod radio {
            #[test]
            async fn answers() {
                $crate::radio_answers::<$chip>().await;
            }
        }
    };
}
