"""Pooling: the greatest or the mean of each window."""

from collections.abc import Sequence

from .expression import Expression, Strange, make
from .shapes import reshape

__all__ = ["adaptive", "average_pool", "max_pool"]


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
    """Make pooling to a size that divides its input's: a window for each number."""
    spatial = inputs.axes[-len(sizes) :]
    if min(sizes) < 1 or any(have % wanted for have, wanted in zip(spatial, sizes, strict=True)):
        raise Strange("sizes that do not divide")
    kernel = [have // wanted for have, wanted in zip(spatial, sizes, strict=True)]
    pads, ones = [0, 0] * len(kernel), [1] * len(kernel)
    if greatest:
        return max_pool(inputs, kernel, kernel, pads, ones, ceil=False)
    return average_pool(inputs, kernel, kernel, pads, ceil=False, include_pads=False)


def _as_row(inputs: Expression) -> Expression:
    """PyTorch pools along one axis as along the second of two."""
    if not inputs.batched or len(inputs.axes) != 2:
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
    """Give the sizes of the output, and whether rounding up makes one of them larger."""
    count = len(kernel)
    spatial = inputs.axes[1:]
    fits = inputs.batched and len(spatial) == count > 0 and len(strides) == len(dilations) == count
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
