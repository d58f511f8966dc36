"""Fixed-point arithmetic of the int8 programs: a real factor as an integer and a shift.

A sum of products with the scale s becomes an int8 number with the scale t by y = zero + round(sum · r), r = s ÷ t. The
program computes round(sum · factor ÷ 2^shift) in 64 bits, with 2^30 ≤ factor < 2^31; ties go up. The factor is within
2^-31 of r, relatively, so the result is that of exact arithmetic unless sum · r is within 2^-31 · |sum · r| of a tie.
That is far inside the distance from a tie within which the proof lets an engine round either way: 8u · |sum · r| and
the error bound of the float32 operator, u = 2^-24 (``lenetx.quantization.ties``).

A sum of several terms with factors of their own, or of table entries, has absolute errors. They are at most 2^-23 of a
step of the result. At a tie the scaled number is at least 1/2, so the proof's distance is at least 8u/2 = 2^-22.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FINEST", "LARGEST_SHIFT", "common_shift", "fixed", "rounded"]

LARGEST_SHIFT = 62
"""More bits would not fit into 64."""
FINEST = 2.0**-23
"""The largest absolute error of a sum of terms, in steps of the result."""


def fixed(ratio: float) -> tuple[int, int] | None:
    """Return factor and shift, ratio ≈ factor ÷ 2^shift, or ``None`` if a positive ratio is 2^30 or more."""
    mantissa, exponent = math.frexp(ratio)
    factor, shift = round(mantissa * 2**31), 31 - exponent
    if factor == 2**31:
        factor, shift = factor // 2, shift - 1
    if shift > LARGEST_SHIFT:  # so small that every sum becomes 0, or one step at most
        factor, shift = round(math.ldexp(ratio, LARGEST_SHIFT)), LARGEST_SHIFT
    return (factor, shift) if shift >= 1 else None


def common_shift(largest: float, bits: int) -> int:
    """Return the largest shift with which numbers up to ``largest`` are below 2^bits."""
    _, exponent = math.frexp(largest)
    return min(bits - exponent, 48)


def rounded(sums: "NDArray[np.int64]", shift: "NDArray[np.int64] | int", zero: int) -> "NDArray[np.int64]":
    """Return clamp(zero + round(sums ÷ 2^shift)) to int8, ties up, for int64[…] below 2^62."""
    import numpy as np

    one = np.int64(1)
    found: NDArray[np.int64] = np.clip((((sums + (one << (shift - one))) >> shift) + zero), -128, 127)
    return found
