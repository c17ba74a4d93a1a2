//! Layer 5: what the benches share: the kernel tables of this machine, and how a runtime's times are asked for.
//!
//! Wall times inform; instruction counts (`cargo tanbo bench --runner …`) judge.

use std::error::Error;
use std::io::{Write as _, stdin, stdout};
use std::time::Instant;

use tanbo::{Family, OpSet};

/// Returns the kernel families this machine can run with their tables, the reference first.
pub fn tables() -> Vec<(Family, &'static OpSet)> {
    tanbo::families().filter_map(|family| Some((family, tanbo::table(family)?))).collect()
}

/// Prints `name`, and then, for each line with a number N on standard input, the nanoseconds of N calls of `run` together.
///
/// # Errors
/// A line that is not a number; whatever `run` fails with.
pub fn serve(name: &str, mut run: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    println!("{name}");
    for line in stdin().lines() {
        let line = line?;
        let runs: u32 = line.trim().parse().map_err(|_| format!("'{line}': give a number of inferences"))?;
        let start = Instant::now();
        for _ in 0..runs {
            run()?;
        }
        println!("{}", start.elapsed().as_nanos());
        stdout().flush()?;
    }
    Ok(())
}

/// Returns a random generator's next byte: the same inputs everywhere.
pub fn next_byte(state: &mut u32) -> u8 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 24) as u8
}
