//! Blocks come whole through any losses up to the code's limit, in memory that is written once.

use embassy_futures::block_on;
use fastrand::Rng;
use tanbo_fragments::*;

/// Flash: nothing is written twice.
struct Flash {
    bytes: Vec<u8>,
    written: Vec<bool>,
    word: usize,
}

impl Flash {
    fn new(bytes: usize, word: usize) -> Self {
        Self { bytes: vec![0xff; bytes], written: vec![false; bytes], word }
    }
}

impl Block for Flash {
    type Error = String;

    fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn read(&self, at: usize, into: &mut [u8]) -> Result<(), String> {
        let from = at..at + into.len();
        assert!(self.written[from.clone()].iter().all(|written| *written), "{from:?} is read before it is written");
        into.copy_from_slice(&self.bytes[from]);
        Ok(())
    }

    async fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), String> {
        let to = at..at + bytes.len();
        if !at.is_multiple_of(self.word) || !bytes.len().is_multiple_of(self.word) {
            return Err(format!("{to:?} is no multiple of {}", self.word));
        }
        let written = self.written.get_mut(to.clone()).ok_or(format!("{to:?} is beyond the end"))?;
        assert!(written.iter().all(|written| !*written), "{to:?} is written twice");
        written.fill(true);
        self.bytes[to].copy_from_slice(bytes);
        Ok(())
    }
}

fn block(random: &mut Rng, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| random.u8(..)).collect()
}

fn encoded(session: &Session, block: &[u8], number: u16) -> Vec<u8> {
    let mut bytes = vec![0; session.fragment_bytes()];
    assert!(fragment(session, block, number, &mut bytes));
    bytes
}

/// What came of a transfer of which `lost` says what did not come: parity fragments beyond the number of lost ones, if it was whole.
fn transfer(session: &Session, content: &[u8], limit: u16, lost: &dyn Fn(u16) -> bool) -> Option<u16> {
    let mut flash = Flash::new(session.padded_bytes() + usize::from(limit) * session.fragment_bytes(), 1);
    let mut memory = vec![0; memory_words(session.fragments(), limit)];
    let mut decoder = Decoder::new(*session, flash.capacity(), &mut memory).expect("a session");
    assert_eq!(decoder.limit(), limit.min(session.fragments()));
    let (fragments, mut came) = (session.fragments(), 0);
    for number in 1..=fragments + 4 * limit + 64 {
        if lost(number) {
            continue;
        }
        came += 1;
        let progress = block_on(decoder.take(number, &encoded(session, content, number), &mut flash)).expect("taken");
        if progress == Progress::Complete {
            assert_eq!(&flash.bytes[..content.len()], content);
            assert!(flash.bytes[content.len()..session.padded_bytes()].iter().all(|byte| *byte == 0));
            // What comes later changes nothing: flash would notice.
            for number in [1, fragments, number, number + 1] {
                let late = encoded(session, content, number);
                assert_eq!(block_on(decoder.take(number, &late, &mut flash)), Ok(Progress::Complete));
            }
            return Some(came - fragments);
        }
    }
    None
}

#[test]
fn lines_and_parity_equal_the_standards() {
    let mut lines = 0;
    for line in include_str!("../golden/v1.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u16>().expect("a number");
        let fragments = number(1);
        if words[0] == "parity" {
            let (bytes, parity) = (usize::from(number(2)), number(3));
            let session = Session::new(0, usize::from(fragments) * bytes, bytes, [0; 4]).expect("a session");
            let content: Vec<u8> = (0..session.block_bytes()).map(|k| k as u8).collect();
            assert_eq!(hex::encode(encoded(&session, &content, fragments + parity)), words[4], "{line}");
        } else {
            // A block in which fragment k alone is not zero shows bit k of the line.
            let session = Session::new(0, fragments.into(), 1, [0; 4]).expect("a session");
            let bit = |k: usize| {
                let mut content = vec![0; fragments.into()];
                content[k] = 1;
                char::from(b'0' + encoded(&session, &content, fragments + number(2))[0])
            };
            assert_eq!((0..fragments.into()).map(bit).collect::<String>(), words[3], "{line}");
            lines += 1;
        }
    }
    assert_eq!(lines, 54);
}

#[test]
fn every_single_loss_is_made_up_for() {
    let mut random = Rng::with_seed(1);
    for (bytes, size) in [(1, 1), (5, 7), (480, 48), (1000, 48), (3333, 51), (32, 1), (10_624, 48)] {
        let session = Session::new(2, bytes, size, *b"seis").expect("a session");
        let content = block(&mut random, bytes);
        for lost in 1..=session.fragments() {
            let more = transfer(&session, &content, 1, &|number| number == lost);
            // Parity of a block of one fragment is empty: the standard's line draws none.
            assert!(more.is_some() || session.fragments() < 2, "{session:?}: {lost} lost");
        }
        assert_eq!(transfer(&session, &content, 0, &|_| false), Some(0));
    }
}

