//! The program of real boards on a board without hardware: told over its UART who it is, told again, made to forget, through power cuts.

#[path = "../../parts/tests/host/mod.rs"]
mod host;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embassy_time::{Duration, Instant, MockDriver, Timer};
use embedded_hal::{digital, i2c, spi};
use embedded_hal_async::i2c::I2c;
use embedded_hal_async::spi::SpiDevice;
use embedded_io_async::{Read, Write};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as asynchronous;
use host::{SEED, asking, revoking, somebody, telling};
use tanbo_board_api::sim::{Cut, SimFlash};
use tanbo_board_api::{BrownoutError, Depth, Perf, Power, ResetCause, Supply, WakeCause, WakeMask};
use tanbo_field::{Board, Chip, Kind, Start, seismic};
use tanbo_flash_map::{FlashMap, Identity, Lengths};
use tanbo_node::duty::Policy;
use tanbo_node::energy::boards;
use tanbo_parts::flash::InPlace;
use tanbo_parts::{SerialUplink, TickClock};
use tanbo_wire::provision::{Answer, Outcome, nobody};
use tanbo_wire::v1::{Message, Opened, Unverified};
use tanbo_wire::{Direction, Frame, Key, NodeId, Window, serial};

const KIB: u32 = 1024;
static MAP: FlashMap = FlashMap::new(Lengths {
    flash: (0, 16 * KIB),
    ram: (0x2000_0000, KIB),
    page: KIB,
    word: 8,
    boot: 0,
    firmware: KIB,
    slot: KIB,
    selection: 2 * KIB,
    last_words: KIB,
    identity: KIB,
});
const KIND: Kind = Kind { currents: &boards::NRF52840, policy: Policy::LITHIUM };

/// What the board is made of at its next start.
#[derive(Default)]
struct Bench {
    flash: Option<InRam>,
    button: bool,
    to_node: VecDeque<u8>,
    from_node: Vec<u8>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::default();
}

fn bench<T>(work: impl FnOnce(&mut Bench) -> T) -> T {
    BENCH.with_borrow_mut(work)
}

type Sim = SimFlash<8, { KIB as usize }>;

struct InRam(Sim);

impl Clone for InRam {
    /// The same chip.
    fn clone(&self) -> Self {
        Self(self.0.handle())
    }
}

impl ErrorType for InRam {
    type Error = Cut;
}

impl ReadNorFlash for InRam {
    const READ_SIZE: usize = <Sim as ReadNorFlash>::READ_SIZE;

    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Cut> {
        ReadNorFlash::read(&mut self.0, at, into)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(&self.0)
    }
}

impl NorFlash for InRam {
    const WRITE_SIZE: usize = <Sim as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <Sim as NorFlash>::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        NorFlash::erase(&mut self.0, from, to)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Cut> {
        NorFlash::write(&mut self.0, at, bytes)
    }
}

impl asynchronous::ReadNorFlash for InRam {
    const READ_SIZE: usize = <Self as ReadNorFlash>::READ_SIZE;

    async fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Cut> {
        ReadNorFlash::read(self, at, into)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(self)
    }
}

impl asynchronous::NorFlash for InRam {
    const WRITE_SIZE: usize = <Self as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <Self as NorFlash>::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        NorFlash::erase(self, from, to)
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Cut> {
        NorFlash::write(self, at, bytes)
    }
}

impl InPlace for InRam {
    /// What lies there now, a page at each start: never freed.
    fn in_place(&self, offsets: Range<u32>) -> &[u8] {
        let mut bytes = vec![0; offsets.len()];
        ReadNorFlash::read(&mut self.0.handle(), offsets.start, &mut bytes).expect("it is read without a supply");
        bytes.leak()
    }
}

/// The end of a start.
struct Reset;

struct SimPower([u8; 32]);

impl Power for SimPower {
    async fn sleep_until(&mut self, deadline_us: u64, _: Depth, wake: WakeMask) -> WakeCause {
        if wake.has(WakeMask::BUTTON) && bench(|bench| bench.button) {
            return WakeCause::Button;
        }
        Timer::at(Instant::from_micros(deadline_us)).await;
        WakeCause::Deadline
    }

