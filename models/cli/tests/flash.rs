//! `flash` and `monitor` as users call them: what they answer without a probe, and through one on an emulated core.

mod common;
#[path = "../../../firmware/probe/tests/common/image.rs"]
mod image;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{NorFlash as _, ReadNorFlash as _};
use serde_json::Value;
use tanbo_board_api::{Selection, sim::SimFlash};
use tanbo_parts::Standing;
use tanbo_store::{Store, Versions};

use common::{Folder, document};
use image::{Image, RAM};
use tanbo_emulated::host::{EmulatedProbe, Program, Runner};
use tanbo_flash_map::{Identity, Region};

/// QEMU's micro:bit.
const CHIP: &str = "nRF51822_xxAA";
/// What its flash erases and writes at once.
const PAGE: usize = 1 << 10;
const WORD: usize = 4;
/// The parts of its flash map.
const SLOTS: [Range<u64>; 2] = [0x2_0000..0x2_4000, 0x2_4000..0x2_8000];
const SELECTION: Range<u64> = 0x2_8000..0x2_8800;
const IDENTITY: Range<u64> = 0x2_8C00..0x2_9000;
const STORE: Range<u64> = 0x2_9000..0x2_A000;
/// A probe on the network that is not there.
const NO_PROBE: &str = "1d50:6018:127.0.0.1:1";

fn seismic() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb").display().to_string()
}

/// An image with a flash map for 256 KiB of flash and 16 KiB of RAM.
fn small() -> Image {
    let mut image = Image::mapped();
    // Last words and the identity lie between selection and store.
    let [slots, end] = [SLOTS[0].start as u32, STORE.end as u32];
    let [selection, words, store] = [SELECTION.start, SELECTION.end, STORE.start].map(|address| address as u32);
    let addresses = [0, slots, selection, words, words + PAGE as u32, store, end];
    image.symbols.iter_mut().zip(addresses).for_each(|((_, address), new)| *address = new);
    image.symbols.extend([("page_bytes", PAGE as u32), ("word_bytes", WORD as u32)]);
    // Its program is an endless loop.
    image.parts[0].bytes[..4].copy_from_slice(&(RAM + 0x4000).to_le_bytes());
    image.parts[0].bytes[0x100..0x102].copy_from_slice(&[0xFE, 0xE7]);
    image
}

fn small_with(change: impl Fn(&mut Image)) -> Image {
    let mut image = small();
    change(&mut image);
    image
}

/// Signs the seismic model, changed or not, with a.pem, if that was not done; returns the file.
fn signed(folder: &Folder, from: &str, name: &str, version: u32, more: &[&str]) -> String {
    let (key, file, version) = (folder.at("a.pem"), folder.at(name), version.to_string());
    let head = ["sign", from, "-k", &key, "--name", "seismic", "--version", &version, "-o", &file];
    if !Path::new(&file).exists() {
        document(0, &[&head, more].concat());
    }
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
        let head = ["flash", image, "--chip", CHIP, "--probe", NO_PROBE];
        document(code, &[&head[..], &["--model", model, "--key", key]].concat())
    };
    let good = signed(&folder, &seismic(), "good.tnb", 7, &[]);
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
    let dsp = signed(&folder, &compile("dsp"), "dsp-signed.tnb", 7, &["--portable", &compile("portable")]);
    assert!(reasons(&flash(1, &image, &dsp, &keys[0])).contains("packed for dsp"));
    let mut narrow = small();
    narrow.symbols[2].1 = 0x2_1000;
    narrow.symbols[3].1 = 0x2_1800;
    narrow.symbols[4].1 = 0x2_1C00;
    let narrow = folder.with("narrow.elf", &narrow.elf());
    assert!(reasons(&flash(1, &narrow, &good, &keys[0])).contains("bytes for a slot of 2048"));
    let plain = folder.with("plain.elf", &{
        let mut image = small();
        image.symbols.clear();
        image.elf()
    });
    assert!(reasons(&flash(1, &plain, &good, &keys[0])).contains("no flash map, so no slots"));
    // The good one gets as far as the probe.
    let error = flash(2, &image, &good, &keys[0]);
    assert!(error["error"]["reason"].as_str().unwrap().contains("there is no probe"), "{error}");
}

/// A chip behind a probe, as it lies there.
struct Looked(tanbo_probe::Chip);

impl Looked {
    fn at(selector: &str) -> Self {
        Self(tanbo_probe::Chip::open(CHIP, Some(selector)).unwrap())
    }

    fn read(&mut self, range: Range<u64>) -> Vec<u8> {
        let mut into = vec![0; (range.end - range.start) as usize];
        self.0.read(range.start, &mut into).unwrap();
        into
    }

