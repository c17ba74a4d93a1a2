//! `flash` and `monitor` as users call them: what they answer without a probe, and through one on an emulated core.

mod common;
#[path = "../../../firmware/probe/tests/common/image.rs"]
mod image;

use std::fs;
use std::path::Path;

use serde_json::Value;

use common::{Folder, document};
use image::{Image, RAM};
use tanbo_emulated::host::{EmulatedProbe, Runner};

/// QEMU's micro:bit.
const CHIP: &str = "nRF51822_xxAA";
/// A probe on the network that is not there.
const NO_PROBE: &str = "1d50:6018:127.0.0.1:1";

fn seismic() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb").display().to_string()
}

/// An image with a flash map for 256 KiB of flash and 16 KiB of RAM.
fn small() -> Image {
    let mut image = Image::mapped();
    let addresses = [0, 0x2_0000, 0x2_8000, 0x2_8800, 0x2_8C00, 0x2_9000, 0x4_0000];
    image.symbols.iter_mut().zip(addresses).for_each(|((_, address), new)| *address = new);
    // Its program is an endless loop.
    image.parts[0].bytes[..4].copy_from_slice(&(RAM + 0x4000).to_le_bytes());
    image.parts[0].bytes[0x100..0x102].copy_from_slice(&[0xFE, 0xE7]);
    image
}

/// Signs the seismic model, changed or not, with a.pem; returns the file.
fn signed(folder: &Folder, from: &str, name: &str, more: &[&str]) -> String {
    let (key, file) = (folder.at("a.pem"), folder.at(name));
    let head = ["sign", from, "-k", &key, "--name", "seismic", "--version", "7", "-o", &file];
    document(0, &[&head, more].concat());
    file
}

