"""Views of a batch: its axis may move, and become one with others, and nothing else about an image changes."""

import math
from collections.abc import Sequence

from .expression import Expression, Strange, placed
from .shapes import reshape, transpose

__all__ = ["dims", "located", "measured", "merged", "reorder", "view"]

_MIXED = "it mixes the images of a batch"


def dims(expression: Expression) -> list[int | None]:
    """Return all axes, ``None`` for that of the batch."""
    if expression.batch is None:
        return list(expression.axes)
    start, _, end = expression.batch
    return [*expression.axes[:start], None, *expression.axes[end:]]


def measured(expression: Expression, count: int) -> list[int]:
    """Return the sizes of all axes for a number of images."""
    return [count * merged(expression) if size is None else size for size in dims(expression)]


def merged(expression: Expression) -> int:
    """Return how many numbers of each image lie along the axis of the batch."""
    start, _, end = expression.batch or (0, 0, 0)
    return math.prod(expression.axes[start:end])


def located(expression: Expression, sizes: Sequence[int], count: int) -> list[int | None]:
    """Return the sizes of a view with ``None`` for the axis of the batch, given those for a number of images.

    For two images or more there is one such axis, or none: left of it no more numbers can lie than before.
    """
    if expression.batch is None:
        return list(sizes)
    middle = expression.batch[1]
    ahead, behind = math.prod(expression.axes[:middle]), math.prod(expression.axes[middle:])
    for place, size in enumerate(sizes):
        before, after = math.prod(sizes[:place]), math.prod(sizes[place + 1 :])
        if min(before, after) > 0 and not (size % count or ahead % before or behind % after):
            return [*sizes[:place], None, *sizes[place + 1 :]]
    raise Strange(_MIXED)


def view(expression: Expression, sizes: Sequence[int | None]) -> Expression:
    """Make another shape.

    Args:
        expression: any.
        sizes: of all axes, ``None`` for that of the batch: its size is what is left, for any number of images.
    """
    known = [size for size in sizes if size is not None]
    if expression.batch is None:
        if len(known) != len(sizes):
            raise Strange("a shape that does not fit")
        return reshape(expression, known)
    if len(known) != len(sizes) - 1:
        raise Strange(_MIXED)
    place, middle = list(sizes).index(None), expression.batch[1]
    ahead = _rest(expression.axes[:middle][::-1], known[:place])[::-1]
    behind = _rest(expression.axes[middle:], known[place:])
    axes = [*known[:place], *ahead, *behind, *known[place:]]
    return reshape(expression, axes, (place, place + len(ahead), place + len(ahead) + len(behind)))


def _rest(axes: Sequence[int], apart: Sequence[int]) -> list[int]:
    """Return the axes next to the batch's that become one with it, where others stay apart."""
    whole, others = math.prod(axes), math.prod(apart)
    if others < 1 or whole % others:
        raise Strange(_MIXED)
    rest = whole // others
    count = next((count for count in range(len(axes) + 1) if math.prod(axes[:count]) == rest), None)
    return [rest] if count is None else list(axes[:count])


def reorder(expression: Expression, order: Sequence[int]) -> Expression:
    """Make another order of all axes, that of the batch among them."""
    if expression.batch is None:
        return transpose(expression, order)
    start, middle, end = expression.batch
    rank = len(dims(expression))
    if sorted(order) != list(range(rank)):
        raise Strange("an order of axes that does not fit")
    groups = [[axis] for axis in range(start)] + [list(range(start, end))]
    groups += [[axis] for axis in range(end, len(expression.axes))]
    first = list(order).index(start)
    found = transpose(expression, [axis for place in order for axis in groups[place]])
    return placed(found, (first, first + middle - start, first + end - start))
