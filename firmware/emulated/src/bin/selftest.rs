//! Program that exercises one ability of a machine; `tests/machines.rs` runs it everywhere and judges.
//!
//! Reads the name of the ability from `selftest.txt`, writes what it saw to `selftest.out`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::{fmt::Write as _, hint::black_box, str};
use tanbo_emulated::{count, files, ram, stack::Stack};

tanbo_emulated::entry!(selftest);

/// Largest frame of the stack ability, bytes: fits the smallest machine's stack.
const FRAMES: [usize; 3] = [256, 1024, 2048];

fn selftest() -> u8 {
    let mut name = [0u8; 32];
    let name = match files::read("selftest.txt", &mut name) {
        Ok(len) => name.get(..len).and_then(|name| str::from_utf8(name).ok()).unwrap_or(""),
        Err(error) => {
            tanbo_emulated::println!("selftest.txt: {error}");
            return 2;
        }
    };
    let mut out = heapless::String::<128>::new();
    match name.trim() {
        "count" => {
            // What the markers themselves cost.
            count::counted(|| ());
            for n in [1, 1_000, 1_000_000] {
                // A large number may take an instruction more to load than a small one: not between the markers.
                let n = black_box(n);
                count::counted(|| spin(n));
            }
        }
        "stack" => with_stack(|stack| {
            for (result, frame) in [
                (stack.measure(frame::<{ FRAMES[0] }>), FRAMES[0]),
                (stack.measure(frame::<{ FRAMES[1] }>), FRAMES[1]),
                (stack.measure(frame::<{ FRAMES[2] }>), FRAMES[2]),
            ] {
                let used = result.map_or(0, |(_, used)| used);
                let _ = writeln!(out, "{frame} {used}");
            }
        }),
        "overflow" => with_stack(|stack| {
            let _ = match stack.measure(|| touch_all(&stack)) {
                Ok((_, used)) => writeln!(out, "used {used}"),
                Err(error) => writeln!(out, "overflow {}", error.available),
            };
        }),
        "ram" => {
            let first = ram::take()
                .map(|ram| (ram.len(), ram.as_ptr() as usize % ram::ALIGN, ram.iter().step_by(251).all(|&b| b == 0)));
            let _ = writeln!(out, "{first:?} {}", ram::take().is_none());
        }
        "panic" => panic!("wanted"),
        "fault" => fault(),
        "misaligned" => {
            let words = black_box([0x0403_0201_u32, 0x0807_0605]);
            let _ = writeln!(out, "{:#x}", misaligned_load(words.as_ptr().cast()));
        }
        code => return code.parse().unwrap_or(2),
    }
    match files::write("selftest.out", out.as_bytes()) {
        Ok(()) => 0,
        Err(error) => {
            tanbo_emulated::println!("selftest.out: {error}");
            2
        }
    }
}

/// Executes `2·n` instructions plus a constant.
#[inline(never)]
fn spin(n: u32) {
    // SAFETY: counts a register down to zero.
    unsafe {
        #[cfg(target_arch = "arm")]
        core::arch::asm!("2:", "subs {n}, #1", "bne 2b", n = inout(reg) n => _, options(nomem, nostack));
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!("2:", "subs {n:w}, {n:w}, #1", "b.ne 2b", n = inout(reg) n => _, options(nomem, nostack));
        #[cfg(target_arch = "riscv32")]
        core::arch::asm!("2:", "addi {n}, {n}, -1", "bnez {n}, 2b", n = inout(reg) n => _, options(nomem, nostack));
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("2:", "dec {n:e}", "jnz 2b", n = inout(reg) n => _, options(nomem, nostack));
    }
}

#[inline(never)]
fn frame<const BYTES: usize>() -> u8 {
    let mut bytes = [1u8; BYTES];
    black_box(&mut bytes)[0]
}

/// Recurses until the whole stack was used, without going further.
#[inline(never)]
fn touch_all(stack: &Stack) {
    let frame = black_box([1u8; 64]);
    if frame.as_ptr() as usize > stack.limit() + 512 {
        touch_all(stack);
        black_box(&frame);
    } else {
        // SAFETY: the lowest word of the stack, below every frame.
        unsafe { core::ptr::with_exposed_provenance_mut::<usize>(stack.limit()).write_volatile(0) };
    }
}

#[cfg(target_os = "none")]
fn with_stack(f: impl FnOnce(Stack)) {
    f(Stack::current());
}

#[cfg(not(target_os = "none"))]
fn with_stack(f: impl FnOnce(Stack) + Send) {
    assert!(tanbo_emulated::stack::with_stack(64 << 10, f).is_some());
}

/// An instruction that no core executes.
fn fault() {
    // SAFETY: traps; the handler does not return.
    unsafe {
        #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
        core::arch::asm!("udf #0");
        #[cfg(target_arch = "riscv32")]
        core::arch::asm!("unimp");
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("ud2");
    }
}

/// The u32 one byte after `words`, by one load instruction of a word.
fn misaligned_load(words: *const u8) -> u32 {
    let value: u32;
    let at = words.wrapping_add(1);
    // SAFETY: five bytes from `words` are readable; cores that refuse the alignment trap.
    unsafe {
        #[cfg(target_arch = "arm")]
        core::arch::asm!("ldr {v}, [{p}]", v = out(reg) value, p = in(reg) at, options(nostack, readonly));
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!("ldr {v:w}, [{p}]", v = out(reg) value, p = in(reg) at, options(nostack, readonly));
        #[cfg(target_arch = "riscv32")]
        core::arch::asm!("lw {v}, 0({p})", v = out(reg) value, p = in(reg) at, options(nostack, readonly));
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("mov {v:e}, [{p}]", v = out(reg) value, p = in(reg) at, options(nostack, readonly));
    }
    value
}
