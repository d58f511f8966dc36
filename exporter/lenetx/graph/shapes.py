"""Build expressions that move numbers: reshapes, transposes, slices, copies, concatenations and pads.

All axes are those of one image, without the batch axis, or all axes of a weight.
"""

import math
from collections.abc import Collection, Sequence

from .expression import FRONT, Batch, Expression, Unsupported, constant, make, placed, single, weight

__all__ = [
    "axis_of",
    "channel_shuffle",
    "concat",
    "cut",
    "expand",
    "pad",
    "pick",
    "pixel_shuffle",
    "pixel_unshuffle",
    "reshape",
    "roll",
    "take",
    "tile",
    "transpose",
    "without",
]


def axis_of(expression: Expression, axis: int) -> int:
    """Return the index in ``axes`` of an operator's axis, which counts the batch axis and may be negative.

    Raises:
        Unsupported: the axis is the batch axis, or does not exist.
    """
    start, _, end = expression.batch or (0, 0, 0)
    rank = len(expression.axes) - (end - start) + expression.batched
    if not -rank <= axis < rank:
        raise Unsupported("an axis that is not there")
    place = axis % rank
    if expression.batched and place == start:
        raise Unsupported("it mixes the images of a batch")
    return place if not expression.batched or place < start else place - 1 + end - start


def reshape(expression: Expression, axes: Sequence[int], batch: Batch | None = None) -> Expression:
    """Build a reshape; consecutive reshapes are merged.

    Args:
        expression: any; if ``batch`` is omitted, its batch axis must come first.
        axes: the new ones of one image.
        batch: the new position of the batch axis; by default it comes first.
    """
    if math.prod(expression.axes) != math.prod(axes) or min(axes, default=1) < 0:
        raise Unsupported("a shape that does not fit")
    if batch is None and expression.batch not in (None, FRONT):
        raise Unsupported("it mixes the images of a batch")
    if expression.operator == "weight":
        return weight(expression.attributes["name"], axes)
    if expression.operator == "constant":
        return constant(expression.attributes["digest"], axes)
    base = expression.arguments[0] if expression.operator == "reshape" else expression
    batch = (batch or FRONT) if expression.batched else None
    if base.axes == tuple(axes):
        return placed(base, batch)
    return make("reshape", [base], tuple(axes), batch=batch, axes=tuple(axes))


def transpose(expression: Expression, order: Sequence[int]) -> Expression:
    """Build a transpose, the batch axis first; consecutive ones are merged, and axes of size 1 do not count."""
    if sorted(order) != list(range(len(expression.axes))):
        raise Unsupported("an order of axes that does not fit")
    axes = [expression.axes[axis] for axis in order]
    wide = [axis for axis in order if expression.axes[axis] != 1]
    if wide == sorted(wide):
        return reshape(expression, axes, FRONT)
    if len(wide) < len(order):
        thin = reshape(expression, [size for size in expression.axes if size != 1], FRONT)
        return reshape(transpose(thin, [sorted(wide).index(axis) for axis in wide]), axes, FRONT)
    if expression.operator == "transpose":
        inner = expression.attributes["order"]
        return transpose(expression.arguments[0], [inner[axis] for axis in order])
    return make("transpose", [expression], tuple(axes), batch=expression.batch and FRONT, order=tuple(order))


def cut(expression: Expression, axis: int, start: int | None, end: int | None, step: int = 1) -> Expression:
    """Build a slice of one axis, with the rules of Python's slices."""
    size = expression.axes[axis]
    if not step:
        raise Unsupported("a slice that does not move")
    start, end, _ = slice(start, end, step).indices(size)
    count = len(range(start, end, step))
    if not count:
        raise Unsupported("a slice of nothing")
    step = step if count > 1 else 1
    if count == size and step == 1:
        return expression
    shape = (*expression.axes[:axis], count, *expression.axes[axis + 1 :])
    return make("slice", [expression], shape, axis=axis, start=start, step=step, count=count)


def pick(expression: Expression, axis: int, place: int) -> Expression:
    """Build a selection of one index of an axis, which drops the axis."""
    size = expression.axes[axis]
    if not -size <= place < size:
        raise Unsupported("a place that is not there")
    place %= size
    return without(cut(expression, axis, place, place + 1), [axis])


def without(expression: Expression, places: Collection[int]) -> Expression:
    """Drop axes of size 1."""
    axes = [size for axis, size in enumerate(expression.axes) if axis not in places]
    if expression.batch is None:
        return reshape(expression, axes)
    start, middle, end = expression.batch
    before = sum(place < start for place in places)
    return reshape(expression, axes, (start - before, middle - before, end - before))


def take(expression: Expression, axis: int, places: Sequence[int], shape: Sequence[int]) -> Expression:
    """Build a gather of indices along an axis; the axes of ``shape`` replace the axis."""
    size = expression.axes[axis]
    if not places or not all(type(place) is int and -size <= place < size for place in places):
        raise Unsupported("places that are not there")
    axes = (*expression.axes[:axis], *shape, *expression.axes[axis + 1 :])
    start, middle, end = expression.batch or FRONT
    more = len(shape) - 1 if axis < start else 0
    batch = (start + more, middle + more, end + more) if expression.batched else None
    chosen = tuple(place % size for place in places)
    return make("take", [expression], axes, batch=batch, axis=axis, places=chosen, among=tuple(shape))


