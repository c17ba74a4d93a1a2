//! What is not an artifact does not compile: the program for one model, built with bytes that are none.

use std::path::Path;
use std::process::Command;

/// Builds the program for this machine with the artifact at `path`; what the compiler says if it refuses.
fn build(path: &Path) -> Result<(), String> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "tanbo-target", "--bin", "tanbo-image"])
        .env("TANBO_IMAGE", path)
        .output()
        .expect("cargo starts");
    if built.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&built.stderr).into_owned()) }
}

#[test]
fn a_corrupted_artifact_does_not_compile() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("model.tnb");
    let artifact = include_bytes!("../../../runtime/engine/tests/data/two_layers.tnb");
    let mut flipped = *artifact;
    // Operator of the first step: beyond the header (176 bytes), storages and tensors.
    let step = artifact.windows(4).position(|bytes| bytes == [3, 0, 0, 1]).expect("a fully connected step");
    flipped[step] = 0xFF;
    let cases: [(&[u8], &str); 4] = [
        (&artifact[..artifact.len() - 16], "the header: the length does not match"),
        (b"float model", "the header: the length does not match"),
        (&[0; 512], "the header: not a Tanbo artifact"),
        (&flipped, "step 0: unknown operator"),
    ];
    for (bytes, expected) in cases {
        std::fs::write(&path, bytes).expect("a file");
        let message = build(&path).expect_err(expected);
        assert!(message.contains(&format!("{}: {expected}", path.display())), "{message}");
        // Where the artifact is named.
        assert!(message.contains("benches/target/src/image.rs:"), "{message}");
    }
    std::fs::remove_file(&path).expect("no file");
    assert!(build(&path).expect_err("no file").contains("No such file"));
    std::fs::write(&path, artifact).expect("a file");
    assert_eq!(build(&path), Ok(()));
}
