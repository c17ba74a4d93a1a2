//! Peripherals of the MPS2 images AN385, AN386 and AN500 (Arm Cortex-M System Design Kit), as QEMU has them.
//!
//! Interrupts stay masked: what wakes the core is pending when it looks. Register maps: Arm DDI 0479, "Cortex-M System
//! Design Kit Technical Reference Manual", chapter 4; Arm DAI 0385 for the addresses.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// Clock of the peripherals and of the core, Hz.
pub const CLOCK_HZ: u32 = 25_000_000;
/// Ticks in a microsecond.
const TICKS_PER_US: u32 = CLOCK_HZ / 1_000_000;

/// Interrupt numbers (AN385, table 2-6).
const UART0_RX: u32 = 0;
const TIMER0: u32 = 8;

const TIMER0_BASE: usize = 0x4000_0000;
const TIMER1_BASE: usize = 0x4000_1000;
const UART0_BASE: usize = 0x4000_4000;
const WATCHDOG_BASE: usize = 0x4000_8000;
/// Of the two-wire bus on the shield's header, where QEMU puts the user's devices.
const SBCON_BASE: usize = 0x4002_a000;
const NVIC_ISER: usize = 0xe000_e100;
const NVIC_ICER: usize = 0xe000_e180;
const NVIC_ICPR: usize = 0xe000_e280;
const SCB_AIRCR: usize = 0xe000_ed0c;

fn read(address: usize) -> u32 {
    // SAFETY: every address here is a register of the machine's memory map, readable without a side effect on memory.
    unsafe { ptr::with_exposed_provenance::<u32>(address).read_volatile() }
}

