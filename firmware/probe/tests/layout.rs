//! Images made by hand, against probe-rs's descriptions of chips: each that does not fit is found, with the reason.

#[path = "common/image.rs"]
mod image;

use std::ops::Range;

use image::{Image, RAM, words};
use tanbo_probe::layout::{LayoutError, check, parts};
use tanbo_probe::{Chip, ProbeError};

const CHIP: &str = "nRF52840_xxAA";
const FLASH: Range<u64> = 0..0x10_0000;

/// An image against the chip's description.
trait Judged {
    fn wrong(&self) -> Vec<String>;
    fn is_refused(&self, reason: &str);
}

impl Judged for Image {
    /// What is wrong with it on the chip.
    fn wrong(&self) -> Vec<String> {
        check(&self.elf(), CHIP).expect("an image").wrong
    }

    /// It has one thing wrong, which contains `reason`.
    fn is_refused(&self, reason: &str) {
        let wrong = self.wrong();
        assert!(wrong.len() == 1 && wrong[0].contains(reason), "{reason}: {wrong:#?}");
    }
}

#[test]
fn an_image_that_fits_is_described() {
    let layout = check(&Image::mapped().elf(), CHIP).expect("an image");
    assert_eq!(layout.wrong, [""; 0]);
    assert_eq!(layout.chip, CHIP);
    assert_eq!(layout.flash, [0..0x400, 0x400..0x410]);
    assert_eq!(layout.ram, [0x2000_0000..0x2000_0010, 0x2000_0010..0x2000_1010]);
    let parts_of: Vec<_> = layout.parts.iter().map(|part| (part.name, part.range.clone())).collect();
    let expected = [
        ("firmware", 0..0x8_0000),
        ("slot a", 0x8_0000..0x9_0000),
        ("slot b", 0x9_0000..0xA_0000),
        ("selection", 0xA_0000..0xA_2000),
        ("last words", 0xA_2000..0xA_3000),
        ("identity", 0xA_3000..0xA_4000),
        ("store", 0xA_4000..0x10_0000),
    ];
    assert_eq!(parts_of, expected);
    assert_eq!(layout.part("slot b"), Some(0x9_0000..0xA_0000));
    assert_eq!(check(&Image::good().elf(), CHIP).expect("an image").parts, []);
    let elf = Image::good().elf();
    let found: Vec<(u64, usize)> = parts(&elf).expect("parts").iter().map(|(at, bytes)| (*at, bytes.len())).collect();
    assert_eq!(found, [(0, 0x400), (0x400, 16)]);
}

#[test]
fn parts_outside_of_memory_are_found() {
    let mut image = Image::good();
    image.parts[1].from = FLASH.end as u32 - 8;
    image.is_refused("0x000ffff8..0x00100008 is written where");
    let mut image = Image::good();
    image.parts[2].used = 0x4_0000;
    image.is_refused("0x20000010..0x20040010 is used where");
    let mut image = Image::good();
    image.parts.truncate(1);
    image.parts[0].bytes.clear();
    let wrong = image.wrong();
    assert!(wrong.iter().any(|line| line.contains("nothing is written")), "{wrong:?}");
}

#[test]
fn parts_that_overlap_are_found() {
    let mut image = Image::good();
    image.parts[1].from = 0x3FC;
    image.is_refused("0x00000000..0x00000400 and 0x000003fc..0x0000040c overlap");
    let mut image = Image::good();
    image.parts[2].at = RAM + 8;
    image.is_refused("0x20000000..0x20000010 and 0x20000008");
}

#[test]
fn a_core_without_stack_or_program_is_found() {
    for (vectors, reason) in [
        ([RAM + 0x4_0004, 0x101], "the stack begins at 0x20040004"),
        ([0, 0x101], "the stack begins at 0x0"),
        ([RAM + 0x100, 0x100], "is even"),
        ([RAM + 0x100, 0x501], "points to no code"),
    ] {
        let mut image = Image::good();
        image.parts[0].bytes[..8].copy_from_slice(&words(&vectors));
        image.is_refused(reason);
    }
    // A RISC-V core begins at the entry.
    let image = Image { machine: 243, entry: 0x4200_0000, ..Image::good() };
    image.is_refused("the entry 0x42000000 lies in no code");
}

#[test]
fn an_image_in_a_slot_and_a_map_out_of_order_are_found() {
    let mut image = Image::mapped();
    image.parts[1].from = 0x7_FFF8;
    image.is_refused("lies in the slots and what follows them at 0x00080000..0x00100000");
    let mut image = Image::mapped();
    image.symbols[6].1 = 0x10_1000;
    image.is_refused("leaves the flash");
    let mut image = Image::mapped();
    image.symbols[4].1 = 0xA_1000;
    image.is_refused("last_words at 0xa2000 is not before identity at 0xa1000");
    let mut image = Image::mapped();
    image.symbols.pop();
    image.is_refused("6 of 7 addresses");
}

/// An nRF52840 erases 4 KiB at once, an STM32WLE5 2 KiB.
#[test]
fn parts_that_share_a_sector_are_found() {
    let mut image = Image::mapped();
    image.symbols[5].1 += 0x800;
    let wrong = image.wrong();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong.iter().all(|line| line.ends_with("cuts a sector of 4096 bytes")), "{wrong:?}");
    // Slots of an odd number of sectors: their border lies in one.
    let mut image = Image::mapped();
    image.symbols[1].1 -= 0x1000;
    assert!(image.wrong()[0].starts_with("slot a at 0x0007f000..0x0008f800 cuts"), "{:?}", image.wrong());
}

#[test]
fn what_is_no_image_or_no_chip_is_refused_with_a_remedy() {
    for bytes in [&b""[..], b"\x7FELF", &Image::good().elf()[..60]] {
        let error = check(bytes, CHIP).expect_err("no image");
        assert!(matches!(&error, LayoutError::Elf(_)), "{error}");
    }
    let error = check(&Image::good().elf(), "nRF52849").expect_err("no chip");
    assert!(error.remedy().contains("nRF52840_xxAA"), "{error}");
    let error = check(&Image::good().elf(), "Z80").expect_err("no chip");
    assert!(error.remedy().contains("probe.rs/targets"), "{error}");
    let error = check(&Image::good().elf(), "esp32c3").expect_err("not in the library");
    assert!(error.remedy().contains("espflash"), "{error}");
}

/// Whatever byte is damaged: an answer or a refusal, and no panic.
#[test]
fn damaged_images_are_refused_or_described() {
    let good = Image::mapped().elf();
    for at in (0..good.len()).filter(|at| !(300..1400).contains(at)).step_by(2) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xA5;
        let _ = (check(&bytes, CHIP), parts(&bytes));
    }
}

#[test]
fn without_a_chip_no_probe_is_looked_for() {
    let error = Chip::open("Z80", None).expect_err("no such chip");
    assert!(matches!(error, ProbeError::Layout(LayoutError::Chip { .. })), "{error}");
}
