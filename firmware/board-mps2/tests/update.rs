//! Models come into the emulated board: over the serial link, as fragments of which one in five is lost, and while somebody keeps pulling the plug.
//!
//! With TANBO_SOAK set 200 kills, else 12.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use fastrand::Rng;
use tanbo::{Arena, Engine, Model};
use tanbo_emulated::host::{self, Program, Runner};
use tanbo_flash_map::{Calibrations, Identity, Region, SIGNERS};
use tanbo_fragments::{Answer, PORT, Request, Session, fragment};
use tanbo_node::slots::Refusal;
use tanbo_release::{Golden, Name, ReleaseError, Signer};
use tanbo_wire::v1::{Message, ModelSender, Opened, Sending, Unverified, Update, seal};
use tanbo_wire::{Direction, Key, Link, NodeId, Window, serial};
use tempfile::TempDir;

const PROGRAM: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-node-update" };
const NODE: NodeId = NodeId(1);
const MEMORY_BYTES: usize = 64 << 10;
const LINK_KEY: [u8; 16] = *b"key of the link ";

fn hash(artifact: &[u8]) -> [u8; 32] {
    *artifact[160..].first_chunk().expect("a hash")
}

/// Who the node is, and whom it trusts.
fn identity(signer: &Signer) -> Identity {
    let mut signers = [[0; 64]; SIGNERS];
    signers[0].copy_from_slice(&signer.public().to_bytes()[1..]);
    let (region, calibrations) = (Region::In865, Calibrations::NONE);
    Identity { node: NODE.0, key: LINK_KEY, region, join_eui: 0, app_key: [0; 16], signers, calibrations }
}

/// A board with its memory, and who may sign for it.
struct Site {
    dir: TempDir,
    listener: UnixListener,
    image: PathBuf,
    runner: Runner,
    signer: Signer,
    golden: Golden,
    /// Number of the next frame down.
    number: u32,
}

/// The board while it has power.
struct Powered {
    qemu: host::Powered,
    line: UnixStream,
    decoder: serial::Decoder,
}

impl Site {
    fn new() -> Self {
        let mut runner =
            Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}")).with_memory("memory.bin", MEMORY_BYTES);
        runner.qemu += " -chardev socket,id=uart,path=uart";
        let image = runner.build(&PROGRAM).unwrap_or_else(|e| panic!("{e}"));
        let dir = tempfile::tempdir().expect("a folder");
        let signer = Signer::generate().expect("a key");
        let mut memory = vec![0xff; MEMORY_BYTES];
        memory[63 << 10..][..Identity::BYTES].copy_from_slice(&identity(&signer).to_bytes());
        fs::write(dir.path().join("memory.bin"), memory).expect("a file");
        let listener = UnixListener::bind(dir.path().join("uart")).expect("a socket");
        let model = Model::parse(tanbo_zoo::SEISMIC).expect("a model");
        let mut arena = Arena::<1024>::new();
        let ops = tanbo::table_or_reference(tanbo::Family::Portable);
        let mut engine = Engine::new(&model, ops, arena.as_mut()).expect("an engine");
        let golden = Golden::of(&mut engine, 1, 4, |_| ()).expect("outputs");
        Self { dir, listener, image, runner, signer, golden, number: 0 }
    }

    fn release(&self, version: u32) -> Vec<u8> {
        let name = Name::new("seismic").expect("a name");
        self.signer.sign(tanbo_zoo::SEISMIC, name, version, self.golden).expect("a release")
    }

    /// Powers the board; the version that it runs and the one that it has committed.
    fn power(&self) -> (Powered, u32, u32) {
        let mut qemu =
            self.runner.power(&self.image, self.dir.path(), "chardev:uart").unwrap_or_else(|e| panic!("{e}"));
        let (line, _) = self.listener.accept().expect("a line");
        line.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        let said = String::from_utf8(qemu.hear(b'\n').expect("a line")).expect("text");
        let board = Powered { qemu, line, decoder: serial::Decoder::new() };
        let words: Vec<&str> = said.split_whitespace().collect();
        let ["running", running, "committed", committed] = words[..] else { panic!("{said}") };
        let (running, committed) = (running.parse().expect("a version"), committed.parse().expect("a version"));
        (board, running, committed)
    }

    /// Says something to the node and returns its report.
    fn say(&mut self, board: &mut Powered, message: &Message<'_>) -> Option<Update> {
        let frame = seal(&Key::from(LINK_KEY), Link::Stream, NODE, self.number, message).expect("a frame");
        self.number += 1;
        board.line.write_all(&serial::encode(&frame)).ok()?;
        board.report()
    }

    /// Sends a model; what became of it.
    fn send(&mut self, board: &mut Powered, artifact: &[u8], version: u32) -> Sending {
        let mut sender = ModelSender::new(artifact, hash(artifact), version, 3).expect("a sender");
        while let Some(message) = sender.message() {
            let report = self.say(board, &message).expect("a report");
            sender.hear(&report);
        }
        let mut state = sender.state();
        while state == Sending::Trial {
            state = sender.hear(&board.report().expect("a report"));
        }
        state
    }
}

