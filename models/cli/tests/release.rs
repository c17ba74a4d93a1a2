//! Keys, signatures and what they refuse, as users call the commands.

mod common;
#[path = "../../../firmware/probe/tests/common/image.rs"]
mod image;

use std::fs;
use std::path::Path;

use common::{Folder, document, tanbo};
use image::Image;

fn seismic() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb").display().to_string()
}

/// A folder with the keys a.pem and b.pem and seismic.tnb, version 7, signed with a.
fn folder() -> (Folder, impl Fn(&str) -> String) {
    let folder = Folder::new();
    let directory = folder.path("");
    let at = move |name: &str| directory.join(name).display().to_string();
    for key in ["a.pem", "b.pem"] {
        document(0, &["keygen", &at(key)]);
    }
    let signed = ["sign", &seismic(), "-k", &at("a.pem"), "--name", "seismic", "--version", "7", "-o", &at("s.tnb")];
    let told = document(0, &signed);
    assert_eq!((&told["name"], &told["version"], &told["self_test_runs"]), (&"seismic".into(), &7.into(), &8.into()));
    assert!(told["self_test_outputs"].as_u64().is_some_and(|outputs| outputs >= 4), "{told}");
    (folder, at)
}

#[test]
fn a_release_is_verified_and_inspected() {
    let (_folder, at) = folder();
    let told = document(0, &["verify", &at("s.tnb"), "-k", &at("b.pub.pem"), "-k", &at("a.pub.pem")]);
    assert_eq!((&told["verified"], &told["self_test"]), (&true.into(), &true.into()));
    assert_eq!((&told["name"], &told["version"]), (&"seismic".into(), &7.into()));
    let facts = document(0, &["inspect", &at("s.tnb")]);
    assert_eq!((&facts["signature"], &facts["release"]["key"]), (&true.into(), &told["key"]));
    assert_eq!(facts["hash"], document(0, &["inspect", &seismic()])["hash"]);

    // Again, over the signature that is there, and through the packed twin: the same bytes.
    let again = |file: &str, more: &[&str]| {
        let head = ["sign", file, "-k", &at("a.pem"), "--name", "seismic", "--version", "7", "-o", &at("t.tnb")];
        document(0, &[&head, more].concat());
        fs::read(at("t.tnb")).unwrap()
    };
    let bytes = fs::read(at("s.tnb")).unwrap();
    assert_eq!(again(&at("s.tnb"), &[]), bytes);
    assert_eq!(again(&seismic(), &["--portable", &seismic()]), bytes);
}

#[test]
fn operators_that_nodes_lack_are_told_when_a_model_is_signed() {
    let (_folder, at) = folder();
    let sign = |file: &str| {
        let output =
            tanbo(&["sign", file, "-k", &at("a.pem"), "--name", "seismic", "--version", "8", "-o", &at("y.tnb")]);
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).expect("text")
    };
    let compiled = |source: &str| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/tflite/models").join(source);
        document(0, &["compile", &source.display().to_string(), "-o", &at("m.tnb")]);
        sign(&at("m.tnb"))
    };
    assert!(!sign(&seismic()).contains("refuse"));
    let told = compiled("softmax_2d.tflite");
    assert!(told.contains("STM32WL") && told.contains("lack softmax"), "{told}");
    let told = compiled("gather_last_axis.tflite");
    assert!(told.contains("unless their firmware was built with gather"), "{told}");
}

#[test]
fn what_is_not_right_is_answered_with_no() {
    let (_folder, at) = folder();
    let bytes = fs::read(at("s.tnb")).unwrap();
    let no = |name: &str, change: &dyn Fn(&mut Vec<u8>), key: &str, reason: &str| {
        let mut changed = bytes.clone();
        change(&mut changed);
        fs::write(at("x.tnb"), changed).unwrap();
        let told = document(1, &["verify", &at("x.tnb"), "-k", &at(key)]);
        assert_eq!(told["verified"], false, "{name}");
        assert!(told["reason"].as_str().is_some_and(|told| told.contains(reason)), "{name}: {told}");
    };
    no("wrong key", &|_| (), "b.pub.pem", "not among those trusted");
    no("truncated", &|bytes| bytes.truncate(5000), "a.pub.pem", "5000 bytes of an artifact of 10624");
    no("flipped", &|bytes| bytes[3000] ^= 4, "a.pub.pem", "damaged");
    no("another version", &|bytes| bytes[10_496 + 4] = 8, "a.pub.pem", "not what the key");
    no("unsigned", &|bytes| *bytes = fs::read(seismic()).unwrap(), "a.pub.pem", "no signature");
    no("a text", &|bytes| *bytes = b"not an artifact".to_vec(), "a.pub.pem", "no artifact");
}

