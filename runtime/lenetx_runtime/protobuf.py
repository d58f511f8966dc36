"""Read the fields of protobuf messages, in bounded time for any bytes.

Source: https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

from .errors import ArtifactError

__all__ = ["Walk"]

_MOST_FIELDS = 2**18
"""Maximum number of fields; a network of 1,000 layers has about 20,000."""


class Walk:
    """Read messages, with at most 262,144 fields and packed numbers in total.

    Attributes:
        start: offset of the last field's bytes in its message.
    """

    def __init__(self) -> None:
        self._left = _MOST_FIELDS
        self.start = 0

    def messages(self, data: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
        """Yield those of ``fields`` whose values are bytes: strings, tensors and messages."""
        return ((field, value) for field, value in self.fields(data) if isinstance(value, memoryview))

    def at(self, data: bytes | memoryview, *path: int) -> Iterator[memoryview]:
        """Yield the values at a path of field numbers through nested messages."""
        for field, value in self.messages(data):
            if field == path[0]:
                yield from self.at(value, *path[1:]) if path[1:] else (value,)

    def fields(self, data: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Yield the (number, value) pairs of a message; sizes are checked before anything is cut.

        Raises:
            ArtifactError: it is not a message, or has too many fields.
        """
        data, position = memoryview(data), 0
        while position < len(data):
            self._count()
            key, position = _varint(data, position)
            if key >> 32:  # readers drop these bits, so a field could hide there
                raise ArtifactError("It is not an ONNX model, or it is damaged.")
            field, wire = key >> 3, key & 7
            if wire == 0:
                number, position = _varint(data, position)
                yield field, number
                continue
            if wire == 2:
                size, position = _varint(data, position)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ArtifactError("It is not an ONNX model, or it is damaged.")
            if position + size > len(data):
                raise ArtifactError("It is not an ONNX model, or it is cut off.")
            self.start = position
            yield field, data[position : position + size]
            position += size

    def numbers(self, packed: memoryview) -> list[int]:
        """Return the numbers of a packed field, negative ones as their two's complement in 64 bits."""
        numbers, position = [], 0
        while position < len(packed):
            self._count()
            number, position = _varint(packed, position)
            numbers.append(number)
        return numbers

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ArtifactError(f"It has more than {_MOST_FIELDS:,} fields, which no model needs.")


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ArtifactError("It is not an ONNX model, or it is cut off.")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ArtifactError("It is not an ONNX model, or it is damaged.")
