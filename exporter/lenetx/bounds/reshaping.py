"""Bound operators that move numbers without rounding them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .gradients import batched_gradients

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["OPERATORS"]

_NAMES = (
    *("view", "_unsafe_view", "reshape", "permute", "transpose", "t", "squeeze", "unsqueeze", "select", "slice"),
    *("cat", "clone", "alias", "detach", "expand", "constant_pad_nd", "neg", "dropout"),
)


def _moved(step: "Step", errors: "Mapping[int, Tensor]") -> "Tensor":
    """Return the errors of the output: those of the inputs, moved as the operator moves numbers."""
    import torch

    zeros = {place: torch.zeros_like(step.leaves[place]) for place in step.sources if place not in errors}
    output: Tensor = step.rerun({**zeros, **errors})[0].abs()
    return output


class _Shape:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        if step.operator == "constant_pad_nd":  # the padding itself is exact
            import torch

            padded: Tensor = torch.constant_pad_nd(
                errors.get(0, torch.zeros_like(step.leaves[0])), step.argument("pad")
            )
            return padded
        return _moved(step, errors)

    def noise(self, _: "Step", /) -> None:
        return None

    def pull_back(self, step: "Step", gradient: "Tensor", _: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        if step.operator in ("detach", "alias"):  # autograd stops here; errors do not
            return {0: gradient}
        return batched_gradients(step, gradient)


OPERATORS = dict.fromkeys(_NAMES, _Shape())
