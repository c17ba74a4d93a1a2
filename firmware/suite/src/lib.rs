//! Tests that run on a board, one after each start of it: what `tanbo-board-api` promises, the store in the board's own flash, the engine
//! on its core.
//!
//! Layer 4. [`suite!`] makes a program of them in the protocol of the crate `embedded-test`: `probe-rs run` on a probe, or QEMU behind
//! `.cargo/run-emulated`, reads the tests from the image, starts the board once for each and takes a panic for its failure. A wire must
//! lead from TX to RX of the board's UART. Nothing that the board's store and last model slot held is kept.

#![no_std]
#![forbid(unsafe_code)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

pub mod engine;
pub mod store;

use core::fmt;
use core::ops::Range;

/// The parts of a board that the tests take.
#[derive(Debug)]
pub struct Bench<C, P, U, S, F> {
    /// Time.
    pub clock: C,
    /// Sleep, retained memory, watchdog.
    pub power: P,
    /// Frames that come back.
    pub uplink: U,
    /// Model slots.
    pub slots: S,
    /// Flash, and where in it the store lies.
    pub flash: (F, Range<u32>),
}

/// Ends the test where a promise is not kept.
///
/// # Panics
/// With what is wrong: the protocol's way to fail.
pub fn kept<E: fmt::Display>(result: Result<(), E>) {
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Makes the tests of a board: `suite!(start, bench, executor)`.
///
/// `start` is an async function that starts the board and returns its `bench`, a [`Bench`]; it is called once in each start. The executor is
/// embassy's for the board, as an expression. The package needs `embedded-test` and the program `#![no_main]` on the board.
#[macro_export]
macro_rules! suite {
    ($start:path, $bench:ty, $executor:expr) => {
        #[embedded_test::tests(executor = $executor)]
        mod board {
            use super::*;

            #[init]
            async fn init() -> $bench {
                $start().await
            }

            #[test]
            async fn clock(bench: $bench) {
                let (mut clock, mut power) = (bench.clock, bench.power);
                $crate::kept($crate::conformance::clock(&mut clock, &mut power).await);
            }

            #[test]
            async fn power(bench: $bench) {
                let mut power = bench.power;
                $crate::kept($crate::conformance::power(&bench.clock, &mut power).await);
            }

            #[test]
            async fn slots(bench: $bench) {
                let mut slots = bench.slots;
                $crate::kept($crate::conformance::slots(&mut slots).await);
            }

            #[test]
            async fn uplink(bench: $bench) {
                let (mut uplink, mut power) = (bench.uplink, bench.power);
                $crate::kept($crate::conformance::uplink(&mut uplink, &bench.clock, &mut power).await);
            }

            #[test]
            async fn store(bench: $bench) {
                let (flash, range) = bench.flash;
                $crate::kept($crate::store::outlives_its_pages(flash, range).await);
            }
        }

        #[embedded_test::tests]
        mod engine {
            #[test]
            fn models() {
                $crate::kept($crate::engine::models());
            }

            #[test]
            fn kernels() {
                $crate::kept($crate::engine::kernels());
            }
        }
    };
}

#[doc(hidden)]
pub use tanbo_board_api::conformance;
