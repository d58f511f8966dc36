"""Limit the distance from the float64 reference to a multiple of eager PyTorch's distance.

The limit is self-calibrated: eager float32 PyTorch is honest by definition, so an artifact may be no further from
float64 than a small multiple of eager's error on the same inputs, in whichever order the last layer is summed. Another
engine sums the other layers in another order too, so its error differs from that by a small factor; other weights,
operators or another precision exceed it by orders of magnitude (benchmarks/limits.py measures both).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import LenetxError
from .units import SMALLEST_NORMAL, UNIT_ROUNDOFF

__all__ = ["MULTIPLE", "self_calibrated"]

MULTIPLE = 16
_LOST = 2.0**10 * SMALLEST_NORMAL
"""Error that is always allowed, for denormal numbers and those that a processor flushes to zero."""
_MOST_ROUNDINGS = 2**10
"""Largest plausible error of eager, in roundings of the largest logit.

On LeNets, honest float32 uses under 2⁷ (benchmarks/limits.py), TF32 arithmetic about 2¹³.
"""


def self_calibrated(
    exact: NDArray[np.float64],
    eager: NDArray[np.float32],
    other: NDArray[np.float32] | None = None,
    *,
    moved: Callable[[], float] = lambda: 0.0,
    extreme: bool = False,
) -> float:
    """Return the largest |Δlogit| that passes for a group of inputs.

    Args:
        exact: float64[N, K] logits of the float64 module.
        eager: float32[N, K] logits of the float32 module on the same inputs.
        other: float32[N, K] logits that are as honest, see ``last_sums``.
        moved: called only if eager's error is large; returns how far the float64 logits move if the inputs are off by
            one rounding. No program can be more accurate, for example if the network divides by the standard deviation
            of a constant image.
        extreme: leave out rows where eager is not finite, and accept any error of eager.

    Returns:
        16 × the largest |eager − exact| or |other − exact| of the group, or 16 roundings of the largest logit if that
        is more; plus an allowance for denormal numbers if any exact logit is not 0. It is 0 if no rows are left.

    Raises:
        LenetxError: eager's error is far larger than float32 rounding of sums explains, so it calibrates nothing.
    """
    other = eager if other is None else other
    if extreme:
        usable = np.isfinite(eager).all(axis=1)
        exact, eager, other = exact[usable], eager[usable], other[usable]
        if not len(exact):
            return 0.0
    observed = float(np.abs(eager - exact).max())
    one_rounding = UNIT_ROUNDOFF * float(np.abs(exact).max())
    most = _MOST_ROUNDINGS * one_rounding + _LOST
    if observed > most and not extreme and observed > _MOST_ROUNDINGS * moved():
        raise LenetxError(
            f"Eager PyTorch is not computing in float32, or the network jumps where it rounds or compares numbers: "
            f"it is {observed:.3g} away from float64 on logits of {np.abs(exact).max():.3g}. "
            "It cannot serve as a reference."
        )
    observed = max(observed, float(np.abs(other - exact).max()))
    return MULTIPLE * max(observed, one_rounding) + (_LOST if exact.any() else 0.0)
