"""Detect whether a network returns logits, probabilities or log-probabilities."""

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
"""Standard deviation of the random inputs, large enough for different outputs."""
_TOLERANCE = 1e-3
"""Maximum difference between 1 and the sum of a row of probabilities."""
_SHAPES = ("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "clone", "detach", "alias", "_to_copy", "select")
"""Operators that may follow the last one that changes numbers."""


def output_of(network: "nn.Module", architecture: Architecture, shape: Shape) -> str:
    """Return the kind of a network's outputs, as a value of ``lenetx_runtime.ModelSpec.output``.

    The last operator that changes numbers suggests a kind, and the outputs for random inputs must agree with it.

    Args:
        network: on the CPU, with any weights.
        architecture: of the network; those of lenetx, torchvision and timm return logits.
        shape: (channels, height, width) of its input.

    Raises:
        InputError: the network's code raised an error.
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
    """Return the step that computed the numbers of the output, before they were only reshaped."""
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
"""By the last operator: the kind of outputs that it suggests, and the test that they must pass."""
