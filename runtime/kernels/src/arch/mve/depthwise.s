@ Depthwise convolution of one output row from a ring of rows. The parameters are `Depthwise` in depthwise.rs.
@
@ tanbo_mve_depthwise_*: four channels at a time along the row; a channel's taps are one vector.
@   r0 output, r1 r3 r5 r7 columns of the four channels, r2 records, r4 zero point, r6 r8 r10 r12 sums, r9 from the end of a
@   channel to the fourth one after it (general: from pixel to pixel), r11 bytes of a pixel, lr pixels; q0 to q3 weights, q4
@   q7 taps, q4 results, q5 mantissas, q6 shifts
@   34 instructions for the eight outputs of two pixels, 0.47 for each MAC of a kernel of 3x3; besides 27 for four channels of a
@   row. `any` (38 and more) takes pixel by pixel, any kernel, stride and bounds.
@
@ The ring turns, the weights turn with it: they are gathered by q7, the place of each lane's tap.
@ How sums are requantized: gemm.s. `cut` and `single` take int8's own bounds.

.cpu cortex-m55
.syntax unified
.thumb

@ The frame.
.set D_WEIGHTS, 0
.set D_WIDTH, 8
.set D_END, 12
.set D_HOP, 16
.set D_OUT_HOP, 20
.set D_STEP, 24
.set D_SINGLE, 28
.set D_LANES, 32
.set D_LOW, 48 @ where pixels come in pairs: places of the outputs
.set D_HIGH, 64
.set D_FRAME, 80

.macro function name
    .section .text.\name, "ax", %progbits
    .globl \name
    .type \name, %function
    .p2align 2
    .thumb_func
\name:
.endm

.macro tap q, column, sum, weights, step
    .ifc \step, any
    vldrb.8 \q, [\column]
    add \column, r9
    .else
    vldrb.8 \q, [\column], #\step
    .endif
    vmladava.s8 \sum, \q, \weights
.endm

