@ Sums, pools and tables.

.cpu cortex-m55
.syntax unified
.thumb

.macro function name
    .section .text.\name, "ax", %progbits
    .globl \name
    .type \name, %function
    .p2align 2
    .thumb_func
\name:
.endm

@ Scales q by mantissa m and shift s, s < 0; t is lost. Half away from zero takes one off negative values.
.macro scale rounding, q, m, s, t
    .ifc \rounding, single
    vqdmulh.s32 \q, \q, \m
    .else
    vqrdmulh.s32 \q, \q, \m
    .endif
    .ifc \rounding, tflite
    vshr.s32 \t, \q, #31
    vqadd.s32 \q, \q, \t
    .endif
    vrshl.s32 \q, \s
.endm

@ Adds r3 values at r1 and r2 to r0. The parameters are `Add` in elementwise.rs: words for r0 to r12, then four more.
@   r4 r5 what is added to each scaled input, r6 r7 r8 r9 mantissas and shifts of the inputs (exact: r6 power of two of the
@   first), r10 r11 mantissa and shift of the sum, r12 zero point; q3 q4 powers of two of the inputs, q5 q6 bounds less the
@   zero point
@   16 to 23 instructions for four values
.macro addition name, exact, rounding, last
function tanbo_mve_add_\name
    push {r4-r11, lr}
    vpush {d8-d13}
    ldrd r1, r2, [r0, #52]
    vdup.32 q3, r1
    vdup.32 q4, r2
    ldrd r1, r2, [r0, #60]
    vdup.32 q5, r1
    vdup.32 q6, r2
    ldm r0, {r0-r12}
    wlstp.32 lr, r3, 2f
1:  vldrb.s32 q1, [r2], #4
    vldrb.s32 q0, [r1], #4
    vmlas.s32 q1, q4, r5
    scale \rounding, q1, r8, r9, q2
    .ifc \exact, exact
    vmla.s32 q1, q0, r6
    vadd.i32 q1, q1, r4
    .else
    vmlas.s32 q0, q3, r4
    scale \rounding, q0, r6, r7, q2
    vadd.i32 q1, q1, q0
    .endif
    scale \last, q1, r10, r11, q2
    vmax.s32 q1, q1, q5
    vmin.s32 q1, q1, q6
    vadd.i32 q1, q1, r12
    vstrb.32 q1, [r0], #4
    letp lr, 1b
2:  vpop {d8-d13}
    pop {r4-r11, pc}
.endm

addition exact_cut, exact, tflite, cut
addition exact, exact, tflite, tflite
addition tflite, both, tflite, tflite
addition single, both, single, single

@ Ends values in q0, scaled, with bounds less the zero point in q5 and q6, and stores them at \out.
.macro bounded out, zero
    vmax.s32 q0, q0, q5
    vmin.s32 q0, q0, q6
    vadd.i32 q0, q0, \zero
    vstrb.32 q0, [\out], #4
.endm

@ Begins with the parameters at r0: words for r0 to r9, then the bounds less the zero point.
.macro values_begin
    push {r4-r9, lr}
    vpush {d10-d13}
    ldrd r1, r2, [r0, #40]
    vdup.32 q5, r1
    vdup.32 q6, r2
    ldm r0, {r0-r9}
    wlstp.32 lr, r3, 2f
.endm

.macro values_end
    letp lr, 1b
2:  vpop {d10-d13}
    pop {r4-r9, pc}
.endm

@ Multiplies r3 values at r1 and r2 to r0. The parameters are `Values` in scaled.rs.
@   r4 r5 zero points, negative, r7 r8 mantissa and shift, r9 zero point of the output; q0 q1 values
@   12 to 14 instructions for four values
.macro multiplication rounding
function tanbo_mve_mul_\rounding
    values_begin
1:  vldrb.s32 q0, [r1], #4
    vldrb.s32 q1, [r2], #4
    vadd.i32 q0, q0, r4
    vadd.i32 q1, q1, r5
    vmul.i32 q0, q0, q1
    scale \rounding, q0, r7, r8, q2
    bounded r0, r9
    values_end
.endm

multiplication cut
multiplication tflite
multiplication single

@ Moves r3 values at r1 to another scale, to r0.
@   r2 what of a value's sign is kept: 0xff for uint8, r4 zero point, negative, r6 power of two, r7 to r9 as above; q0 values, q3 r2
@   11 to 13 instructions for four values
.macro change rounding
function tanbo_mve_requantize_\rounding
    values_begin
    vdup.32 q3, r2
1:  vldrb.s32 q0, [r1], #4
    vand q0, q0, q3
    vadd.i32 q0, q0, r4
    vmul.i32 q0, q0, r6
    scale \rounding, q0, r7, r8, q2
    bounded r0, r9
    values_end
.endm

change cut
change tflite
change single

@ Windows. r0: words first value, channels from there on, columns, bytes of a pixel, rows, bytes from row to row, result.
@   r0 pixel, r1 channels, r2 columns, r3 bytes of a pixel, r4 rows, r5 from row to row, r6 result, r7 row; q0 values, q1
@   results
.macro window_begin
    push {r4-r7, lr}
    ldm r0, {r0-r6}
    mov r7, r0
.endm

.macro window_end
    add r7, r5
    mov r0, r7
    subs r4, #1
    bne 1b
.endm

@ Adds up to eight channels of a window to the int16 results.
@   5 instructions for eight values
function tanbo_mve_window_sum
    window_begin
    vctp.16 r1
    vldrw.32 q1, [r6]
1:  dls lr, r2
2:  vpst
    vldrbt.s16 q0, [r0]
    add r0, r3
    vadd.i16 q1, q1, q0
    le lr, 2b
    window_end
    vstrw.32 q1, [r6]
    pop {r4-r7, pc}

@ Adds r3 pixels of r2 channels at r1 to the int32 sums at r0.
@   r4 values, r12 sums; q0 values, q1 sums
@   5 instructions for four values
function tanbo_mve_absorb
    push {r4, lr}
1:  mov r4, r1
    mov r12, r0
    wlstp.32 lr, r2, 3f
2:  vldrb.s32 q0, [r4], #4
    vldrw.32 q1, [r12]
    vadd.i32 q1, q1, q0
    vstrw.32 q1, [r12], #16
    letp lr, 2b
3:  add r1, r2
    subs r3, #1
    bne 1b
    pop {r4, pc}

@ Takes the greatest of up to 16 channels of a window and the int8 results.
@   5 instructions for 16 values
function tanbo_mve_window_greatest
    window_begin
    vctp.8 r1
    vldrw.32 q1, [r6]
1:  dls lr, r2
2:  vpst
    vldrbt.s8 q0, [r0]
    add r0, r3
    vmax.s8 q1, q1, q0
    le lr, 2b
    window_end
    vstrw.32 q1, [r6]
    pop {r4-r7, pc}

@ Looks r3 values at r1 up in the table at r2, whose first entry is for -128, to r0.
@   q0 places, q1 values
@   5 instructions for 16 values
function tanbo_mve_lut
    push {r4, lr}
    movs r4, #128
    wlstp.8 lr, r3, 2f
1:  vldrb.8 q0, [r1], #16
    vadd.i8 q0, q0, r4
    vldrb.u8 q1, [r2, q0]
    vstrb.8 q1, [r0], #16
    letp lr, 1b
2:  pop {r4, pc}

.purgem function
