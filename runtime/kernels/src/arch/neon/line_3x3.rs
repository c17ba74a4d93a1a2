//! A row of a depthwise convolution of three by three taps.
//!
//! Registers for 16 channels: v0-v3 sums, v4 v5 products of a pair of taps, v6 v7 its inputs, v8-v11 mantissas, v12-v15 shifts,
//! v16-v24 weights, v25-v28 biases, v29 zero point, v30 v31 bounds; nothing is read again along the row but inputs.
//!
//! Instructions for 16 outputs, 144 MACs: 9 loads, 18 to multiply, 20 to widen, 8 to scale (16 with halves away from zero), 10
//! to narrow, 1 store, 2 of the loop: 68, 0.47 per MAC. 8 channels: 49 for 72 MACs.

use core::arch::asm;

use super::depthwise_conv2d::Line;
use crate::arch::arm::scaling;

/// `{r0}`: the tap under the row's pointer, which moves on; the other taps are `{c1}` and `{c2}` from where it is then.
macro_rules! taps_16 {
    () => {
        concat!(
            "2: ld1 {{v6.16b}}, [{r0}], {step}\n ldr q7, [{r0}, {c1}]\n",
            "smull v4.8h, v6.8b, v16.8b\n smull2 v5.8h, v6.16b, v16.16b\n",
            "smlal v4.8h, v7.8b, v17.8b\n smlal2 v5.8h, v7.16b, v17.16b\n",
            "ldr q6, [{r0}, {c2}]\n ld1 {{v7.16b}}, [{r1}], {step}\n",
            "saddw v0.4s, v25.4s, v4.4h\n saddw2 v1.4s, v26.4s, v4.8h\n",
            "saddw v2.4s, v27.4s, v5.4h\n saddw2 v3.4s, v28.4s, v5.8h\n",
            "smull v4.8h, v6.8b, v18.8b\n smull2 v5.8h, v6.16b, v18.16b\n",
            "smlal v4.8h, v7.8b, v19.8b\n smlal2 v5.8h, v7.16b, v19.16b\n",
            "ldr q6, [{r1}, {c1}]\n ldr q7, [{r1}, {c2}]\n",
            widen_16!(),
            "smull v4.8h, v6.8b, v20.8b\n smull2 v5.8h, v6.16b, v20.16b\n",
            "smlal v4.8h, v7.8b, v21.8b\n smlal2 v5.8h, v7.16b, v21.16b\n",
            "ld1 {{v6.16b}}, [{r2}], {step}\n ldr q7, [{r2}, {c1}]\n",
            widen_16!(),
            "smull v4.8h, v6.8b, v22.8b\n smull2 v5.8h, v6.16b, v22.16b\n",
            "smlal v4.8h, v7.8b, v23.8b\n smlal2 v5.8h, v7.16b, v23.16b\n",
            "ldr q6, [{r2}, {c2}]\n",
            widen_16!(),
            "smull v4.8h, v6.8b, v24.8b\n smull2 v5.8h, v6.16b, v24.16b\n",
            widen_16!(),
        )
    };
}

/// Adds the products to the sums.
macro_rules! widen_16 {
    () => {
        concat!(
            "saddw v0.4s, v0.4s, v4.4h\n saddw2 v1.4s, v1.4s, v4.8h\n",
            "saddw v2.4s, v2.4s, v5.4h\n saddw2 v3.4s, v3.4s, v5.8h\n",
        )
    };
}

/// `$op` of each sum with the vector that begins at $operand.
macro_rules! each_16 {
    ($op:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            $op,
            " v0.4s, v0.4s, v",
            $a,
            ".4s\n",
            $op,
            " v1.4s, v1.4s, v",
            $b,
            ".4s\n",
            $op,
            " v2.4s, v2.4s, v",
            $c,
            ".4s\n",
            $op,
            " v3.4s, v3.4s, v",
            $d,
            ".4s\n",
        )
    };
}

/// Lessens negative products by one where there is a shift to the right.
macro_rules! away_from_zero_16 {
    () => {
        concat!(
            "and v4.16b, v0.16b, v12.16b\n and v5.16b, v1.16b, v13.16b\n",
            "and v6.16b, v2.16b, v14.16b\n and v7.16b, v3.16b, v15.16b\n",
            "ssra v0.4s, v4.4s, #31\n ssra v1.4s, v5.4s, #31\n ssra v2.4s, v6.4s, #31\n ssra v3.4s, v7.4s, #31\n",
        )
    };
}

/// Narrows and stores.
macro_rules! finish_16 {
    () => {
        concat!(
            "sqxtn v0.4h, v0.4s\n sqxtn2 v0.8h, v1.4s\n sqxtn v2.4h, v2.4s\n sqxtn2 v2.8h, v3.4s\n",
            "sqadd v0.8h, v0.8h, v29.8h\n sqadd v2.8h, v2.8h, v29.8h\n",
            "sqxtn v0.8b, v0.8h\n sqxtn2 v0.16b, v2.8h\n",
            "smin v0.16b, v0.16b, v31.16b\n smax v0.16b, v0.16b, v30.16b\n",
            "subs {n}, {n}, #1\n st1 {{v0.16b}}, [{y}], {y_step}\n b.ne 2b\n",
        )
    };
}

