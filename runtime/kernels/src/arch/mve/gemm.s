@ Dot products of int8 patches with packed weights, requantized. The parameters are `Gemm` in gemm.rs.
@
@ tanbo_mve_gemm_*: two pixels by four channels.
@   r1 r3 patches, r5 weights, r7 records, r9 output, r11 rounds; r0 r2 r4 r6 sum up the first pixel, r8 r10 r12 lr the
@   second; q0 q1 activations, q2 q3 weights, q4 q5 bounds less the zero point, q6 zero point, q7 places of the outputs
@   14 instructions for 128 MAC (0.109); besides 2 for each round of four vectors and 25 to 29 for eight outputs
@
@ tanbo_mve_gemm_short_*: the same for up to four vectors; r11 counts groups.
@   14 instructions for 128 MAC, 23 besides for eight outputs
@
@ tanbo_mve_gemm_one_*: the same for one vector, whose activations stay in q0 and q1, and int8's own bounds; q2 q3 weights and
@ results, q4 q5 mantissas and shifts.
@   32 instructions for eight outputs
@
@ tanbo_mve_gemm_row: one pixel by eight channels.
@   r1 patch, r3 r5 weights of the two groups, otherwise as above; r0 r2 r4 r6 sum up the first group, r8 r10 r12 lr the
@   second
@   17 instructions for 128 MAC (0.133); besides 2 for each round and 36 for eight outputs (general: 52)
@
@ How sums are requantized (m mantissas, s shifts, negative to the right):
@   cut      VQRDMULH, VRSHL: where all below the zero point is cut off, half away from zero is half up; s <= 0
@   tflite   the same with one taken off negative values in between; s < 0
@   single   VQDMULH, VRSHL: floor(floor(a·m / 2^31) / 2^-s + 1/2); s < 0
@   general  any shift of either rounding: to the left before the multiplication
@ Then both vectors are narrowed into the halves of one, clamped, moved to the zero point, and the low bytes stored.

.cpu cortex-m55
.syntax unified
.thumb

@ The frame: parameters on the stack.
.set FIRST, 0
.set GROUP_BYTES, 4
.set ROUNDS, 8
.set ENTRY, 12
.set END, 16
.set WEIGHTS, 20
.set OUT, 28
.set COUNT, 32
.set STEP, 36
.set OUT_STEP, 40
.set SINGLE, 44 @ 0 TensorFlow Lite's rounding, 1 single; tanbo_mve_gemm_row: 2 cut, 3 single, s < 0
.set FRAME, 48

.macro function name
    .section .text.\name, "ax", %progbits
    .globl \name
    .type \name, %function
    .p2align 2
    .thumb_func
\name:
.endm

