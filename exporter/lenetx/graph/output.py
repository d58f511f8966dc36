"""Find out what a network returns: logits, probabilities or their logarithms."""

from typing import TYPE_CHECKING

from .. import models
from ..execution.user_code import user_code
from ..models import Architecture
from ..models.architecture import Shape
from ..models.probe import eval_mode, fork_random
from .tape import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from .tape import Step, Tape

__all__ = ["output_of"]

_IMAGES = 4
_LEVELS = 4.0
"""Standard deviation of the random inputs, wide enough for outputs that differ."""
_TOLERANCE = 1e-3
"""By which the sum of a row of probabilities may differ from 1."""
_SHAPES = ("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "clone", "detach", "alias", "_to_copy", "select")
"""Operators after the last one that changes numbers."""


def output_of(network: "nn.Module", architecture: Architecture, shape: Shape) -> str:
    """Return what a network's outputs are, as ``lenetx_runtime.ModelSpec.output`` has it.

    The last operator that changed numbers says what they may be, and the outputs for random inputs whether they are.

    Args:
        network: on the CPU, with any weights.
        architecture: what it is; those of lenetx and torchvision return logits.
        shape: (channels, height, width) of its input.

    Raises:
        InputError: its code raised an error.
    """
    import torch

    if models.is_safe(architecture.name):
        return "logits"
    random = torch.Generator().manual_seed(0)
    inputs = _LEVELS * torch.randn(_IMAGES, *shape, generator=random)
    with user_code(architecture.title), eval_mode(network), fork_random():
        tape = record(network, inputs)
    last = _last(tape)
    kind, test = _ENDINGS.get(last.operator, ("logits", _any)) if last is not None else ("logits", _any)
    return kind if test(tape.values[tape.output]) else "logits"


def _last(tape: "Tape") -> "Step | None":
    """Return the step that computed the numbers of the output."""
    makers = {value: step for step in tape.steps for value in step.outputs if value is not None}
    step = makers.get(tape.output)
    while step is not None and step.operator in _SHAPES and len(step.sources) == 1:
        step = makers.get(next(iter(step.sources.values())))
    return step


def _any(_: "Tensor") -> bool:
    return True


def _sums_to_one(values: "Tensor") -> bool:
    sums = values.double().sum(1)
    return bool(((values >= 0) & (values <= 1 + _TOLERANCE)).all() and ((sums - 1).abs() <= _TOLERANCE).all())


def _logarithms_sum_to_one(values: "Tensor") -> bool:
    return _sums_to_one(values.double().exp())


def _are_shares(values: "Tensor") -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _are_logarithms(values: "Tensor") -> bool:
    return bool((values <= 0).all())


_NORMALISED = ("_softmax", "_safe_softmax", "softmax", "div", "exp", "mul", "mean", "cat", "clamp", "clamp_min")
_LOGARITHMS = ("_log_softmax", "log_softmax", "log", "sub")
_ENDINGS: "dict[str, tuple[str, Callable[[Tensor], bool]]]" = {
    **dict.fromkeys(_NORMALISED, ("probabilities", _sums_to_one)),
    **dict.fromkeys(_LOGARITHMS, ("log_probabilities", _logarithms_sum_to_one)),
    **dict.fromkeys(("sigmoid", "hardsigmoid"), ("probabilities", _are_shares)),
    "log_sigmoid_forward": ("log_probabilities", _are_logarithms),
}
"""By the last operator: what the outputs are, if they look so."""
