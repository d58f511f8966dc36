"""Build views of a batch: the batch axis may move and merge with others, and no image mixes with another."""

import math
from collections.abc import Sequence

from .expression import Expression, Unsupported, placed
from .shapes import reshape, transpose

__all__ = ["dims", "located", "measured", "merged", "reorder", "view"]

_MIXED = "it mixes the images of a batch"


def dims(expression: Expression) -> list[int | None]:
    """Return the sizes of all axes, with ``None`` for the batch axis."""
    if expression.batch is None:
        return list(expression.axes)
    start, _, end = expression.batch
    return [*expression.axes[:start], None, *expression.axes[end:]]


def measured(expression: Expression, count: int) -> list[int]:
    """Return the sizes of all axes for ``count`` images."""
    return [count * merged(expression) if size is None else size for size in dims(expression)]


def merged(expression: Expression) -> int:
    """Return how many numbers of each image lie along the batch axis."""
    start, _, end = expression.batch or (0, 0, 0)
    return math.prod(expression.axes[start:end])


def located(expression: Expression, sizes: Sequence[int], count: int) -> list[int | None]:
    """Return the sizes of a view with ``None`` for the batch axis, given its sizes for ``count`` images.

    For two or more images at most one axis fits, because no more numbers can lie before it than in ``expression``.

    Raises:
        Unsupported: no axis fits, so the view mixes images.
    """
    if expression.batch is None:
        return list(sizes)
    middle = expression.batch[1]
    ahead, behind = math.prod(expression.axes[:middle]), math.prod(expression.axes[middle:])
    for place, size in enumerate(sizes):
        before, after = math.prod(sizes[:place]), math.prod(sizes[place + 1 :])
        if min(before, after) > 0 and not (size % count or ahead % before or behind % after):
            return [*sizes[:place], None, *sizes[place + 1 :]]
    raise Unsupported(_MIXED)


def view(expression: Expression, sizes: Sequence[int | None]) -> Expression:
    """Build a view with another shape.

    Args:
        expression: any.
        sizes: of all axes, with ``None`` for the batch axis, whose size is what remains for any number of images.

    Raises:
        Unsupported: the shape does not fit, or mixes images.
    """
    known = [size for size in sizes if size is not None]
    if expression.batch is None:
        if len(known) != len(sizes):
            raise Unsupported("a shape that does not fit")
        return reshape(expression, known)
    if len(known) != len(sizes) - 1:
        raise Unsupported(_MIXED)
    place, middle = list(sizes).index(None), expression.batch[1]
    ahead = _rest(expression.axes[:middle][::-1], known[:place])[::-1]
    behind = _rest(expression.axes[middle:], known[place:])
    axes = [*known[:place], *ahead, *behind, *known[place:]]
    return reshape(expression, axes, (place, place + len(ahead), place + len(ahead) + len(behind)))


def _rest(axes: Sequence[int], apart: Sequence[int]) -> list[int]:
    """Return the axes next to the batch axis that merge with it, if the axes in ``apart`` do not."""
    whole, others = math.prod(axes), math.prod(apart)
    if others < 1 or whole % others:
        raise Unsupported(_MIXED)
    rest = whole // others
    count = next((count for count in range(len(axes) + 1) if math.prod(axes[:count]) == rest), None)
    return [rest] if count is None else list(axes[:count])


def reorder(expression: Expression, order: Sequence[int]) -> Expression:
    """Build a transpose of all axes, the batch axis included."""
    if expression.batch is None:
        return transpose(expression, order)
    start, middle, end = expression.batch
    rank = len(dims(expression))
    if sorted(order) != list(range(rank)):
        raise Unsupported("an order of axes that does not fit")
    groups = [[axis] for axis in range(start)] + [list(range(start, end))]
    groups += [[axis] for axis in range(end, len(expression.axes))]
    first = list(order).index(start)
    found = transpose(expression, [axis for place in order for axis in groups[place]])
    return placed(found, (first, first + middle - start, first + end - start))
