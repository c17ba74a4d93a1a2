//! The suite on this machine, for every kernel table it has.

use tanbo_conformance::pack::{Pack, PackError};
use tanbo_conformance::{FULL, SMALL, suite, tables};

fn arena() -> Vec<u128> {
    vec![0; 1 << 12]
}

#[test]
fn no_case_fails_and_all_tables_agree() {
    // Cases per operator, at least.
    for (set, bytes, least) in [("full", FULL, 20), ("small", SMALL, 3)] {
        let pack = Pack::parse(bytes).expect("build.rs wrote it");
        assert!(pack.len() >= least * tanbo::Op::ALL.len(), "{set}: {} cases", pack.len());
        let mut digests = Vec::new();
        for table in tables() {
            let mut failures = Vec::new();
            let mut report = |failure: &suite::Failure<'_>| failures.push(failure.to_string());
            let summary = suite::run(&pack, table, bytemuck::cast_slice_mut(&mut arena()), &mut report);
            assert_eq!(summary.cases as usize, pack.len());
            assert!(failures.is_empty() && summary.failed == 0, "{set}:\n{}", failures.join("\n"));
            println!("target=host table={} set={set} digest={:016x}", table.table_name(), summary.digest);
            digests.push(summary.digest);
        }
        digests.dedup();
        assert_eq!(digests.len(), 1, "{set}: tables disagree");
    }
}

/// Largest arena and image that the machine with 16 KB of RAM and 256 KB of flash has room for.
const SMALL_ARENA_BYTES: usize = 4 << 10;
const SMALL_PACK_BYTES: usize = 144 << 10;

#[test]
fn the_small_set_fits_the_smallest_machine_and_has_every_operator() {
    assert!(SMALL.len() <= SMALL_PACK_BYTES, "{} bytes", SMALL.len());
    let mut operators = 0u64;
    for case in Pack::parse(SMALL).expect("build.rs wrote it").cases() {
        let case = case.expect("build.rs wrote it");
        let model = tanbo::Model::parse(case.artifact).expect("build.rs wrote it");
        assert!(model.arena_bytes() <= SMALL_ARENA_BYTES, "{}: {} bytes", case.name, model.arena_bytes());
        operators |= model.operators();
    }
    for op in tanbo::Op::ALL {
        assert!(operators >> *op as u8 & 1 == 1, "no small case has {}", op.name());
    }
}

/// A suite that cannot fail proves nothing: each single wrong byte of what is expected is found and named.
#[test]
fn one_wrong_byte_is_found() {
    let mut blocks: Vec<u128> = vec![0; SMALL.len().div_ceil(16)];
    let copy: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut blocks)[..SMALL.len()];
    copy.copy_from_slice(SMALL);
    let pack = Pack::parse(copy).expect("build.rs wrote it");
    let places: Vec<(String, usize)> = pack
        .cases()
        .map(|case| case.expect("build.rs wrote it"))
        .map(|case| {
            let start = case.expected.as_ptr().addr() - copy.as_ptr().addr();
            (case.name.to_string(), start + case.expected.len() / 2)
        })
        .collect();
    for (name, place) in places.into_iter().step_by(7) {
        copy[place] ^= 1;
        let mut failed = Vec::new();
        let pack = Pack::parse(copy).expect("its header is unchanged");
        let mut report = |failure: &suite::Failure<'_>| failed.push(failure.case.to_string());
        suite::run(
            &pack,
            tanbo::table_or_reference(tanbo::Family::Portable),
            bytemuck::cast_slice_mut(&mut arena()),
            &mut report,
        );
        assert_eq!(failed, [name]);
        copy[place] ^= 1;
    }
}

#[test]
fn damaged_packs_are_refused() {
    assert_eq!(Pack::parse(&FULL[..FULL.len() - 16]).map(|_| ()), Err(PackError::Header));
    assert_eq!(Pack::parse(&FULL[16..]).map(|_| ()), Err(PackError::Header));
    assert_eq!(Pack::parse(&[]).map(|_| ()), Err(PackError::Header));
}
