//! Firmware comes while the node samples: it is written, swapped in at the restart, tried, kept or taken back.

use embedded_storage::nor_flash::NorFlash as _;
use tanbo_board_api::sim::{Restart, SimFlash};
use tanbo_boot::{FirmwareUpdates, prepare};
use tanbo_flash_map::{FlashMap, Lengths, Updates};
use tanbo_release::{Name, PublicKey};
use tanbo_wire::v1::Stage;

use crate::courier::Courier;
use crate::models::{Site, signer};
use crate::seismic::after_quiet;

const PAGE: u32 = 1024;
const MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0, 64 * PAGE),
    ram: (0x2000_0000, 1024),
    page: PAGE,
    word: 8,
    boot: 0,
    firmware: 34 * PAGE,
    slot: 4 * PAGE,
    selection: 2 * PAGE,
    last_words: PAGE,
    identity: PAGE,
});
static UPDATES: Updates = MAP.updates("board", 2 * PAGE);

type Chip = SimFlash<8, { PAGE as usize }>;

fn image(version: u32) -> Vec<u8> {
    let name = Name::new(UPDATES.board).expect("a name");
    let image: Vec<u8> = (0..3_200).map(|n| (n * version) as u8).collect();
    signer().sign_firmware(&image, name, version).expect("a release")
}

/// A start of a node on a chip: the boot loader, then the firmware for so many seconds. What it was, and whether it restarts.
fn start(site: &Site, chip: &Chip, seconds: u64, before: Option<Restart>) -> (u32, Restart, bool) {
    prepare(chip.handle(), &MAP, &UPDATES, || ()).expect("flash");
    let keys: [PublicKey; 1] = [signer().public()];
    let name = Name::new(UPDATES.board).expect("a name");
    let mut updates = FirmwareUpdates::new(chip.handle(), &MAP, &UPDATES, name, &keys);
    let runs = updates.running().expect("flash").expect("a record").version;
    let (restart, again) = site.run_with(seconds, [None; 2], before, &mut updates);
    (runs, restart, again)
}

fn programmed() -> Chip {
    let mut chip = Chip::new(64);
    chip.write(UPDATES.active.start, &image(1)).expect("a write");
    chip
}

#[test]
fn firmware_that_does_its_work_is_kept() {
    let (site, chip) = (Site::new(after_quiet(500), vec![Courier::firmware(image(2), 2)]), programmed());
    let (first, before, restarts) = start(&site, &chip, 200, None);
    assert_eq!((first, restarts), (1, true));
    assert_eq!(site.gateway.borrow().couriers[0].told.map(|told| told.stage), Some(Stage::Trial));
    let (second, before, restarts) = start(&site, &chip, 300, Some(before));
    assert_eq!((second, restarts), (2, false));
    let delivered = site.gateway.borrow().delivered.clone();
    assert_eq!(delivered.iter().map(|told| (told.version, told.stage)).collect::<Vec<_>>(), [(2, Stage::Committed)]);
    assert!(site.seen.borrow().hops.1 > 240, "{:?}", site.seen.borrow().hops);
    // From now on it stays.
    assert_eq!(start(&site, &chip, 5, Some(before)).0, 2);
}

#[test]
fn firmware_that_loses_readings_or_restarts_is_taken_back() {
    let (mut site, chip) = (Site::new(after_quiet(500), vec![Courier::firmware(image(2), 2)]), programmed());
    let (_, before, restarts) = start(&site, &chip, 200, None);
    assert!(restarts);
    // Half of the readings.
    site.lose = (1..3_000).step_by(2).collect();
    let (second, before, restarts) = start(&site, &chip, 300, Some(before));
    assert_eq!((second, restarts), (2, true));
    let fault = site.seen.borrow().faults.iter().any(|(kind, ..)| *kind == 13);
    assert!(fault, "{:?}", site.seen.borrow().faults);
    site.lose.clear();
    let (third, ..) = start(&site, &chip, 5, Some(before));
    assert_eq!(third, 1);
}
