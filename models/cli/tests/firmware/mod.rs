//! Firmware over a node's line. The boot loader, what it is asked for, and who talks at the other end are the boards' own code, on simulated
//! flash; which image runs is what the record behind it says.

use std::cell::Cell;
use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use embassy_futures::{block_on, poll_once};
use embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _};
use serde_json::Value;
use tanbo_board_api::Uplink as _;
use tanbo_board_api::sim::{SimFlash, World};
use tanbo_boot::{FirmwareUpdates, prepare};
use tanbo_flash_map::{FlashMap, Identity, Lengths, Updates};
use tanbo_node::firmware::{FirmwareTransfer, Verdict};
use tanbo_release::{Name, PublicKey};
use tanbo_wire::v1::{Firmware, Message, Opened, Unverified, Update, seal};
use tanbo_wire::{Direction, Key, Link, MAX_FRAME, NodeId, Window, serial};

use super::common::{Folder, document};
use super::{NODE, Socket};

const PAGE: u32 = 1024;
const MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0x800_0000, 64 * PAGE),
    ram: (0x2000_0000, 1024),
    page: PAGE,
    word: WORD,
    boot: 0,
    firmware: 34 * PAGE,
    slot: 4 * PAGE,
    selection: 2 * PAGE,
    last_words: PAGE,
    identity: PAGE,
});
/// As an STM32U5's: words of 16 bytes.
const WORD: u32 = 16;
static UPDATES: Updates = MAP.updates("board", 2 * PAGE);
/// First byte of an image that does not do its work.
const BAD: u8 = 0xbd;

type Chip = SimFlash<{ WORD as usize }, { PAGE as usize }>;

/// What became of a node: the versions that ran, start by start, and how many words of flash were written or parts of pages erased.
struct Life {
    ran: Vec<u32>,
    points: usize,
}

/// A node that is at work until nobody calls its line for a second. Its supply goes at these points of its flash's life.
struct Node {
    chip: Chip,
    cuts: Vec<usize>,
    listener: UnixListener,
    key: Key,
    keys: Vec<PublicKey>,
    window: Window,
    counter: u32,
    life: Life,
}

/// Why a start ends.
enum End {
    Restart,
    Cut,
    Over,
}

impl Node {
    fn live(mut self) -> Life {
        let (mut before, cuts) = (0, self.cuts.clone());
        let mut cuts = cuts.into_iter();
        self.chip.left = cuts.next();
        loop {
            let end = self.start();
            match end {
                End::Over => return Life { points: self.chip.points, ..self.life },
                End::Restart => {}
                End::Cut => {
                    let at = self.chip.points;
                    self.chip.left = cuts.next().map(|cut| cut.saturating_sub(at - before));
                    before = at;
                }
            }
        }
    }

    fn start(&mut self) -> End {
        let mut flash = self.chip.handle();
        let booted = prepare(&mut flash, &MAP, &UPDATES, || ());
        (self.chip.left, self.chip.points) = (flash.left, flash.points);
        if booted.is_err() {
            return End::Cut;
        }
        let name = Name::new(UPDATES.board).unwrap();
        let keys = self.keys.clone();
        let mut updates = FirmwareUpdates::new(self.chip.handle(), &MAP, &UPDATES, name, &keys);
        let version = updates.running().unwrap().map_or(0, |firmware| firmware.version);
        self.life.ran.push(version);
        let mut first = [0; WORD as usize];
        self.chip.read(MAP.offsets(UPDATES.active.clone()).start, &mut first).unwrap();
        let end = self.work(&mut updates, first[0] != BAD);
        let flash = updates.release();
        (self.chip.left, self.chip.points) = (flash.left, flash.points);
        // Refused is what its flash does not take; here that is the supply.
        if flash.left == Some(0) { End::Cut } else { end }
    }

