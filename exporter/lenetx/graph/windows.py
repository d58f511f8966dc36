"""Pooling: the greatest or the mean of each window."""

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .arithmetic import add, combine, reduce, where
from .expression import FRONT, Expression, Strange, make, number, of_array, single
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
    """Make max-pooling; ``pads`` are those before each axis, then those behind each."""
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
    """Make average pooling: whether it counts its pads means something only where there are any."""
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
    """Make pooling to a size: by equal windows where it divides the input's, else as PyTorch's exporter writes it."""
    spatial = inputs.axes[-len(sizes) :]
    if min(sizes) < 1 or inputs.batch != FRONT:
        raise Strange("sizes out of range")
    if any(have % wanted for have, wanted in zip(spatial, sizes, strict=True)):
        if greatest or len(sizes) != 2 or len(inputs.axes) != 3:
            raise Strange("sizes that do not divide")
        return _uneven(inputs, [_windows(have, wanted) for have, wanted in zip(spatial, sizes, strict=True)])
    kernel = [have // wanted for have, wanted in zip(spatial, sizes, strict=True)]
    pads, ones = [0, 0] * len(kernel), [1] * len(kernel)
    if greatest:
        return max_pool(inputs, kernel, kernel, pads, ones, ceil=False)
    return average_pool(inputs, kernel, kernel, pads, ceil=False, include_pads=False)


def _windows(have: int, wanted: int) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return the places in each window, as many for all, and how many of them count."""
    import numpy as np

    first = np.arange(wanted) * have // wanted
    length = -(-(np.arange(wanted) + 1) * have // wanted) - first
    return np.minimum(first[:, None] + np.arange(length.max()), have - 1), length


def _uneven(inputs: Expression, windows: "Sequence[tuple[NDArray[Any], NDArray[Any]]]") -> Expression:
    """Average over windows of several sizes: those of one size by a mean, others by a sum of what counts."""
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
    """Make the columns of numbers that lie in each window, in the steps that PyTorch's exporter writes."""
    if inputs.batch != FRONT or len(inputs.axes) != 3 or min(*kernel, *dilations, *strides) < 1:
        raise Strange("sizes out of range")
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
    """Make another size of each channel; scales that are not given are those of the sizes."""
    if inputs.batch != FRONT or len(inputs.axes) != len(sizes) + 1 or min(sizes) < 1:
        raise Strange("sizes out of range")
    given = [
        single(wanted / have if scale is None else scale)
        for have, wanted, scale in zip(inputs.axes[1:], sizes, scales, strict=True)
    ]
    shape = (inputs.axes[0], *sizes)
    return make("resize", [inputs], shape, mode=mode, coordinates=coordinates, sizes=shape[1:], scales=tuple(given))


def _as_row(inputs: Expression) -> Expression:
    """PyTorch pools along one axis as along the second of two."""
    if inputs.batch != FRONT or len(inputs.axes) != 2:
        raise Strange("axes that do not fit")
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
    """Return the sizes of the output, and whether rounding up makes one of them larger."""
    count = len(kernel)
    spatial = inputs.axes[1:]
    fits = inputs.batch == FRONT and len(spatial) == count > 0 and len(strides) == len(dilations) == count
    if not fits or len(pads) != 2 * count or min(*kernel, *strides, *dilations) < 1 or min(pads) < 0:
        raise Strange("sizes out of range")
    floor, up = [], []
    for axis, size in enumerate(spatial):
        stride, before = strides[axis], pads[axis]
        room = size + before + pads[count + axis] - dilations[axis] * (kernel[axis] - 1) - 1
        floor.append(room // stride + 1)
        more = -(-room // stride) + 1
        up.append(more if (more - 1) * stride < size + before else more - 1)
    sizes = tuple(up if ceil else floor)
    if min(sizes) < 1:
        raise Strange("a window larger than its input")
    return sizes, ceil and floor != up
