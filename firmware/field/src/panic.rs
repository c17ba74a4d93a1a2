//! What a node on a Cortex-M does in a panic.

/// Has the program stop at an undefined instruction in a panic: a debugger shows from where, and the watchdog starts the board anew.
///
/// Nothing is said. A message would keep the place and the words of every panic of every crate in flash, which is an eighth of a node's image.
#[macro_export]
macro_rules! stop_at_panic {
    () => {
        #[panic_handler]
        fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
            cortex_m::asm::udf()
        }
    };
}
