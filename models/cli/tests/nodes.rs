//! Identities, keys and the registry, as operators call the commands. The node at the other end of the socket is the firmware's own code on
//! simulated flash.
#![cfg(unix)]

mod common;
mod firmware;

use std::cell::Cell;
use std::fs;
use std::future::{pending, poll_fn};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::{Folder, document, tanbo};
use embassy_futures::block_on;
use embassy_futures::select::select;
use tanbo_board_api::sim::{SimClock, SimFlash, SimPower, World};
use tanbo_board_api::{Limits, Uplink, UplinkError};
use tanbo_flash_map::{Identity, Region};
use tanbo_fragments::{Block, Decoder, Progress, Request, memory_words};
use tanbo_parts::provision::{Site, identity};
use tanbo_wire::serial;

const NODE: &str = "70b3d57ed0000001";
const OTHER: &str = "70b3d57ed0000002";

/// The socket as a node's UART.
struct Socket<'w> {
    world: &'w World,
    start: Instant,
    stream: UnixStream,
    decoder: serial::Decoder,
    /// Answers that are lost on the way.
    lost: u32,
    /// The other end has gone.
    closed: &'w Cell<bool>,
}

impl Uplink for Socket<'_> {
    type Error = ErrorKind;

    fn limits(&self) -> Limits {
        Limits { frame_bytes: tanbo_wire::MAX_FRAME, not_before_us: 0 }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<ErrorKind>> {
        if let Some(lost) = self.lost.checked_sub(1) {
            self.lost = lost;
            return Ok(());
        }
        self.stream.write_all(&serial::encode(frame)).map_err(|error| UplinkError::Device(error.kind()))
    }

    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<ErrorKind>> {
        loop {
            self.world.set_now_us(self.start.elapsed().as_micros() as u64);
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) => {
                    self.closed.set(true);
                    pending().await
                }
                Ok(_) => {
                    if let Some(frame) = self.decoder.push(byte[0]).filter(|frame| !frame.is_empty()) {
                        into[..frame.len()].copy_from_slice(&frame);
                        return Ok(Some(frame.len()));
                    }
                }
                Err(_) if self.world.now_us() >= until_us => return Ok(None),
                Err(_) => {}
            }
        }
    }
}

type Flash = SimFlash<32, 1024>;

/// Starts a node with its button held, whose line is the socket `uart` in the folder; it ends with the line. Its flash is a file.
fn node(folder: &Folder, lost: u32) -> JoinHandle<()> {
    let path = folder.path("uart");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let memory = folder.path("flash.bin");
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut flash = Flash::new(6);
        if let Ok(bytes) = fs::read(&memory) {
            for (page, bytes) in bytes.chunks(1024).enumerate().filter(|(_, bytes)| bytes.iter().any(|b| *b != 0xff)) {
                block_on(embedded_storage_async::nor_flash::NorFlash::write(&mut flash, page as u32 * 1024, bytes))
                    .unwrap();
            }
        }
        let (world, closed) = (World::new(0), Cell::new(false));
        let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
        let mut line = Socket {
            world: &world,
            start: Instant::now(),
            stream,
            decoder: serial::Decoder::new(),
            lost,
            closed: &closed,
        };
        let site = Site { board: "test board", identity: 0..1024, store: 1024..6144, slot_bytes: 4096 };
        // Ends with the line, or once it is told.
        let told = identity((&clock, &mut power, &mut line), &mut flash, &site, fastrand::u64(..), true);
        block_on(select(told, poll_fn(|_| if closed.get() { Poll::Ready(()) } else { Poll::Pending })));
        let mut bytes = vec![0; 6144];
        block_on(embedded_storage_async::nor_flash::ReadNorFlash::read(&mut flash, 0, &mut bytes)).unwrap();
        fs::write(&memory, bytes).unwrap();
    })
}

/// Runs the command against a node that starts, and demands the exit code.
fn with_node(folder: &Folder, lost: u32, code: i32, arguments: &[&str]) -> serde_json::Value {
    let node = node(folder, lost);
    let (uart, registry) = (folder.at("uart"), folder.at("nodes.toml"));
    let told = document(code, &[arguments, &["--port", &uart, "--registry", &registry, "--wait", "10"]].concat());
    node.join().unwrap();
    told
}

fn held(folder: &Folder) -> Option<Identity> {
    Identity::read(&fs::read(folder.path("flash.bin")).unwrap()).ok()
}

fn registry(folder: &Folder) -> String {
    fs::read_to_string(folder.path("nodes.toml")).unwrap()
}

