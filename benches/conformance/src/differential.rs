//! Random layers in the kernel tables of this machine against the reference, in every bit.

use std::format;
use std::string::String;
use std::vec;

use tanbo::{Engine, Family, Model, Progress};
use tanbo_format::emit::Aligned;

use crate::generated::RandomCase;
use crate::suite::{run_bytes, set_inputs};

/// Runs a case packed for `family`, whole and in portions of `rows` rows; returns whether its step is packed.
///
/// # Errors
/// An output that differs from the reference's, or a step that cannot be run.
pub fn compare(case: &RandomCase, family: Family, rows: u32) -> Result<bool, String> {
    let fail = |error: &dyn core::fmt::Display| format!("{} on {}: {error}", case.name, family.name());
    let artifact = Aligned::new(&case.artifact);
    let portable = Model::parse(&artifact).map_err(|error| fail(&error))?;
    let artifact = Aligned::new(&tanbo::pack::repack(&portable, family).map_err(|error| fail(&error))?);
    let ops = tanbo::table(family).ok_or_else(|| fail(&"this machine has no such kernels"))?;
    let model = ops.parse(&artifact).map_err(|error| fail(&error))?;
    // What lies in the arena before must not matter.
    let mut arena = Aligned::new(&vec![0xa5; model.arena_bytes()]);
    let mut engine = Engine::new(&model, ops, &mut arena).map_err(|error| fail(&error))?;
    for budget in [u32::MAX, rows] {
        let mut wanted = case.expected.as_slice();
        for input in case.inputs.chunks_exact(run_bytes(&model)) {
            engine.restart();
            set_inputs(&mut engine, input).map_err(|error| format!("{} on {}: {error:?}", case.name, family.name()))?;
            while engine.step(budget).map_err(|error| fail(&error))? == Progress::More {}
            let output = engine.output_bytes(0).map_err(|error| fail(&error))?;
            let (now, rest) = wanted.split_at(output.len());
            if let Some(at) = now.iter().zip(output).position(|(a, b)| a != b) {
                let (is, not) = (output[at] as i8, now[at] as i8);
                return Err(fail(&format!("budget {budget}: output {at} is {is}, not {not}")));
            }
            wanted = rest;
        }
    }
    Ok(model.step(0).is_some_and(|step| step.variant != 0))
}

/// The body of the fuzz target: a layer from any bytes, in every table of this machine. Returns whether the bytes made one.
///
/// # Errors
/// As [`compare`], and a layer that the reference cannot run.
pub fn bytes(data: &[u8]) -> Result<bool, String> {
    let Some(case) = RandomCase::from_bytes(data)? else { return Ok(false) };
    let rows = 1 + u32::from(data.last().copied().unwrap_or(0) % 5);
    for family in tanbo::families().filter(|&family| family != Family::Portable) {
        compare(&case, family, rows)?;
    }
    Ok(true)
}