impl Powered {
    fn frame(&mut self) -> Option<tanbo_wire::Frame> {
        let mut byte = [0];
        loop {
            self.line.read_exact(&mut byte).ok()?;
            if let Some(frame) = self.decoder.push(byte[0]).filter(|frame| !frame.is_empty()) {
                return Some(frame);
            }
        }
    }

    fn report(&mut self) -> Option<Update> {
        let frame = self.frame()?;
        let unverified = Unverified::stream(&frame, Direction::Up).expect("a frame");
        match unverified.open(&Key::from(LINK_KEY), &Window::default()).expect("a frame") {
            Opened::Fresh { message: Message::Update(update), .. } => Some(update),
            other => panic!("{other:?}"),
        }
    }

    fn fragments(&mut self, request: &Request<'_>) {
        let mut payload = [PORT; 64];
        let len = request.write(&mut payload[1..]).expect("room");
        self.line.write_all(&serial::encode(&payload[..=len])).expect("a line");
    }
}

#[test]
fn models_over_the_serial_link_and_those_that_are_refused() {
    let mut site = Site::new();
    let (mut board, running, committed) = site.power();
    assert_eq!((running, committed), (0, 0));
    assert_eq!(site.send(&mut board, &site.release(3), 3), Sending::Committed);
    drop(board);
    let (mut board, running, committed) = site.power();
    assert_eq!((running, committed), (3, 3));

    let older = site.release(2);
    let refused = |refusal: Refusal| Sending::Refused { refusal: refusal.code() };
    assert_eq!(site.send(&mut board, &older, 2), refused(Refusal::Older { version: 2, least: 4 }));
    assert_eq!(site.send(&mut board, &older, 4), refused(Refusal::Older { version: 2, least: 4 }));
    let stranger = Signer::generate().expect("a key");
    let name = Name::new("seismic").expect("a name");
    let theirs = stranger.sign(tanbo_zoo::SEISMIC, name, 4, site.golden).expect("a release");
    let unknown = ReleaseError::UnknownKey(stranger.public().id());
    assert_eq!(site.send(&mut board, &theirs, 4), refused(Refusal::Release(unknown)));
    let mut flipped = site.release(4);
    flipped[4000] ^= 1;
    assert_eq!(site.send(&mut board, &flipped, 4), refused(Refusal::Release(ReleaseError::Hash)));
    let mut short = site.release(4);
    short.truncate(8000);
    let length = ReleaseError::Length { stated: 10_624, given: 8000 };
    assert_eq!(site.send(&mut board, &short, 4), refused(Refusal::Release(length)));
    let model = Model::parse(tanbo_zoo::SEISMIC).expect("a model");
    let packed = tanbo::pack::repack(&model, tanbo::Family::M0).expect("an artifact");
    let packed = site.signer.sign(&packed, name, 4, site.golden).expect("a release");
    assert_eq!(site.send(&mut board, &packed, 4), refused(Refusal::Family(tanbo::Family::M0)));

    drop(board);
    let (mut board, running, committed) = site.power();
    assert_eq!((running, committed), (3, 3));
    assert_eq!(site.send(&mut board, &site.release(4), 4), Sending::Committed);
}

