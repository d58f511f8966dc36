"""Flatten the arguments of a call, as programs of TorchScript and pt2 hold them: lists are tuples."""

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["leaves"]


def leaves(values: Sequence[Any]) -> Iterator[Any]:
    """Yield the values, with lists flattened recursively."""
    for value in values:
        if type(value) is tuple:
            yield from leaves(value)
        else:
            yield value
