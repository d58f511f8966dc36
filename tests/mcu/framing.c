/* Frame pictures: each starts with its width and height, two bytes each, the low one first. */
#include "board.h"
#include "lenet5.h"

enum { FRAME_BYTES = LENET5_FRAME_HEIGHT * LENET5_FRAME_WIDTH * LENET5_FRAME_CHANNELS };

static uint8_t picture[128 * 128], frame[FRAME_BYTES];

int main(void)
{
    uint8_t size[4];
    while (board_read_picture(size, sizeof size)) {
        const int width = size[0] | size[1] << 8, height = size[2] | size[3] << 8;
        if (!board_read_picture(picture, (uint32_t)(width * height))) {
            return 1;
        }
        const uint32_t start = board_clock();
        const int status = lenet5_frame_image(picture, width, height, width, frame);
        const uint32_t count = board_clock_since(start);
        if (status != LENET5_OK) {
            return 1;
        }
        uint32_t word = 0;
        board_print("frame ");
        board_print_hex(count);
        for (int i = 0; i < FRAME_BYTES; i++) {
            word = word << 8 | frame[i];
            if (i % 4 == 3) {
                board_print(" ");
                board_print_hex(word);
            }
        }
        board_print("\n");
    }
    board_print("stack ");
    board_print_hex(board_stack_used());
    board_print("\n");
    return 0;
}