    /// Writes, and starts the program again.
    fn write(&mut self, parts: &[(u64, &[u8])]) {
        self.0.write(parts, |_| ()).unwrap();
        self.0.start().unwrap();
    }

    /// What the node would read of its slots: the one in use, and the one that is offered.
    fn standing(&mut self) -> (Option<Selection>, Option<u8>) {
        let standing = block_on(Standing::open(flash(&self.read(SELECTION)), 0..2 * PAGE as u32)).unwrap();
        (standing.selected(), standing.offered())
    }
}

/// Flash that holds `bytes`.
fn flash(bytes: &[u8]) -> SimFlash<WORD, PAGE> {
    let mut flash = SimFlash::new(bytes.len() / PAGE);
    for (at, word) in (0..).step_by(WORD).zip(bytes.chunks(WORD)).filter(|(_, word)| *word != [0xff; WORD]) {
        block_on(flash.write(at, word)).unwrap();
    }
    flash
}

/// What a flash holds.
fn bytes(mut flash: SimFlash<WORD, PAGE>) -> Vec<u8> {
    let mut bytes = vec![0; flash.capacity()];
    block_on(flash.read(0, &mut bytes)).unwrap();
    bytes
}

/// What a node has written of a selection.
fn selecting(selection: Selection) -> Vec<u8> {
    let mut standing = block_on(Standing::open(flash(&[0xff; 2 * PAGE]), 0..2 * PAGE as u32)).unwrap();
    block_on(standing.select(selection)).unwrap();
    bytes(standing.release())
}

/// Firmware, then models beside it: through probe-rs, on a core that QEMU emulates. The node has the parts of its flash that it would have written.
#[test]
#[ignore = "needs QEMU: cargo xtask test runs it"]
fn emulated_firmware_and_a_model_beside_it_are_written() {
    let folder = Folder::new();
    let image = folder.with("node.elf", &small().elf());
    let runner = Runner::by_name("microbit").unwrap();
    let probe = EmulatedProbe::start(&runner, &[(0, 256 << 10), (RAM, 16 << 10)]).unwrap();
    let selector = probe.selector();
    let told = document(0, &["flash", &image, "--chip", CHIP, "--probe", &selector]);
    assert_eq!((&told["fits"], &told["written"]), (&true.into(), &true.into()), "{told}");
    document(0, &["keygen", &folder.at("a.pem")]);
    let key = folder.at("a.pub.pem");
    let model = |version: u32| signed(&folder, &seismic(), &format!("{version}.tnb"), version, &[]);
    let release = |version: u32| fs::read(model(version)).unwrap();
    let lay = |code: i32, version: u32, more: &[&str]| {
        let (file, head) = (model(version), ["flash", &image, "--chip", CHIP, "--probe", &selector]);
        document(code, &[&head[..], &["--model", &file, "--key", &key], more].concat())
    };

    // A node that runs version 5 from slot b, and has committed it.
    let mut store = block_on(Store::<_, 4>::open(flash(&vec![0xff; 4 * PAGE]), 0..4 * PAGE as u32)).unwrap();
    block_on(store.set_versions(Versions { committed: 5, tried: 0, attempts: 0 })).unwrap();
    let (running, store) = (Selection { slot: 1, trial: false }, bytes(store.release()));
    let beside: Vec<u8> = (0..STORE.start - SELECTION.end).map(|at| (at * 7 % 251) as u8).collect();
    let parts = [
        (SLOTS[1].start, release(5)),
        (SELECTION.start, selecting(running)),
        (SELECTION.end, beside.clone()),
        (STORE.start, store.clone()),
    ];
    Looked::at(&selector).write(&parts.each_ref().map(|(at, bytes)| (*at, &bytes[..])));

    // Another image says where things lie in another firmware.
    let other = small_with(|image| image.parts[0].bytes[0x102] ^= 1);
    let other = folder.with("other.elf", &other.elf());
    let error =
        document(2, &["flash", &other, "--chip", CHIP, "--probe", &selector, "--model", &model(7), "--key", &key]);
    assert!(error["error"]["reason"].as_str().unwrap().contains("it is not the image that"), "{error}");

    // What was committed never comes again, whatever is asked.
    for older in [&[][..], &["--older"]] {
        assert!(reasons(&lay(1, 5, older)).contains("has committed 5: sign it with a higher version"));
    }
    let told = lay(0, 7, &[]);
    let node =
        serde_json::json!({ "running": "slot b", "running_version": 5, "committed_version": 5, "slot": "slot a" });
    assert_eq!((&told["written"], &told["model"]["node"]), (&true.into(), &node), "{told}");
    let mut chip = Looked::at(&selector);
    assert_eq!(chip.standing(), (Some(running), Some(0)));
    for (slot, version) in [(0, 7), (1, 5)] {
        let (slot, release): (&Range<u64>, _) = (&SLOTS[slot], release(version));
        assert_eq!(chip.read(slot.start..slot.start + release.len() as u64), release, "{version}");
    }
    assert_eq!(chip.read(SELECTION.end..STORE.start), beside);
    assert_eq!(chip.read(STORE.start..STORE.start + store.len() as u64), store);
    assert_eq!(chip.read(0..0x400), small().parts[0].bytes);
    assert_eq!(chip.read(0x400..0x410), [1; 16]);

    // The node tries it: nothing is written over it. Then the trial ends, and version 7 is in use, of which the store knows nothing.
    let slot_b = |chip: &mut Looked| chip.read(SLOTS[1].start..SLOTS[1].start + 64);
    let before = slot_b(&mut chip);
    for trial in [true, false] {
        chip.write(&[(SELECTION.start, &selecting(Selection { slot: 0, trial }))]);
        drop(chip);
        let why = reasons(&lay(1, 6, &[]));
        assert!(
            why.contains(if trial { "slot a is on trial" } else { "has 7: sign it with a higher version, or say" }),
            "{why}"
        );
        chip = Looked::at(&selector);
        assert_eq!((slot_b(&mut chip) == before, chip.standing()), (true, (Some(Selection { slot: 0, trial }), None)));
    }
    drop(chip);
    assert_eq!(lay(0, 6, &["--older"])["model"]["node"]["slot"], "slot b");
    let mut chip = Looked::at(&selector);
    assert_eq!(chip.standing(), (Some(Selection { slot: 0, trial: false }), Some(1)));
    assert!(slot_b(&mut chip) == release(6)[..64]);
}