def roll(expression: Expression, axis: int, shift: int) -> Expression:
    """Build a cyclic shift along an axis."""
    size = expression.axes[axis]
    if not shift % size:
        return expression
    start = size - shift % size
    return concat([cut(expression, axis, start, None), cut(expression, axis, None, start)], axis)


def pixel_shuffle(expression: Expression, block: int) -> Expression:
    """Build larger images: groups of ``block``² channels become squares of ``block`` × ``block`` pixels."""
    if expression.batch != FRONT or len(expression.axes) != 3 or block < 1 or expression.axes[0] % block**2:
        raise Unsupported("axes that do not fit")
    channels, height, width = expression.axes[0] // block**2, *expression.axes[1:]
    apart = reshape(expression, (channels, block, block, height, width))
    return reshape(transpose(apart, (0, 3, 1, 4, 2)), (channels, height * block, width * block))


def pixel_unshuffle(expression: Expression, block: int) -> Expression:
    """Build smaller images of more channels: the inverse of ``pixel_shuffle``."""
    if expression.batch != FRONT or len(expression.axes) != 3 or block < 1:
        raise Unsupported("axes that do not fit")
    channels, height, width = expression.axes[0], *(size // block for size in expression.axes[1:])
    apart = reshape(expression, (channels, height, block, width, block))
    return reshape(transpose(apart, (0, 2, 4, 1, 3)), (channels * block**2, height, width))


def channel_shuffle(expression: Expression, groups: int) -> Expression:
    """Build another order of channels: the first of each group, then the second of each, and so on."""
    if expression.batch != FRONT or groups < 1 or expression.axes[0] % groups:
        raise Unsupported("groups that do not fit")
    rest = expression.axes[1:]
    apart = reshape(expression, (groups, expression.axes[0] // groups, *rest))
    return reshape(transpose(apart, (1, 0, *range(2, len(rest) + 2))), expression.axes)


def tile(expression: Expression, times: Sequence[int]) -> Expression:
    """Build copies along each axis."""
    if len(times) != len(expression.axes) or min(times, default=1) < 1:
        raise Unsupported("times that do not fit")
    if set(times) <= {1}:
        return expression
    axes = tuple(size * count for size, count in zip(expression.axes, times, strict=True))
    return make("tile", [expression], axes, times=tuple(times))


def expand(expression: Expression, axes: Sequence[int], *, batched: bool) -> Expression:
    """Broadcast along axes of size 1 and, if ``batched``, over the images of a batch."""
    have = expression.axes
    over = len(axes) - len(have)
    if over < 0 or any(size not in (1, wanted) for size, wanted in zip(have, axes[over:], strict=True)):
        raise Unsupported("to another shape")
    if expression.batched and (over or expression.batch != FRONT):
        raise Unsupported("it mixes the images of a batch")
    if have == tuple(axes) and expression.batched >= batched:
        return expression
    return make("expand", [expression], tuple(axes), batch=FRONT if batched else None, axes=tuple(axes))


def concat(expressions: Sequence[Expression], axis: int) -> Expression:
    """Build a concatenation along an axis; nested ones along the same axis are merged."""
    if not all(each.batched for each in expressions) or not expressions:
        raise Unsupported("values beside those of the batch")
    shapes = [list(each.axes) for each in expressions]
    size = sum(shape.pop(axis) for shape in shapes)
    if any(shape != shapes[0] for shape in shapes):
        raise Unsupported("shapes that do not fit")
    if len(expressions) == 1:
        return expressions[0]
    parts = [
        part
        for each in expressions
        for part in (each.arguments if each.operator == "concat" and each.attributes["axis"] == axis else (each,))
    ]
    shape = (*shapes[0][:axis], size, *shapes[0][axis:])
    return make("concat", [placed(part, expressions[0].batch) for part in parts], shape, axis=axis)


def pad(expression: Expression, pads: Sequence[int], value: float, mode: str = "constant") -> Expression:
    """Pad with one number, or with numbers of the value itself (``mode``).

    Args:
        expression: any, with the batch axis first.
        pads: those before each axis, then those after each.
        value: the number, for the mode ``constant``.
        mode: ``constant`` or another mode of ONNX's ``Pad``, such as ``reflect``.
    """
    count = len(expression.axes)
    if len(pads) != 2 * count or min(pads, default=0) < 0 or expression.batch != FRONT:
        raise Unsupported("sizes out of range")
    if not any(pads):
        return expression
    shape = tuple(size + pads[axis] + pads[count + axis] for axis, size in enumerate(expression.axes))
    if mode == "constant":
        return make("pad", [expression], shape, pads=tuple(pads), value=single(value))
    return make("pad", [expression], shape, pads=tuple(pads), value=0.0, mode=mode)
