"""Build expressions for pooling, unfolding and resizing."""

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .arithmetic import add, combine, reduce, where
from .expression import FRONT, Expression, Unsupported, make, number, of_array, single
from .shapes import pad, pick, reshape, take, transpose

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["adaptive", "average_pool", "max_pool", "resize", "unfold"]


def max_pool(
    inputs: Expression,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil: bool,
) -> Expression:
    """Build max-pooling; ``pads`` holds those before each axis, then those after each."""
    if len(kernel) == len(strides) == len(dilations) == 1 and len(pads) == 2:
        rows = max_pool(_as_row(inputs), [1, *kernel], [1, *strides], _row_pads(pads), [1, *dilations], ceil)
        return reshape(rows, rows.axes[::2])
    sizes, ceil = _sizes(inputs, kernel, strides, pads, dilations, ceil)
    return make(
        "max_pool",
        [inputs],
        (*inputs.axes[: -len(sizes)], *sizes),
        kernel=tuple(kernel),
        strides=tuple(strides),
        pads=tuple(pads),
        dilations=tuple(dilations),
        ceil=ceil,
    )


def average_pool(
    inputs: Expression,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    ceil: bool,
    include_pads: bool,
) -> Expression:
    """Build average pooling; ``include_pads`` matters only with pads, or with sizes that are rounded up."""
    if len(kernel) == len(strides) == 1 and len(pads) == 2:
        rows = average_pool(_as_row(inputs), [1, *kernel], [1, *strides], _row_pads(pads), ceil, include_pads)
        return reshape(rows, rows.axes[::2])
    sizes, ceil = _sizes(inputs, kernel, strides, pads, [1] * len(kernel), ceil)
    if {*kernel, *strides} == {1} and not any(pads):
        return inputs
    return make(
        "average_pool",
        [inputs],
        (*inputs.axes[: -len(sizes)], *sizes),
        kernel=tuple(kernel),
        strides=tuple(strides),
        pads=tuple(pads),
        ceil=ceil,
        include_pads=include_pads and (ceil or any(pads)),
    )


