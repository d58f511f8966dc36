"""Check the values in a state file before any of them reaches a network, an optimizer or a counter.

torch's fused optimizers do not check the shapes of their moments: with a wrong shape they read and write out of bounds.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .config import TrainConfig
from .optimizers import optimizer as optimizer_of

__all__ = ["InvalidState", "count", "fields", "number", "optimizer_state", "tensor", "tensors", "vector"]

_MOVED = ("lr", "momentum", "betas")
"""Fields of an optimizer that a schedule changes; all others follow from the configuration."""


class InvalidState(ValueError):
    """A state file holds a value that no run of this configuration can have."""


def count(found: Any, where: str, low: int, high: int) -> int:
    """Check that a value is an integer from ``low`` to ``high`` and return it.

    Raises:
        InvalidState: it is not.
    """
    if type(found) is not int or not low <= found <= high:
        raise InvalidState(f"{where} is {_shown(found)}, not a whole number from {low} to {high}")
    return found


def number(found: Any, where: str, low: float, high: float) -> float:
    """Check that a value is a number from ``low`` to ``high``, never NaN, and return it.

    Raises:
        InvalidState: it is not.
    """
    if type(found) not in (int, float) or not low <= found <= high:
        raise InvalidState(f"{where} is {_shown(found)}, not a number from {low} to {high}")
    return float(found)


def fields(found: Any, names: Iterable[str], where: str) -> Mapping[str, Any]:
    """Check that a value is a dict with exactly these keys and return it.

    Raises:
        InvalidState: it is not.
    """
    if not isinstance(found, dict) or found.keys() != set(names):
        raise InvalidState(f"{where} does not have the fields {', '.join(names)}")
    return found


def tensor(found: Any, like: Tensor, where: str, *, low: float | None = None, finite: bool = False) -> Tensor:
    """Check a tensor of a state file and return a copy with the layout and device of ``like``.

    Args:
        found: the value in the file.
        like: a tensor of the run, with the expected dtype and shape.
        where: name for the error message.
        low: minimum of the elements; none when ``None``.
        finite: reject infinite elements; NaN is always rejected.

    Raises:
        InvalidState: the value is not a dense tensor of that dtype and shape, or an element is rejected.
    """
    if not isinstance(found, Tensor) or found.layout != torch.strided or found.is_quantized:
        raise InvalidState(f"{where} is {_shown(found)}, not a dense tensor")
    if found.dtype != like.dtype or found.shape != like.shape:
        raise InvalidState(f"{where} is {_kind(found)}, not {_kind(like)}")
    values = found.detach()
    if bool((values != values).any()) or (finite and not bool(values.isfinite().all())):
        raise InvalidState(f"{where} holds numbers that are not finite")
    if low is not None and bool((values < low).any()):
        raise InvalidState(f"{where} holds numbers below {low}")
    return torch.empty_like(like, requires_grad=False).copy_(values)


def tensors(found: Any, like: Mapping[str, Tensor], where: str, finite: Iterable[str] = ()) -> dict[str, Tensor]:
    """Check a dict of tensors as ``tensor`` does and return copies of them.

    Args:
        found: the value in the file.
        like: tensors of the run, by name.
        where: name for the error message.
        finite: names of the tensors in which infinite elements are rejected.

    Raises:
        InvalidState: a name is missing or unknown, or a tensor is rejected.
    """
    known, named = set(finite), fields(found, like, where)
    return {name: tensor(named[name], each, f"{name} of {where}", finite=name in known) for name, each in like.items()}


def vector(found: Any, kind: torch.dtype | None, where: str, length: int) -> Tensor:
    """Check a finite one-dimensional tensor of a given length and return a copy on the CPU.

    Args:
        found: the value in the file.
        kind: expected dtype; any floating-point dtype when ``None``.
        where: name for the error message.
        length: expected length.

    Raises:
        InvalidState: the value is not such a tensor, or holds NaN or infinity.
    """
    fits = isinstance(found, Tensor) and found.layout == torch.strided and found.shape == (length,)
    if not fits or not (found.is_floating_point() if kind is None else found.dtype == kind):
        raise InvalidState(f"{where} is {_shown(found)}, not {length} numbers in a row")
    return tensor(found, torch.empty(length, dtype=found.dtype), where, finite=True)


def optimizer_state(
    config: TrainConfig, optimizer: torch.optim.Optimizer, saved: Any, names: Mapping[int, str], step: int
) -> dict[str, Any]:
    """Check a saved optimizer and return a state_dict to load into a fresh one.

    Args:
        config: configuration of the run.
        optimizer: fresh optimizer, already attached to its schedule.
        saved: the optimizer's ``state_dict()`` in the file.
        names: names of the parameters, by ``id``.
        step: number of steps done.

    Raises:
        InvalidState: a value is impossible for such an optimizer after ``step`` steps, such as a moment whose shape is
            not that of its parameter.
    """
    saved = fields(saved, ("state", "param_groups"), "the optimizer")
    (group,) = optimizer.param_groups
    parameters: list[nn.Parameter] = group["params"]
    held = saved["state"]
    if not isinstance(held, dict) or not all(type(key) is int and 0 <= key < len(parameters) for key in held):
        raise InvalidState("the optimizer's state is not one of its parameters")
    if bool(step) != bool(held):
        raise InvalidState(f"the optimizer keeps something of {len(held)} parameters, and {step} steps are done")
    kept = _example(config, parameters[0].device) if held else {}
    state = {
        key: _moments(held[key], kept, each, names[id(each)], step) if key in held else _none_yet(kept, each)
        for key, each in enumerate(parameters)
        if held
    }
    given = saved["param_groups"]
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        raise InvalidState("the optimizer does not have one group of parameters")
    moved = {name: _moved(name, given[0].get(name), group, config) for name in _MOVED if name in group}
    fresh = optimizer.state_dict()["param_groups"][0]
    return {"state": state, "param_groups": [fresh | moved]}


def _example(config: TrainConfig, device: torch.device) -> dict[str, Any]:
    """Return the state that the configured optimizer keeps for a parameter of two elements after one step."""
    parameter = nn.Parameter(torch.zeros(2, device=device))
    parameter.grad = torch.zeros_like(parameter)
    optimizer = optimizer_of(config, [parameter])
    optimizer.step()
    return dict(optimizer.state[parameter])


def _moments(found: Any, example: Mapping[str, Any], parameter: Tensor, name: str, step: int) -> dict[str, Any]:
    held = fields(found, example, f"the optimizer's state of {name}")
    moments: dict[str, Any] = {}
    for key, like in example.items():
        where = f"{key} of {name}"
        if like is None:
            if held[key] is not None:
                raise InvalidState(f"{where} is {_shown(held[key])}, not empty")
            moments[key] = None
        elif like.ndim:
            low = 0.0 if key.endswith("_sq") else None
            moments[key] = tensor(held[key], parameter, where, low=low, finite=True)
        else:  # the parameter's number of steps
            moments[key] = tensor(held[key], like, where, low=1, finite=True)
            if float(moments[key]) not in range(1, step + 1):
                raise InvalidState(f"{where} is {float(moments[key])}, and {step} steps are done")
    return moments


def _none_yet(example: Mapping[str, Any], parameter: Tensor) -> dict[str, Any]:
    """Return zero moments for a parameter that never had a gradient, as the optimizer initialises them."""
    zeros = {key: parameter.detach() if like.ndim else like for key, like in example.items() if like is not None}
    return {key: torch.zeros_like(zeros[key]) if key in zeros else None for key in example}


def _moved(name: str, found: Any, group: Mapping[str, Any], config: TrainConfig) -> Any:
    if name == "lr":
        return number(found, "the learning rate", 0.0, config.learning_rate * (1 + 1e-9))
    if name == "momentum":
        return number(found, "the momentum", 0.0, 1.0)
    if not isinstance(found, tuple | list) or len(found) != 2 or found[1] != group[name][1]:
        raise InvalidState("the betas of the optimizer are not two numbers of this run")
    return number(found[0], "the first beta", 0.0, math.nextafter(1.0, 0.0)), group[name][1]


def _kind(found: Tensor) -> str:
    return f"{str(found.dtype).removeprefix('torch.')}{list(found.shape)}"


def _shown(found: Any) -> str:
    if isinstance(found, Tensor):
        return _kind(found)
    return repr(found) if type(found) in (int, float, bool) else type(found).__name__
