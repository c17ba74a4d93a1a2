//! The supply is cut at every word that is written (in its middle, and after it) and in every erase, over several geometries of flash. Whatever is
//! left, the next start selects the model that was committed last, signed and whole, and no version ever goes back.
//!
//! With TANBO_SOAK set every such start also goes on to the end of an update; without, one in 64.

use std::cell::RefCell;

use tanbo_board_api::Slots as _;
use tanbo_node::update::{Ledger as _, Update, Verdict};

use crate::world::{Frozen, World, demands, now, release, signer};
use crate::{install, window};

/// Cuts in one geometry.
fn cuts((word, page): (usize, usize)) -> usize {
    let keys = [signer().public()];
    let releases: Vec<Vec<u8>> = (0..=9).map(|version| release(version.max(1))).collect();
    let slot_bytes = releases[1].len().next_multiple_of(page);
    let every = if std::env::var_os("TANBO_SOAK").is_some() { 1 } else { 64 };
    let (mut points, mut highest) = (0, 0);
    let watcher = RefCell::new(|frozen: Frozen| {
        points += 1;
        let mut world = World::of(frozen, word, page);
        let mut book = world.book();
        let committed = book.versions().committed;
        assert!(committed >= highest, "{committed} after {highest}");
        highest = committed;
        let mut update = Update::new(demands(&keys));
        let running = now(update.start(&mut world, &book)).expect("slots");
        assert_eq!(running.map_or(0, |running| running.release.version), committed, "point {points}");
        if let Some(running) = running {
            let selected = world.selected().expect("a selection");
            assert_eq!((selected.slot, selected.trial), (running.slot, false));
        }
        if points % every == 0 {
            // What came before the cut may turn out to be damaged: then once more.
            let bytes = &releases[9];
            if install(&mut update, &mut world, &mut book, bytes, 9).is_err() {
                install(&mut update, &mut world, &mut book, bytes, 9).expect("a trial after a second transfer");
            }
            window(&mut update, &mut world, &mut book, true).expect("a window");
            assert_eq!(window(&mut update, &mut world, &mut book, true), Ok(Verdict::Committed { version: 9 }));
            let running = now(update.start(&mut world, &book)).expect("slots").expect("a model");
            assert_eq!(running.release.version, 9);
        }
    });
    {
        let mut world = World::paged(slot_bytes, word, page).watched(&watcher);
        let mut book = world.book();
        let mut update = Update::new(demands(&keys));
        // Committed, rolled back by itself, by a reset, and committed again.
        for (version, well) in [(1, Some(true)), (2, Some(false)), (3, None), (4, Some(true))] {
            install(&mut update, &mut world, &mut book, &releases[version], version as u32).expect("a trial");
            for _ in 0..if well == Some(true) { 2 } else { 1 } {
                match well {
                    Some(well) => _ = window(&mut update, &mut world, &mut book, well).expect("a window"),
                    None => _ = now(update.start(&mut world, &book)).expect("a start"),
                }
            }
        }
        assert_eq!(book.versions().committed, 4);
    }
    points
}

#[test]
fn of_50_000_cuts_each_leaves_a_signed_model_and_no_version_goes_back() {
    // Bytes of a word and of a page: as STM32's older and newer flash, nRF52's, U5's and H7's, and external NOR.
    let geometries = [(2, 1024), (8, 2048), (4, 4096), (16, 8192), (64, 1024)];
    let counts: Vec<_> = std::thread::scope(|scope| {
        let threads = geometries.map(|geometry| (geometry, scope.spawn(move || cuts(geometry))));
        threads.map(|(geometry, thread)| (geometry, thread.join().expect("a geometry"))).into()
    });
    println!("(word, page), cuts: {counts:?}");
    let total: usize = counts.iter().map(|(_, count): &(_, usize)| count).sum();
    println!("{total} cuts");
    assert!(total >= 50_000, "{total}");
}
