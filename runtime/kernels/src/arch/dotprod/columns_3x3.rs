//! Depthwise convolution of three by three taps with the dot product: two output rows at a time.
//!
//! Four input rows of 16 channels are transposed, a column at a time, so that a lane holds a channel's four inputs of the
//! column; SDOT adds a column of taps: for the upper output row the weights are (w0, w1, w2, 0), for the lower one (0, w0, w1,
//! w2). A transposed column serves three outputs of either row.
//!
//! Instructions for a column: 15 to transpose; for an output of either row, 16 channels: 24 to multiply, 2 + 3 + 4 to load biases,
//! columns and weights, 2 to load and 16 to apply the scaling (32 with halves away from zero), 20 to narrow, 4 of the loop and the
//! stores: 75 for 288 MACs, 0.26 per MAC, 0.31 with the transposition.

use core::arch::asm;

use crate::arch::arm::scaling;
use crate::arch::neon::depthwise_conv2d::Line;

/// Transposes `count` (at least 1) columns, `step` bytes apart, of four rows of 16 bytes, to 64 bytes each.
///
/// # Safety
/// So many bytes may be read at the rows, and written at `to`.
pub unsafe fn transpose(rows: [*const i8; 4], step: usize, to: *mut i8, count: usize) {
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        asm!(
            "2:",
            "ld1 {{v0.16b}}, [{r0}], {step}",
            "ld1 {{v1.16b}}, [{r1}], {step}",
            "ld1 {{v2.16b}}, [{r2}], {step}",
            "ld1 {{v3.16b}}, [{r3}], {step}",
            "subs {n}, {n}, #1",
            "zip1 v4.16b, v0.16b, v1.16b",
            "zip2 v5.16b, v0.16b, v1.16b",
            "zip1 v6.16b, v2.16b, v3.16b",
            "zip2 v7.16b, v2.16b, v3.16b",
            "zip1 v0.8h, v4.8h, v6.8h",
            "zip2 v1.8h, v4.8h, v6.8h",
            "zip1 v2.8h, v5.8h, v7.8h",
            "zip2 v3.8h, v5.8h, v7.8h",
            "st1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{to}], #64",
            "b.ne 2b",
            r0 = inout(reg) rows[0] => _, r1 = inout(reg) rows[1] => _,
            r2 = inout(reg) rows[2] => _, r3 = inout(reg) rows[3] => _,
            step = in(reg) step, to = inout(reg) to => _, n = inout(reg) count => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            options(nostack),
        );
    }
}

/// A column's four vectors (v8-v11) by weights from $w on, added to four sums.
macro_rules! dots {
    ($a:literal, $b:literal, $c:literal, $d:literal, $w0:literal, $w1:literal, $w2:literal, $w3:literal) => {
        concat!(
            "sdot v",
            $a,
            ".4s, v8.16b, v",
            $w0,
            ".16b\n sdot v",
            $b,
            ".4s, v9.16b, v",
            $w1,
            ".16b\n",
            "sdot v",
            $c,
            ".4s, v10.16b, v",
            $w2,
            ".16b\n sdot v",
            $d,
            ".4s, v11.16b, v",
            $w3,
            ".16b\n",
        )
    };
}

/// `$op` of each of the eight sums with v$a-v$d.
macro_rules! each {
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
            $op,
            " v4.4s, v4.4s, v",
            $a,
            ".4s\n",
            $op,
            " v5.4s, v5.4s, v",
            $b,
            ".4s\n",
            $op,
            " v6.4s, v6.4s, v",
            $c,
            ".4s\n",
            $op,
            " v7.4s, v7.4s, v",
            $d,
            ".4s\n",
        )
    };
}

/// Lessens negative products by one where there is a shift (v12-v15) to the right.
macro_rules! away_from_zero {
    () => {
        concat!(
            "and v8.16b, v0.16b, v12.16b\n and v9.16b, v1.16b, v13.16b\n",
            "and v10.16b, v2.16b, v14.16b\n and v11.16b, v3.16b, v15.16b\n",
            "and v24.16b, v4.16b, v12.16b\n and v25.16b, v5.16b, v13.16b\n",
            "and v26.16b, v6.16b, v14.16b\n and v27.16b, v7.16b, v15.16b\n",
            "ssra v0.4s, v8.4s, #31\n ssra v1.4s, v9.4s, #31\n ssra v2.4s, v10.4s, #31\n ssra v3.4s, v11.4s, #31\n",
            "ssra v4.4s, v24.4s, #31\n ssra v5.4s, v25.4s, #31\n ssra v6.4s, v26.4s, #31\n ssra v7.4s, v27.4s, #31\n",
        )
    };
}

/// Narrows four sums that begin at v$a and stores them.
macro_rules! finish {
    ($a:literal, $b:literal, $c:literal, $d:literal, $y:literal) => {
        concat!(
            "sqxtn v",
            $a,
            ".4h, v",
            $a,
            ".4s\n sqxtn2 v",
            $a,
            ".8h, v",
            $b,
            ".4s\n",
            "sqxtn v",
            $c,
            ".4h, v",
            $c,
            ".4s\n sqxtn2 v",
            $c,
            ".8h, v",
            $d,
            ".4s\n",
            "sqadd v",
            $a,
            ".8h, v",
            $a,
            ".8h, v29.8h\n sqadd v",
            $c,
            ".8h, v",
            $c,
            ".8h, v29.8h\n",
            "sqxtn v",
            $a,
            ".8b, v",
            $a,
            ".8h\n sqxtn2 v",
            $a,
            ".16b, v",
            $c,
            ".8h\n",
            "smin v",
            $a,
            ".16b, v",
            $a,
            ".16b, v31.16b\n smax v",
            $a,
            ".16b, v",
            $a,
            ".16b, v30.16b\n",
            "st1 {{v",
            $a,
            ".16b}}, [{",
            $y,
            "}], {y_step}\n",
        )
    };
}