#[test]
fn a_node_is_written_shown_written_again_and_revoked() {
    let folder = Folder::new();
    document(0, &["keygen", &folder.at("k.pem")]);
    let calibration = folder.with(
        "c.toml",
        b"[[calibration]]\nsensor = 0\nchannel = 2\nunit = \"mGal\"\nzero = -300\ngain_ppm = 1000321\n",
    );
    assert_eq!(with_node(&folder, 0, 0, &["provision", "show"])["node"], serde_json::Value::Null);
    let key = folder.at("k.pub.pem");
    let write = ["provision", "write", NODE, "--region", "in865", "--key", &key, "--calibration", &calibration];
    let told = with_node(&folder, 0, 0, &write);
    assert_eq!((&told["state"], &told["answered"]["board"]), (&"active".into(), &"test board".into()));
    assert_eq!((&told["answered"]["node"], &told["answered"]["calibrations"]), (&NODE.into(), &1.into()));
    let first = held(&folder).expect("an identity");
    assert_eq!((first.node, first.region, first.signers().count()), (0x70b3_d57e_d000_0001, Region::In865, 1));
    let calibrated = first.calibrations.0[0].expect("a calibration");
    assert_eq!(
        (calibrated.channel, calibrated.exponent, calibrated.zero, calibrated.gain_ppm),
        (2, -5, -300, 1_000_321)
    );

    // What is told to whom, and to nobody else.
    let at = folder.at("nodes.toml");
    let show = |more: &[&str]| document(0, &[&["provision", "show", NODE, "--registry", &at], more].concat());
    assert_eq!(show(&["--for", "gateway"])["key"], hex::encode(first.key));
    assert_eq!(show(&["--for", "network-server"])["app_key"], hex::encode(first.app_key));
    let shown = format!("{}{told}{}", show(&[]), document(0, &["provision", "list", "--registry", &at]));
    assert!(!shown.contains(&hex::encode(first.key)) && !shown.contains(&hex::encode(first.app_key)), "{shown}");
    assert_eq!(fs::metadata(folder.path("nodes.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(with_node(&folder, 0, 0, &["provision", "show"])["as_registered"], true);

    // Again: new keys, proven by the old ones; two lost answers in the middle.
    with_node(&folder, 0, 0, &["provision", "write", NODE, "--region", "us915", "--again"]);
    let second = held(&folder).expect("an identity");
    assert!(second.key != first.key && second.app_key != first.app_key && second.region == Region::Us915);

    let told = with_node(&folder, 0, 0, &["provision", "revoke", NODE]);
    assert_eq!((&told["state"], held(&folder)), (&"revoked".into(), None));
    assert!(told["revoked"].is_string() && told["erased"].is_string());
    let text = registry(&folder);
    assert!(!text.contains(&hex::encode(second.key)) && !text.contains(&hex::encode(second.app_key)), "{text}");
    // Neither the id again, nor its keys for anybody.
    let again = ["--json", "provision", "write", NODE, "--region", "in865", "-o", &folder.at("p"), "--registry", &at];
    let output = tanbo(&again);
    assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("is revoked"));
    assert!(!folder.path("p").exists());
    let error = document(2, &["provision", "show", NODE, "--for", "gateway", "--registry", &at]);
    assert!(error["error"]["reason"].as_str().unwrap().contains("revoked"));
    let list = document(0, &["provision", "list", "--registry", &at]);
    assert_eq!((&list["nodes"][0]["state"], &list["nodes"][0]["region"]), (&"revoked".into(), &"us915".into()));
}

#[test]
fn another_registry_s_node_takes_no_orders() {
    let (folder, thief) = (Folder::new(), Folder::new());
    with_node(&folder, 0, 0, &["provision", "write", NODE, "--region", "in865"]);
    let mine = held(&folder);
    fs::copy(folder.path("flash.bin"), thief.path("flash.bin")).unwrap();
    // Who has made up keys for the same id: refused, whether it is told something or revoked.
    let page = thief.at("page.bin");
    let at = thief.at("nodes.toml");
    document(0, &["provision", "write", NODE, "--region", "in865", "-o", &page, "--registry", &at]);
    let told = with_node(&thief, 0, 1, &["provision", "write", NODE, "--region", "in865", "--again"]);
    assert!(told["refused"].as_str().unwrap().contains("own key"), "{told}");
    let told = with_node(&thief, 0, 1, &["provision", "show"]);
    assert_eq!(told["as_registered"], false);
    with_node(&thief, 0, 1, &["provision", "revoke", NODE]);
    assert_eq!(held(&thief), mine);
    // And a node that is another than the one that was meant.
    let error = with_node(&thief, 0, 2, &["provision", "write", OTHER, "--region", "in865"]);
    assert!(error["error"]["reason"].as_str().unwrap().contains(NODE), "{error}");
    assert!(!registry(&thief).contains(OTHER));
}

#[test]
fn a_write_that_was_cut_off_goes_on_with_the_same_keys() {
    let folder = Folder::new();
    let at = folder.at("nodes.toml");
    // Nobody is there.
    let _listener = UnixListener::bind(folder.path("uart")).unwrap();
    let write = ["provision", "write", NODE, "--region", "in865"];
    let silent = ["--port", &folder.at("uart"), "--wait", "0", "--registry", &at];
    document(2, &[&write[..], &silent].concat());
    // No key was made for a line on which nobody answers.
    assert!(!folder.path("nodes.toml").exists());
    // The node was written, and the host never heard so.
    let told = with_node(&folder, 0, 0, &write);
    let text = registry(&folder).replace("state = \"active\"", "state = \"prepared\"");
    fs::write(folder.path("nodes.toml"), text).unwrap();
    let before = held(&folder);
    assert_eq!(with_node(&folder, 0, 0, &write)["answered"], told["answered"]);
    assert_eq!(held(&folder), before);
}

#[test]
fn a_page_in_a_file_is_an_identity_and_files_are_not_written_over() {
    let folder = Folder::new();
    let (page, at) = (folder.at("page.bin"), folder.at("nodes.toml"));
    let write = |node: &str| {
        let arguments =
            ["provision", "write", node, "--region", "us915", "--join-eui", "70b3d57ed0000000", "-o", &page];
        [&arguments[..], &["--registry", &at]].concat().into_iter().map(String::from).collect::<Vec<_>>()
    };
    let call = |code, node| document(code, &write(node).iter().map(String::as_str).collect::<Vec<_>>());
    call(0, NODE);
    let one = Identity::read(&fs::read(&page).unwrap()).expect("an identity");
    assert_eq!((one.region, one.join_eui), (Region::Us915, 0x70b3_d57e_d000_0000));
    assert!(one.key != one.app_key);
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
    let error = call(2, NODE);
    assert!(error["error"]["remedy"].as_str().unwrap().contains("--again"), "{error}");
    call(2, OTHER);
    assert_eq!(Identity::read(&fs::read(&page).unwrap()), Ok(one));
}

#[test]
fn errors_name_place_and_remedy() {
    let folder = Folder::new();
    let at = folder.at("nodes.toml");
    let error = |arguments: &[&str], words: &str| {
        let output = tanbo(&[arguments, &["--registry", &at]].concat());
        let text = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        text
    };
    let page = folder.at("p.bin");
    let write = |more: &[&str], words: &str| {
        let node = ["provision", "write", NODE, "--region", "in865", "-o", &page];
        error(&[&node, more].concat(), words);
        assert!(!Path::new(&page).exists());
    };
    error(&["provision", "write", "ab", "--region", "in865", "-o", &page], "16 hexadecimal digits");
    error(&["provision", "write", NODE, "--region", "moon", "-o", &page], "us915");
    error(&["provision", "write", NODE, "--region", "in865"], "--port");
    error(&["provision", "revoke", NODE], "no node");
    error(&["provision", "show"], "--port");
    error(&["provision", "show", "--port", "/dev/no-such-port"], "tanbo doctor");
    error(&["provision", "show", "--port", "tcp:127.0.0.1:1"], "tcp:HOST:PORT");
    let calibration = |text: &str, words: &str| {
        let file = folder.with("c.toml", text.as_bytes());
        write(&["--calibration", &file], words);
    };
    let one = "[[calibration]]\nsensor = 0\nchannel = 0\nunit = \"mGal\"\nzero = 0\n";
    calibration("[[calibration]]\nsensor = 0\n", "missing field");
    calibration(&format!("{one}gain_ppm = 1\n"), "1000000 is as it reads");
    calibration(&format!("{one}gain_ppm = 1000000\n").replace("mGal", "furlong"), "there are mGal");
    calibration(&format!("{one}gain_ppm = 1000000\n").repeat(2), "comes twice");
    calibration(&format!("{one}gain_ppm = 1000000\n").repeat(9), "room for 8");
    write(&["--key", &folder.with("k.pem", b"no key")], "public half");
    fs::write(folder.path("nodes.toml"), "version = 1\n").unwrap();
    fs::set_permissions(folder.path("nodes.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    write(&[], "chmod 600");
    fs::set_permissions(folder.path("nodes.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.path("nodes.toml"), "version = 2\n").unwrap();
    write(&[], "this command reads 1");
    fs::write(folder.path("nodes.toml"), "[[node]]\n").unwrap();
    write(&[], "yesterday's copy");
}

/// A slot for a model.
struct Slot(Vec<u8>);

impl Block for Slot {
    type Error = std::convert::Infallible;

    fn capacity(&self) -> usize {
        self.0.len()
    }

    fn read(&self, at: usize, into: &mut [u8]) -> Result<(), Self::Error> {
        into.copy_from_slice(&self.0[at..at + into.len()]);
        Ok(())
    }

    async fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn fragments_are_a_model_of_which_one_in_five_may_be_lost() {
    let folder = Folder::new();
    let at = |name: &str| folder.at(name);
    document(0, &["keygen", &at("k.pem")]);
    let seismic = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb").display().to_string();
    let sign = ["sign", &seismic, "-k", &at("k.pem"), "--name", "seismic", "--version", "9", "-o", &at("9.tnb")];
    document(0, &sign);
    let told = document(0, &["update", &at("9.tnb"), "--fragments", &at("queue.txt"), "--redundancy", "40"]);
    let model = fs::read(folder.path("9.tnb")).unwrap();
    let fragments = model.len().div_ceil(48);
    assert_eq!((&told["fragments"], &told["version"]), (&fragments.into(), &9.into()));
    let text = fs::read_to_string(folder.path("queue.txt")).unwrap();
    let payloads: Vec<Vec<u8>> =
        text.lines().map(|line| hex::decode(line.strip_prefix("201 ").expect("a port")).unwrap()).collect();
    assert_eq!(payloads.len(), 2 + fragments + (fragments * 40).div_ceil(100));
    assert!(payloads.iter().all(|payload| payload.len() <= 51));

    let Ok(Some(Request::Setup { session: Ok(session), .. })) = Request::take(&mut &payloads[0][..]) else {
        panic!("{:?}", payloads[0])
    };
    assert_eq!((session.block_bytes(), session.descriptor), (model.len(), 9u32.to_le_bytes()));
    let mut memory = vec![0; memory_words(session.fragments(), 80)];
    let mut slot = Slot(vec![0xff; 20_000]);
    let mut decoder = Decoder::new(session, 20_000, &mut memory).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut whole = false;
    for payload in payloads.iter().filter(|_| random.u32(..5) > 0) {
        if let Ok(Some(Request::Fragment { number, bytes, .. })) = Request::take(&mut &payload[..]) {
            whole |= block_on(decoder.take(number, bytes, &mut slot)).unwrap() == Progress::Complete;
        }
    }
    assert!(whole && slot.0[..model.len()] == model);

    // The same for ChirpStack, and as files.
    let chirpstack = ["update", &at("9.tnb"), "--fragments", &at("queue.json"), "--redundancy", "40", "--format"];
    document(0, &[&chirpstack[..], &["chirpstack", "--node", NODE]].concat());
    let lines = fs::read_to_string(folder.path("queue.json")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["devEui"] == NODE && line["fPort"] == 201 && line["confirmed"] == false));
    let data = lines.iter().map(|line| data_encoding::BASE64.decode(line["data"].as_str().unwrap().as_bytes()));
    assert_eq!(data.collect::<Result<Vec<_>, _>>().unwrap(), payloads);
    fs::create_dir(folder.path("queue")).unwrap();
    document(0, &["update", &at("9.tnb"), "--fragments", &at("queue"), "--redundancy", "40"]);
    let file = |number: usize| fs::read(folder.path("queue").join(format!("{number:05}.bin"))).unwrap();
    assert!((0..payloads.len()).all(|number| file(number) == payloads[number]));

    let error = |more: &[&str], words: &str| {
        let output = tanbo(&[&["update", &at("9.tnb"), "--fragments", &at("x")], more].concat());
        let text = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(output.status.code() == Some(2) && text.contains(words), "{more:?}: {text}");
        assert!(!folder.path("x").exists());
    };
    error(&["--fragment-bytes", "0"], "1 to 239");
    error(&["--fragment-bytes", "1", "--redundancy", "1000"], "less --redundancy");
    error(&["--session", "4"], "0 to 3");
    error(&["--format", "chirpstack"], "--node");
    error(&["--port", "uart"], "cannot be used with");
}