    fn set_perf(&mut self, _: Perf) {}

    fn supply(&mut self) -> Supply {
        Supply { mv: Some(3_600), ..Supply::default() }
    }

    fn on_brownout(&mut self, _: &[u8]) -> Result<(), BrownoutError> {
        Err(BrownoutError::Unsupported)
    }

    fn last_words(&mut self) -> &[u8] {
        &[]
    }

    fn reset_cause(&self) -> ResetCause {
        ResetCause::Software
    }

    fn retained(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn feed_watchdog(&mut self) {}

    fn watchdog_ms(&self) -> Option<u32> {
        None
    }

    fn reset(&mut self) -> ! {
        resume_unwind(Box::new(Reset))
    }
}

/// Either end of the UART's wires.
struct Wire;

impl embedded_io_async::ErrorType for Wire {
    type Error = Infallible;
}

impl Read for Wire {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| match bench(|bench| bench.to_node.pop_front()) {
            Some(byte) => {
                into[0] = byte;
                Poll::Ready(Ok(1))
            }
            None => Poll::Pending,
        })
        .await
    }
}

impl Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        bench(|bench| bench.from_node.extend(bytes));
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Uart;

impl Start for Uart {
    type Started = SerialUplink<Wire, Wire>;
    type Error = Infallible;

    async fn start(self) -> Result<Self::Started, Infallible> {
        Ok(SerialUplink::new(Wire, Wire))
    }
}

/// An accelerometer that says who it is and measures nothing.
struct Accelerometer([u8; 3]);

impl spi::ErrorType for Accelerometer {
    type Error = Infallible;
}

impl SpiDevice for Accelerometer {
    async fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Infallible> {
        if let [spi::Operation::Write([0x01] | [0x0b, 0]), spi::Operation::Read(into)] = operations {
            into.copy_from_slice(&self.0);
        }
        Ok(())
    }
}

/// Pins and buses that nothing hangs on.
struct Open;

impl digital::ErrorType for Open {
    type Error = Infallible;
}

impl digital::OutputPin for Open {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl i2c::ErrorType for Open {
    type Error = Infallible;
}

impl I2c for Open {
    async fn transaction(&mut self, _: u8, _: &mut [i2c::Operation<'_>]) -> Result<(), Infallible> {
        pending().await
    }
}

struct Simulated;

impl Chip for Simulated {
    type Power = SimPower;
    type Flash = InRam;
    type Spi = Accelerometer;
    type I2c = Open;
    type Output = Open;
    type Uart = Uart;

    const MAP: &'static FlashMap = &MAP;

    fn take() -> Option<Board<Self>> {
        Some(Board {
            clock: TickClock::new(20_000),
            power: SimPower([0; 32]),
            flash: bench(|bench| bench.flash.take())?,
            spi: (Accelerometer([0xad, 0x1d, 0xed]), Accelerometer([0xad, 0x1d, 0xf2])),
            i2c: Open,
            sensors: Open,
            uart: Uart,
            seed: SEED,
        })
    }
}

/// Starts the board for so many seconds at most, with `frames` on their way to it; what it says, and whether it has reset itself.
fn start(flash: &Sim, button: bool, frames: &[Frame], seconds: u64) -> (Vec<Frame>, bool) {
    // Somebody plugs in.
    let mut to_node: VecDeque<u8> = [0x55, 0xff, 0].into();
    to_node.extend(frames.iter().flat_map(|frame| serial::encode(frame)));
    bench(|bench| *bench = Bench { flash: Some(InRam(flash.handle())), button, to_node, from_node: Vec::new() });
    let until = Instant::now() + Duration::from_secs(seconds);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let mut node = pin!(seismic::<Simulated>(&KIND));
        while Instant::now() < until {
            let polled = node.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "the program ended");
            MockDriver::get().advance(Duration::from_millis(10));
        }
    }));
    let reset = match ended {
        Ok(()) => false,
        Err(cause) if cause.is::<Reset>() => true,
        Err(failure) => resume_unwind(failure),
    };
    let mut decoder = serial::Decoder::new();
    let said = bench(|bench| std::mem::take(&mut bench.from_node));
    (said.into_iter().filter_map(|byte| decoder.push(byte)).collect(), reset)
}

