"""Loop over the elements of a tensor in the order in which they lie in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .text import Code, offset

__all__ = ["elements"]


@contextmanager
def elements(code: Code, shape: Sequence[int], *strides: Sequence[int], start: str = "i") -> Iterator[list[str]]:
    """Nest loops over all elements; yield the index into each operand.

    Axes that lie behind each other in every operand are one loop.

    Args:
        code: where to write.
        shape: the axes.
        strides: of each operand, 0 where it is the same along an axis; those of the first one set the order.
        start: first letter of the variables.
    """
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    axes.sort(key=lambda axis: (-strides[0][axis], axis))
    merged: list[tuple[int, list[int]]] = []
    for axis in axes:
        steps = [each[axis] for each in strides]
        if merged and all(outer == inner * shape[axis] for outer, inner in zip(merged[-1][1], steps, strict=True)):
            merged[-1] = merged[-1][0] * shape[axis], steps
        else:
            merged.append((shape[axis], steps))
    names = [f"{start}{place}" if len(merged) > 1 else start for place in range(len(merged))]
    with code.loops(*((name, size) for name, (size, _) in zip(names, merged, strict=True))):
        yield [
            offset(*((name, steps[operand]) for name, (_, steps) in zip(names, merged, strict=True)))
            for operand in range(len(strides))
        ]
