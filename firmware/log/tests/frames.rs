//! Frames of an image made by hand, whole, cut, and with rubbish between them: what is told of each.

use tanbo_log::{Line, Log, LogError};

/// An ELF file with a section `.defmt`, as far as a decoder looks: symbols, each with its value; those whose names are JSON lie in the section.
fn elf(symbols: &[(String, u32)]) -> Vec<u8> {
    let word = |bytes: &mut Vec<u8>, words: &[u32]| bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    let mut names = b"\0.defmt\0".to_vec();
    let mut table = vec![0; 16];
    for (name, value) in symbols {
        let at = names.len() as u32;
        names.extend(name.bytes().chain([0]));
        let section: u32 = if name.starts_with('{') { 3 } else { 0xfff1 };
        word(&mut table, &[at, *value, 0, 0x10 | section << 16]);
    }
    names.resize(names.len().next_multiple_of(4), 0);
    let (names_at, names_bytes) = (52, names.len() as u32);
    let (table_at, table_bytes) = (names_at + names_bytes, table.len() as u32);
    let mut elf = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // An executable for ARM; four sections of 40 bytes, whose names are in the first after the empty one.
    word(&mut elf, &[2 | 40 << 16, 1, 0, 0, table_at + table_bytes, 0, 52, 40 << 16, 4 | 1 << 16]);
    elf.extend(names);
    elf.extend(table);
    word(&mut elf, &[0; 10]);
    word(&mut elf, &[0, 3, 0, 0, names_at, names_bytes, 0, 0, 1, 0]);
    word(&mut elf, &[0, 2, 0, 0, table_at, table_bytes, 1, 1, 4, 16]);
    word(&mut elf, &[1, 1, 0, 0, 52, 256, 0, 0, 1, 0]);
    elf
}

fn text(tag: &str, data: &str) -> String {
    format!(r#"{{"package":"node","disambiguator":"{tag}","tag":"{tag}","data":"{data}","crate_name":"node"}}"#)
}

/// An image that says four things, each with its time.
fn image(version: u8, encoding: &str) -> Vec<u8> {
    let tables =
        [format!("_defmt_version_ = {version}"), format!("_defmt_encoding_ = {encoding}")].map(|name| (name, 0));
    let texts = [
        (text("defmt_timestamp", "{=u32:us}"), 1),
        (text("defmt_info", "woke after {=u8} s"), 2),
        (text("defmt_warn", "{=str}: no answer"), 3),
        (text("defmt_error", "stopped"), 4),
        (text("defmt_println", "{=[u8]}"), 5),
    ];
    elf(&[tables.to_vec(), texts.to_vec()].concat())
}

fn log() -> Log {
    Log::of(&image(4, "rzcobs")).expect("a log")
}

/// A frame as rzCOBS has it, up to its zero: seven bytes at a time, those that are not zero, then which ones were.
fn frame(index: u16, us: u32, arguments: &[u8]) -> Vec<u8> {
    let mut bytes = [&index.to_le_bytes()[..], &us.to_le_bytes(), arguments].concat();
    bytes.resize(bytes.len().next_multiple_of(7), 0);
    let mut encoded = Vec::new();
    for seven in bytes.chunks(7) {
        encoded.extend(seven.iter().filter(|byte| **byte != 0));
        let zeros = seven.iter().enumerate().map(|(at, byte)| u8::from(*byte == 0) << at).sum();
        assert_ne!(zeros, 0, "seven bytes without a zero have another code");
        encoded.push(zeros);
    }
    encoded.push(0);
    encoded
}

fn woke() -> Vec<u8> {
    frame(2, 1_500_000, &[9])
}

fn said(lines: &[Line]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn lines_have_time_level_and_text() {
    let mut log = log();
    let bytes = [woke(), frame(3, 2, &[3, 0, 0, 0, b'a', b'b', b'c']), frame(4, 3, &[]), frame(5, 4, &[1, 0, 0, 0, 7])];
    // However they come.
    let lines: Vec<Line> = bytes.concat().iter().flat_map(|byte| log.take(&[*byte])).collect();
    let levels: Vec<_> = lines.iter().map(|line| line.level).collect();
    assert_eq!(levels, [Some("info"), Some("warn"), Some("error"), None]);
    let expected =
        ["1.500000 woke after 9 s", "0.000002 warn: abc: no answer", "0.000003 error: stopped", "0.000004 [7]"];
    assert_eq!(said(&lines), expected);
    assert_eq!(lines[0].file, None);
}

#[test]
fn a_cut_frame_takes_none_after_it_along() {
    for end in 1..woke().len() - 1 {
        let mut log = log();
        let lines = log.take(&[&woke()[..end], &[0], &woke()].concat());
        assert_eq!(said(&lines)[lines.len() - 1], "1.500000 woke after 9 s", "{end}");
        assert!(lines.len() <= 2, "{end}: {lines:?}");
    }
    // The chip is gone in the middle of one.
    let mut log = log();
    assert_eq!(log.take(&woke()[..3]), []);
    let cut = log.end();
    assert!(cut.iter().all(|line| line.level.is_none()), "{cut:?}");
    assert_eq!(said(&log.take(&woke())), ["1.500000 woke after 9 s"]);
}

#[test]
fn what_is_no_frame_is_told_as_text_or_as_its_length() {
    let mut log = log();
    let panic = b"panicked at node.rs:\n  no flash\n\0";
    assert_eq!(said(&log.take(panic)), ["panicked at node.rs:", "  no flash"]);
    // An image with more texts: its frames are none of this one's.
    let unknown = frame(700, 1, &[]);
    let told = format!("({} bytes that are no frame of this image)", unknown.len() - 1);
    assert_eq!(said(&log.take(&unknown)), [told]);
    assert_eq!(said(&log.take(&[&[0; 9], &woke()[..]].concat())), ["1.500000 woke after 9 s"]);
}

#[test]
fn rubbish_between_frames_costs_the_frame_that_it_touches() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut decoded = 0;
    for _ in 0..20_000 {
        let mut log = log();
        let rubbish: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(..)).collect();
        decoded += log.take(&rubbish).iter().filter(|line| line.time.is_some()).count();
        log.take(&[0]);
        assert_eq!(said(&log.take(&woke())), ["1.500000 woke after 9 s"], "{rubbish:?}");
    }
    // Some rubbish is a frame.
    assert!(decoded < 200, "{decoded}");
    // A ring that was never set up, and never a zero.
    let mut log = log();
    let lines = log.take(&vec![0xff; 200_000]);
    assert_eq!(lines.len(), 3);
    assert_eq!(log.end().len(), 1);
}

#[test]
fn an_image_whose_log_cannot_be_read_is_refused() {
    let refused = |elf: &[u8]| Log::of(elf).map(|_| ()).expect_err("a refusal");
    let plain = refused(&elf(&[("main".into(), 0)]));
    assert!(plain.to_string().contains("no table of texts") || plain.to_string().contains("version"), "{plain}");
    assert!(plain.remedy().contains("the image that runs there"));
    let other = image(9, "rzcobs");
    assert!(matches!(refused(&other), LogError::Table(reason) if reason.contains("version")));
    assert!(matches!(refused(b"not an ELF file"), LogError::Table(_)));
    assert!(matches!(refused(&image(4, "raw")), LogError::Encoding(_)));
    // Cut anywhere, it is refused or read; nothing panics.
    let whole = image(4, "rzcobs");
    assert!((0..whole.len()).filter(|end| Log::of(&whole[..*end]).is_ok()).count() < whole.len() / 2);
}
