//! The sets that are packed for a family, on this machine's kernels.

use tanbo::Family;
use tanbo_conformance::generated;
use tanbo_conformance::pack::Pack;
use tanbo_format::emit::Aligned;

/// Every family's packing is accepted by the verifier, whether this machine can run it or not, and packs something unless the
/// family has no packing.
#[test]
fn every_family_packs_every_case() {
    for &family in Family::ALL {
        for set in [generated::packed(family), generated::lengths(family)] {
            let bytes = Aligned::new(&set.expect("every case can be packed"));
            let pack = Pack::parse(&bytes).expect("it was just written");
            assert!(!pack.is_empty());
        }
    }
}
