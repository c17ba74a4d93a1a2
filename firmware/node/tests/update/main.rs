//! Models come into a node, or do not: the promises of `update`, and power cuts at every write and erase.

mod cuts;
mod refused;
mod transfer;
mod world;

use tanbo_board_api::{Selection, Slots as _};
use tanbo_node::slots::Refusal;
use tanbo_node::update::{MAX_ATTEMPTS, Offer, Update, UpdateError, Verdict};
use tanbo_release::stated_bytes;
use tanbo_store::Versions;
use world::{ARENA_BYTES, Book, World, demands, now, release, signer};

/// What is said of a release before it comes.
fn offer(bytes: &[u8], version: u32) -> Offer {
    Offer {
        version,
        bytes: stated_bytes(bytes).expect("an artifact"),
        hash: *bytes[160..].first_chunk().expect("a hash"),
    }
}

type Result<T> = core::result::Result<T, UpdateError<(), ()>>;

/// Everything up to the trial.
fn install(update: &mut Update<'_>, world: &mut World<'_>, book: &mut Book, bytes: &[u8], version: u32) -> Result<()> {
    let mut at = now(update.begin(&offer(bytes, version), world, book))?;
    while at < bytes.len() {
        let end = bytes.len().min(at + 192);
        at = now(update.write(at, &bytes[at..end], world, book))?;
    }
    let mut arena = tanbo::Arena::<ARENA_BYTES>::new();
    now(update.check(world, book, arena.as_mut()))?;
    now(update.try_out(2, world, book)).map(|_| ())
}

fn window(update: &mut Update<'_>, world: &mut World<'_>, book: &mut Book, well: bool) -> Result<Verdict> {
    now(update.window(well, world, book))
}

#[test]
fn a_model_is_installed_tried_and_committed_and_the_next_one_rolled_back() {
    let keys = [signer().public()];
    let mut update = Update::new(demands(&keys));
    let mut world = World::new(12 << 10, 8);
    let mut book = world.book();
    assert_eq!(now(update.start(&mut world, &book)), Ok(None));

    install(&mut update, &mut world, &mut book, &release(3), 3).expect("a trial");
    assert_eq!(world.selected(), Some(Selection { slot: 0, trial: true }));
    // No other one meanwhile.
    let next = now(update.begin(&offer(&release(4), 4), &mut world, &book));
    assert_eq!(next, Err(UpdateError::Refused(Refusal::NotNow)));
    assert_eq!(window(&mut update, &mut world, &mut book, true), Ok(Verdict::Trial { left: 1 }));
    assert_eq!(window(&mut update, &mut world, &mut book, true), Ok(Verdict::Committed { version: 3 }));
    assert_eq!(window(&mut update, &mut world, &mut book, true), Ok(Verdict::Settled));

    install(&mut update, &mut world, &mut book, &release(5), 5).expect("a trial");
    assert_eq!(world.selected(), Some(Selection { slot: 1, trial: true }));
    assert_eq!(window(&mut update, &mut world, &mut book, false), Ok(Verdict::RolledBack { version: 5 }));
    let running = now(update.start(&mut world, &book)).expect("slots").expect("a model");
    assert_eq!((running.slot, running.release.version), (0, 3));

    // It is still there: nothing is sent again. After three attempts it is given up; a higher version is not.
    for attempt in 2..=MAX_ATTEMPTS {
        let at = now(update.begin(&offer(&release(5), 5), &mut world, &book));
        assert_eq!(at, Ok(release(5).len()), "attempt {attempt}");
        install(&mut update, &mut world, &mut book, &release(5), 5).expect("a trial");
        // A reset, this time.
        let running = now(update.start(&mut world, &book)).expect("slots").expect("a model");
        assert_eq!((running.slot, running.release.version), (0, 3));
    }
    let refused = install(&mut update, &mut world, &mut book, &release(5), 5);
    assert_eq!(refused, Err(UpdateError::Refused(Refusal::GivenUp { version: 5 })));
    install(&mut update, &mut world, &mut book, &release(6), 6).expect("a trial");
    window(&mut update, &mut world, &mut book, true).expect("a window");
    assert_eq!(window(&mut update, &mut world, &mut book, true), Ok(Verdict::Committed { version: 6 }));
    let versions = Versions { committed: 6, ..Versions::default() };
    assert_eq!(tanbo_node::update::Ledger::versions(&book), versions);
    for version in [1, 3, 5, 6] {
        let refused = install(&mut update, &mut world, &mut book, &release(version), version);
        assert_eq!(refused, Err(UpdateError::Refused(Refusal::Older { version, least: 7 })));
    }
}

/// Checks what was laid into the idle slot, and tries it.
fn take_up(update: &mut Update<'_>, world: &mut World<'_>, book: &mut Book) -> Result<u8> {
    let mut arena = tanbo::Arena::<ARENA_BYTES>::new();
    now(update.check(world, book, arena.as_mut()))?;
    now(update.try_out(1, world, book))
}

