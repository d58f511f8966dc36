"""How far from the float64 reference an honest float32 program may be.

The limit is self-calibrated: eager float32 PyTorch is honest by definition, so an artifact may be no further from
float64 than a small multiple of what eager float32 is on the same inputs. Another engine sums in another order, so
its error differs from eager's by a small factor; weights, operators or a precision that differ exceed it by orders of
magnitude (benchmarks/limits.py measures both sides).
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["MULTIPLE", "self_calibrated"]

MULTIPLE = 8
_UNIT_ROUNDOFF = 2.0**-24


def self_calibrated(exact: NDArray[np.float64], eager: NDArray[np.float32]) -> float:
    """Give the largest |Δlogit| that passes for a group of inputs.

    Args:
        exact: float64[N, K] logits of the float64 module.
        eager: float32[N, K] logits of the float32 module on the same inputs.

    Returns:
        8 × the largest |eager − exact| of the group, where that is at least one rounding of the largest logit.
    """
    observed = float(np.abs(eager - exact).max())
    one_rounding = _UNIT_ROUNDOFF * float(np.abs(exact).max())
    return MULTIPLE * max(observed, one_rounding)