macro_rules! sixteen {
    ($line:ident, $rows:ident, $before:expr, $scale:expr) => {
        asm!(
            "ld1 {{v16.16b, v17.16b, v18.16b, v19.16b}}, [{w}], #64",
            "ld1 {{v20.16b, v21.16b, v22.16b, v23.16b}}, [{w}], #64",
            "ldr q24, [{w}]",
            "ld1 {{v25.4s, v26.4s, v27.4s, v28.4s}}, [{record}], #64",
            "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{record}], #64",
            "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{record}], #64",
            concat!(taps_16!(), $before, $scale, finish_16!()),
            r0 = inout(reg) $rows[0] => _, r1 = inout(reg) $rows[1] => _, r2 = inout(reg) $rows[2] => _,
            step = in(reg) $line.x_step,
            c1 = in(reg) $line.column_step.wrapping_sub($line.x_step),
            c2 = in(reg) (2 * $line.column_step).wrapping_sub($line.x_step),
            w = inout(reg) $line.weights => _, record = inout(reg) $line.records => _,
            n = inout(reg) $line.width => _, y = inout(reg) $line.y => _, y_step = in(reg) $line.y_step,
            in("v29") $line.bounds.zero_point, in("v30") $line.bounds.low, in("v31") $line.bounds.high,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _,
            out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
            options(nostack),
        )
    };
}

/// Computes 16 channels.
///
/// # Safety
/// The rows hold three taps of each of `width` outputs, which are stored; weights and records are those of 16 channels.
pub unsafe fn sixteen<const MODE: i32>(line: &Line, rows: [*const i8; 3]) {
    if line.width == 0 {
        return;
    }
    let rows = rows.map(|row| row.wrapping_add(line.first));
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        match MODE {
            scaling::SINGLE => {
                sixteen!(line, rows, "", concat!(each_16!("sqdmulh", 8, 9, 10, 11), each_16!("srshl", 12, 13, 14, 15)));
            }
            scaling::SINGLE_LEFT => sixteen!(
                line,
                rows,
                concat!("ld1 {{v4.4s, v5.4s, v6.4s, v7.4s}}, [{record}]\n", each_16!("sqshl", 4, 5, 6, 7)),
                concat!(each_16!("sqdmulh", 8, 9, 10, 11), each_16!("srshl", 12, 13, 14, 15))
            ),
            scaling::TFLITE_POSITIVE => {
                sixteen!(
                    line,
                    rows,
                    "",
                    concat!(each_16!("sqrdmulh", 8, 9, 10, 11), each_16!("srshl", 12, 13, 14, 15))
                );
            }
            scaling::TFLITE => sixteen!(
                line,
                rows,
                each_16!("sqrdmulh", 8, 9, 10, 11),
                concat!(
                    "ssra v0.4s, v0.4s, #31\n ssra v1.4s, v1.4s, #31\n ssra v2.4s, v2.4s, #31\n ssra v3.4s, v3.4s, #31\n",
                    each_16!("srshl", 12, 13, 14, 15)
                )
            ),
            _ => sixteen!(
                line,
                rows,
                concat!("ld1 {{v4.4s, v5.4s, v6.4s, v7.4s}}, [{record}]\n", each_16!("sshl", 4, 5, 6, 7)),
                concat!(each_16!("sqrdmulh", 8, 9, 10, 11), away_from_zero_16!(), each_16!("srshl", 12, 13, 14, 15))
            ),
        }
    }
}

/// As [`taps_16`]: v0 v1 sums, v4 products, v8 v9 mantissas, v12 v13 shifts, v25 v26 biases.
macro_rules! taps_8 {
    () => {
        concat!(
            "2: ld1 {{v6.8b}}, [{r0}], {step}\n ldr d7, [{r0}, {c1}]\n",
            "smull v4.8h, v6.8b, v16.8b\n smlal v4.8h, v7.8b, v17.8b\n",
            "ldr d6, [{r0}, {c2}]\n ld1 {{v7.8b}}, [{r1}], {step}\n",
            "saddw v0.4s, v25.4s, v4.4h\n saddw2 v1.4s, v26.4s, v4.8h\n",
            "smull v4.8h, v6.8b, v18.8b\n smlal v4.8h, v7.8b, v19.8b\n",
            "ldr d6, [{r1}, {c1}]\n ldr d7, [{r1}, {c2}]\n",
            "saddw v0.4s, v0.4s, v4.4h\n saddw2 v1.4s, v1.4s, v4.8h\n",
            "smull v4.8h, v6.8b, v20.8b\n smlal v4.8h, v7.8b, v21.8b\n",
            "ld1 {{v6.8b}}, [{r2}], {step}\n ldr d7, [{r2}, {c1}]\n",
            "saddw v0.4s, v0.4s, v4.4h\n saddw2 v1.4s, v1.4s, v4.8h\n",
            "smull v4.8h, v6.8b, v22.8b\n smlal v4.8h, v7.8b, v23.8b\n",
            "ldr d6, [{r2}, {c2}]\n",
            "saddw v0.4s, v0.4s, v4.4h\n saddw2 v1.4s, v1.4s, v4.8h\n",
            "smull v4.8h, v6.8b, v24.8b\n",
            "saddw v0.4s, v0.4s, v4.4h\n saddw2 v1.4s, v1.4s, v4.8h\n",
        )
    };
}

