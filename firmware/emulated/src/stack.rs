//! How much stack a call uses, by painting: fill the unused stack with a pattern, call, look how deep the pattern is gone.

use core::{arch::asm, ptr};

const PATTERN: usize = 0x7A3B_07AD;

/// Left unpainted below the stack pointer: the painter's own frame (a compiler may read the register before it makes the
/// frame) and the red zone of x86-64 (128 bytes, System V ABI). Bytes.
const MARGIN: usize = 128;

/// The stack ran out, or came within a word of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackOverflow {
    /// Size of the stack that was available, bytes.
    pub available: usize,
}

/// A stack that is watched: [`Stack::watch`].
#[cfg(target_os = "none")]
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    stack: Stack,
    top: usize,
}

#[cfg(target_os = "none")]
impl Watch {
    /// Returns the bytes of stack that were used so far.
    ///
    /// # Errors
    /// [`StackOverflow`] as [`Stack::measure`].
    pub fn deepest(&self) -> Result<usize, StackOverflow> {
        let lowest = self.stack.lowest_touched(self.top);
        if lowest == self.stack.limit {
            return Err(StackOverflow { available: self.top - self.stack.limit });
        }
        Ok(self.top - lowest)
    }
}

/// The unused part of the current stack.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    limit: usize,
}

impl Stack {
    /// The stack reserved in the machine's `memory.x`.
    #[cfg(target_os = "none")]
    pub fn current() -> Self {
        Self { limit: limit() }
    }

    /// Lowest address that may be used.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Result of `f` and the bytes of stack it used, called in place.
    ///
    /// The figure starts at the caller's stack pointer, so `f`'s own frame counts. It is exact to a word, but never less
    /// than about 200 bytes (the frames of the measurement itself). Interrupts during `f` count too.
    ///
    /// # Errors
    /// [`StackOverflow`] if `f` went to the last word: what lies below may be overwritten.
    #[inline(never)]
    pub fn measure<R>(&self, f: impl FnOnce() -> R) -> Result<(R, usize), StackOverflow> {
        let top = stack_pointer();
        let result = self.painted(f);
        let lowest = self.lowest_touched(top);
        if lowest == self.limit {
            return Err(StackOverflow { available: top - self.limit });
        }
        Ok((result, top - lowest))
    }

    /// Begins to watch the whole stack, for a program that does not come back to where it began.
    #[cfg(target_os = "none")]
    #[inline(never)]
    pub fn watch(&self) -> Watch {
        self.paint();
        Watch { stack: *self, top: top() }
    }

    // Out of line, so that whatever of `f` is inlined lies below `top`.
    #[inline(never)]
    fn painted<R>(&self, f: impl FnOnce() -> R) -> R {
        self.paint();
        f()
    }

    #[inline(never)]
    fn paint(&self) {
        let end = stack_pointer() - MARGIN;
        let mut at = self.limit;
        while at + size_of::<usize>() <= end {
            // SAFETY: [limit, stack pointer) belongs to the current stack and holds no live frame.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(at).write_volatile(PATTERN) };
            at += size_of::<usize>();
        }
    }

    #[inline(never)]
    fn lowest_touched(&self, top: usize) -> usize {
        let mut at = self.limit;
        // SAFETY: [limit, top) belongs to the current stack; whatever it holds is a valid usize.
        while at < top && unsafe { ptr::with_exposed_provenance::<usize>(at).read_volatile() } == PATTERN {
            at += size_of::<usize>();
        }
        at
    }
}

/// Lowest address of the stack reserved in the machine's `memory.x`.
#[cfg(target_os = "none")]
pub(crate) fn limit() -> usize {
    unsafe extern "C" {
        // From the link script; only its address means something.
        static _tanbo_stack_size: u8;
    }
    top() - (&raw const _tanbo_stack_size as usize)
}

/// Where the stack begins, above its highest address.
#[cfg(target_os = "none")]
fn top() -> usize {
    unsafe extern "C" {
        // From the link script; only its address means something.
        static _stack_start: u8;
    }
    &raw const _stack_start as usize
}

/// Result of `f` on a thread of its own with at least `bytes` of measurable stack; `None` if it panicked or the thread
/// could not be made.
#[cfg(not(target_os = "none"))]
pub fn with_stack<R: Send>(bytes: usize, f: impl FnOnce(Stack) -> R + Send) -> Option<R> {
    // Room for the thread's own start and end frames above and below the measured part.
    const ROOM: usize = 256 << 10;
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(bytes + ROOM)
            .spawn_scoped(scope, move || {
                let limit = (stack_pointer() - bytes) & !(size_of::<usize>() - 1);
                f(Stack { limit })
            })
            .ok()?
            .join()
            .ok()
    })
}

#[inline(always)]
fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads one register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags));
        #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
        asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags));
        #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
        asm!("mv {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags));
    }
    sp
}
