//! 3×3 convolutions by Winograd's F(2×2, 3×3): 16 products for each pair of channels and 2×2 pixels, in place of 36.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, in integers: with the weights' matrix G doubled,
//! `Aᵀ[(2G·g·(2G)ᵀ) ⊙ (Bᵀ·d·B)]A` is four times the convolution. Transformed weights lie within ±1143, transformed activations within
//! ±512; sums wrap modulo 2^32, where four times the true accumulator is exact. Activations stay raw: the zero point is in the bias,
//! and a pixel outside the input is one of zero points.
//!
//! Two tiles of 2×2 pixels at a time, for all output channels. Instructions per MAC of the convolution, with n input and m output
//! channels: 0.33 + 0.4/n for the products, 1.3/m to transform the input, 1.8/n to transform the sums and requantize them. Measured
//! on m4: 0.62 (16 to 16 channels), 0.46 (32 to 32), 0.39 (64 to 64); the tiles of [`super::tile`] take 0.91, 0.81, 0.78.

use core::arch::naked_asm;
use core::ops::Range;

use tanbo_packing::{Kind, dsp};
use tanbo_quant::Rounding;

use super::{address, clamp, line, words};
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Bytes of the positions of two channels and two tiles.
const PAIR: usize = 128;
/// The rows under a tile in the order in which they are combined: 0 and 2, 2 and 1, 1 and 3.
const ROWS: [usize; 4] = [0, 2, 1, 3];

/// Computes output rows, two at a time; an odd one at the end takes as long as two.
pub fn run(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let division = dsp::Winograd::new(Kind::Conv2d, &p.shape).ok_or(LengthError)?;
    super::check(dsp::WINOGRAD.packing, &division.sizes().ok_or(LengthError)?, p, &input, output)?;
    let (values, scratch) = words(scratch).split_at_mut_checked(division.values).ok_or(LengthError)?;
    let (products, scratch) = scratch.split_at_mut_checked(dsp::Winograd::PRODUCTS).ok_or(LengthError)?;
    let (sources, scratch) = scratch.split_at_mut_checked(dsp::Winograd::POSITIONS).ok_or(LengthError)?;
    let fill = scratch.get_mut(..division.fill).ok_or(LengthError)?;
    fill.fill(u32::from_ne_bytes([p.input_zero_point as u8; 4]));
    let [_, width, outputs] = p.shape.output;
    for row in rows.clone().step_by(2) {
        let last = (row + 1).min(rows.end - 1);
        let lines = [0, 1, 2, 3].map(|ky| line(p, input, row, ky));
        let [top, bottom] = [row, last].map(|row| address(output.row_mut(row).as_ptr()));
        for column in (0..width).step_by(4) {
            let mut places = [Place::default(); 2];
            for (tile, place) in places.iter_mut().enumerate() {
                // A tile beyond the width is the first one again; a pixel beyond it lies where its neighbour does, and so does a
                // row that is not asked for: what is wanted is written last.
                let column = if column + 2 * tile < width { column + 2 * tile } else { column };
                let at = (column * outputs) as u32;
                let next = if column + 1 < width { outputs as u32 } else { 0 };
                *place = Place { top: top.wrapping_add(at), bottom: bottom.wrapping_add(at), next };
                find(p, &lines, column, fill, sources);
                // SAFETY: `find` wrote 16 addresses of as many values as there are input channels, a multiple of eight; the
                // values have room for 16 positions of two tiles of each two channels.
                unsafe { transform(sources.as_ptr(), values.as_mut_ptr().add(tile), p.shape.input[2] / 4) };
            }
            let mut weights = p.weights.as_ptr();
            for group in 0..division.groups {
                // SAFETY: `check` compared weights and records with the packing's lengths, so that each group has its own;
                // the values were written above. The places are those of two rows of the output, and each group moves on four
                // channels of `outputs`.
                unsafe {
                    weights = products_of(values.as_ptr(), weights, products.as_mut_ptr(), PAIR * p.shape.input[2] / 2);
                    let records = p.records.as_ptr().add(16 * group);
                    match p.range.rounding {
                        Rounding::Single => finish_single(products.as_ptr(), records, &places),
                        Rounding::Tflite => finish_tflite(products.as_ptr(), records, &places),
                    }
                }
                for place in &mut places {
                    (place.top, place.bottom) = (place.top.wrapping_add(4), place.bottom.wrapping_add(4));
                }
            }
        }
        for row in row..=last {
            clamp(&p.range, output.row_mut(row));
        }
    }
    Ok(())
}

