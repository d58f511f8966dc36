"""Define the constants of float32 arithmetic (IEEE 754 binary32)."""

__all__ = ["SMALLEST_NORMAL", "UNIT_ROUNDOFF"]

UNIT_ROUNDOFF = 2.0**-24
"""u: the largest relative error of one rounding to nearest."""
SMALLEST_NORMAL = 2.0**-126
"""The largest loss if a result is denormal or flushed to zero."""
