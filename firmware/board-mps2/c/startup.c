/* From reset to main: floating point on, variables as they begin. A fault ends the program with 101. */

#include "semihosting.h"

/* Coprocessor access control (Armv7-M Architecture Reference Manual, B3.2.20). */
#define CPACR (*(volatile uint32_t *)0xE000ED88)

extern uint32_t _stack_top, _data_start, _data_end, _data_image, _bss_start, _bss_end;

int main(void);
void start(void);

void start(void) {
    uint32_t *from = &_data_image;
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n isb");
    for (uint32_t *to = &_data_start; to < &_data_end; to++, from++) {
        *to = *from;
    }
    for (uint32_t *to = &_bss_start; to < &_bss_end; to++) {
        *to = 0;
    }
    semihosting_exit((uintptr_t)main());
}

static void fault(void) {
    semihosting_print("fault\n");
    semihosting_exit(101);
}

typedef void (*handler)(void);

/* Stack pointer, reset, and the exceptions of the core; no interrupt is enabled. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler handlers[15];
} vectors = {&_stack_top, {start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault}};
