"""Decode image files to levels, in bounded time and memory for any bytes."""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError
from ..limits import Limits, size_in_words
from .levels import from_pillow, require_size
from .png_file import SIGNATURE, read_png
from .stripped import first_frame, scans, without_notes

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    import PIL.ImageFile
    from numpy.typing import NDArray

__all__ = ["from_bytes", "orientation", "upright"]

_MOST_PASSES = 100
_FULL_PASSES = 10
"""Maximum passes over the largest JPEG: as many as programs write, at up to 10 ns per pixel."""
_LARGEST_WEBP = 16 * 2**20
"""Maximum size in bytes; each takes up to 120 ns."""
_LARGEST_PACKED = 2**20
_MOST_PACKED_PIXELS = 2**22
"""Maximum pixels of a run-length encoded BMP, which Pillow decodes in Python."""
_PREFIX = b"Exif\0\0"
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TAG = 0x0112
_FORMATS = {3: "H", 4: "I"}
"""TIFF's types SHORT and LONG."""


class _Opened(NamedTuple):
    image: "PIL.Image.Image"
    exif: bytes | None = None


def from_bytes(data: bytes, name: str, channels: int, limits: Limits) -> "NDArray[np.uint8]":
    """Return levels as ``decode`` does.

    Args:
        data: contents of the file.
        name: the image's name in errors.
        channels: 1 or 3.
        limits: limits its pixels; its size in bytes was checked before.

    Raises:
        InputError: not an image file, damaged, or too large.
    """
    import PIL.Image

    try:
        image, exif = _open(data, name, limits)
        return upright(from_pillow(image, channels), orientation(exif))
    except InputError:
        raise
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise InputError(f"The image {name} has more pixels than Pillow's own limit and was not opened.") from None
    except Exception as error:  # Pillow may raise anything
        raise InputError(f"The image {name} is damaged: {error}.") from None


def _open(data: bytes, name: str, limits: Limits) -> _Opened:
    if data.startswith(SIGNATURE):
        return _open_png(data, name, limits)
    if data.startswith(b"\xff\xd8\xff"):
        return _open_jpeg(data, name, limits)
    if data.startswith((b"GIF87a", b"GIF89a")):
        from PIL.GifImagePlugin import GifImageFile

        return _opened(GifImageFile, first_frame(data), name, limits)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        from PIL.WebPImagePlugin import WebPImageFile

        if len(data) > _LARGEST_WEBP:
            raise InputError(f"The image {name} is a WebP file of more than {size_in_words(_LARGEST_WEBP)}.")
        return _opened(WebPImageFile, data, name, limits)
    if data.startswith(b"BM"):
        return _open_bmp(data, name, limits)
    raise InputError(f"The image {name} is not a readable PNG, JPEG, BMP, WEBP or GIF file.")


def _open_png(data: bytes, name: str, limits: Limits) -> _Opened:
    png = read_png(data)
    require_size(*png.size, name, limits)
    return _Opened(png.image(), png.exif)


def _open_jpeg(data: bytes, name: str, limits: Limits) -> _Opened:
    from PIL.JpegImagePlugin import JpegImageFile

    file, exif = without_notes(data)
    opened = _opened(JpegImageFile, file, name, limits, exif)
    width, height = opened.image.size
    passes = scans(file)
    if passes > _MOST_PASSES or passes * width * height > _FULL_PASSES * limits.image_pixels:
        raise InputError(f"The image {name} is {width}×{height} in {passes} passes, too many to be opened.")
    return opened


def _open_bmp(data: bytes, name: str, limits: Limits) -> _Opened:
    from PIL.BmpImagePlugin import BmpImageFile

    opened = _opened(BmpImageFile, data, name, limits)
    width, height = opened.image.size
    packed = any(tile[0] == "bmp_rle" for tile in getattr(opened.image, "tile", ()))
    if packed and (len(data) > _LARGEST_PACKED or width * height > _MOST_PACKED_PIXELS):
        raise InputError(f"The image {name} is a compressed BMP file of {width}×{height}, too large to be unpacked.")
    return opened


def _opened(
    plugin: "type[PIL.ImageFile.ImageFile]", data: bytes, name: str, limits: Limits, exif: bytes | None = None
) -> _Opened:
    import io

    image = plugin(io.BytesIO(data))
    require_size(*image.size, name, limits)
    return _Opened(image, exif or image.info.get("exif"))


def orientation(exif: bytes | None) -> int:
    """Return the orientation, 1 to 8 (EXIF 2.3, section 4.6.4); 1, upright, if the data is missing or damaged.

    Pillow's own reader copies what each of up to 65,535 entries points to: hundreds of megabytes.
    """
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
    """Rotate or mirror uint8[H, W] or uint8[H, W, 3] by its orientation; values other than 1 to 8 do nothing."""
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
