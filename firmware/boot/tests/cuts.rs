//! Whatever the supply does while firmware is updated, the board starts a signed image, whole.

use std::cell::RefCell;
use std::sync::LazyLock;

use embassy_boot::{BootError, BootLoader, BootLoaderConfig};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_futures::block_on;
use embassy_sync::blocking_mutex::{Mutex, raw::NoopRawMutex};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as asynchronous;
use tanbo_board_api::sim::{Cut, SimFlash};
use tanbo_boot::{FirmwareUpdates, UpdateError};
use tanbo_flash_map::{FlashMap, Lengths, Updates};
use tanbo_release::{FIRMWARE_RECORD_BYTES, Name, PublicKey, ReleaseError, Signer, verify_firmware};

const WORD: usize = 4;
const PAGE: usize = 256;
const PAGES: u32 = 40;
const MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0, PAGES * PAGE as u32),
    ram: (0x2000_0000, 1024),
    page: PAGE as u32,
    word: WORD as u32,
    boot: 0,
    firmware: 18 * PAGE as u32,
    slot: 4 * PAGE as u32,
    selection: 2 * PAGE as u32,
    last_words: PAGE as u32,
    identity: PAGE as u32,
});
/// Bytes of a part that a transfer brings.
const PART: usize = 48;

fn parts() -> Updates {
    MAP.updates(2 * PAGE as u32)
}

fn name() -> Name {
    Name::new("board").expect("a name")
}

/// The chip's flash, as a driver that waits.
struct Chip(SimFlash<WORD, PAGE>);

impl ErrorType for Chip {
    type Error = Cut;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Cut> {
        block_on(asynchronous::ReadNorFlash::read(&mut self.0, at, into))
    }

    fn capacity(&self) -> usize {
        asynchronous::ReadNorFlash::capacity(&self.0)
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        block_on(asynchronous::NorFlash::erase(&mut self.0, from, to))
    }

    /// After a cut embassy-boot writes a mark again that is there already. An nRF52840 lets a word be written twice before it is erased
    /// (product specification, n_WRITE), and here the supply goes once; the simulated flash takes each word once.
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Cut> {
        for (at, word) in (at..).step_by(WORD).zip(bytes.chunks(WORD)) {
            let mut there = [0; WORD];
            self.read(at, &mut there)?;
            if there != *word || there == [0xff; WORD] {
                block_on(asynchronous::NorFlash::write(&mut self.0, at, word))?;
            }
        }
        Ok(())
    }
}

impl Chip {
    fn bytes(&mut self, range: std::ops::Range<u32>, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        self.read(range.start, &mut bytes).expect("bytes");
        bytes.truncate(len);
        bytes
    }
}

/// Two releases of a board's firmware.
struct Releases {
    keys: [PublicKey; 1],
    updates: [Vec<u8>; 2],
}

static RELEASES: LazyLock<Releases> = LazyLock::new(|| {
    let signer = Signer::generate().expect("a key");
    let mut random = fastrand::Rng::with_seed(3);
    let room = parts().active.len() - FIRMWARE_RECORD_BYTES;
    // One ends in the middle of a page.
    let updates = [room, room - 300].map(|len| {
        let image: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        let version = if len == room { 1 } else { 2 };
        signer.sign_firmware(&image, name(), version).expect("a release")
    });
    Releases { keys: [signer.public()], updates }
});

/// A board with the first release, as a programmer leaves it.
fn programmed() -> SimFlash<WORD, PAGE> {
    let flash = SimFlash::new(PAGES as usize);
    Chip(flash.handle()).write(parts().active.start, &RELEASES.updates[0]).expect("a write");
    flash
}

/// What the boot loader does at every start.
fn boot(chip: &mut Chip) -> Result<(), BootError> {
    let parts = parts();
    let flash = Mutex::<NoopRawMutex, _>::new(RefCell::new(Chip(chip.0.handle())));
    let part = |range: std::ops::Range<u32>| BlockingPartition::new(&flash, range.start, range.len() as u32);
    let config = BootLoaderConfig { active: part(parts.active), dfu: part(parts.dfu), state: part(parts.state) };
    let done = BootLoader::new(config).prepare_boot(&mut [0; PAGE]).map(|_| ());
    let used = flash.into_inner().into_inner().0;
    (chip.0.left, chip.0.points) = (used.left, used.points);
    done
}

/// Which release the active part holds, whole and signed.
fn running(chip: &mut Chip) -> Option<usize> {
    let found = (0..2).find(|&n| {
        let update = &RELEASES.updates[n];
        chip.bytes(parts().active, update.len()) == *update
    })?;
    verify_firmware(&RELEASES.updates[found], &RELEASES.keys).ok().map(|_| found)
}

/// The supply goes at point `cut`, if there is one. Starts the board until it has nothing more to do; returns the release that runs in
/// the end and the points.
fn update(flash: &SimFlash<WORD, PAGE>, cut: Option<usize>, good: bool) -> (usize, usize) {
    let mut chip = Chip(flash.clone());
    chip.0.left = cut;
    let mut tried = false;
    for _start in 0..8 {
        let result = start(&mut chip, good, &mut tried);
        match result {
            Ok(Some(release)) => return (release, chip.0.points),
            // Restarted by itself or by the watchdog.
            Ok(None) => {}
            Err(()) => chip.0.left = None,
        }
    }
    panic!("cut at {cut:?}: the board does not come to rest");
}