#[test]
fn what_cannot_be_done_is_an_error_with_a_remedy() {
    let (_folder, at) = folder();
    let error = |arguments: &[&str], words: &str| {
        let told = document(2, arguments);
        let text = format!("{}; {}", told["error"]["reason"], told["error"]["remedy"]);
        assert!(text.contains(words), "{arguments:?}: {text}");
    };
    error(&["keygen", &at("a.pem")], "not written over");
    error(&["keygen", &at("nowhere/a.pem")], "check the path");
    error(&["verify", &at("s.tnb"), "-k", &at("a.pem")], "public half");
    error(&["verify", &at("s.tnb"), "-k", &at("none.pem")], "check the path");
    let sign = |file: &str, key: &str, words: &str| {
        error(&["sign", file, "-k", key, "--name", "seismic", "--version", "8", "-o", &at("y.tnb")], words);
        assert!(!Path::new(&at("y.tnb")).exists());
    };
    sign(&at("s.tnb"), &at("a.pub.pem"), "private key");
    sign(&at("model.onnx"), &at("a.pem"), "give a .tnb file");
    let mut damaged = fs::read(seismic()).unwrap();
    damaged[9_000] ^= 1;
    fs::write(at("damaged.tnb"), damaged).unwrap();
    sign(&at("damaged.tnb"), &at("a.pem"), "not what its hash says");
    for (option, value) in [("--version", "0"), ("--name", "Seismic"), ("--name", "far-too-long")] {
        let mut arguments = vec!["sign", "s.tnb", "-k", "a.pem", "-o", "y.tnb", option, value];
        arguments.extend(if option == "--name" { ["--version", "1"] } else { ["--name", "seismic"] });
        assert_eq!(tanbo(&arguments).status.code(), Some(2), "{option} {value}");
    }
}

#[test]
fn firmware_is_signed_for_its_board() {
    let (folder, at) = folder();
    let sign = |code: i32, file: &str, more: &[&str], output: &str| {
        let head = ["sign", file, "-k", &at("a.pem"), "--version", "3", "-o", &at(output)];
        document(code, &[&head, more].concat())
    };
    let mut image = Image::mapped();
    image.symbols.push(("board_nrf52840", 0x800));
    let elf = folder.with("node", &image.elf());
    let told = sign(0, &elf, &[], "n.tnf");
    assert_eq!((&told["name"], &told["version"], &told["image_bytes"]), (&"nrf52840".into(), &3.into(), &0x420.into()));
    // Code, then the variables' first values, filled up to whole words.
    let update = fs::read(at("n.tnf")).unwrap();
    let filled = [image.parts[0].bytes.clone(), vec![1; 16], vec![0xff; 16]].concat();
    assert_eq!((update.len(), &update[..0x420]), (0x420 + 96, &filled[..]));
    let binary = folder.with("node.bin", &filled[..0x410]);
    assert_eq!(sign(0, &binary, &["--name", "nrf52840"], "b.tnf")["key"], told["key"]);
    assert_eq!(fs::read(at("b.tnf")).unwrap(), update);

    let verify = |code: i32, file: &str, key: &str| document(code, &["verify", file, "-k", &at(key)]);
    let told = verify(0, &at("n.tnf"), "a.pub.pem");
    assert_eq!((&told["verified"], &told["name"], &told["version"]), (&true.into(), &"nrf52840".into(), &3.into()));
    let no = |bytes: &[u8], key: &str, reason: &str| {
        let told = verify(1, &folder.with("x.tnf", bytes), key);
        assert!(told["reason"].as_str().is_some_and(|told| told.contains(reason)), "{told}");
    };
    let mut flipped = update.clone();
    flipped[0x200] ^= 1;
    no(&flipped, "a.pub.pem", "not what the key");
    no(&update[..0x400], "a.pub.pem", "cut off");
    no(&update, "b.pub.pem", "not among those trusted");

    let error = |file: &str, more: &[&str], output: &str, words: &str| {
        let told = sign(2, file, more, output);
        let text = format!("{}; {}", told["error"]["reason"], told["error"]["remedy"]);
        assert!(text.contains(words) && !Path::new(&at(output)).exists(), "{text}");
    };
    error(&elf, &["--name", "rp2040"], "y.tnf", "leave --name out");
    error(&elf, &[], "y.tnb", "end in .tnf");
    error(&binary, &[], "y.tnf", "say it with --name");
    error(&folder.with("none", &Image::mapped().elf()), &[], "y.tnf", "--features boot");
    error(&folder.with("torn", &image.elf()[..60]), &[], "y.tnf", "as the linker wrote it");
    error(&seismic(), &[], "y.tnb", "say it with --name");
    // A record longer than what is left.
    image.symbols.last_mut().unwrap().1 = 0x460;
    error(&folder.with("long", &image.elf()), &[], "y.tnf", "leave features out");
}

#[cfg(unix)]
#[test]
fn a_private_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, _) = folder();
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a.pem"), mode("a.pub.pem") & 0o444), (0o600, 0o444));
}
