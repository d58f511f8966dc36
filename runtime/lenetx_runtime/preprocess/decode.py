"""Decode a path, bytes, file object, Pillow image or array to grey or RGB levels."""

import os
from typing import IO, TYPE_CHECKING, Any, TypeAlias, Union, cast

from ..errors import InputError
from ..files import read_bytes
from ..limits import DEFAULT_LIMITS, Limits, size_in_words
from .levels import from_array, from_pillow, require_size

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

__all__ = ["Image", "decode"]

_LARGEST_EXIF = 2**16
"""Maximum bytes of EXIF data for Pillow's reader, which copies each entry."""
_AT_ONCE = 2**30
"""Maximum bytes per read: some file objects accept no more."""

Image: TypeAlias = Union[str, "os.PathLike[str]", bytes, IO[bytes], "PIL.Image.Image", "NDArray[Any]"]
"""Accepted images: a path, the bytes of a file, a file object opened for reading bytes, a Pillow image, or an array
(see ``decode``)."""


def decode(image: Image, channels: int = 1, limits: Limits = DEFAULT_LIMITS) -> "NDArray[np.uint8]":
    """Return the levels of an image, 0 to 255, as uint8[H, W] (grey) or uint8[H, W, 3] (RGB).

    A file is PNG, JPEG, BMP, WebP or GIF (its first frame); its EXIF orientation is applied. For one channel, colour is
    converted to luma (ITU-R 601-2, as in Pillow's ``convert("L")``); for three, grey is repeated. 16-bit grey is scaled
    by its depth (see below). A transparent image is composited onto black or white, whichever contrasts more with the
    luma of its visible part.

    An array is H×W, H×W×1, H×W×3 (RGB) or H×W×4 (RGBA), of bool, integers in any dtype, or floats. Integers other than
    uint8 have 8, 10, 12 or 16 bits, the fewest that hold the largest of them: white is 255, 1023, 4095 or 65535. Floats
    are 0.0 to 1.0, or whole and 0 to 255. If none exceeds 1/255, they were divided by 255 twice, and one division is
    undone.

    A file object is read from its position to its end, and is left open.

    Args:
        image: what to read.
        channels: 1 for grey, 3 for RGB.
        limits: larger images are rejected before they are read.

    Raises:
        InputError: missing, unreadable, too large, or an array of another shape, dtype or range.
    """
    import numpy as np

    if channels not in (1, 3):
        raise InputError(f"An image is decoded to 1 channel or to 3, not to {channels}.")
    if isinstance(image, np.ndarray):
        return from_array(image, channels, limits)
    if isinstance(image, bytearray | memoryview):
        image = image if memoryview(image).nbytes > limits.image_bytes else bytes(image)
    if isinstance(image, bytes | bytearray | memoryview):
        if len(image) > limits.image_bytes or not isinstance(image, bytes):
            most = size_in_words(limits.image_bytes)
            raise InputError(f"The image given as bytes is larger than {most}: Limits(image_bytes=…) allows more.")
        return _from_file(image, f"given as {len(image)} bytes", channels, limits)
    if isinstance(image, str | os.PathLike):
        path = os.fsdecode(image)
        return _from_file(read_bytes(path, "image", limit=limits.image_bytes), f"'{path}'", channels, limits)
    if hasattr(image, "getbands"):
        return _from_given(cast("PIL.Image.Image", image), channels, limits)
    if hasattr(image, "read"):
        data = _read(image, limits.image_bytes)
        return _from_file(data, f"of {len(data)} bytes in a file object", channels, limits)
    raise InputError(
        f"An image is a path, bytes, a file object, a Pillow image or a numpy array, not {type(image).__name__}."
    )


def _from_file(data: bytes, name: str, channels: int, limits: Limits) -> "NDArray[np.uint8]":
    from .image_file import from_bytes

    return from_bytes(data, name, channels, limits)


def _read(file: Any, limit: int) -> bytes:
    """Read at most one byte beyond the limit."""
    parts: list[bytes] = []
    left = limit + 1
    while left > 0:
        try:
            part = file.read(min(left, _AT_ONCE))
        except Exception as error:  # a file object may raise anything
            raise InputError(f"The image's file object cannot be read: {error}.") from error
        if isinstance(part, str):
            raise InputError("The image's file object returns text: open the file with mode 'rb'.")
        if not isinstance(part, bytes):
            raise InputError(f"The image's file object gives {type(part).__name__} where bytes were expected.")
        if not part:
            break
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise InputError(f"The image's file object gives more than {size_in_words(limit)}.")
    if not parts:
        raise InputError("The image's file object gives no bytes: it is empty, or was already read to its end.")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _from_given(image: "PIL.Image.Image", channels: int, limits: Limits) -> "NDArray[np.uint8]":
    from .image_file import upright

    require_size(*image.size, "given", limits)
    try:
        image.load()
        return upright(from_pillow(image, channels), _turned(image))
    except InputError:
        raise
    except Exception as error:  # a damaged or closed file, or a mode without grey levels
        raise InputError(f"The Pillow image of mode {image.mode} cannot be read: {error}.") from None


def _turned(image: "PIL.Image.Image") -> int:
    from .image_file import orientation
    from .png_file import unpacked

    exif, note = image.info.get("exif", b""), image.info.get("Raw profile type exif", "")
    if max(len(exif), len(note)) <= _LARGEST_EXIF:
        return int(image.getexif().get(0x0112, 1))
    return orientation(exif or unpacked(b"tEXt", note.encode()))
