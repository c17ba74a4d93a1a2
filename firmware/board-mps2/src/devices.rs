//! Resets of the board, and drivers against the devices on its bus.
//!
//! The argument names the test. `resets` goes through three starts of the board: power, its own wish, the watchdog. `barometer`,
//! `thermometer` and `memory` want a DPS310, a TMP105 and 32 KiB of memory on its bus; until somebody pulls the plug, `journal` keeps
//! events in that memory, `streamed` and `rings` inferences.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod bus;
#[cfg(target_os = "none")]
mod inference;
#[cfg(target_os = "none")]
mod windows;

#[cfg(target_os = "none")]
mod on_board {
    use embassy_futures::block_on;
    use tanbo_board_api::conformance::Failure;
    use tanbo_board_api::{Depth, Power, ResetCause, Selection, Slots, WakeMask};
    use tanbo_board_mps2::Board;
    use tanbo_emulated::{arguments, println};
    use {cortex_m as _, defmt_semihosting as _};

    use crate::{bus, inference};

    tanbo_emulated::entry!(run);

    /// Exit code 0 if the promises are kept, 1 if one is not, 2 if the argument names no test.
    fn run() -> u8 {
        let name = arguments::first_or("");
        let name = name.as_deref().unwrap_or("");
        match test(name) {
            Some(Ok(())) => {
                println!("{}: kept", name);
                0
            }
            Some(Err(failure)) => {
                println!("{}: {}", name, failure);
                1
            }
            None => {
                println!(
                    "which test? resets, barometer, thermometer, memory, journal, streamed, rings; not '{}'",
                    name
                );
                2
            }
        }
    }

    /// `None` where there is no such test.
    fn test(name: &str) -> Option<Result<(), Failure>> {
        let Board { clock, mut power, mut slots, i2c, delay, .. } = Board::take()?;
        match name {
            "resets" => Some(resets(&mut power, &mut slots)),
            "barometer" => Some(block_on(bus::barometer(i2c, delay, &clock, &mut power))),
            "thermometer" => Some(bus::thermometer(i2c)),
            "memory" => Some(block_on(bus::memory(i2c, &mut power))),
            "journal" => Some(block_on(bus::journal(i2c))),
            "streamed" => Some(block_on(inference::streamed(i2c))),
            "rings" => Some(block_on(inference::rings(i2c))),
            _ => None,
        }
    }

    /// Three starts; the last one returns.
    fn resets<P: Power, S: Slots>(power: &mut P, slots: &mut S) -> Result<(), Failure> {
        let cause = power.reset_cause();
        println!("start: {:?}, selected {:?}", cause, slots.selected());
        let starts = power.retained().first().copied().unwrap_or(0);
        let kept = power.retained().iter().all(|byte| *byte == starts);
        let broken = |promise| Err(Failure { promise, found: starts.into() });
        match (cause, starts) {
            _ if !kept => broken("a reset keeps retained memory"),
            (ResetCause::PowerOn, 0) => {
                power.retained().fill(1);
                let selection = Selection { slot: 1, trial: true };
                match block_on(slots.select(selection)) {
                    Ok(()) => power.reset(),
                    Err(_) => broken("a slot can be selected"),
                }
            }
            (ResetCause::Software, 1) => {
                power.retained().fill(2);
                power.feed_watchdog();
                // A node that never comes back from its sleep.
                block_on(power.sleep_until(u64::MAX, Depth::Idle, WakeMask::NONE));
                broken("the watchdog ends what hangs")
            }
            (ResetCause::Watchdog, 2) if slots.selected() == Some(Selection { slot: 1, trial: true }) => Ok(()),
            _ => broken("a reset says its cause and keeps the selection"),
        }
    }
}

tanbo_flash_map::board_only!("thumbv7em-none-eabihf");
