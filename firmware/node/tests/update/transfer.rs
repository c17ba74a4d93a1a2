//! Models over a serial link that loses frames, and as fragments of which one in five is lost.

use fastrand::Rng;
use tanbo_fragments::{Answer, Request, Session, fragment, memory_words};
use tanbo_node::slots::Refusal;
use tanbo_node::transfer::{Heard, TRIAL_WINDOWS, Transfer};
use tanbo_node::update::Update;
use tanbo_wire::v1::{ModelSender, Opened, Sending, Stage, Unverified, seal};
use tanbo_wire::{Direction, Key, Link, NodeId, Window};

use crate::world::{ARENA_BYTES, Book, World, demands, now, release, signer};

const NODE: NodeId = NodeId(1);

/// Both ends of a serial link, with their keys and numbers.
struct Line {
    key: Key,
    down: (u32, Window),
}

/// What the node reports of what the sender says, through a frame with its tag.
fn over(
    line: &mut Line,
    sender: &ModelSender<'_>,
    node: &mut Transfer<'_, '_>,
    world: &mut World<'_>,
    book: &mut Book,
) -> tanbo_wire::v1::Update {
    let message = sender.message().expect("something to say");
    let frame = seal(&line.key, Link::Stream, NODE, line.down.0, &message).expect("a frame");
    line.down.0 += 1;
    let received = Unverified::stream(&frame, Direction::Down).expect("a frame");
    let Ok(Opened::Fresh { counter, message }) = received.open(&line.key, &line.down.1) else { panic!("not opened") };
    line.down.1 = line.down.1.with(counter);
    match now(node.frame(&message, world, book)).expect("memories") {
        Heard::Report(report) => report,
        Heard::Try { windows } => tried(node, windows, world, book),
        other => panic!("{other:?}"),
    }
}

/// What becomes of a model that is all there.
fn tried(node: &mut Transfer<'_, '_>, windows: u16, world: &mut World<'_>, book: &mut Book) -> tanbo_wire::v1::Update {
    let mut arena = tanbo::Arena::<ARENA_BYTES>::new();
    now(node.check_and_try(windows, world, book, arena.as_mut())).expect("memories")
}

#[test]
fn a_model_over_a_serial_link_that_loses_frames_and_a_node_that_resets() {
    let keys = [signer().public()];
    for seed in 0..40 {
        let mut random = Rng::with_seed(seed);
        let mut world = World::new(12 << 10, [1, 4, 8, 32][seed as usize % 4]);
        let mut book = world.book();
        let mut line = Line { key: Key::from([7; 16]), down: (0, Window::default()) };
        let bytes = release(3);
        let hash = *bytes[160..].first_chunk().expect("a hash");
        let mut memory = [0; 8];
        let mut node = Transfer::new(Update::new(demands(&keys)), &mut memory);
        let mut sender = ModelSender::new(&bytes, hash, 3, 2).expect("a sender");
        let mut state = sender.anew();
        let mut frames = 0;
        while state != Sending::Trial {
            frames += 1;
            let report = over(&mut line, &sender, &mut node, &mut world, &mut book);
            match random.u8(..) {
                // The report is lost: the same is said again.
                0..40 => {}
                // The node resets.
                40..50 => _ = now(node.update().start(&mut world, &book)).expect("a start"),
                _ => state = sender.hear(&report),
            }
        }
        assert!(frames < 200, "{frames}");
        // The trial is over, and the gateway did not hear it: it asks again.
        assert_eq!(now(node.window(true, &mut world, &mut book)), Ok(None));
        let last = now(node.window(true, &mut world, &mut book)).expect("memories").expect("a report");
        assert_eq!((last.stage, last.version), (Stage::Committed, 3));
        sender.anew();
        let report = over(&mut line, &sender, &mut node, &mut world, &mut book);
        assert_eq!(sender.hear(&report), Sending::Committed);
        assert_eq!(sender.message(), None);
    }
}

#[test]
fn what_is_refused_is_told_with_its_reason() {
    let keys = [signer().public()];
    let mut world = World::new(12 << 10, 8);
    let mut book = world.book();
    let mut line = Line { key: Key::from([7; 16]), down: (0, Window::default()) };
    let mut memory = [0; 8];
    let mut node = Transfer::new(Update::new(demands(&keys)), &mut memory);
    let mut flipped = release(3);
    flipped[5000] ^= 1;
    let hash = *flipped[160..].first_chunk().expect("a hash");
    let mut sender = ModelSender::new(&flipped, hash, 3, 2).expect("a sender");
    let mut state = sender.anew();
    while matches!(state, Sending::Going { .. }) {
        let report = over(&mut line, &sender, &mut node, &mut world, &mut book);
        state = sender.hear(&report);
    }
    let refusal = Refusal::Release(tanbo_release::ReleaseError::Hash).code();
    assert_eq!(state, Sending::Refused { refusal });
}