/// As [`start`], for two minutes: what was answered.
fn told(flash: &Sim, button: bool, frames: &[Frame]) -> (Vec<Outcome>, bool) {
    let (said, reset) = start(flash, button, frames, 120);
    (said.iter().map(|frame| Answer::read(frame).expect("an answer").outcome).collect(), reset)
}

fn held(flash: &Sim) -> Option<Identity> {
    Identity::read(InRam(flash.handle()).in_place(MAP.offsets(MAP.identity()))).ok()
}

/// Time is one for all tests of a program: this is all of them.
#[test]
fn a_board_is_told_who_it_is_and_works_as_that_and_forgets_it() {
    use Outcome::{Erased, NotProven, Ready, Received, Written};
    let (flash, one, two) = (Sim::new(16), somebody(1, 7), somebody(2, 8));
    let (mine, theirs) = (Key::from(one.key), Key::from(two.key));
    // Nobody waits as long as it takes.
    assert_eq!(start(&flash, false, &[], 3600), (vec![], false));
    let orders = [telling(&one, &nobody(), 0), vec![asking()]].concat();
    assert_eq!(told(&flash, false, &orders), (vec![Ready, Received, Received, Written, Ready], true));
    assert_eq!(held(&flash), Some(one));

    // Its frames are those of that node, by that key; orders are none of its business now.
    let (said, reset) = start(&flash, false, &[revoking(&mine, 0)], 60);
    let boot = said.first().expect("a frame");
    let frame = Unverified::stream(boot, Direction::Up).expect("a node's frame");
    assert_eq!((frame.node(), reset), (NodeId(1), false));
    let opened = frame.open(&mine, &Window::default());
    assert!(matches!(opened, Ok(Opened::Fresh { message: Message::Boot(_), .. })), "{opened:?}");
    assert!(frame.open(&theirs, &Window::default()).is_err());
    assert_eq!(held(&flash), Some(one));

    // With its button held it listens, for a minute, to who has its key.
    let (outcomes, reset) = told(&flash, true, &[telling(&two, &theirs, 0), vec![revoking(&theirs, 1)]].concat());
    assert_eq!((outcomes, reset), (vec![Ready, Received, Received, NotProven, NotProven], true));
    assert_eq!(held(&flash), Some(one));

    cut_at_every_write(&flash, &one, &two);
    cut_at_every_write(&Sim::new(16), &one, &two);

    assert_eq!(told(&flash, true, &[revoking(&mine, 0), asking()]), (vec![Erased, Ready], false));
    assert_eq!(held(&flash), None);
}

/// The supply goes at every write, while the board, which is `one` or nobody, is told that it is `two`: it is the one, the other or nobody, and
/// can be told again.
fn cut_at_every_write(flash: &Sim, one: &Identity, two: &Identity) {
    let was = held(flash);
    let key = |identity: Option<Identity>| identity.map_or_else(nobody, |identity| Key::from(identity.key));
    let mut seen = Vec::new();
    for left in 0.. {
        let mut flash = flash.clone();
        flash.left = Some(left);
        let (outcomes, _) = told(&flash, true, &[telling(two, &key(was), 0), vec![asking()]].concat());
        flash.left = None;
        let is = held(&flash);
        assert!(is.is_none() || is == was || is == Some(*two), "{is:?}");
        if outcomes.contains(&Outcome::Written) {
            assert_eq!(is, Some(*two));
            break;
        }
        seen.push(is);
        let (outcomes, _) = told(&flash, true, &telling(one, &key(is), 0));
        assert_eq!((outcomes.last(), held(&flash)), (Some(&Outcome::Written), Some(*one)));
    }
    assert!(seen.len() > 40 && seen.contains(&None) && seen.contains(&was), "{seen:?}");
}