/// As [`each_16`].
macro_rules! each_8 {
    ($op:literal, $a:literal, $b:literal) => {
        concat!($op, " v0.4s, v0.4s, v", $a, ".4s\n", $op, " v1.4s, v1.4s, v", $b, ".4s\n")
    };
}

/// As [`away_from_zero_16`].
macro_rules! away_from_zero_8 {
    () => {
        concat!(
            "and v4.16b, v0.16b, v12.16b\n and v5.16b, v1.16b, v13.16b\n",
            "ssra v0.4s, v4.4s, #31\n ssra v1.4s, v5.4s, #31\n",
        )
    };
}

macro_rules! eight {
    ($line:ident, $rows:ident, $before:expr, $scale:expr) => {
        asm!(
            "ld1 {{v16.8b, v17.8b, v18.8b, v19.8b}}, [{w}], #32",
            "ld1 {{v20.8b, v21.8b, v22.8b, v23.8b}}, [{w}], #32",
            "ldr d24, [{w}]",
            "ldp q25, q26, [{record}]",
            "ldp q8, q9, [{record}, #32]",
            "ldp q12, q13, [{record}, #64]",
            concat!(
                taps_8!(),
                $before,
                $scale,
                "sqxtn v0.4h, v0.4s\n sqxtn2 v0.8h, v1.4s\n sqadd v0.8h, v0.8h, v29.8h\n sqxtn v0.8b, v0.8h\n",
                "smin v0.8b, v0.8b, v31.8b\n smax v0.8b, v0.8b, v30.8b\n",
                "subs {n}, {n}, #1\n st1 {{v0.8b}}, [{y}], {y_step}\n b.ne 2b\n"
            ),
            r0 = inout(reg) $rows[0] => _, r1 = inout(reg) $rows[1] => _, r2 = inout(reg) $rows[2] => _,
            step = in(reg) $line.x_step,
            c1 = in(reg) $line.column_step.wrapping_sub($line.x_step),
            c2 = in(reg) (2 * $line.column_step).wrapping_sub($line.x_step),
            w = inout(reg) $line.weights => _, record = in(reg) $line.records,
            n = inout(reg) $line.width => _, y = inout(reg) $line.y => _, y_step = in(reg) $line.y_step,
            in("v29") $line.bounds.zero_point, in("v30") $line.bounds.low, in("v31") $line.bounds.high,
            out("v0") _, out("v1") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _, out("v8") _, out("v9") _,
            out("v12") _, out("v13") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
            out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _,
            options(nostack),
        )
    };
}

/// Computes 8 channels.
///
/// # Safety
/// As [`sixteen`].
pub unsafe fn eight<const MODE: i32>(line: &Line, rows: [*const i8; 3]) {
    if line.width == 0 {
        return;
    }
    let rows = rows.map(|row| row.wrapping_add(line.first));
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        match MODE {
            scaling::SINGLE => {
                eight!(line, rows, "", concat!(each_8!("sqdmulh", 8, 9), each_8!("srshl", 12, 13)));
            }
            scaling::SINGLE_LEFT => eight!(
                line,
                rows,
                concat!("ldp q4, q5, [{record}, #96]\n", each_8!("sqshl", 4, 5)),
                concat!(each_8!("sqdmulh", 8, 9), each_8!("srshl", 12, 13))
            ),
            scaling::TFLITE_POSITIVE => {
                eight!(line, rows, "", concat!(each_8!("sqrdmulh", 8, 9), each_8!("srshl", 12, 13)));
            }
            scaling::TFLITE => {
                eight!(
                    line,
                    rows,
                    each_8!("sqrdmulh", 8, 9),
                    concat!("ssra v0.4s, v0.4s, #31\n ssra v1.4s, v1.4s, #31\n", each_8!("srshl", 12, 13))
                )
            }
            _ => eight!(
                line,
                rows,
                concat!("ldp q4, q5, [{record}, #96]\n", each_8!("sshl", 4, 5)),
                concat!(each_8!("sqrdmulh", 8, 9), away_from_zero_8!(), each_8!("srshl", 12, 13))
            ),
        }
    }
}
