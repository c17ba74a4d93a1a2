/* Files of the host that runs the emulator or holds the probe: Arm's semihosting, as far as main.c needs it
   (developer.arm.com, "Semihosting for AArch32 and AArch64"). */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stddef.h>
#include <stdint.h>

/* Modes of SYS_OPEN: "rb" and "wb". */
enum { SEMIHOSTING_READ = 1, SEMIHOSTING_WRITE = 5 };

static inline intptr_t semihosting_call(uintptr_t operation, const void *parameters) {
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (intptr_t)r0;
}

static inline size_t semihosting_length(const char *text) {
    size_t length = 0;
    while (text[length] != 0) {
        length++;
    }
    return length;
}

/* A handle, or below 0. */
static inline int semihosting_open(const char *name, uintptr_t mode) {
    const uintptr_t parameters[] = {(uintptr_t)name, mode, semihosting_length(name)};
    return (int)semihosting_call(0x01, parameters);
}

/* How many bytes were read. */
static inline size_t semihosting_read(int handle, void *bytes, size_t length) {
    const uintptr_t parameters[] = {(uintptr_t)handle, (uintptr_t)bytes, length};
    return length - (size_t)semihosting_call(0x06, parameters);
}

/* Whether all bytes were written. */
static inline int semihosting_write(int handle, const void *bytes, size_t length) {
    const uintptr_t parameters[] = {(uintptr_t)handle, (uintptr_t)bytes, length};
    return semihosting_call(0x05, parameters) == 0;
}

static inline void semihosting_print(const char *text) {
    semihosting_call(0x04, text);
}

static inline _Noreturn void semihosting_exit(uintptr_t code) {
    /* ADP_Stopped_ApplicationExit */
    const uintptr_t parameters[] = {0x20026, code};
    semihosting_call(0x20, parameters);
    for (;;) {
    }
}

#endif