/// Sends version `version` as fragments; what the node said to its end, and how many fragments were sent.
fn broadcast(
    node: &mut Transfer<'_, '_>,
    world: &mut World<'_>,
    book: &mut Book,
    version: u32,
    lost: &mut dyn FnMut() -> bool,
) -> (tanbo_wire::v1::Update, u16) {
    let bytes = release(version);
    let session = Session::new(1, bytes.len(), 48, version.to_le_bytes()).expect("a session");
    let mut say = |request: &Request<'_>, book: &mut Book| {
        let mut payload = [0; 64];
        let len = request.write(&mut payload).expect("room");
        let heard = now(node.fragments(&payload[..len], world, book)).expect("memories");
        match heard {
            Heard::Try { windows } => Heard::Report(tried(node, windows, world, book)),
            heard => heard,
        }
    };
    let yes = Answer::Setup { index: 1, algorithm: false, memory: false, session: false, descriptor: false };
    assert_eq!(say(&Request::setup(session), book), Heard::Answer(yes));
    for number in 1.. {
        let mut part = [0; 48];
        assert!(fragment(&session, &bytes, number, &mut part));
        if lost() {
            continue;
        }
        let heard = say(&Request::Fragment { index: 1, number, bytes: &part }, book);
        if let Heard::Report(report) = heard {
            let status = say(&Request::Status { index: 1, all: true }, book);
            assert!(matches!(status, Heard::Answer(Answer::Status { missing: 0, .. })), "{status:?}");
            return (report, number);
        }
        assert_eq!(heard, Heard::Nothing);
        if number % 50 == 0 {
            let status = say(&Request::Status { index: 1, all: false }, book);
            assert!(
                matches!(status, Heard::Answer(Answer::Status { missing: 1.., no_memory: false, .. })),
                "{status:?}"
            );
        }
    }
    unreachable!("fragments without end")
}

#[test]
fn a_model_as_fragments_of_which_one_in_five_is_lost() {
    let keys = [signer().public()];
    let mut worst = 0;
    for seed in 0..20 {
        let mut random = Rng::with_seed(seed);
        // Room behind the block for the losses: 222 fragments, of which some 44 do not come.
        let mut world = World::new(14 << 10, [8, 16][seed as usize % 2]);
        let mut book = world.book();
        let mut memory = [0; memory_words(222, 74)];
        let mut node = Transfer::new(Update::new(demands(&keys)), &mut memory);
        for version in [1, 2] {
            let (report, sent) = broadcast(&mut node, &mut world, &mut book, version, &mut || random.u8(..) < 51);
            assert_eq!((report.stage, report.version), (Stage::Trial, version));
            worst = worst.max(sent);
            let mut told = None;
            for _ in 0..TRIAL_WINDOWS {
                assert_eq!(told, None);
                told = now(node.window(true, &mut world, &mut book)).expect("memories");
            }
            assert_eq!(told.map(|report| (report.stage, report.version)), Some((Stage::Committed, version)));
        }
        let running = now(node.update().start(&mut world, &book)).expect("slots").expect("a model");
        assert_eq!(running.release.version, 2);
    }
    println!("222 fragments, 20 % lost: at most {worst} sent");
}

#[test]
fn sessions_that_cannot_be_are_answered_with_the_reason() {
    let keys = [signer().public()];
    let mut world = World::new(12 << 10, 8);
    let book = world.book();
    let mut memory = [0; memory_words(222, 20)];
    let mut node = Transfer::new(Update::new(demands(&keys)), &mut memory);
    let mut say = |payload: &[u8]| now(node.fragments(payload, &mut world, &book)).expect("memories");
    let no = |algorithm, memory, session, descriptor| {
        Heard::Answer(Answer::Setup { index: 1, algorithm, memory, session, descriptor })
    };
    // FragSession, NbFrag, FragSize, Control, Padding, Descriptor: session 1 of 222 fragments of 48 bytes, version 1.
    let setup = [2, 0x10, 222, 0, 48, 0, 32, 1, 0, 0, 0];
    let with = |at: usize, byte: u8| {
        let mut changed = setup;
        changed[at] = byte;
        changed
    };
    assert_eq!(say(&setup), no(false, false, false, false));
    assert_eq!(say(&with(5, 8)), no(true, false, false, false));
    assert_eq!(say(&with(4, 47)), no(false, true, false, false));
    assert_eq!(say(&with(6, 48)), no(false, false, true, false));
    // Version 0 is none; 65,000 fragments are no model. The reason is told, too.
    let older = Refusal::Older { version: 0, least: 1 };
    let long = Refusal::TooLong { bytes: 0, room: 0 };
    for (payload, version, refusal) in [(with(7, 0), 0, older), (with(3, 0x20), 1, long)] {
        let answer = Answer::Setup { index: 1, algorithm: false, memory: false, session: false, descriptor: true };
        let refusal = refusal.code();
        let report = tanbo_wire::v1::Update { version, received: 0, stage: Stage::Refused, refusal };
        assert_eq!(say(&payload), Heard::Refused(answer, report));
    }
    assert_eq!(say(&[3, 1]), Heard::Answer(Answer::Delete { index: 1, unknown: true }));
    assert_eq!(say(&setup), no(false, false, false, false));
    assert_eq!(say(&[3, 1]), Heard::Answer(Answer::Delete { index: 1, unknown: false }));
    assert_eq!(say(&[0]), Heard::Answer(Answer::PackageVersion));
    let mut random = Rng::with_seed(5);
    for _ in 0..20_000 {
        let mut payload: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
        if let Some(first) = payload.first_mut() {
            *first = [0, 1, 2, 3, 8, *first][random.usize(0..6)];
        }
        say(&payload);
    }
}
