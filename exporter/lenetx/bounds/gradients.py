"""Differentiate an operator with torch's autograd, for many output gradients at once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["batched_gradients"]


def batched_gradients(step: "Step", gradient: "Tensor") -> "Mapping[int, Tensor]":
    """Return the gradients [K, …] of a step's inputs, by position, given those of its first output."""
    import torch

    with torch.enable_grad():
        sources = {place: step.leaves[place].detach().requires_grad_() for place in step.sources}
        output = step.rerun(sources)[0]
        found = torch.autograd.grad(output, list(sources.values()), gradient, is_grads_batched=True)
    return dict(zip(sources, found, strict=True))
