"""How far from the float64 reference an honest float32 program may be.

The limit is self-calibrated: eager float32 PyTorch is honest by definition, so an artifact may be no further from
float64 than a small multiple of what eager float32 is on the same inputs. Another engine sums in another order, so
its error differs from eager's by a small factor; weights, operators or a precision that differ exceed it by orders of
magnitude (benchmarks/limits.py measures both sides).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import LenetxError
from .units import SMALLEST_NORMAL, UNIT_ROUNDOFF

__all__ = ["MULTIPLE", "self_calibrated"]

MULTIPLE = 16
_LOST = 2.0**10 * SMALLEST_NORMAL
"""What denormal numbers, and those that a processor flushes to zero, may cost at the least."""
_MOST_ROUNDINGS = 2**10
"""Of the largest logit: honest float32 uses under 2⁷ on LeNets (benchmarks/limits.py), TF32 arithmetic about 2¹³."""


def self_calibrated(
    exact: NDArray[np.float64],
    eager: NDArray[np.float32],
    *,
    moved: Callable[[], float] = lambda: 0.0,
    extreme: bool = False,
) -> float:
    """Return the largest |Δlogit| that passes for a group of inputs.

    Args:
        exact: float64[N, K] logits of the float64 module.
        eager: float32[N, K] logits of the float32 module on the same inputs.
        moved: asked where eager errs much: how far logits move in float64 where the inputs are off by a rounding. No
            program is nearer than that, as where the code divides by the spread of an image of one grey level.
        extreme: rows where eager is not finite are left out, and it may err by any amount.

    Raises:
        LenetxError: eager errs far more than float32 rounding of sums can, so that it is no measure.

    Returns:
        16 × the largest |eager − exact| of the group, where that is at least one rounding of the largest logit.
    """
    if extreme:
        usable = np.isfinite(eager).all(axis=1)
        exact, eager = exact[usable], eager[usable]
        if not len(exact):
            return 0.0
    observed = float(np.abs(eager - exact).max())
    one_rounding = UNIT_ROUNDOFF * float(np.abs(exact).max())
    most = _MOST_ROUNDINGS * one_rounding + _LOST
    if observed > most and not extreme and observed > _MOST_ROUNDINGS * moved():
        raise LenetxError(
            f"Eager PyTorch is not computing in float32, or the network jumps where it rounds or compares numbers: "
            f"it is {observed:.3g} away from float64 on logits of {np.abs(exact).max():.3g}. "
            "Nothing can be proven against it."
        )
    return MULTIPLE * max(observed, one_rounding) + (_LOST if exact.any() else 0.0)