#[test]
fn what_a_probe_has_laid_into_the_idle_slot_is_tried_once() {
    let keys = [signer().public()];
    let mut world = World::new(12 << 10, 8);
    let mut book = world.book();
    let start = |world: &mut World<'_>, book: &Book| {
        let mut update = Update::new(demands(&keys));
        let running = now(update.start(world, book)).expect("slots").map(|running| running.release.version);
        let offered = update.take_offered(world);
        (update, running, offered)
    };
    // Into a board that has the firmware's model.
    world.lay(&release(3));
    let (mut update, running, offered) = start(&mut world, &book);
    assert_eq!((running, offered), (None, Some(3)));
    assert_eq!(take_up(&mut update, &mut world, &mut book), Ok(0));
    assert_eq!((world.selected(), world.offered()), (Some(Selection { slot: 0, trial: true }), None));
    assert_eq!(window(&mut update, &mut world, &mut book, true), Ok(Verdict::Committed { version: 3 }));

    // A reset ends the trial of the next one, for good.
    world.lay(&release(4));
    let (mut update, running, offered) = start(&mut world, &book);
    assert_eq!((running, offered), (Some(3), Some(4)));
    assert_eq!(take_up(&mut update, &mut world, &mut book), Ok(1));
    for _ in 0..2 {
        let (_, running, offered) = start(&mut world, &book);
        assert_eq!((running, offered), (Some(3), None));
    }

    let mut damaged = release(5);
    damaged[5000] ^= 1;
    let damaged_is = Refusal::Release(tanbo_release::ReleaseError::Hash);
    let older_is = Refusal::Older { version: 2, least: 4 };
    let none_is = Refusal::Release(tanbo_release::ReleaseError::NoArtifact);
    for (bytes, says, refusal) in [(damaged, 5, damaged_is), (release(2), 2, older_is), (vec![], 0, none_is)] {
        world.lay(&bytes);
        let (mut update, running, offered) = start(&mut world, &book);
        assert_eq!((running, offered), (Some(3), Some(says)));
        assert_eq!(take_up(&mut update, &mut world, &mut book), Err(UpdateError::Refused(refusal)));
        assert!(world.bytes(1).iter().all(|byte| *byte == 0xff), "{refusal}: something is left");
        let (_, running, offered) = start(&mut world, &book);
        assert_eq!((running, offered), (Some(3), None));
    }
}

#[test]
fn the_first_model_falls_back_to_the_firmwares() {
    let keys = [signer().public()];
    let mut update = Update::new(demands(&keys));
    let mut world = World::new(12 << 10, 4);
    let mut book = world.book();
    install(&mut update, &mut world, &mut book, &release(1), 1).expect("a trial");
    assert_eq!(now(update.start(&mut world, &book)), Ok(None));
    assert_eq!(now(update.start(&mut world, &book)), Ok(None));
    install(&mut update, &mut world, &mut book, &release(2), 2).expect("a trial");
    window(&mut update, &mut world, &mut book, true).expect("a window");
    assert_eq!(window(&mut update, &mut world, &mut book, true), Ok(Verdict::Committed { version: 2 }));
    let running = now(update.start(&mut world, &book)).expect("slots").expect("a model");
    assert_eq!((running.slot, running.release.version), (0, 2));
}

#[test]
fn a_damaged_model_is_not_run_and_an_old_one_not_again() {
    let keys = [signer().public()];
    let mut update = Update::new(demands(&keys));
    let mut world = World::new(12 << 10, 4);
    let mut book = world.book();
    for version in [1, 2] {
        install(&mut update, &mut world, &mut book, &release(version), version).expect("a trial");
        window(&mut update, &mut world, &mut book, true).expect("a window");
        window(&mut update, &mut world, &mut book, true).expect("a window");
    }
    assert_eq!(world.selected(), Some(Selection { slot: 1, trial: false }));
    world.rot(1, 5000);
    // Version 1 is whole, but it is version 1.
    assert_eq!(now(update.start(&mut world, &book)), Ok(None));
    now(world.select(Selection { slot: 0, trial: false })).expect("slots");
    assert_eq!(now(update.start(&mut world, &book)), Ok(None));
}

#[test]
fn a_cut_link_goes_on_where_it_was_and_so_does_a_reset() {
    let keys = [signer().public()];
    let mut update = Update::new(demands(&keys));
    let mut world = World::new(12 << 10, 16);
    let mut book = world.book();
    let bytes = release(4);
    assert_eq!(now(update.begin(&offer(&bytes, 4), &mut world, &book)), Ok(0));
    now(update.write(0, &bytes[..1600], &mut world, &book)).expect("a part");
    let gap = now(update.write(3200, &bytes[3200..3216], &mut world, &book));
    assert_eq!(gap, Err(UpdateError::Refused(Refusal::Gap { expected: 1600, at: 3200 })));
    // The same part again, and one that overlaps what is there.
    assert_eq!(now(update.write(1408, &bytes[1408..1600], &mut world, &book)), Ok(1600));
    let truncated = now(update.check(&mut world, &book, &mut []));
    assert_eq!(truncated, Err(UpdateError::Refused(Refusal::Truncated { received: 1600, bytes: bytes.len() })));
    let mut again = Update::new(demands(&keys));
    assert_eq!(now(again.start(&mut world, &book)), Ok(None));
    let at = now(again.begin(&offer(&bytes, 4), &mut world, &book)).expect("an offer");
    assert!((1500..=1600).contains(&at), "{at}");
    install(&mut again, &mut world, &mut book, &bytes, 4).expect("a trial");
    // Another version begins anew.
    let mut again = Update::new(demands(&keys));
    now(again.start(&mut world, &book)).expect("slots");
    assert_eq!(now(again.begin(&Offer { hash: [0; 32], ..offer(&bytes, 5) }, &mut world, &book)), Ok(0));
}