fn write(address: usize, value: u32) {
    // SAFETY: as above; none of these registers starts a transfer to memory.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}

/// The peripherals, once.
#[derive(Debug)]
pub struct Peripherals {
    /// Timers 0 and 1: time and wake-up.
    pub timer: Timer,
    /// UART 0.
    pub uart: Uart,
    /// The two-wire bus.
    pub bus: TwoWire,
    /// The watchdog.
    pub watchdog: Watchdog,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Returns the peripherals; `None` if they were taken before.
pub fn take() -> Option<Peripherals> {
    if TAKEN.load(Ordering::Acquire) {
        return None;
    }
    TAKEN.store(true, Ordering::Release);
    Some(Peripherals { timer: Timer::start(), uart: Uart::start(), bus: TwoWire(()), watchdog: Watchdog(()) })
}

/// What ended [`Timer::wait_until`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The time has come.
    Time,
    /// A byte has come in on the UART.
    Uart,
}

/// Timer 1 counts, timer 0 wakes.
#[derive(Debug)]
pub struct Timer {
    /// Ticks up to the last reading, and what the counter showed then.
    last: Cell<(u64, u32)>,
}

/// Longest wait of timer 0 at once, ticks: well before timer 1 has gone round in 171 s.
const LONGEST_TICKS: u64 = 100 * CLOCK_HZ as u64;

impl Timer {
    const CTRL: usize = 0;
    const VALUE: usize = 4;
    const RELOAD: usize = 8;
    const INTERRUPT: usize = 12;

    fn start() -> Self {
        write(TIMER1_BASE + Self::RELOAD, u32::MAX);
        write(TIMER1_BASE + Self::VALUE, u32::MAX);
        write(TIMER1_BASE + Self::CTRL, 1);
        Self { last: Cell::new((0, u32::MAX)) }
    }

    /// Returns the ticks since the start. To be called at least every 171 s, as every wait does.
    #[inline(never)]
    pub fn ticks(&self) -> u64 {
        let (ticks, before) = self.last.get();
        let now = read(TIMER1_BASE + Self::VALUE);
        // It counts down.
        let ticks = ticks + u64::from(before.wrapping_sub(now));
        self.last.set((ticks, now));
        ticks
    }

    /// Waits until the next instruction stands at one and the same place within a tick, where the emulator gives an instruction 16 ns
    /// (`-icount shift=4`): five instructions are two ticks, so that what takes the same instructions afterwards takes the same ticks.
    pub fn align(&self) {
        // SAFETY: reads a register of the timer and changes nothing but scratch registers. Seven instructions a round are 2.8 ticks: one
        // round in five shows two ticks, the others three.
        unsafe {
            core::arch::asm!(
                "mov {before}, #0",
                "2:",
                "ldr {now}, [{value}]",
                "sub {ticks}, {before}, {now}",
                "mov {before}, {now}",
                "nop",
                "nop",
                "cmp {ticks}, #2",
                "bne 2b",
                value = in(reg) TIMER1_BASE + Self::VALUE,
                before = out(reg) _,
                now = out(reg) _,
                ticks = out(reg) _,
                options(nostack, readonly),
            );
        }
    }

    /// Returns the time since the start, µs.
    pub fn now_us(&self) -> u64 {
        self.ticks() / u64::from(TICKS_PER_US)
    }

    /// Waits with the core asleep until `deadline_us`; with `uart` also until a byte comes in.
    pub fn wait_until(&self, deadline_us: u64, uart: bool) -> Woken {
        self.wait_until_tick(deadline_us.saturating_mul(TICKS_PER_US.into()), uart)
    }

    /// As [`Timer::wait_until`], by [`Timer::ticks`].
    #[inline(never)]
    pub fn wait_until_tick(&self, deadline: u64, uart: bool) -> Woken {
        let mask = 1 << TIMER0 | if uart { 1 << UART0_RX } else { 0 };
        loop {
            let left = deadline.saturating_sub(self.ticks());
            if left == 0 {
                return Woken::Time;
            }
            if uart && Uart::has_byte() {
                return Woken::Uart;
            }
            let pause = u32::try_from(left.min(LONGEST_TICKS)).unwrap_or(u32::MAX);
            without_interrupts(|| {
                write(TIMER0_BASE + Self::CTRL, 0);
                // Once: a timer that is reloaded with 0 stops.
                write(TIMER0_BASE + Self::RELOAD, 0);
                write(TIMER0_BASE + Self::VALUE, pause);
                write(TIMER0_BASE + Self::INTERRUPT, 1);
                write(NVIC_ICPR, mask);
                write(NVIC_ISER, mask);
                write(TIMER0_BASE + Self::CTRL, 0b1001);
                wait_for_interrupt();
                write(TIMER0_BASE + Self::CTRL, 0);
                write(TIMER0_BASE + Self::INTERRUPT, 1);
                write(NVIC_ICER, mask);
                write(NVIC_ICPR, mask);
            });
        }
    }
}

/// UART 0, 8N1, polled.
#[derive(Debug)]
pub struct Uart(());

impl Uart {
    const DATA: usize = 0;
    const STATE: usize = 4;
    const CTRL: usize = 8;
    const INTERRUPT: usize = 12;
    const BAUD: usize = 16;

    fn start() -> Self {
        // 115,200 baud.
        write(UART0_BASE + Self::BAUD, CLOCK_HZ / 115_200);
        // Both ways, with the receiver's interrupt, which the NVIC lets through only while the core waits for it.
        write(UART0_BASE + Self::CTRL, 0b1011);
        Self(())
    }

    fn has_byte() -> bool {
        read(UART0_BASE + Self::STATE) & 2 != 0
    }

    /// Sends a byte, once the one before is gone.
    pub fn send(&mut self, byte: u8) {
        while read(UART0_BASE + Self::STATE) & 1 != 0 {}
        write(UART0_BASE + Self::DATA, byte.into());
    }

    /// Returns a byte that has come in.
    pub fn receive(&mut self) -> Option<u8> {
        Self::has_byte().then(|| {
            let byte = read(UART0_BASE + Self::DATA) as u8;
            write(UART0_BASE + Self::INTERRUPT, 2);
            byte
        })
    }
}

/// The lines of a two-wire bus (SBCon), open drain: high unless somebody pulls.
#[derive(Debug)]
pub struct TwoWire(());

impl TwoWire {
    const SET: usize = 0;
    const CLEAR: usize = 4;
    const SCL: u32 = 1;
    const SDA: u32 = 2;

    fn put(line: u32, high: bool) {
        write(SBCON_BASE + if high { Self::SET } else { Self::CLEAR }, line);
    }

    /// Lets the clock go (`true`) or pulls it down.
    pub fn clock(&mut self, high: bool) {
        Self::put(Self::SCL, high);
    }

    /// Lets the data line go (`true`) or pulls it down.
    pub fn data(&mut self, high: bool) {
        Self::put(Self::SDA, high);
    }

    /// Returns whether the data line is high.
    pub fn data_is_high(&self) -> bool {
        read(SBCON_BASE) & Self::SDA != 0
    }
}

/// The watchdog: its first timeout raises the NMI, whose handler in this crate resets the machine.
#[derive(Debug)]
pub struct Watchdog(());

impl Watchdog {
    const LOAD: usize = 0;
    const CONTROL: usize = 8;
    const CLEAR: usize = 12;

    /// Starts it, or starts it again, with `ms` to go; at most 171 s.
    pub fn feed(&mut self, ms: u32) {
        write(WATCHDOG_BASE + Self::LOAD, ms.saturating_mul(CLOCK_HZ / 1000));
        write(WATCHDOG_BASE + Self::CONTROL, 0b11);
        write(WATCHDOG_BASE + Self::CLEAR, 1);
    }
}

/// The watchdog's first timeout: the firmware hangs.
#[cfg(feature = "handlers")]
#[cortex_m_rt::exception]
unsafe fn NonMaskableInt() -> ! {
    reset()
}

/// Resets the machine; RAM keeps what the image does not load.
pub fn reset() -> ! {
    // VECTKEY and SYSRESETREQ (Armv7-M Architecture Reference Manual, B3.2.6).
    write(SCB_AIRCR, 0x05fa_0004);
    loop {
        wait_for_interrupt();
    }
}

fn wait_for_interrupt() {
    // SAFETY: waits; changes neither registers nor memory. A pending interrupt ends it even where it is masked.
    unsafe { core::arch::asm!("wfi", options(nostack, preserves_flags)) }
}

fn without_interrupts(f: impl FnOnce()) {
    // SAFETY: masks and unmasks interrupts around `f`, which was called with them unmasked.
    unsafe { core::arch::asm!("cpsid i", options(nostack, preserves_flags)) };
    f();
    // SAFETY: as above.
    unsafe { core::arch::asm!("cpsie i", options(nostack, preserves_flags)) };
}
