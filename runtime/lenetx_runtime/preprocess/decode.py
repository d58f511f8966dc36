"""From a path, bytes, Pillow image or array to grey or red, green and blue levels."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from ..errors import InputError
from ..files import read_bytes

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

__all__ = ["Image", "decode"]

Image: TypeAlias = Union[str, "os.PathLike[str]", bytes, "PIL.Image.Image", "NDArray[Any]"]
"""What counts as an image: a path, the bytes of a file, a Pillow image, or an array (see :func:`decode`)."""

FILE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF")
MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 256 * 2**20


def decode(image: Image, channels: int = 1) -> "NDArray[np.uint8]":
    """Give the levels of an image, 0 to 255, as uint8[H, W] (grey) or uint8[H, W, 3] (RGB).

    A file is PNG, JPEG, BMP, WebP or GIF (its first frame), turned as its EXIF orientation says. For one channel
    colour becomes luma (ITU-R 601-2, as in Pillow's ``convert("L")``); for three, grey becomes three equal ones.
    16-bit grey is divided by 257 and rounded, and what is transparent is laid on black or white, whichever the luma of
    its visible part stands out from.

    An array is H×W, H×W×1, H×W×3 (RGB) or H×W×4 (RGBA), of dtype uint8, uint16, bool, or float in 0.0 to 1.0.

    Args:
        image: what to read.
        channels: 1 for grey, 3 for RGB.

    Raises:
        InputError: missing, unreadable, too large, or an array of another shape, dtype or range.
    """
    import numpy as np

    if channels not in (1, 3):
        raise InputError(f"An image is decoded to 1 channel or to 3, not to {channels}.")
    if isinstance(image, np.ndarray):
        return _from_array(image, channels)
    if isinstance(image, bytes):
        return _from_bytes(image, f"given as {len(image)} bytes", channels)
    if isinstance(image, str | os.PathLike):
        return _from_bytes(read_bytes(Path(image), "image", limit=MAX_FILE_BYTES), f"'{image}'", channels)
    if hasattr(image, "getbands"):
        return _from_given(image, channels)
    raise InputError(f"An image is a path, bytes, a Pillow image or a numpy array, not {type(image).__name__}.")


def _from_bytes(data: bytes, name: str, channels: int) -> "NDArray[np.uint8]":
    import io

    import PIL.Image
    import PIL.ImageOps

    try:
        with PIL.Image.open(io.BytesIO(data), formats=FILE_FORMATS) as opened:
            _check_size(*opened.size, name)
            if opened.format == "PNG":
                _check_png_sums(data)
            return _from_pillow(PIL.ImageOps.exif_transpose(opened), channels)
    except InputError:
        raise
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise InputError(f"The image {name} has more than {MAX_PIXELS:,} pixels and was not opened.") from None
    except PIL.UnidentifiedImageError:
        raise InputError(f"The image {name} is not a readable {', '.join(FILE_FORMATS[:-1])} or GIF file.") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them trip over
        raise InputError(f"The image {name} is damaged: {error}.") from None


def _from_given(image: "PIL.Image.Image", channels: int) -> "NDArray[np.uint8]":
    import PIL.ImageOps

    _check_size(*image.size, "given")
    try:
        return _from_pillow(PIL.ImageOps.exif_transpose(image), channels)
    except InputError:
        raise
    except Exception as error:  # a lazily opened file may be damaged or closed, a mode may have no grey levels
        raise InputError(f"The Pillow image of mode {image.mode} cannot be read: {error}.") from None


def _check_png_sums(data: bytes) -> None:
    """Pillow skips the checksums of pixel data when it decodes; ``verify`` looks at all of them."""
    import io

    import PIL.Image

    with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
        opened.verify()


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"The image {name} is {width}×{height}: more than {MAX_PIXELS:,} pixels, not opened.")
    if width < 1 or height < 1:
        raise InputError(f"The image {name} is {width}×{height}: it has no pixels.")


def _from_pillow(image: "PIL.Image.Image", channels: int) -> "NDArray[np.uint8]":
    import numpy as np

    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise InputError(f"The image's grey levels run from {levels.min()} to {levels.max()}, not 0 to 65535.")
        return _as_channels(_from_uint16(levels.astype(np.uint16)), channels)
    if image.mode == "F":
        raise InputError("A Pillow image of mode F has no defined range: give a float array in 0.0 to 1.0.")
    if image.has_transparency_data:
        return _flatten(np.asarray(image.convert("RGBA")), channels)
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def _from_array(array: "NDArray[Any]", channels: int) -> "NDArray[np.uint8]":
    got = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(f"An image array is H×W, H×W×1, H×W×3 or H×W×4; this one is {got}.")
    _check_size(array.shape[1], array.shape[0], f"array {got}")
    levels = _to_uint8(array, got)
    if levels.ndim == 3 and levels.shape[2] == 4:
        return _flatten(levels, channels)
    return _as_channels(levels, channels)


def _to_uint8(array: "NDArray[Any]", got: str) -> "NDArray[np.uint8]":
    import numpy as np

    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return _from_uint16(array)
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):  # written so that NaN is refused
            raise InputError(f"A float image is in 0.0 to 1.0; this {got} runs from {array.min()} to {array.max()}.")
        return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    raise InputError(f"An image array is uint8, uint16, bool, or float in 0.0 to 1.0; this one is {got}.")


def _from_uint16(levels: "NDArray[np.uint16]") -> "NDArray[np.uint8]":
    import numpy as np

    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _as_channels(levels: "NDArray[np.uint8]", channels: int) -> "NDArray[np.uint8]":
    """Give grey uint8[H, W] as three equal channels, RGB uint8[H, W, 3] as luma, and the others as they are."""
    import numpy as np

    if levels.ndim == 2:
        return levels if channels == 1 else np.repeat(levels[:, :, None], 3, axis=2)
    return levels if channels == 3 else _luma(levels)


def _luma(rgb: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import numpy as np
    import PIL.Image

    return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(rgb)).convert("L"))


def _flatten(rgba: "NDArray[np.uint8]", channels: int) -> "NDArray[np.uint8]":
    """Lay RGBA on white if what is visible is dark on average, else on black."""
    import numpy as np

    luma, alpha = _luma(rgba[:, :, :3]), rgba[:, :, 3]
    visible = int(np.multiply(luma, alpha, dtype=np.uint16).sum(dtype=np.uint64))
    on_white = visible < 128 * int(alpha.sum(dtype=np.uint64)) or not alpha.any()
    if channels == 1:
        return _laid(luma, alpha, on_white)
    return np.stack([_laid(rgba[:, :, channel], alpha, on_white) for channel in range(3)], axis=2)


def _laid(levels: "NDArray[np.uint8]", alpha: "NDArray[np.uint8]", on_white: bool) -> "NDArray[np.uint8]":
    """Give uint8[H, W]: one channel on its background, rounded."""
    import numpy as np

    laid = np.multiply(levels, alpha, dtype=np.uint16)  # at most 255 · 255, here and below
    if on_white:
        laid += np.multiply(255 - alpha, 255, dtype=np.uint16)
    channel: NDArray[np.uint8] = ((laid + np.uint16(127)) // np.uint16(255)).astype(np.uint8)
    return channel
