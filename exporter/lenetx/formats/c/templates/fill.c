int P_frame_image(const uint8_t *grey, int width, int height, int stride, uint8_t *frame)
{
    F_picture picture;
    F_resizing resizing;
    uint8_t tile[F_TILE * F_TILE];
    int inner_width = @WIDTH@, inner_height = @HEIGHT@, left = 0, top = 0;
    const int wrong = F_check(grey, width, height, stride, frame);
    if (wrong != P_OK) {
        return wrong;
    }
    picture.pixels = grey;
    picture.stride = stride;
    picture.width = width;
    picture.height = height;
@FIT@
    F_begin(&resizing, &picture, width, height, inner_width, inner_height);
@CLEAR@
    for (int y = 0; y < @ROWS@; y += F_TILE) {
        for (int x = 0; x < @COLUMNS@; x += F_TILE) {
            const int columns = F_least(F_TILE, @COLUMNS@ - x);
            const int rows = F_least(F_TILE, @ROWS@ - y);
            F_resized(&resizing, x@SKIP_X@, y@SKIP_Y@, columns, rows, tile);
            for (int i = 0; i < rows; ++i) {
                for (int j = 0; j < columns * P_FRAME_CHANNELS; ++j) {
                    frame[((top + y + i) * P_FRAME_WIDTH + left + x) * P_FRAME_CHANNELS + j] =
                        tile[i * F_TILE + j / P_FRAME_CHANNELS];
                }
            }
        }
    }
    return P_OK;
}
