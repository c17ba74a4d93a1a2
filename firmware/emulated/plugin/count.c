/* TCG plugin: exact number of guest instructions executed between two addresses.
 *
 * Arguments: begin=ADDR,end=ADDR,out=FILE (addresses in hex, Thumb bit clear) and, optionally, timings=cortex-m4.
 * Whenever the instruction at `begin` and later the one at `end` executes, a line "pair COUNT" is appended to FILE:
 * the instructions from the one at `begin` (included) to the one at `end` (excluded). At exit a line "total COUNT" follows.
 * With timings the line is "pair COUNT CYCLES": what a core of that kind would take by its manual, see cortex_m4.h.
 * Debian packages no qemu-plugin.h, so the few prototypes of plugin API version 1 (QEMU 7.2, docs/devel/tcg-plugins.rst)
 * are declared here. Build: cc -O2 -shared -fPIC -o count.so count.c
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cortex_m4.h"

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { CB_NO_REGS = 0 };       /* qemu_plugin_cb_flags */
enum { INLINE_ADD_U64 = 0 };   /* qemu_plugin_op */

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *userdata), void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned vcpu, void *userdata), int flags,
                                          void *userdata);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned vcpu, void *userdata),
                                            int flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *counter, uint64_t addend);

EXPORT int qemu_plugin_version = 1;

static uint64_t begin_address, end_address;
static uint64_t executed, at_begin;
static uint64_t cycles, cycles_at_begin;
static bool open_pair, timings;
static FILE *out;

/* Marker callbacks run on the same side of the inline addition of their own instruction, so the difference is exact. */
static void on_begin(unsigned vcpu, void *userdata)
{
    (void)vcpu, (void)userdata;
    at_begin = executed;
    cycles_at_begin = cycles;
    open_pair = true;
}

static void on_end(unsigned vcpu, void *userdata)
{
    (void)vcpu, (void)userdata;
    if (open_pair) {
        fprintf(out, "pair %" PRIu64, executed - at_begin);
        if (timings)
            fprintf(out, " %" PRIu64, cycles - cycles_at_begin);
        fputc('\n', out);
        fflush(out);
        open_pair = false;
    }
}

/* A block of translated code: where it begins and ends, and what its last instruction costs if it jumps. */
struct block {
    uint64_t begin, end;
    unsigned refill;
    bool wide_unaligned; /* first instruction */
};

/* The block that ran last. */
static const struct block *last;

static void on_block(unsigned vcpu, void *userdata)
{
    (void)vcpu;
    const struct block *now = userdata;
    if (last && last->refill && now->begin != last->end)
        cycles += last->refill + now->wide_unaligned;
    last = now;
}

/* Adds the cycles of each instruction as it executes, and of the jump from the block before. */
static void time_block(struct qemu_plugin_tb *tb, size_t n)
{
    /* Lives as long as the translation, which QEMU does not announce the end of. */
    struct block *block = calloc(1, sizeof *block);
    struct timing before = {0};
    bool before_is_narrow = false;
    if (!block || !n)
        abort();
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint8_t *bytes = qemu_plugin_insn_data(insn);
        size_t size = qemu_plugin_insn_size(insn);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        unsigned first = bytes[0] | bytes[1] << 8;
        struct timing now = size == 4 ? wide(first, bytes[2] | (unsigned)bytes[3] << 8) : narrow(first);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &cycles,
                                                   cycles_after(&now, &before, before_is_narrow));
        if (i == 0) {
            block->begin = address;
            block->wide_unaligned = size == 4 && address % 4;
        }
        block->end = address + size;
        block->refill = now.refill;
        before = now;
        before_is_narrow = size == 2;
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_NO_REGS, block);
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        if (address == begin_address)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_begin, CB_NO_REGS, NULL);
        if (address == end_address)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, CB_NO_REGS, NULL);
        /* Per instruction, not per block: a block that faults half way counts what it executed. */
        qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &executed, 1);
    }
    if (timings)
        time_block(tb, n);
}

static void on_exit_(uint64_t id, void *userdata)
{
    (void)id, (void)userdata;
    fprintf(out, "total %" PRIu64 "\n", executed);
    fclose(out);
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "begin=", 6)) {
            begin_address = strtoull(argv[i] + 6, NULL, 16);
        } else if (!strncmp(argv[i], "end=", 4)) {
            end_address = strtoull(argv[i] + 4, NULL, 16);
        } else if (!strncmp(argv[i], "out=", 4)) {
            out = fopen(argv[i] + 4, "w");
            if (!out)
                perror(argv[i] + 4);
        } else if (!strcmp(argv[i], "timings=cortex-m4")) {
            timings = true;
        } else {
            fprintf(stderr, "count plugin: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (!out || !begin_address || !end_address) {
        fprintf(stderr, "count plugin: needs begin=ADDR,end=ADDR,out=FILE\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
    return 0;
}
