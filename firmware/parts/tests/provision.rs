//! A node is told who it is, is told again, forgets it; by who may, by who may not, and while the supply goes.

mod host;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::task::Poll;

use embassy_futures::block_on;
use embassy_futures::select::{Either, select};
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
use host::{SEED, asking, revoking, somebody, telling};
use tanbo_board_api::sim::{Cut, SimClock, SimFlash, SimPower, World};
use tanbo_board_api::{Limits, Uplink, UplinkError};
use tanbo_flash_map::{Identity, Region};
use tanbo_parts::provision::{Site, identity};
use tanbo_wire::provision::{Answer, Outcome, PART_BYTES, Proof, Request, check, nobody, seal};
use tanbo_wire::{Frame, Key};

const PAGE: u32 = 1024;
type Flash = SimFlash<32, 1024>;

fn site() -> Site<'static> {
    Site { board: "test board", identity: PAGE..2 * PAGE, store: 2 * PAGE..6 * PAGE, slot_bytes: 4096 }
}

/// What the line brings of somebody who plugs it in.
#[derive(Debug)]
struct Noise;

/// The line, with a host at its other end: what it says after each answer, an empty frame for half a second of silence; `None` unplugs.
struct Line<'w, H> {
    world: &'w World,
    host: H,
    heard: Option<Frame>,
    quiet: bool,
    unplugged: &'w Cell<bool>,
}

