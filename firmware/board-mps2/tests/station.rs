//! The station on this machine, where the program is the same as on the board: what is no recording is refused by name and
//! line, with exit code 2; what is one is replayed to its end.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, standard output and standard error of the station on a recording.
fn station(recording: &Path) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tanbo-board-mps2")).arg(recording).output().expect("the station");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_missing_file_is_refused_by_name() {
    let (code, _, message) = station(Path::new("nowhere.csv"));
    assert_eq!(
        (code, message.as_str()),
        (Some(2), "nowhere.csv: cannot be opened; the argument is the recording's path\n")
    );
}

#[test]
fn a_path_that_is_too_long_is_refused() {
    let (code, _, message) = station(Path::new(&"x".repeat(121)));
    assert_eq!(code, Some(2));
    assert!(message.contains("longer than 120 bytes"), "{message}");
}

#[test]
fn a_bad_recording_is_refused_by_line() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("r.csv");
    let rows = |rows: &str| format!("t_s,x_gal,y_gal,z_gal\n{rows}").into_bytes();
    let cases = [
        (Vec::new(), "recording, line 1: the first line must be"),
        (vec![0xff], "recording, line 1: not UTF-8"),
        (rows("0,0,0,0\n1,0,0\n"), "recording, line 3: 3 columns"),
        (rows("0,0,0,0\n1,0,0,nan\n"), "recording, line 3: z_gal"),
        // 1 MHz: the model's 31.25 Hz is too far below.
        (rows("0,0,0,0\n0.000001,0,0,0\n"), "cannot resample from 1000000/1 Hz"),
    ];
    for (bytes, reason) in cases {
        fs::write(&path, bytes).expect("recording");
        let (code, out, message) = station(&path);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{reason}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn silence_is_replayed_to_its_end() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("r.csv");
    let rows: String = (0..4000).map(|n| format!("{}.{:02},0,0,981\n", n / 100, n % 100)).collect();
    fs::write(&path, format!("t_s,x_gal,y_gal,z_gal\n{rows}")).expect("recording");
    let (code, out, message) = station(&path);
    assert_eq!((code, message.as_str()), (Some(0), ""));
    assert!(out.starts_with("recording: 4000 samples at 100/1 Hz\n"), "{out}");
    // 40 s at 31.25 Hz, 8 samples a hop, less what the resampler holds back; nothing stands out, so no score.
    assert!(out.contains("\nend: 156 hops, 0 scored\n"), "{out}");
}
