//! The tests that every board runs, on this one: `tanbo-suite`. UART 0 must send everything back, and the bus have memory for the store.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod on_board {
    use core::ops::Range;

    use embassy_embedded_hal::adapter::BlockingAsync;
    use embassy_executor::Executor;
    use tanbo_board_mps2::{Board, Mps2Clock, Mps2I2c, Mps2Power, Mps2Slots, Mps2Uplink};
    use tanbo_drivers::mb85rc::{FramFlash, Mb85rc, Size};
    use tanbo_suite::Bench;
    use {cortex_m as _, defmt_semihosting as _};

    type Flash = FramFlash<BlockingAsync<Mps2I2c>>;
    type Mps2 = Bench<Mps2Clock, Mps2Power, Mps2Uplink, Mps2Slots, Flash>;

    /// Pages of the store.
    const STORE: Range<u32> = 0..4 * Flash::PAGE as u32;

    async fn board() -> Mps2 {
        let board = Board::take().expect("a board that nobody has taken");
        let memory = Mb85rc::new(BlockingAsync::new(board.i2c), 0x50, Size::Kbit256).expect("an address");
        let Board { clock, power, uplink, slots, .. } = board;
        Bench { clock, power, uplink, slots, flash: (FramFlash(memory), STORE) }
    }

    tanbo_emulated::report_panics!();
    tanbo_suite::suite!(board, Mps2, Executor::new());
}

tanbo_flash_map::board_only!("thumbv7em-none-eabihf");