    /// What the firmware does: it talks to whoever opens its line, and counts windows.
    fn work(&mut self, updates: &mut FirmwareUpdates<'_, Chip>, good: bool) -> End {
        let mut transfer = FirmwareTransfer::new(updates);
        loop {
            let until = Instant::now() + Duration::from_secs(1);
            let stream = loop {
                match self.listener.accept() {
                    Ok((stream, _)) => break stream,
                    Err(_) if Instant::now() >= until => return End::Over,
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            };
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
            if let Some(end) = self.talk(stream, &mut transfer, good) {
                return end;
            }
        }
    }

    /// Talks until the line is closed, or it has to end.
    fn talk<F: tanbo_board_api::Firmware>(
        &mut self,
        stream: UnixStream,
        transfer: &mut FirmwareTransfer<'_, F>,
        good: bool,
    ) -> Option<End> {
        let (world, closed, decoder) = (World::new(0), Cell::new(false), serial::Decoder::new());
        let mut line = Socket { world: &world, start: Instant::now(), stream, decoder, lost: 0, closed: &closed };
        loop {
            let mut room = [0; MAX_FRAME];
            let until_us = world.now_us();
            // What waits there is for a line that is closed.
            let Poll::Ready(heard) = poll_once(line.receive(&mut room, until_us)) else { return None };
            let report = match heard.ok()? {
                None => match transfer.window(good) {
                    Verdict::Nothing => None,
                    Verdict::Kept(report) => Some(report),
                    Verdict::Failed => return Some(End::Restart),
                },
                Some(len) => self.hear(&room[..len], transfer),
            };
            let Some(report) = report else { continue };
            // What has no supply says nothing.
            if report.refusal == 45 {
                return Some(End::Cut);
            }
            let message = Firmware::Update(report).into();
            let frame = seal(&self.key, Link::Stream, node_id(), self.counter, &message).unwrap();
            self.counter += 1;
            block_on(line.send(&frame)).ok()?;
            if transfer.staged() {
                return Some(End::Restart);
            }
        }
    }

    fn hear<F: tanbo_board_api::Firmware>(
        &mut self,
        frame: &[u8],
        transfer: &mut FirmwareTransfer<'_, F>,
    ) -> Option<Update> {
        let opened = Unverified::stream(frame, Direction::Down).ok()?.open(&self.key, &self.window);
        let Ok(Opened::Fresh { counter, message: Message::Firmware(message) }) = opened else { return None };
        self.window = self.window.with(counter);
        transfer.take(&message)
    }
}

fn node_id() -> NodeId {
    NodeId(u64::from_str_radix(NODE, 16).unwrap())
}

/// Keys, a registry, a node's identity, and signed images.
struct Site {
    folder: Folder,
    identity: Identity,
}

impl Site {
    fn new() -> Self {
        let folder = Folder::new();
        document(0, &["keygen", &folder.at("a.pem")]);
        let (key, page, registry) = (folder.at("a.pub.pem"), folder.at("page.bin"), folder.at("nodes.toml"));
        let write = ["provision", "write", NODE, "--region", "in865", "--key", &key, "--output", &page];
        document(0, &[&write[..], &["--registry", &registry]].concat());
        let identity = Identity::read(&fs::read(&page).unwrap()).unwrap();
        Self { folder, identity }
    }

    /// Signs an image whose first byte is given.
    fn sign(&self, first: u8, bytes: usize, version: u32, board: &str, key: &str) -> String {
        let mut random = fastrand::Rng::with_seed(version.into());
        let mut image: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
        image[0] = first;
        let file = self.folder.with("image.bin", &image);
        let output = self.folder.at(&format!("{version}-{board}-{key}.tnf"));
        let (key, version) = (self.folder.at(key), version.to_string());
        document(0, &["sign", &file, "-k", &key, "--name", board, "--version", &version, "-o", &output]);
        output
    }

    fn good(&self, version: u32) -> String {
        self.sign(0, 9_000, version, UPDATES.board, "a.pem")
    }

    /// Starts a node, programmed with that file.
    fn node(&self, first: &str, cuts: Vec<usize>) -> JoinHandle<Life> {
        let path = self.folder.path("uart");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (image, identity) = (fs::read(first).unwrap(), self.identity);
        thread::spawn(move || {
            let mut chip = Chip::new(64);
            chip.write(MAP.offsets(UPDATES.active.clone()).start, &image).unwrap();
            chip.points = 0;
            let keys = identity.signers().map(|key| PublicKey::from_bytes(&key).unwrap()).collect();
            let (key, window, life) = (Key::from(identity.key), Window::default(), Life { ran: vec![], points: 0 });
            Node { chip, cuts, listener, key, keys, window, counter: 1, life }.live()
        })
    }

