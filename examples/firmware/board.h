/* What main.c needs of a board. semihosting.c, cortex_m.c and riscv.c provide it for QEMU's. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);
void board_print_hex(uint32_t value);

/* Read the next picture. Returns 1, or 0 after the last one. */
int board_read_picture(uint8_t *picture, uint32_t bytes);

/* A clock, and how far it has advanced since `start`: processor cycles, or instructions in QEMU (see README.md). */
uint32_t board_clock(void);
uint32_t board_clock_since(uint32_t start);

/* The most bytes of stack that were in use at any time since the start. */
uint32_t board_stack_used(void);

/* End the program; QEMU exits with this status. */
_Noreturn void board_exit(uint32_t status);

/* For the board's files only. */
uint32_t board_semihosting(uint32_t operation, const void *argument); /* a request to the debugger or to QEMU */
_Noreturn void board_start(void); /* prepare memory for C, call main and exit */
_Noreturn void board_fault(void); /* what every exception ends in */
int main(void);

#endif
