//! What firmware needs to run on an emulated machine: memory map, start-up, files and exit codes of the host,
//! a measured stack, and the markers between which instructions are counted; on the MPS2 images also their peripherals
//! and the RAM that a reset keeps.
//!
//! Knows QEMU's machines (one cargo feature each, one file in `memory/` each) and nothing of Tanbo. The same calls exist
//! where there is an operating system, so that a program for a bare core runs unchanged on Linux, emulated or not.
//!
//! With feature `host` (std) the other side too: [`host`] builds a program for a runner, starts QEMU with the counting
//! plugin (`plugin/count.c`) and brings back what it wrote.
//!
//! ```text
//! #![cfg_attr(target_os = "none", no_std, no_main)]
//! tanbo_emulated::entry!(app);
//! fn app() -> u8 {
//!     tanbo_emulated::println!("hello");
//!     0 // exit code
//! }
//! ```
#![no_std]

#[cfg(not(target_os = "none"))]
extern crate std;

pub mod arguments;
#[cfg(all(target_os = "none", feature = "cmsdk"))]
pub mod cmsdk;
pub mod count;
pub mod cycles;
pub mod files;
#[cfg(all(feature = "host", not(target_os = "none")))]
pub mod host;
pub mod job;
#[cfg(target_os = "none")]
mod machine;
#[cfg(not(target_os = "none"))]
#[path = "process.rs"]
mod machine;
pub mod ram;
#[cfg(all(target_os = "none", feature = "cmsdk"))]
pub mod retained;
pub mod stack;

pub use machine::exit;
#[cfg(all(target_os = "none", feature = "handlers"))]
#[doc(hidden)]
pub use machine::{end_in_panic, report_panic};

/// Whether the machine's flash has no room for more than one table of every kernel (256 KiB, micro:bit).
pub const SMALL_FLASH: bool = cfg!(feature = "microbit");

/// Whether the machine's RAM has no room for tables of some kilobytes on the stack.
pub const SMALL_RAM: bool = cfg!(any(feature = "microbit", feature = "small-chip"));

#[cfg(target_os = "none")]
#[doc(hidden)]
pub use semihosting::println as __println;
#[cfg(not(target_os = "none"))]
#[doc(hidden)]
pub use std::println as __println;

/// Prints a line on the host's console: semihosting where there is no operating system, stdout elsewhere.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => { $crate::__println!($($arg)*) };
}

/// Has the program report a panic to the host and exit with 101, on a bare machine with feature `handlers`; [`entry!`] does it.
#[cfg(all(target_os = "none", feature = "handlers"))]
#[macro_export]
macro_rules! report_panics {
    ($($how:ident)?) => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::report_panics!(@ info $($how)?)
        }
    };
    (@ $info:ident) => { $crate::report_panic($info) };
    (@ $info:ident silent) => {{
        let _ = $info;
        $crate::end_in_panic()
    }};
}

/// Has the program report a panic to the host and exit with 101, on a bare machine with feature `handlers`; [`entry!`] does it.
#[cfg(not(all(target_os = "none", feature = "handlers")))]
#[macro_export]
macro_rules! report_panics {
    ($($how:ident)?) => {};
}

/// Makes `fn $main() -> u8` the program's entry; the result is the exit code of the process or of QEMU.
///
/// With `silent` a panic only exits, with 101: the places and words of all panics, a tenth of a node's flash, stay out of the image.
///
/// The binary needs `#![cfg_attr(target_os = "none", no_std, no_main)]` and the link argument `-Tlink.x`.
#[macro_export]
macro_rules! entry {
    ($main:path $(, $how:ident)?) => {
        $crate::report_panics!($($how)?);

        #[cfg(target_os = "none")]
        #[unsafe(export_name = "main")]
        extern "C" fn __tanbo_entry() -> ! {
            let main: fn() -> u8 = $main;
            $crate::exit(main())
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            let main: fn() -> u8 = $main;
            $crate::exit(main())
        }
    };
}
