/* From reset to main, and the measured depth of the stack. */
#include "board.h"

/* Addresses from sections.ld. */
extern uint32_t data_start[], data_end[], data_in_flash[], bss_start[], bss_end[], stack_bottom[], stack_top[];

#define UNUSED 0xA5A5A5A5u
#define IN_USE 64 /* words below the frame of board_start that it may still write to */

_Noreturn void board_start(void)
{
    const uint32_t *from = data_in_flash;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
    const uint32_t *top = (const uint32_t *)__builtin_frame_address(0) - IN_USE;
    for (uint32_t *word = stack_bottom; word < top; word++) {
        *word = UNUSED;
    }
    board_exit((uint32_t)main());
}

uint32_t board_stack_used(void)
{
    const uint32_t *word = stack_bottom;
    while (word < stack_top && *word == UNUSED) {
        word++;
    }
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)word);
}

_Noreturn void board_fault(void)
{
    board_print("processor fault\n");
    board_exit(2);
}

/* GCC may call these two even without a C library. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes);
void *memset(void *to, int value, __SIZE_TYPE__ bytes);

void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes)
{
    uint8_t *target = to;
    for (const uint8_t *source = from; bytes > 0; bytes--) {
        *target++ = *source++;
    }
    return to;
}

void *memset(void *to, int value, __SIZE_TYPE__ bytes)
{
    for (uint8_t *target = to; bytes > 0; bytes--) {
        *target++ = (uint8_t)value;
    }
    return to;
}
