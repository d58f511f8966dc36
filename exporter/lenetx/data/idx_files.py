"""Find and read the IDX files of MNIST and related sets in their common folder layouts.

The format (http://yann.lecun.com/exdb/mnist): two zero bytes, the type, the number of axes, the length of each axis
(big-endian), the values (big-endian).
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
"""The magic number of a gzip file, and zlib's ``wbits`` for the format."""
_START, _HEAD = 2**16, 64
"""Compressed bytes that are read to see the header, and the bytes decompressed from them."""
_DENSE = 0.6
"""Maximum ratio of compressed to decompressed size. Fashion-MNIST has 0.56; a file of empty gzip blocks, which
decompress to nothing, takes 75 ns per byte."""
REMEDY = "Put the original file there, or delete it and name no folder to have it downloaded."


def find(folder: Path, kind: str, others: set[str], name: str) -> Path | None:
    """Return the path of an IDX file in a user-supplied folder, or ``None``.

    The file may be in ``KIND/raw``, ``KIND``, ``raw`` or the folder itself, or in a folder of the same name. It may be
    gzipped, and its name may use other separators (``train-images.idx3-ubyte``) or upper case.

    Args:
        folder: the folder that the user named.
        kind: the name of torchvision's class, which is also its folder's name.
        others: the kinds whose files have the same names; their folders are not searched.
        name: the original name of the file.
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
    """Return the subfolders of that name, ignoring case."""
    return [entry for entry in _entries(folder) if entry.name.lower() == name.lower() and entry.is_dir()]


def _alike(folder: Path, name: str) -> list[Path]:
    """Return the entries whose name matches except for case and separators, uncompressed before compressed."""
    entries = sorted(_entries(folder), key=lambda entry: (len(entry.name), entry.name))
    return [entry for entry in entries if _letters(entry.name).removesuffix("gz") == _letters(name)]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def read(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read one IDX file of this shape as uint8 or big-endian int32; an axis of -1 may have any length.

    Raises:
        DataError: the file is damaged, truncated or of another shape.
        InputError: the file cannot be read.
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
    """Return at most ``most`` bytes of content, decompressed if it is gzip, regardless of the file's suffix."""
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
    """Return how many bytes of values the header of a file declares."""
    count = min(head[3] if len(head) > 3 else 0, (len(head) - 4) // 4)
    kind = _TYPES.get(head[2]) if count > 0 else None
    return kind.itemsize * math.prod(struct.unpack_from(f">{count}I", head, 4)) if kind else 0
