"""Run onnxruntime sessions, torch modules and functions alike: from float32[N, C, H, W] to logits."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lenetx_runtime.layout import LAYOUTS, arrange, axes_of

from ..errors import InputError
from ..models.in_memory import is_module

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

__all__ = ["Program", "program_of"]


_FATAL = 4
"""A severity of onnxruntime's log, above that of errors."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program in memory that computes logits.

    Attributes:
        name: for the report; ``None`` for a function's own.
        run: from float32[N, C, H, W], any N ≥ 0, to logits.
        axes: axes of its input, if it states them.
    """

    name: str | None
    run: "Callable[[NDArray[np.float32]], Any]"
    axes: Sequence[object] | None = None


def program_of(value: Any, name: str | None) -> Program | None:
    """Return a function, an ``onnxruntime.InferenceSession`` or a torch module as a program; ``None`` for others.

    Args:
        value: a session is anything that has ``run`` and ``get_inputs``; a module runs in eval mode, and its modes are
            restored after each call.
        name: for the report; by default the name of the function or of the class.

    Raises:
        InputError: a session does not have exactly one float32 input and one output.
    """
    if is_module(value):
        return Program(name or type(value).__name__, lambda batch: _logits(value, batch))
    if all(callable(getattr(value, method, None)) for method in ("run", "get_inputs", "get_outputs")):
        return _session(value, name or type(value).__name__)
    if callable(value):
        return Program(name, value)
    return None


def _logits(module: "nn.Module", batch: "NDArray[np.float32]") -> Any:
    import torch

    from ..models.probe import eval_mode

    device = next((each.device for each in module.parameters()), torch.device("cpu"))
    with torch.no_grad(), eval_mode(module):
        return module(torch.from_numpy(batch).to(device))


def _session(session: Any, name: str) -> Program:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(float)":
        held = ", ".join(f"{each.name}: {each.type}" for each in (*inputs, *outputs))
        raise InputError(
            f"The session has not one float32 input and one output, but {held}: give a function from the inputs "
            "to the logits, which calls it."
        )
    axes = list(inputs[0].shape)
    fixed = axes[0] if axes and isinstance(axes[0], int) else None
    options = _quiet(session)

    def run(batch: "NDArray[np.float32]") -> Any:
        given = _arranged(batch, axes)
        if fixed is None or len(batch) == fixed:
            return session.run(None, {inputs[0].name: given}, *options)[0]
        parts = [_padded(given[start : start + fixed], fixed) for start in range(0, max(len(batch), 1), fixed)]
        return np.concatenate([session.run(None, {inputs[0].name: part}, *options)[0] for part in parts])[: len(batch)]

    return Program(name, run, axes)


def _quiet(session: Any) -> tuple[Any, ...]:
    """Return options with which onnxruntime only raises errors, such as that of no images; no options for others."""
    engine = sys.modules.get("onnxruntime")
    if engine is None or not isinstance(session, engine.InferenceSession):
        return ()
    options = engine.RunOptions()
    options.log_severity_level = _FATAL
    return (options,)


def _padded(batch: "NDArray[np.float32]", size: int) -> "NDArray[np.float32]":
    return np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), np.float32)])


def _arranged(batch: "NDArray[np.float32]", axes: Sequence[object]) -> "NDArray[np.float32]":
    """Return a batch in the first layout that fits the axes of an input; unchanged if none does."""
    for layout in LAYOUTS:
        wanted = axes_of(layout, batch.shape[1:])
        known = [size if isinstance(size, int) else own for size, own in zip(axes[1:], wanted, strict=False)]
        if len(axes) == len(wanted) + 1 and known == wanted and prod(wanted) == prod(batch.shape[1:]):
            change = arrange(layout)
            return batch if change is None else change(batch)
    return batch
