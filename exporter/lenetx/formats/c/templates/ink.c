#define F_FAINTEST 32 /* ink of a pixel that counts; the strongest has 255 */
#define F_SOFT 4 /* cells over which the digit may fade; what is removed may fade over twice as many */
#define F_CELLS (F_MOST_PIXELS < 300 ? F_MOST_PIXELS : 300)

typedef struct {
    F_picture picture;
    uint8_t ink[256]; /* of each level of the picture, 0 to 255 */
    int left, top; /* of the pixel (0, 0) in the picture */
    int has_strays;
    int factor; /* pixels of the side of a cell */
    uint8_t removed[F_CELLS][(F_CELLS + 7) / 8]; /* a bit for each cell, if there are strays */
} F_source;

/* A pixel's ink, 0 to 255. */
static int F_ink(const F_source *source, int x, int y)
{
    x += source->left;
    y += source->top;
    if (source->has_strays) {
        const int column = x / source->factor, row = y / source->factor;
        if (source->removed[row][column / 8] >> column % 8 & 1) {
            return 0;
        }
    }
    return source->ink[F_level(&source->picture, x, y)];
}
