/* sin(pi x) / (pi x) * sin(pi x / 3) / (pi x / 3) = s^2 (9 - 12 s^2) / (pi x)^2 with s = sin(pi x / 3). */
static double F_filter(double x)
{
    /* Of sin(pi t); the next term is 8e-19 at most. */
    static const double series[11] = {
        0x1.921fb54442d18p1, -0x1.4abbce625be52p2, 0x1.466bc6775aae1p1,
        -0x1.32d2cce62bd84p-1, 0x1.50783487ee77fp-4, -0x1.e3074fde8871cp-8,
        0x1.e8f434d018d5fp-12, -0x1.6fadb9f155740p-16, 0x1.aaec32af93355p-21,
        -0x1.8a404211f9542p-26, 0x1.2877020d52cecp-31
    };
    const double square = 0x1.3bd3cc9be45dep3; /* of pi */
    double turn = x < 0.0 ? x / -3.0 : x / 3.0, sine = 0.0;
    if (x == 0.0) {
        return 1.0;
    }
    if (turn >= 1.0) {
        return 0.0;
    }
    turn = turn > 0.5 ? 1.0 - turn : turn;
    for (int i = 11 - 1; i >= 0; --i) {
        sine = sine * (turn * turn) + series[i];
    }
    sine *= turn;
    return sine * sine * (9.0 - 12.0 * (sine * sine)) / (square * (x * x));
}
