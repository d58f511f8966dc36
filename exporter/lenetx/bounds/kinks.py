"""Bound piecewise linear activations, such as ReLU; only leaky ReLU rounds, in its product below zero.

A number within its own error of a kink may be on either side of it in float32, so the larger slope counts.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .units import SMALLEST_NORMAL, UNIT_ROUNDOFF

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["OPERATORS"]

_ROUNDINGS = 2
"""Roundings of a product with a slope: of the slope, which float32 may not represent, and of the product."""


class _Kinked:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        import torch

        steepest = max(1.0, abs(_slope(step)))
        worst: Tensor = errors.get(0, torch.zeros_like(step.leaves[0])) * steepest
        noise = self.noise(step)
        return worst if noise is None else worst + noise * UNIT_ROUNDOFF * math.sqrt(_ROUNDINGS)

    def noise(self, step: "Step", /) -> "Tensor | None":
        if step.operator != "leaky_relu":
            return None
        size = math.sqrt(_ROUNDINGS) * step.results[0].abs() + SMALLEST_NORMAL / UNIT_ROUNDOFF
        found: Tensor = size * (step.leaves[0] < 0)
        return found

    def carry(self, step: "Step", noise: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        return noise * _inside(step, errors)

    def pull_back(self, step: "Step", gradient: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        import torch

        inside, slope = _inside(step, errors), _slope(step)
        return {0: torch.where(inside, gradient, gradient * slope) if slope else gradient * inside}


def _inside(step: "Step", errors: "Mapping[int, Tensor]") -> "Tensor":
    """Return bool[N, …]: where float32 may be in the range where the function is the identity."""
    import torch

    inputs, margin = step.leaves[0], errors.get(0, 0)
    least, most = _range(step)
    inside = torch.ones_like(inputs, dtype=torch.bool) if least is None else inputs > least - margin
    return inside if most is None else inside & (inputs < most + margin)


def _slope(step: "Step") -> float:
    """Return the slope outside the range where the function is the identity."""
    return float(step.argument("negative_slope")) if step.operator == "leaky_relu" else 0.0


def _range(step: "Step") -> tuple[float | None, float | None]:
    """Return the range where the function is the identity; ``None`` for an open end."""
    if step.operator in ("relu", "leaky_relu"):
        return 0.0, None
    names = ("min_val", "max_val") if step.operator == "hardtanh" else ("min", "max")
    least, most = (step.argument(name) for name in names)
    return None if least is None else float(least), None if most is None else float(most)


OPERATORS = dict.fromkeys(("relu", "leaky_relu", "hardtanh", "clamp"), _Kinked())
