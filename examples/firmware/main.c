/* Check the network on this processor, then label pictures.
 *
 * Start from this file: keep the calls of lenet5_..., and replace those of board_... with your camera, clock and output.
 */
#include "board.h"
#include "lenet5.h"

#define PICTURE_BYTES (LENET5_FRAME_HEIGHT * LENET5_FRAME_WIDTH * LENET5_FRAME_CHANNELS)

/* All of the memory that the network needs besides the stack. Between two calls anything else may use it. */
static _Alignas(64) uint8_t scratch[LENET5_SCRATCH_BYTES];
static uint8_t picture[PICTURE_BYTES];

/* Print a picture's label, the count of the clock, and the bits of each logit, so that no digit is lost. */
static void print_result(int index, uint32_t count, const float *logits)
{
    board_print(lenet5_labels[index]);
    board_print(" ");
    board_print_hex(count);
    for (int i = 0; i < LENET5_CLASSES; i++) {
        union {
            float value;
            uint32_t bits;
        } logit = {logits[i]};
        board_print(" ");
        board_print_hex(logit.bits);
    }
    board_print("\n");
}

int main(void)
{
    float logits[LENET5_CLASSES];

    board_print("weights " LENET5_WEIGHTS_SHA256 "\n");

    /* Once after power-up: the golden pictures must give the logits of PyTorch, within the limits of the proof. */
    int status = lenet5_selftest(scratch);
    if (status != LENET5_OK) {
        board_print("self-test failed\n");
        return 1;
    }
    board_print("self-test passed\n");

    /* A frame of the network's own size. For a grey picture of any size, such as a camera's, call
     * lenet5_predict_image(pixels, width, height, stride, logits, scratch) instead. */
    while (board_read_picture(picture, PICTURE_BYTES)) {
        uint32_t start = board_clock();
        int index = lenet5_predict_frame(picture, logits, scratch);
        uint32_t count = board_clock_since(start);
        if (index < 0) {
            board_print("prediction failed\n");
            return 1;
        }
        print_result(index, count, logits);
    }
    board_print("stack ");
    board_print_hex(board_stack_used());
    board_print("\n");
    return 0;
}
