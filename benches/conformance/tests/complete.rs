//! An operator of the list is whole: reference kernel, engine arm, compiler arm and vectors, and nothing of these
//! belongs to an operator that is not in the list.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tanbo_format::Op;

/// Folder under the workspace's root, and how an operator's entry in it ends.
const PLACES: [(&str, &str); 4] = [
    ("runtime/kernels/src/reference", ".rs"),
    ("runtime/engine/src/ops", ".rs"),
    ("models/compiler/src/lower", ".rs"),
    ("benches/conformance/vectors", ""),
];

#[test]
fn every_operator_has_all_its_parts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut missing = Vec::new();
    for op in Op::ALL {
        for (folder, ending) in PLACES {
            let path = format!("{folder}/{}{ending}", op.name());
            let present = if ending.is_empty() {
                fs::read_dir(root.join(&path)).is_ok_and(|mut entries| entries.next().is_some())
            } else {
                root.join(&path).is_file()
            };
            if !present {
                missing.push(path);
            }
        }
    }
    assert!(missing.is_empty(), "operators of runtime/format/src/op.rs lack:\n{}", missing.join("\n"));
}

#[test]
fn every_vector_folder_belongs_to_an_operator() {
    // Networks are cases of several steps.
    let known: BTreeSet<&str> = Op::ALL.iter().map(|op| op.name()).chain(["networks"]).collect();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for entry in fs::read_dir(vectors).expect("vectors/ is in this package") {
        let name = entry.expect("readable").file_name();
        assert!(name.to_str().is_some_and(|n| known.contains(n)), "vectors/{} belongs to no operator", name.display());
    }
}
