"""Read the tables of a flatbuffer, in bounded time and memory for any bytes.

Source: https://flatbuffers.dev/internals. Fields have slots, counted from 0 in the order of the schema.
"""

import struct
from collections.abc import Iterator
from typing import Any

from .errors import ArtifactError

__all__ = ["Table", "root"]

_PARTS, _UNIT, _TIMES = 2**18, 64, 4
"""Maximum number of parts that are read: tables, strings and vectors, of which each 64 bytes count as one more, and of
these no more than 4 times what the file has. A network of 1,000 layers has about 50,000; offsets can repeat a part."""
_LARGEST = 64
"""Bytes of the largest list of fields that is read: 30 of them."""
CUT_OFF = "It is not an ORT model, or it is cut off."
_SIZES = {"B": 1, "b": 1, "i": 4, "I": 4, "f": 4, "q": 8}


def root(data: bytes) -> "Table":
    """Return the root table of a flatbuffer."""
    view = memoryview(data)
    return Table(view, _unpack("I", view, 0)[0], [_PARTS + len(data) * _TIMES // _UNIT])


class Table:
    """One table. Each access is checked against the end of the file; what is not there is 0 or empty."""

    __slots__ = ("_data", "_left", "_offsets", "_place")

    def __init__(self, data: memoryview, place: int, left: list[int]) -> None:
        self._data, self._place, self._left = data, place, left
        self._count()
        start = place - _unpack("i", data, place)[0]
        size = _unpack("H", data, start)[0] if start >= 0 else 0  # below 0, struct would count from the end
        if not 4 <= size <= _LARGEST:
            raise ArtifactError(CUT_OFF)
        self._offsets = _unpack(f"{size // 2 - 2}H", data, start + 4)

    def number(self, slot: int, kind: str = "q") -> Any:
        """Return a number of a kind of ``struct``."""
        place = self._at(slot)
        return _unpack(kind, self._data, place)[0] if place else 0

    def span(self, slot: int, size: int = 1) -> tuple[int, int]:
        """Return (offset in the file, number of elements) of a string or vector."""
        place = self._at(slot)
        return self._span(self._target(place), size) if place else (0, 0)

    def view(self, slot: int) -> memoryview:
        """Return the bytes of a string or a vector of bytes."""
        start, count = self.span(slot)
        return self._data[start : start + count]

    def text(self, slot: int) -> bytes:
        """Return a string."""
        return bytes(self.view(slot))

    def numbers(self, slot: int, kind: str) -> tuple[Any, ...]:
        """Return a vector of numbers, or of structs of numbers of one kind, such as ``iii``, in one row."""
        start, count = self.span(slot, len(kind) * _SIZES[kind[0]])
        return _unpack(f"{count * len(kind)}{kind[0]}", self._data, start) if count else ()

    def texts(self, slot: int) -> list[bytes]:
        """Return a vector of strings."""
        spans = [self._span(place) for place in self._targets(slot)]
        return [bytes(self._data[start : start + size]) for start, size in spans]

    def table(self, slot: int) -> "Table":
        """Return a table, which must be there."""
        place = self._at(slot)
        if not place:
            raise ArtifactError("It is not an ORT model: a part of it is missing.")
        return Table(self._data, self._target(place), self._left)

    def tables(self, slot: int) -> "list[Table]":
        """Return a vector of tables."""
        return [Table(self._data, place, self._left) for place in self._targets(slot)]

    def has(self, slot: int) -> bool:
        """Return whether a field is there."""
        return self._at(slot) > 0

    def _at(self, slot: int) -> int:
        offset = self._offsets[slot] if slot < len(self._offsets) else 0
        return self._place + offset if offset else 0

    def _span(self, place: int, size: int = 1) -> tuple[int, int]:
        (count,) = _unpack("I", self._data, place)
        if place + 4 + count * size > len(self._data):
            raise ArtifactError(CUT_OFF)
        self._count(count * size // _UNIT)
        return place + 4, count

    def _target(self, place: int) -> int:
        return place + int(_unpack("I", self._data, place)[0])

    def _targets(self, slot: int) -> Iterator[int]:
        start, count = self.span(slot, 4)
        for place in range(start, start + 4 * count, 4):
            yield self._target(place)

    def _count(self, units: int = 0) -> None:
        self._left[0] -= 1 + units
        if self._left[0] < 0:
            raise ArtifactError("It has more parts than any model needs.")


def _unpack(kinds: str, data: memoryview, place: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(f"<{kinds}", data, place)
    except struct.error:
        raise ArtifactError(CUT_OFF) from None
