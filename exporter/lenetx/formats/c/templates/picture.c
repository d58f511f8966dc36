/* Numbers are not exact where this does not compile. */
typedef char F_has_wide_numbers[sizeof(int) >= 4 && sizeof(double) == 8 ? 1 : -1];

typedef struct {
    const uint8_t *pixels;
    int stride; /* from one row to the next */
    int width;
    int height;
} F_picture;

/* A pixel, 0 to 255. */
static int F_level(const F_picture *picture, int x, int y)
{
    return picture->pixels[(ptrdiff_t)y * picture->stride + x];
}

static int F_check(const uint8_t *grey, int width, int height, int stride, const uint8_t *frame)
{
    if (grey == 0 || frame == 0) {
        return P_ERROR_NULL;
    }
    if (width < 1 || height < 1 || width > F_MOST_PIXELS || height > F_MOST_PIXELS) {
        return P_ERROR_SIZE;
    }
    return stride < width ? P_ERROR_STRIDE : P_OK;
}

static int F_least(int one, int other)
{
    return one < other ? one : other;
}

static int F_most(int one, int other)
{
    return one > other ? one : other;
}

/* The mean of a block of pixels as Pillow's reduce rounds it. */
static int F_mean(uint32_t sum, uint32_t count)
{
    const uint32_t factor = (uint32_t)(0x1p32f / (float)(256u * count));
    return (int)(((sum + count / 2u) * factor) >> 24);
}
