/* Start-up, clock and semihosting of a Cortex-M4 or M7. */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_CONTROL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)
#define COPROCESSOR_ACCESS REGISTER(0xE000ED88u)
#define SYSTICK_MASK 0xFFFFFFu /* it has 24 bits */
#define SYSTICK_ENABLE 5u      /* on, at the processor's clock, without interrupts */

extern uint32_t stack_top[];

static void reset(void)
{
    COPROCESSOR_ACCESS |= 0xFu << 20; /* the floating-point unit is off at reset */
    __asm volatile("dsb\n isb" ::: "memory");
    SYSTICK_RELOAD = SYSTICK_MASK;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = SYSTICK_ENABLE;
    board_start();
}

typedef void (*handler)(void);

__attribute__((section(".start"), used)) static const struct {
    uint32_t *stack;
    handler exceptions[15]; /* numbers 1 (reset) to 15; this example uses no interrupt */
} vectors = {
    stack_top,
    {reset, board_fault, board_fault, board_fault, board_fault, board_fault, 0, 0, 0, 0, board_fault, board_fault, 0,
     board_fault, board_fault},
};

/* A real chip has a 32-bit counter of cycles too, DWT_CYCCNT; QEMU has not. */
uint32_t board_clock(void)
{
    return SYSTICK_VALUE;
}

uint32_t board_clock_since(uint32_t start)
{
    return (start - SYSTICK_VALUE) & SYSTICK_MASK; /* it counts down */
}

uint32_t board_semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
