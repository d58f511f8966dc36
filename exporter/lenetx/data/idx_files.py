"""Find and read the IDX files of MNIST and its relatives, in the layouts that people have them in.

The format: http://yann.lecun.com/exdb/mnist: two zeros, the type, the number of axes, each axis' length (big-endian),
the values (big-endian).
"""

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.files import require_file

from ..errors import DataError

__all__ = ["REMEDY", "find", "read"]

_TYPES: dict[int, np.dtype[Any]] = {0x08: np.dtype(np.uint8), 0x0C: np.dtype(">i4")}
_GZIP, _OF_GZIP = b"\x1f\x8b", 31
"""How a packed file begins, and zlib's number for the format."""
_START, _HEAD = 2**16, 64
"""Bytes of a file that are unpacked to see what it announces, and of those that are needed."""
_DENSE = 0.6
"""The most packed bytes for each byte: Fashion-MNIST has 0.56. Empty blocks take 75 ns a byte."""
REMEDY = "Put the original file there, or delete it and name no folder to have it downloaded."


def find(folder: Path, kind: str, others: set[str], name: str) -> Path | None:
    """Return the file of that name in a folder that was named, or ``None``.

    It may lie in ``KIND/raw``, ``KIND``, ``raw`` or the folder itself, be compressed with gzip, be spelled with other
    signs between its words, as ``train-images.idx3-ubyte``, or in capitals, or lie in a folder of its own name.

    Args:
        folder: as it was named.
        kind: the name of torchvision's class, and of its folder.
        others: the kinds whose files may have the same names: their folders are not searched.
        name: of the original file.
    """
    for place in _places(folder, kind, others):
        alike = _alike(place, name)
        inside = (path for entry in alike if entry.is_dir() for path in _alike(entry, name))
        for path in (*alike, *inside):
            if path.is_file():
                return path
    return None


def _places(folder: Path, kind: str, others: set[str]) -> Iterator[Path]:
    bases = _named(folder, kind)
    if not {part.lower() for part in folder.absolute().parts} & {other.lower() for other in others}:
        bases.append(folder)
    for base in bases:
        places = [*_named(base, "raw"), base]
        yield from places
        yield from (packed for place in places for packed in _named(place, "gzip"))


def _named(folder: Path, name: str) -> list[Path]:
    """Return the folders of that name in a folder, in any case."""
    return [entry for entry in _entries(folder) if entry.name.lower() == name.lower() and entry.is_dir()]


def _alike(folder: Path, name: str) -> list[Path]:
    """Return what has a file's name, plain before compressed, whatever case and signs it is spelled with."""
    entries = sorted(_entries(folder), key=lambda entry: (len(entry.name), entry.name))
    return [entry for entry in entries if _letters(entry.name).removesuffix("gz") == _letters(name)]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def read(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read one file, whole and of this shape; an axis of -1 may have any length.

    Raises:
        DataError: it is damaged, cut off or of another shape.
        InputError: it cannot be read.
    """
    size = require_file(path, "data file")
    if not size:
        raise DataError(f"'{path}' cannot be read: it is empty. {REMEDY}")
    most = int(np.prod([length if length > 0 else 16 for length in shape])) * 4 + 64
    data = _content(path, size, most)
    axes = data[3] if len(data) > 3 else 0
    start = 4 + 4 * axes
    if data[:2] != b"\0\0" or len(data) < start or data[2] not in _TYPES or axes != len(shape):
        raise DataError(f"'{path}' cannot be read: it is not an IDX file of {len(shape)} axes. {REMEDY}")
    lengths = struct.unpack_from(f">{axes}I", data, 4)
    if any(wanted not in (-1, length) for wanted, length in zip(shape, lengths, strict=True)):
        raise DataError(f"'{path}' is not complete: it holds {lengths} values instead of {shape}. {REMEDY}")
    kind = _TYPES[data[2]]
    expected = start + int(np.prod(lengths)) * kind.itemsize
    if len(data) != expected:
        raise DataError(f"'{path}' cannot be read: it has {len(data):,} bytes instead of {expected:,}. {REMEDY}")
    values: NDArray[Any] = np.frombuffer(data, kind, offset=start)
    return values.reshape(lengths)


def _content(path: Path, size: int, most: int) -> bytes:
    """Return the content, unpacked whatever the name says, but no more than ``most`` bytes of a file of ``size``."""
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            if not start.startswith(_GZIP):
                return start + file.read(max(0, most - len(start)))
            head = zlib.decompressobj(_OF_GZIP).decompress(start, _HEAD)
            if size > _START + min(most, _claimed(head)) * _DENSE:
                raise DataError(
                    f"'{path}' cannot be read: its {size:,} packed bytes hold next to nothing. Unpack it with gunzip."
                )
            file.seek(0)
            with gzip.open(file) as stream:
                return stream.read(most)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"'{path}' cannot be read: {' '.join(str(error).split()).rstrip('.')}. {REMEDY}") from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}.") from None


def _claimed(head: bytes) -> int:
    """Return how many bytes of values the start of a file announces."""
    count = min(head[3] if len(head) > 3 else 0, (len(head) - 4) // 4)
    kind = _TYPES.get(head[2]) if count > 0 else None
    return kind.itemsize * math.prod(struct.unpack_from(f">{count}I", head, 4)) if kind else 0
