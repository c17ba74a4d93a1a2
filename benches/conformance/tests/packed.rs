//! The sets that are packed for a family, on this machine's kernels.

use tanbo::Family;
use tanbo_conformance::pack::Pack;
use tanbo_conformance::{generated, runners};
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

/// Every table of this machine equals the reference on the cases packed for it, and at every length.
#[test]
fn every_table_of_this_machine_is_exact() {
    let (lines, failures) = runners::run_host();
    assert!(failures.is_empty(), "{failures}");
    for line in &lines {
        println!("{line}");
        assert!(line.cases > 0 && line.failed == 0, "{line}");
    }
    assert!(runners::disagreements(&lines).is_empty(), "{:?}", runners::disagreements(&lines));
    let tables = tanbo::families().count();
    assert_eq!(lines.iter().filter(|line| line.set == "small").count(), tables);
    assert!(!cfg!(target_arch = "x86_64") || lines.iter().any(|line| line.table == "avx2"));
}
