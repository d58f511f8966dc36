"""Write and read what follows the program in a ``.pte`` file: what it was lowered from, and where its numbers are.

It is a canonical archive. Numbers that the lowered program holds are not stored again: a list says where each tensor
begins, and in which order its axes lie there. Reading trusts none of it: the whole file must be what ``written`` gives.
"""

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.spec import FLOAT32, INT8
from lenetx_runtime.values import parse_json

from ...data import archive
from ...graph.expression import plain
from .session import version

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Carried", "Tail", "read", "recognises", "texts", "written"]

_DOCUMENTS = {FLOAT32: "program.json", INT8: "graph.onnx"}
"""The record of what a program was lowered from, by precision."""
_PLACES, _TENSOR = "places.json", "tensors/{}"
_MAGIC, _HEADER = b"ET", struct.Struct("<4s4sIQQQ")
"""At the fifth byte: the kind of file, the kind of header and its size, the program's size, where its data begin, and
their size."""
_ORDERS = {2: ((0, 1), (1, 0)), 4: ((0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0), (2, 3, 1, 0))}
"""Orders of axes in which XNNPACK's weights may lie: as torch has them, channels last, those of depthwise ones, and
turned matrices."""
_TEXT = re.compile(rb"[\x20-\x7e]{8,}")
_OVERLAP = 16
"""Tensors may share their place; together they are at most this many times the file."""


class Carried(NamedTuple):
    """What a program was lowered from.

    Attributes:
        document: it, without the numbers of its tensors.
        tensors: those, in the document's order.
    """

    document: bytes
    tensors: "Sequence[NDArray[Any]]"


class Tail:
    """What follows a program, as it was read and not yet checked.

    Attributes:
        document: as in ``Carried``.
        spec: of the network.
        wrote: the version of ExecuTorch that wrote the file.
    """

    def __init__(self, program: bytes, records: Mapping[str, bytes], listing: Any, spec: ModelSpec) -> None:
        self._program, self._records, self._places = program, records, listing["tensors"]
        self.document, self.spec, self.wrote = (
            records[_DOCUMENTS[spec.precision]],
            spec,
            plain(str(listing["executorch"])),
        )
        self._left = _OVERLAP * (len(program) + sum(map(len, records.values())))

    def numbers(self, place: int, sizes: Sequence[Any], width: int) -> bytes:
        """Return the bytes of a tensor.

        Args:
            place: of the tensor among those of the document.
            sizes: of its axes.
            width: bytes per number.

        Raises:
            KeyError, IndexError, TypeError, ValueError: the file does not hold them.
        """
        where = self._places[place]
        if where is None:
            return self._records[_TENSOR.format(place)]
        found = _found(self._program, where, [_whole(size) for size in sizes], width, self._left)
        self._left -= len(found)
        return found


def written(carried: Carried, spec: ModelSpec, program: bytes) -> bytes:
    """Return the contents of a file.

    Args:
        carried: what the program was lowered from.
        spec: the spec, which the lowered program holds as text.
        program: the lowered program.
    """
    text = spec.to_json().encode()
    places, beside = [], {}
    for number, tensor in enumerate(carried.tensors):
        place = _place(program, tensor)
        places.append(place)
        if place is None:
            beside[_TENSOR.format(number)] = tensor.tobytes()
    listing = {
        "executorch": version(),
        "sha256": hashlib.sha256(program).hexdigest(),
        "spec": [program.find(text), len(text)],
        "tensors": places,
    }
    return program + archive.pack({_DOCUMENTS[spec.precision]: carried.document, _PLACES: _json(listing), **beside})


def read(data: bytes) -> Tail:
    """Read what follows the program of a file.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
    """
    end = _end(data)
    program = data[:end]
    tail = archive.unpack(data[end:])
    try:
        listing = parse_json(tail[_PLACES].decode())
        if listing["sha256"] != hashlib.sha256(program).hexdigest():
            raise ArtifactError("It was not written by lenetx, or it is damaged.")
        start, length = listing["spec"]
        text = program[_whole(start) : _whole(start) + _whole(length)].decode()
        return Tail(program, tail, listing, ModelSpec.from_json(text))
    except (KeyError, TypeError, ValueError):
        raise ArtifactError("It was not made by lenetx: it has no lenetx spec.") from None


def recognises(data: bytes) -> bool:
    """Return whether lenetx wrote this file."""
    try:
        return archive.has(data[_end(data) :], _PLACES)
    except ArtifactError:
        return False


def texts(program: bytes, spec: ModelSpec) -> list[bytes]:
    """Return the texts in a lowered program, before its data and without the spec."""
    size: int = _HEADER.unpack_from(program, 4)[3]
    return _TEXT.findall(program[:size].replace(spec.to_json().encode(), b""))


def _end(data: bytes) -> int:
    """Return the number of bytes of the lowered program at the start of a file.

    Raises:
        ArtifactError: the file does not begin with one, or nothing follows.
    """
    if len(data) < 4 + _HEADER.size or data[4:6] != _MAGIC:
        raise ArtifactError("It is not an ExecuTorch program.")
    _, _, _, size, start, more = _HEADER.unpack_from(data, 4)
    end: int = max(size, start + more)
    if not archive.is_archive(data[end : end + 4]):
        raise ArtifactError("It was not made by lenetx, or it is damaged: no program of lenetx follows its own.")
    return end


def _place(program: bytes, array: "NDArray[Any]") -> list[Any] | None:
    """Return where the numbers of a tensor begin and the order of axes in which they lie; ``None`` if they do not."""
    for order in _orders(array.ndim):
        start = program.find(array.transpose(order).tobytes())
        if start >= 0:
            return [start, list(order)]
    return None


def _orders(axes: int) -> tuple[tuple[int, ...], ...]:
    return _ORDERS.get(axes, (tuple(range(axes)),))


def _found(program: bytes, place: Any, sizes: Sequence[int], width: int, most: int) -> bytes:
    """Return the bytes of a tensor in torch's order.

    Raises:
        ValueError, TypeError: the place is none of the file.
    """
    import numpy as np

    start, order = place
    if tuple(order) not in _orders(len(sizes)):
        raise ValueError("the axes of a tensor lie in an unknown order")
    length = math.prod(sizes) * width
    if length > most:
        raise ValueError("it holds less numbers than it lists")
    raw = np.frombuffer(program[_whole(start) : start + length], np.uint8)
    stored = raw.reshape(*(sizes[axis] for axis in order), width)
    return stored.transpose(*np.argsort(order), len(sizes)).tobytes()


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a size or place is not a whole number")
    return value


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
