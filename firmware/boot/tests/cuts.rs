//! Whatever the supply does while firmware is updated, the board starts a signed image, whole.

use std::sync::LazyLock;

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use tanbo_board_api::sim::SimFlash;
use tanbo_boot::{BootError, FirmwareUpdates, UpdateError, prepare};
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
    MAP.updates("board", 2 * PAGE as u32)
}

fn name() -> Name {
    Name::new("board").expect("a name")
}

/// The chip's flash.
type Chip = SimFlash<WORD, PAGE>;

fn bytes(chip: &mut Chip, range: std::ops::Range<u32>, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; range.len()];
    chip.read(range.start, &mut bytes).expect("bytes");
    bytes.truncate(len);
    bytes
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
    let updates = [room, room - 288].map(|len| {
        let image: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        let version = if len == room { 1 } else { 2 };
        signer.sign_firmware(&image, name(), version).expect("a release")
    });
    Releases { keys: [signer.public()], updates }
});

/// A board with the first release, as a programmer leaves it.
fn programmed() -> Chip {
    let flash = Chip::new(PAGES as usize);
    flash.handle().write(parts().active.start, &RELEASES.updates[0]).expect("a write");
    flash
}

/// What the boot loader does at every start.
fn boot(chip: &mut Chip) -> Result<(), BootError> {
    let mut flash = chip.handle();
    let done = prepare(&mut flash, &MAP, &parts(), || ());
    let used = flash;
    (chip.left, chip.points) = (used.left, used.points);
    done
}

/// Which release the active part holds, whole and signed.
fn running(chip: &mut Chip) -> Option<usize> {
    let found = (0..2).find(|&n| {
        let update = &RELEASES.updates[n];
        bytes(chip, parts().active, update.len()) == *update
    })?;
    verify_firmware(&RELEASES.updates[found], &RELEASES.keys).ok().map(|_| found)
}

/// The supply goes at point `cut`, if there is one. Starts the board until it has nothing more to do; returns the release that runs in
/// the end and the points.
fn update(flash: &Chip, cut: Option<usize>, good: bool) -> (usize, usize) {
    let mut chip = flash.clone();
    chip.left = cut;
    let mut tried = false;
    for _start in 0..8 {
        let result = start(&mut chip, good, &mut tried);
        match result {
            Ok(Some(release)) => return (release, chip.points),
            // Restarted by itself or by the watchdog.
            Ok(None) => {}
            Err(()) => chip.left = None,
        }
    }
    panic!("cut at {cut:?}: the board does not come to rest");
}

/// One start: the boot loader, then the firmware. `Err` where the supply goes; the release that runs when all is done.
fn start(chip: &mut Chip, good: bool, tried: &mut bool) -> Result<Option<usize>, ()> {
    boot(chip).map_err(|_| ())?;
    let release = running(chip).expect("a signed image, whole");
    let mut updates = FirmwareUpdates::new(chip.handle(), &MAP, &parts(), name(), &RELEASES.keys);
    let done = firmware(&mut updates, release, good, tried);
    let used = updates.release();
    (chip.left, chip.points) = (used.left, used.points);
    done
}

fn firmware(
    updates: &mut FirmwareUpdates<'_, Chip>,
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
        updates.write(n * PART, part).map_err(cut)?;
    }
    updates.stage(update.len()).map_err(cut)?;
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
    let Releases { keys, updates: [_, update] } = &*RELEASES;
    // Written, since what was said of it was right, and then looked at.
    let stage = |bytes: &[u8], keys: &[PublicKey]| {
        let mut updates = FirmwareUpdates::new(flash.handle(), &MAP, &parts(), name(), keys);
        updates.write(0, bytes).expect("it is written");
        let staged = updates.stage(bytes.len()).map(|firmware| firmware.version);
        assert!(staged.is_ok() || updates.on_trial() == Ok(false));
        staged
    };
    for flip in [0, update.len() / 2, update.len() - 1, update.len() - FIRMWARE_RECORD_BYTES + 4] {
        let mut damaged = update.clone();
        damaged[flip] ^= 4;
        let refused = stage(&damaged, keys);
        assert!(matches!(refused, Err(UpdateError::Release(ReleaseError::Signature(_)))), "{flip}: {refused:?}");
    }
    let front = stage(&update[32..], keys);
    assert!(matches!(front, Err(UpdateError::Release(ReleaseError::Length { .. }))), "{front:?}");
    let none = Err(UpdateError::Release(ReleaseError::NoRecord));
    assert_eq!([stage(&update[..update.len() - 32], keys), stage(&update[..64], keys), stage(&[], keys)], [none; 3]);
    let stranger = Signer::generate().expect("a key");
    let unknown = stage(update, &[stranger.public()]);
    assert!(matches!(unknown, Err(UpdateError::Release(ReleaseError::UnknownKey(_)))), "{unknown:?}");
    let theirs = stranger.sign_firmware(&[1; 64], Name::new("other").expect("a name"), 9).expect("a release");
    let other = stage(&theirs, &[stranger.public()]);
    assert_eq!(other, Err(UpdateError::Board(Name::new("other").expect("a name"))));
    let old = stage(&RELEASES.updates[0], keys);
    assert_eq!(old, Err(UpdateError::Older { version: 1, least: 2 }));

    // And what is said of it before.
    let mut updates = FirmwareUpdates::new(flash.handle(), &MAP, &parts(), name(), keys);
    let room = parts().active.len();
    let too_long = |bytes| Err(UpdateError::TooLong { bytes, room });
    assert_eq!(updates.admit(2, room + 32), too_long(room + 32));
    assert_eq!(updates.stage(room + 32).map(|_| ()), too_long(room + 32));
    assert_eq!(updates.write(room, &[0; WORD]), too_long(room + WORD));
    assert_eq!(updates.admit(1, 320), Err(UpdateError::Older { version: 1, least: 2 }));
    assert_eq!(updates.admit(2, 321), Err(UpdateError::Release(ReleaseError::NoRecord)));
    assert_eq!(updates.admit(2, 320), Ok(()));
    assert_eq!(stage(update, keys), Ok(2));
    assert_eq!([updates.write(0, &[0; WORD]), updates.admit(3, 320)], [Err(UpdateError::OnTrial); 2]);
}

#[test]
fn the_record_behind_the_image_says_what_runs() {
    let mut flash = Chip::new(PAGES as usize);
    let start = parts().active.start;
    let version = |flash: &Chip| {
        let updates = FirmwareUpdates::new(flash.handle(), &MAP, &parts(), name(), &RELEASES.keys);
        updates.running().map(|firmware| firmware.map(|firmware| firmware.version))
    };
    let [first, second] = &RELEASES.updates;
    flash.write(start, &first[..first.len() - FIRMWARE_RECORD_BYTES]).expect("a write");
    assert_eq!(version(&flash), Ok(None), "a programmer's");
    // Behind a shorter image lies what a longer one has left.
    flash.erase(start, parts().active.end).expect("erased");
    flash.write(start, second).expect("a write");
    flash.write(start + second.len() as u32, &first[second.len()..]).expect("a write");
    assert_eq!(version(&flash), Ok(Some(2)));
}