impl<H: FnMut(Option<Answer<'_>>) -> Option<Frame>> Uplink for Line<'_, H> {
    type Error = Noise;

    fn limits(&self) -> Limits {
        Limits { frame_bytes: tanbo_wire::MAX_FRAME, not_before_us: 0 }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<Noise>> {
        assert!(self.heard.is_none(), "one answer to one request");
        self.heard = Some(Frame::from_slice(frame).expect("a frame"));
        self.quiet = false;
        // It was heard all the same.
        Err(UplinkError::Device(Noise))
    }

    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<Noise>> {
        if !self.quiet {
            self.quiet = true;
            return Err(UplinkError::Device(Noise));
        }
        let answer = self.heard.take();
        let answer = answer.as_deref().map(|frame| Answer::read(frame).expect("an answer"));
        match (self.host)(answer) {
            None => {
                self.unplugged.set(true);
                pending().await
            }
            Some(frame) if frame.is_empty() => {
                self.world.set_now_us(until_us);
                Ok(None)
            }
            Some(frame) => {
                into[..frame.len()].copy_from_slice(&frame);
                Ok(Some(frame.len()))
            }
        }
    }
}

/// Who the node is; nothing where the line was unplugged before it knew.
type Ended = Option<Result<Identity, Cut>>;

/// Starts a node; `host` says what it hears.
fn start(flash: &mut Flash, asked: bool, host: impl FnMut(Option<Answer<'_>>) -> Option<Frame>) -> Ended {
    let world = World::new(0);
    let (clock, mut power) = (SimClock::new(&world), SimPower::new(&world));
    let unplugged = Cell::new(false);
    let mut line = Line { world: &world, host, heard: None, quiet: false, unplugged: &unplugged };
    let site = site();
    let told = identity((&clock, &mut power, &mut line), flash, &site, SEED, asked);
    let ended = match block_on(select(told, poll_fn(|_| if unplugged.get() { Poll::Ready(()) } else { Poll::Pending })))
    {
        Either::First(ended) => Some(ended),
        Either::Second(()) => None,
    };
    assert!(!power.watchdog_expired());
    ended
}

/// Says `frames`, then unplugs if it is still heard; the outcomes, and how the start ended.
fn say(flash: &mut Flash, asked: bool, frames: &[Frame]) -> (Vec<Outcome>, Ended) {
    let (mut outcomes, mut frames) = (Vec::new(), frames.iter());
    let ended = start(flash, asked, |answer| {
        outcomes.extend(answer.map(|answer| answer.outcome));
        frames.next().cloned()
    });
    (outcomes, ended)
}

/// Makes a new node somebody.
fn give(flash: &mut Flash, new: &Identity) {
    assert_eq!(say(flash, false, &quietly(telling(new, &nobody(), 0))).1, Some(Ok(*new)));
}

const UNPLUGGED: Ended = None;

/// The node goes to work 20 seconds after it was written.
fn quietly(frames: Vec<Frame>) -> Vec<Frame> {
    frames.into_iter().chain(std::iter::repeat_n(Frame::new(), 40)).collect()
}

#[test]
fn a_node_that_is_nobody_takes_an_identity_from_whoever_has_the_line_and_keeps_it() {
    let (mut flash, one) = (Flash::new(6), somebody(1, 7));
    let (outcomes, ended) = say(&mut flash, false, &quietly(telling(&one, &nobody(), 0)));
    use Outcome::{Ready, Received, Written};
    assert_eq!((&outcomes[..], ended), (&[Ready, Received, Received, Written][..], Some(Ok(one))));
    // One that is asked who it is now goes to work at once.
    let frames = [telling(&one, &nobody(), 0), vec![asking()]].concat();
    assert_eq!(say(&mut Flash::new(6), false, &frames).1, Some(Ok(one)));
    // Without anybody on the line, it knows at once; with somebody who asked, after a minute.
    assert_eq!(say(&mut flash, false, &[]), (vec![], Some(Ok(one))));
    assert_eq!(say(&mut flash, true, &[]), (vec![], UNPLUGGED));
    let waits = Cell::new(0);
    let ended = start(&mut flash, true, |_| {
        waits.set(waits.get() + 1);
        Some(Frame::new())
    });
    assert_eq!((ended, waits.get()), (Some(Ok(one)), 120));
}

#[test]
fn an_answer_says_what_is_held_and_no_key() {
    let (mut flash, one) = (Flash::new(6), somebody(1, 0xa5));
    give(&mut flash, &one);
    let asked = Cell::new(false);
    let ended = start(&mut flash, true, |answer| {
        if let Some(answer) = answer {
            let held = answer.held.expect("somebody");
            assert_eq!((answer.board, held.node.0, held.region, held.signers), ("test board", 1, 0, 2));
            assert_eq!(held.check, check(&Key::from(one.key), &one.to_bytes()));
            assert!(held.check != check(&Key::from([0xa6; 16]), &one.to_bytes()));
            let frame = answer.seal().expect("a frame");
            assert!(!frame.windows(4).any(|bytes| bytes == [0xa5; 4]));
        }
        (!asked.replace(true)).then(asking)
    });
    assert_eq!(ended, UNPLUGGED);
}

#[test]
fn only_who_has_its_key_tells_a_node_again_who_it_is_and_no_order_works_twice() {
    let (mut flash, one, two) = (Flash::new(6), somebody(1, 7), somebody(2, 8));
    let (mine, theirs) = (Key::from(one.key), Key::from(two.key));
    give(&mut flash, &one);
    for (key, after) in [(&nobody(), 0), (&theirs, 0), (&mine, 1)] {
        let (outcomes, ended) = say(&mut flash, true, &telling(&two, key, after));
        assert_eq!((outcomes.last(), ended), (Some(&Outcome::NotProven), UNPLUGGED));
        let (outcomes, _) = say(&mut flash, true, &[revoking(key, after)]);
        assert_eq!(outcomes, [Outcome::NotProven]);
    }
    // One order, whatever came of it, makes those stale that were made for the same challenge.
    let (outcomes, _) = say(&mut flash, true, &[revoking(&theirs, 0), revoking(&mine, 0)]);
    assert_eq!(outcomes, [Outcome::NotProven; 2]);
    assert_eq!(say(&mut flash, false, &[]).1, Some(Ok(one)));
    let (outcomes, ended) = say(&mut flash, true, &quietly(telling(&two, &mine, 0)));
    assert_eq!((outcomes.last(), ended), (Some(&Outcome::Written), Some(Ok(two))));
}

#[test]
fn a_revoked_node_is_nobody_its_keys_and_its_store_are_gone() {
    let (mut flash, one, two) = (Flash::new(6), somebody(1, 7), somebody(2, 8));
    let mine = Key::from(one.key);
    give(&mut flash, &one);
    block_on(NorFlash::write(&mut flash, 3 * PAGE, &[1; 32])).expect("written");
    let frames = [vec![revoking(&mine, 0), revoking(&mine, 1)], quietly(telling(&two, &nobody(), 1))].concat();
    let (outcomes, ended) = say(&mut flash, true, &frames);
    assert_eq!((outcomes[..2].to_vec(), ended), (vec![Outcome::Erased, Outcome::Nobody], Some(Ok(two))));
    let mut bytes = [0; 6 * PAGE as usize];
    block_on(ReadNorFlash::read(&mut flash, 0, &mut bytes)).expect("read");
    assert!(!bytes.windows(16).any(|bytes| bytes == one.key));
    assert!(bytes[2 * PAGE as usize..].iter().all(|byte| *byte == 0xff));
}

#[test]
fn a_store_stays_where_node_and_keys_do() {
    let (mut flash, one) = (Flash::new(6), somebody(1, 7));
    give(&mut flash, &one);
    block_on(NorFlash::write(&mut flash, 3 * PAGE, &[1; 32])).expect("written");
    let moved = Identity { region: Region::Us915, ..one };
    let (_, ended) = say(&mut flash, true, &quietly(telling(&moved, &Key::from(one.key), 0)));
    let mut bytes = [0; 32];
    block_on(ReadNorFlash::read(&mut flash, 3 * PAGE, &mut bytes)).expect("read");
    assert_eq!((ended, bytes), (Some(Ok(moved)), [1; 32]));
}

#[test]
fn what_is_not_whole_or_no_identity_changes_nothing() {
    let (mut flash, one) = (Flash::new(6), somebody(1, 7));
    let mut frames = telling(&one, &nobody(), 0);
    frames.remove(1);
    let (outcomes, _) = say(&mut flash, false, &frames);
    // The second part does not follow.
    assert_eq!(outcomes, [Outcome::Ready, Outcome::Received, Outcome::Incomplete]);
    let mut page = one.to_bytes();
    page[20] ^= 1;
    let proof = Proof { key: &nobody(), challenge: SEED, page: &page };
    let parts = page.chunks(PART_BYTES).enumerate();
    let parts = parts.map(|(n, bytes)| Request::Part { at: (n * PART_BYTES) as u16, bytes });
    let frames: Vec<Frame> =
        parts.chain([Request::Commit]).map(|request| seal(&request, &proof).expect("a frame")).collect();
    let (outcomes, _) = say(&mut flash, false, &frames);
    assert_eq!(outcomes, [Outcome::Received, Outcome::Received, Outcome::NoIdentity]);
    assert_eq!(flash.points, 0);
}

#[test]
fn the_supply_may_go_at_any_word_and_the_node_is_the_old_one_the_new_one_or_nobody() {
    let (one, two) = (somebody(1, 7), somebody(2, 8));
    let mut first = Flash::new(6);
    give(&mut first, &one);
    let mine = Key::from(one.key);
    let (mut seen, mut done) = ([0; 3], false);
    for left in 0.. {
        let mut flash = first.clone();
        flash.left = Some(left);
        let (_, ended) = say(&mut flash, true, &quietly(telling(&two, &mine, 0)));
        done |= ended == Some(Ok(two));
        flash.left = None;
        let after = say(&mut flash, false, &[]).1;
        seen[match after {
            Some(Ok(identity)) if identity == one => 0,
            Some(Ok(identity)) if identity == two => 1,
            Some(Ok(other)) => panic!("{other:?}"),
            Some(Err(_)) | None => {
                // Nobody: it can be told again.
                assert_eq!(say(&mut flash, false, &quietly(telling(&two, &nobody(), 0))).1, Some(Ok(two)));
                2
            }
        }] += 1;
        if done {
            break;
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0 && seen[2] > 8, "{seen:?}");
}