/// Where the outputs of a tile lie. The layout is known to the assembly below.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Place {
    /// Addresses of the next channel of the left pixels.
    top: u32,
    bottom: u32,
    /// Distance to the right pixels.
    next: u32,
}

/// Writes the addresses of the 4×4 input pixels under the tile at `column`, rows as in [`ROWS`].
fn find(p: &Packed<'_>, lines: &[&[i8]; 4], column: usize, fill: &[u32], sources: &mut [u32]) {
    let [_, width, inputs] = p.shape.input;
    let outside = address(fill.as_ptr().cast());
    let left = column.wrapping_sub(p.shape.pad[1]);
    for (sources, line) in sources.chunks_exact_mut(4).zip(ROWS.map(|row| lines[row])) {
        let first = address(line.as_ptr());
        let mut x = left;
        for source in sources {
            let inside = x < width && !line.is_empty();
            *source = if inside { first.wrapping_add((x * inputs) as u32) } else { outside };
            x = x.wrapping_add(1);
        }
    }
}

// Loads four channels of eight pixels: two rows of four, whose addresses lie `$at` bytes into the table.
macro_rules! load {
    ($at:literal) => {
        concat!(
            "ldrd r8, r9, [sp]\nadd r8, #",
            $at,
            "\nldm r8, {{r0-r7}}\n",
            "ldr r0, [r0, r9]\nldr r1, [r1, r9]\nldr r2, [r2, r9]\nldr r3, [r3, r9]\n",
            "ldr r4, [r4, r9]\nldr r5, [r5, r9]\nldr r6, [r6, r9]\nldr r7, [r7, r9]\n"
        )
    };
}

// The first row less the second, or their sum, of channels 0 and 2, or with `ror #8` of 1 and 3.
macro_rules! rows {
    (less $rotate:literal) => {
        concat!(
            rows!(one "r8", "r0", "r4", $rotate),
            rows!(one "r9", "r1", "r5", $rotate),
            rows!(one "r10", "r2", "r6", $rotate),
            rows!(one "r11", "r3", "r7", $rotate),
        )
    };
    (one $to:literal, $a:literal, $b:literal, $rotate:literal) => {
        concat!(
            "sxtb16 ", $to, ", ", $a, $rotate, "\nsxtb16 r12, ", $b, $rotate, "\nssub16 ", $to, ", ", $to, ", r12\n"
        )
    };
    (plus $rotate:literal) => {
        concat!(
            "sxtb16 r8, r0", $rotate, "\nsxtb16 r9, r1", $rotate, "\nsxtb16 r10, r2", $rotate, "\nsxtb16 r11, r3", $rotate,
            "\nsxtab16 r8, r8, r4", $rotate, "\nsxtab16 r9, r9, r5", $rotate,
            "\nsxtab16 r10, r10, r6", $rotate, "\nsxtab16 r11, r11, r7", $rotate, "\n"
        )
    };
}

// Combines the columns of a transformed row; four positions, from `$at` bytes on.
macro_rules! columns {
    ($at:literal) => {
        concat!(
            "ssub16 r8, r8, r10\nstr r8, [lr, #",
            $at,
            "]\n",
            "sadd16 r12, r9, r10\nstr r12, [lr, #",
            $at,
            " + 8]\n",
            "ssub16 r10, r10, r9\nstr r10, [lr, #",
            $at,
            " + 16]\n",
            "ssub16 r11, r9, r11\nstr r11, [lr, #",
            $at,
            " + 24]\n"
        )
    };
}

