//! The tests that every board runs, on this one: `tanbo-suite`. A wire must lead from TX to RX.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod on_board {
    use defmt_rtt as _;

    tanbo_field::suite!(tanbo_board_nrf52840::Nrf, embassy_executor::Executor::new());
}

tanbo_flash_map::board_only!("thumbv7em-none-eabihf");