#[test]
fn random_losses_up_to_the_limit_over_1000_seeds() {
    let mut most = 0;
    let mut sum = 0;
    for seed in 0..1000 {
        let mut random = Rng::with_seed(seed);
        let size = random.usize(1..=64);
        let fragments = random.usize(8..120);
        let bytes = (fragments - 1) * size + random.usize(1..=size);
        let session = Session::new(0, bytes, size, [0; 4]).expect("a session");
        let content = block(&mut random, bytes);
        let limit = random.u16(1..=fragments as u16 / 2);
        // Just as many of the block's as can be made up for, and one in five of the parity's.
        let mut numbers: Vec<u16> = (1..=session.fragments()).collect();
        random.shuffle(&mut numbers);
        let mut lost: Vec<u16> = numbers[..limit.into()].to_vec();
        lost.extend((session.fragments() + 1..20_000).filter(|_| random.u8(..) < 51));
        let lost: std::collections::BTreeSet<u16> = lost.into_iter().collect();
        let more = transfer(&session, &content, limit, &|number| lost.contains(&number));
        let more = more.unwrap_or_else(|| panic!("seed {seed}: {session:?}, limit {limit}"));
        most = most.max(more);
        sum += u32::from(more);
    }
    println!("{sum} fragments more than lost in 1000 transfers, {most} at most");
    assert!(sum < 4000, "{sum}");
}

#[test]
fn any_order_doubles_and_more_lost_than_the_limit() {
    let mut random = Rng::with_seed(3);
    for _ in 0..200 {
        let session = Session::new(1, random.usize(200..3000), 24, [0; 4]).expect("a session");
        let (fragments, limit) = (session.fragments(), random.u16(1..8));
        let content = block(&mut random, session.block_bytes());
        let mut flash = Flash::new(session.padded_bytes() + 24 * usize::from(limit), 8);
        let mut memory = vec![u32::MAX; memory_words(fragments, limit)];
        let mut decoder = Decoder::new(session, flash.capacity(), &mut memory).expect("a session");
        let mut too_many = false;
        let mut progress = decoder.progress();
        while progress != Progress::Complete {
            let number = random.u16(1..=2 * fragments);
            let before = decoder.received();
            progress = block_on(decoder.take(number, &encoded(&session, &content, number), &mut flash)).expect("taken");
            match progress {
                Progress::TooManyLost { lost, limit: told } => {
                    too_many = true;
                    assert!(lost > told && told == decoder.limit(), "{lost} {told}");
                    assert_eq!(decoder.received(), before);
                }
                Progress::Missing(missing) => assert!(missing > 0 && decoder.received() + missing >= fragments),
                Progress::Complete => assert_eq!(&flash.bytes[..content.len()], content),
            }
        }
        assert!(too_many || limit >= fragments);
    }
}

#[test]
fn memory_is_what_the_formula_says() {
    // Words of RAM: two bitmaps of M bits, and for R losses R + 1 rows of twice R bits. Rows for 10 % and 20 % of M, bytes.
    let table = [(100, 10, 120), (100, 20, 200), (222, 22, 240), (222, 44, 776), (427, 43, 816), (427, 86, 2200)];
    for (fragments, lost, bytes) in table {
        let row = usize::from(lost).div_ceil(32);
        let formula = 4 * (2 * usize::from(fragments).div_ceil(32) + row * (2 * usize::from(lost) + 2));
        assert_eq!((4 * memory_words(fragments, lost), formula), (bytes, bytes), "{fragments} {lost}");
        // One word less is one loss less, or more.
        let session = Session::new(0, usize::from(fragments) * 48, 48, [0; 4]).expect("a session");
        let mut memory = vec![0; memory_words(fragments, lost)];
        let limit = |memory: &mut [u32]| Decoder::new(session, 1 << 20, memory).map(|decoder| decoder.limit());
        let whole = limit(&mut memory).expect("a session");
        assert!(whole >= lost);
        let words = memory_words(fragments, whole) - 1;
        assert_eq!(limit(&mut memory[..words]), Ok(whole - 1));
    }
    // The room behind the block limits too.
    let session = Session::new(0, 4800, 48, [0; 4]).expect("a session");
    let mut memory = [0; 4096];
    let limit = |room, memory: &mut [u32]| Decoder::new(session, room, memory).map(|decoder| decoder.limit());
    assert_eq!(limit(4800, &mut memory), Ok(0));
    assert_eq!(limit(4800 + 48 * 7 + 47, &mut memory), Ok(7));
    assert_eq!(limit(1 << 20, &mut memory), Ok(100));
    assert_eq!(limit(4799, &mut memory), Err(Refusal::TooLong { bytes: 4800, room: 4799 }));
    assert_eq!(limit(1 << 20, &mut memory[..7]), Err(Refusal::Memory { needed: 8, given: 7 }));
}

