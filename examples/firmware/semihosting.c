/* Input and output by semihosting: requests that QEMU, or a debugger at the real board, answers.
 * Without either, a request is a fault: replace this file.
 * Specification: https://github.com/ARM-software/abi-aa/blob/main/semihosting/semihosting.rst
 */
#include "board.h"

enum { SYS_OPEN = 0x01, SYS_WRITE0 = 0x04, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { READ_BINARY = 1, APPLICATION_EXIT = 0x20026 };

static const char file_name[] = "pictures.bin"; /* frames, one after the other, in QEMU's current folder */

void board_print(const char *text)
{
    board_semihosting(SYS_WRITE0, text);
}

void board_print_hex(uint32_t value)
{
    char text[9];
    for (int i = 0; i < 8; i++) {
        text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    }
    text[8] = '\0';
    board_print(text);
}

int board_read_picture(uint8_t *picture, uint32_t bytes)
{
    static uint32_t file; /* 0: not opened yet */
    if (file == 0) {
        const uint32_t open[] = {(uint32_t)(uintptr_t)file_name, READ_BINARY, sizeof file_name - 1};
        file = board_semihosting(SYS_OPEN, open);
    }
    if (file == UINT32_MAX) {
        return 0; /* there is no such file */
    }
    const uint32_t read[] = {file, (uint32_t)(uintptr_t)picture, bytes};
    return board_semihosting(SYS_READ, read) == 0; /* the number of bytes that are missing */
}

_Noreturn void board_exit(uint32_t status)
{
    const uint32_t end[] = {APPLICATION_EXIT, status};
    board_semihosting(SYS_EXIT_EXTENDED, end);
    for (;;) {
    }
}
