//! The core's own cycle counter: DWT's CYCCNT (ARMv7-M Architecture Reference Manual, C1.8), where there is one that counts.

/// A counter that runs.
#[derive(Clone, Copy, Debug)]
pub struct Cycles(());

impl Cycles {
    /// Starts the counter; `None` where the core has none or it stands still: on ARMv6-M, in QEMU, where there is an operating system.
    pub fn start() -> Option<Self> {
        #[cfg(all(target_os = "none", target_arch = "arm", not(armv6m)))]
        return dwt::start(&mut own::Unit).then_some(Self(()));
        #[cfg(not(all(target_os = "none", target_arch = "arm", not(armv6m))))]
        None
    }

    /// Returns the cycles since the counter started, modulo 2^32.
    pub fn now(self) -> u32 {
        #[cfg(all(target_os = "none", target_arch = "arm", not(armv6m)))]
        return dwt::count(&mut own::Unit);
        #[cfg(not(all(target_os = "none", target_arch = "arm", not(armv6m))))]
        0
    }

    /// Returns the cycles since `before`, which [`Cycles::now`] gave: right for up to 2^32 of them, also where the counter wraps around.
    pub fn since(self, before: u32) -> u32 {
        between(before, self.now())
    }
}

fn between(before: u32, now: u32) -> u32 {
    now.wrapping_sub(before)
}

/// How the counter is started and read, whoever holds the registers.
#[cfg(any(test, all(target_os = "none", target_arch = "arm", not(armv6m))))]
mod dwt {
    pub const DEMCR: usize = 0xE000_EDFC;
    pub const TRCENA: u32 = 1 << 24;
    pub const CTRL: usize = 0xE000_1000;
    pub const CYCCNTENA: u32 = 1;
    pub const NOCYCCNT: u32 = 1 << 25;
    pub const CYCCNT: usize = 0xE000_1004;

    /// Registers of a debug unit, by address.
    pub trait Registers {
        fn read(&mut self, address: usize) -> u32;
        fn write(&mut self, address: usize, value: u32);
    }

    pub fn start(unit: &mut impl Registers) -> bool {
        let control = unit.read(DEMCR);
        unit.write(DEMCR, control | TRCENA);
        let control = unit.read(CTRL);
        if control & NOCYCCNT != 0 {
            return false;
        }
        unit.write(CTRL, control | CYCCNTENA);
        // Between two reads lie cycles, if it counts.
        count(unit) != count(unit)
    }

    pub fn count(unit: &mut impl Registers) -> u32 {
        unit.read(CYCCNT)
    }
}

/// The registers of the core that this program runs on.
#[cfg(all(target_os = "none", target_arch = "arm", not(armv6m)))]
mod own {
    use core::ptr::{read_volatile, with_exposed_provenance, with_exposed_provenance_mut, write_volatile};

    pub struct Unit;

    impl super::dwt::Registers for Unit {
        fn read(&mut self, address: usize) -> u32 {
            // SAFETY: a register of the core's debug unit, aligned, at one address in every ARMv7-M and ARMv8-M core; reading it changes nothing.
            unsafe { read_volatile(with_exposed_provenance(address)) }
        }

        fn write(&mut self, address: usize, value: u32) {
            // SAFETY: as above; what is written here only lets counters run, which nothing else of the program uses.
            unsafe { write_volatile(with_exposed_provenance_mut(address), value) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::between;
    use super::dwt::{CTRL, CYCCNT, CYCCNTENA, DEMCR, NOCYCCNT, Registers, TRCENA, count, start};

    /// A debug unit whose counter runs on by `pace` at each look, once both of its switches are on.
    struct Unit {
        demcr: u32,
        ctrl: u32,
        cyccnt: u32,
        pace: u32,
    }

    impl Registers for Unit {
        fn read(&mut self, address: usize) -> u32 {
            match address {
                DEMCR => self.demcr,
                CTRL => self.ctrl,
                CYCCNT => {
                    if self.demcr & TRCENA != 0 && self.ctrl & CYCCNTENA != 0 {
                        self.cyccnt = self.cyccnt.wrapping_add(self.pace);
                    }
                    self.cyccnt
                }
                other => panic!("{other:#x} is no register of the counter"),
            }
        }

        fn write(&mut self, address: usize, value: u32) {
            match address {
                DEMCR => self.demcr = value,
                CTRL => self.ctrl = value,
                other => panic!("{other:#x} is written"),
            }
        }
    }

    #[test]
    fn a_counter_is_switched_on_and_nothing_else_is_changed() {
        // Other bits are a debugger's: vector catch, comparators.
        let mut unit = Unit { demcr: 0x401, ctrl: 0x4000_0000, cyccnt: 7, pace: 3 };
        assert!(start(&mut unit));
        assert_eq!((unit.demcr, unit.ctrl), (TRCENA | 0x401, 0x4000_0000 | CYCCNTENA));
    }

    #[test]
    fn a_core_without_a_counter_or_with_one_that_stands_still_has_none() {
        let mut none = Unit { demcr: 0, ctrl: NOCYCCNT, cyccnt: 0, pace: 3 };
        assert!(!start(&mut none));
        assert_eq!(none.ctrl, NOCYCCNT);
        // QEMU's: the registers are there, and read as zero or as what was written.
        assert!(!start(&mut Unit { demcr: 0, ctrl: 0, cyccnt: 0, pace: 0 }));
    }

    #[test]
    fn a_stretch_over_the_wrap_around_is_as_long_as_any() {
        let mut unit = Unit { demcr: TRCENA, ctrl: CYCCNTENA, cyccnt: 0xFFFF_FFE0, pace: 0x10 };
        let before = count(&mut unit);
        let after = [count(&mut unit), count(&mut unit)];
        assert_eq!((before, after), (0xFFFF_FFF0, [0, 0x10]));
        assert_eq!(after.map(|now| between(before, now)), [0x10, 0x20]);
    }
}
