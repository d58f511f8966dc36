/* Which parts of the ink belong to the digit. */

/* A straight line, nearly as long as the picture. */
static int F_is_rule(const F_cells *cells, const F_part *part)
{
    const int width = F_width_of(part), height = F_height_of(part);
    return (5 * height >= 4 * cells->rows && 10 * width <= height) ||
           (5 * width >= 4 * cells->columns && 10 * height <= width);
}

/* Touches no border and is large enough for a digit, but not the paper. */
static int F_is_free(const F_cells *cells, const F_part *part)
{
    return part->met == 0 && 8 * F_longer(part) >= F_least(cells->rows, cells->columns) &&
           3 * part->area <= cells->rows * cells->columns && !F_is_rule(cells, part);
}

/* At the border: thin, or nearly as long as the picture. */
static int F_is_edge(const F_cells *cells, const F_part *part)
{
    return 30 * F_shorter(part) <= F_least(cells->rows, cells->columns) ||
           10 * F_height_of(part) >= 9 * cells->rows ||
           10 * F_width_of(part) >= 9 * cells->columns;
}

/* A stroke of the digit that ends at the border: near it, hardly thicker, and not along the border. */
static int F_belongs(const F_part *part, const F_part *digit)
{
    const int longer = F_longer(digit);
    const double thick = (double)part->area / F_longer(part);
    const int apart = 4 * (part->top - digit->bottom) > longer || 4 * (part->left - digit->right) > longer ||
                      4 * (digit->top - part->bottom) > longer || 4 * (digit->left - part->right) > longer;
    return !apart && thick <= 1.5 * ((double)digit->area / longer) && 3 * part->met <= F_longer(part);
}

/* Whether there is ink along 60 % of each side of a part's box. */
static int F_is_box(F_cells *cells, int number)
{
    const F_part *part = cells->part + number;
    const int width = F_width_of(part), height = F_height_of(part);
    const int rows = F_most(1, height / 10), columns = F_most(1, width / 10);
    int top = 0, bottom = 0, left = 0, right = 0;
    uint8_t seen[F_CELLS] = {0};
    F_restart(cells);
    for (int row = 0; row < part->bottom; ++row) {
        int at_left = 0, at_right = 0;
        F_number_row(cells, 0);
        for (int column = part->left; row >= part->top && column < part->right; ++column) {
            const int own = cells->number[column + 1];
            if (own && F_root(cells, own) == number) {
                seen[column] = (uint8_t)(seen[column] | (row < part->top + rows) | (row >= part->bottom - rows) << 1);
                at_left |= column < part->left + columns;
                at_right |= column >= part->right - columns;
            }
        }
        left += at_left;
        right += at_right;
    }
    for (int column = part->left; column < part->right; ++column) {
        top += seen[column] & 1;
        bottom += seen[column] >> 1;
    }
    return 5 * F_least(top, bottom) >= 3 * width && 5 * F_least(left, right) >= 3 * height;
}

/* Whether a part is a box around something that is not as small as the dot of a dotted zero. */
static int F_surrounds(F_cells *cells, int number)
{
    const F_part *part = cells->part + number;
    int most = 0;
    if (8 * F_shorter(part) < F_least(cells->rows, cells->columns)) {
        return 0;
    }
    for (int i = 1; i <= cells->parts; ++i) {
        const F_part *other = cells->part + i;
        if (other->parent == i && other->top > part->top && other->left > part->left && other->bottom < part->bottom &&
            other->right < part->right) {
            most = F_most(most, F_longer(other));
        }
    }
    return 4 * most >= F_shorter(part) && F_is_box(cells, number);
}

/* Decide which parts are kept; returns whether any is not. */
static int F_keep_parts(F_cells *cells)
{
    int digit = 0, largest = 0, strays = 0;
    if (F_find_parts(cells) < 2) {
        return 0;
    }
    for (int i = 1; i <= cells->parts; ++i) {
        const F_part *part = cells->part + i;
        const int is_larger = !digit || part->area > cells->part[digit].area;
        if (part->parent == i && is_larger && F_is_free(cells, part)) {
            digit = i;
        }
    }
    for (int i = 1; i <= cells->parts; ++i) {
        F_part *part = cells->part + i;
        int kept = 1;
        if (digit) {
            kept = part->met ? !F_is_edge(cells, part) && F_belongs(part, cells->part + digit)
                             : !F_is_rule(cells, part);
        }
        part->kept = (uint8_t)(part->parent == i && kept);
    }
    for (int i = 1; i <= cells->parts; ++i) {
        F_part *part = cells->part + i;
        part->kept = (uint8_t)(part->kept && !F_surrounds(cells, i));
        largest = part->kept ? F_most(largest, part->area) : largest;
    }
    for (int i = 1; i <= cells->parts; ++i) {
        F_part *part = cells->part + i;
        part->kept = (uint8_t)(part->kept && 50 * part->area >= largest);
        strays |= part->parent == i && !part->kept;
    }
    return strays;
}

/* Mark what is at most so many columns from one with certain bits. */
static void F_mark(uint8_t *flag, const uint32_t *near, uint32_t bits, int reach, int last, int value)
{
    for (int column = 0; column <= last; ++column) {
        const int from = F_most(column - reach, 0), to = F_least(column + reach, last);
        for (int i = from; i <= to && (near[column] & bits); ++i) {
            flag[i] = (uint8_t)value;
        }
    }
}

/* Remove cells of parts that are not kept, and what is near them and not near kept ones: it may fade. */
static void F_remove(F_cells *cells, F_source *source)
{
    uint32_t near[F_CELLS] = {0}; /* a column's last cells: bits 0 to 16 strays, 17 to 29 kept */
    const int reach = 2 * F_SOFT, last = cells->columns - 1;
    F_restart(cells);
    for (int row = -reach; row < cells->rows; ++row) {
        uint8_t flag[F_CELLS] = {0};
        const int inside = cells->row < cells->rows && F_number_row(cells, 0);
        for (int column = 0; column <= last; ++column) {
            const int number = inside ? cells->number[column + 1] : 0;
            const uint32_t kept = number ? cells->part[F_root(cells, number)].kept : 0u;
            near[column] = (near[column] << 1 & ~(1u << 17)) | (number && !kept) | kept << 17;
        }
        F_mark(flag, near, 0x1ffffu, reach, last, 1); /* 8 rows before this one and 8 after */
        F_mark(flag, near, 0x3fe00000u, F_SOFT, last, 0); /* 4 and 4 */
        for (int column = 0; column <= last && row >= 0; ++column) {
            const int removed = flag[column] || (near[column] >> reach & 1u), bit = column % 8;
            uint8_t *const bits = source->removed[row] + column / 8;
            *bits = (uint8_t)((bit == 0 ? 0 : *bits) | removed << bit);
        }
    }
}
