//! What pools and means share: four channels at a time, which lie in one word.

use core::arch::asm;
use core::ops::Range;

use crate::Window;

/// Most int8 values whose sum fits 16 bits.
const MOST: usize = 255;

/// Returns the positions along `axis` under the window of output `output` that lie inside `0..length`.
pub fn inside(window: &Window, axis: usize, output: usize, length: usize) -> Range<usize> {
    let first = output * window.stride[axis];
    let start = first.saturating_sub(window.pad[axis]);
    let end = (first + window.kernel[axis]).saturating_sub(window.pad[axis]).min(length);
    start..end.max(start)
}

/// Adds four channels of `count` pixels to `sums`: 6 instructions for four values.
///
/// # Safety
/// `taps` must be valid for reading four values at each of `count` multiples of `step`.
pub unsafe fn add(mut taps: *const i8, step: usize, mut count: usize, sums: &mut [i32; 4]) {
    while count > 0 {
        let part = count.min(MOST);
        let (even, odd): (u32, u32);
        // SAFETY: reads what the caller promises; `part` is not 0.
        unsafe {
            asm!(
                super::isa!(),
                "2:",
                "ldr {four}, [{taps}]",
                "add {taps}, {step}",
                "sxtab16 {even}, {even}, {four}",
                "sxtab16 {odd}, {odd}, {four}, ror #8",
                "subs {part}, #1",
                "bne 2b",
                four = out(reg) _,
                taps = inout(reg) taps,
                step = in(reg) step,
                even = inout(reg) 0u32 => even,
                odd = inout(reg) 0u32 => odd,
                part = inout(reg) part => _,
                options(readonly, nostack)
            );
        }
        for (sum, half) in sums.iter_mut().zip([even << 16, odd << 16, even, odd]) {
            *sum += half as i32 >> 16;
        }
        count -= part;
    }
}

/// Adds `count` pixels to the sums of `groups` times four channels: 6 instructions for four values, and 15 for each four sums.
///
/// # Safety
/// `taps` must be valid for reading `4 · groups` values at each of `count` multiples of `step`, `sums` for as many sums.
pub unsafe fn add_groups(taps: *const i8, step: usize, count: usize, groups: usize, sums: *mut i32) {
    for first in (0..count).step_by(MOST) {
        // SAFETY: reads and writes what the caller promises; no count is 0.
        unsafe {
            asm!(
                super::isa!(),
                "2:",
                "mov {even}, #0",
                "mov {odd}, #0",
                "mov {at}, {taps}",
                "mov {left}, {count}",
                "3:",
                "ldr {four}, [{at}]",
                "add {at}, {step}",
                "sxtab16 {even}, {even}, {four}",
                "sxtab16 {odd}, {odd}, {four}, ror #8",
                "subs {left}, #1",
                "bne 3b",
                "ldrd {at}, {left}, [{sums}]",
                "sxtah {at}, {at}, {even}",
                "sxtah {left}, {left}, {odd}",
                "strd {at}, {left}, [{sums}], #8",
                "ldrd {at}, {left}, [{sums}]",
                "add {at}, {at}, {even}, asr #16",
                "add {left}, {left}, {odd}, asr #16",
                "strd {at}, {left}, [{sums}], #8",
                "add {taps}, #4",
                "subs {groups}, #1",
                "bne 2b",
                even = out(reg) _,
                odd = out(reg) _,
                at = out(reg) _,
                left = out(reg) _,
                four = out(reg) _,
                taps = inout(reg) taps.wrapping_add(first * step) => _,
                step = in(reg) step,
                count = in(reg) (count - first).min(MOST),
                groups = inout(reg) groups => _,
                sums = inout(reg) sums => _,
                options(nostack)
            );
        }
    }
}

/// Returns the greatest of `greatest` and four channels of `count` pixels, lane by lane: 6 instructions for four values.
///
/// # Safety
/// As of [`add`].
pub unsafe fn greatest(taps: *const i8, step: usize, count: usize, greatest: [i8; 4]) -> [i8; 4] {
    let mut lanes = u32::from_le_bytes(greatest.map(|x| x as u8));
    if count > 0 {
        // SAFETY: reads what the caller promises.
        unsafe {
            asm!(
                super::isa!(),
                "2:",
                "ldr {four}, [{taps}]",
                "add {taps}, {step}",
                "ssub8 {difference}, {four}, {lanes}",
                "sel {lanes}, {four}, {lanes}",
                "subs {count}, #1",
                "bne 2b",
                four = out(reg) _,
                difference = out(reg) _,
                taps = inout(reg) taps => _,
                step = in(reg) step,
                lanes = inout(reg) lanes,
                count = inout(reg) count => _,
                options(readonly, nostack)
            );
        }
    }
    lanes.to_le_bytes().map(|x| x as i8)
}
