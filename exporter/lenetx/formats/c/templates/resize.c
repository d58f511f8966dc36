/* The resampling of Pillow 13, bit for bit: weights are normalised doubles, rounded to 22 bits after the point; what
   the first pass makes is rounded to bytes. Memory is that of one tile of the result, for any size of picture. */
#define F_BITS 22

typedef struct {
    int pixels; /* of the picture, along this axis */
    int out; /* of the resized picture */
    int block; /* pixels that are averaged before; more than 1 only if they shrink a lot */
    int length; /* the picture's pixels after that */
    double scale; /* of these for one of the resized picture */
    double step; /* of the filter's argument for one of these */
    double reach; /* of the filter, in these */
} F_axis;

typedef struct {
    int first;
    int end;
    double centre;
    double sum; /* of the weights before they are normalised */
} F_taps;

static F_axis F_axis_of(int pixels, int out)
{
    F_axis axis;
    double widest;
    axis.pixels = pixels;
    axis.out = out;
    axis.block = F_most(1, (int)((double)pixels / out / F_GAP));
    axis.length = (pixels + axis.block - 1) / axis.block;
    axis.scale = (double)(float)((double)pixels / axis.block) / out;
    widest = axis.scale < 1.0 ? 1.0 : axis.scale;
    axis.step = 1.0 / widest;
    axis.reach = F_REACH * widest;
    return axis;
}

static double F_raw_weight(const F_axis *axis, const F_taps *taps, int at)
{
    return F_filter((at - taps->centre + 0.5) * axis->step);
}

static F_taps F_taps_of(const F_axis *axis, int out)
{
    F_taps taps;
    double from, to;
    taps.centre = (out + 0.5) * axis->scale;
    from = taps.centre - axis->reach;
    to = taps.centre + axis->reach;
    taps.first = F_most(0, (int)(from + 0.5));
    taps.end = F_least(axis->length, (int)(to + 0.5));
    taps.sum = 0.0;
    for (int at = taps.first; at < taps.end; ++at) {
        taps.sum += F_raw_weight(axis, &taps, at);
    }
    return taps;
}

static int32_t F_weight(const F_axis *axis, const F_taps *taps, int at)
{
    const double weight = F_raw_weight(axis, taps, at) / taps->sum * (1 << F_BITS);
    return (int32_t)(weight < 0.0 ? weight - 0.5 : weight + 0.5);
}

static uint8_t F_byte(int32_t sum)
{
    return (uint8_t)(sum < 0 ? 0 : F_least(sum >> F_BITS, 255));
}

typedef struct {
    const F_source *source;
    F_axis across, down;
    int down_first; /* Pillow resizes the height first if it shrinks by twice as many pixels as the width */
} F_resizing;

static void F_begin(
    F_resizing *resizing, const F_source *source, int width, int height, int out_width,
    int out_height)
{
    int narrower, lower;
    resizing->source = source;
    resizing->across = F_axis_of(width, out_width);
    resizing->down = F_axis_of(height, out_height);
    narrower = resizing->across.length - out_width;
    lower = resizing->down.length - out_height;
    resizing->down_first = lower > 0 && lower > 2 * narrower;
}

/* A pixel of the picture, or the mean of a block. */
static int F_averaged(const F_resizing *resizing, int x, int y)
{
    const F_axis *const across = &resizing->across, *const down = &resizing->down;
    const int left = x * across->block, right = F_least(left + across->block, across->pixels);
    const int top = y * down->block, bottom = F_least(top + down->block, down->pixels);
    uint32_t sum = 0;
    if (across->block == 1 && down->block == 1) {
        return F_ink(resizing->source, x, y);
    }
    for (y = top; y < bottom; ++y) {
        for (x = left; x < right; ++x) {
            sum += (uint32_t)F_ink(resizing->source, x, y);
        }
    }
    return F_mean(sum, (uint32_t)((right - left) * (bottom - top)));
}

/* One column of what the first pass makes, for some rows of the picture; one row if it goes down. */
static void F_first_pass(
    const F_resizing *resizing, const F_taps *taps, int from, int count, uint8_t *out)
{
    const int down_first = resizing->down_first;
    const F_axis *const axis = down_first ? &resizing->down : &resizing->across;
    int32_t sums[F_ROWS];
    for (int i = 0; i < count; ++i) {
        sums[i] = 1 << (F_BITS - 1);
    }
    for (int at = taps->first; at < taps->end; ++at) {
        const int32_t weight = F_weight(axis, taps, at);
        for (int i = 0; i < count; ++i) {
            sums[i] += weight * F_averaged(resizing, down_first ? from + i : at, down_first ? at : from + i);
        }
    }
    for (int i = 0; i < count; ++i) {
        out[i * F_TILE] = F_byte(sums[i]);
    }
}

/* A part of the resized picture, at most F_TILE x F_TILE, from its pixel (left, top) on. */
static void F_resized(
    const F_resizing *resizing, int left, int top, int width, int height, uint8_t *out)
{
    const int down_first = resizing->down_first, columns = down_first ? height : width;
    const int rows = down_first ? width : height;
    const F_axis *const second = down_first ? &resizing->across : &resizing->down;
    F_taps first_taps[F_TILE], taps[F_TILE];
    int32_t sums[F_TILE * F_TILE];
    uint8_t bytes[F_ROWS * F_TILE];
    for (int i = 0; i < width; ++i) {
        (down_first ? taps : first_taps)[i] = F_taps_of(&resizing->across, left + i);
    }
    for (int i = 0; i < height; ++i) {
        (down_first ? first_taps : taps)[i] = F_taps_of(&resizing->down, top + i);
    }
    for (int i = 0; i < F_TILE * F_TILE; ++i) {
        sums[i] = 1 << (F_BITS - 1);
    }
    for (int from = taps[0].first; from < taps[rows - 1].end; from += F_ROWS) {
        const int end = F_least(from + F_ROWS, taps[rows - 1].end);
        for (int i = 0; i < columns; ++i) {
            F_first_pass(resizing, first_taps + i, from, end - from, bytes + i);
        }
        for (int row = 0; row < rows; ++row) {
            for (int at = F_most(from, taps[row].first); at < F_least(end, taps[row].end); ++at) {
                const int32_t weight = F_weight(second, taps + row, at);
                for (int i = 0; i < columns; ++i) {
                    sums[row * F_TILE + i] += weight * bytes[(at - from) * F_TILE + i];
                }
            }
        }
    }
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const int at = down_first ? x * F_TILE + y : y * F_TILE + x;
            out[y * F_TILE + x] = F_byte(sums[at]);
        }
    }
}
