/* Ink beside the digit is removed: specks, an outline around it, strokes at the border. The ink is looked at in
   cells, at most 300 along a side. Its connected parts are found row by row; the number of each cell is not kept,
   but found again in each pass. */
#define F_PARTS 255 /* with more, the picture is noise, from which nothing is removed */

typedef struct {
    int16_t top, left, bottom, right; /* the last two exclusive */
    int32_t area; /* in cells */
    int16_t met; /* cells at the border */
    uint8_t parent; /* a part that this one turned out to be connected with, or itself */
    uint8_t kept;
} F_part;

typedef struct {
    const F_source *source;
    int columns, rows; /* of cells */
    int row, numbered; /* rows of cells and parts that have a number in this pass */
    int parts; /* that have a number after a whole pass */
    uint8_t number[F_CELLS + 2]; /* of the part of each cell of the last row, from index 1 on */
    F_part part[F_PARTS + 1];
} F_cells;

static int F_width_of(const F_part *part)
{
    return part->right - part->left;
}

static int F_height_of(const F_part *part)
{
    return part->bottom - part->top;
}

static int F_longer(const F_part *part)
{
    return F_most(F_width_of(part), F_height_of(part));
}

static int F_shorter(const F_part *part)
{
    return F_least(F_width_of(part), F_height_of(part));
}

static int F_is_inked(const F_cells *cells, int column, int row)
{
    const F_source *source = cells->source;
    const F_picture *picture = &source->picture;
    const int left = column * source->factor, right = F_least(left + source->factor, picture->width);
    const int top = row * source->factor, bottom = F_least(top + source->factor, picture->height);
    uint32_t count = 0;
    for (int y = top; y < bottom; ++y) {
        for (int x = left; x < right; ++x) {
            count += source->ink[F_level(picture, x, y)] >= F_FAINTEST;
        }
    }
    return count > 0 && F_mean(255u * count, (uint32_t)((right - left) * (bottom - top))) > 0;
}

static int F_root(const F_cells *cells, int number)
{
    while (cells->part[number].parent != number) {
        number = cells->part[number].parent;
    }
    return number;
}

/* Part of lower number first: it came first. */
static void F_connect(F_cells *cells, int one, int other)
{
    one = F_root(cells, one);
    other = F_root(cells, other);
    cells->part[F_most(one, other)].parent = (uint8_t)F_least(one, other);
}

/* Number the cells of the next row; is_new: the first time, parts are connected. Returns 0 if there are too many. */
static int F_number_row(F_cells *cells, int is_new)
{
    uint8_t *const number = cells->number;
    uint8_t before = 0; /* above and to the left */
    for (int column = 1; column <= cells->columns; ++column) {
        const uint8_t above = number[column], beyond = number[column + 1], last = number[column - 1];
        uint8_t own = 0;
        if (F_is_inked(cells, column - 1, cells->row)) {
            own = last ? last : before ? before : above ? above : beyond;
            if (own == 0) {
                if (cells->numbered == F_PARTS) {
                    return 0;
                }
                own = (uint8_t)++cells->numbered;
            } else if (is_new) {
                F_connect(cells, own, before ? before : own);
                F_connect(cells, own, above ? above : own);
                F_connect(cells, own, beyond ? beyond : own);
            }
        }
        before = above;
        number[column] = own;
    }
    ++cells->row;
    return 1;
}

/* Begin a pass over the picture. */
static void F_restart(F_cells *cells)
{
    cells->row = cells->numbered = 0;
    for (int column = 0; column < F_CELLS + 2; ++column) {
        cells->number[column] = 0;
    }
}

static void F_add(F_part *part, int left, int top, int right, int bottom, int area, int met)
{
    part->left = (int16_t)(part->area ? F_least(part->left, left) : left);
    part->top = (int16_t)(part->area ? F_least(part->top, top) : top);
    part->right = (int16_t)(part->area ? F_most(part->right, right) : right);
    part->bottom = (int16_t)(part->area ? F_most(part->bottom, bottom) : bottom);
    part->area += area;
    part->met = (int16_t)(part->met + met);
}

/* Find the parts of the ink; returns how many there are, or 0 if too many. */
static int F_find_parts(F_cells *cells)
{
    int found = 0;
    for (int i = 0; i <= F_PARTS; ++i) {
        cells->part[i].parent = (uint8_t)i;
        cells->part[i].area = 0;
        cells->part[i].met = 0;
    }
    F_restart(cells);
    for (int row = 0; row < cells->rows; ++row) {
        if (!F_number_row(cells, 1)) {
            return 0;
        }
        for (int column = 0; column < cells->columns; ++column) {
            const int met = row == 0 || row == cells->rows - 1 || column == 0 || column == cells->columns - 1;
            const int number = cells->number[column + 1];
            if (number) {
                F_add(cells->part + number, column, row, column + 1, row + 1, 1, met);
            }
        }
    }
    cells->parts = cells->numbered;
    for (int i = cells->parts; i > 0; --i) {
        const F_part *part = cells->part + i;
        const int root = F_root(cells, i);
        found += root == i;
        if (root != i) {
            F_add(
                cells->part + root, part->left, part->top, part->right, part->bottom, part->area, part->met);
        }
    }
    return found;
}
