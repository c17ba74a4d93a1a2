//! All that goes through a probe, with probe-rs's own code down to the probe's protocol: on a core that QEMU emulates.

use tanbo_emulated::host::{EmulatedProbe, Runner};
use tanbo_probe::{Chip, Phase, Progress, Rtt};

/// The chip of QEMU's micro:bit: 256 KiB of flash that erases 1 KiB at once, 16 KiB of RAM.
const CHIP: &str = "nRF51822_xxAA";
const MEMORY: [(u32, u32); 2] = [(0, 256 << 10), (0x2000_0000, 16 << 10)];

fn probe() -> EmulatedProbe {
    let runner = Runner::by_name("microbit").expect("a runner");
    EmulatedProbe::start(&runner, &MEMORY).expect("QEMU")
}

fn read(chip: &mut Chip, address: u64, bytes: usize) -> Vec<u8> {
    let mut into = vec![0; bytes];
    chip.read(address, &mut into).expect("memory");
    into
}

#[test]
#[ignore = "needs QEMU"]
fn what_is_written_is_there_and_what_lies_beside_it_stays() {
    let probe = probe();
    let mut chip = Chip::open(CHIP, Some(&probe.selector())).expect("the chip");
    let before: Vec<u8> = (0..3 << 10).map(|at| (at * 7 % 251) as u8).collect();
    chip.write(&[(0x8000, &before)], |_| ()).expect("written");
    let middle: Vec<u8> = (0..1500).map(|at| (at * 13 % 241) as u8).collect();
    let mut done = Vec::new();
    chip.write(&[(0x8200, &middle)], |step| done.push(step)).expect("written");
    let mut expected = before;
    expected[0x200..0x200 + 1500].copy_from_slice(&middle);
    assert_eq!(read(&mut chip, 0x8000, 3 << 10), expected);
    // Two sectors are touched; what is erased is what was expected.
    let sum = |wanted: fn(&Progress) -> Option<u64>| done.iter().filter_map(wanted).sum::<u64>();
    let erased = sum(|step| if let Progress::Done(Phase::Erase, bytes) = step { Some(*bytes) } else { None });
    let to_erase = sum(|step| if let Progress::Expected(Phase::Erase, bytes) = step { Some(*bytes) } else { None });
    assert_eq!((erased, to_erase), (2 << 10, 2 << 10));

    // A chip that was let go is found again, as it was.
    drop(chip);
    let mut chip = Chip::open(CHIP, Some(&probe.selector())).expect("the chip again");
    assert_eq!(read(&mut chip, 0x8000, 3 << 10), expected);

    // The log's ring, as defmt-rtt sets it up: ten bytes that begin before the end of the ring.
    let (block, name, ring) = (0x2000_0100u32, 0x2000_0180u32, 0x2000_0200u32);
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let control = [b"SEGGER RTT\0\0\0\0\0\0".to_vec(), words(&[1, 0, name, ring, 16, 4, 10, 0])].concat();
    chip.write(&[(block.into(), &control), (name.into(), b"defmt\0\0\0"), (ring.into(), b"ghij......abcdef")], |_| ())
        .expect("written to RAM");
    let mut rtt = Rtt::at(block.into());
    assert_eq!(rtt.read(&mut chip).expect("the ring"), b"abcdefghij");
    assert_eq!(rtt.read(&mut chip).expect("the ring"), b"");
    // The reader's place is in the chip.
    assert_eq!(read(&mut chip, (block + 24 + 16).into(), 4), [4, 0, 0, 0]);
}
