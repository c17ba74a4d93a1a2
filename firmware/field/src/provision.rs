//! A node that is told over its UART who it is.

use defmt::{error, info};
use tanbo_board_api::{Clock as _, Depth, Power, WakeCause, WakeMask};
use tanbo_parts::TickClock;
use tanbo_parts::provision::{Site, identity};

use crate::seismic::{Kind, restart};
use crate::{Chip, Start as _};

/// How long a button must be held as the node starts, µs.
const PRESSED_US: u64 = 10_000;

/// Returns whether somebody holds the board's button.
pub(crate) async fn asked<P: Power>(power: &mut P, clock: &TickClock) -> bool {
    let deadline_us = clock.now_us() + PRESSED_US;
    power.sleep_until(deadline_us, Depth::Idle, WakeMask::BUTTON).await == WakeCause::Button
}

/// Waits on the UART for an identity, then starts the board anew: as somebody, with the UART off where LoRaWAN carries the frames.
pub(crate) async fn listen<C: Chip>(
    kind: &Kind,
    (clock, power, uart): (&TickClock, &mut C::Power, C::Uart),
    flash: &mut C::Flash,
    seed: u64,
    asked: bool,
) {
    let mut line = match uart.start().await {
        Ok(line) => line,
        Err(_) => {
            error!("the UART cannot be set as it must be");
            return restart(power, clock).await;
        }
    };
    info!("`tanbo provision write` can give this node an identity, over its UART");
    let site = Site::of(kind.currents.name, C::MAP);
    match identity((clock, &mut *power, &mut line), flash, &site, seed, asked).await {
        Ok(_) => power.reset(),
        Err(_) => error!("the identity's page: the flash does not do what it is told"),
    }
    restart(power, clock).await
}
