//! The boot loader's side: what it does with the flash at every start.

use core::cell::RefCell;

use embassy_boot::{AlignedBuffer, BootError, BootLoader, BootLoaderConfig};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_sync::blocking_mutex::{Mutex, raw::NoopRawMutex};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use tanbo_flash_map::{FlashMap, Updates};

/// Bytes that are copied at once: whole words of any flash, a part of any page.
const COPIED_BYTES: usize = 256;

/// Swaps in an update that was staged, takes back one that did not confirm itself, or does nothing; what is to be started lies in
/// `parts.active` then. `feed` is called before each access, for a watchdog.
///
/// # Errors
/// The flash's: the next start tries again.
pub fn prepare<F: NorFlash>(flash: F, map: &FlashMap, parts: &Updates, feed: impl FnMut()) -> Result<(), BootError> {
    const { assert!(F::WRITE_SIZE <= COPIED_BYTES && F::ERASE_SIZE.is_multiple_of(COPIED_BYTES), "other words or pages") };
    let flash = Mutex::<NoopRawMutex, _>::new(RefCell::new(Careful { flash, feed }));
    let part = |addresses: &core::ops::Range<u32>| {
        let offsets = map.offsets(addresses.clone());
        BlockingPartition::new(&flash, offsets.start, offsets.end - offsets.start)
    };
    let config = BootLoaderConfig { active: part(&parts.active), dfu: part(&parts.dfu), state: part(&parts.state) };
    BootLoader::new(config).prepare_boot(&mut AlignedBuffer([0; COPIED_BYTES]).0)?;
    Ok(())
}

/// Has a boot loader start anew in a panic: that tries again.
#[macro_export]
macro_rules! start_anew_at_panic {
    () => {
        #[panic_handler]
        fn start_anew(_: &core::panic::PanicInfo<'_>) -> ! {
            cortex_m::peripheral::SCB::sys_reset()
        }
    };
}

/// Starts the program whose vector table lies at `address`, with no interrupt enabled or pending.
///
/// # Safety
/// A vector table of this core lies there, and nothing that was started here goes on by itself: DMA, the other core.
#[cfg(all(target_os = "none", target_arch = "arm"))]
pub unsafe fn start(address: u32) -> ! {
    // SAFETY: nothing but this function runs any more.
    let core = unsafe { cortex_m::Peripherals::steal() };
    for (enabled, pending) in core.NVIC.icer.iter().zip(&core.NVIC.icpr) {
        // SAFETY: a written one disables an interrupt, or takes back that it pends.
        unsafe {
            enabled.write(u32::MAX);
            pending.write(u32::MAX);
        }
    }
    // SAFETY: by what was promised, a vector table lies there: a stack and a program to begin with.
    unsafe {
        core.SCB.vtor.write(address);
        cortex_m::asm::bootload(core::ptr::with_exposed_provenance(address as usize))
    }
}

/// Flash that feeds a watchdog, and in which nothing is written that is there already: after a cut embassy-boot 0.7 writes a mark of its state
/// again with the same bits, which flash with check bits per word (STM32U5) need not take.
struct Careful<F, W> {
    flash: F,
    feed: W,
}

impl<F: ErrorType, W> ErrorType for Careful<F, W> {
    type Error = F::Error;
}

impl<F: ReadNorFlash, W: FnMut()> ReadNorFlash for Careful<F, W> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), F::Error> {
        (self.feed)();
        self.flash.read(at, into)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: NorFlash, W: FnMut()> NorFlash for Careful<F, W> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        (self.feed)();
        self.flash.erase(from, to)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), F::Error> {
        (self.feed)();
        let mut there = AlignedBuffer([0; COPIED_BYTES]);
        if let Some(there) = there.0.get_mut(..bytes.len()) {
            self.flash.read(at, there)?;
            if there == bytes {
                return Ok(());
            }
        }
        self.flash.write(at, bytes)
    }
}
