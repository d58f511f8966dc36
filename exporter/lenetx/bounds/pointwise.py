"""Operators on each number by itself, and batch norms in eval mode, which are one product and one sum per number.

An addition, product or quotient is rounded once; a division by a number may be a product with its inverse. Of tanh and
sigmoid the engines have their own approximations: the largest errors seen, of onnxruntime 1.32 on 4 million numbers,
are 5.5u of tanh's result and 2.6u of sigmoid's range; 8 and 4 are allowed.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .gradients import batched_gradients
from .units import SMALLEST_NORMAL, UNIT_ROUNDOFF

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .tape import Step

__all__ = ["OPERATORS"]

_TANH, _SIGMOID = 8.0, 4.0
_NORM_ROUNDINGS = 6
"""Of a batch norm: mean, variance plus epsilon, root, quotient, product and sum."""


class _Pointwise:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        worst = self.noise(step) * UNIT_ROUNDOFF * math.sqrt(_roundings(step))
        for place, error in errors.items():
            worst = worst + self._slope(step, place).abs() * error
        return worst

    def noise(self, step: "Step", /) -> "Tensor":
        output: Tensor = step.results[0]
        lost = SMALLEST_NORMAL / UNIT_ROUNDOFF * (1 + _largest_factor(step))
        if step.operator == "tanh":
            return _TANH * output.abs() + lost
        if step.operator == "sigmoid":
            return output.new_full((), _SIGMOID).expand_as(output)
        if step.operator == "div":
            return math.sqrt(2) * output.abs() + lost
        if step.operator == "native_batch_norm":
            return math.sqrt(_NORM_ROUNDINGS) * _norm_terms(step) + lost
        return output.abs() + lost

    def pull_back(self, step: "Step", gradient: "Tensor", _: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        if step.operator == "native_batch_norm":
            return {0: gradient * _norm_factor(step)}
        return batched_gradients(step, gradient)

    def _slope(self, step: "Step", place: int) -> "Tensor":
        import torch

        ones = torch.ones_like(step.results[0]).unsqueeze(0)
        found: Tensor = self.pull_back(step, ones, {})[place][0]
        return found


def _roundings(step: "Step") -> int:
    return {"native_batch_norm": _NORM_ROUNDINGS, "div": 2}.get(step.operator, 1)


def _largest_factor(step: "Step") -> float:
    """Give the largest number that a denormal one, flushed to zero, is multiplied with."""
    if step.operator in ("mul", "div"):
        import torch

        return max(
            float(abs(leaf).max()) if isinstance(leaf, torch.Tensor) else abs(float(leaf)) for leaf in step.leaves[:2]
        )
    return float(_norm_factor(step).abs().max()) if step.operator == "native_batch_norm" else 0.0


def _norm_factor(step: "Step") -> "Tensor":
    """Give γ / √(σ² + ε) as [1, C, 1, …]."""
    weight, variance = step.argument("weight"), step.argument("running_var")
    factor: Tensor = (variance + step.argument("eps")).rsqrt()
    return _per_channel(step, factor if weight is None else factor * weight)


def _norm_terms(step: "Step") -> "Tensor":
    """Give |s·x| + |s·μ| + |β|, which bounds every result on the way."""
    factor, bias = _norm_factor(step).abs(), step.argument("bias")
    terms: Tensor = factor * (step.leaves[0].abs() + _per_channel(step, step.argument("running_mean")).abs())
    return terms if bias is None else terms + _per_channel(step, bias).abs()


def _per_channel(step: "Step", values: "torch.Tensor") -> "Tensor":
    return values.view(1, -1, *[1] * (step.leaves[0].ndim - 2))


OPERATORS = dict.fromkeys(("tanh", "sigmoid", "add", "sub", "mul", "div", "native_batch_norm"), _Pointwise())