/// What an image logs is heard as it comes, until Ctrl-C.
#[test]
#[ignore = "needs QEMU: cargo xtask test runs it"]
fn emulated_a_log_is_heard_with_levels_times_and_places() {
    let folder = Folder::new();
    let mut runner = Runner::by_name("microbit").unwrap();
    let probe = EmulatedProbe::start(&runner, &[(0, 256 << 10), (RAM, 16 << 10)]).unwrap();
    runner.machine = Some("microbit,log".into());
    let image = runner.build(&Program { package: "tanbo-emulated", bin: "tanbo-logs" }).unwrap();
    let (selector, place) = (probe.selector(), image.display().to_string());
    document(0, &["flash", &place, "--chip", CHIP, "--probe", &selector]);

    let mut command = Command::new(env!("CARGO_BIN_EXE_tanbo"));
    command.args(["--json", "monitor", &place, "--chip", CHIP, "--probe", &selector, "--reset"]);
    let mut monitor = command.stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(monitor.stdout.take().unwrap());
    let (heard, lines) = mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| heard.send(line)));
    let lines: Vec<Value> = (0..4)
        .map_while(|_| lines.recv_timeout(Duration::from_secs(60)).ok())
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect();
    let pid = monitor.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(monitor.wait().unwrap().code(), Some(0));
    let said: Vec<_> = lines.iter().map(|line| [&line["time"], &line["level"], &line["message"]]).collect();
    let expected = [
        [Some("1.000000"), Some("info"), Some("started, 3 sensors")],
        [Some("2.000000"), Some("warn"), Some("accelerometer: no answer")],
        [Some("3.000000"), Some("error"), Some("-7 of 18446744073709551615")],
        [Some("4.000000"), None, Some("[1, 0, 255]")],
    ];
    assert_eq!(said, expected.each_ref().map(|line| line.map(Value::from)).each_ref().map(<[Value; 3]>::each_ref));
    // Each with its line of the source.
    let source = include_str!("../../../firmware/emulated/src/bin/logs.rs");
    for line in &lines {
        assert!(line["file"].as_str().unwrap().ends_with("src/bin/logs.rs"), "{line}");
        let number = line["line"].as_u64().unwrap() as usize;
        assert!(source.lines().nth(number - 1).unwrap().trim_start().starts_with("defmt::"), "{line}");
    }

    // Another build of the same program: its texts are others.
    let mut other = fs::read(&image).unwrap();
    let code = tanbo_probe::layout::parts(&other).unwrap()[0].1.as_ptr().addr() - other.as_ptr().addr();
    other[code + 0xC0] ^= 1;
    let other = folder.with("other.elf", &other);
    let error = document(2, &["monitor", &other, "--chip", CHIP, "--probe", &selector]);
    let error = &error["error"];
    assert!(error["reason"].as_str().unwrap().contains("is not the image that"), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("give the image that runs there"), "{error}");
}

