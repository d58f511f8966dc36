"""The EXIF orientation, read from the first directory of the data alone.

Pillow's own reader keeps a copy of whatever each of up to 65,535 entries points at, which a file of a few kilobytes
can make hundreds of megabytes.
"""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["orientation", "upright"]

_PREFIX = b"Exif\0\0"
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TAG = 0x0112
_FORMATS = {3: "H", 4: "I"}
"""TIFF's types SHORT and LONG."""


def orientation(exif: bytes | None) -> int:
    """Give 1 to 8 as EXIF 2.3, section 4.6.4, numbers them; 1, upright, where the data does not say or is damaged."""
    if not exif:
        return 1
    tiff = exif.removeprefix(_PREFIX)
    order = _ORDERS.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return 1
    [start] = struct.unpack_from(f"{order}I", tiff, 4)
    if start + 2 > len(tiff):
        return 1
    [count] = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
        if tag == _TAG:
            if kind not in _FORMATS:
                return 1
            [value] = struct.unpack_from(f"{order}{_FORMATS[kind]}", tiff, entry + 8)
            return int(value) if 1 <= value <= 8 else 1
    return 1


def upright(levels: "NDArray[np.uint8]", turned: Any) -> "NDArray[np.uint8]":
    """Turn or mirror uint8[H, W] or uint8[H, W, 3] as its orientation says; one that is not 1 to 8 does nothing."""
    import numpy as np

    turns: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        2: np.fliplr,
        3: lambda stored: np.rot90(stored, 2),
        4: np.flipud,
        5: lambda stored: stored.swapaxes(0, 1),
        6: lambda stored: np.rot90(stored, -1),
        7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
        8: np.rot90,
    }
    turn = turns.get(turned)
    return levels if turn is None else np.ascontiguousarray(turn(levels))
