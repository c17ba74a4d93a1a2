/* TCG plugin: how often each instruction of an image below 16 MB was executed, outside of what is not to be counted.
 *
 * Arguments: out=FILE,enter=ADDR,leave=ADDR (addresses in hex, Thumb bit clear): from the instruction at `enter` to the one at
 * `leave` nothing counts. At exit a line "ADDRESS COUNT" (hexadecimal, decimal) per instruction follows in FILE.
 * Per instruction, not per block: a block that is left half way counts what it executed. Prototypes as in count.c.
 * Build: cc -O2 -shared -fPIC -o profile.so profile.c
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
/* Half-words below this are counted. */
#define HALF_WORDS (8u << 20)

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { CB_NO_REGS = 0 };       /* qemu_plugin_cb_flags */

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *userdata), void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned vcpu, void *userdata),
                                            int flags, void *userdata);

EXPORT int qemu_plugin_version = 1;

static uint64_t enter_address, leave_address;
static uint64_t *counts;
static bool counting = true;
static FILE *out;

static void on_instruction(unsigned vcpu, void *userdata)
{
    (void)vcpu;
    if (counting)
        ++*(uint64_t *)userdata;
}

static void on_enter(unsigned vcpu, void *userdata)
{
    (void)vcpu, (void)userdata;
    counting = false;
}

static void on_leave(unsigned vcpu, void *userdata)
{
    (void)vcpu, (void)userdata;
    counting = true;
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        if (address == enter_address)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_enter, CB_NO_REGS, NULL);
        else if (address == leave_address)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_leave, CB_NO_REGS, NULL);
        else if (address / 2 < HALF_WORDS)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, CB_NO_REGS, &counts[address / 2]);
    }
}

static void on_exit_(uint64_t id, void *userdata)
{
    (void)id, (void)userdata;
    for (size_t i = 0; i < HALF_WORDS; i++)
        if (counts[i])
            fprintf(out, "%zx %" PRIu64 "\n", 2 * i, counts[i]);
    fclose(out);
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "enter=", 6))
            enter_address = strtoull(argv[i] + 6, NULL, 16);
        else if (!strncmp(argv[i], "leave=", 6))
            leave_address = strtoull(argv[i] + 6, NULL, 16);
        else if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
    }
    counts = calloc(HALF_WORDS, sizeof *counts);
    if (!out || !counts || !enter_address || !leave_address) {
        fprintf(stderr, "profile plugin: needs out=FILE,enter=ADDR,leave=ADDR\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
    return 0;
}
