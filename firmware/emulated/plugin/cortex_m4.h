/* Cycles of a Cortex-M4 for one Thumb instruction, as its Technical Reference Manual states them (Arm 100166, formerly
 * DDI 0439: table of processor instructions, load/store timings, FPU instruction set), for memory without wait states.
 *
 *   data processing, multiplies of every width, DSP, saturation     1
 *   SDIV, UDIV                                                      7   (2 to 12 by their operands, which are not seen here)
 *   MRS, MSR, CPS                                                   2
 *   LDR and its kin                                                 2   1 directly after another LDR
 *   STR [Rn, #imm]                                                  1
 *   STR [Rn, Rm]                                                    2   1 directly after an LDR
 *     the address of which the instruction before has loaded: not pipelined; has computed: 1 more
 *   LDRD, STRD                                                      3
 *   LDM, STM, PUSH, POP of N registers                              1 + N
 *   branch                                                          1, taken + P
 *   LDR PC                                                          3 + P
 *   TBB, TBH                                                        4 + P
 *   IT                                                              1   0 after a 16-bit instruction
 *   VADD, VSUB, VMUL, VCVT, VCMP, VMOV ...                          1   VMOV of two core registers 2
 *   VMLA, VFMA and their kin 3; VDIV, VSQRT 14; VLDR, VSTR 1 + words; VLDM, VSTM, VPUSH, VPOP 1 + words
 *   P, the refill of the pipeline: 1, for a target in a register 2; 1 more where the target is a 32-bit instruction that is
 *   not at a multiple of 4
 *
 * What is left out: wait states and bus contention (flash, literal loads), unaligned accesses, interrupts; an instruction
 * that an IT block skips counts as if it ran; a block of translated code begins as if nothing had run before it.
 */
#ifndef CORTEX_M4_H
#define CORTEX_M4_H

#include <stdbool.h>
#include <stdint.h>

enum kind { OTHER, COMPUTES, LOADS, STORES };

struct timing {
    unsigned cycles;  /* on their own; of a branch, not taken */
    unsigned refill;  /* P if it is a branch that is taken */
    enum kind kind;
    uint16_t address; /* registers that its address is made of, a bit each */
    uint16_t result;  /* registers that it computes or loads */
    bool pipelines;   /* a cycle less directly after a load */
    bool is_it;
};

#define REG(n) ((uint16_t)(1u << ((n) & 15)))

static struct timing computes(unsigned cycles, uint16_t result)
{
    return (struct timing){.cycles = cycles, .kind = COMPUTES, .result = result};
}

static struct timing branch(unsigned cycles, unsigned refill)
{
    return (struct timing){.cycles = cycles, .refill = refill};
}

static struct timing loads(uint16_t result, uint16_t address)
{
    return (struct timing){.cycles = 2, .kind = LOADS, .result = result, .address = address, .pipelines = true};
}

/* With an index register it takes a cycle more, unless pipelined. */
static struct timing stores(uint16_t address, bool indexed)
{
    return (struct timing){.cycles = 1u + indexed, .kind = STORES, .address = address, .pipelines = indexed};
}

static struct timing moves_many(unsigned registers, uint16_t address, bool to_pc)
{
    return (struct timing){.cycles = 1 + registers, .refill = to_pc ? 2 : 0, .address = address};
}

static struct timing narrow(unsigned h)
{
    unsigned low = h & 7, middle = h >> 3 & 7, high = h >> 8 & 7;
    switch (h >> 12) {
    case 0x0: case 0x1:
        return computes(1, REG(low));
    case 0x2: case 0x3: /* 00101 compares */
        return computes(1, h >> 11 == 5 ? 0 : REG(high));
    case 0x4:
        if (h & 0x0800) /* literal */
            return loads(REG(high), 0);
        if (!(h & 0x0400)) { /* TST, CMP, CMN have no result */
            unsigned op = h >> 6 & 15;
            return computes(1, op == 8 || op == 10 || op == 11 ? 0 : REG(low));
        }
        switch (h >> 8 & 3) {
        case 3: /* BX, BLX */
            return branch(1, 2);
        case 1: /* CMP */
            return computes(1, 0);
        default: { /* ADD, MOV: high registers */
            unsigned to = low | (h >> 4 & 8);
            return to == 15 ? branch(1, 2) : computes(1, REG(to));
        }
        }
    case 0x5:
        return (h >> 9 & 7) < 3 ? stores(REG(middle) | REG(h >> 6 & 7), true)
                                : loads(REG(low), REG(middle) | REG(h >> 6 & 7));
    case 0x6: case 0x7: case 0x8:
        return h & 0x0800 ? loads(REG(low), REG(middle)) : stores(REG(middle), false);
    case 0x9:
        return h & 0x0800 ? loads(REG(high), REG(13)) : stores(REG(13), false);
    case 0xa:
        return computes(1, REG(high));
    case 0xb:
        if ((h & 0x0f00) == 0)
            return computes(1, REG(13));
        if ((h & 0x0500) == 0x0100) /* CBZ, CBNZ */
            return branch(1, 1);
        if ((h & 0x0600) == 0x0400) { /* PUSH, POP; bit 8: LR, PC */
            bool pop = h & 0x0800;
            return moves_many((unsigned)__builtin_popcount(h & 0x1ff), REG(13), pop && (h & 0x0100));
        }
        if ((h & 0x0f00) == 0x0f00) /* IT; hints */
            return h & 15 ? (struct timing){.cycles = 1, .is_it = true} : computes(1, 0);
        if ((h & 0x0fe0) == 0x0660) /* CPS */
            return branch(2, 0);
        return computes(1, REG(low)); /* extensions, reversals */
    case 0xc:
        return moves_many((unsigned)__builtin_popcount(h & 0xff), REG(high), false);
    default: /* 0xd, 0xe: branches */
        return branch(1, 1);
    }
}

