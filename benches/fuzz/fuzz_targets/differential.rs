//! A layer from any bytes: every kernel table of this machine against the reference, in every bit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tanbo_conformance::differential;

fuzz_target!(|data: &[u8]| {
    if let Err(message) = differential::bytes(data) {
        panic!("{message}");
    }
});