fn reasons(told: &Value) -> String {
    assert_eq!((&told["fits"], &told["written"]), (&false.into(), &false.into()), "{told}");
    told["wrong"].as_array().unwrap().iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_dry_run_tells_where_an_image_lies() {
    let folder = Folder::new();
    let image = folder.with("node.elf", &small().elf());
    let told = document(0, &["flash", &image, "--chip", CHIP, "--dry-run"]);
    assert_eq!((&told["fits"], &told["written"], &told["chip"]), (&true.into(), &false.into(), &CHIP.into()));
    assert_eq!(told["parts"][2], serde_json::json!({ "name": "slot b", "address": 0x2_4000, "bytes": 0x4000 }));
    assert_eq!(told["flash"][0], serde_json::json!({ "address": 0, "bytes": 0x400 }));
    // Half of the flash.
    let told = document(1, &["flash", &image, "--chip", "nRF51422_xxAB", "--dry-run"]);
    assert!(reasons(&told).contains("leaves the flash"), "{told}");
    // The same without --dry-run: no probe is asked.
    let told = document(1, &["flash", &image, "--chip", "nRF51422_xxAB", "--probe", NO_PROBE]);
    assert!(reasons(&told).contains("leaves the flash"), "{told}");
}

#[test]
fn what_is_missing_is_told_with_its_remedy() {
    let folder = Folder::new();
    let image = folder.with("node.elf", &small().elf());
    let error = |arguments: &[&str]| document(2, arguments)["error"].clone();
    let no_probe = error(&["flash", &image, "--chip", CHIP, "--probe", NO_PROBE]);
    assert!(no_probe["reason"].as_str().unwrap().contains("there is no probe 1d50:6018"), "{no_probe}");
    assert!(no_probe["remedy"].as_str().unwrap().contains("tanbo doctor"), "{no_probe}");
    let chip = error(&["flash", &image, "--chip", "nRF51823", "--dry-run"]);
    assert!(chip["remedy"].as_str().unwrap().contains("nRF51822"), "{chip}");
    let file = error(&["flash", &folder.with("x.elf", b"ELF"), "--chip", CHIP, "--dry-run"]);
    assert!(file["reason"].as_str().unwrap().contains("not a 32-bit ELF file"), "{file}");
    let log = error(&["monitor", &image, "--chip", CHIP]);
    assert!(log["reason"].as_str().unwrap().contains("no log through defmt"), "{log}");
}

#[test]
fn a_model_that_the_node_would_refuse_is_refused_before_the_probe_is_asked() {
    let folder = Folder::new();
    let image = folder.with("node.elf", &small().elf());
    let keys = ["a", "b"].map(|key| {
        document(0, &["keygen", &folder.at(&format!("{key}.pem"))]);
        folder.at(&format!("{key}.pub.pem"))
    });
    let flash = |code: i32, image: &str, model: &str, key: &str| {
        let head = ["flash", image, "--chip", CHIP, "--probe", NO_PROBE, "--slot", "b"];
        document(code, &[&head[..], &["--model", model, "--key", key]].concat())
    };
    let good = signed(&folder, &seismic(), "good.tnb", &[]);
    assert!(reasons(&flash(1, &image, &seismic(), &keys[0])).contains("signature"));
    assert!(reasons(&flash(1, &image, &good, &keys[1])).contains("key"));
    let mut bytes = fs::read(&good).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(reasons(&flash(1, &image, &folder.with("bad.tnb", &bytes), &keys[0])).contains("not what the key"));
    // Packed for a core with DSP instructions.
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/tflite/models/conv_3x3_same.tflite");
    let compile = |family: &str| {
        let file = folder.at(&format!("{family}.tnb"));
        document(0, &["compile", &model.display().to_string(), "-o", &file, "--target", family]);
        file
    };
    let dsp = signed(&folder, &compile("dsp"), "dsp-signed.tnb", &["--portable", &compile("portable")]);
    assert!(reasons(&flash(1, &image, &dsp, &keys[0])).contains("packed for dsp"));
    let mut narrow = small();
    narrow.symbols[2].1 = 0x2_1000;
    narrow.symbols[3].1 = 0x2_1800;
    narrow.symbols[4].1 = 0x2_1C00;
    let narrow = folder.with("narrow.elf", &narrow.elf());
    assert!(reasons(&flash(1, &narrow, &good, &keys[0])).contains("bytes for slot b of 2048"));
    let plain = folder.with("plain.elf", &{
        let mut image = small();
        image.symbols.clear();
        image.elf()
    });
    assert!(reasons(&flash(1, &plain, &good, &keys[0])).contains("no flash map, so no slot b"));
    // The good one gets as far as the probe.
    let error = flash(2, &image, &good, &keys[0]);
    assert!(error["error"]["reason"].as_str().unwrap().contains("there is no probe"), "{error}");
}

/// Firmware, then a slot beside it: through probe-rs, on a core that QEMU emulates.
#[test]
#[ignore = "needs QEMU: cargo xtask test runs it"]
fn emulated_firmware_and_a_slot_are_written() {
    let folder = Folder::new();
    let image = folder.with("node.elf", &small().elf());
    let runner = Runner::by_name("microbit").unwrap();
    let probe = EmulatedProbe::start(&runner, &[(0, 256 << 10), (RAM, 16 << 10)]).unwrap();
    let selector = probe.selector();
    let told = document(0, &["flash", &image, "--chip", CHIP, "--probe", &selector]);
    assert_eq!((&told["fits"], &told["written"]), (&true.into(), &true.into()), "{told}");
    document(0, &["keygen", &folder.at("a.pem")]);
    let model = signed(&folder, &seismic(), "good.tnb", &[]);
    let head = ["flash", &image, "--chip", CHIP, "--probe", &selector, "--slot", "b"];
    let told = document(0, &[&head[..], &["--model", &model, "--key", &folder.at("a.pub.pem")]].concat());
    assert_eq!((&told["written"], &told["model"]["version"]), (&true.into(), &7.into()), "{told}");

    let mut chip = tanbo_probe::Chip::open(CHIP, Some(&selector)).unwrap();
    let mut read = |address: u64, bytes: usize| {
        let mut into = vec![0; bytes];
        chip.read(address, &mut into).unwrap();
        into
    };
    let bytes = fs::read(&model).unwrap();
    assert_eq!(read(0x2_4000, bytes.len()), bytes);
    assert_eq!(read(0, 0x400), small().parts[0].bytes);
    assert_eq!(read(0x400, 16), [1; 16]);
}

/// The runner program on a chip computes what it computes on this machine, and tells no cycles where the core counts none.
#[test]
#[ignore = "needs QEMU: cargo xtask test runs it"]
fn emulated_a_chip_is_a_runner() {
    let folder = Folder::new();
    let runner = Runner::by_name("microbit").unwrap();
    let probe = EmulatedProbe::start(&runner, &[(0, 256 << 10), (RAM, 16 << 10)]).unwrap();
    let on_chip = format!("probe:{CHIP}@{}", probe.selector());
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/tflite/models");
    let model = models.join("conv_3x3_same.tflite").display().to_string();
    let golden = fs::read(models.join("conv_3x3_same.golden")).unwrap();
    let input = folder.with("x.bin", &[0; 105]);
    let output = folder.at("y.bin");
    let run = document(0, &["run", &model, "-i", &input, "-o", &output, "--runner", &on_chip]);
    assert_eq!((&run["runner"], &run["family"]), (&on_chip.clone().into(), &"m0".into()));
    assert_eq!(fs::read(&output).unwrap(), golden[golden.len() / 4 * 3..]);
    let told = document(0, &["diff", &model, "--runner", "host:reference", "--runner", &on_chip]);
    assert_eq!(told["differing"], serde_json::json!([]), "{told}");
    let told = document(0, &["bench", &model, "--runner", &on_chip]);
    assert_eq!(
        (&told["bit_exact"], &told["cycles"], &told["instructions"]),
        (&true.into(), &Value::Null, &Value::Null)
    );
    let straight = document(0, &["bench", &model, "--runner", "microbit"]);
    assert_eq!(told["stack_bytes"], straight["stack_bytes"]);
    let error = document(2, &["bench", &model, "--runner", &on_chip, "--steps"]);
    assert!(error["error"]["reason"].as_str().unwrap().contains("counts no cycles"), "{error}");
}

/// The runner program is built for chips of both kinds, and lies where they have memory.
#[test]
#[ignore = "needs the cores' Rust targets: cargo xtask test runs it"]
fn emulated_the_runner_program_is_built_for_real_chips() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/tflite/models");
    let model = models.join("conv_3x3_same.tflite").display().to_string();
    for chip in ["nRF52840_xxAA", "STM32WLE5JCIx"] {
        let error = document(2, &["bench", &model, "--runner", &format!("probe:{chip}@{NO_PROBE}")]);
        // Built and checked: what is missing is the probe.
        assert!(error["error"]["reason"].as_str().unwrap().contains("there is no probe"), "{error}");
    }
    let error = document(2, &["bench", &model, "--runner", "probe:RP2040"]);
    assert!(error["error"]["reason"].as_str().unwrap().contains("boot block"), "{error}");
}
