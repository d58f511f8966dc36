"""What moves numbers about. All axes are those behind the batch; those of weights are all of theirs."""

import math
from collections.abc import Sequence

from .expression import Expression, Strange, make, single, weight

__all__ = ["axis_of", "concat", "cut", "pad", "pick", "reshape", "transpose"]


def axis_of(expression: Expression, axis: int) -> int:
    """Give the place in ``axes`` of an axis as operators count them, with the batch, from either end.

    Raises:
        Strange: it is that of the batch, or there is none.
    """
    rank = len(expression.axes) + expression.batched
    if not -rank <= axis < rank:
        raise Strange("an axis that is not there")
    place = axis % rank - expression.batched
    if place < 0:
        raise Strange("it mixes the images of a batch")
    return place


def reshape(expression: Expression, axes: Sequence[int]) -> Expression:
    """Make another shape; of several in a row the last one counts."""
    if math.prod(expression.axes) != math.prod(axes) or min(axes, default=1) < 0:
        raise Strange("a shape that does not fit")
    if expression.operator == "weight":
        return weight(expression.attributes["name"], axes)
    base = expression.arguments[0] if expression.operator == "reshape" else expression
    return base if base.axes == tuple(axes) else make("reshape", [base], tuple(axes), axes=tuple(axes))


def transpose(expression: Expression, order: Sequence[int]) -> Expression:
    """Make another order of axes; several in a row are one."""
    if sorted(order) != list(range(len(expression.axes))):
        raise Strange("an order of axes that does not fit")
    if expression.operator == "transpose":
        inner = expression.attributes["order"]
        return transpose(expression.arguments[0], [inner[axis] for axis in order])
    if list(order) == sorted(order):
        return expression
    shape = tuple(expression.axes[axis] for axis in order)
    return make("transpose", [expression], shape, order=tuple(order))


def cut(expression: Expression, axis: int, start: int | None, end: int | None, step: int = 1) -> Expression:
    """Make a slice of one axis, as Python counts."""
    if step < 1:
        raise Strange("a slice backwards")
    size = expression.axes[axis]
    start, end, _ = slice(start, end).indices(size)
    count = max(0, -(-(end - start) // step))
    if count == size:
        return expression
    if not count:
        raise Strange("a slice of nothing")
    shape = (*expression.axes[:axis], count, *expression.axes[axis + 1 :])
    return make("slice", [expression], shape, axis=axis, start=start, step=step, count=count)


def pick(expression: Expression, axis: int, place: int) -> Expression:
    """Make one place of an axis, without that axis."""
    size = expression.axes[axis]
    if not -size <= place < size:
        raise Strange("a place that is not there")
    place %= size
    one = cut(expression, axis, place, place + 1)
    return reshape(one, (*expression.axes[:axis], *expression.axes[axis + 1 :]))


def concat(expressions: Sequence[Expression], axis: int) -> Expression:
    """Make several values one after the other along an axis; what they are made of so themselves is taken apart."""
    if not all(each.batched for each in expressions) or not expressions:
        raise Strange("values beside those of the batch")
    shapes = [list(each.axes) for each in expressions]
    size = sum(shape.pop(axis) for shape in shapes)
    if any(shape != shapes[0] for shape in shapes):
        raise Strange("shapes that do not fit")
    if len(expressions) == 1:
        return expressions[0]
    parts = [
        part
        for each in expressions
        for part in (each.arguments if each.operator == "concat" and each.attributes["axis"] == axis else (each,))
    ]
    return make("concat", parts, (*shapes[0][:axis], size, *shapes[0][axis:]), axis=axis)


def pad(expression: Expression, pads: Sequence[int], value: float) -> Expression:
    """Make a frame of one number; ``pads`` are those before each axis, then those behind each."""
    count = len(expression.axes)
    if len(pads) != 2 * count or min(pads, default=0) < 0 or not expression.batched:
        raise Strange("sizes out of range")
    if not any(pads):
        return expression
    shape = tuple(size + pads[axis] + pads[count + axis] for axis, size in enumerate(expression.axes))
    return make("pad", [expression], shape, pads=tuple(pads), value=single(value))
