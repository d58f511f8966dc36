/* A frame as MNIST has them: the ink of a digit in a box of 20 x 20, centred by mass, light on dark. */
#define F_SIDE 28
#define F_LIGHT 128

/* Whether the border of a 28 x 28 picture is dark, some pixel light, and one of four near the corners dark. */
static int F_is_frame(const F_picture *picture, const uint8_t *ink)
{
    uint32_t border[256] = {0}, dark = 0;
    int lightest = 0, corner = 0;
    const uint32_t total = F_count_border(picture, border);
    for (int level = 0; level < 256; ++level) {
        dark += ink[level] < 16 ? border[level] : 0u;
    }
    for (int i = 0; i < F_SIDE * F_SIDE; ++i) {
        const int level = F_level(picture, i % F_SIDE, i / F_SIDE);
        lightest = F_most(lightest, ink[level]);
    }
    for (int i = 0; i < 4; ++i) {
        const int x = i % 2 ? F_SIDE - 5 : 4, y = i / 2 ? F_SIDE - 5 : 4;
        corner |= ink[F_level(picture, x, y)] < F_LIGHT;
    }
    return dark * 2u > total && lightest >= F_LIGHT && corner;
}

static int F_stretched(int level, int strongest)
{
    return F_least((level * 255 + strongest / 2) / strongest, 255);
}

/* The ink of each level: how much it differs from the border's median, darker or lighter. Returns 0 if none does. */
static int F_find_ink(const F_picture *picture, uint8_t *ink)
{
    uint32_t border[256] = {0};
    const uint32_t total = F_count_border(picture, border);
    const int paper = F_median_twice(border, total) / 2;
    int lowest = 255, highest = 0, strongest;
    for (int y = 0; y < picture->height; ++y) {
        for (int x = 0; x < picture->width; ++x) {
            const int level = F_level(picture, x, y);
            lowest = F_least(lowest, level);
            highest = F_most(highest, level);
        }
    }
    strongest = F_most(paper - lowest, highest - paper);
    for (int level = 0; level < 256 && strongest > 0; ++level) {
        const int darker = paper - lowest > highest - paper ? paper - level : level - paper;
        ink[level] = (uint8_t)F_stretched(F_most(darker, 0), strongest);
    }
    return strongest;
}

/* Find the box around the ink, and the strongest ink. Returns that. */
static int F_measure(const F_source *source, int *box)
{
    int strongest = 0;
    box[0] = source->picture.height;
    box[1] = source->picture.width;
    box[2] = box[3] = 0;
    for (int y = 0; y < source->picture.height; ++y) {
        for (int x = 0; x < source->picture.width; ++x) {
            const int ink = F_ink(source, x, y);
            strongest = F_most(strongest, ink);
            if (ink >= F_FAINTEST) {
                box[0] = F_least(box[0], y);
                box[1] = F_least(box[1], x);
                box[2] = F_most(box[2], y + 1);
                box[3] = F_most(box[3], x + 1);
            }
        }
    }
    return strongest;
}

/* Put ink of at most 20 x 20 into the middle of a frame. Returns whether there is any. */
static int F_centred(const uint8_t *ink, int width, int height, uint8_t *frame)
{
    int strongest = 0, mass = 0, down = 0, across = 0, top, left;
    for (int i = 0; i < F_TILE * F_TILE; ++i) {
        const int inside = i % F_TILE < width && i / F_TILE < height;
        strongest = inside ? F_most(strongest, ink[i]) : strongest;
    }
    if (strongest == 0) {
        return 0;
    }
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const int level = F_stretched(ink[y * F_TILE + x], strongest);
            mass += level;
            down += level * y;
            across += level * x;
        }
    }
    top = F_rounded(F_SIDE / 2 - (double)down / mass);
    left = F_rounded(F_SIDE / 2 - (double)across / mass);
    top = F_least(top, F_SIDE - height);
    left = F_least(left, F_SIDE - width);
    for (int i = 0; i < F_SIDE * F_SIDE; ++i) {
        const int x = i % F_SIDE - left, y = i / F_SIDE - top;
        const int inside = x >= 0 && x < width && y >= 0 && y < height;
        frame[i] = (uint8_t)(inside ? F_stretched(ink[y * F_TILE + x], strongest) : 0);
    }
    return 1;
}

/* A picture that is a frame already, or a faint one. */
static int F_is_framed(const F_picture *picture, uint8_t *ink, uint8_t *frame)
{
    int faint = 1;
    if (picture->width != F_SIDE || picture->height != F_SIDE) {
        return 0;
    }
    for (int level = 0; level < 256; ++level) {
        ink[level] = (uint8_t)level;
    }
    for (int i = 0; i < F_SIDE * F_SIDE; ++i) {
        faint = faint && F_level(picture, i % F_SIDE, i / F_SIDE) < F_LIGHT;
    }
    if (!F_is_frame(picture, ink)) {
        if (!faint || !F_find_ink(picture, ink) || !F_is_frame(picture, ink)) {
            return 0;
        }
    }
    for (int i = 0; i < F_SIDE * F_SIDE; ++i) {
        frame[i] = ink[F_level(picture, i % F_SIDE, i / F_SIDE)];
    }
    return 1;
}

/* Remove what is not of the digit. Returns whether ink is left. */
static int F_without_strays(F_source *source)
{
    const F_picture *picture = &source->picture;
    F_cells cells;
    int box[4], strongest;
    source->factor = (F_most(picture->width, picture->height) + F_CELLS - 1) / F_CELLS;
    cells.columns = (picture->width + source->factor - 1) / source->factor;
    cells.rows = (picture->height + source->factor - 1) / source->factor;
    cells.source = source;
    if (!F_keep_parts(&cells)) {
        return 1;
    }
    F_remove(&cells, source);
    source->has_strays = 1;
    strongest = F_measure(source, box);
    for (int level = 0; level < 256 && strongest > 0; ++level) {
        source->ink[level] = (uint8_t)F_stretched(source->ink[level], strongest);
    }
    return strongest;
}

int P_frame_image(const uint8_t *grey, int width, int height, int stride, uint8_t *frame)
{
    F_source source;
    F_resizing resizing;
    uint8_t ink[F_TILE * F_TILE];
    int box[4], out_width, out_height;
    double factor;
    const int wrong = F_check(grey, width, height, stride, frame);
    if (wrong != P_OK) {
        return wrong;
    }
    source.picture.pixels = grey;
    source.picture.stride = stride;
    source.picture.width = width;
    source.picture.height = height;
    source.left = source.top = source.has_strays = 0;
    if (F_is_framed(&source.picture, source.ink, frame)) {
        return P_OK;
    }
    if (F_least(width, height) >= F_SIDE) {
        source.picture = F_trimmed(&source.picture);
    }
    if (!F_find_ink(&source.picture, source.ink)) {
        return P_ERROR_EMPTY;
    }
    if (F_least(width, height) >= F_SIDE && !F_without_strays(&source)) {
        return P_ERROR_EMPTY;
    }
    F_measure(&source, box);
    source.top = box[0];
    source.left = box[1];
    width = box[3] - box[1];
    height = box[2] - box[0];
    factor = (double)F_TILE / F_most(width, height);
    out_width = F_most(1, F_rounded(width * factor));
    out_height = F_most(1, F_rounded(height * factor));
    F_begin(&resizing, &source, width, height, out_width, out_height);
    F_resized(&resizing, 0, 0, out_width, out_height, ink);
    return F_centred(ink, out_width, out_height, frame) ? P_OK : P_ERROR_EMPTY;
}
