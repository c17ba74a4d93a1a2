//! The core's own cycle counter: DWT's CYCCNT (ARMv7-M Architecture Reference Manual, C1.8), where there is one that counts.

/// A counter that runs.
#[derive(Clone, Copy, Debug)]
pub struct Cycles(());

impl Cycles {
    /// Starts the counter; `None` where the core has none or it stands still: on ARMv6-M, in QEMU, where there is an operating system.
    pub fn start() -> Option<Self> {
        #[cfg(all(target_os = "none", target_arch = "arm", not(armv6m)))]
        return dwt::start().then_some(Self(()));
        #[cfg(not(all(target_os = "none", target_arch = "arm", not(armv6m))))]
        None
    }

    /// Returns the cycles since the counter started, modulo 2^32.
    pub fn now(self) -> u32 {
        #[cfg(all(target_os = "none", target_arch = "arm", not(armv6m)))]
        return dwt::count();
        #[cfg(not(all(target_os = "none", target_arch = "arm", not(armv6m))))]
        0
    }
}

#[cfg(all(target_os = "none", target_arch = "arm", not(armv6m)))]
mod dwt {
    use core::ptr::{read_volatile, with_exposed_provenance, with_exposed_provenance_mut, write_volatile};

    const DEMCR: usize = 0xE000_EDFC;
    const TRCENA: u32 = 1 << 24;
    const CTRL: usize = 0xE000_1000;
    const CYCCNTENA: u32 = 1;
    const NOCYCCNT: u32 = 1 << 25;
    const CYCCNT: usize = 0xE000_1004;

    fn read(address: usize) -> u32 {
        // SAFETY: a register of the core's debug unit, aligned, at one address in every ARMv7-M and ARMv8-M core; reading it changes nothing.
        unsafe { read_volatile(with_exposed_provenance(address)) }
    }

    fn write(address: usize, value: u32) {
        // SAFETY: as above; what is written here only lets counters run, which nothing else of the program uses.
        unsafe { write_volatile(with_exposed_provenance_mut(address), value) }
    }

    pub fn start() -> bool {
        write(DEMCR, read(DEMCR) | TRCENA);
        if read(CTRL) & NOCYCCNT != 0 {
            return false;
        }
        write(CTRL, read(CTRL) | CYCCNTENA);
        // Between two reads lie cycles, if it counts.
        count() != count()
    }

    pub fn count() -> u32 {
        read(CYCCNT)
    }
}
