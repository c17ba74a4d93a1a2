//! The oracle's arithmetic is what its definitions say, and the vectors in the project are those that it writes.

use std::process::Command;

fn python(script: &[&str]) {
    let output = Command::new("python3")
        .args(script)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|e| panic!("python3 does not start ({e}): apt install python3"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn vectors_are_what_the_oracle_writes() {
    python(&["oracle/generate.py", "--check"]);
}

#[test]
fn arithmetic_of_the_oracle_is_exact() {
    python(&["oracle/test_arith.py"]);
}
