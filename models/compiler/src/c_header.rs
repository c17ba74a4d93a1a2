//! An artifact as a C header: what a program needs that links the library of `runtime/c`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tanbo_format::packing::runs_apart;
use tanbo_format::{Family, Model, Step};

/// Bytes in a line.
const LINE: usize = 24;

/// Returns a header with the bytes of `model` as the array `name`, and as macros the bytes of its arena, its number of steps, and
/// the operators that it needs, for an array of pointers.
pub fn c_header(model: &Model<'_>, name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let bytes = model.bytes();
    let steps = (0..model.step_count()).filter_map(|number| model.step(number as u16));
    let operators: BTreeSet<String> = steps.map(|step| symbol(model.family(), &step)).collect();
    let operators: Vec<String> = operators.iter().map(|operator| format!("&{operator}")).collect();
    let mut text = format!(
        "/* Made by `tanbo header`. Do not edit. */\n#ifndef {upper}_H\n#define {upper}_H\n\n#include \"tanbo.h\"\n\n\
         #define {upper}_ARENA_BYTES {arena}\n#define {upper}_STEPS {steps}\n#define {upper}_OPERATORS \\\n    {operators}\n\n\
         static const TANBO_ALIGNED(16) uint8_t {name}[{length}] = {{\n",
        arena = model.arena_bytes(),
        steps = model.step_count(),
        operators = operators.join(", \\\n    "),
        length = bytes.len(),
    );
    for line in bytes.chunks(LINE) {
        text.push_str("    ");
        for byte in line {
            let _ = write!(text, "{byte},");
        }
        text.push('\n');
    }
    text + "};\n\n#endif\n"
}

/// Returns the symbol of the operator that runs `step`.
fn symbol(family: Family, step: &Step<'_>) -> String {
    let table = if family == Family::Portable { "reference" } else { family.name() };
    let form = match step.variant {
        0 => "",
        variant if runs_apart(variant) => "_winograd",
        _ => "_packed",
    };
    format!("tanbo_{table}_{}{form}", step.op.name())
}
