"""Read the tape of a PyTorch forward pass, eager or TorchScript, into an expression."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .expression import (
    FRONT,
    Expression,
    Unknown,
    Unsupported,
    aliased,
    make,
    number,
    of_array,
    opaque,
    ordered,
    weight,
)
from .shapes import expand, reshape, transpose
from .torch_call import Call
from .torch_operators import OPERATORS
from .views import measured

if TYPE_CHECKING:
    from torch import Tensor

    from .tape import Step, Tape

__all__ = ["known", "of_tape"]


def of_tape(tape: "Tape", aliases: Mapping[str, str] | None = None) -> Expression | Unknown:
    """Return the canonical form of what a tape recorded, or why it cannot be read.

    Args:
        tape: of one batch, recorded with the names of the network's parameters and buffers.
        aliases: for tensors with several names, the one under which they are compared, see ``aliases``.
    """
    if tape.incomplete_reason:
        return Unknown(tape.incomplete_reason)
    batch = len(tape.values[0])
    values = {0: make("input", (), tuple(tape.values[0].shape[1:]), batch=FRONT, axes=tuple(tape.values[0].shape[1:]))}
    for step in tape.steps:
        outputs = _outputs(step, values, batch, aliases)
        values |= {place: each for place, each in zip(step.outputs, outputs, strict=True) if place is not None}
    output = values[tape.output]
    if not output.is_opaque and output.batch != FRONT:
        return Unknown("its output mixes the images of a batch", output)
    return known(output)


def known(expression: Expression) -> Expression | Unknown:
    """Return the expression if all its operators have a canonical form, else ``Unknown`` with the reason."""
    for each in ordered(expression):
        if each.is_opaque:
            return Unknown(f"{each.operator[1:]} has no canonical form here: {each.attributes['reason']}", expression)
    return expression


def _outputs(
    step: "Step", values: Mapping[int, Expression], count: int, aliases: Mapping[str, str] | None
) -> list[Expression]:
    """Return an expression for each output of a step; outputs that the canonical form lacks are opaque."""
    read = [values[value] for _, value in sorted(step.sources.items())]
    try:
        operator = OPERATORS.get(step.operator)
        if operator is None:
            raise Unsupported("it is not known")
        call = Call(step, [_leaf(step, place, values, aliases, count) for place in range(len(step.leaves))], count)
        found = operator(call)
        call.finish()
    except Unsupported as error:
        return [opaque(step.operator, str(error), read, place) for place in range(len(step.outputs))]
    outputs = found if isinstance(found, list) else [found]
    for place, (output, result) in enumerate(zip(outputs, step.results, strict=False)):
        if output.shape is None:
            continue
        if not output.batched or measured(output, count) != list(result.shape):
            outputs[place] = opaque(step.operator, "its result has another shape", read, place)
    others = range(len(outputs), len(step.outputs))
    return [*outputs, *(opaque(step.operator, "its second result", read, place) for place in others)]


def _leaf(
    step: "Step", place: int, values: Mapping[int, Expression], aliases: Mapping[str, str] | None, count: int
) -> Any:
    """Return an argument: a float tensor as an expression, anything else unchanged."""
    import torch

    leaf = step.leaves[place]
    if place in step.sources:
        return values[step.sources[place]]
    if not isinstance(leaf, torch.Tensor):
        return leaf
    if not leaf.is_floating_point():
        return leaf
    name = step.names.get(place, "")
    name, *changes = name.split(":")
    if not name:
        return _constant(leaf, aliases)
    own = weight(aliased(name, aliases), _first_axes(changes, leaf))
    last, have = (changes or [""])[-1], _first_axes(changes[-1:], leaf)
    if last.startswith("repeat"):
        if tuple(leaf.shape) != (math.prod(have) * count,):
            return _constant(leaf, aliases)
        return _changed(own, changes[:-1], have)  # one copy per image: an instance norm runs as a batch norm
    if last.startswith("expand") and leaf.shape[0] == count and not leaf.stride(0):
        axes = have[1:] if len(have) == leaf.ndim else have
        return expand(reshape(_changed(own, changes[:-1], have), axes), tuple(leaf.shape[1:]), batched=True)
    return _changed(own, changes, tuple(leaf.shape))


def _first_axes(changes: Sequence[str], leaf: "Tensor") -> tuple[int, ...]:
    """Return the axes that a tensor had before the first of its changes."""
    return _numbers(changes[0].split("/")[1]) if changes else tuple(leaf.shape)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)


def _changed(found: Expression, changes: Sequence[str], axes: tuple[int, ...]) -> Expression:
    """Apply the recorded transposes, reshapes and copies to a weight."""
    after = [*(_numbers(change.split("/")[1]) for change in changes[1:]), axes]
    for change, shape in zip(changes, after, strict=False):
        operator, _, order = change.split("/")
        if operator == "repeat":
            raise Unsupported("it reads copies of its weights")
        if operator == "expand":
            found = expand(found, shape, batched=False)
        else:
            found = reshape(transpose(found, _numbers(order)) if order else found, shape)
    return reshape(found, axes)


def _constant(leaf: "Tensor", aliases: Mapping[str, str] | None) -> Expression:
    """Return a tensor that is not a parameter or buffer as a number, or as a constant in the order of its memory."""
    if leaf.numel() == 1 and leaf.ndim < 2:
        return number(float(leaf))
    order = sorted(range(leaf.ndim), key=leaf.stride, reverse=True)
    found = of_array(leaf.detach().permute(order).contiguous().cpu().numpy(), aliases)
    return transpose(found, [order.index(axis) for axis in range(leaf.ndim)])
