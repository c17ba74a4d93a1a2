//! Layer 5: what the benches share: the kernel tables of this machine.
//!
//! Wall times inform; instruction counts (`cargo tanbo bench --runner …`) judge.

use tanbo::{Family, OpSet};

/// Returns the kernel families this machine can run with their tables, the reference first.
pub fn tables() -> Vec<(Family, &'static OpSet)> {
    tanbo::families().filter_map(|family| Some((family, tanbo::table(family)?))).collect()
}