@ Requantizes and clamps q4, by shifts of either sign, in the rounding that the frame names; q7 and r6 are lost.
.macro finish_general
    ldr r6, [sp, #D_SINGLE]
    vmov.i32 q7, #0
    cbnz r6, 8f
    vmax.s32 q7, q7, q6
    vshl.s32 q4, q4, q7
    vqrdmulh.s32 q4, q4, q5
    vmov.i32 q7, #0
    vmin.s32 q7, q7, q6
    mov.w r6, #-1
    vcmp.s32 lt, q7, zr
    vpstt
    vcmpt.s32 lt, q4, zr
    vqaddt.s32 q4, q4, r6
    b.w 9f
8:  mov.w r6, #1
    vadd.i32 q6, q6, r6
    vmax.s32 q7, q7, q6
    vshl.s32 q4, q4, q7
    vqdmulh.s32 q4, q4, q5
    vmov.i32 q7, #0
    vmin.s32 q7, q7, q6
    vsub.i32 q7, q7, r6
    vsub.i32 q6, q6, r6
9:  vrshl.s32 q4, q4, q7
    vldrw.32 q7, [sp, #D_LOW]
    vmax.s32 q4, q4, q7
    vldrw.32 q7, [sp, #D_HIGH]
    vmin.s32 q4, q4, q7
    vadd.i32 q4, q4, r4
.endm

.macro depthwise name, mode, step
function tanbo_mve_depthwise_\name
    push {r4-r11, lr}
    vpush {d8-d15}
    sub sp, #D_FRAME
    @ lane i holds slot i mod h of column i / h: its tap is (i / h)·h + (i + start) mod h, beyond the taps the zero after them
    ldrd r3, r2, [r0, #64]
    viwdup.u8 q1, r2, r3, #1
    movs r2, #0
    viwdup.u8 q2, r2, r3, #1
    movs r2, #0
    vidup.u8 q0, r2, #1
    vsub.i8 q0, q0, q2
    vadd.i8 q0, q0, q1
    ldr r4, [r0, #28]
    subs r4, #1
    vdup.8 q1, r4
    vmin.u8 q0, q0, q1
    vstrw.32 q0, [sp, #D_LANES]
    .ifc \step, any
    ldrd r1, r2, [r0, #56]
    vdup.32 q0, r1
    vstrw.32 q0, [sp, #D_LOW]
    vdup.32 q0, r2
    vstrw.32 q0, [sp, #D_HIGH]
    .else
    @ places of four channels, each beside the next pixel's
    movs r2, #0
    vidup.u32 q0, r2, #1
    mov.w r2, #0x10001
    vmul.i32 q0, q0, r2
    ldr r2, [r0, #12]
    lsls r2, #16
    vadd.i32 q0, q0, r2
    vstrw.32 q0, [sp, #D_LOW]
    .endif
    add.w r2, r0, #24
    ldm r2, {r4-r11}
    stm sp, {r4-r11}
    ldrd r1, r9, [r0]
    ldrd r2, r4, [r0, #16]
    ldrd r0, r11, [r0, #8]
    add r3, r1, r9
    add r5, r3, r9
    add r7, r5, r9
    .ifc \step, any
    ldr r9, [sp, #D_STEP]
    .else
    ldr r9, [sp, #D_HOP]
    .endif
3:  @ next four channels
    ldrd r6, r8, [sp, #D_WEIGHTS]
    vldrw.32 q7, [sp, #D_LANES]
    vldrb.u8 q0, [r6, q7]
    add r6, r8
    vldrb.u8 q1, [r6, q7]
    add r6, r8
    vldrb.u8 q2, [r6, q7]
    add r6, r8
    vldrb.u8 q3, [r6, q7]
    add r6, r8
    str r6, [sp, #D_WEIGHTS]
    vldrw.32 q5, [r2, #16]
    vldrb.s32 q6, [r2, #32]
    ldr r6, [sp, #D_WIDTH]
    .ifc \step, any
    dls lr, r6
    .else
    lsrs r6, #1
    wls lr, r6, 5f
4:  @ next two pixels
    ldm r2, {r6, r8, r10, r12}
    tap q4, r1, r6, q0, \step
    tap q7, r3, r8, q1, \step
    tap q4, r5, r10, q2, \step
    tap q7, r7, r12, q3, \step
    vmov q4[2], q4[0], r6, r10
    vmov q4[3], q4[1], r8, r12
    ldm r2, {r6, r8, r10, r12}
    tap q7, r1, r6, q0, \step
    tap q7, r3, r8, q1, \step
    tap q7, r5, r10, q2, \step
    tap q7, r7, r12, q3, \step
    vmov q7[2], q7[0], r6, r10
    vmov q7[3], q7[1], r8, r12
    .ifc \mode, cut
    vqrdmulh.s32 q4, q4, q5
    vqrdmulh.s32 q7, q7, q5
    .else
    vqdmulh.s32 q4, q4, q5
    vqdmulh.s32 q7, q7, q5
    .endif
    vrshl.s32 q4, q4, q6
    vrshl.s32 q7, q7, q6
    vqmovnb.s32 q4, q4
    vqmovnt.s32 q4, q7
    vldrw.32 q7, [sp, #D_LOW]
    vqadd.s16 q4, q4, r4
    vqmovnb.s16 q4, q4
    vstrb.16 q4, [r0, q7]
    add.w r0, r0, r11, lsl #1
    le lr, 4b
5:  ldr r6, [sp, #D_WIDTH]
    ands lr, r6, #1
    beq 6f
    .endif
4:  @ next pixel
    ldm r2, {r6, r8, r10, r12}
    tap q4, r1, r6, q0, \step
    tap q7, r3, r8, q1, \step
    tap q4, r5, r10, q2, \step
    tap q7, r7, r12, q3, \step
    vmov q4[2], q4[0], r6, r10
    vmov q4[3], q4[1], r8, r12
    .ifc \mode, cut
    vqrdmulh.s32 q4, q4, q5
    .endif
    .ifc \mode, single
    vqdmulh.s32 q4, q4, q5
    .endif
    .ifc \mode, general
    finish_general
    .else
    vrshl.s32 q4, q4, q6
    vqmovnb.s32 q4, q4
    vqadd.s16 q4, q4, r4
    vqmovnb.s16 q4, q4
    .endif
    vstrb.32 q4, [r0]
    add r0, r11
    .ifc \step, any
    le lr, 4b
    .endif
6:  ldrd r8, r6, [sp, #D_HOP]
    add r1, r8
    add r3, r8
    add r5, r8
    add r7, r8
    add r0, r6
    ldr r6, [sp, #D_END]
    adds r2, #36
    cmp r2, r6
    bne.w 3b
    add sp, #D_FRAME
    vpop {d8-d15}
    pop {r4-r11, pc}
.endm

depthwise cut_3, cut, 3
depthwise cut_6, cut, 6
depthwise single_3, single, 3
depthwise single_6, single, 6
depthwise any, general, any

@ The same where a channel's taps are several vectors, or rows are not kept: weights lie as they are used.
@   r9 weights, r11 vectors left, otherwise as above; q0 q2 taps, q1 q3 weights
@   12 instructions for 64 MAC (0.19), 2 for each vector and 32 and more for four outputs
function tanbo_mve_depthwise_wide
    push {r4-r11, lr}
    vpush {d8-d15}
    sub sp, #D_FRAME
    ldrd r1, r2, [r0, #56]
    vdup.32 q0, r1
    vstrw.32 q0, [sp, #D_LOW]
    vdup.32 q0, r2
    vstrw.32 q0, [sp, #D_HIGH]
    add.w r2, r0, #24
    ldm r2, {r4-r11}
    @ in the place of the lanes: vectors, from the last one to the next pixel, bytes of a pixel
    lsrs r5, r5, #4
    ldr r3, [r0, #12]
    sub r2, r10, r5, lsl #4
    strd r5, r2, [sp, #D_LANES]
    str r3, [sp, #D_LANES + 8]
    stm sp, {r4-r11}
    ldrd r1, r9, [r0]
    ldrd r2, r4, [r0, #16]
    ldr r0, [r0, #8]
    add r3, r1, r9
    add r5, r3, r9
    add r7, r5, r9
3:  @ next four channels
    vldrw.32 q5, [r2, #16]
    vldrb.s32 q6, [r2, #32]
    ldr r6, [sp, #D_WIDTH]
    dls lr, r6
4:  @ next pixel
    ldm r2, {r6, r8, r10, r12}
    ldr r9, [sp, #D_WEIGHTS]
    ldr r11, [sp, #D_LANES]
5:  @ next vector
    vldrb.8 q0, [r1], #16
    vldrb.8 q1, [r9], #16
    vmladava.s8 r6, q0, q1
    vldrb.8 q2, [r3], #16
    vldrb.8 q3, [r9], #16
    vmladava.s8 r8, q2, q3
    vldrb.8 q0, [r5], #16
    vldrb.8 q1, [r9], #16
    vmladava.s8 r10, q0, q1
    vldrb.8 q2, [r7], #16
    vldrb.8 q3, [r9], #16
    vmladava.s8 r12, q2, q3
    subs r11, r11, #1
    bne 5b
    ldr r11, [sp, #D_LANES + 4]
    add r1, r11
    add r3, r11
    add r5, r11
    add r7, r11
    vmov q4[2], q4[0], r6, r10
    vmov q4[3], q4[1], r8, r12
    finish_general
    vstrb.32 q4, [r0]
    ldr r11, [sp, #D_LANES + 8]
    add r0, r11
    le lr, 4b
    str r9, [sp, #D_WEIGHTS]
    ldrd r8, r6, [sp, #D_HOP]
    add r1, r8
    add r3, r8
    add r5, r8
    add r7, r8
    add r0, r6
    ldr r6, [sp, #D_END]
    adds r2, #36
    cmp r2, r6
    bne.w 3b
    add sp, #D_FRAME
    vpop {d8-d15}
    pop {r4-r11, pc}

@ Writes a row of `width` pixels into a slot of the ring. r0: words destination, source, width, channels, bytes of a
@ channel, height.
@   r0 destination, r1 source, r2 pixels, r3 channels, r4 bytes of a channel, r5 height, r6 r7 places, r8 channels left; q2 q3
@   places of the channels of two vectors
@   7 instructions for 16 values
function tanbo_mve_ring_row
    push {r4-r8, lr}
    ldm r0, {r0-r5}
    movs r6, #0
    vidup.u16 q2, r6, #1
    vmul.i16 q2, q2, r4
    lsls r6, r4, #3
    vadd.i16 q3, q2, r6
    mov r8, r3
    b 2f
0:  @ next sixteen channels
    mov r6, r0
    mov r7, r1
    dls lr, r2
1:  vldrb.u16 q0, [r7]
    vldrb.u16 q1, [r7, #8]
    add r7, r3
    vstrb.16 q0, [r6, q2]
    vstrb.16 q1, [r6, q3]
    add r6, r5
    le lr, 1b
    adds r1, #16
    add r0, r0, r4, lsl #4
2:  subs r8, r8, #16
    bhs 0b
    adds r8, r8, #16
    beq 6f
    vctp.16 r8
3:  @ next eight channels, or fewer
    mov r6, r0
    mov r7, r1
    dls lr, r2
4:  vpstt
    vldrbt.u16 q0, [r7]
    vstrbt.16 q0, [r6, q2]
    add r7, r3
    add r6, r5
    le lr, 4b
    adds r1, #8
    add r0, r0, r4, lsl #3
    subs r8, r8, #8
    bls 6f
    vctp.16 r8
    b 3b
6:  pop {r4-r8, pc}

@ Writes r1 bytes of value r2 from r0 on, r3 bytes apart.
@   q0 value, q1 places
@   3 instructions for 16 values
function tanbo_mve_fill
    push {r4, lr}
    vdup.8 q0, r2
    movs r4, #0
    vidup.u8 q1, r4, #1
    vmul.i8 q1, q1, r3
    lsls r3, #4
    wlstp.8 lr, r1, 2f
1:  vstrb.8 q0, [r0, q1]
    add r0, r3
    letp lr, 1b
2:  pop {r4, pc}

@ Copies rows of pixels into a strip of columns. r0: words destination, source, pixels, channels, height, rows, bytes from
@ row to row.
@   r0 destination, r1 source, r2 pixels, r3 channels, r4 bytes of a column, r5 r6 places, r7 vectors left of a pixel, r8
@   rows, r9 from row to row, r10 source row, r11 destination row; q0 values
@   5 instructions for 16 values
function tanbo_mve_strip
    push {r4-r11, lr}
    ldrd r8, r9, [r0, #20]
    ldm r0, {r0-r4}
    mul r4, r4, r3
    mov r10, r1
    mov r11, r0
0:  lsrs r7, r3, #4
    beq 3f
1:  mov r5, r0
    mov r6, r1
    dls lr, r2
2:  vldrb.8 q0, [r6]
    add r6, r3
    vstrb.8 q0, [r5]
    add r5, r4
    le lr, 2b
    adds r0, #16
    adds r1, #16
    subs r7, #1
    bne 1b
3:  ands r5, r3, #15
    beq 5f
    vctp.8 r5
    dls lr, r2
4:  vpstt
    vldrbt.8 q0, [r1]
    vstrbt.8 q0, [r0]
    add r1, r3
    add r0, r4
    le lr, 4b
5:  add r10, r9
    add r11, r3
    mov r1, r10
    mov r0, r11
    subs r8, r8, #1
    bne 0b
    pop {r4-r11, pc}

@ The same where a vector holds several pixels: whole ones, or up to the end of the row.
@   r0 destination, r1 source, r2 values left, r3 values of a vector, r4 bytes of their columns, r5 values of a row, r8 r9
@   r10 r11 as above, r12 channels; q0 values, q1 places
@   8 instructions for a vector
function tanbo_mve_strip_small
    push {r4-r11, lr}
    ldrd r8, r9, [r0, #20]
    ldm r0, {r0-r4}
    mul r5, r2, r3
    mov r12, r3
    movs r6, #0
    viwdup.u8 q1, r6, r3, #1
    movs r6, #0
    vidup.u8 q0, r6, #1
    vsub.i8 q0, q0, q1
    vmul.i8 q0, q0, r4
    vadd.i8 q1, q0, q1
    movs r6, #16
    udiv r6, r6, r3
    mul r3, r3, r6
    mul r4, r4, r3
    mov r10, r1
    mov r11, r0
0:  mov r2, r5
1:  vctp.8 r2
    vpstt
    vldrbt.8 q0, [r1]
    vstrbt.8 q0, [r0, q1]
    add r1, r3
    add r0, r4
    subs r2, r3
    bgt 1b
    add r10, r9
    add r11, r12
    mov r1, r10
    mov r0, r11
    subs r8, r8, #1
    bne 0b
    pop {r4-r11, pc}

.purgem function
