typedef F_picture F_source;

static int F_ink(const F_source *source, int x, int y)
{
    return F_level(source, x, y);
}
