//! Runs the conformance tests of tanbo-board-api on the board, or, where there is an operating system, on the simulated one.
//!
//! The argument names one of them. On the board, `uplink` wants something at UART 0 that sends everything back. `resets` goes through
//! three starts of the board: power, its own wish, the watchdog. `barometer`, `thermometer` and `memory` want a DPS310, a TMP105 and
//! 32 KiB of memory on its bus; until somebody pulls the plug, `journal` keeps events in that memory, `streamed` and `rings` inferences.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use embassy_futures::block_on;
use tanbo_board_api::conformance::{self, Failure};
use tanbo_board_api::{Clock, Power, Slots, Uplink};
use tanbo_emulated::{arguments, println};
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod inference;
#[cfg(target_os = "none")]
mod windows;
#[cfg(target_os = "none")]
use {cortex_m as _, defmt_semihosting as _};

tanbo_emulated::entry!(run);

/// Exit code 0 if the promises are kept, 1 if one is not, 2 if the argument names no test.
fn run() -> u8 {
    let name = arguments::first_or("");
    let name = name.as_deref().unwrap_or("");
    match on_board(name) {
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
                "which test? clock, power, uplink, slots; on the board also resets, barometer, thermometer, memory, journal, streamed, rings; not '{}'",
                name
            );
            2
        }
    }
}

/// `None` where there is no such test.
fn test<C: Clock, P: Power, U: Uplink, S: Slots>(
    name: &str,
    clock: &mut C,
    power: &mut P,
    uplink: &mut U,
    slots: &mut S,
) -> Option<Result<(), Failure>> {
    match name {
        "clock" => Some(block_on(conformance::clock(clock, power))),
        "power" => Some(block_on(conformance::power(clock, power))),
        "uplink" => Some(block_on(conformance::uplink(uplink, clock, power))),
        "slots" => Some(block_on(conformance::slots(slots))),
        _ => None,
    }
}

#[cfg(target_os = "none")]
fn on_board(name: &str) -> Option<Result<(), Failure>> {
    let board = tanbo_board_mps2::Board::take()?;
    let tanbo_board_mps2::Board { mut clock, mut power, mut uplink, mut slots, i2c, delay } = board;
    match name {
        "resets" => Some(resets(&mut power, &mut slots)),
        "barometer" => Some(block_on(devices::barometer(i2c, delay, &clock, &mut power))),
        "thermometer" => Some(devices::thermometer(i2c)),
        "memory" => Some(block_on(devices::memory(i2c, &mut power))),
        "journal" => Some(block_on(devices::journal(i2c))),
        "streamed" => Some(block_on(inference::streamed(i2c))),
        "rings" => Some(block_on(inference::rings(i2c))),
        name => test(name, &mut clock, &mut power, &mut uplink, &mut slots),
    }
}

/// Three starts; the last one returns.
#[cfg(target_os = "none")]
fn resets<P: Power, S: Slots>(power: &mut P, slots: &mut S) -> Result<(), Failure> {
    use tanbo_board_api::{Depth, ResetCause, Selection, WakeMask};
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

#[cfg(not(target_os = "none"))]
fn on_board(name: &str) -> Option<Result<(), Failure>> {
    use tanbo_board_api::sim::{SimClock, SimPower, SimSlots, SimUplink, World, echo};
    let world = World::new(0);
    let mut power = SimPower::new(&world);
    let mut uplink = SimUplink::new(&world, echo);
    test(name, &mut SimClock::new(&world), &mut power, &mut uplink, &mut SimSlots::<2, 4096>::new())
}