/// A node gets an identity beside its firmware, another one, and loses it: nothing else of its flash changes but the store, whose frames were
/// sealed with the keys before.
#[test]
#[ignore = "needs QEMU: cargo xtask test runs it"]
fn emulated_an_identity_is_written_listed_and_revoked_through_a_probe() {
    const NODE: &str = "70b3d57ed0000001";
    let folder = Folder::new();
    let image = folder.with("node.elf", &small().elf());
    let runner = Runner::by_name("microbit").unwrap();
    let probe = EmulatedProbe::start(&runner, &[(0, 256 << 10), (RAM, 16 << 10)]).unwrap();
    let (selector, registry) = (probe.selector(), folder.at("nodes.toml"));
    document(0, &["flash", &image, "--chip", CHIP, "--probe", &selector]);
    document(0, &["keygen", &folder.at("a.pem")]);
    let key = folder.at("a.pub.pem");
    let on = |code: i32, image: &str, words: &[&str]| {
        let chip = ["--image", image, "--chip", CHIP, "--probe", &selector, "--registry", &registry];
        document(code, &[&["provision"], words, &chip].concat())
    };
    let told = |words: &[&str]| document(0, &[&["provision"], words, &["--registry", &registry]].concat());
    let write = ["--region", "in865", "--join-eui", "70b3d57ed0000000", "--key", &key];
    // Slots, selection and last words as anything; of the store some.
    let beside: Vec<u8> = (0..IDENTITY.start - SLOTS[0].start).map(|at| (at * 11 % 253) as u8).collect();
    let used: Vec<u8> = (0..PAGE + 100).map(|at| (at * 7 % 251) as u8).collect();
    Looked::at(&selector).write(&[(SLOTS[0].start, &beside), (STORE.start, &used)]);

    // Another board's firmware would have it elsewhere: no keys are made for it.
    let other = folder.with("other.elf", &small_with(|image| image.parts[0].bytes[0x102] ^= 1).elf());
    let error = on(2, &other, &[&["write", NODE][..], &write].concat());
    assert!(error["error"]["reason"].as_str().unwrap().contains("is not the image that"), "{error}");
    assert!(!Path::new(&registry).exists());

    // Keys of the node's page and what the registry says of them; nothing beside the page changed but the store.
    let held = |store: &[u8]| {
        let mut chip = Looked::at(&selector);
        assert!(chip.read(SLOTS[0].start..IDENTITY.start) == beside);
        assert_eq!(chip.read(0..0x400), small().parts[0].bytes);
        assert_eq!(chip.read(0x400..0x410), [1; 16]);
        assert!(chip.read(STORE.start..STORE.start + store.len() as u64) == store);
        chip.read(IDENTITY)
    };
    let written = on(0, &image, &[&["write", NODE][..], &write].concat());
    assert_eq!((&written["state"], &written["board"]), (&"active".into(), &CHIP.into()), "{written}");
    let first = Identity::read(&held(&[0xff; PAGE + 100])).unwrap();
    assert_eq!(format!("{:016x} {:016x}", first.node, first.join_eui), format!("{NODE} 70b3d57ed0000000"));
    assert_eq!((first.region, first.signers().count()), (Region::In865, 1));
    let gateway = told(&["show", NODE, "--for", "gateway"]).to_string();
    assert!(gateway.contains(&hex::encode(first.key)), "the gateway is told another key");
    let listed = told(&["list"]);
    assert_eq!(
        (&listed["nodes"][0]["state"], &listed["nodes"][0]["signers"]),
        (&"active".into(), &1.into()),
        "{listed}"
    );

    // It is somebody: another node's keys do not go into it.
    let error = on(2, &image, &[&["write", "70b3d57ed0000002"][..], &write].concat());
    assert!(error["error"]["reason"].as_str().unwrap().contains(NODE), "{error}");
    Looked::at(&selector).write(&[(STORE.start, &used)]);
    on(0, &image, &[&["write", NODE, "--again"][..], &write].concat());
    let second = Identity::read(&held(&[0xff; PAGE + 100])).unwrap();
    assert_eq!((second.node, second.key == first.key, second.app_key == first.app_key), (first.node, false, false));

    Looked::at(&selector).write(&[(STORE.start, &used)]);
    let revoked = on(0, &image, &["revoke", NODE]);
    assert_eq!((&revoked["state"], revoked["erased"].is_string()), (&"revoked".into(), true), "{revoked}");
    assert!(held(&[0xff; PAGE + 100]).iter().all(|byte| *byte == 0xff), "something of the identity is left");
    let listed = told(&["list"]);
    assert_eq!((&listed["nodes"][0]["state"], &listed["nodes"][0]["erased"]), (&"revoked".into(), &revoked["erased"]));
    let error = on(2, &image, &[&["write", NODE][..], &write].concat());
    assert!(error["error"]["reason"].as_str().unwrap().contains("is revoked"), "{error}");
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