#[test]
fn a_model_as_fragments_of_which_one_in_five_is_lost() {
    let site = Site::new();
    let (mut board, ..) = site.power();
    let mut random = Rng::with_seed(20);
    let bytes = site.release(1);
    let session = Session::new(0, bytes.len(), 48, 1u32.to_le_bytes()).expect("a session");
    board.fragments(&Request::setup(session));
    let answer = board.frame().expect("an answer");
    let yes = Answer::Setup { index: 0, algorithm: false, memory: false, session: false, descriptor: false };
    assert_eq!((answer[0], Answer::take(&mut &answer[1..])), (PORT, Ok(Some(yes))));
    let (mut sent, mut lost, mut number) = (0, 0, 0);
    loop {
        number += 1;
        let mut part = [0; 48];
        assert!(fragment(&session, &bytes, number, &mut part));
        sent += 1;
        if random.u8(..) < 51 {
            lost += 1;
            continue;
        }
        board.fragments(&Request::Fragment { index: 0, number, bytes: &part });
        // A question whose answer tells when it is whole.
        if number >= session.fragments() {
            board.fragments(&Request::Status { index: 0, all: true });
            let frame = board.frame().expect("an answer");
            if frame[0] != PORT {
                break;
            }
        }
    }
    println!("{sent} fragments sent, {lost} lost, of a model of {}", session.fragments());
    assert_eq!(board.qemu.hear(b'\n').expect("a line"), b"Committed 1\n");
    drop(board);
    assert_eq!(site.power().1, 1);
}

#[test]
fn whenever_the_plug_is_pulled_a_signed_model_is_there_and_no_version_goes_back() {
    let kills = if std::env::var_os("TANBO_SOAK").is_some() { 200 } else { 12 };
    let mut site = Site::new();
    let mut random = Rng::with_seed(200);
    let (mut highest, mut version) = (0, 1);
    let mut seen = [0; 3];
    for kill in 0..kills {
        let (mut board, running, committed) = site.power();
        assert_eq!(running, committed, "kill {kill}");
        assert!(committed >= highest && committed <= version, "kill {kill}: {committed} after {highest}");
        highest = committed;
        if committed == version {
            version += 1;
        }
        let bytes = site.release(version);
        let mut sender = ModelSender::new(&bytes, hash(&bytes), version, 3).expect("a sender");
        let messages = if kill % 3 == 2 { 80 } else { random.usize(0..60) };
        for _ in 0..messages {
            let Some(message) = sender.message() else { break };
            let report = site.say(&mut board, &message).expect("a report");
            if let Sending::Refused { .. } = sender.hear(&report) {
                // Tried too often, or torn: the next version begins anew.
                version += u32::from(report.refusal == Refusal::GivenUp { version }.code());
                break;
            }
        }
        seen[match sender.state() {
            Sending::Going { .. } => 0,
            Sending::Trial => 1,
            _ => 2,
        }] += 1;
        std::thread::sleep(Duration::from_micros(random.u64(0..if kill % 3 == 2 { 1_500_000 } else { 5_000 })));
        board.qemu.kill().expect("a kill");
    }
    let (_board, running, committed) = site.power();
    assert!(running == committed && committed >= highest);
    println!("{kills} kills: {seen:?} while parts came, on trial, after; version {committed} at the end");
    assert!(committed > 0);
}
