"""ONNX's operators that move numbers about in canonical form."""

import math
from collections.abc import Callable, Mapping, Sequence

from . import shapes
from .expression import Expression, Strange
from .onnx_node import Node

__all__ = ["SHAPES"]

Operator = Callable[[Node], Expression | list[Expression]]


def _flatten(node: Node) -> Expression:
    inputs = node.value()
    if node.integer("axis", 1) not in (1, -len(inputs.axes)) or not inputs.batched:
        raise Strange("it mixes the images of a batch")
    return shapes.reshape(inputs, [math.prod(inputs.axes)])


def _reshape(node: Node) -> Expression:
    inputs, wanted = node.value(), node.sizes(1)
    node.require("allowzero", 0)
    if wanted is None:
        raise Strange("too few inputs")
    if inputs.batched:
        first, wanted = wanted[:1], wanted[1:]
        if first not in ([-1], [0], [node.batch]) or (first == [-1] and -1 in wanted):
            raise Strange("it mixes the images of a batch")
    return shapes.reshape(inputs, _resolved(inputs.axes, wanted))


def _resolved(have: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Give sizes where 0 is one of those that there are and −1 what is left."""
    if any(not size and place >= len(have) for place, size in enumerate(wanted)) or list(wanted).count(-1) > 1:
        raise Strange("a shape that does not fit")
    sizes = [size or have[place] for place, size in enumerate(wanted)]
    rest = math.prod(size for size in sizes if size != -1)
    return [math.prod(have) // rest if size == -1 and rest else size for size in sizes]


def _squeeze(node: Node) -> Expression:
    inputs, axes = node.value(), node.sizes(1)
    places = [shapes.axis_of(inputs, axis) for axis in axes or ()]
    if not places or any(inputs.axes[place] != 1 for place in places):
        raise Strange("axes that do not fit")
    return shapes.reshape(inputs, [size for place, size in enumerate(inputs.axes) if place not in places])


def _unsqueeze(node: Node) -> Expression:
    inputs, axes = node.value(), node.sizes(1) or []
    rank = len(inputs.axes) + len(axes) + inputs.batched
    places = {axis % rank - inputs.batched for axis in axes if -rank <= axis < rank}
    if len(places) != len(axes) or min(places, default=-1) < 0:
        raise Strange("axes that do not fit")
    left = iter(inputs.axes)
    return shapes.reshape(inputs, [1 if place in places else next(left) for place in range(rank - inputs.batched)])


def _transpose(node: Node) -> Expression:
    inputs, order = node.value(), node.integers("perm")
    if order is None:
        order = list(range(len(inputs.axes) + inputs.batched))[::-1]
    if inputs.batched:
        if order[:1] != [0]:
            raise Strange("it mixes the images of a batch")
        order = [axis - 1 for axis in order[1:]]
    return shapes.transpose(inputs, order)


def _slice(node: Node) -> Expression:
    inputs, starts, ends, axes, steps = node.value(), *(node.sizes(place) for place in range(1, 5))
    if starts is None or ends is None or axes is None or not inputs.batched:
        raise Strange("axes that are not given")
    steps = steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Strange("axes that do not fit")
    found = inputs
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        found = shapes.cut(found, shapes.axis_of(inputs, axis), start, end, step)
    return found


def _gather(node: Node) -> Expression:
    inputs, places = node.value(), node.sizes(1)
    if not places or not node.is_single(1) or not inputs.batched:
        raise Strange("of several places")
    return shapes.pick(inputs, shapes.axis_of(inputs, node.integer("axis", 0)), places[0])


def _concat(node: Node) -> Expression:
    values = [node.value(place) for place in range(node.inputs)]
    if not values:
        raise Strange("of nothing")
    return shapes.concat(values, shapes.axis_of(values[0], node.integer("axis", 0)))


def _split(node: Node) -> list[Expression]:
    inputs, sizes, count = node.value(), node.sizes(1), node.integer("num_outputs", node.outputs)
    axis = shapes.axis_of(inputs, node.integer("axis", 0))
    if sizes is None:
        size = -(-inputs.axes[axis] // node.outputs)
        sizes = [size] * (node.outputs - 1)
        sizes.append(inputs.axes[axis] - sum(sizes))
    if count != node.outputs or len(sizes) != count or min(sizes) < 1 or sum(sizes) != inputs.axes[axis]:
        raise Strange("sizes that do not fit")
    ends = [sum(sizes[: place + 1]) for place in range(count)]
    return [shapes.cut(inputs, axis, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _pad(node: Node) -> Expression:
    inputs, sizes, value, axes = node.value(), node.sizes(1), node.number(2), node.sizes(3)
    rank = len(inputs.axes) + 1
    if node.text("mode", "constant") != "constant" or axes is not None or sizes is None or len(sizes) != 2 * rank:
        raise Strange("of another mode")
    if sizes[0] or sizes[rank]:
        raise Strange("it mixes the images of a batch")
    return shapes.pad(inputs, [*sizes[1:rank], *sizes[rank + 1 :]], value or 0.0)


SHAPES: Mapping[str, Operator] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Slice": _slice,
    "Gather": _gather,
    "Concat": _concat,
    "Split": _split,
    "Pad": _pad,
}
