"""What rounding does in each operator that the bounds know, and how its result follows a change of what it reads.

u = 2⁻²⁴ is the unit roundoff of float32. Every operator has three answers, each about a step of a tape:

- ``worst``: the largest error of its float32 result, given the largest errors of what it reads;
- ``noise``: the size, in u, of the error that it adds itself, as a random number has its standard deviation;
- ``pull_back``: the gradients of what it reads, given those of its result, with the larger of two where it has a kink.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["Operator", "is_affine", "known", "operator_of"]


class Operator(Protocol):
    """What each operator of ``_HOMES`` is: a module of functions or an object."""

    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        """Return the largest |error| of the first output.

        Args:
            step: the call.
            errors: the largest |error| of what it reads, by position; what is not there is exact.
        """

    def noise(self, step: "Step", /) -> "Tensor | None":
        """Return the size in u of the rounding of each number of the output, or ``None`` where there is none."""

    def pull_back(self, step: "Step", gradient: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        """Return the gradients [K, …] of what it reads, by position, from those of its first output."""


_HOMES = {
    "affine": ("convolution", "_convolution", "addmm", "mm"),
    "pooling": ("max_pool2d_with_indices",),
    "averages": ("avg_pool2d", "_adaptive_avg_pool2d", "mean"),
    "kinks": ("relu", "leaky_relu", "hardtanh", "clamp"),
    "pointwise": ("tanh", "sigmoid", "add", "sub", "mul", "div", "native_batch_norm"),
    "reshaping": (
        *("view", "_unsafe_view", "reshape", "permute", "transpose", "t", "squeeze", "unsqueeze", "select", "slice"),
        *("cat", "clone", "alias", "detach", "expand", "constant_pad_nd", "neg", "dropout"),
    ),
}


def is_affine(step: "Step") -> bool:
    """Return whether a step is a sum of products with weights."""
    return step.operator in _HOMES["affine"]


def known(name: str) -> bool:
    """Return whether the bounds know an operator."""
    return any(name in names for names in _HOMES.values())


def operator_of(name: str) -> Operator:
    """Return an operator that is ``known``."""
    home = next(module for module, names in _HOMES.items() if name in names)
    module = importlib.import_module(f".{home}", __package__)
    return cast("Operator", module.OPERATORS[name])
