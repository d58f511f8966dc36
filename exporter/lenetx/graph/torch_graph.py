"""From a tape of what PyTorch did, eager or TorchScript, to an expression."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .expression import Expression, Strange, Unknown, aliased, make, number, ordered, strange, weight
from .shapes import transpose
from .torch_call import Call
from .torch_operators import OPERATORS

if TYPE_CHECKING:
    from torch import Tensor

    from .tape import Step, Tape

__all__ = ["known", "of_tape"]

_TURNS = ("t", "transpose", "permute")
_SPREADS = ("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "detach", "alias")


def of_tape(tape: "Tape", aliases: Mapping[str, str] | None = None) -> Expression | Unknown:
    """Give what a tape did in canonical form.

    Args:
        tape: of one batch, with the names of the network's own tensors.
        aliases: the name under which a tensor is compared, for those that have several, see :func:`aliases`.
    """
    if tape.problem:
        return Unknown(tape.problem)
    batch = len(tape.values[0])
    values = {0: make("input", (), tuple(tape.values[0].shape[1:]), batched=True, axes=tuple(tape.values[0].shape[1:]))}
    for step in tape.steps:
        shapes = [None if place is None else _axes(tape.values[place], batch) for place in step.outputs]
        outputs = _outputs(step, values, shapes, aliases)
        values |= {place: each for place, each in zip(step.outputs, outputs, strict=True) if place is not None}
    return known(values[tape.output])


def known(expression: Expression) -> Expression | Unknown:
    """Give an expression of canonical forms only, or why it is none."""
    for each in ordered(expression):
        if each.is_strange:
            return Unknown(f"{each.operator[1:]} has no canonical form here: {each.attributes['reason']}", expression)
    return expression


def _outputs(
    step: "Step",
    values: Mapping[int, Expression],
    shapes: list[tuple[int, ...] | None],
    aliases: Mapping[str, str] | None,
) -> list[Expression]:
    """Give the outputs of a step; the later ones of an operator that has one form are strange."""
    read = [values[value] for _, value in sorted(step.sources.items())]
    try:
        operator = OPERATORS.get(step.operator)
        if operator is None:
            raise Strange("it is not known")
        call = Call(step, [_leaf(step, place, values, aliases) for place in range(len(step.leaves))], shapes)
        found = operator(call)
        call.finish()
    except Strange as error:
        return [strange(step.operator, str(error), read, place) for place in range(len(step.outputs))]
    outputs = found if isinstance(found, list) else [found]
    for place, (output, shape) in enumerate(zip(outputs, shapes, strict=False)):
        if output.shape != shape:
            outputs[place] = strange(step.operator, "its result has another shape", read, place)
    others = range(len(outputs), len(step.outputs))
    return [*outputs, *(strange(step.operator, "its second result", read, place) for place in others)]


def _leaf(step: "Step", place: int, values: Mapping[int, Expression], aliases: Mapping[str, str] | None) -> Any:
    """Give an argument: a tensor as an expression, anything else as it is."""
    import torch

    leaf = step.leaves[place]
    if place in step.sources:
        return values[step.sources[place]]
    if not isinstance(leaf, torch.Tensor):
        return leaf
    if place in step.names:
        return _weight(step.names[place], leaf, aliases)
    if not leaf.ndim and leaf.is_floating_point():
        return number(float(leaf))
    raise Strange("it computes with a tensor that is none of the network's weights as they are")


def _weight(name: str, leaf: "Tensor", aliases: Mapping[str, str] | None) -> Expression:
    """Give a weight that may have been turned round last, and given other shapes before."""
    shape, turned = tuple(leaf.shape), False
    base, _, change = name.rpartition(":")
    if change in _TURNS:
        if leaf.ndim != 2 or (change != "t" and leaf.stride() != (1, leaf.shape[0])):
            raise Strange("its weights are turned round")
        name, shape, turned = base, shape[::-1], True
    base, _, change = name.rpartition(":")
    while change in _SPREADS:
        name = base
        base, _, change = name.rpartition(":")
    if change in _TURNS:
        raise Strange("its weights are turned round")
    found = weight(aliased(name, aliases), shape)
    return transpose(found, (1, 0)) if turned else found


def _axes(value: "Tensor", batch: int) -> tuple[int, ...] | None:
    return tuple(value.shape[1:]) if value.ndim and value.shape[0] == batch else None