/// Registers: v0-v3 sums of the upper row, v4-v7 of the lower one; v8-v11 a column, then mantissas; v12-v15 and v24-v27 weights of
/// the second and third column, then shifts; v16-v23 weights of the first one; v29 zero point, v30 v31 bounds.
macro_rules! pair {
    ($line:ident, $columns:ident, $y:ident, $before:expr, $scale:expr) => {
        asm!(
            "ld1 {{v16.16b, v17.16b, v18.16b, v19.16b}}, [{w}]",
            "ld1 {{v20.16b, v21.16b, v22.16b, v23.16b}}, [{w3}]",
            "2:",
            "ld1 {{v8.16b, v9.16b, v10.16b, v11.16b}}, [{c0}], #64",
            "ld1 {{v0.4s, v1.4s, v2.4s, v3.4s}}, [{bias}]",
            "ld1 {{v4.4s, v5.4s, v6.4s, v7.4s}}, [{bias}]",
            dots!(0, 1, 2, 3, 16, 17, 18, 19),
            dots!(4, 5, 6, 7, 20, 21, 22, 23),
            "ld1 {{v8.16b, v9.16b, v10.16b, v11.16b}}, [{c1}], #64",
            "ld1 {{v12.16b, v13.16b, v14.16b, v15.16b}}, [{w1}]",
            "ld1 {{v24.16b, v25.16b, v26.16b, v27.16b}}, [{w4}]",
            dots!(0, 1, 2, 3, 12, 13, 14, 15),
            dots!(4, 5, 6, 7, 24, 25, 26, 27),
            "ld1 {{v8.16b, v9.16b, v10.16b, v11.16b}}, [{c2}], #64",
            "ld1 {{v12.16b, v13.16b, v14.16b, v15.16b}}, [{w2}]",
            "ld1 {{v24.16b, v25.16b, v26.16b, v27.16b}}, [{w5}]",
            dots!(0, 1, 2, 3, 12, 13, 14, 15),
            dots!(4, 5, 6, 7, 24, 25, 26, 27),
            "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{mantissa}]",
            "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{right}]",
            $before,
            $scale,
            "subs {n}, {n}, #1",
            finish!(4, 5, 6, 7, "y1"),
            finish!(0, 1, 2, 3, "y0"),
            "b.ne 2b",
            c0 = inout(reg) $columns => _, c1 = inout(reg) $columns.wrapping_add(64) => _,
            c2 = inout(reg) $columns.wrapping_add(128) => _,
            w = in(reg) $line.weights, w1 = in(reg) $line.weights.wrapping_add(64),
            w2 = in(reg) $line.weights.wrapping_add(128), w3 = in(reg) $line.weights.wrapping_add(192),
            w4 = in(reg) $line.weights.wrapping_add(256), w5 = in(reg) $line.weights.wrapping_add(320),
            bias = in(reg) $line.records, mantissa = in(reg) $line.records.wrapping_add(16),
            right = in(reg) $line.records.wrapping_add(32), left = in(reg) $line.records.wrapping_add(48),
            n = inout(reg) $line.width => _, y0 = inout(reg) $y[0] => _, y1 = inout(reg) $y[1] => _,
            y_step = in(reg) $line.y_step,
            in("v29") $line.bounds.zero_point, in("v30") $line.bounds.low, in("v31") $line.bounds.high,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _,
            out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            options(nostack),
        )
    };
}

/// Computes `line.width` outputs of 16 channels in two rows, whose places are `y`; where both are the same, the upper row is
/// what remains.
///
/// # Safety
/// The CPU has the dot product. Two columns more than outputs may be read at `columns`; weights are six times 64 bytes; records
/// those of 16 channels.
#[target_feature(enable = "dotprod")]
pub unsafe fn pair<const MODE: i32>(line: &Line, columns: *const i8, y: [*mut i8; 2]) {
    if line.width == 0 {
        return;
    }
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        match MODE {
            scaling::SINGLE => pair!(
                line,
                columns,
                y,
                "// {left}",
                concat!(each!("sqdmulh", 8, 9, 10, 11), each!("srshl", 12, 13, 14, 15))
            ),
            scaling::SINGLE_LEFT => pair!(
                line,
                columns,
                y,
                concat!("ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{left}]\n", each!("sqshl", 24, 25, 26, 27)),
                concat!(each!("sqdmulh", 8, 9, 10, 11), each!("srshl", 12, 13, 14, 15))
            ),
            scaling::TFLITE_POSITIVE => pair!(
                line,
                columns,
                y,
                "// {left}",
                concat!(each!("sqrdmulh", 8, 9, 10, 11), each!("srshl", 12, 13, 14, 15))
            ),
            scaling::TFLITE => pair!(
                line,
                columns,
                y,
                concat!("// {left}\n", each!("sqrdmulh", 8, 9, 10, 11)),
                concat!(
                    "ssra v0.4s, v0.4s, #31\n ssra v1.4s, v1.4s, #31\n ssra v2.4s, v2.4s, #31\n ssra v3.4s, v3.4s, #31\n ssra v4.4s, v4.4s, #31\n ssra v5.4s, v5.4s, #31\n ssra v6.4s, v6.4s, #31\n ssra v7.4s, v7.4s, #31\n",
                    each!("srshl", 12, 13, 14, 15)
                )
            ),
            _ => pair!(
                line,
                columns,
                y,
                concat!("ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{left}]\n", each!("sshl", 24, 25, 26, 27)),
                concat!(each!("sqrdmulh", 8, 9, 10, 11), away_from_zero!(), each!("srshl", 12, 13, 14, 15))
            ),
        }
    }
}
