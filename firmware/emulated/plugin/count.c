/* TCG plugin: exact number of guest instructions executed between two addresses.
 *
 * Arguments: begin=ADDR,end=ADDR,out=FILE (addresses in hex, Thumb bit clear).
 * Whenever the instruction at `begin` and later the one at `end` executes, a line "pair COUNT" is appended to FILE:
 * the instructions from the one at `begin` (included) to the one at `end` (excluded). At exit a line "total COUNT" follows.
 * Debian packages no qemu-plugin.h, so the few prototypes of plugin API version 1 (QEMU 7.2, docs/devel/tcg-plugins.rst)
 * are declared here. Build: cc -O2 -shared -fPIC -o count.so count.c
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned vcpu, void *userdata),
                                            int flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *counter, uint64_t addend);

EXPORT int qemu_plugin_version = 1;

static uint64_t begin_address, end_address;
static uint64_t executed, at_begin;
static bool open_pair;
static FILE *out;

/* Marker callbacks run on the same side of the inline addition of their own instruction, so the difference is exact. */
static void on_begin(unsigned vcpu, void *userdata)
{
    (void)vcpu, (void)userdata;
    at_begin = executed;
    open_pair = true;
}

static void on_end(unsigned vcpu, void *userdata)
{
    (void)vcpu, (void)userdata;
    if (open_pair) {
        fprintf(out, "pair %" PRIu64 "\n", executed - at_begin);
        fflush(out);
        open_pair = false;
    }
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
