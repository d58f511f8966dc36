"""Networks as functions in float64, and what their tapes are asked."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lenetx.bounds.operators import is_affine, operator_of
from lenetx.graph.tape import Tape, record


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        yield


def float64(module: nn.Module) -> nn.Module:
    return module.double().eval().requires_grad_(False)


def images(count: int = 3, channels: int = 2, size: int = 8) -> Tensor:
    return torch.randn(count, channels, size, size, dtype=torch.float64)


def names(tape: Tape) -> list[str]:
    return [step.operator for step in tape.steps]


def worst_of(run: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """The largest error of the result since the last affine layers."""
    tape = record(run, inputs)
    errors: dict[int, Tensor] = {}
    for step in tape.steps:
        given = {} if is_affine(step) else {p: errors[v] for p, v in step.sources.items() if v in errors}
        errors[step.outputs[0]] = operator_of(step.operator).worst(step, given)
    return errors[tape.output]
