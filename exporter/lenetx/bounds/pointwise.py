"""Bound the rounding of elementwise operators and of batch norms in eval mode (a product and a sum per number).

An addition, product or quotient is rounded once; a division by a constant may run as a product with its inverse; a
constant in the network's code that float32 cannot represent is itself rounded. Engines approximate tanh and sigmoid
differently: the largest errors measured (onnxruntime 1.32, 4 million numbers) are 5.5u relative to tanh's result and
2.6u absolute for sigmoid; 8 and 4 are allowed.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .gradients import batched_gradients
from .units import SMALLEST_NORMAL, UNIT_ROUNDOFF

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["OPERATORS"]

_TANH, _SIGMOID = 8.0, 4.0
_NORM_ROUNDINGS = 6
"""Roundings of a batch norm: mean, variance plus epsilon, root, quotient, product and sum."""


class _Pointwise:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        worst = self.noise(step) * UNIT_ROUNDOFF * math.sqrt(_roundings(step))
        for place, error in errors.items():
            worst = worst + _passed_on(step, place, error)
        return worst

    def noise(self, step: "Step", /) -> "Tensor":
        output: Tensor = step.results[0]
        lost = SMALLEST_NORMAL / UNIT_ROUNDOFF * (1 + _largest_factor(step))
        if step.operator == "tanh":
            return _TANH * output.abs() + lost
        if step.operator == "sigmoid":
            return output.new_full((), _SIGMOID).expand_as(output)
        if step.operator in ("add", "sub"):
            return output.abs() + _constant(step) + lost
        size = _norm_terms(step) if step.operator == "native_batch_norm" else output.abs()
        return math.sqrt(_roundings(step)) * size + lost

    def pull_back(self, step: "Step", gradient: "Tensor", _: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        if step.operator == "native_batch_norm":
            return {0: gradient * _norm_factor(step)}
        return batched_gradients(step, gradient)


def _passed_on(step: "Step", place: int, error: "Tensor") -> "Tensor":
    """Propagate one operand's error to the (broadcast) output."""
    output = step.results[0]
    factor: Any = 1.0
    if step.operator == "tanh":
        factor = 1 - output.square()
    elif step.operator == "sigmoid":
        factor = output * (1 - output)
    elif step.operator == "native_batch_norm":
        factor = _norm_factor(step).abs()
    elif step.operator == "mul":
        factor = abs(step.leaves[1 - place])
    elif step.operator == "div":
        factor = abs((output if place else 1) / step.leaves[1])
    found: Tensor = factor * error
    return found


def _roundings(step: "Step") -> int:
    """Return the number of roundings of an operator's result."""
    if step.operator == "native_batch_norm":
        return _NORM_ROUNDINGS
    of_its_own = {"mul": 1, "div": 2}.get(step.operator)
    return 1 if of_its_own is None else of_its_own + bool(_constant(step))


def _constant(step: "Step") -> float:
    """Return the size of a constant operand that float32 cannot represent, or 0."""
    import torch

    numbers = [float(leaf) for leaf in step.leaves[:2] if isinstance(leaf, int | float)]
    return sum(abs(number) for number in numbers if float(torch.tensor(number, dtype=torch.float32)) != number)


def _largest_factor(step: "Step") -> float:
    """Return the largest factor of a denormal number that may be flushed to zero."""
    if step.operator in ("mul", "div"):
        import torch

        return max(
            float(abs(leaf).max()) if isinstance(leaf, torch.Tensor) else abs(float(leaf)) for leaf in step.leaves[:2]
        )
    return float(_norm_factor(step).abs().max()) if step.operator == "native_batch_norm" else 0.0


def _norm_factor(step: "Step") -> "Tensor":
    """Return γ / √(σ² + ε) as [1, C, 1, …]."""
    weight, variance = step.argument("weight"), step.argument("running_var")
    factor: Tensor = (variance + step.argument("eps")).rsqrt()
    return _per_channel(step, factor if weight is None else factor * weight)


def _norm_terms(step: "Step") -> "Tensor":
    """Return |s·x| + |s·μ| + |β|, which bounds every intermediate result."""
    factor, bias = _norm_factor(step).abs(), step.argument("bias")
    terms: Tensor = factor * (step.leaves[0].abs() + _per_channel(step, step.argument("running_mean")).abs())
    return terms if bias is None else terms + _per_channel(step, bias).abs()


def _per_channel(step: "Step", values: "torch.Tensor") -> "Tensor":
    return values.view(1, -1, *[1] * (step.leaves[0].ndim - 2))


OPERATORS = dict.fromkeys(("tanh", "sigmoid", "add", "sub", "mul", "div", "native_batch_norm"), _Pointwise())
