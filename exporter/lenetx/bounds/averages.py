"""Bound the rounding of averages over a window or an image: a sum of n numbers and a division.

The n − 1 additions round partial sums of at most S = Σ|xᵢ|/n, and the division, or the product with a rounded 1/n, adds
at most three roundings: r = n + 2 in all. On a constant image they are not random: where equal numbers are added one
after the other, each addition errs by the same amount until the sum's exponent grows, and the errors add up. Over all
grey levels the result's error has a standard deviation of r/8·u·S and is at most r/4·u·S (measured: 0.116 to 0.130, and
0.249, in sums of 49 to 50,176 numbers). So the noise is √(r + (r/8)²)·S; with √r alone, onnxruntime's averages of
50,176 pixels exceeded their limits (benchmarks/limits.py).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .gradients import batched_gradients
from .units import SMALLEST_NORMAL, UNIT_ROUNDOFF

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["OPERATORS"]

_EQUAL = 1 / 8
"""For a sum of equal numbers: standard deviation of the error ÷ number of roundings, in u·S."""


class _Average:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        roundings, absolute = _terms(step) + 2, _absolute(step)
        worst = roundings * UNIT_ROUNDOFF * absolute + SMALLEST_NORMAL * roundings
        return worst + step.rerun({0: errors[0]})[0] if 0 in errors else worst

    def noise(self, step: "Step", /) -> "Tensor":
        roundings = _terms(step) + 2
        together = (roundings + (roundings * _EQUAL) ** 2) ** 0.5
        noise: Tensor = together * _absolute(step) + SMALLEST_NORMAL / UNIT_ROUNDOFF * roundings
        return noise

    def pull_back(self, step: "Step", gradient: "Tensor", _: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        return batched_gradients(step, gradient)


def _absolute(step: "Step") -> "Tensor":
    return step.rerun({0: step.leaves[0].abs()})[0]


def _terms(step: "Step") -> int:
    """Return the largest number of terms in one sum."""
    import math

    shape = step.leaves[0].shape
    if step.operator == "avg_pool2d":
        size = step.argument("kernel_size")
        return math.prod(size) if len(size) == 2 else int(size[0]) ** 2
    if step.operator == "mean":
        axes = step.argument("dim") or range(len(shape))
        return math.prod(shape[axis] for axis in axes)
    sizes = zip(shape[-2:], step.argument("output_size"), strict=True)
    return math.prod(-(-have // wanted) + 1 for have, wanted in sizes)


OPERATORS = dict.fromkeys(("avg_pool2d", "_adaptive_avg_pool2d", "mean"), _Average())