@ Saves registers, copies the parameters at r0, finds where the first round begins; a vector takes `bytes` of code.
.macro gemm_begin bytes
    push {r4-r11, lr}
    vpush {d8-d15}
    sub sp, #FRAME
    ldm r0!, {r1-r12}
    mov.w lr, #\bytes
    mul r4, r4, lr
    adr.w lr, 2f
    add r4, lr
    orr r4, #1
    stm sp, {r1-r12}
    ldm r0!, {r1-r3}
    vdup.16 q4, r1
    vdup.16 q5, r2
    vdup.16 q6, r3
    vldrw.32 q7, [r0]
    ldr r9, [sp, #OUT]
.endm

.macro gemm_end
    add sp, #FRAME
    vpop {d8-d15}
    pop {r4-r11, pc}
.endm

.macro pair_vector
    vldrb.8 q0, [r1], #16
    vldrb.8 q1, [r3], #16
    vldrb.8 q2, [r5], #16
    vmladava.s8 r0, q0, q2
    vmladava.s8 r8, q1, q2
    vldrb.8 q3, [r5], #16
    vmladava.s8 r2, q0, q3
    vmladava.s8 r10, q1, q3
    vldrb.8 q2, [r5], #16
    vmladava.s8 r4, q0, q2
    vmladava.s8 r12, q1, q2
    vldrb.8 q3, [r5], #16
    vmladava.s8 r6, q0, q3
    vmladava.s8 lr, q1, q3
.endm

.macro row_vector
    vldrb.8 q0, [r1], #16
    vldrb.8 q2, [r5], #16
    vmladava.s8 r0, q0, q2
    vldrb.8 q3, [r5], #16
    vmladava.s8 r2, q0, q3
    vldrb.8 q2, [r5], #16
    vmladava.s8 r4, q0, q2
    vldrb.8 q3, [r5], #16
    vmladava.s8 r6, q0, q3
    vldrb.8 q2, [r3], #16
    vmladava.s8 r8, q0, q2
    vldrb.8 q3, [r3], #16
    vmladava.s8 r10, q0, q3
    vldrb.8 q2, [r3], #16
    vmladava.s8 r12, q0, q2
    vldrb.8 q3, [r3], #16
    vmladava.s8 lr, q0, q3
.endm

@ Moves the sums into x and y.
.macro collect x, y
    vmov \x[2], \x[0], r0, r4
    vmov \x[3], \x[1], r2, r6
    vmov \y[2], \y[0], r8, r12
    vmov \y[3], \y[1], r10, lr
.endm

@ Requantizes q by mantissas m and shifts s of either sign, in the rounding that the frame names; s, t, r0, r2 are lost.
.macro requantize_general q, m, s, t
    ldr r2, [sp, #SINGLE]
    vmov.i32 \t, #0
    cbnz r2, 8f
    vmax.s32 \t, \t, \s
    vshl.s32 \q, \q, \t
    vldrw.32 \t, \m
    vqrdmulh.s32 \q, \q, \t
    vmov.i32 \t, #0
    vmin.s32 \s, \s, \t
    mov.w r0, #-1
    vcmp.s32 lt, \s, zr
    vpstt
    vcmpt.s32 lt, \q, zr
    vqaddt.s32 \q, \q, r0
    b.w 9f
8:  mov.w r0, #1
    vadd.i32 \s, \s, r0
    vmax.s32 \t, \t, \s
    vshl.s32 \q, \q, \t
    vldrw.32 \t, \m
    vqdmulh.s32 \q, \q, \t
    vmov.i32 \t, #0
    vmin.s32 \s, \s, \t
    vsub.i32 \s, \s, r0
9:  vrshl.s32 \q, \q, \s
.endm

.macro store_both
    vqmovnb.s32 q0, q0
    vqmovnt.s32 q0, q1
    vmax.s16 q0, q0, q4
    vmin.s16 q0, q0, q5
    vadd.i16 q0, q0, q6
    vstrb.16 q0, [r9, q7]
.endm

@ Moves to the next two pixels; ne if there are any.
.macro next_pair
    ldrd r1, r3, [sp, #FIRST]
    ldr r0, [sp, #STEP]
    add r1, r0
    add r3, r0
    strd r1, r3, [sp, #FIRST]
    ldrd r9, r2, [sp, #OUT]
    ldr r0, [sp, #OUT_STEP]
    add r9, r0
    subs r2, #1
    strd r9, r2, [sp, #OUT]
.endm

@ Multiplies x and y by mantissas m.
.macro multiply mode, x, y, m
    .ifc \mode, single
    vqdmulh.s32 \x, \x, \m
    vqdmulh.s32 \y, \y, \m
    .else
    vqrdmulh.s32 \x, \x, \m
    vqrdmulh.s32 \y, \y, \m
    .endif
.endm

.macro gemm_pair mode
function tanbo_mve_gemm_\mode
    gemm_begin 56
3:  @ next two pixels
    ldrd r5, r7, [sp, #WEIGHTS]
4:  @ next four channels
    ldrd r1, r3, [sp, #FIRST]
    ldm r7, {r0, r2, r4, r6}
    ldm r7!, {r8, r10, r12, lr}
    ldr r11, [sp, #ROUNDS]
    ldr pc, [sp, #ENTRY]
    .p2align 2
2:  pair_vector
    pair_vector
    pair_vector
    pair_vector
    subs.w r11, r11, #1
    bne 2b
    collect q0, q1
    .ifc \mode, general
    vldrb.s32 q3, [r7, #16]
    requantize_general q0, [r7], q3, q2
    vldrb.s32 q3, [r7, #16]
    requantize_general q1, [r7], q3, q2
    add.w r7, r7, #20
    .else
    vldrw.32 q2, [r7], #16
    vldrb.s32 q3, [r7], #4
    multiply \mode, q0, q1, q2
    .ifc \mode, tflite
    vshr.s32 q2, q0, #31
    vqadd.s32 q0, q0, q2
    vshr.s32 q2, q1, #31
    vqadd.s32 q1, q1, q2
    .endif
    vrshl.s32 q0, q0, q3
    vrshl.s32 q1, q1, q3
    .endif
    store_both
    ldr r0, [sp, #END]
    add.w r9, r9, #4
    cmp r7, r0
    bne.w 4b
    next_pair
    bne.w 3b
    gemm_end
.endm

.macro gemm_short mode
function tanbo_mve_gemm_short_\mode
    gemm_begin 56
3:  @ next two pixels
    ldrd r5, r7, [sp, #WEIGHTS]
    ldr r11, [sp, #ROUNDS]
4:  @ next four channels
    ldrd r1, r3, [sp, #FIRST]
    ldm r7, {r0, r2, r4, r6}
    ldm r7!, {r8, r10, r12, lr}
    ldr pc, [sp, #ENTRY]
    .p2align 2
2:  pair_vector
    pair_vector
    pair_vector
    pair_vector
    collect q0, q1
    vldrw.32 q2, [r7], #16
    vldrb.s32 q3, [r7], #4
    multiply \mode, q0, q1, q2
    vrshl.s32 q0, q0, q3
    vrshl.s32 q1, q1, q3
    store_both
    add.w r9, r9, #4
    subs r11, r11, #1
    bne.w 4b
    next_pair
    bne.w 3b
    gemm_end
.endm

.macro gemm_one mode
function tanbo_mve_gemm_one_\mode
    gemm_begin 0
2:
3:  @ next two pixels
    ldrd r1, r3, [sp, #FIRST]
    ldrd r5, r7, [sp, #WEIGHTS]
    ldr r11, [sp, #ROUNDS]
    vldrb.8 q0, [r1]
    vldrb.8 q1, [r3]
4:  @ next four channels
    ldm r7, {r0, r2, r4, r6}
    ldm r7!, {r8, r10, r12, lr}
    vldrb.8 q2, [r5], #16
    vmladava.s8 r0, q0, q2
    vmladava.s8 r8, q1, q2
    vldrb.8 q3, [r5], #16
    vmladava.s8 r2, q0, q3
    vmladava.s8 r10, q1, q3
    vldrb.8 q2, [r5], #16
    vmladava.s8 r4, q0, q2
    vmladava.s8 r12, q1, q2
    vldrb.8 q3, [r5], #16
    vmladava.s8 r6, q0, q3
    vmladava.s8 lr, q1, q3
    collect q2, q3
    vldrw.32 q4, [r7], #16
    vldrb.s32 q5, [r7], #4
    multiply \mode, q2, q3, q4
    vrshl.s32 q2, q2, q5
    vrshl.s32 q3, q3, q5
    vqmovnb.s32 q2, q2
    vqmovnt.s32 q2, q3
    vqadd.s16 q2, q2, q6
    vqmovnb.s16 q2, q2
    vstrb.16 q2, [r9, q7]
    add.w r9, r9, #4
    subs r11, r11, #1
    bne 4b
    next_pair
    bne.w 3b
    gemm_end
.endm

gemm_one cut
gemm_one single
gemm_short cut
gemm_short single
gemm_pair cut
gemm_pair tflite
gemm_pair single
gemm_pair general

function tanbo_mve_gemm_row
    gemm_begin 68
    ldrd r5, r7, [sp, #WEIGHTS]
4:  @ next eight channels
    ldrd r1, r3, [sp, #FIRST]
    add r3, r5
    add.w r11, r7, #36
    ldm r7, {r0, r2, r4, r6}
    ldm r11, {r8, r10, r12, lr}
    ldr r11, [sp, #ROUNDS]
    ldr pc, [sp, #ENTRY]
    .p2align 2
2:  row_vector
    row_vector
    row_vector
    row_vector
    subs.w r11, r11, #1
    bne 2b
    mov r5, r3
    collect q0, q1
    ldr r2, [sp, #SINGLE]
    cmp r2, #2
    blo.w 7f
    vldrw.32 q2, [r7, #16]
    vldrw.32 q3, [r7, #52]
    beq 5f
    vqdmulh.s32 q0, q0, q2
    vqdmulh.s32 q1, q1, q3
    b 6f
5:  vqrdmulh.s32 q0, q0, q2
    vqrdmulh.s32 q1, q1, q3
6:  vldrb.s32 q2, [r7, #32]
    vldrb.s32 q3, [r7, #68]
    vrshl.s32 q0, q0, q2
    vrshl.s32 q1, q1, q3
3:  store_both
    add.w r7, r7, #72
    ldr r0, [sp, #END]
    add.w r9, r9, #8
    cmp r7, r0
    bne.w 4b
    gemm_end
7:  vldrb.s32 q3, [r7, #32]
    requantize_general q0, "[r7, #16]", q3, q2
    vldrb.s32 q3, [r7, #68]
    requantize_general q1, "[r7, #52]", q3, q2
    b.w 3b

.purgem function
