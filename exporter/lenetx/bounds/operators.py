"""Find the rounding bounds of each operator, and how it propagates errors and gradients.

u = 2⁻²⁴ is the unit roundoff of float32. Every operator has three methods, each for a step of a tape:

- ``worst``: the largest error of its float32 result, given the largest errors of its inputs;
- ``noise``: the size, in u, of the rounding error that it adds, comparable to a standard deviation;
- ``pull_back``: the gradients of its inputs, given those of its result; at a kink, the larger of the two.

An operator that rounds nothing may also have ``carry``: it moves the noise of its input to its result.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["Carrying", "Operator", "is_affine", "known", "operator_of"]


class Operator(Protocol):
    """The interface of each operator in ``_HOMES``."""

    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        """Return the largest |error| of the first output.

        Args:
            step: the call.
            errors: the largest |error| of each input, by position; an input that is not listed is exact.
        """

    def noise(self, step: "Step", /) -> "Tensor | None":
        """Return the size, in u, of the rounding error of each output number, or ``None`` if nothing is rounded."""

    def pull_back(self, step: "Step", gradient: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        """Return the gradients [K, …] of the inputs, by position, given those of the first output."""


@runtime_checkable
class Carrying(Operator, Protocol):
    """An operator with one input that keeps the channels, and can move the noise of its input to its result."""

    def carry(self, step: "Step", noise: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Tensor | None":
        """Return the noise of the first output with the same Σ_positions |g|·noise as this noise of the input.

        It is ``None`` if an input number may reach two output numbers, whose gradients add up before |g| is taken.
        """


_HOMES = {
    "affine": ("convolution", "_convolution", "addmm", "mm"),
    "pooling": ("max_pool2d_with_indices",),
    "averages": ("avg_pool2d", "_adaptive_avg_pool2d", "mean"),
    "kinks": ("relu", "leaky_relu", "hardtanh", "clamp"),
    "pointwise": ("tanh", "sigmoid", "add", "sub", "mul", "div", "native_batch_norm"),
    "storing": ("lenetx::store_float16",),
    "reshaping": (
        *("view", "_unsafe_view", "reshape", "permute", "transpose", "t", "squeeze", "unsqueeze", "select", "slice"),
        *("cat", "clone", "alias", "detach", "expand", "constant_pad_nd", "neg", "dropout"),
    ),
}


def is_affine(step: "Step") -> bool:
    """Return whether a step is a convolution or a dense layer: sums of products with weights."""
    return step.operator in _HOMES["affine"]


def known(name: str) -> bool:
    """Return whether the bounds cover an operator."""
    return any(name in names for names in _HOMES.values())


def operator_of(name: str) -> Operator:
    """Return the bounds of an operator that is ``known``."""
    home = next(module for module, names in _HOMES.items() if name in names)
    module = importlib.import_module(f".{home}", __package__)
    return cast("Operator", module.OPERATORS[name])
