"""A network on some inputs: what is right, what eager float32 gives, and how far from right honest programs may be."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..eager import full_precision
from .adjoint import limits, unknown
from .affine import sums
from .calibrated import self_calibrated
from .operators import is_affine
from .tape import record

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from .tape import Step

__all__ = ["Measured", "Method", "Plan", "measure", "plan"]

Method = Literal["adjoint", "self-calibrated"]

_BATCH = 100
"""Inputs of LeNet's size at once; measured: more are slower, for their gradients leave the cache."""
_NUMBERS = 2**17
_MADE_UP, _FEWEST, _GROUPS = 257, 2, 8
"""Inputs in a group that is made up: as many as a batch that is tried; the fewest; and how many groups there are."""
_WORK_PER_GROUP, _MOST_WORK = 3 * 10**10, 10**12
"""Products of float64, of which 2 cores do some 3e9 in a second."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How limits are found.

    Attributes:
        method: ``adjoint`` or ``self-calibrated``.
        reason: why it is not the adjoint bound.
        made_up: how many inputs of each made-up group are affordable.
        unknown: the network has operators that the bounds do not know.
    """

    method: Method
    reason: str
    made_up: int
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """The answers for N inputs.

    Attributes:
        exact: float64[N, K] logits of the module in float64.
        eager: float32[N, K] logits of the module in float32.
        limits: float64[N, K], the largest |logit − exact| that passes.
    """

    exact: "NDArray[np.float64]"
    eager: "NDArray[np.float32]"
    limits: "NDArray[np.float64]"


def plan(float64: "nn.Module", shape: tuple[int, int, int], images: int) -> Plan:
    """Choose how limits are found.

    Args:
        float64: the network in float64, in eval mode.
        shape: (channels, height, width) of its input.
        images: real ones that will be asked.
    """
    import torch

    with full_precision("cpu"):
        tape = record(float64, torch.zeros(2, *shape, dtype=torch.float64))
    reason = unknown(tape)
    if reason is not None:
        return Plan("self-calibrated", reason, _MADE_UP, unknown=True)
    work = sum(_products(step) for step in tape.steps if is_affine(step)) // 2
    per_image = max(1, work * tape.values[tape.output].shape[1])
    made_up = max(_FEWEST, min(_MADE_UP, _WORK_PER_GROUP // per_image))
    total = per_image * (images + _GROUPS * made_up)
    if total > _MOST_WORK:
        reason = f"the adjoint bound would take {total:.1e} products, and {_MOST_WORK:.0e} are affordable"
        return Plan("self-calibrated", reason, max(_FEWEST, min(_MADE_UP, _WORK_PER_GROUP // max(1, work))))
    return Plan("adjoint", "", made_up)


def measure(float32: "nn.Module", float64: "nn.Module", inputs: "NDArray[np.float32]", method: Method) -> Measured:
    """Run a network in both precisions and find the limits.

    Args:
        float32: in eval mode.
        float64: the same, in float64.
        inputs: float32[N, C, H, W].
        method: as :func:`plan` says.
    """
    import torch

    exact, eager, bounds = [], [], []
    with torch.no_grad(), full_precision("cpu"):
        for part in torch.from_numpy(inputs).split(_batch(inputs)):  # type: ignore[no-untyped-call]
            eager.append(float32(part).float())
            if method == "adjoint":
                tape = record(float64, part.double())
                exact.append(tape.values[tape.output])
                bounds.append(limits(tape))
            else:
                exact.append(float64(part.double()))
    right, ours = torch.cat(exact).numpy(), torch.cat(eager).numpy()
    if method == "adjoint":
        return Measured(right, ours, torch.cat(bounds).numpy())
    return Measured(right, ours, np.full_like(right, self_calibrated(right, ours)))


def _products(step: "Step") -> int:
    return sums(step).terms * int(step.results[0].numel())


def _batch(inputs: "NDArray[np.float32]") -> int:
    return max(1, min(_BATCH, _NUMBERS // max(1, inputs[0].size if len(inputs) else 1)))