    fn update(&self, code: i32, file: &str, more: &[&str]) -> Value {
        let (uart, registry) = (self.folder.at("uart"), self.folder.at("nodes.toml"));
        let usual = ["update", file, "--node", NODE, "--port", &uart, "--registry", &registry, "--wait", "20"];
        document(code, &[&usual[..], more].concat())
    }
}

#[test]
fn firmware_comes_is_tried_and_kept_and_what_is_wrong_is_refused() {
    let site = Site::new();
    document(0, &["keygen", &site.folder.at("b.pem")]);
    let node = site.node(&site.good(1), vec![]);
    let second = site.good(2);
    let told = site.update(0, &second, &[]);
    assert_eq!((&told["stage"], &told["version"], &told["repeated"]), (&"committed".into(), &2.into(), &0.into()));
    // Again: it is there.
    assert_eq!(site.update(0, &second, &[])["frames"], 1);

    let third = site.good(3);
    let bytes = fs::read(&third).unwrap();
    let mut flipped = bytes.clone();
    flipped[4_000] ^= 1;
    let flipped = site.folder.with("flipped.tnf", &flipped);
    let short = site.folder.with("short.tnf", &bytes[..8_000]);
    let uneven = site.folder.with("uneven.tnf", &bytes[..8_001]);
    let headless = site.folder.with("headless.tnf", &bytes[32..]);
    let (same, as_three) = (site.sign(7, 5_000, 2, UPDATES.board, "a.pem"), ["--release", "3"]);
    let old = site.sign(0, 400, 1, UPDATES.board, "a.pem");
    for (file, more, refusal, words) in [
        (&site.sign(0, 5_000, 3, UPDATES.board, "b.pem"), &[][..], 7, "not among those"),
        (&site.sign(0, 5_000, 3, "other", "a.pem"), &[][..], 40, "for another board"),
        (&old, &[][..], 41, "not above"),
        (&old, &as_three[..], 41, "higher --version"),
        (&same, &[][..], 41, "not above"),
        (&flipped, &[][..], 8, "not the key's"),
        (&short, &as_three[..], 10, "cut off"),
        (&uneven, &as_three[..], 10, "cut off"),
        (&headless, &as_three[..], 2, "cut off"),
        (&site.sign(0, 20_000, 3, UPDATES.board, "a.pem"), &[][..], 42, "longer than"),
    ] {
        let told = site.update(1, file, more);
        assert_eq!((&told["stage"], &told["refusal"]["code"]), (&"refused".into(), &refusal.into()), "{file}: {told}");
        let reason = format!("{} {}", told["refusal"]["reason"], told["refusal"]["remedy"]);
        assert!(reason.contains(words), "{file}: {reason}");
    }
    // Without a version that can be read it is not even sent; nor as fragments.
    let told = site.update(2, &short, &[]);
    assert!(told["error"]["remedy"].as_str().unwrap().contains("--release"), "{told}");
    let told = document(2, &["update", &second, "--fragments", &site.folder.at("lines")]);
    assert!(told["error"]["remedy"].as_str().unwrap().contains("--port"), "{told}");

    // One that does not do its work is taken back, and the next one is kept.
    let bad = site.sign(BAD, 9_000, 4, UPDATES.board, "a.pem");
    assert_eq!(site.update(1, &bad, &[])["stage"], "rolled back");
    assert_eq!(site.update(0, &site.good(5), &[])["stage"], "committed");
    assert_eq!(node.join().unwrap().ran, [1, 2, 4, 2, 5]);
}

#[test]
fn wherever_the_supply_goes_a_signed_image_runs_and_in_the_end_the_new_one() {
    let site = Site::new();
    let (first, second) = (site.good(1), site.good(2));
    let node = site.node(&first, vec![]);
    assert_eq!(site.update(0, &second, &[])["stage"], "committed");
    let points = node.join().unwrap().points;
    // While it is written, while images are swapped, as it confirms itself.
    for cuts in [vec![points / 10, points / 5], vec![points / 2, 3, points / 8], vec![points - 2], vec![points - 1]] {
        let node = site.node(&first, cuts.clone());
        let told = site.update(0, &second, &[]);
        let ran = node.join().unwrap().ran;
        assert_eq!((&told["stage"], ran.last()), (&"committed".into(), Some(&2)), "{cuts:?}: {ran:?}");
        assert!(ran.is_sorted() || ran.ends_with(&[2, 1, 2]), "{cuts:?}: {ran:?}");
    }
}
