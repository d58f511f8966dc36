"""Lay out tensors in memory: the order of their axes, a border of zeros for padded convolutions, and the scratch."""

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["Buffer", "Layout", "dense", "moved", "planned"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the elements of a tensor lie in its buffer.

    Attributes:
        shape: the axes.
        strides: distance between neighbours along each axis, in floats.
        start: offset of the first element, in floats.
        size: floats in the buffer, with the border.
        order: for a flattened tensor whose elements were never moved: the row-major index of each; ``None`` otherwise.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int
    size: int
    order: tuple[int, ...] | None = None

    @property
    def is_row_major(self) -> bool:
        """Whether the elements lie in the order of the axes, without gaps."""
        usual = dense(self.shape).strides
        same = all(size == 1 or a == b for size, a, b in zip(self.shape, self.strides, usual, strict=True))
        return same and self.size == math.prod(self.shape) and self.order is None


def dense(
    shape: Sequence[int], axes: Sequence[int] | None = None, border: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> Layout:
    """Return a layout without gaps.

    Args:
        shape: the axes of the tensor.
        axes: their order in memory, outermost first; as in the shape if omitted.
        border: zeros above, left of, below and right of the last two axes, inside the same buffer.
    """
    top, left, bottom, right = border
    held = [*shape]
    if any(border):
        held[-2] += top + bottom
        held[-1] += left + right
    strides, size = [0] * len(shape), 1
    for axis in reversed(axes or range(len(shape))):
        strides[axis], size = size, size * held[axis]
    start = top * strides[-2] + left * strides[-1] if any(border) else 0
    return Layout(tuple(shape), tuple(strides), start, size)


def moved(layout: Layout, shape: Sequence[int], border: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Layout:
    """Return a layout for another tensor of as many axes, with the axes in the same order in memory."""
    axes = sorted(range(len(shape)), key=lambda axis: (-layout.strides[axis], axis))
    return dense(shape, axes, border)


@dataclass(frozen=True, slots=True)
class Buffer:
    """A part of the scratch memory.

    Attributes:
        name: of the tensor that is first stored in it.
        size: in floats.
        first, last: the steps between which it is in use.
        offset: in floats, from the start of the scratch; set by ``planned``.
    """

    name: str
    size: int
    first: int
    last: int
    offset: int = 0


def planned(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Return the buffers with offsets: those in use at the same time never overlap. The largest is placed first.

    Source: greedy placement by size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
    Inference", 2020.
    """
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda each: (-each.size, each.first, each.name)):
        offset = 0
        for rival in placed:  # in the order of their offsets
            if rival.first > buffer.last or buffer.first > rival.last:
                continue
            if offset + buffer.size <= rival.offset:
                break
            offset = max(offset, rival.offset + rival.size)
        insort(placed, replace(buffer, offset=offset), key=lambda each: each.offset)
    return placed
