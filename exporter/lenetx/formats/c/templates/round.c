/* The nearest whole number, of two the even one; 0 for a negative value. */
static int F_rounded(double value)
{
    const int whole = value > 0.0 ? (int)value : 0;
    const double rest = value - whole;
    return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 == 1));
}