/// One start: the boot loader, then the firmware. `Err` where the supply goes; the release that runs when all is done.
fn start(chip: &mut Chip, good: bool, tried: &mut bool) -> Result<Option<usize>, ()> {
    boot(chip).map_err(|_| ())?;
    let release = running(chip).expect("a signed image, whole");
    let mut updates = FirmwareUpdates::new(Chip(chip.0.handle()), &MAP, &parts());
    let done = firmware(&mut updates, release, good, tried);
    let used = updates.release().0;
    (chip.0.left, chip.0.points) = (used.left, used.points);
    done
}

fn firmware(
    updates: &mut FirmwareUpdates<Chip>,
    release: usize,
    good: bool,
    tried: &mut bool,
) -> Result<Option<usize>, ()> {
    let cut = |error| match error {
        UpdateError::Flash(_) => (),
        error => panic!("{error}"),
    };
    let on_trial = updates.on_trial().map_err(cut)?;
    assert!(!on_trial || release == 1, "the old firmware is never on trial");
    if on_trial {
        *tried = true;
        if good {
            updates.confirm().map_err(cut)?;
            return Ok(Some(release));
        }
        // It hangs; the watchdog.
        return Ok(None);
    }
    if release == 1 || *tried {
        return Ok(Some(release));
    }
    let update = &RELEASES.updates[1];
    for (n, part) in update.chunks(PART).enumerate() {
        updates.write((n * PART) as u32, part).map_err(cut)?;
    }
    updates.stage(update, &RELEASES.keys, name(), 2).map_err(cut)?;
    Ok(None)
}

#[test]
fn cut_at_every_write_the_board_starts_a_signed_image() {
    let flash = programmed();
    let mut cuts = 0;
    for good in [true, false] {
        let (release, points) = update(&flash, None, good);
        assert_eq!(release, usize::from(good));
        let mut ends = [0; 2];
        for cut in 0..points {
            let (release, _) = update(&flash, Some(cut), good);
            assert!(good || release == 0, "cut at {cut}: what does not confirm itself is taken back");
            ends[release] += 1;
        }
        println!("kept {good}: {points} cuts, {ends:?} ended with the old and the new firmware");
        cuts += points;
    }
    assert!(cuts > 3000, "{cuts} cuts");
}

#[test]
fn updates_that_are_wrong_are_not_staged() {
    let flash = programmed();
    let mut updates = FirmwareUpdates::new(Chip(flash.handle()), &MAP, &parts());
    let Releases { keys, updates: [_, update] } = &*RELEASES;
    let stage = |updates: &mut FirmwareUpdates<Chip>, bytes: &[u8], keys: &[PublicKey]| {
        let staged = updates.stage(bytes, keys, name(), 2).map(|firmware| firmware.version);
        assert!(staged.is_ok() || updates.on_trial() == Ok(false));
        staged
    };
    for flip in [0, update.len() / 2, update.len() - 1, update.len() - FIRMWARE_RECORD_BYTES + 4] {
        let mut damaged = update.clone();
        damaged[flip] ^= 4;
        let refused = stage(&mut updates, &damaged, keys);
        assert!(matches!(refused, Err(UpdateError::Release(ReleaseError::Signature(_)))), "{flip}: {refused:?}");
    }
    let short = stage(&mut updates, &update[WORD..], keys);
    assert!(matches!(short, Err(UpdateError::Release(ReleaseError::Length { .. }))), "{short:?}");
    assert_eq!(stage(&mut updates, &[], keys), Err(UpdateError::Release(ReleaseError::Unsigned)));
    let stranger = Signer::generate().expect("a key");
    let unknown = stage(&mut updates, update, &[stranger.public()]);
    assert!(matches!(unknown, Err(UpdateError::Release(ReleaseError::UnknownKey(_)))), "{unknown:?}");
    let theirs = stranger.sign_firmware(&[1; 64], Name::new("other").expect("a name"), 9).expect("a release");
    let other = stage(&mut updates, &theirs, &[stranger.public()]);
    assert_eq!(other, Err(UpdateError::Board(Name::new("other").expect("a name"))));
    let old = stage(&mut updates, &RELEASES.updates[0], keys);
    assert_eq!(old, Err(UpdateError::Older { version: 1, least: 2 }));
    let room = parts().active.len();
    assert_eq!(stage(&mut updates, &vec![0; room + 4], keys), Err(UpdateError::TooLong { bytes: room + 4, room }));
    let beyond = updates.write(room as u32, &[0; WORD]);
    assert_eq!(beyond, Err(UpdateError::TooLong { bytes: room + WORD, room }));
    assert_eq!(stage(&mut updates, update, keys), Ok(2));
    assert_eq!(updates.write(0, &[0; WORD]), Err(UpdateError::OnTrial));
}
