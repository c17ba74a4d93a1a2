//! The committed artifact is what the writer writes.

#[path = "data/two_layers.rs"]
#[allow(dead_code, reason = "the numbers are for another test")]
mod source;

/// With TANBO_ACCEPT set, the file is written anew.
#[test]
fn the_committed_file_is_what_the_writer_writes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/two_layers.tnb");
    let bytes = source::artifact().emit().unwrap();
    if std::env::var_os("TANBO_ACCEPT").is_some() {
        std::fs::write(path, &bytes).unwrap();
    }
    let committed = std::fs::read(path).unwrap();
    assert!(committed == bytes, "{path} differs: run this test with TANBO_ACCEPT=1 and look at the change");
}
