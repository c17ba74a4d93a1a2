//! The end of the program on a bare machine, wanted (`exit`) or not (panic, fault, trap).

#[cfg(target_arch = "arm")]
use cortex_m_rt as _;
#[cfg(target_arch = "riscv32")]
use riscv_rt as _;

/// The interrupts of the vector table, without which it has 240 (960 bytes). No program here enables any: one entry, since the
/// link script wants one, for what should not come.
#[cfg(target_arch = "arm")]
#[used]
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(export_name = "__INTERRUPTS")]
static INTERRUPTS: [unsafe extern "C" fn(); 1] = {
    unsafe extern "C" {
        fn DefaultHandler();
    }
    [DefaultHandler]
};

/// Ends the emulation; QEMU exits with `code`.
pub fn exit(code: u8) -> ! {
    semihosting::process::exit(i32::from(code))
}

/// Exit codes of the handlers, so that a host can tell them apart without reading text.
#[cfg(feature = "handlers")]
mod code {
    pub const PANIC: u8 = 101; // as a Rust process
    pub const FAULT: u8 = 102;
    pub const UNEXPECTED_INTERRUPT: u8 = 103;
}

/// Says what happened, and ends the program.
#[cfg(feature = "handlers")]
pub fn report_panic(info: &core::panic::PanicInfo<'_>) -> ! {
    semihosting::println!("{info}");
    end_in_panic()
}

/// Ends the program and says nothing: a host sees the exit code.
#[cfg(feature = "handlers")]
pub fn end_in_panic() -> ! {
    exit(code::PANIC)
}

#[cfg(all(feature = "handlers", target_arch = "arm"))]
mod cortex_m {
    use super::{code, exit};
    use cortex_m_rt::{ExceptionFrame, exception};

    #[exception]
    unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
        semihosting::println!("HardFault at pc {:#010x}, lr {:#010x}", frame.pc(), frame.lr());
        exit(code::FAULT)
    }

    #[exception]
    unsafe fn DefaultHandler(interrupt: i16) {
        semihosting::println!("unexpected interrupt {interrupt}");
        exit(code::UNEXPECTED_INTERRUPT)
    }
}

#[cfg(all(feature = "handlers", target_arch = "riscv32"))]
mod riscv32 {
    use super::{code, exit};

    /// riscv-rt calls this symbol for every exception that has no handler of its own.
    #[unsafe(export_name = "ExceptionHandler")]
    extern "C" fn exception_handler(frame: &riscv_rt::TrapFrame) -> ! {
        semihosting::println!(
            "trap, mcause {:#x} at pc {:#010x}, ra {:#010x}",
            riscv::register::mcause::read().bits(),
            riscv::register::mepc::read(),
            frame.ra
        );
        exit(code::FAULT)
    }

    #[unsafe(export_name = "DefaultHandler")]
    extern "C" fn default_handler() -> ! {
        semihosting::println!("unexpected interrupt, mcause {:#x}", riscv::register::mcause::read().bits());
        exit(code::UNEXPECTED_INTERRUPT)
    }
}
