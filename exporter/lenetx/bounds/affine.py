"""Bound the rounding of convolutions and dense layers: sums z = b + Σᵢ wᵢxᵢ of n products.

In float32, summed directly in any order, with or without FMA, |ẑ − z| ≤ γₙ₊₁·S + underflow, where S = |b| + Σ|wᵢxᵢ| and
γₖ = ku / (1 − ku) (Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3). If rounding errors are
random, each product is rounded once and each of the n additions rounds a partial sum of at most S, so the noise is
√(Q + n·S²) with Q = b² + Σ(wᵢxᵢ)². Underflow: each product and partial sum may lose 2⁻¹²⁶, and so may each input or
weight that a processor flushes to zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .adjoint import LAMBDA
from .units import SMALLEST_NORMAL, UNIT_ROUNDOFF

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["OPERATORS", "Sums", "absolute_of", "likely_error", "sums", "terms_of"]


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums in the bounds of one affine step.

    Attributes:
        terms: n, the number of products in each sum.
        absolute: S = |b| + Σ|wᵢxᵢ|, in the shape of the output.
        squared: Q = b² + Σ(wᵢxᵢ)², in the shape of the output.
        underflow: the largest error from numbers too small for float32, [N, 1, …].
    """

    terms: int
    absolute: "Tensor"
    squared: "Tensor"
    underflow: "Tensor"


def sums(step: "Step") -> Sums:
    """Compute n, S, Q and the underflow of an affine step in the precision of its tensors."""
    absolute, underflow = absolute_of(step)
    (squared,) = step.rerun({place: step.leaves[place].square() for place in _places(step).values()})
    return Sums(terms_of(step), absolute, squared, underflow)


def absolute_of(step: "Step") -> "tuple[Tensor, Tensor]":
    """Return S and the underflow of an affine step; they are computed once and kept in the step."""
    if "absolute" not in step.computed:
        places = _places(step)
        inputs, weight = step.leaves[places["inputs"]], step.leaves[places["weight"]]
        (absolute,) = step.rerun({place: step.leaves[place].abs() for place in places.values()})
        largest = inputs.abs().flatten(1).amax(1).view(-1, *[1] * (absolute.ndim - 1))
        underflow = SMALLEST_NORMAL * terms_of(step) * (1 + _largest(weight) + largest)
        step.computed["absolute"] = absolute, underflow
    found: tuple[Tensor, Tensor] = step.computed["absolute"]
    return found


def _largest(tensor: "Tensor") -> "Tensor":
    """Return the largest |t| without allocating another tensor of that size."""
    least, most = tensor.aminmax()
    return (-least).maximum(most)


def terms_of(step: "Step") -> int:
    """Return n, the number of products in each sum of an affine step."""
    weight = step.leaves[_places(step)["weight"]]
    return int(weight[0].numel()) if _is_convolution(step) else len(weight)


def likely_error(step: "Step", errors: "Mapping[int, Tensor]") -> "Tensor":
    """Return how far float32 may be from an affine step's sums, in any usual order of the products.

    The partial sums of n products in an order that does not depend on their sizes are about k/n of the result and a
    random walk of the products: each of the n additions then rounds a number of at most √(z² + Q), up to a factor that
    λ covers. So the error is at most λu·√(n(z² + Q) + 3Q), with probability as in ``adjoint``; 3Q is for the products
    and for the two factors of each, which may be rounded themselves.

    Args:
        step: the call.
        errors: the largest |error| of the inputs, by position.
    """
    found = sums(step)
    size = (step.results[0].square() + found.squared) * found.terms + 3 * found.squared
    likely: Tensor = LAMBDA * UNIT_ROUNDOFF * size.sqrt() + found.underflow
    return _with_passed_on(step, likely, errors)


def _with_passed_on(step: "Step", own: "Tensor", errors: "Mapping[int, Tensor]") -> "Tensor":
    """Add to a step's own errors what those of its inputs can become."""
    places = _places(step)
    if places["inputs"] not in errors:
        return own
    replaced = {places["weight"]: step.leaves[places["weight"]].abs(), places["inputs"]: errors[places["inputs"]]}
    if "bias" in places:
        replaced[places["bias"]] = step.leaves[places["bias"]] * 0
    return own + step.rerun(replaced)[0]


class _Affine:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        absolute, underflow = absolute_of(step)
        roundings = terms_of(step) + 1
        worst = roundings * UNIT_ROUNDOFF / (1 - roundings * UNIT_ROUNDOFF) * absolute + underflow
        return _with_passed_on(step, worst, errors)

    def noise(self, step: "Step", /) -> "Tensor":
        found = sums(step)
        together = found.absolute.square().mul_(found.terms).add_(found.squared)  # in place: saves three tensors
        return together.sqrt_().add_(found.underflow / UNIT_ROUNDOFF)

    def pull_back(self, step: "Step", gradient: "Tensor", _: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        places = _places(step)
        inputs, weight = step.leaves[places["inputs"]], step.leaves[places["weight"]]
        if not _is_convolution(step):
            return {places["inputs"]: gradient @ weight.t()}
        import torch

        if _is_pointwise(step):  # several times faster than one small product per image
            return {places["inputs"]: (gradient.movedim(2, -1) @ weight.flatten(1)).movedim(-1, 2)}
        names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
        flat = gradient.flatten(0, 1)
        found, _, _ = torch.ops.aten.convolution_backward(
            flat,
            inputs.new_empty(1).expand(len(flat), *inputs.shape[1:]),
            weight,
            None,
            *(step.argument(name) for name in names),
            [True, False, False],
        )
        return {places["inputs"]: found.unflatten(0, gradient.shape[:2])}


def _is_convolution(step: "Step") -> bool:
    return step.operator.endswith("convolution")


def _is_pointwise(step: "Step") -> bool:
    """Return whether a convolution is a dense layer applied at each position."""
    return (
        step.leaves[1][0, 0].numel() == 1
        and step.argument("groups") == 1
        and all(each == 1 for each in step.argument("stride"))
        and not any(step.argument("padding"))
    )


def _places(step: "Step") -> dict[str, int]:
    """Return the positions of the inputs, the weight and, if there is one, the bias among the leaves."""
    if _is_convolution(step):
        places = {"inputs": 0, "weight": 1, "bias": 2}
    elif step.operator == "addmm":
        places = {"bias": 0, "inputs": 1, "weight": 2}
    else:
        places = {"inputs": 0, "weight": 1}
    return {name: place for name, place in places.items() if step.leaves[place] is not None}


OPERATORS = dict.fromkeys(("convolution", "_convolution", "addmm", "mm"), _Affine())