def adaptive(inputs: Expression, sizes: Sequence[int], *, greatest: bool) -> Expression:
    """Build pooling to a size: with equal windows if it divides the input's size, else as PyTorch's exporter does."""
    spatial = inputs.axes[-len(sizes) :]
    if min(sizes) < 1 or inputs.batch != FRONT:
        raise Unsupported("sizes out of range")
    if any(have % wanted for have, wanted in zip(spatial, sizes, strict=True)):
        if greatest or len(sizes) != 2 or len(inputs.axes) != 3:
            raise Unsupported("sizes that do not divide")
        return _uneven(inputs, [_windows(have, wanted) for have, wanted in zip(spatial, sizes, strict=True)])
    kernel = [have // wanted for have, wanted in zip(spatial, sizes, strict=True)]
    pads, ones = [0, 0] * len(kernel), [1] * len(kernel)
    if greatest:
        return max_pool(inputs, kernel, kernel, pads, ones, ceil=False)
    return average_pool(inputs, kernel, kernel, pads, ceil=False, include_pads=False)


def _windows(have: int, wanted: int) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return the indices in each window, padded to equal lengths, and how many of them count."""
    import numpy as np

    first = np.arange(wanted) * have // wanted
    length = -(-(np.arange(wanted) + 1) * have // wanted) - first
    return np.minimum(first[:, None] + np.arange(length.max()), have - 1), length


def _uneven(inputs: Expression, windows: "Sequence[tuple[NDArray[Any], NDArray[Any]]]") -> Expression:
    """Build averages over uneven windows: a mean if all have one size, else a masked sum and a division."""
    import numpy as np

    (rows, heights), (columns, widths) = windows
    channels, _, width = inputs.axes
    places = (rows[:, :, None, None] * width + columns).reshape(-1).tolist()
    flat = reshape(transpose(inputs, (1, 2, 0)), (inputs.axes[1] * width, channels))
    found = transpose(take(flat, 0, places, (*rows.shape, *columns.shape)), (4, 0, 1, 2, 3))
    if len({*heights}) == len({*widths}) == 1:
        return reduce("mean", found, (2, 4), keep=False)
    shares: list[NDArray[Any]] = []
    for (index, lengths), behind in zip(windows, ((1, 1), ()), strict=True):
        if len({*lengths}) > 1:
            idle = np.arange(index.shape[1]) >= lengths[:, None]
            found = where(of_array(idle.reshape(*idle.shape, *behind)), number(0), found)
            shares.append(lengths.reshape(-1, *behind[:1]))
        else:
            shares.append(lengths[:1].reshape(()))
    parts = [pick(pick(found, 2, row), 3, column) for row in range(rows.shape[1]) for column in range(columns.shape[1])]
    return combine("div", functools.reduce(add, parts), of_array((shares[0] * shares[1]).astype(np.float32)))


def unfold(
    inputs: Expression,
    kernel: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    strides: Sequence[int],
) -> Expression:
    """Build the columns of the numbers in each window (im2col), in the steps that PyTorch's exporter writes."""
    if inputs.batch != FRONT or len(inputs.axes) != 3 or min(*kernel, *dilations, *strides) < 1:
        raise Unsupported("sizes out of range")
    found, counts = pad(inputs, [0, *pads, 0, *pads], 0.0), []
    for axis, place in ((0, 1), (1, 3)):
        size = found.axes[place]
        starts = range(0, size - dilations[axis] * (kernel[axis] - 1), strides[axis])
        steps = range(0, kernel[axis] * dilations[axis], dilations[axis])
        found = take(found, place, [start + step for step in steps for start in starts], (len(steps), len(starts)))
        counts.append(len(starts))
    rows = inputs.axes[0] * math.prod(kernel)
    return reshape(transpose(found, (0, 1, 3, 2, 4)), (rows, math.prod(counts)))


def resize(
    inputs: Expression, mode: str, coordinates: str, sizes: Sequence[int], scales: Sequence[float | None]
) -> Expression:
    """Build a resize of each channel; a scale of ``None`` is computed from the sizes."""
    if inputs.batch != FRONT or len(inputs.axes) != len(sizes) + 1 or min(sizes) < 1:
        raise Unsupported("sizes out of range")
    given = [
        single(wanted / have if scale is None else scale)
        for have, wanted, scale in zip(inputs.axes[1:], sizes, scales, strict=True)
    ]
    shape = (inputs.axes[0], *sizes)
    return make("resize", [inputs], shape, mode=mode, coordinates=coordinates, sizes=shape[1:], scales=tuple(given))


def _as_row(inputs: Expression) -> Expression:
    """Insert a spatial axis of size 1, because PyTorch pools along one axis as along the second of two."""
    if inputs.batch != FRONT or len(inputs.axes) != 2:
        raise Unsupported("axes that do not fit")
    return reshape(inputs, (inputs.axes[0], 1, inputs.axes[1]))


def _row_pads(pads: Sequence[int]) -> list[int]:
    return [0, pads[0], 0, pads[1]]


def _sizes(
    inputs: Expression,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil: bool,
) -> tuple[tuple[int, ...], bool]:
    """Return the sizes of the output, and whether rounding up increases one of them."""
    count = len(kernel)
    spatial = inputs.axes[1:]
    fits = inputs.batch == FRONT and len(spatial) == count > 0 and len(strides) == len(dilations) == count
    if not fits or len(pads) != 2 * count or min(*kernel, *strides, *dilations) < 1 or min(pads) < 0:
        raise Unsupported("sizes out of range")
    floor, up = [], []
    for axis, size in enumerate(spatial):
        stride, before = strides[axis], pads[axis]
        room = size + before + pads[count + axis] - dilations[axis] * (kernel[axis] - 1) - 1
        floor.append(room // stride + 1)
        more = -(-room // stride) + 1
        up.append(more if (more - 1) * stride < size + before else more - 1)
    sizes = tuple(up if ceil else floor)
    if min(sizes) < 1:
        raise Unsupported("a window larger than its input")
    return sizes, ceil and floor != up
