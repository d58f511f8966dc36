/* An edge is what a scanner's lid or a dark table leaves at a side: lines that differ from the paper. */
#define F_STEP 40 /* levels by which it differs */

/* Twice the median of levels that were counted. */
static int F_median_twice(const uint32_t *counts, uint32_t total)
{
    int lower = 0, upper;
    uint32_t below = counts[0];
    while (below <= (total - 1u) / 2u) {
        below += counts[++lower];
    }
    upper = lower;
    while (below <= total / 2u) {
        below += counts[++upper];
    }
    return lower + upper;
}

static int F_apart(int one, int other, int least)
{
    return one - other >= least || other - one >= least;
}

/* A pixel of the line-th line from a side: top, left, bottom, right. */
static int F_line_level(const F_picture *picture, int side, int line, int at)
{
    const int last = side % 2 == 1 ? picture->width - 1 : picture->height - 1;
    const int from = side < 2 ? line : last - line;
    return side % 2 == 1 ? F_level(picture, from, at) : F_level(picture, at, from);
}

static int F_line_median_twice(const F_picture *picture, int side, int line, int step)
{
    const int length = side % 2 == 1 ? picture->height : picture->width;
    uint32_t counts[256] = {0}, total = 0;
    for (int at = 0; at < length; at += step, ++total) {
        ++counts[F_line_level(picture, side, line, at)];
    }
    return F_median_twice(counts, total);
}

/* The number of lines of an edge at a side. */
static int F_edge(const F_picture *picture, int side, int paper, int step)
{
    const int lines = side % 2 == 1 ? picture->width : picture->height;
    const int deepest = lines / 5, other = 2 * F_STEP;
    int deep = 0, inside, outside;
    while (F_apart(F_line_median_twice(picture, side, deep, step), 2 * paper, other)) {
        if (++deep > deepest) {
            return 0;
        }
    }
    if (deep == 0) {
        return 0;
    }
    inside = F_line_median_twice(picture, side, deep + 1, step);
    outside = F_line_median_twice(picture, side, F_most(deep - 2, 0), step);
    return F_apart(inside, outside, other) ? deep + (lines >= 64) : 0;
}

/* Whether a side changes slowly, as light does: no stroke of a digit ends there. */
static int F_is_even(const F_picture *picture, int side)
{
    const int length = side % 2 == 1 ? picture->height : picture->width, lag = length / 16 + 1;
    for (int at = lag; at < length; ++at) {
        const int before = F_line_level(picture, side, 0, at - lag);
        if (F_apart(F_line_level(picture, side, 0, at), before, F_STEP)) {
            return 0;
        }
    }
    return 1;
}

/* Count the levels of the outermost pixels; returns how many there are. */
static uint32_t F_count_border(const F_picture *picture, uint32_t *counts)
{
    for (int x = 0; x < picture->width; ++x) {
        ++counts[F_level(picture, x, 0)];
        ++counts[F_level(picture, x, picture->height - 1)];
    }
    for (int y = 1; y < picture->height - 1; ++y) {
        ++counts[F_level(picture, 0, y)];
        ++counts[F_level(picture, picture->width - 1, y)];
    }
    return 2u * (uint32_t)(picture->width + F_most(picture->height - 2, 0));
}

/* The picture without the edges at its sides. */
static F_picture F_trimmed(const F_picture *picture)
{
    F_picture inside = *picture;
    const int step = (F_most(picture->width, picture->height) + 399) / 400;
    uint32_t counts[256] = {0}, border[256] = {0}, total = 0, other = 0;
    int edges[4], found = 0, even = 1, paper;
    for (int y = 0; y < picture->height; y += step) {
        for (int x = 0; x < picture->width; x += step, ++total) {
            ++counts[F_level(picture, x, y)];
        }
    }
    paper = F_median_twice(counts, total) / 2;
    for (int side = 0; side < 4; ++side) {
        edges[side] = F_edge(picture, side, paper, step);
        found += edges[side] > 0;
    }
    inside.pixels += (ptrdiff_t)edges[0] * picture->stride + edges[1];
    inside.height -= edges[0] + edges[2];
    inside.width -= edges[1] + edges[3];
    for (int side = 0; side < 4; ++side) {
        even = even && F_is_even(&inside, side);
    }
    if (even || found < 2) {
        return even ? inside : *picture;
    }
    total = F_count_border(&inside, border);
    for (int level = 0; level < 256; ++level) {
        other += F_apart(level, paper, F_STEP) ? border[level] : 0u;
    }
    return other * 6u <= total ? inside : *picture;
}
