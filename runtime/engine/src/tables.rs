//! Kernel families by number: the table that an artifact asks for, and the best one of a CPU.

use tanbo_format::Family;
use tanbo_kernels::arch::armv7::Armv7;
use tanbo_kernels::arch::avx2::Avx2;
use tanbo_kernels::arch::dotprod::Dotprod;
use tanbo_kernels::arch::dsp::Dsp;
use tanbo_kernels::arch::m0::M0;
use tanbo_kernels::arch::m3::M3;
use tanbo_kernels::arch::mve::Mve;
use tanbo_kernels::arch::neon::Neon;
use tanbo_kernels::arch::rv32::Rv32;
use tanbo_kernels::arch::vnni::Vnni;
use tanbo_kernels::{Kernels, Reference};

use crate::op_set::OpSet;

/// Stands for the kernel family with the number `FAMILY`, which an artifact's header states: see [`TableOf`].
#[derive(Debug)]
pub struct ByFamily<const FAMILY: u8>;

/// The kernel table of a family, in `const` context: how `include_model!` finds an artifact's kernels.
pub trait TableOf {
    /// The kernels.
    type Table: Kernels;
}

/// Families and their kernels, those of the same architecture from the least to the best.
macro_rules! families {
    (kernels { $($family:ident: $kernels:ty,)* }) => {
        const FAMILIES: &[Family] = &[$(Family::$family),*];

        /// Returns every operator in the kernels of `family`, or `None` if this target or its CPU does not run them.
        ///
        /// Links all operators. Firmware names its model instead: `include_model!`.
        pub fn table(family: Family) -> Option<&'static OpSet> {
            table_of::<{ u64::MAX }, { u64::MAX }>(family)
        }

        /// As [`table`], of the operators whose bits are set, as in [`OpSet::from_bits`]: no other is linked.
        pub fn table_of<const OPERATORS: u64, const PACKED: u64>(family: Family) -> Option<&'static OpSet> {
            match family {
                $(Family::$family if <$kernels>::COMPILED => {
                    let set = const { &OpSet::from_bits::<$kernels>(OPERATORS, PACKED) };
                    set.is_available().then_some(set)
                })*
                _ => None,
            }
        }

        $(impl TableOf for ByFamily<{ Family::$family as u8 }> {
            type Table = $kernels;
        })*
    };
}

families! {
    kernels {
        Portable: Reference,
        Armv7: Armv7,
        Neon: Neon,
        Dotprod: Dotprod,
        M0: M0,
        M3: M3,
        Rv32: Rv32,
        Avx2: Avx2,
        Vnni: Vnni,
        Dsp: Dsp,
        Mve: Mve,
    }
}

/// Returns every operator in the kernels that an artifact of `family` runs with here: the family's where this CPU has them,
/// else the reference kernels, which read no packing but the portable one.
pub fn table_or_reference(family: Family) -> &'static OpSet {
    static REFERENCE: OpSet = OpSet::all::<Reference>();
    table(family).unwrap_or(&REFERENCE)
}

/// Returns the families whose kernels this CPU runs, the portable one first, the fastest last.
pub fn families() -> impl DoubleEndedIterator<Item = Family> {
    FAMILIES.iter().copied().filter(|&family| table(family).is_some())
}

/// Returns the family with the fastest kernels that this CPU runs.
pub fn best_family() -> Family {
    families().next_back().unwrap_or(Family::Portable)
}
