//! How a node's image starts: its future is a task of embassy's executor, in static memory. On a desktop it is polled as it is.

#[cfg(target_os = "none")]
use embassy_executor::{Executor, Spawner};
#[cfg(target_os = "none")]
use static_cell::StaticCell;

/// Runs tasks in thread mode, until one of them ends the program.
#[cfg(target_os = "none")]
pub fn execute(init: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    match EXECUTOR.try_init(Executor::new()) {
        Some(executor) => executor.run(init),
        // Called twice.
        None => tanbo_emulated::exit(2),
    }
}

/// The entry of a node's image, whose async function `$node` returns why it stopped.
#[macro_export]
macro_rules! node {
    ($node:path) => {
        tanbo_emulated::entry!(start, silent);

        #[cfg(target_os = "none")]
        #[embassy_executor::task]
        async fn task() {
            tanbo_emulated::exit($crate::world::ended(core::pin::pin!($node()).await))
        }

        #[cfg(target_os = "none")]
        fn start() -> u8 {
            $crate::execute(|spawner| {
                if let Ok(token) = task() {
                    spawner.spawn(token);
                }
            })
        }

        #[cfg(not(target_os = "none"))]
        fn start() -> u8 {
            $crate::world::ended(embassy_futures::block_on($node()))
        }
    };
}
