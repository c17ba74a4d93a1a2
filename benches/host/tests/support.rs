//! The support matrix: made from the tables that the importers dispatch by, the operator list, the conformance cases and
//! the kernels' packings; compared with SUPPORT.md. `TANBO_WRITE=1 cargo test -p tanbo-host --test support` accepts a change.
//!
//! `tests/operators.rs` of the compiler checks those tables against every committed model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tanbo::pack::repack;
use tanbo_compiler::import::{onnx, tflite};
use tanbo_conformance::FULL;
use tanbo_conformance::pack::Pack;
use tanbo_format::emit::Aligned;
use tanbo_format::{Family, Model, Op};

type Rows = Vec<(&'static str, &'static [Op])>;

/// Names, by what they have in common.
type Groups<K> = BTreeMap<K, BTreeSet<String>>;

fn qdq() -> Rows {
    let [rows, _] = onnx::operators();
    rows
}

fn operator_format() -> Rows {
    let [_, rows] = onnx::operators();
    rows
}

/// The matrix as a page.
fn page() -> String {
    let mut page = String::from(
        "# What is supported\n\n\
         Generated from the importers' dispatch tables, the operator list and the conformance cases by `benches/host/tests/support.rs`,\n\
         which CI compares; `TANBO_WRITE=1 cargo test -p tanbo-host --test support` writes it again.\n\n\
         ## Operators of an artifact\n\n\
         Element types of activations are those of the conformance cases, inputs -> output (`_i4`: weights of four bits); the\n\
         families are those that have a packing of their own for some of these cases. Kernels that need none are not listed. A\n\
         float ONNX model is calibrated and rewritten to the QDQ form, so that its operators are those of that column\n\
         (float .tflite models become float ONNX models first).\n\n\
         | operator | element types | TFLite | ONNX QDQ, float ONNX | ONNX operator format | packed for |\n\
         |---|---|---|---|---|---|\n",
    );
    let (types, packed) = cases();
    let becomes = |rows: &Rows, op: Op| list(rows.iter().filter(|row| row.1.contains(&op)).map(|row| row.0));
    let sources = [tflite::operators().collect(), qdq(), operator_format()];
    for &op in Op::ALL {
        let [a, b, c] = sources.each_ref().map(|rows| becomes(rows, op));
        let (types, packed) = (types.get(&op), packed.get(&op));
        let all = |names: Option<&BTreeSet<String>>| list(names.into_iter().flatten().map(String::as_str));
        let a = if [&a, &b, &c].iter().all(|names| names.is_empty()) { "(no importer makes it yet)".into() } else { a };
        _ = writeln!(page, "| `{}` | {} | {a} | {b} | {c} | {} |", op.name(), all(types), all(packed));
    }
    let views = sources.each_ref().map(|rows| list(rows.iter().filter(|row| row.1.is_empty()).map(|row| row.0)));
    let [a, b, c] = views;
    _ = writeln!(page, "| none: a view, a constant, or the boundary | | {a} | {b} | {c} | |");

    let mut section = |title: &str, text: &str, rows: Groups<String>| {
        _ = write!(page, "\n## {title}\n\n{text}\n\n| operators | what to do |\n|---|---|\n");
        for (remedy, names) in rows {
            _ = writeln!(page, "| {} | {remedy} |", list(names.iter().map(String::as_str)));
        }
    };
    let grouped = |refused: &mut dyn Iterator<Item = (&'static str, &'static str)>| {
        let mut groups = Groups::new();
        for (name, remedy) in refused {
            groups.entry(remedy.into()).or_default().insert(name.into());
        }
        groups
    };
    section(
        "TFLite operators that are refused",
        "Whatever their operands. An operator above may still refuse operands that its judge computes in float, ignores or \
         refuses: the message names operator, reason and remedy.",
        grouped(&mut tflite::refused()),
    );
    section("ONNX operators that are refused", "As above.", grouped(&mut onnx::refused()));
    page
}

/// The element types that each operator's conformance cases have, and the families that pack some of them.
fn cases() -> (Groups<Op>, Groups<Op>) {
    let (mut types, mut packed) = (Groups::new(), Groups::new());
    for case in Pack::parse(FULL).expect("build.rs wrote it").cases() {
        let artifact = case.expect("build.rs wrote it").artifact;
        let model = Model::parse(artifact).expect("a case parses");
        for step in (0..model.step_count() as u16).filter_map(|i| model.step(i)) {
            let ty = |tensor: u16| model.tensor(tensor).expect("a step's tensor").ty.name();
            let inputs: BTreeSet<&str> = step.inputs.iter().map(|&input| ty(input)).collect();
            let inputs = inputs.into_iter().collect::<Vec<_>>().join(", ");
            let output = ty(step.output);
            let all = if inputs == output { inputs } else { format!("{inputs} -> {output}") };
            types.entry(step.op).or_insert_with(BTreeSet::new).insert(all);
        }
        for &family in Family::ALL {
            let artifact = Aligned::new(&repack(&model, family).expect("a case can be packed"));
            let model = Model::parse(&artifact).expect("what was packed is an artifact");
            for step in (0..model.step_count() as u16).filter_map(|i| model.step(i)).filter(|step| step.variant != 0) {
                packed.entry(step.op).or_insert_with(BTreeSet::new).insert(family.name().to_string());
            }
        }
    }
    (types, packed)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_page_is_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/compiler/SUPPORT.md");
    let page = page();
    if std::env::var_os("TANBO_WRITE").is_some() {
        fs::write(&path, &page).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let committed = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let differs = committed.lines().zip(page.lines()).find(|(old, new)| old != new);
    assert!(committed == page, "SUPPORT.md is not what the code does (TANBO_WRITE=1 writes it): {differs:#?}");
}

#[test]
fn every_operator_has_cases() {
    let (types, _) = cases();
    for op in Op::ALL {
        assert!(types.contains_key(op), "no conformance case has {}", op.name());
    }
}