#[test]
fn hostile_fragments_are_refused_or_do_nothing_worse_than_a_wrong_block() {
    for seed in 0..300 {
        let mut random = Rng::with_seed(seed);
        let session = Session::new(0, random.usize(1..900), random.usize(1..40), [0; 4]).expect("a session");
        let limit = random.u16(0..20);
        let room = session.padded_bytes() + random.usize(0..500);
        let mut flash = Flash::new(room, 1);
        let mut memory = vec![0; memory_words(session.fragments(), limit)];
        let mut decoder = Decoder::new(session, room, &mut memory).expect("a session");
        for _ in 0..400 {
            let len = if random.bool() { session.fragment_bytes() } else { random.usize(0..300) };
            let number = if random.bool() { random.u16(..) } else { random.u16(0..session.fragments() * 2 + 2) };
            let bytes = block(&mut random, len);
            match block_on(decoder.take(number, &bytes, &mut flash)) {
                Err(DecodeError::Length { .. }) => assert_ne!(len, session.fragment_bytes()),
                Err(DecodeError::Number(refused)) => assert!(refused == 0 || refused > MAX_FRAGMENTS),
                Err(DecodeError::Block(error)) => panic!("{error}"),
                Ok(_) => {}
            }
        }
    }
}

#[test]
fn messages_there_and_back_and_hostile_ones() {
    let session = Session::new(3, 10_624, 48, *b"seis").expect("a session");
    assert_eq!((session.fragments(), session.padding()), (222, 32));
    let requests = [
        (Request::PackageVersion, "00"),
        (Request::Status { index: 2, all: true }, "0105"),
        // Session 3, 222 fragments of 48 bytes, coding 0, padding 32.
        (Request::setup(session), "0230de00300020" /* and the descriptor */),
        (Request::Delete { index: 3 }, "0303"),
        (Request::Fragment { index: 3, number: 0x123, bytes: b"abc" }, "0823c1616263"),
    ];
    let mut all = Vec::new();
    for (request, bytes) in requests {
        let mut room = [0; 64];
        let len = request.write(&mut room).expect("room");
        assert!(hex::encode(&room[..len]).starts_with(bytes), "{request:?}");
        assert_eq!(request.write(&mut room[..len - 1]), None);
        all.extend_from_slice(&room[..len]);
    }
    let mut payload = all.as_slice();
    for (request, _) in requests {
        assert_eq!(Request::take(&mut payload), Ok(Some(request)));
    }
    assert_eq!(Request::take(&mut payload), Ok(None));

    let answers = [
        (Answer::PackageVersion, "000301"),
        (Answer::Status { index: 1, received: 0x0fff, missing: 7, no_memory: true }, "01ff4f0701"),
        (Answer::Setup { index: 3, algorithm: true, memory: false, session: false, descriptor: true }, "02c9"),
        (Answer::Delete { index: 2, unknown: true }, "0306"),
    ];
    for (answer, bytes) in answers {
        let (room, len) = answer.to_bytes();
        assert_eq!(hex::encode(&room[..len]), bytes);
        assert_eq!(Answer::take(&mut &room[..len]), Ok(Some(answer)));
    }
    let mut random = Rng::with_seed(9);
    for _ in 0..20_000 {
        let len = random.usize(0..30);
        let bytes = block(&mut random, len);
        let mut payload = bytes.as_slice();
        while let Ok(Some(_)) = Request::take(&mut payload) {}
        let mut payload = bytes.as_slice();
        while let Ok(Some(_)) = Answer::take(&mut payload) {}
    }
    let refused = |index, bytes, size| Session::new(index, bytes, size, [0; 4]).map(|_| ());
    assert_eq!(refused(4, 10, 5), Err(SessionError::Index(4)));
    assert_eq!(refused(0, 10, 0), Err(SessionError::FragmentBytes(0)));
    assert_eq!(refused(0, 10, 240), Err(SessionError::FragmentBytes(240)));
    assert_eq!(refused(0, 0, 5), Err(SessionError::Fragments(0)));
    assert_eq!(refused(0, 1 << 20, 5), Err(SessionError::Fragments(209_716)));
    let hostile = hex::decode("0230de00303031736569730a").expect("hexadecimal");
    let taken = Request::take(&mut hostile.as_slice());
    assert!(matches!(taken, Ok(Some(Request::Setup { session: Err(SessionError::Padding(0x31)), .. }))), "{taken:?}");
}