static struct timing floating(unsigned h, unsigned g)
{
    if ((h & 0xffe0) == 0xec40) /* two core registers */
        return branch(2, 0);
    if ((h & 0xfe00) == 0xec00) {
        bool one = (h & 0x0120) == 0x0100; /* VLDR, VSTR; else the words of a list */
        unsigned words = one ? 1u + (g >> 8 & 1) : g & 0xff;
        return moves_many(words, REG(h), false);
    }
    if (g & 0x10) /* to and from a core register */
        return branch(1, 0);
    switch ((h >> 5 & 4) | (h >> 4 & 3)) { /* bits 7, 5, 4 */
    case 2: case 3: /* VMUL; VADD, VSUB */
        return branch(1, 0);
    case 4:
        return branch(14, 0);
    case 7:
        return branch((h & 15) == 1 && (g & 0xc0) == 0xc0 ? 14 : 1, 0);
    default: /* multiply and accumulate */
        return branch(3, 0);
    }
}

static struct timing wide(unsigned h, unsigned g)
{
    unsigned base = h & 15, to = g >> 8 & 15, target = g >> 12;
    if ((h & 0xfe40) == 0xe800) /* LDM, STM */
        return moves_many((unsigned)__builtin_popcount(g), REG(base), (h & 0x10) && (g & 0x8000));
    if ((h & 0xfe40) == 0xe840) {
        if ((h & 0xfff0) == 0xe8d0 && (g & 0xffe0) == 0xf000) /* TBB, TBH */
            return (struct timing){.cycles = 4, .refill = 2, .address = REG(base) | REG(g)};
        if (!(h & 0x0120)) /* exclusive */
            return h & 0x10 ? loads(REG(target), REG(base)) : stores(REG(base), true);
        return (struct timing){.cycles = 3, .address = REG(base)}; /* LDRD, STRD */
    }
    if ((h & 0xfe00) == 0xea00 || (h & 0xff00) == 0xfa00 || ((h & 0xf800) == 0xf000 && !(g & 0x8000)))
        return computes(1, to == 15 ? 0 : REG(to));
    if ((h & 0xf800) == 0xf000) {
        if ((g & 0xd000) == 0x8000 && (h >> 6 & 14) == 14) /* not a condition: control registers, barriers, hints */
            return branch((h & 0xffe0) == 0xf380 || (h & 0xffe0) == 0xf3e0 ? 2 : 1, 0);
        return branch(1, 1);
    }
    if ((h & 0xfe00) == 0xf800) {
        bool indexed = !(h & 0x80) && base != 15 && !(g & 0x0800);
        bool writes_back = !(h & 0x80) && base != 15 && (g & 0x0800) && (g & 0x0100);
        uint16_t address = (base == 15 ? 0 : REG(base)) | (indexed ? REG(g) : 0);
        if (!(h & 0x10))
            return stores(address, indexed);
        if (target == 15) /* LDR PC, or a hint to the memory */
            return (h & 0x60) == 0x40 ? (struct timing){.cycles = 3, .refill = 2, .address = address} : branch(1, 0);
        return loads(REG(target) | (writes_back ? REG(base) : 0), address);
    }
    if ((h & 0xff80) == 0xfb00)
        return computes(1, REG(to));
    if ((h & 0xff80) == 0xfb80)
        return (g & 0xf0) == 0xf0 ? computes((h & 0x10) ? 7 : 1, REG(to)) : computes(1, REG(to) | REG(target));
    return floating(h, g);
}

/* Cycles of `now` directly after `before`. */
static unsigned cycles_after(const struct timing *now, const struct timing *before, bool before_is_narrow)
{
    unsigned cycles = now->cycles;
    if (now->is_it)
        return before_is_narrow ? 0 : 1;
    if (before->kind == LOADS && now->pipelines && !(before->result & now->address))
        cycles--;
    if (before->kind == COMPUTES && (before->result & now->address))
        cycles++;
    return cycles;
}

#endif