/// Transforms a tile of the input, `groups` times four channels: 185 instructions for the 16 positions of four channels.
///
/// Registers: r0-r7 pixels, r8-r11 a row of the tile, r12 free, lr place in the values. Stack: table, offset in it, groups left.
///
/// # Safety
/// `sources` must hold 16 addresses of `4 · groups` values; `values` must have room for `groups` times two pairs. No count is 0.
#[unsafe(naked)]
unsafe extern "C" fn transform(sources: *const u32, values: *mut u32, groups: usize) {
    naked_asm!(
        super::isa!(),
        "push {{r4-r11, lr}}",
        "mov lr, r1",
        "movs r1, #0",
        "push {{r0-r2}}",
        "2:",
        load!("0"),
        rows!(less ""),
        columns!("0"),
        rows!(less ", ror #8"),
        columns!("128"),
        load!("16"),
        rows!(plus ""),
        columns!("32"),
        rows!(less ""),
        columns!("64"),
        rows!(plus ", ror #8"),
        columns!("160"),
        rows!(less ", ror #8"),
        columns!("192"),
        load!("32"),
        rows!(less ""),
        columns!("96"),
        rows!(less ", ror #8"),
        columns!("224"),
        "add lr, #256",
        "ldrd r0, r1, [sp, #4]",
        "adds r0, #4",
        "subs r1, #1",
        "strd r0, r1, [sp, #4]",
        "bne 2b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}

// Two input channels of two tiles times four output channels: 11 instructions for 16 products.
macro_rules! step {
    ($mul:literal, $($add:literal)?) => {
        concat!(
            "ldrd r8, r9, [lr], #128\nldm r12!, {{r10, r11}}\n",
            step!(one $mul, "r0", "r8", "r10" $($add)?), step!(one $mul, "r1", "r9", "r10" $($add)?),
            step!(one $mul, "r2", "r8", "r11" $($add)?), step!(one $mul, "r3", "r9", "r11" $($add)?),
            "ldm r12!, {{r10, r11}}\n",
            step!(one $mul, "r4", "r8", "r10" $($add)?), step!(one $mul, "r5", "r9", "r10" $($add)?),
            step!(one $mul, "r6", "r8", "r11" $($add)?), step!(one $mul, "r7", "r9", "r11" $($add)?),
        )
    };
    (one $mul:literal, $acc:literal, $value:literal, $weight:literal) => {
        concat!($mul, " ", $acc, ", ", $value, ", ", $weight, "\n")
    };
    (one $mul:literal, $acc:literal, $value:literal, $weight:literal $add:literal) => {
        concat!($mul, " ", $acc, ", ", $value, ", ", $weight, ", ", $acc, "\n")
    };
}

/// Computes the products of two tiles and four output channels, position by position; returns the weights of the next four.
///
/// Registers: r0-r7 sums (channel 0 of both tiles, then channel 1 ..), r8 r9 values, r10 r11 weights, r12 weight pointer, lr value
/// pointer. Stack: end of the values, place of the products, way back to the next position, end of the products.
///
/// # Safety
/// `values` must be valid for `span` bytes, a multiple of 512 above 0, `weights` for twice as many, aligned to 4 bytes, `products` for
/// 512 bytes.
#[unsafe(naked)]
unsafe extern "C" fn products_of(values: *const u32, weights: *const i8, products: *mut u32, span: usize) -> *const i8 {
    naked_asm!(
        super::isa!(),
        "push {{r4-r11, lr}}",
        "mov lr, r0",
        "mov r12, r1",
        "add r4, r0, r3",
        "mov r5, r2",
        "sub r6, r3, #8",
        "add r7, r2, #512",
        "push {{r4-r7}}",
        "2:",
        step!("smuad",),
        step!("smlad", "+"),
        step!("smlad", "+"),
        step!("smlad", "+"),
        "ldr r10, [sp]",
        "cmp lr, r10",
        "beq 4f",
        "3:",
        step!("smlad", "+"),
        step!("smlad", "+"),
        step!("smlad", "+"),
        step!("smlad", "+"),
        "ldr r10, [sp]",
        "cmp lr, r10",
        "bne 3b",
        "4:",
        "ldrd r8, r9, [sp, #4]",
        "stm r8!, {{r0-r7}}",
        "sub lr, r9",
        "add r10, #8",
        "strd r10, r8, [sp]",
        "ldr r9, [sp, #12]",
        "cmp r8, r9",
        "bne 2b",
        "mov r0, r12",
        "add sp, #16",
        "pop {{r4-r11, pc}}",
    )
}

// A column of products, `$at` bytes from the first one: sums of rows 0 to 2, and row 1 less rows 2 and 3.
macro_rules! column {
    ($at:literal $tile:literal, $bias:literal, $sum:literal, $difference:literal) => {
        concat!(
            "ldr r5, [r0, #",
            $at,
            " + ",
            $tile,
            "]\nldr r6, [r0, #128 + ",
            $at,
            " + ",
            $tile,
            "]\nldr r7, [r0, #256 + ",
            $at,
            " + ",
            $tile,
            "]\nldr r8, [r0, #384 + ",
            $at,
            " + ",
            $tile,
            "]\n",
            $bias,
            "add r5, r6\nsub r6, r7\nadd ",
            $sum,
            ", r5, r7\nsub ",
            $difference,
            ", r6, r8\n"
        )
    };
}

// Four outputs of tile `$tile`: four times their sums in r9-r12, requantized and written, what is wanted last.
macro_rules! outputs {
    ($rounding:ident, $tile:literal) => {
        concat!(
            column!("0" $tile, "", "r9", "r11"),
            // The bias is added where every output takes it from.
            column!("32" $tile, "add r6, r4\n", "r10", "r12"),
            "add r9, r10\nadd r11, r12\n",
            column!("64" $tile, "", "r5", "r6"),
            "add r9, r5\nsub r10, r5\nadd r11, r6\nsub r12, r6\n",
            column!("96" $tile, "", "r5", "r6"),
            "sub r10, r5\nsub r12, r6\n",
            requantize!($rounding "r9"),
            requantize!($rounding "r10"),
            requantize!($rounding "r11"),
            requantize!($rounding "r12"),
            "ldrd r5, r6, [sp, #3 * ", $tile, "]\nldr r7, [sp, #3 * ", $tile, " + 8]\n",
            "strb r12, [r6, r7]\nstrb r11, [r6], #1\nstrb r10, [r5, r7]\nstrb r9, [r5], #1\n",
            "strd r5, r6, [sp, #3 * ", $tile, "]\n"
        )
    };
}

// Four times an accumulator to int8. single, 3 instructions: ((acc·m >> 32) + C) >> s, with C = (zp << s) + 2^(s - 1); s counts
// the factor. tflite, 5 instructions: RD(HM(acc / 4, m), s) + zp with the same C, one less for negative sums.
macro_rules! requantize {
    (single $acc:literal) => {
        concat!("smmla ", $acc, ", ", $acc, ", r1, r2\nasr ", $acc, ", r3\nssat ", $acc, ", #8, ", $acc, "\n")
    };
    (tflite $acc:literal) => {
        concat!(
            "add r5, r2, ",
            $acc,
            ", asr #31\nasr ",
            $acc,
            ", #1\nsmmlar ",
            $acc,
            ", ",
            $acc,
            ", r1, r5\nasr ",
            $acc,
            ", r3\nssat ",
            $acc,
            ", #8, ",
            $acc,
            "\n"
        )
    };
}

macro_rules! finish {
    ($name:ident, $rounding:ident) => {
        /// Transforms the products of two tiles and four output channels back, requantizes and writes them: 57 instructions for four
        /// outputs, 65 with TensorFlow Lite's rounding.
        ///
        /// Registers: r0 products, r1-r4 mantissa, constant, shift, bias, r5-r8 a column, r9-r12 outputs, lr records. Stack: both
        /// places, channels left.
        ///
        /// # Safety
        /// `products` must be valid for 512 bytes, `records` for 16 words; the places must be those of four more channels each.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(products: *const u32, records: *const i32, places: &[Place; 2]) {
            naked_asm!(
                super::isa!(),
                "push {{r4-r11, lr}}",
                "mov lr, r1",
                "ldm r2, {{r4-r9}}",
                "movs r10, #4",
                "push {{r4-r10}}",
                "2:",
                "ldm lr!, {{r1-r4}}",
                outputs!($rounding, "0"),
                outputs!($rounding, "4"),
                "ldr r5, [sp, #24]",
                "add r0, #8",
                "subs r5, #1",
                "str r5, [sp, #24]",
                "bne 2b",
                "add sp, #28",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

finish!(finish_single, single);
finish!(finish_tflite, tflite);
