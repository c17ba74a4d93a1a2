//! The sets that are packed for a family, on this machine's kernels.

use tanbo::{Family, Model};
use tanbo_conformance::pack::Pack;
use tanbo_conformance::{generated, runners};
use tanbo_format::emit::Aligned;
use tanbo_format::packing::runs_apart;

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

/// A packing that is only taken when it is asked for is among the lengths too.
#[test]
fn transformed_weights_are_tested_at_every_length() {
    let bytes = Aligned::new(&generated::lengths(Family::Dsp).expect("every case can be packed"));
    let pack = Pack::parse(&bytes).expect("it was just written");
    let variants = pack.cases().map(|case| {
        let artifact = Aligned::new(case.expect("it was just written").artifact);
        Model::parse(&artifact).expect("an artifact").step(0).expect("a step").variant
    });
    assert!(variants.filter(|&variant| runs_apart(variant)).count() >= 30);
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
