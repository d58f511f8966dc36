/* Start-up, clock and semihosting of a 32-bit RISC-V core in machine mode. */
#include "board.h"

void start(void);

__attribute__((naked, section(".start"), used)) void start(void)
{
    __asm volatile(".option push\n"
                   ".option norelax\n"
                   ".option arch, +zicsr\n"
                   "la sp, stack_top\n"
                   "la t0, trap\n"
                   "csrw mtvec, t0\n"
                   ".option pop\n"
                   "j board_start\n"
                   ".balign 4\n" /* mtvec holds a multiple of 4 */
                   "trap: j board_fault\n");
}

uint32_t board_clock(void)
{
    uint32_t instructions;
    __asm volatile(".option push\n"
                   ".option arch, +zicsr\n"
                   "csrr %0, minstret\n"
                   ".option pop\n"
                   : "=r"(instructions)::"memory");
    return instructions;
}

uint32_t board_clock_since(uint32_t start)
{
    return board_clock() - start;
}

/* The three instructions that mean a request must not be compressed, nor lie in two pages. */
__attribute__((noinline)) uint32_t board_semihosting(uint32_t operation, const void *argument)
{
    register uint32_t a0 __asm("a0") = operation;
    register const void *a1 __asm("a1") = argument;
    __asm volatile(".option push\n"
                   ".option norvc\n"
                   ".balign 16\n"
                   "slli x0, x0, 0x1f\n"
                   "ebreak\n"
                   "srai x0, x0, 7\n"
                   ".option pop\n"
                   : "+r"(a0)
                   : "r"(a1)
                   : "memory");
    return a0;
}
